"""State of one stream and how an entry changes it.

The same `evolve` serves the write path, where a state holds just what the batch's commands name,
and replay, where it holds everything. What it returns is at once the change to fold in and the
rows that the inline projection writes, so the two cannot drift apart.
"""

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import assert_never

from ledger.entries import (
    BookingCancelled,
    CapacityChanged,
    EventScheduled,
    Recorded,
    SeatsBooked,
)
from ledger.values import ActorId, BookingId, EventId, Instant, UserId, VenueId


class Impossible(Exception):
    """The entries contradict each other: no order of commands could have written them."""


class BookingStatus(StrEnum):
    BOOKED = "booked"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Terms:
    """What an event sells and when: all of the stream row that bookings do not move."""

    venue_id: VenueId
    venue_capacity: int
    name: str
    starts_at: Instant
    capacity: int
    sales_open_at: Instant | None
    sales_close_at: Instant | None
    limit_per_user: int | None


@dataclass(frozen=True, slots=True)
class Booking:
    """A booking as its entries left it: ``entry_*`` is their first, ``changed_*`` their last."""

    booking_id: BookingId
    stream_id: EventId
    user_id: UserId
    quantity: int
    status: BookingStatus
    booked_by: ActorId
    booked_at: Instant
    entry_version: int
    entry_hash: bytes
    changed_at: Instant
    changed_version: int
    changed_hash: bytes

    @property
    def live_quantity(self) -> int:
        return self.quantity if self.status is BookingStatus.BOOKED else 0


@dataclass(frozen=True, slots=True)
class Changes:
    """What one entry does to a state: counts by how much, records as they now stand."""

    terms: Terms | None = None
    booked: int = 0
    booking: Booking | None = None


@dataclass(slots=True)
class State:
    """The fold of a stream's entries, or of those that matter to the commands at hand."""

    terms: Terms | None = None
    booked: int = 0
    held: int = 0
    bookings: dict[BookingId, Booking] = field(default_factory=dict)
    tickets_by_user: dict[UserId, int] = field(default_factory=dict)

    @property
    def available(self) -> int:
        """Places that can be booked now; L1 is that this is never below zero."""
        return 0 if self.terms is None else self.terms.capacity - self.booked - self.held

    def fold(self, changes: Changes) -> None:
        """Take over what an entry changed."""
        if changes.terms is not None:
            self.terms = changes.terms
        self.booked += changes.booked
        if (booking := changes.booking) is not None:
            self.bookings[booking.booking_id] = booking
            user_id = booking.user_id
            self.tickets_by_user[user_id] = self.tickets_by_user.get(user_id, 0) + changes.booked


def evolve(state: State, recorded: Recorded) -> Changes:
    """What ``recorded`` changes in ``state``; pure, a function of its arguments alone.

    Raises `Impossible` when the entry cannot follow the state: a booking booked twice, or
    one cancelled that is not there.
    """
    entry = recorded.entry
    if isinstance(entry, SeatsBooked):
        if entry.booking_id in state.bookings:
            raise Impossible(f"L2: booking {entry.booking_id} is booked a second time")
        return Changes(booked=entry.quantity, booking=_booked(recorded, entry))
    if isinstance(entry, BookingCancelled):
        booking = state.bookings.get(entry.booking_id)
        if booking is None or booking.status is not BookingStatus.BOOKED:
            raise Impossible(f"L2: booking {entry.booking_id} is cancelled but not booked")
        if (booking.quantity, booking.user_id) != (entry.quantity, entry.user_id):
            raise Impossible(f"L2: booking {entry.booking_id} is cancelled with other contents")
        return Changes(booked=-entry.quantity, booking=_cancelled(recorded, booking))
    if isinstance(entry, CapacityChanged):
        if state.terms is None:
            raise Impossible("an event's capacity changes before it is scheduled")
        return Changes(terms=replace(state.terms, capacity=entry.capacity))
    if isinstance(entry, EventScheduled):
        if state.terms is not None:
            raise Impossible("an event is scheduled a second time")
        return Changes(terms=_terms(entry))
    assert_never(entry)


def _terms(entry: EventScheduled) -> Terms:
    return Terms(
        venue_id=entry.venue_id,
        venue_capacity=entry.venue_capacity,
        name=entry.name,
        starts_at=entry.starts_at,
        capacity=entry.capacity,
        sales_open_at=entry.sales_open_at,
        sales_close_at=entry.sales_close_at,
        limit_per_user=entry.limit_per_user,
    )


def _booked(recorded: Recorded, entry: SeatsBooked) -> Booking:
    return Booking(
        booking_id=entry.booking_id,
        stream_id=recorded.stream_id,
        user_id=entry.user_id,
        quantity=entry.quantity,
        status=BookingStatus.BOOKED,
        booked_by=recorded.actor,
        booked_at=recorded.recorded_at,
        entry_version=recorded.version,
        entry_hash=recorded.hash,
        changed_at=recorded.recorded_at,
        changed_version=recorded.version,
        changed_hash=recorded.hash,
    )


def _cancelled(recorded: Recorded, booking: Booking) -> Booking:
    return replace(
        booking,
        status=BookingStatus.CANCELLED,
        changed_at=recorded.recorded_at,
        changed_version=recorded.version,
        changed_hash=recorded.hash,
    )
