"""The ledger's tables: lock, load, append. Each function sends what it can in one round trip."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ledger import rows
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
    ScheduleEvent,
    Submission,
    TidyEvent,
    TransferBooking,
)
from ledger.database import Connection, waited_for_standbys
from ledger.due import CANCELLED_AT_A_TIME
from ledger.entries import Recorded
from ledger.pipeline import Answer, Pipeline, Statement
from ledger.records import EventStatus, Hold, Waiting
from ledger.rows import Row
from ledger.seating import Layout
from ledger.values import BookingId, EventId, HoldId, Instant, UserId, WaitingId

LINE_MAX: Final = 1_000
"""How many in line are looked at, from the front. If none of them fits, nobody gets an offer."""


_BEGIN: Final = Statement.bare("BEGIN")
_COMMIT: Final = Statement.bare("COMMIT")
_LIMIT_TRANSACTION: Final = Statement.of("limit_transaction", "text text")
_LOCK_STREAMS: Final = Statement.of("lock_streams", "uuid[]")
_LOCK_FREE_STREAMS: Final = Statement.of("lock_free_streams", "uuid[]")
_LOCK_STREAM: Final = Statement.of("lock_stream", "uuid")
_FIND_STREAMS: Final = Statement.of("find_streams", "uuid[]")
_READ_CLOCK: Final = Statement.of("read_clock")
_LOCK_KEYS: Final = Statement.of("lock_keys", "int8[]")
_FIND_KEYS: Final = Statement.of("find_keys", "bytea[]")
_FIND_USERS: Final = Statement.of("find_users", "uuid[]")
_LOAD_BOOKINGS: Final = Statement.of("load_bookings", "uuid[] uuid[]")
_LOAD_HOLDS: Final = Statement.of("load_holds", "uuid[] uuid[] uuid[]")
_LOAD_WAITING: Final = Statement.of("load_waiting", "uuid[] uuid[]")
_LOAD_WAITING_OF_USERS: Final = Statement.of("load_waiting_of_users", "uuid[] uuid[]")
_LOAD_LINE: Final = Statement.of("load_line", "uuid[] int8")
_LOAD_SEAT_ROWS: Final = Statement.of("load_seat_rows", "uuid[]")
_LOAD_CLAIMS: Final = Statement.of("load_claims", "uuid[]")
_LOAD_ALLOTMENTS: Final = Statement.of("load_allotments", "uuid[]")
_LOAD_LIVE_BOOKINGS: Final = Statement.of("load_live_bookings", "uuid int8")
_LOAD_LIVE_HOLDS: Final = Statement.of("load_live_holds", "uuid")
_COUNT_TICKETS: Final = Statement.of("count_tickets", "uuid[] uuid[]")
_APPEND_ENTRIES: Final = Statement.over(
    "append_entries", "uuid int8 text int2 bytea bytea bytea int8 bytea bytea uuid"
)
_INSERT_STREAMS: Final = Statement.over(
    "insert_streams",
    "uuid int8 bytea int4 int4 int4 int8 uuid int4 text int8 int8 int8 int4 "
    "int4 int4 text text int4 text int4",
)
_UPDATE_STREAMS: Final = Statement.over(
    "update_streams", "uuid int8 bytea int4 int4 int4 int8 text int4"
)
_INSERT_SEAT_ROWS: Final = Statement.over("insert_seat_rows", "uuid int4 text text text text")
_INSERT_BOOKINGS: Final = Statement.over(
    "insert_bookings", "uuid uuid uuid int4 text uuid int8 int8 bytea int8 int8 bytea"
)
_UPSERT_BOOKINGS: Final = Statement.over(
    "upsert_bookings",
    "uuid uuid uuid int4 text uuid int8 int8 bytea int8 int8 bytea text "
    "text int8 text text int4 uuid",
)
_INSERT_HOLDS: Final = Statement.over(
    "insert_holds",
    "uuid uuid uuid int4 text uuid int8 int8 bytea int8 int8 bytea int8 text text int8 uuid uuid",
)
_UPDATE_HOLDS: Final = Statement.over("update_holds", "uuid uuid text int8 bytea int8 uuid")
_UPSERT_WAITING: Final = Statement.over(
    "upsert_waiting", "uuid uuid uuid int4 text uuid int8 bytea int8 int8 bytea int8 text uuid"
)
_UPSERT_ALLOTMENTS: Final = Statement.over("upsert_allotments", "uuid text text int4 int4")
_DELETE_CLAIMS: Final = Statement.over("delete_claims", "uuid text")
_INSERT_CLAIMS: Final = Statement.over("insert_claims", "uuid text uuid")
_FIND_ENTRY: Final = Statement.of("find_entry", "uuid int8")
_AWAIT_STANDBYS: Final = Statement.of("await_standbys")
_FIND_DUE_STREAMS: Final = Statement.of("find_due_streams", "int8")


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
    scheduled: set[EventId] = field(default_factory=set)


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
        case ScheduleEvent():
            needs.scheduled.add(event_id)
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
    nothing = Answer()
    pipeline = Pipeline(connection)
    pipeline.send(_BEGIN)
    pipeline.send(_LIMIT_TRANSACTION, str(lock_wait_ms), str(statement_ms_max))
    existing = nothing
    if skip_locked:
        locking = pipeline.send(_LOCK_FREE_STREAMS, stream_ids)
        existing = pipeline.send(_FIND_STREAMS, stream_ids)
    elif len(stream_ids) == 1:
        locking = pipeline.send(_LOCK_STREAM, stream_ids[0])
    else:
        locking = pipeline.send(_LOCK_STREAMS, stream_ids)
    # The unique index holds a key to one use within a stream only (L4); and a new stream has no row
    # to lock yet, on which `was_committed` could wait.
    keyed = {_bits(key) for key in needs.keys} | {_bits(new.bytes) for new in needs.scheduled}
    if keyed:
        pipeline.send(_LOCK_KEYS, sorted(keyed))
    clock = pipeline.send(_READ_CLOCK)
    keys = pipeline.send(_FIND_KEYS, needs.keys) if needs.keys else nothing
    users = [user_id for _, user_id in needs.users]
    found_users = pipeline.send(_FIND_USERS, users) if users else nothing
    holds = pipeline.send(_LOAD_HOLDS, *rows.columns(needs.holds, 2), stream_ids)
    bookings = _send_for(pipeline, _LOAD_BOOKINGS, needs.bookings)
    waiting = _send_for(pipeline, _LOAD_WAITING, needs.waiting)
    joined = _send_for(pipeline, _LOAD_WAITING_OF_USERS, needs.joining)
    await pipeline.run()

    streams = {row[0]: rows.stream_from_row(row) for row in locking.rows}
    locked_elsewhere = frozenset(row[0] for row in existing.rows if row[0] not in streams)
    loaded = Loaded(
        now=Instant(clock.rows[0][0]),
        streams=streams,
        recorded_by_key=_by_key(keys.rows),
        users=frozenset([row[0] for row in found_users.rows]),
    )
    for hold in map(rows.hold_from_row, holds.rows):
        if hold.stream_id in streams:
            streams[hold.stream_id].state.holds[hold.hold_id] = hold
    for booking in map(rows.booking_from_row, bookings.rows):
        if booking.stream_id in streams:
            streams[booking.stream_id].state.bookings[booking.booking_id] = booking
    for each in map(rows.waiting_from_row, [*waiting.rows, *joined.rows]):
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
        nothing = Answer()
        pipeline = Pipeline(connection)
        seat_rows = pipeline.send(_LOAD_SEAT_ROWS, seated) if seated else nothing
        claims = pipeline.send(_LOAD_CLAIMS, seated) if seated else nothing
        allotments = (
            pipeline.send(_LOAD_ALLOTMENTS, sorted_by_price) if sorted_by_price else nothing
        )
        line = pipeline.send(_LOAD_LINE, lined, LINE_MAX) if lined else nothing
        live = [
            (
                pipeline.send(_LOAD_LIVE_BOOKINGS, each, CANCELLED_AT_A_TIME),
                pipeline.send(_LOAD_LIVE_HOLDS, each),
            )
            for each in over
        ]
        await pipeline.run()
        _put_layouts(streams, seat_rows.rows)
        for stream_id, seat, claimed_by in claims.rows:
            streams[stream_id].state.claims[seat] = claimed_by
        for stream_id, category, taken in allotments.rows:
            streams[stream_id].state.taken_by_category[category] = taken
        _put_line(streams, line.rows)
        for live_bookings, live_holds in live:
            for booking in map(rows.booking_from_row, live_bookings.rows):
                streams[booking.stream_id].state.bookings[booking.booking_id] = booking
            for hold in map(rows.hold_from_row, live_holds.rows):
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
        pipeline = Pipeline(connection)
        counted = pipeline.send(_COUNT_TICKETS, *rows.columns(pairs, 2))
        await pipeline.run()
        for stream_id, user_id, quantity in counted.rows:
            tickets = limited[stream_id].state.tickets_by_user
            tickets[user_id] = tickets.get(user_id, 0) + quantity


def _put_line(streams: dict[EventId, Stream], line: Iterable[Row]) -> None:
    by_stream: dict[EventId, list[Waiting]] = {}
    for waiting in map(rows.waiting_from_row, line):
        by_stream.setdefault(waiting.stream_id, []).append(waiting)
    for stream_id, front in by_stream.items():
        state = streams[stream_id].state
        state.line |= {waiting.waiting_id: waiting for waiting in front}
        if len(front) < state.in_line:
            state.line_known_to = front[-1].entry.version


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
    new_holds: list[Hold] = []
    old_holds: list[Hold] = []
    for hold in decided.holds.values():
        is_new = hold.entry.version > decided.streams[hold.stream_id].loaded_version
        (new_holds if is_new else old_holds).append(hold)
    claims = decided.claims
    pipeline = Pipeline(connection)
    pipeline.send_rows(_APPEND_ENTRIES, map(rows.entry_row, decided.appended))
    pipeline.send_rows(_INSERT_STREAMS, map(rows.stream_row, new))
    pipeline.send_rows(_UPDATE_STREAMS, map(rows.head_row, old))
    pipeline.send_rows(_INSERT_BOOKINGS, plain)
    pipeline.send_rows(_UPSERT_BOOKINGS, others)
    pipeline.send_rows(_INSERT_HOLDS, map(rows.hold_row, new_holds))
    pipeline.send_rows(_UPDATE_HOLDS, map(rows.hold_change_row, old_holds))
    pipeline.send_rows(_UPSERT_WAITING, map(rows.waiting_row, decided.line.values()))
    seat_rows = (row for stream in new for row in rows.seat_row_rows(stream))
    pipeline.send_rows(_INSERT_SEAT_ROWS, seat_rows)
    allotments = (row for stream in streams for row in rows.allotment_rows(stream))
    pipeline.send_rows(_UPSERT_ALLOTMENTS, allotments)
    # Given back before given out: a seat may have gone from one to the other.
    pipeline.send_rows(_DELETE_CLAIMS, claims)
    given_out = ((*place, claim) for place, claim in claims.items() if claim is not None)
    pipeline.send_rows(_INSERT_CLAIMS, given_out)
    pipeline.send(_COMMIT)
    await pipeline.run()


async def commit(connection: Connection, *, await_standbys: bool) -> None:
    """Commit a transaction in which there was nothing to write.

    With ``await_standbys`` what was read is where the synchronous standbys are when this returns.
    """
    pipeline = Pipeline(connection)
    if await_standbys:
        pipeline.send(_AWAIT_STANDBYS)
    pipeline.send(_COMMIT)
    await pipeline.run()


async def was_committed(
    connection: Connection, recorded: Recorded, *, lock_wait_ms: int, statement_ms_max: int
) -> bool:
    """Whether the transaction that appended ``recorded`` took place, once that can be told.

    Waits while the lost transaction still runs on the server: it holds the stream row or, if it
    begins the stream, the stream's key. And waits for synchronous standbys, as it may not have.
    """
    async with connection.transaction(force_rollback=True):
        pipeline = Pipeline(connection)
        pipeline.send(_LIMIT_TRANSACTION, str(lock_wait_ms), str(statement_ms_max))
        pipeline.send(_LOCK_STREAM, recorded.stream_id)
        pipeline.send(_LOCK_KEYS, [_bits(recorded.stream_id.bytes)])
        found = pipeline.send(_FIND_ENTRY, recorded.stream_id, recorded.version)
        await pipeline.run()
    if [row[0] for row in found.rows] != [recorded.hash]:
        return False
    with waited_for_standbys(connection):
        pipeline = Pipeline(connection)
        pipeline.send(_AWAIT_STANDBYS)
        await pipeline.run()
    return True


async def find_due_streams(connection: Connection, limit: int) -> list[EventId]:
    """Streams that have something due, some of each kind; see `ledger.due`."""
    pipeline = Pipeline(connection)
    due = pipeline.send(_FIND_DUE_STREAMS, limit)
    await pipeline.run()
    return [EventId(stream_id) for (stream_id,) in due.rows]


def _bits(key: bytes) -> int:
    return int.from_bytes(key[:8], signed=True)


def _send_for(
    pipeline: Pipeline, statement: Statement, named: Iterable[tuple[EventId, Any]]
) -> Answer:
    return pipeline.send(statement, *rows.columns(named, 2)) if named else Answer()


def _by_key(found: Iterable[Row]) -> dict[bytes, list[Recorded]]:
    by_key: dict[bytes, list[Recorded]] = {}
    for recorded in map(rows.recorded_from_row, found):
        if recorded.idempotency_key is not None:
            by_key.setdefault(recorded.idempotency_key, []).append(recorded)
    return by_key
