"""Records to rows of the tables and back, columns in the order of the statements in ``sql/``."""

from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from ledger import codec
from ledger.batch import Stream
from ledger.entries import Recorded
from ledger.records import (
    Booking,
    BookingStatus,
    Category,
    EventStatus,
    Hold,
    HoldStatus,
    Mark,
    Quota,
    SeatRow,
    Terms,
    Waiting,
    WaitingStatus,
)
from ledger.state import State

Row = tuple[Any, ...]


def columns(rows: Iterable[Row], width: int) -> list[list[Any]]:
    """Rows to the arrays that ``unnest`` takes, one per column."""
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(width)]


def recorded_from_row(row: Row) -> Recorded:
    """The entry in a row with the columns of read_ledger; raises `codec.UnreadablePayload`."""
    stream_id, version, recorded_at, actor, key, request_hash, type_name, schema_version = row[:8]
    payload, prev_hash, entry_hash = row[8:]
    return Recorded(
        stream_id=stream_id,
        version=version,
        recorded_at=recorded_at,
        actor=actor,
        idempotency_key=key,
        request_hash=request_hash,
        entry=codec.decode(type_name, schema_version, payload),
        type_name=type_name,
        schema_version=schema_version,
        payload=payload,
        prev_hash=prev_hash,
        hash=entry_hash,
    )


def entry_row(recorded: Recorded) -> Row:
    return (
        recorded.stream_id,
        recorded.version,
        recorded.type_name,
        recorded.schema_version,
        recorded.payload,
        recorded.prev_hash,
        recorded.hash,
        recorded.recorded_at,
        recorded.idempotency_key,
        recorded.request_hash,
        recorded.actor,
    )


def stream_from_row(row: Row) -> Stream:
    """The stream in a row with the columns of lock_streams, with its counts and terms only."""
    stream_id, version, head_hash, capacity, booked, held, updated_at, *rest = row
    venue_id, venue_capacity, name, starts_at, opens_at, closes_at, per_user, *rest = rest
    per_order, hold_seconds, categories, quotas, seat_count, status, in_line = rest
    terms = Terms(
        venue_id=venue_id,
        venue_capacity=venue_capacity,
        name=name,
        starts_at=starts_at,
        capacity=capacity,
        sales_open_at=opens_at,
        sales_close_at=closes_at,
        limit_per_user=per_user,
        limit_per_order=per_order,
        hold_seconds=hold_seconds,
        categories=tuple(Category(**each) for each in categories),
        quotas=tuple(
            Quota(each["name"], each["capacity"], tuple(each["categories"])) for each in quotas
        ),
        seat_count=seat_count,
        status=EventStatus(status),
    )
    return Stream(
        stream_id=stream_id,
        version=version,
        head_hash=head_hash,
        updated_at=updated_at,
        state=State(terms=terms, booked=booked, held=held, in_line=in_line),
        loaded_version=version,
    )


def head_row(stream: Stream) -> Row:
    """What update_streams takes."""
    return (*_counts(stream), stream.terms.status.value, stream.state.in_line)


def stream_row(stream: Stream) -> Row:
    """What `stream_from_row` reads."""
    terms = stream.terms
    return (
        *_counts(stream),
        terms.venue_id,
        terms.venue_capacity,
        terms.name,
        terms.starts_at,
        terms.sales_open_at,
        terms.sales_close_at,
        terms.limit_per_user,
        terms.limit_per_order,
        terms.hold_seconds,
        _json(terms.categories),
        _json(terms.quotas),
        terms.seat_count,
        terms.status.value,
        stream.state.in_line,
    )


def _counts(stream: Stream) -> Row:
    return (
        stream.stream_id,
        stream.version,
        stream.head_hash,
        stream.terms.capacity,
        stream.state.booked,
        stream.state.held,
        stream.updated_at,
    )


def booking_from_row(row: Row) -> Booking:
    """The booking in a row with the columns of load_bookings."""
    booking_id, stream_id, user_id, quantity, status, booked_by, booked_at, *rest = row
    entry_version, entry_hash, changed_at, changed_version, changed_hash, *rest = rest
    category, seats, amount_cents, cancelled_tickets, check_ins, generation, hold_id = rest
    if status == BookingStatus.CANCELLED and not cancelled_tickets:
        # Cancelled during an upgrade, by the code of a version that did not number tickets.
        cancelled_tickets = range(1, quantity + 1)
    return Booking(
        booking_id=booking_id,
        stream_id=stream_id,
        user_id=user_id,
        quantity=quantity,
        status=BookingStatus(status),
        booked_by=booked_by,
        entry=Mark(entry_version, entry_hash, booked_at),
        changed=Mark(changed_version, changed_hash, changed_at),
        category=category,
        seats=tuple(seats),
        amount_cents=amount_cents,
        cancelled_tickets=tuple(cancelled_tickets),
        check_ins=tuple((ticket, at) for ticket, at in check_ins),
        generation=generation,
        hold_id=hold_id,
    )


