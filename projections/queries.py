"""Queries: what clients read, straight from committed rows, so that they see their own writes."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from ledger.batch import Head, Stream
from ledger.database import Pool, statement, translate_errors
from ledger.directory import User, Venue
from ledger.state import Booking
from ledger.store import booking_from_row, stream_from_row
from ledger.values import ActorId, BookingId, EventId, UserId, VenueId

Row = tuple[Any, ...]

NIL: Final = UUID(int=0)
"""Below every id: where paging starts."""

_READ_HEADS: Final = statement("projections", "read_heads")
_READ_EVENT: Final = statement("projections", "read_event")
_LIST_EVENTS: Final = statement("projections", "list_events")
_READ_BOOKING: Final = statement("projections", "read_booking")
_LIST_BOOKINGS_OF_USER: Final = statement("projections", "list_bookings_of_user")
_READ_VENUE: Final = statement("projections", "read_venue")
_LIST_VENUES: Final = statement("projections", "list_venues")
_READ_USER: Final = statement("projections", "read_user")
_LIST_USERS: Final = statement("projections", "list_users")


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

    async def venue(self, venue_id: VenueId) -> Venue | None:
        rows = await self._rows(_READ_VENUE, venue_id)
        return Venue(*rows[0]) if rows else None

    async def venues(self, after: UUID, limit: int) -> list[Venue]:
        return [Venue(*row) for row in await self._rows(_LIST_VENUES, after, limit)]

    async def user(self, user_id: UserId) -> User | None:
        rows = await self._rows(_READ_USER, user_id)
        return User(*rows[0]) if rows else None

    async def users(self, after: UUID, limit: int) -> list[User]:
        return [User(*row) for row in await self._rows(_LIST_USERS, after, limit)]

    async def _rows(self, query: bytes, *parameters: Any) -> list[Row]:
        with translate_errors():
            async with self.pool.connection() as connection:
                cursor = await connection.execute(query, parameters, prepare=True, binary=True)
                return await cursor.fetchall()
