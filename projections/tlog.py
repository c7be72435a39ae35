"""The transparency log at work: number what is new, grow the tree, sign the checkpoint.

Runs in every API process beside the requests. News is acted on at once when it comes after a
pause, and under load together with all that came within `_PAUSE_SECONDS`.
"""

import asyncio
import logging
from collections.abc import Iterable
from contextlib import suppress
from time import monotonic
from types import TracebackType
from typing import Final, Self

from ledger.database import DatabaseUnavailable, Pool, StreamLocked
from ledger.values import EventId
from projections.log_keys import KeysUnusable, LogKeys
from projections.merkle import ProofInvalid, verify_consistency
from projections.notes import Checkpoint, signed
from projections.published import checkpoint_in
from projections.receipts import Receipt
from projections.sequencer import Sequencer
from projections.tree import EntriesMissing, Progress, Tree

_log = logging.getLogger(__name__)

_PAUSE_SECONDS: Final = 0.5
_COMPARE_SECONDS: Final = 1.0
_LAST_SECONDS_MAX: Final = 1.0
_RECEIPT_POLL_SECONDS: Final = 0.05
_COSIGNED_SECONDS_MAX: Final = 2.0


class LogForked(Exception):
    """The database does not continue what was signed: it is older, or another one."""


class TransparencyLog:
    """Keeps the log up to date with the ledger, as far as it is told or finds out what is new.

    To be used as an asynchronous context manager, within which it works in the background. Leaving
    it brings the log up to date once more, if that can be done soon.
    """

    def __init__(self, pool: Pool, keys: LogKeys, *, has_witnesses: bool = False) -> None:
        self._keys = keys
        self._has_witnesses = has_witnesses
        self._sequencer = Sequencer(pool)
        self._tree = Tree(pool)
        self._news = asyncio.Event()
        self._arrived_at: float | None = None
        self._taken_since: float | None = None
        self._signed_by: list[bytes] = []
        self._remembered: str | None = None
        self._complaint = ""
        self.is_forked = False

    async def __aenter__(self) -> Self:
        self._running = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._running.cancel()
        with suppress(asyncio.CancelledError):
            await self._running
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_SECONDS_MAX):
                await self._try_to_catch_up()

    def notice(self, stream_ids: Iterable[EventId]) -> None:
        """Take note that these streams got entries."""
        self._sequencer.notice(stream_ids)
        if self._arrived_at is None:
            self._arrived_at = monotonic()
        self._news.set()

    async def receipt(
        self, stream_id: EventId, version: int, *, seconds_max: float
    ) -> Receipt | None:
        """What proves an entry, as soon as a checkpoint covers it; None when that takes longer.

        Where witnesses answer, it is as soon as a checkpoint covers it that they have cosigned, or
        shortly after in any case. Raises `ledger.database.DatabaseUnavailable` and
        `projections.tree.EntriesMissing`.
        """
        started = monotonic()
        while True:
            receipt = await self._tree.receipt(stream_id, version)
            waited = monotonic() - started
            if receipt is None:
                if waited > seconds_max:
                    return None
                # Whoever committed it may be another process, or one that is no more.
                self.notice([stream_id])
            elif not (
                self._has_witnesses
                and waited < _COSIGNED_SECONDS_MAX
                and (await self._tree.published()).awaits_cosignature(receipt.seq)
            ):
                return receipt
            await asyncio.sleep(_RECEIPT_POLL_SECONDS)

    @property
    def lag_seconds(self) -> float:
        """For how long the oldest entry noticed here has waited for its checkpoint; 0 with none."""
        since = self._arrived_at if self._taken_since is None else self._taken_since
        return 0.0 if since is None else monotonic() - since

    async def catch_up(self) -> None:
        """Number, add to the tree and sign what was noticed and what a page of streams shows.

        Raises `ledger.database.DatabaseUnavailable`, `ledger.database.StreamLocked`,
        `projections.log_keys.KeysUnusable`, `projections.tree.EntriesMissing` or `LogForked`; what
        was not done is then left for the next time.
        """
        if self._taken_since is None:
            self._taken_since = self._arrived_at
        self._arrived_at = None
        await self._sequencer.compare_a_page()
        await self._sequencer.number()
        await self._sign()
        self._taken_since = None

    async def catch_up_with_all(self) -> None:
        """Number, add to the tree and sign all that is committed by now; raises as `catch_up`."""
        while await self._sequencer.compare_a_page():
            pass
        while self._sequencer.has_news:
            await self._sequencer.number()
        await self._sign()

    async def _run(self) -> None:
        while True:
            started = monotonic()
            self._news.clear()
            await self._try_to_catch_up()
            if self._sequencer.has_news:
                self._news.set()
            await asyncio.sleep(started + _PAUSE_SECONDS - monotonic())
            with suppress(TimeoutError):
                async with asyncio.timeout(_COMPARE_SECONDS):
                    await self._news.wait()

    async def _try_to_catch_up(self) -> None:
        try:
            await self.catch_up()
            self._complaint = ""
        except (DatabaseUnavailable, StreamLocked) as error:
            _log.warning("the log has to wait: %s", error)
        except (KeysUnusable, EntriesMissing, LogForked) as error:
            # It stays so until somebody does something: said once, and then the metrics say it.
            if str(error) != self._complaint:
                _log.error("the log cannot go on: %s", error)
            self._complaint = str(error)
        except Exception:  # noqa: BLE001  whatever it is, the next try may be better
            _log.exception("the log could not be brought up to date")

    async def _sign(self) -> None:
        keys = self._keys.signing()
        key_ids = [key.verifier.key_id for key in keys]
        progress = await self.require_no_fork()
        size, is_due = progress.size, progress.checkpoint is None or key_ids != self._signed_by
        note = None

        def sign(size: int, root: bytes) -> str:
            nonlocal note
            note = signed(Checkpoint(self._keys.origin, size, root), keys)
            return note

        while is_due or size < progress.next_seq:
            size = await self._tree.grow(sign)
            is_due = False
        await self._remember(note or progress.checkpoint)
        self._signed_by = key_ids

    async def _remember(self, note: str | None) -> None:
        if note is not None and note != self._remembered:
            await asyncio.to_thread(self._keys.remember, note)
            self._remembered = note

    async def require_no_fork(self) -> Progress:
        """The tree's progress, if the database continues what was last signed with these keys.

        Raises `LogForked`, `ledger.database.DatabaseUnavailable` and
        `projections.log_keys.KeysUnusable`.
        """
        # In this order: what is remembered was committed before, by whichever process.
        last = self._keys.last_signed()
        progress = await self._tree.progress()
        try:
            await self._require_continued(last, progress)
        except LogForked:
            self.is_forked = True
            raise
        self.is_forked = False
        return progress

    async def _require_continued(self, last: Checkpoint | None, progress: Progress) -> None:
        stored = None if progress.checkpoint is None else checkpoint_in(progress.checkpoint)
        if last is None or (stored is not None and stored.root == last.root):
            return
        if stored is None or stored.size < last.size:
            raise LogForked(
                f"the database has {progress.size} entries in its tree, and {last.size} were "
                "signed: it was restored from an older backup, or these keys are another database's"
            )
        proof = await self._tree.consistency(last.size, stored.size)
        try:
            verify_consistency(last.size, last.root, stored.size, stored.root, proof)
        except ProofInvalid as error:
            raise LogForked(
                f"the first {last.size} entries in the database are not those that were signed"
            ) from error
