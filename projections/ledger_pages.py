"""Entries as they are stored, page by page: from any position on, in constant memory.

Each page is a query of its own that goes on where the last one ended, so a reader may take as long
as it likes, and come back another day, without keeping a transaction open.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final, Self
from uuid import UUID

from ledger.database import Pool, fetch, statement
from ledger.values import ActorId, EventId, Instant

_READ_LEDGER_PAGE: Final = statement("projections", "read_ledger_page")
_READ_STREAM_PAGE: Final = statement("projections", "read_stream_page")

BEFORE_FIRST_SEQ: Final = -1
BEFORE_FIRST_VERSION: Final = 0

_PAGE_ENTRIES: Final = 1_000


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """An entry's row with its number; ``seq`` is None for one that was not numbered yet."""

    seq: int | None
    stream_id: EventId
    version: int
    type_name: str
    schema_version: int
    payload: bytes
    recorded_at: Instant
    actor: ActorId
    idempotency_key: bytes | None
    request_hash: bytes | None
    prev_hash: bytes
    hash: bytes

    @classmethod
    def from_row(cls, row: tuple[Any, ...]) -> Self:
        """From a row of read_ledger_page or read_stream_page."""
        return cls(*row)


class LedgerPages:
    """Reads through a pool; every method raises `ledger.database.DatabaseUnavailable`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def page(self, after_seq: int, limit: int) -> list[StoredEntry]:
        """The next entries of all streams in their order, none when there are no more.

        Those that are numbered and missing are left out.
        """
        while rows := await fetch(self._pool, _READ_LEDGER_PAGE, after_seq, limit):
            entries = [StoredEntry.from_row(row) for row in rows if row[1] is not None]
            if entries:
                return entries
            after_seq = rows[-1][0]
        return []

    async def stream_page(
        self, stream_id: UUID, after_version: int, limit: int
    ) -> list[StoredEntry]:
        """The next entries of one stream, none when there are no more."""
        rows = await fetch(self._pool, _READ_STREAM_PAGE, stream_id, after_version, limit)
        return [StoredEntry.from_row(row) for row in rows]

    async def pages(self, after_seq: int, limit: int | None) -> AsyncIterator[list[StoredEntry]]:
        """All entries numbered by now, or ``limit`` of them, page by page."""
        left = limit
        while left is None or left > 0:
            page = await self.page(after_seq, _page_size(left))
            if not page:
                return
            yield page
            after_seq = page[-1].seq if page[-1].seq is not None else after_seq
            left = None if left is None else left - len(page)

    async def stream_pages(
        self, stream_id: UUID, after_version: int, limit: int | None
    ) -> AsyncIterator[list[StoredEntry]]:
        """All entries of one stream, or ``limit`` of them, page by page."""
        left = limit
        while left is None or left > 0:
            page = await self.stream_page(stream_id, after_version, _page_size(left))
            if not page:
                return
            yield page
            after_version = page[-1].version
            left = None if left is None else left - len(page)


def _page_size(left: int | None) -> int:
    return _PAGE_ENTRIES if left is None else min(left, _PAGE_ENTRIES)
