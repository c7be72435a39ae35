"""Ids, commands, submissions and entries, with defaults for whatever a test does not care about."""

import hashlib
from dataclasses import fields
from typing import Any
from uuid import UUID, uuid4

from ledger import chain, codec
from ledger.commands import (
    BookSeats,
    CancelBooking,
    ChangeCapacity,
    Command,
    ScheduleEvent,
    Submission,
)
from ledger.entries import (
    BookingCancelled,
    CapacityChanged,
    Entry,
    EventScheduled,
    Recorded,
    SeatsBooked,
)
from ledger.values import ActorId, BookingId, EventId, Instant, UserId, VenueId

NOW = Instant(1_800_000_000_000_000)
SECOND = 1_000_000

ACTOR = ActorId(UUID(int=0xAC))
VENUE = VenueId(UUID(int=0xE0))
EVENT = EventId(UUID(int=0xE1))
ALICE = UserId(UUID(int=0xA1))
BOB = UserId(UUID(int=0xB0))


def new_event_id() -> EventId:
    return EventId(uuid4())


def new_booking_id() -> BookingId:
    return BookingId(uuid4())


def new_user_id() -> UserId:
    return UserId(uuid4())


def schedule(
    event_id: EventId = EVENT,
    *,
    capacity: int = 10,
    venue_capacity: int = 1_000,
    name: str = "A show",
    sales_open_at: Instant | None = None,
    sales_close_at: Instant | None = None,
    limit_per_user: int | None = None,
    **more: Any,
) -> ScheduleEvent:
    return ScheduleEvent(
        event_id=event_id,
        venue_id=VENUE,
        venue_capacity=venue_capacity,
        name=name,
        starts_at=Instant(NOW + 86_400 * SECOND),
        capacity=capacity,
        sales_open_at=sales_open_at,
        sales_close_at=sales_close_at,
        limit_per_user=limit_per_user,
        **more,
    )


def book(
    quantity: int = 1,
    *,
    user_id: UserId = ALICE,
    booking_id: BookingId | None = None,
    event_id: EventId = EVENT,
) -> BookSeats:
    return BookSeats(event_id, booking_id or new_booking_id(), user_id, quantity)


def cancel(booking_id: BookingId, *, event_id: EventId = EVENT) -> CancelBooking:
    return CancelBooking(event_id, booking_id)


def resize(capacity: int, *, event_id: EventId = EVENT) -> ChangeCapacity:
    return ChangeCapacity(event_id, capacity)


def submit(command: Command, *, key: str | None = None, body: str = "body") -> Submission:
    """A submission; one with a ``key`` is for a request whose contents are ``body``."""
    if key is None:
        return Submission((command,), ACTOR)
    return Submission((command,), ACTOR, _digest(key), _digest(body))


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def scheduled(**terms: Any) -> EventScheduled:
    """The fact that `schedule` with the same ``terms`` asks for."""
    wish = schedule(**terms)
    return EventScheduled(
        **{field.name: getattr(wish, field.name) for field in fields(EventScheduled)}
    )


def booked(
    quantity: int = 1, *, user_id: UserId = ALICE, booking_id: BookingId | None = None
) -> SeatsBooked:
    return SeatsBooked(booking_id or new_booking_id(), user_id, quantity, None, (), 0)


def granted(wish: BookSeats) -> SeatsBooked:
    """The fact that ``wish`` asks for."""
    return booked(wish.quantity, user_id=wish.user_id, booking_id=wish.booking_id)


def cancelled(booking: SeatsBooked) -> BookingCancelled:
    tickets = tuple(range(1, booking.quantity + 1))
    return BookingCancelled(booking.booking_id, booking.user_id, booking.quantity, tickets)


def resized(capacity: int) -> CapacityChanged:
    return CapacityChanged(capacity)


def recorded(
    entry: Entry,
    version: int = 1,
    *,
    stream_id: EventId = EVENT,
    at: Instant = NOW,
    prev_hash: bytes = chain.GENESIS,
) -> Recorded:
    """``entry`` as the ledger would hold it at ``version``, after an entry with ``prev_hash``."""
    type_name, schema_version, payload = codec.encode(entry)
    digest = chain.entry_hash(
        chain.preimage(
            stream_id=stream_id,
            version=version,
            recorded_at=at,
            schema_version=schema_version,
            actor=ACTOR,
            prev_hash=prev_hash,
            type_name=type_name,
            idempotency_key=None,
            request_hash=None,
            payload=payload,
        )
    )
    return Recorded(
        stream_id=stream_id,
        version=version,
        recorded_at=at,
        actor=ACTOR,
        idempotency_key=None,
        request_hash=None,
        entry=entry,
        type_name=type_name,
        schema_version=schema_version,
        payload=payload,
        prev_hash=prev_hash,
        hash=digest,
    )
