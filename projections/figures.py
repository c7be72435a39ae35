"""What the projections say: sales, revenue, occupancy, lines, histories, refusals.

Each answer tells how far it is counted: ``version`` is that of the last entry counted of the event,
``as_of`` a time at which it was true. That is now where the event has no further entry.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

from ledger.database import Pool, fetch, statement
from ledger.rows import Row
from ledger.values import EventId, Instant, UserId
from projections.refusals import WRITE_SECONDS

T = TypeVar("T")

_READ_SALES: Final = statement("projections", "read_sales")
_READ_REVENUE: Final = statement("projections", "read_revenue")
_READ_OCCUPANCY: Final = statement("projections", "read_occupancy")
_READ_LINE_LENGTHS: Final = statement("projections", "read_line_lengths")
_READ_HISTORY: Final = statement("projections", "read_history")
_READ_REFUSALS: Final = statement("projections", "read_refusals")


@dataclass(frozen=True, slots=True)
class Sold:
    """Tickets of one category, None for places without one, and their prices."""

    category: str | None
    booked: int
    cancelled: int
    booked_cents: int
    cancelled_cents: int


@dataclass(frozen=True, slots=True)
class Minute:
    begins_at: Instant
    sold: list[Sold]


@dataclass(frozen=True, slots=True)
class Section:
    """What is taken of a section; ``seats`` are those with a label."""

    name: str
    seats: int
    booked: int
    held: int


@dataclass(frozen=True, slots=True)
class LineLength:
    category: str | None
    waiting: int
    places: int


@dataclass(frozen=True, slots=True)
class Refused:
    reason: str
    count: int


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happened to a user; ``quantity`` is None where the entry does not tell."""

    seq: int
    event_id: EventId
    version: int
    at: Instant
    what: str
    subject_id: UUID
    quantity: int | None


@dataclass(frozen=True, slots=True)
class Figures(Generic[T]):
    """What was counted, and how far."""

    version: int
    as_of: Instant
    items: list[T]


@dataclass(frozen=True, slots=True)
class Occupancy(Figures[Section]):
    """With the capacity that the event had at that version."""

    capacity: int


class FiguresOf:
    """Reads them; every method raises `ledger.database.DatabaseUnavailable`, and gives None for an
    event or user that there is not.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def sales(
        self, event_id: EventId, after: Instant, minutes_max: int
    ) -> Figures[Minute] | None:
        """An event's sales in the first minutes that begin after a time and have any."""
        rows = await self._rows(_READ_SALES, event_id, after, minutes_max)
        return _figures(
            rows,
            lambda found: [
                Minute(begins_at, [_sold(row[1:]) for row in of_minute])
                for begins_at, of_minute in groupby(found, key=lambda row: row[0])
            ],
        )

    async def revenue(self, event_id: EventId) -> Figures[Sold] | None:
        rows = await self._rows(_READ_REVENUE, event_id)
        return _figures(rows, lambda found: [_sold(row) for row in found])

    async def occupancy(self, event_id: EventId) -> Occupancy | None:
        rows = await self._rows(_READ_OCCUPANCY, event_id)
        figures = _figures(rows, lambda found: [Section(*row[:-1]) for row in found])
        if figures is None:
            return None
        return Occupancy(figures.version, figures.as_of, figures.items, capacity=rows[0][-1])

    async def line_lengths(self, event_id: EventId) -> Figures[LineLength] | None:
        rows = await self._rows(_READ_LINE_LENGTHS, event_id)
        return _figures(rows, lambda found: [LineLength(row[0] or None, *row[1:]) for row in found])

    async def refusals(self, event_id: EventId) -> Figures[Refused] | None:
        rows = await self._rows(_READ_REFUSALS, event_id, round(WRITE_SECONDS * 1_000_000))
        return _figures(rows, lambda found: [Refused(*row) for row in found])

    async def history(self, user_id: UserId, after: int, limit: int) -> Figures[Step] | None:
        """What happened to a user in entries numbered above ``after``, in order.

        The version is here how many entries of all events are counted, and the time that of the
        last of them.
        """
        rows = await self._rows(_READ_HISTORY, user_id, after, limit)
        return _figures(rows, lambda found: [Step(*row) for row in found])

    async def _rows(self, query: bytes, *parameters: Any) -> list[Row]:
        return await fetch(self._pool, query, *parameters)


def _figures(rows: list[Row], read: Callable[[list[Row]], list[T]]) -> Figures[T] | None:
    """Figures of rows that begin with how far all is counted; null follows where there are none."""
    if not rows:
        return None
    version, as_of, *_ = rows[0]
    found = [row[2:] for row in rows]
    return Figures(version, Instant(as_of), read(found) if found[0][0] is not None else [])


def _sold(row: Row) -> Sold:
    category, *amounts = row
    return Sold(category or None, *amounts)
