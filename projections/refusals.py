"""Refusals by event and reason. They leave no entry, so each process counts what it refuses.

What was counted is added to the table every `WRITE_SECONDS`. A process that is killed takes what it
counted since with it, and nothing brings that back: good for seeing what a sale ran into, and no
promise like the ledger.
"""

import asyncio
import logging
from collections import Counter
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

from ledger.database import DatabaseUnavailable, Pool, fetch, statement
from ledger.values import EventId

_log = logging.getLogger(__name__)

WRITE_SECONDS: Final = 1.0

_ADD_REFUSALS: Final = statement("projections", "add_refusals")
_COUNTED_MAX: Final = 100_000
"""While nothing can be written, events and reasons beyond this many are not counted."""


class Refusals:
    """Counts; within it as an asynchronous context manager it writes, and once more at the end."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._counted: Counter[tuple[EventId, str]] = Counter()

    def count(self, event_id: EventId, reason: str) -> None:
        """A wish for an event was refused."""
        if len(self._counted) < _COUNTED_MAX:
            self._counted[event_id, reason] += 1

    async def write(self) -> None:
        """Add what was counted; raises `ledger.database.DatabaseUnavailable` and keeps it then.

        An answer that is lost on its way counts as such, so what it was about may be added twice.
        """
        counted, self._counted = self._counted, Counter()
        if not counted:
            return
        rows = [(*key, refused) for key, refused in counted.items()]
        try:
            await fetch(
                self._pool, _ADD_REFUSALS, *(list(each) for each in zip(*rows, strict=True))
            )
        except DatabaseUnavailable:
            self._counted.update(counted)
            raise

    async def __aenter__(self) -> Self:
        self._writing = asyncio.create_task(self._keep_writing())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._writing.cancel()
        with suppress(asyncio.CancelledError):
            await self._writing
        with suppress(DatabaseUnavailable):
            await self.write()

    async def _keep_writing(self) -> None:
        while True:
            await asyncio.sleep(WRITE_SECONDS)
            try:
                await self.write()
            except DatabaseUnavailable as error:
                _log.warning("refusals are not written: %s", error)
