"""Rejections: expected refusals, as values."""

from dataclasses import dataclass

from ledger.values import BookingId, EventId, HoldId, Instant, UserId, WaitingId


@dataclass(frozen=True, slots=True)
class SoldOut:
    available: int
    category: str | None = None


@dataclass(frozen=True, slots=True)
class SeatTaken:
    seat: str


@dataclass(frozen=True, slots=True)
class SeatNotFound:
    seat: str


@dataclass(frozen=True, slots=True)
class NotAdjacent:
    """Enough seats are left, but not side by side."""

    quantity: int


@dataclass(frozen=True, slots=True)
class CategoryNotFound:
    category: str | None


@dataclass(frozen=True, slots=True)
class LimitPerUser:
    limit: int
    already: int


@dataclass(frozen=True, slots=True)
class LimitPerOrder:
    limit: int


@dataclass(frozen=True, slots=True)
class SalesClosed:
    opens_at: Instant | None
    closes_at: Instant | None


@dataclass(frozen=True, slots=True)
class EventIsCancelled:
    event_id: EventId


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
class BookingIsCancelled:
    booking_id: BookingId


@dataclass(frozen=True, slots=True)
class HoldNotFound:
    hold_id: HoldId


@dataclass(frozen=True, slots=True)
class HoldIsExpired:
    hold_id: HoldId
    expires_at: Instant


@dataclass(frozen=True, slots=True)
class HoldIsReleased:
    hold_id: HoldId


@dataclass(frozen=True, slots=True)
class HoldIsConfirmed:
    hold_id: HoldId


@dataclass(frozen=True, slots=True)
class NotWaiting:
    waiting_id: WaitingId


@dataclass(frozen=True, slots=True)
class PlacesLeft:
    """Nobody needs to wait for what can be booked now."""

    available: int


@dataclass(frozen=True, slots=True)
class TicketNotFound:
    """There is no such ticket, or it is cancelled."""

    ticket: int


@dataclass(frozen=True, slots=True)
class TicketOutdated:
    """The code was made before the booking was given to somebody else."""

    ticket: int


@dataclass(frozen=True, slots=True)
class AlreadyCheckedIn:
    ticket: int
    at: Instant


@dataclass(frozen=True, slots=True)
class NotCheckedIn:
    ticket: int


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
    | SeatTaken
    | SeatNotFound
    | NotAdjacent
    | CategoryNotFound
    | LimitPerUser
    | LimitPerOrder
    | SalesClosed
    | EventIsCancelled
    | EventNotFound
    | UserNotFound
    | BookingNotFound
    | BookingIsCancelled
    | HoldNotFound
    | HoldIsExpired
    | HoldIsReleased
    | HoldIsConfirmed
    | NotWaiting
    | PlacesLeft
    | TicketNotFound
    | TicketOutdated
    | AlreadyCheckedIn
    | NotCheckedIn
    | CapacityAboveVenue
    | CapacityBelowSold
    | IdempotencyKeyReused
)
