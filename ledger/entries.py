"""Entries: immutable facts in the past tense. Personal data never enters one: users are ids."""

from dataclasses import dataclass

from ledger.records import Category, Quota, SeatRow
from ledger.values import ActorId, BookingId, EventId, HoldId, Instant, UserId, VenueId, WaitingId


@dataclass(frozen=True, slots=True)
class EventScheduled:
    venue_id: VenueId
    venue_capacity: int
    name: str
    starts_at: Instant
    capacity: int
    sales_open_at: Instant | None
    sales_close_at: Instant | None
    limit_per_user: int | None
    limit_per_order: int | None
    hold_seconds: int
    categories: tuple[Category, ...]
    quotas: tuple[Quota, ...]
    seat_rows: tuple[SeatRow, ...]


@dataclass(frozen=True, slots=True)
class CapacityChanged:
    capacity: int


@dataclass(frozen=True, slots=True)
class EventOpened:
    """Sales go on, within the sale window."""


@dataclass(frozen=True, slots=True)
class EventClosed:
    """Sales stop until the event is opened again."""


@dataclass(frozen=True, slots=True)
class EventCancelled:
    """The event does not take place; its bookings are cancelled by entries that follow."""


@dataclass(frozen=True, slots=True)
class SeatsBooked:
    booking_id: BookingId
    user_id: UserId
    quantity: int
    category: str | None
    seats: tuple[str, ...]
    amount_cents: int


@dataclass(frozen=True, slots=True)
class BookingCancelled:
    """Of ``quantity`` tickets: all of a booking, or some."""

    booking_id: BookingId
    user_id: UserId
    quantity: int
    tickets: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class BookingTransferred:
    booking_id: BookingId
    from_user_id: UserId
    to_user_id: UserId


@dataclass(frozen=True, slots=True)
class SeatsHeld:
    """With ``waiting_id`` it is an offer to the one who was first in line."""

    hold_id: HoldId
    user_id: UserId
    quantity: int
    category: str | None
    seats: tuple[str, ...]
    amount_cents: int
    expires_at: Instant
    waiting_id: WaitingId | None


@dataclass(frozen=True, slots=True)
class HoldConfirmed:
    hold_id: HoldId
    booking_id: BookingId
    user_id: UserId


@dataclass(frozen=True, slots=True)
class HoldReleased:
    hold_id: HoldId
    user_id: UserId


@dataclass(frozen=True, slots=True)
class HoldExpired:
    hold_id: HoldId
    user_id: UserId
    quantity: int
    expires_at: Instant


@dataclass(frozen=True, slots=True)
class WaitingListJoined:
    waiting_id: WaitingId
    user_id: UserId
    quantity: int
    category: str | None


@dataclass(frozen=True, slots=True)
class WaitingListLeft:
    waiting_id: WaitingId
    user_id: UserId


@dataclass(frozen=True, slots=True)
class TicketCheckedIn:
    booking_id: BookingId
    ticket: int


@dataclass(frozen=True, slots=True)
class CheckInAnnulled:
    booking_id: BookingId
    ticket: int


Entry = (
    EventScheduled
    | CapacityChanged
    | EventOpened
    | EventClosed
    | EventCancelled
    | SeatsBooked
    | BookingCancelled
    | BookingTransferred
    | SeatsHeld
    | HoldConfirmed
    | HoldReleased
    | HoldExpired
    | WaitingListJoined
    | WaitingListLeft
    | TicketCheckedIn
    | CheckInAnnulled
)


@dataclass(frozen=True, slots=True)
class Recorded:
    """An entry in its place in the ledger: every column of its row, the payload decoded."""

    stream_id: EventId
    version: int
    recorded_at: Instant
    actor: ActorId
    idempotency_key: bytes | None
    request_hash: bytes | None
    entry: Entry
    type_name: str
    schema_version: int
    payload: bytes
    prev_hash: bytes
    hash: bytes
