"""Entries: immutable facts in the past tense. Personal data never enters one: users are ids."""

from dataclasses import dataclass

from ledger.values import ActorId, BookingId, EventId, Instant, UserId, VenueId


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


@dataclass(frozen=True, slots=True)
class CapacityChanged:
    capacity: int


@dataclass(frozen=True, slots=True)
class SeatsBooked:
    booking_id: BookingId
    user_id: UserId
    quantity: int


@dataclass(frozen=True, slots=True)
class BookingCancelled:
    booking_id: BookingId
    user_id: UserId
    quantity: int


Entry = EventScheduled | CapacityChanged | SeatsBooked | BookingCancelled


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
