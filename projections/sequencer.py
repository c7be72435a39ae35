"""The sequencer: one dense order over the entries of all streams.

Row locks on different streams do not order their commits, so nothing that is written with an entry
can order entries without some late commit being passed over. Here each stream is read, in one
snapshot, from its mark on: within a stream a snapshot that sees a version sees all before it. The
numbers go into a table of their own, in one transaction with the marks.

Every process may run one. The lock of a single row makes them take turns, for no longer than one
transaction, so there is no leader to be lost: when a process dies, the next transaction of any
other goes on where the last commit ended. Each process learns at once what its own writer
committed, and compares the streams with their marks page by page for what others left behind.
"""

from collections.abc import Iterable
from typing import Any, Final

from ledger.database import Connection, Pool, statement, translate_errors
from ledger.values import EventId
from projections.queries import NIL

_LIMIT_TRANSACTION: Final = statement("ledger", "limit_transaction")
_LOCK_SEQUENCER: Final = statement("projections", "lock_sequencer")
_NUMBER_ENTRIES: Final = statement("projections", "number_entries")
_MARK_SEQUENCED: Final = statement("projections", "mark_sequenced")
_ADVANCE_SEQUENCER: Final = statement("projections", "advance_sequencer")
_FIND_UNSEQUENCED: Final = statement("projections", "find_unsequenced")

_STREAMS_MAX: Final = 2_000
_ENTRIES_MAX: Final = 20_000
_PAGE_STREAMS: Final = 5_000
_LOCK_WAIT_MS: Final = 1_000
_STATEMENT_MS_MAX: Final = 3_000
"""A sequencer frozen within its transaction loses it after this long, and another takes over."""


class Sequencer:
    """Numbers the entries of streams that it was told of or found behind."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._moved: set[EventId] = set()
        self._compared_to: Any = NIL

    @property
    def has_news(self) -> bool:
        """Whether streams are known that may have entries without a number."""
        return bool(self._moved)

    def notice(self, stream_ids: Iterable[EventId]) -> None:
        """Take note that these streams may have got entries."""
        self._moved.update(stream_ids)

    async def compare_a_page(self) -> bool:
        """Take note of the streams behind among the next `_PAGE_STREAMS`; begins again at the end.

        Whether there are more pages before that. Raises `ledger.database.DatabaseUnavailable`.
        """
        with translate_errors():
            async with self._pool.connection() as connection:
                cursor = await connection.execute(
                    _FIND_UNSEQUENCED, (self._compared_to, _PAGE_STREAMS), binary=True
                )
                row = await cursor.fetchone()
        if row is None:
            raise AssertionError("an aggregate gave no row")
        last, behind = row
        self._compared_to = last or NIL
        self.notice(behind)
        return last is not None

    async def number(self) -> int:
        """Number what the streams noticed have new; how many entries that were.

        Of a long backlog it is a part, and the rest stays noticed. So does what is not done when it
        raises: `ledger.database.DatabaseUnavailable`, or `StreamLocked` when others did not let go
        of the sequencer's row.
        """
        waiting = sorted(self._moved)
        self._moved.clear()
        numbered = 0
        try:
            while waiting:
                entries, are_done = await self._number(waiting[:_STREAMS_MAX])
                numbered += entries
                if not are_done:
                    self._moved.update(waiting[:_STREAMS_MAX])
                waiting = waiting[_STREAMS_MAX:]
        finally:
            self._moved.update(waiting)
        return numbered

    async def _number(self, streams: list[EventId]) -> tuple[int, bool]:
        of_a_stream_max = _ENTRIES_MAX // len(streams)
        with translate_errors():
            async with self._pool.connection() as connection:
                entries, most = await _in_one_transaction(connection, streams, of_a_stream_max)
        return entries, most < of_a_stream_max


async def _in_one_transaction(
    connection: Connection, streams: list[EventId], of_a_stream_max: int
) -> tuple[int, int]:
    async with connection.pipeline():
        # All in one round trip: a process that freezes between two would hold the row meanwhile.
        await connection.execute("BEGIN")
        await connection.execute(
            _LIMIT_TRANSACTION, (str(_LOCK_WAIT_MS), str(_STATEMENT_MS_MAX)), prepare=True
        )
        await connection.execute(_LOCK_SEQUENCER, prepare=True)
        cursor = await connection.execute(
            _NUMBER_ENTRIES, (streams, of_a_stream_max), prepare=True, binary=True
        )
        await connection.execute(_MARK_SEQUENCED, prepare=True)
        await connection.execute(_ADVANCE_SEQUENCER, prepare=True)
        await connection.execute("COMMIT")
        row = await cursor.fetchone()
    if row is None:
        raise AssertionError("an aggregate gave no row")
    entries, most = row
    return int(entries), int(most)
