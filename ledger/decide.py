"""The rules of the house: what a command does to a stream, or why it does not.

Pure: a decision is a function of the state, the command and the time passed in.
"""

from dataclasses import dataclass
from typing import assert_never

from ledger.commands import (
    BookSeats,
    CancelBooking,
    ChangeCapacity,
    Command,
    ScheduleEvent,
)
from ledger.entries import BookingCancelled, CapacityChanged, Entry, EventScheduled, SeatsBooked
from ledger.state import BookingStatus, State, Terms
from ledger.values import BookingId, EventId, Instant, UserId


@dataclass(frozen=True, slots=True)
class SoldOut:
    available: int


@dataclass(frozen=True, slots=True)
class LimitPerUser:
    limit: int
    already: int


@dataclass(frozen=True, slots=True)
class SalesClosed:
    opens_at: Instant | None
    closes_at: Instant | None


@dataclass(frozen=True, slots=True)
class EventNotFound:
    event_id: EventId


@dataclass(frozen=True, slots=True)
class UserNotFound:
    user_id: UserId


@dataclass(frozen=True, slots=True)
class BookingNotFound:
    booking_id: BookingId


@dataclass(frozen=True, slots=True)
class CapacityAboveVenue:
    capacity: int
    venue_capacity: int


@dataclass(frozen=True, slots=True)
class CapacityBelowSold:
    capacity: int
    booked: int
    held: int


@dataclass(frozen=True, slots=True)
class IdempotencyKeyReused:
    """The key was used before for another request."""


Rejection = (
    SoldOut
    | LimitPerUser
    | SalesClosed
    | EventNotFound
    | UserNotFound
    | BookingNotFound
    | CapacityAboveVenue
    | CapacityBelowSold
    | IdempotencyKeyReused
)

Decision = tuple[Entry, ...] | Rejection


def decide(state: State, command: Command, now: Instant) -> Decision:
    """The entries that ``command`` appends to ``state`` at ``now``, none when it holds already."""
    if isinstance(command, ScheduleEvent):
        return _schedule(command)
    if state.terms is None:
        return EventNotFound(command.event_id)
    if isinstance(command, BookSeats):
        return _book(state, state.terms, command, now)
    if isinstance(command, CancelBooking):
        return _cancel(state, command)
    if isinstance(command, ChangeCapacity):
        return _resize(state, state.terms, command)
    assert_never(command)


def _book(state: State, terms: Terms, command: BookSeats, now: Instant) -> Decision:
    if not on_sale(terms, now):
        return SalesClosed(terms.sales_open_at, terms.sales_close_at)
    if command.quantity > state.available:
        return SoldOut(state.available)
    if terms.limit_per_user is not None:
        already = state.tickets_by_user.get(command.user_id, 0)
        if already + command.quantity > terms.limit_per_user:
            return LimitPerUser(terms.limit_per_user, already)
    return (SeatsBooked(command.booking_id, command.user_id, command.quantity),)


def on_sale(terms: Terms, now: Instant) -> bool:
    """Whether sales are open at ``now``: from the opening instant, up to but not at the closing."""
    return (terms.sales_open_at is None or terms.sales_open_at <= now) and (
        terms.sales_close_at is None or now < terms.sales_close_at
    )


def _cancel(state: State, command: CancelBooking) -> Decision:
    booking = state.bookings.get(command.booking_id)
    if booking is None:
        return BookingNotFound(command.booking_id)
    if booking.status is BookingStatus.CANCELLED:
        return ()
    return (BookingCancelled(booking.booking_id, booking.user_id, booking.quantity),)


def _resize(state: State, terms: Terms, command: ChangeCapacity) -> Decision:
    if command.capacity > terms.venue_capacity:
        return CapacityAboveVenue(command.capacity, terms.venue_capacity)
    if command.capacity < state.booked + state.held:
        return CapacityBelowSold(command.capacity, state.booked, state.held)
    if command.capacity == terms.capacity:
        return ()
    return (CapacityChanged(command.capacity),)


def _schedule(command: ScheduleEvent) -> Decision:
    if command.capacity > command.venue_capacity:
        return CapacityAboveVenue(command.capacity, command.venue_capacity)
    return (
        EventScheduled(
            venue_id=command.venue_id,
            venue_capacity=command.venue_capacity,
            name=command.name,
            starts_at=command.starts_at,
            capacity=command.capacity,
            sales_open_at=command.sales_open_at,
            sales_close_at=command.sales_close_at,
            limit_per_user=command.limit_per_user,
        ),
    )
