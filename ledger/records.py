"""What a stream's entries add up to: terms, bookings, holds, places in line."""

from dataclasses import dataclass
from enum import StrEnum

from ledger.values import ActorId, BookingId, EventId, HoldId, Instant, UserId, VenueId, WaitingId


@dataclass(frozen=True, slots=True)
class Category:
    """Places of one price; without a capacity of its own it is bounded by quotas and the event."""

    name: str
    price_cents: int
    capacity: int | None


@dataclass(frozen=True, slots=True)
class Quota:
    """A capacity that several categories share."""

    name: str
    capacity: int
    categories: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SeatRow:
    """Labelled seats side by side, in order; a seat's label is unique within the event."""

    section: str
    row: str
    category: str | None
    seats: tuple[str, ...]


class EventStatus(StrEnum):
    OPEN = "open"
    CLOSED = "closed"
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
    limit_per_order: int | None = None
    hold_seconds: int = 300
    categories: tuple[Category, ...] = ()
    quotas: tuple[Quota, ...] = ()
    seat_count: int = 0
    status: EventStatus = EventStatus.OPEN


@dataclass(frozen=True, slots=True)
class Mark:
    """Where an entry stands and when it was recorded."""

    version: int
    hash: bytes
    at: Instant


class BookingStatus(StrEnum):
    BOOKED = "booked"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Booking:
    """A booking as its entries left it: ``entry`` is the first of them, ``changed`` the last.

    Its tickets are numbered from 1; with seats, ticket n is for the n-th seat. ``generation``
    grows with every transfer, so that codes of tickets given away no longer admit.
    """

    booking_id: BookingId
    stream_id: EventId
    user_id: UserId
    quantity: int
    status: BookingStatus
    booked_by: ActorId
    entry: Mark
    changed: Mark
    category: str | None = None
    seats: tuple[str, ...] = ()
    amount_cents: int = 0
    cancelled_tickets: tuple[int, ...] = ()
    check_ins: tuple[tuple[int, Instant], ...] = ()
    generation: int = 1
    hold_id: HoldId | None = None

    @property
    def live_quantity(self) -> int:
        """Tickets that are not cancelled."""
        return self.quantity - len(self.cancelled_tickets)

    @property
    def live_tickets(self) -> tuple[int, ...]:
        """Their numbers, ascending."""
        cancelled = set(self.cancelled_tickets)
        return tuple(n for n in range(1, self.quantity + 1) if n not in cancelled)

    def seat_of(self, ticket: int) -> str | None:
        """The seat of a ticket, where there are seats."""
        return self.seats[ticket - 1] if self.seats else None

    def checked_in_at(self, ticket: int) -> Instant | None:
        """When a ticket was checked in, unless it was not or that was annulled."""
        return dict(self.check_ins).get(ticket)


class HoldStatus(StrEnum):
    HELD = "held"
    CONFIRMED = "confirmed"
    RELEASED = "released"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Hold:
    """Places kept for a user before ``expires_at``; at that instant they no longer are."""

    hold_id: HoldId
    stream_id: EventId
    user_id: UserId
    quantity: int
    status: HoldStatus
    held_by: ActorId
    expires_at: Instant
    entry: Mark
    changed: Mark
    category: str | None = None
    seats: tuple[str, ...] = ()
    amount_cents: int = 0
    waiting_id: WaitingId | None = None
    booking_id: BookingId | None = None

    def confirmed(self, booking_id: BookingId, changed: Mark) -> "Hold":
        """This hold once it is a booking; written out, since `replace` takes four times as long."""
        return Hold(
            self.hold_id,
            self.stream_id,
            self.user_id,
            self.quantity,
            HoldStatus.CONFIRMED,
            self.held_by,
            self.expires_at,
            self.entry,
            changed,
            self.category,
            self.seats,
            self.amount_cents,
            self.waiting_id,
            booking_id,
        )


class WaitingStatus(StrEnum):
    WAITING = "waiting"
    OFFERED = "offered"
    LEFT = "left"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A place in line, kept by the order of joining; an offer is a hold and ends the waiting."""

    waiting_id: WaitingId
    stream_id: EventId
    user_id: UserId
    quantity: int
    status: WaitingStatus
    joined_by: ActorId
    entry: Mark
    changed: Mark
    category: str | None = None
    hold_id: HoldId | None = None
