"""Commands: wishes in the imperative. The clock and new ids are arguments, never made here."""

from dataclasses import dataclass

from ledger.values import ActorId, BookingId, EventId, Instant, UserId, VenueId


@dataclass(frozen=True, slots=True)
class ScheduleEvent:
    """Open the stream of a new event."""

    event_id: EventId
    venue_id: VenueId
    venue_capacity: int
    name: str
    starts_at: Instant
    capacity: int
    sales_open_at: Instant | None
    sales_close_at: Instant | None
    limit_per_user: int | None


@dataclass(frozen=True, slots=True)
class ChangeCapacity:
    """Sell more places, or fewer."""

    event_id: EventId
    capacity: int


@dataclass(frozen=True, slots=True)
class BookSeats:
    """Book ``quantity`` places for one user, all or none."""

    event_id: EventId
    booking_id: BookingId
    user_id: UserId
    quantity: int


@dataclass(frozen=True, slots=True)
class CancelBooking:
    """Give a booking's places back."""

    event_id: EventId
    booking_id: BookingId


Command = ScheduleEvent | ChangeCapacity | BookSeats | CancelBooking


@dataclass(frozen=True, slots=True)
class Submission:
    """A command with who sent it and, if the sender wants retries to be safe, its key.

    ``idempotency_key`` and ``request_hash`` are SHA-256 digests, given together or not at all:
    the digest keeps whatever a sender puts into a key out of the ledger.
    """

    command: Command
    actor: ActorId
    idempotency_key: bytes | None = None
    request_hash: bytes | None = None