def is_plain(booking: Booking) -> bool:
    """Whether insert_bookings says all there is to say, the other columns being as by default."""
    return (
        booking.category is None
        and not booking.seats
        and booking.hold_id is None
        and booking.changed is booking.entry
    )


def plain_booking_row(booking: Booking) -> Row:
    """What insert_bookings takes."""
    return (
        booking.booking_id,
        booking.stream_id,
        booking.user_id,
        booking.quantity,
        booking.status.value,
        booking.booked_by,
        booking.entry.at,
        booking.entry.version,
        booking.entry.hash,
        booking.changed.at,
        booking.changed.version,
        booking.changed.hash,
    )


def booking_row(booking: Booking) -> Row:
    """What `booking_from_row` reads."""
    return (
        *plain_booking_row(booking),
        booking.category,
        _json(booking.seats),
        booking.amount_cents,
        _json(booking.cancelled_tickets),
        _json(booking.check_ins),
        booking.generation,
        booking.hold_id,
    )


def hold_from_row(row: Row) -> Hold:
    """The hold in a row with the columns of load_holds."""
    hold_id, stream_id, user_id, quantity, status, held_by, expires_at, *rest = row
    category, seats, amount_cents, waiting_id, booking_id = rest[6:]
    return Hold(
        hold_id=hold_id,
        stream_id=stream_id,
        user_id=user_id,
        quantity=quantity,
        status=HoldStatus(status),
        held_by=held_by,
        expires_at=expires_at,
        entry=Mark(*rest[:3]),
        changed=Mark(*rest[3:6]),
        category=category,
        seats=tuple(seats),
        amount_cents=amount_cents,
        waiting_id=waiting_id,
        booking_id=booking_id,
    )


def hold_row(hold: Hold) -> Row:
    """What `hold_from_row` reads."""
    return (
        hold.hold_id,
        hold.stream_id,
        hold.user_id,
        hold.quantity,
        hold.status.value,
        hold.held_by,
        hold.expires_at,
        *_marks(hold),
        hold.category,
        _json(hold.seats),
        hold.amount_cents,
        hold.waiting_id,
        hold.booking_id,
    )


def hold_change_row(hold: Hold) -> Row:
    """What update_holds takes."""
    changed = hold.changed
    return (
        hold.hold_id,
        hold.stream_id,
        hold.status.value,
        changed.version,
        changed.hash,
        changed.at,
        hold.booking_id,
    )


def waiting_from_row(row: Row) -> Waiting:
    """The place in line in a row with the columns of load_waiting."""
    waiting_id, stream_id, user_id, quantity, status, joined_by, *rest = row
    category, hold_id = rest[6:]
    return Waiting(
        waiting_id=waiting_id,
        stream_id=stream_id,
        user_id=user_id,
        quantity=quantity,
        status=WaitingStatus(status),
        joined_by=joined_by,
        entry=Mark(*rest[:3]),
        changed=Mark(*rest[3:6]),
        category=category,
        hold_id=hold_id,
    )


def waiting_row(waiting: Waiting) -> Row:
    """What `waiting_from_row` reads."""
    return (
        waiting.waiting_id,
        waiting.stream_id,
        waiting.user_id,
        waiting.quantity,
        waiting.status.value,
        waiting.joined_by,
        *_marks(waiting),
        waiting.category,
        waiting.hold_id,
    )


def _marks(record: Hold | Waiting) -> Row:
    entry, changed = record.entry, record.changed
    return entry.version, entry.hash, entry.at, changed.version, changed.hash, changed.at


def seat_row_from_row(row: Row) -> SeatRow:
    """The row of seats in a row with the columns of load_seat_rows."""
    _, section, label, category, seats = row
    return SeatRow(section, label, category, tuple(seats))


def seat_row_rows(stream: Stream) -> list[Row]:
    """What insert_seat_rows takes of a stream."""
    layout = stream.state.layout
    return [
        (stream.stream_id, position, row.section, row.row, row.category, _json(row.seats))
        for position, row in enumerate(() if layout is None else layout.rows)
    ]


def claim_rows(stream: Stream) -> list[Row]:
    """All claims on a stream's seats, ordered by seat as the database orders text bytewise."""
    return [(stream.stream_id, *claim) for claim in sorted(stream.state.claims.items())]


def allotment_rows(stream: Stream) -> list[Row]:
    """What upsert_allotments takes of a stream: categories, then quotas, each by name."""
    terms, state = stream.terms, stream.state
    categories: list[Row] = [
        (stream.stream_id, "category", each.name, each.capacity, state.taken_of((each.name,)))
        for each in terms.categories
    ]
    quotas: list[Row] = [
        (stream.stream_id, "quota", each.name, each.capacity, state.taken_of(each.categories))
        for each in terms.quotas
    ]
    return sorted(categories, key=_name) + sorted(quotas, key=_name)


def _name(row: Row) -> str:
    name: str = row[2]
    return name


def _json(values: Sequence[object]) -> str:
    return orjson.dumps(values).decode() if values else "[]"
