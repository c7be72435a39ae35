"""From the domain to the bodies of answers."""

from typing import Any

from api import bodies
from api.times import rfc3339, time_of
from ledger.batch import Head, Stream
from ledger.directory import User, Venue
from ledger.state import Booking, BookingStatus
from ledger.values import EventId


def booking_fields(booking: Booking) -> dict[str, Any]:
    """A booking as `bodies.Booking` describes it, ready for JSON."""
    is_cancelled = booking.status is BookingStatus.CANCELLED
    return {
        "booking_id": booking.booking_id,
        "event_id": booking.stream_id,
        "user_id": booking.user_id,
        "quantity": booking.quantity,
        "seats": [],
        "status": booking.status.value,
        "booked_at": rfc3339(booking.booked_at),
        "cancelled_at": rfc3339(booking.changed_at) if is_cancelled else None,
        "entry": _entry_ref(booking.entry_version, booking.entry_hash),
        "cancellation": (
            _entry_ref(booking.changed_version, booking.changed_hash) if is_cancelled else None
        ),
    }


def _entry_ref(version: int, digest: bytes) -> dict[str, Any]:
    return {"version": version, "hash": digest.hex()}


def availability_fields(event_id: EventId, head: Head) -> dict[str, Any]:
    """An event's counts as `bodies.Availability` describes them, ready for JSON."""
    return {
        "event_id": event_id,
        "capacity": head.capacity,
        "booked": head.booked,
        "held": head.held,
        "available": head.available,
        "version": head.version,
        "as_of": rfc3339(head.as_of),
    }


def event_body(stream: Stream) -> bodies.Event:
    terms, state = stream.terms, stream.state
    opens_at, closes_at = terms.sales_open_at, terms.sales_close_at
    return bodies.Event(
        event_id=stream.stream_id,
        venue_id=terms.venue_id,
        name=terms.name,
        starts_at=time_of(terms.starts_at),
        capacity=terms.capacity,
        sales_open_at=None if opens_at is None else time_of(opens_at),
        sales_close_at=None if closes_at is None else time_of(closes_at),
        limit_per_user=terms.limit_per_user,
        booked=state.booked,
        held=state.held,
        available=state.available,
        version=stream.version,
        as_of=time_of(stream.updated_at),
    )


def venue_body(venue: Venue) -> bodies.Venue:
    return bodies.Venue(
        venue_id=venue.venue_id,
        name=venue.name,
        capacity=venue.capacity,
        created_at=time_of(venue.created_at),
    )


def user_body(user: User) -> bodies.User:
    return bodies.User(
        user_id=user.user_id,
        name=user.name,
        email=user.email,
        created_at=time_of(user.created_at),
    )
