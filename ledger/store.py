"""The ledger's tables: lock, load, append. Each function sends what it can in one round trip."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import psycopg

from ledger import rows
from ledger.arrays import TYPES, ColumnType, pack_columns
from ledger.batch import Decided, Loaded, Stream
from ledger.commands import (
    AnnulCheckIn,
    BookSeats,
    CancelBooking,
    CancelEvent,
    CheckIn,
    Command,
    ConfirmHold,
    HoldSeats,
    JoinWaitingList,
    LeaveWaitingList,
    ReleaseHold,
    Submission,
    TidyEvent,
    TransferBooking,
)
from ledger.database import Connection, statement
from ledger.due import CANCELLED_AT_A_TIME
from ledger.entries import Recorded
from ledger.records import EventStatus
from ledger.rows import Row
from ledger.seating import Layout
from ledger.values import BookingId, EventId, HoldId, Instant, UserId, WaitingId

LINE_MAX: Final = 1_000
"""How many in line are looked at, from the front. If none of them fits, nobody gets an offer."""


def _sql(name: str) -> bytes:
    return statement("ledger", name)


@dataclass(frozen=True, slots=True)
class Write:
    """A statement that writes many rows, each column of them an array."""

    query: bytes
    kinds: tuple[ColumnType, ...]

    @classmethod
    def of(cls, name: str, types: str) -> "Write":
        return cls(_sql(name), tuple(TYPES[each] for each in types.split()))


_LIMIT_TRANSACTION: Final = _sql("limit_transaction")
_LOCK_STREAMS: Final = _sql("lock_streams")
_LOCK_FREE_STREAMS: Final = _sql("lock_free_streams")
_LOCK_STREAM: Final = _sql("lock_stream")
_FIND_STREAMS: Final = _sql("find_streams")
_READ_CLOCK: Final = _sql("read_clock")
_LOCK_KEYS: Final = _sql("lock_keys")
_FIND_KEYS: Final = _sql("find_keys")
_FIND_USERS: Final = _sql("find_users")
_LOAD_BOOKINGS: Final = _sql("load_bookings")
_LOAD_HOLDS: Final = _sql("load_holds")
_LOAD_WAITING: Final = _sql("load_waiting")
_LOAD_WAITING_OF_USERS: Final = _sql("load_waiting_of_users")
_LOAD_LINE: Final = _sql("load_line")
_LOAD_SEAT_ROWS: Final = _sql("load_seat_rows")
_LOAD_CLAIMS: Final = _sql("load_claims")
_LOAD_ALLOTMENTS: Final = _sql("load_allotments")
_LOAD_LIVE_BOOKINGS: Final = _sql("load_live_bookings")
_LOAD_LIVE_HOLDS: Final = _sql("load_live_holds")
_COUNT_TICKETS: Final = _sql("count_tickets")
_APPEND_ENTRIES: Final = Write.of(
    "append_entries",
    "uuid int8 text int2 bytea bytea bytea int8 bytea bytea uuid",
)
_INSERT_STREAMS: Final = Write.of(
    "insert_streams",
    "uuid int8 bytea int4 int4 int4 int8 uuid int4 text int8 int8 int8 int4 "
    "int4 int4 text text int4 text int4",
)
_UPDATE_STREAMS: Final = Write.of(
    "update_streams",
    "uuid int8 bytea int4 int4 int4 int8 text int4",
)
_INSERT_SEAT_ROWS: Final = Write.of("insert_seat_rows", "uuid int4 text text text text")
_INSERT_BOOKINGS: Final = Write.of(
    "insert_bookings",
    "uuid uuid uuid int4 text uuid int8 int8 bytea int8 int8 bytea",
)
_UPSERT_BOOKINGS: Final = Write.of(
    "upsert_bookings",
    "uuid uuid uuid int4 text uuid int8 int8 bytea int8 int8 bytea text "
    "text int8 text text int4 uuid",
)
_UPSERT_HOLDS: Final = Write.of(
    "upsert_holds",
    "uuid uuid uuid int4 text uuid int8 int8 bytea int8 int8 bytea int8 text text int8 uuid uuid",
)
_UPSERT_WAITING: Final = Write.of(
    "upsert_waiting",
    "uuid uuid uuid int4 text uuid int8 bytea int8 int8 bytea int8 text uuid",
)
_UPSERT_ALLOTMENTS: Final = Write.of("upsert_allotments", "uuid text text int4 int4")
_DELETE_CLAIMS: Final = Write.of("delete_claims", "uuid text")
_INSERT_CLAIMS: Final = Write.of("insert_claims", "uuid text uuid")
_FIND_ENTRY: Final = _sql("find_entry")
_FIND_DUE_STREAMS: Final = _sql("find_due_streams")


@dataclass(slots=True)
class Needs:
    """What a batch's commands name and so must be loaded."""

    keys: list[bytes] = field(default_factory=list)
    streams: set[EventId] = field(default_factory=set)
    bookings: set[tuple[EventId, BookingId]] = field(default_factory=set)
    holds: set[tuple[EventId, HoldId]] = field(default_factory=set)
    waiting: set[tuple[EventId, WaitingId]] = field(default_factory=set)
    users: set[tuple[EventId, UserId]] = field(default_factory=set)
    joining: set[tuple[EventId, UserId]] = field(default_factory=set)
    tidied: set[EventId] = field(default_factory=set)
    called_off: set[EventId] = field(default_factory=set)


