"""Cosignatures asked for beside everything else: nothing waits for a witness that is away.

Runs in every API process that has witnesses set; whoever takes the turn in table ``witnessed`` asks
all of them about the newest checkpoint, and keeps what they sign once it is verified. A witness
that does not answer or refuses is asked again after pauses that get longer.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from time import monotonic
from types import TracebackType
from typing import Any, Final, Self

from ledger.database import DatabaseUnavailable, Pool, fetch, statement
from projections.published import Published, checkpoint_in, with_cosignatures
from projections.tree import Tree
from projections.witnesses import (
    Answer,
    Cosigned,
    Elsewhere,
    Refused,
    Witness,
    answer_of,
    question,
)

_CLAIM_ROUND: Final = statement("projections", "claim_witness_round")
_STORE_COSIGNED: Final = statement("projections", "store_cosigned")

_POLL_SECONDS: Final = 0.25
_ROUND_US_MIN: Final = 500_000
_PAUSE_SECONDS_MAX: Final = 60.0

_log = logging.getLogger(__name__)


class WitnessAway(Exception):
    """A witness could not be reached, or did not answer in time."""


Ask = Callable[[Witness, bytes], Awaitable[tuple[int, bytes]]]
"""Sends a question; status and body of the answer, or raises `WitnessAway`."""

Note = Callable[[str, str], None]
"""Is told the witness's name and how it answered: cosigned, away, refused or ahead."""


class Witnessing:
    """To be used as an asynchronous context manager, within which it works in the background."""

    def __init__(
        self, pool: Pool, witnesses: Sequence[Witness], ask: Ask, note: Note = lambda *_: None
    ) -> None:
        self._pool = pool
        self._tree = Tree(pool)
        self._states = [_State(witness) for witness in witnesses]
        self._ask = ask
        self._note = note

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

    async def ask_all(self) -> bool:
        """Have the newest checkpoint cosigned by those who did not yet; whether all now have.

        Raises `ledger.database.DatabaseUnavailable`.
        """
        published = await self._tree.published()
        note = published.newest
        if note is None or checkpoint_in(note).size == 0:
            return False
        missing = [each for each in self._states if not each.has_cosigned(published)]
        due = [each for each in missing if each.not_before <= monotonic()]
        if not due or not await self._rows(_CLAIM_ROUND, _ROUND_US_MIN):
            return not missing
        cosigned, count = note, 0
        if published.cosigned is not None and published.is_newest_cosigned:
            cosigned = with_cosignatures(note, published.cosigned)
        # Each as it comes: one that hangs must not keep back what another has signed.
        for answering in asyncio.as_completed([self._ask_one(state, note) for state in due]):
            line = await answering
            if line:
                cosigned, count = cosigned + line, count + 1
                await self._rows(_STORE_COSIGNED, checkpoint_in(note).size, cosigned)
        return count == len(missing)

    async def _run(self) -> None:
        while True:
            try:
                await self.ask_all()
            except DatabaseUnavailable:
                pass  # the log says so itself
            except Exception:  # noqa: BLE001  whatever it is, the next try may be better
                _log.exception("the witnesses could not be asked")
            await asyncio.sleep(_POLL_SECONDS)

    async def _ask_one(self, state: "_State", note: str) -> str:
        """The verified cosignature of one witness; empty where it gave none."""
        try:
            answer = await self._answer(state, note)
        except WitnessAway as error:
            self._put_off(state, "away", str(error))
            return ""
        match answer:
            case Cosigned(lines):
                self._is_well(state)
                return lines
            case Refused(why):
                self._put_off(state, "refused", why)
            case Elsewhere(size):
                if size > (await self._tree.progress()).size:
                    there = f"it has cosigned {size} entries, which the database does not have"
                    self._put_off(state, "ahead", there)
                # Otherwise another process was there with a newer one: this one is out of date.
        return ""

    async def _answer(self, state: "_State", note: str) -> Answer:
        size = checkpoint_in(note).size
        answer = await self._asked(state, note, min(state.size, size))
        if isinstance(answer, Elsewhere) and answer.size <= size:
            # What it says is where it stands, as long as it says something else than we assumed.
            if answer.size == min(state.size, size):
                return Refused(f"it has cosigned another tree of {answer.size} entries")
            state.size = answer.size
            answer = await self._asked(state, note, answer.size)
            if answer == Elsewhere(state.size):
                return Refused(f"it has cosigned another tree of {state.size} entries")
        if isinstance(answer, Cosigned):
            state.size = size
        return answer

    async def _asked(self, state: "_State", note: str, old_size: int) -> Answer:
        proof = await self._tree.consistency(old_size, checkpoint_in(note).size)
        status, body = await self._ask(state.witness, question(old_size, proof, note))
        return answer_of(state.witness, note, status, body)

    def _is_well(self, state: "_State") -> None:
        self._note(state.witness.key.name, "cosigned")
        if state.failures:
            _log.info("witness %s cosigns again", state.witness.key.name)
        state.failures, state.not_before = 0, 0.0

    def _put_off(self, state: "_State", outcome: str, why: str) -> None:
        self._note(state.witness.key.name, outcome)
        if outcome != state.last_failure or not state.failures:
            _log.warning("witness %s does not cosign: %s", state.witness.key.name, why)
        state.last_failure = outcome
        state.failures += 1
        pause = min(_PAUSE_SECONDS_MAX, 0.5 * 2.0 ** min(state.failures, 10))
        state.not_before = monotonic() + pause

    async def _rows(self, query: bytes, *parameters: Any) -> list[tuple[Any, ...]]:
        return await fetch(self._pool, query, *parameters)


class _State:
    """What is known of a witness: the size it cosigned last, and how it failed."""

    def __init__(self, witness: Witness) -> None:
        self.witness = witness
        self.size = 0
        self.failures = 0
        self.last_failure = ""
        self.not_before = 0.0

    def has_cosigned(self, published: Published) -> bool:
        """Whether the newest checkpoint has its cosignature."""
        return published.is_newest_cosigned and published.is_cosigned_by(self.witness.key)
