"""From the domain to the bodies of answers."""

from typing import Any, Final

import orjson
from fastapi import Response

from api import bodies
from api.direct import Reply
from api.times import rfc3339, time_of
from ledger.batch import Done, Head, Stream
from ledger.directory import User, Venue
from ledger.records import Booking, BookingStatus, Hold, Mark, Waiting, WaitingStatus
from ledger.values import EventId
from projections.queries import CategoryCounts, SeatMap

REPLAYED: Final = "Idempotency-Replayed"
_REPLAYED: Final = ((REPLAYED.lower().encode(), b"true"),)


def json_response(fields: dict[str, Any], *, status: int = 200, replayed: bool = False) -> Response:
    """``fields`` as the body, marked if they answer an earlier request again."""
    headers = {REPLAYED: "true"} if replayed else None
    return Response(orjson.dumps(fields), status, headers=headers, media_type="application/json")


def json_reply(status: int, fields: dict[str, Any], *, replayed: bool = False) -> Reply:
    """As `json_response`, of a direct call."""
    return Reply(status, orjson.dumps(fields), headers=_REPLAYED if replayed else ())


def booking_response(subject: object, *, status: int = 200, replayed: bool = False) -> Response:
    """A booking as the answer to the command that made or changed it."""
    return json_response(booking_fields(booking_of(subject)), status=status, replayed=replayed)


def booking_of(subject: object) -> Booking:
    """The booking that a command was about; one that is done has it."""
    if not isinstance(subject, Booking):
        raise AssertionError("a booking command is done but has no booking")
    return subject


def mark_replayed(response: Response, done: Done) -> None:
    """Say in the headers that the answer is that of an earlier request."""
    if done.replayed:
        response.headers[REPLAYED] = "true"


def booking_fields(booking: Booking) -> dict[str, Any]:
    """A booking as `bodies.Booking` describes it, ready for JSON."""
    is_cancelled = booking.status is BookingStatus.CANCELLED
    changed = booking.changed
    return {
        "booking_id": booking.booking_id,
        "event_id": booking.stream_id,
        "user_id": booking.user_id,
        "quantity": booking.quantity,
        "cancelled_quantity": len(booking.cancelled_tickets),
        "seats": booking.seats,
        "category": booking.category,
        "amount_cents": booking.amount_cents,
        "status": booking.status.value,
        "booked_at": rfc3339(booking.entry.at),
        "changed_at": rfc3339(changed.at),
        "cancelled_at": rfc3339(changed.at) if is_cancelled else None,
        "entry": entry_ref(booking.entry),
        "cancellation": entry_ref(changed) if is_cancelled else None,
    }


def entry_ref(mark: Mark) -> dict[str, Any]:
    """Where an entry stands, as `bodies.EntryRef` describes it."""
    return {"version": mark.version, "hash": mark.hash.hex()}


def hold_fields(hold: Hold) -> dict[str, Any]:
    """A hold as `bodies.Hold` describes it, ready for JSON."""
    return {
        "hold_id": hold.hold_id,
        "event_id": hold.stream_id,
        "user_id": hold.user_id,
        "quantity": hold.quantity,
        "seats": hold.seats,
        "category": hold.category,
        "amount_cents": hold.amount_cents,
        "status": hold.status.value,
        "held_at": rfc3339(hold.entry.at),
        "expires_at": rfc3339(hold.expires_at),
        "booking_id": hold.booking_id,
        "waiting_id": hold.waiting_id,
        "entry": entry_ref(hold.entry),
    }


def waiting_body(waiting: Waiting, ahead: int) -> bodies.Waiting:
    is_waiting = waiting.status is WaitingStatus.WAITING
    return bodies.Waiting(
        waiting_id=waiting.waiting_id,
        event_id=waiting.stream_id,
        user_id=waiting.user_id,
        quantity=waiting.quantity,
        category=waiting.category,
        status=waiting.status.value,
        ahead=ahead if is_waiting else None,
        hold_id=waiting.hold_id,
        joined_at=time_of(waiting.entry.at),
        entry=bodies.EntryRef(**entry_ref(waiting.entry)),
    )


def seat_map_body(event_id: EventId, seats: SeatMap) -> bodies.SeatMap:
    return bodies.SeatMap(
        event_id=event_id,
        rows=[
            bodies.SeatRow(
                section=row.section,
                row=row.row,
                category=row.category,
                seats=[bodies.Seat(seat=seat, free=seat not in taken) for seat in row.seats],
            )
            for row, taken in seats.rows
        ],
        version=seats.version,
        as_of=time_of(seats.as_of),
    )


def category_counts_body(event_id: EventId, counts: CategoryCounts) -> bodies.CategoryCounts:
    return bodies.CategoryCounts(
        event_id=event_id,
        items=[
            bodies.CategoryCount(
                name=each.name,
                price_cents=each.price_cents,
                capacity=each.capacity,
                taken=counts.taken.get(each.name, 0),
                available=counts.left_of(each),
            )
            for each in counts.categories
        ],
        version=counts.version,
        as_of=time_of(counts.as_of),
    )


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
        limit_per_order=terms.limit_per_order,
        hold_seconds=terms.hold_seconds,
        categories=[
            bodies.Category(name=each.name, price_cents=each.price_cents, capacity=each.capacity)
            for each in terms.categories
        ],
        quotas=[
            bodies.Quota(name=each.name, capacity=each.capacity, categories=list(each.categories))
            for each in terms.quotas
        ],
        seat_count=terms.seat_count,
        status=terms.status.value,
        booked=state.booked,
        held=state.held,
        available=state.available,
        waiting=state.in_line,
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