def needs_of(submissions: Iterable[Submission]) -> Needs:
    """What deciding ``submissions`` takes."""
    needs = Needs()
    for submission in submissions:
        if submission.idempotency_key is not None:
            needs.keys.append(submission.idempotency_key)
        for command in submission.commands:
            needs.streams.add(command.event_id)
            _add_needs(needs, command)
    return needs


def _add_needs(needs: Needs, command: Command) -> None:
    event_id = command.event_id
    match command:
        case BookSeats() | HoldSeats():
            needs.users.add((event_id, command.user_id))
        case JoinWaitingList():
            needs.users.add((event_id, command.user_id))
            needs.joining.add((event_id, command.user_id))
        case CancelBooking() | CheckIn() | AnnulCheckIn():
            needs.bookings.add((event_id, command.booking_id))
        case TransferBooking():
            needs.bookings.add((event_id, command.booking_id))
            needs.users.add((event_id, command.to_user_id))
        case ConfirmHold() | ReleaseHold():
            needs.holds.add((event_id, command.hold_id))
        case LeaveWaitingList():
            needs.waiting.add((event_id, command.waiting_id))
        case TidyEvent():
            needs.tidied.add(event_id)
        case CancelEvent():
            needs.called_off.add(event_id)
        case _:
            pass


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
    Plain events take one round trip; seats, categories, limits and lines one or two more.
    """
    needs = needs_of(submissions)
    stream_ids = sorted(needs.streams)
    async with connection.pipeline():
        await connection.execute("BEGIN")
        await connection.execute(
            _LIMIT_TRANSACTION, (str(lock_wait_ms), str(statement_ms_max)), prepare=True
        )
        if skip_locked:
            locking = await _fetch(connection, _LOCK_FREE_STREAMS, stream_ids)
            existing = await _fetch(connection, _FIND_STREAMS, stream_ids)
        elif len(stream_ids) == 1:
            locking = await _fetch(connection, _LOCK_STREAM, stream_ids[0])
        else:
            locking = await _fetch(connection, _LOCK_STREAMS, stream_ids)
        if needs.keys:
            # The unique index holds a key to one use within a stream only (L4).
            await _fetch(connection, _LOCK_KEYS, sorted({_bits(key) for key in needs.keys}))
        clock = await _fetch(connection, _READ_CLOCK)
        keys = await _fetch(connection, _FIND_KEYS, needs.keys) if needs.keys else None
        users = [user_id for _, user_id in needs.users]
        found_users = await _fetch(connection, _FIND_USERS, users) if users else None
        holds = await _fetch(connection, _LOAD_HOLDS, *rows.columns(needs.holds, 2), stream_ids)
        bookings = await _fetch_named(connection, _LOAD_BOOKINGS, needs.bookings)
        waiting = await _fetch_named(connection, _LOAD_WAITING, needs.waiting)
        joined = await _fetch_named(connection, _LOAD_WAITING_OF_USERS, needs.joining)

        streams = {row[0]: rows.stream_from_row(row) for row in await locking.fetchall()}
        locked_elsewhere: frozenset[EventId] = frozenset()
        if skip_locked:
            found = [row[0] for row in await existing.fetchall()]
            locked_elsewhere = frozenset(each for each in found if each not in streams)
        now = Instant((await clock.fetchall())[0][0])
        loaded = Loaded(
            now=now,
            streams=streams,
            recorded_by_key=_by_key([] if keys is None else await keys.fetchall()),
            users=frozenset(
                [] if found_users is None else [row[0] for row in await found_users.fetchall()]
            ),
        )
        for hold in map(rows.hold_from_row, await holds.fetchall()):
            if hold.stream_id in streams:
                streams[hold.stream_id].state.holds[hold.hold_id] = hold
        for booking in map(rows.booking_from_row, await _all(bookings)):
            if booking.stream_id in streams:
                streams[booking.stream_id].state.bookings[booking.booking_id] = booking
        for each in map(rows.waiting_from_row, [*await _all(waiting), *await _all(joined)]):
            if each.stream_id in streams:
                streams[each.stream_id].state.line[each.waiting_id] = each
    await _load_more(connection, loaded, needs)
    return loaded, locked_elsewhere


async def _load_more(connection: Connection, loaded: Loaded, needs: Needs) -> None:
    """What only the terms told is needed: seats, categories, the line, and counts per user."""
    streams = loaded.streams
    seated = [each.stream_id for each in streams.values() if each.terms.seat_count]
    sorted_by_price = [each.stream_id for each in streams.values() if each.terms.categories]
    lined = [each.stream_id for each in streams.values() if each.state.in_line]
    over = [
        stream_id
        for stream_id in needs.tidied
        if stream_id in streams
        # Cancelled before, or by a command of this very batch.
        and (
            stream_id in needs.called_off
            or streams[stream_id].terms.status is EventStatus.CANCELLED
        )
    ]
    if seated or sorted_by_price or lined or over:
        async with connection.pipeline():
            seat_rows = await _fetch_for(connection, _LOAD_SEAT_ROWS, seated)
            claims = await _fetch_for(connection, _LOAD_CLAIMS, seated)
            allotments = await _fetch_for(connection, _LOAD_ALLOTMENTS, sorted_by_price)
            line = await _fetch(connection, _LOAD_LINE, lined, LINE_MAX) if lined else None
            live = [
                (
                    await _fetch(connection, _LOAD_LIVE_BOOKINGS, each, CANCELLED_AT_A_TIME),
                    await _fetch(connection, _LOAD_LIVE_HOLDS, each),
                )
                for each in over
            ]
            _put_layouts(streams, await _all(seat_rows))
            for stream_id, seat, claimed_by in await _all(claims):
                streams[stream_id].state.claims[seat] = claimed_by
            for stream_id, category, taken in await _all(allotments):
                streams[stream_id].state.taken_by_category[category] = taken
            for waiting in map(rows.waiting_from_row, await _all(line)):
                streams[waiting.stream_id].state.line[waiting.waiting_id] = waiting
            for live_bookings, live_holds in live:
                for booking in map(rows.booking_from_row, await live_bookings.fetchall()):
                    state = streams[booking.stream_id].state
                    state.bookings[booking.booking_id] = booking
                for hold in map(rows.hold_from_row, await live_holds.fetchall()):
                    streams[hold.stream_id].state.holds[hold.hold_id] = hold
    await _count_tickets(connection, loaded, needs)


async def _count_tickets(connection: Connection, loaded: Loaded, needs: Needs) -> None:
    limited = {
        stream_id: stream
        for stream_id, stream in loaded.streams.items()
        if stream.terms.limit_per_user is not None
    }
    pairs = {pair for pair in needs.users if pair[0] in limited}
    for stream_id, stream in limited.items():
        pairs |= {(stream_id, waiting.user_id) for waiting in stream.state.line.values()}
    if pairs:
        cursor = await _fetch(connection, _COUNT_TICKETS, *rows.columns(pairs, 2))
        for stream_id, user_id, quantity in await cursor.fetchall():
            tickets = limited[stream_id].state.tickets_by_user
            tickets[user_id] = tickets.get(user_id, 0) + quantity


def _put_layouts(streams: dict[EventId, Stream], seat_rows: Iterable[Row]) -> None:
    by_stream: dict[EventId, list[Row]] = {}
    for row in seat_rows:
        by_stream.setdefault(row[0], []).append(row)
    for stream_id, of_stream in by_stream.items():
        streams[stream_id].state.layout = Layout(tuple(map(rows.seat_row_from_row, of_stream)))


async def append_and_commit(connection: Connection, decided: Decided) -> None:
    """Write what was decided and commit, in one round trip; returns after COMMIT has."""
    streams = decided.streams.values()
    new = [stream for stream in streams if stream.loaded_version == 0]
    old = [stream for stream in streams if stream.loaded_version != 0]
    bookings = decided.bookings.values()
    plain = [rows.plain_booking_row(each) for each in bookings if rows.is_plain(each)]
    others = [rows.booking_row(each) for each in bookings if not rows.is_plain(each)]
    claims = decided.claims
    async with connection.pipeline():
        await _write(connection, _APPEND_ENTRIES, map(rows.entry_row, decided.appended))
        await _write(connection, _INSERT_STREAMS, map(rows.stream_row, new))
        await _write(connection, _UPDATE_STREAMS, map(rows.head_row, old))
        await _write(connection, _INSERT_BOOKINGS, plain)
        await _write(connection, _UPSERT_BOOKINGS, others)
        await _write(connection, _UPSERT_HOLDS, map(rows.hold_row, decided.holds.values()))
        await _write(connection, _UPSERT_WAITING, map(rows.waiting_row, decided.line.values()))
        await _write(
            connection,
            _INSERT_SEAT_ROWS,
            (row for stream in new for row in rows.seat_row_rows(stream)),
        )
        await _write(
            connection,
            _UPSERT_ALLOTMENTS,
            (row for stream in streams for row in rows.allotment_rows(stream)),
        )
        # Given back before given out: a seat may have gone from one to the other.
        await _write(connection, _DELETE_CLAIMS, claims)
        await _write(
            connection,
            _INSERT_CLAIMS,
            ((*place, claim) for place, claim in claims.items() if claim is not None),
        )
        await connection.execute("COMMIT")


async def was_committed(
    connection: Connection, recorded: Recorded, *, lock_wait_ms: int, statement_ms_max: int
) -> bool:
    """Whether the transaction that appended ``recorded`` took place, once that can be told.

    Waits while the lost transaction still runs on the server: it holds the stream row, or the
    place of a stream's first entry.
    """
    async with connection.transaction(force_rollback=True):
        await connection.execute(_LIMIT_TRANSACTION, (str(lock_wait_ms), str(statement_ms_max)))
        locking = await connection.execute(_LOCK_STREAM, (recorded.stream_id,))
        if await locking.fetchone() is None:
            # There is no row to wait for; who writes the same entry waits for the lost one's.
            with suppress(psycopg.errors.UniqueViolation):
                async with connection.transaction():
                    await _write(connection, _APPEND_ENTRIES, [rows.entry_row(recorded)])
                return False
        cursor = await connection.execute(
            _FIND_ENTRY, (recorded.stream_id, recorded.version), binary=True
        )
        row = await cursor.fetchone()
    return row is not None and row[0] == recorded.hash


async def find_due_streams(connection: Connection, limit: int) -> list[EventId]:
    """Streams that have something due, some of each kind; see `ledger.due`."""
    cursor = await _fetch(connection, _FIND_DUE_STREAMS, limit)
    return [EventId(stream_id) for (stream_id,) in await cursor.fetchall()]


def _bits(key: bytes) -> int:
    return int.from_bytes(key[:8], signed=True)


async def _fetch(connection: Connection, query: bytes, *parameters: Any) -> Any:
    return await connection.execute(query, parameters, prepare=True, binary=True)


async def _fetch_for(connection: Connection, query: bytes, stream_ids: list[EventId]) -> Any:
    return await _fetch(connection, query, stream_ids) if stream_ids else None


async def _fetch_named(
    connection: Connection, query: bytes, named: Iterable[tuple[EventId, Any]]
) -> Any:
    return await _fetch(connection, query, *rows.columns(named, 2)) if named else None


async def _all(cursor: Any) -> list[Row]:
    return [] if cursor is None else await cursor.fetchall()


async def _write(connection: Connection, write: Write, written: Iterable[Row]) -> None:
    listed = list(written)
    if listed:
        await connection.execute(write.query, pack_columns(write.kinds, listed), prepare=True)


def _by_key(found: Iterable[Row]) -> dict[bytes, list[Recorded]]:
    by_key: dict[bytes, list[Recorded]] = {}
    for recorded in map(rows.recorded_from_row, found):
        if recorded.idempotency_key is not None:
            by_key.setdefault(recorded.idempotency_key, []).append(recorded)
    return by_key
