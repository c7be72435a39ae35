"""Queries: what clients read, straight from committed rows, so that they see their own writes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from ledger.batch import Head, Stream
from ledger.database import Pool, fetch, statement
from ledger.directory import User, Venue
from ledger.records import Booking, Category, Hold, Quota, SeatRow, Waiting
from ledger.rows import Row, booking_from_row, hold_from_row, stream_from_row, waiting_from_row
from ledger.values import (
    ActorId,
    BookingId,
    EventId,
    HoldId,
    Instant,
    UserId,
    VenueId,
    WaitingId,
)

NIL: Final = UUID(int=0)
"""Below every id: where paging starts."""

_READ_HEADS: Final = statement("projections", "read_heads")
_READ_EVENT: Final = statement("projections", "read_event")
_LIST_EVENTS: Final = statement("projections", "list_events")
_READ_BOOKING: Final = statement("projections", "read_booking")
_LIST_BOOKINGS_OF_USER: Final = statement("projections", "list_bookings_of_user")
_READ_HOLD: Final = statement("projections", "read_hold")
_READ_WAITING: Final = statement("projections", "read_waiting")
_COUNT_AHEAD: Final = statement("projections", "count_ahead")
_LIST_SEATS: Final = statement("projections", "list_seats")
_READ_CATEGORIES: Final = statement("projections", "read_categories")
_READ_VENUE: Final = statement("projections", "read_venue")
_LIST_VENUES: Final = statement("projections", "list_venues")
_READ_USER: Final = statement("projections", "read_user")
_LIST_USERS: Final = statement("projections", "list_users")
_FIND_ERASED_USER: Final = statement("projections", "find_erased_user")


@dataclass(frozen=True, slots=True)
class SeatMap:
    """Rows of seats, each with those of them that are taken."""

    version: int
    as_of: Instant
    rows: list[tuple[SeatRow, frozenset[str]]]


@dataclass(frozen=True, slots=True)
class CategoryCounts:
    """Places booked or held by category, and what bounds them."""

    version: int
    as_of: Instant
    available: int
    categories: list[Category]
    quotas: list[Quota]
    taken: dict[str, int]

    def left_of(self, category: Category) -> int:
        """Places of ``category`` that can be had, by its capacity, its quotas and the event's."""
        bounds = [self.available]
        if category.capacity is not None:
            bounds.append(category.capacity - self.taken.get(category.name, 0))
        for quota in self.quotas:
            if category.name in quota.categories:
                taken = sum(self.taken.get(name, 0) for name in quota.categories)
                bounds.append(quota.capacity - taken)
        return min(bounds)


class Queries:
    """Reads through a pool; every method raises `DatabaseUnavailable` when that has nothing."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    async def heads(self, event_ids: Sequence[EventId]) -> dict[EventId, Head]:
        """The counts of those events that exist, true at each one's ``as_of``."""
        rows = await self._rows(_READ_HEADS, list(event_ids))
        return {event_id: Head(*counts) for event_id, *counts in rows}

    async def event(self, event_id: EventId) -> Stream | None:
        rows = await self._rows(_READ_EVENT, event_id)
        return stream_from_row(rows[0]) if rows else None

    async def events(self, after: UUID, limit: int) -> list[Stream]:
        return [stream_from_row(row) for row in await self._rows(_LIST_EVENTS, after, limit)]

    async def booking(self, booking_id: BookingId) -> Booking | None:
        rows = await self._rows(_READ_BOOKING, booking_id)
        return booking_from_row(rows[0]) if rows else None

    async def bookings_of(
        self, user_id: UserId, after: UUID, limit: int, booked_by: ActorId | None
    ) -> list[Booking]:
        """A user's bookings in order, only those that one key made if ``booked_by`` is given."""
        rows = await self._rows(_LIST_BOOKINGS_OF_USER, user_id, after, limit, booked_by)
        return [booking_from_row(row) for row in rows]

    async def hold(self, hold_id: HoldId) -> Hold | None:
        rows = await self._rows(_READ_HOLD, hold_id)
        return hold_from_row(rows[0]) if rows else None

    async def waiting(self, event_id: EventId, waiting_id: WaitingId) -> Waiting | None:
        rows = await self._rows(_READ_WAITING, waiting_id, event_id)
        return waiting_from_row(rows[0]) if rows else None

    async def ahead_of(self, waiting: Waiting) -> int:
        """How many were in line before somebody and still are."""
        rows = await self._rows(_COUNT_AHEAD, waiting.stream_id, waiting.entry.version)
        ahead: int = rows[0][0]
        return ahead

    async def seats(self, event_id: EventId) -> SeatMap:
        """An event's seats, in the order of the layout."""
        rows = await self._rows(_LIST_SEATS, event_id)
        return SeatMap(
            version=rows[0][0] if rows else 0,
            as_of=Instant(rows[0][1] if rows else 0),
            rows=[
                (SeatRow(section, label, category, tuple(seats)), frozenset(taken))
                for _, _, section, label, category, seats, taken in rows
            ],
        )

    async def categories(self, event_id: EventId) -> CategoryCounts | None:
        """An event's categories and what is taken of each; None for an unknown event."""
        rows = await self._rows(_READ_CATEGORIES, event_id)
        if not rows:
            return None
        version, as_of, available, categories, quotas, taken = rows[0]
        return CategoryCounts(
            version=version,
            as_of=as_of,
            available=available,
            categories=[Category(**each) for each in categories],
            quotas=[Quota(**each | {"categories": tuple(each["categories"])}) for each in quotas],
            taken=taken or {},
        )

    async def venue(self, venue_id: VenueId) -> Venue | None:
        rows = await self._rows(_READ_VENUE, venue_id)
        return Venue(*rows[0]) if rows else None

    async def venues(self, after: UUID, limit: int) -> list[Venue]:
        return [Venue(*row) for row in await self._rows(_LIST_VENUES, after, limit)]

    async def user(self, user_id: UserId) -> User | None:
        rows = await self._rows(_READ_USER, user_id)
        return User(*rows[0]) if rows else None

    async def is_erased(self, user_id: UserId) -> bool:
        """Whether there was a user of that id, who was erased."""
        return bool(await self._rows(_FIND_ERASED_USER, user_id))

    async def users(self, after: UUID, limit: int) -> list[User]:
        return [User(*row) for row in await self._rows(_LIST_USERS, after, limit)]

    async def _rows(self, query: bytes, *parameters: Any) -> list[Row]:
        return await fetch(self.pool, query, *parameters)
