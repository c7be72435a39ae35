"""The ledger's tables: lock, load, append. Each function sends what it can in one round trip."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from ledger import codec
from ledger.batch import Decided, Loaded, Stream
from ledger.commands import BookSeats, CancelBooking, Submission
from ledger.database import Connection, statement
from ledger.entries import Recorded
from ledger.state import Booking, BookingStatus, State, Terms
from ledger.values import EventId, Instant

Row = tuple[Any, ...]


def _sql(name: str) -> bytes:
    return statement("ledger", name)


_LIMIT_TRANSACTION: Final = _sql("limit_transaction")
_LOCK_STREAMS: Final = _sql("lock_streams")
_LOCK_FREE_STREAMS: Final = _sql("lock_free_streams")
_LOCK_STREAM: Final = _sql("lock_stream")
_FIND_STREAMS: Final = _sql("find_streams")
_READ_CLOCK: Final = _sql("read_clock")
_FIND_KEYS: Final = _sql("find_keys")
_FIND_USERS: Final = _sql("find_users")
_LOAD_BOOKINGS: Final = _sql("load_bookings")
_COUNT_TICKETS: Final = _sql("count_tickets")
_APPEND_ENTRIES: Final = _sql("append_entries")
_INSERT_STREAMS: Final = _sql("insert_streams")
_UPDATE_STREAMS: Final = _sql("update_streams")
_INSERT_BOOKINGS: Final = _sql("insert_bookings")
_UPDATE_BOOKINGS: Final = _sql("update_bookings")
_FIND_ENTRY: Final = _sql("find_entry")


async def lock_and_load(
    connection: Connection,
    submissions: Sequence[Submission],
    *,
    lock_wait_ms: int,
    statement_ms_max: int,
    skip_locked: bool,
) -> tuple[Loaded, frozenset[EventId]]:
    """Begin a transaction, lock the streams of ``submissions`` and load what deciding needs.

    The second value names the streams that exist but are locked by somebody else; it is empty
    unless ``skip_locked``. Without it, a lock that takes longer than ``lock_wait_ms`` raises.
    """
    stream_ids = sorted({submission.command.event_id for submission in submissions})
    keys = [s.idempotency_key for s in submissions if s.idempotency_key is not None]
    bookings = {
        (command.event_id, command.booking_id)
        for command in (submission.command for submission in submissions)
        if isinstance(command, CancelBooking)
    }
    buyers = {
        (command.event_id, command.user_id)
        for command in (submission.command for submission in submissions)
        if isinstance(command, BookSeats)
    }
    async with connection.pipeline():
        await connection.execute("BEGIN")
        await connection.execute(
            _LIMIT_TRANSACTION, (str(lock_wait_ms), str(statement_ms_max)), prepare=True
        )
        if skip_locked:
            locking = await _fetch(connection, _LOCK_FREE_STREAMS, (stream_ids,))
            existing = await _fetch(connection, _FIND_STREAMS, (stream_ids,))
        elif len(stream_ids) == 1:
            locking = await _fetch(connection, _LOCK_STREAM, (stream_ids[0],))
        else:
            locking = await _fetch(connection, _LOCK_STREAMS, (stream_ids,))
        clock = await _fetch(connection, _READ_CLOCK, ())
        key_rows = await _fetch(connection, _FIND_KEYS, (keys,)) if keys else None
        users = (
            await _fetch(connection, _FIND_USERS, ([user for _, user in buyers],))
            if buyers
            else None
        )
        booking_rows = (
            await _fetch(connection, _LOAD_BOOKINGS, _columns(bookings, 2)) if bookings else None
        )

        streams = {row[0]: stream_from_row(row) for row in await locking.fetchall()}
        locked_elsewhere: frozenset[EventId] = frozenset()
        if skip_locked:
            locked_elsewhere = frozenset(
                row[0] for row in await existing.fetchall() if row[0] not in streams
            )
        now = Instant((await clock.fetchall())[0][0])
        by_key = {} if key_rows is None else _by_key(await key_rows.fetchall())
        known = (
            frozenset() if users is None else frozenset(row[0] for row in await users.fetchall())
        )
        if booking_rows is not None:
            for row in await booking_rows.fetchall():
                booking = booking_from_row(row)
                if booking.stream_id in streams:
                    streams[booking.stream_id].state.bookings[booking.booking_id] = booking

    limited = [pair for pair in buyers if _has_limit(streams.get(pair[0]))]
    if limited:
        counts = await _fetch(connection, _COUNT_TICKETS, _columns(limited, 2))
        for stream_id, user_id, quantity in await counts.fetchall():
            streams[stream_id].state.tickets_by_user[user_id] = quantity
    return Loaded(now, streams, by_key, known), locked_elsewhere


async def append_and_commit(connection: Connection, loaded: Loaded, decided: Decided) -> None:
    """Write what was decided and commit, in one round trip; returns after COMMIT has."""
    new_streams = [s for s in decided.changed_streams if s.loaded_version == 0]
    old_streams = [s for s in decided.changed_streams if s.loaded_version != 0]
    new_bookings: list[Row] = []
    old_bookings: list[Row] = []
    for booking in decided.changed_bookings.values():
        if booking.entry_version > loaded.streams[booking.stream_id].loaded_version:
            new_bookings.append(booking_row(booking))
        else:
            old_bookings.append(_booking_change(booking))
    async with connection.pipeline():
        await _write(connection, _APPEND_ENTRIES, [_entry_row(r) for r in decided.appended])
        await _write(connection, _INSERT_STREAMS, [stream_row(s, s.terms) for s in new_streams])
        await _write(connection, _UPDATE_STREAMS, [_head_row(s, s.terms) for s in old_streams])
        await _write(connection, _INSERT_BOOKINGS, new_bookings)
        await _write(connection, _UPDATE_BOOKINGS, old_bookings)
        await connection.execute("COMMIT")


async def was_committed(
    connection: Connection, recorded: Recorded, *, lock_wait_ms: int, statement_ms_max: int
) -> bool:
    """Whether the transaction that appended ``recorded`` took place, once that can be told.

    Waits for the stream row: while the lost transaction still runs on the server, it holds it.
    """
    async with connection.transaction():
        await connection.execute(_LIMIT_TRANSACTION, (str(lock_wait_ms), str(statement_ms_max)))
        await connection.execute(_LOCK_STREAM, (recorded.stream_id,))
        cursor = await connection.execute(
            _FIND_ENTRY, (recorded.stream_id, recorded.version), binary=True
        )
        row = await cursor.fetchone()
    return row is not None and row[0] == recorded.hash


async def _fetch(connection: Connection, query: bytes, parameters: Sequence[Any]) -> Any:
    return await connection.execute(query, parameters, prepare=True, binary=True)


async def _write(connection: Connection, query: bytes, rows: Sequence[Row]) -> None:
    if rows:
        await connection.execute(query, _columns(rows, len(rows[0])), prepare=True)


def _columns(rows: Iterable[Row], width: int) -> list[list[Any]]:
    """Rows to the arrays that ``unnest`` takes, one per column."""
    columns = [list(column) for column in zip(*rows, strict=True)]
    return columns or [[] for _ in range(width)]


def _has_limit(stream: Stream | None) -> bool:
    return (
        stream is not None
        and stream.state.terms is not None
        and stream.state.terms.limit_per_user is not None
    )


def _by_key(rows: Iterable[Row]) -> dict[bytes, Recorded]:
    recorded = [recorded_from_row(row) for row in rows]
    return {r.idempotency_key: r for r in recorded if r.idempotency_key is not None}


def recorded_from_row(row: Row) -> Recorded:
    """The entry in a row with the columns of find_keys.sql; raises `codec.UnreadablePayload`."""
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


def _entry_row(recorded: Recorded) -> Row:
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
    """The stream in a row with the columns of lock_streams.sql, its bookings not loaded."""
    stream_id, version, head_hash, capacity, booked, held, updated_at, *rest = row
    venue_id, venue_capacity, name, starts_at, opens_at, closes_at, limit = rest
    terms = Terms(venue_id, venue_capacity, name, starts_at, capacity, opens_at, closes_at, limit)
    return Stream(
        stream_id=stream_id,
        version=version,
        head_hash=head_hash,
        updated_at=updated_at,
        state=State(terms=terms, booked=booked, held=held),
        loaded_version=version,
    )


def _head_row(stream: Stream, terms: Terms) -> Row:
    return (
        stream.stream_id,
        stream.version,
        stream.head_hash,
        terms.capacity,
        stream.state.booked,
        stream.state.held,
        stream.updated_at,
    )


def stream_row(stream: Stream, terms: Terms) -> Row:
    """What `stream_from_row` reads."""
    return (
        *_head_row(stream, terms),
        terms.venue_id,
        terms.venue_capacity,
        terms.name,
        terms.starts_at,
        terms.sales_open_at,
        terms.sales_close_at,
        terms.limit_per_user,
    )


def booking_from_row(row: Row) -> Booking:
    """The booking in a row with the columns of load_bookings.sql."""
    booking_id, stream_id, user_id, quantity, status, *rest = row
    return Booking(booking_id, stream_id, user_id, quantity, BookingStatus(status), *rest)


def booking_row(booking: Booking) -> Row:
    """What `booking_from_row` reads."""
    return (
        booking.booking_id,
        booking.stream_id,
        booking.user_id,
        booking.quantity,
        booking.status.value,
        booking.booked_by,
        booking.booked_at,
        booking.entry_version,
        booking.entry_hash,
        booking.changed_at,
        booking.changed_version,
        booking.changed_hash,
    )


def _booking_change(booking: Booking) -> Row:
    return (
        booking.booking_id,
        booking.stream_id,
        booking.status.value,
        booking.changed_at,
        booking.changed_version,
        booking.changed_hash,
    )
