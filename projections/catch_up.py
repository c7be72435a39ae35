"""Rows that a rebuild made, brought up to what was booked meanwhile: entries folded onto them.

The connection finds the tables beside where it looks for the projected ones, so the statements are
those of the writer, and so is the fold: `ledger.evolve` goes on where the lean one stopped.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any, Final

from ledger import rows
from ledger.batch import Decided, Stream
from ledger.database import Connection, statement
from ledger.replay import fold
from ledger.rows import Row
from ledger.seating import Layout
from ledger.state import Claim
from ledger.store import append_and_commit
from ledger.values import EventId

_READ_NEWS: Final = statement("projections", "read_news")
_LOCK_STREAMS: Final = statement("ledger", "lock_streams")
_LOAD_BOOKINGS: Final = statement("ledger", "load_bookings")
_LOAD_HOLDS: Final = statement("ledger", "load_holds")
_LOAD_WAITING: Final = statement("ledger", "load_waiting")
_LOAD_SEAT_ROWS: Final = statement("ledger", "load_seat_rows")
_LOAD_CLAIMS: Final = statement("ledger", "load_claims")
_LOAD_ALLOTMENTS: Final = statement("ledger", "load_allotments")

_ENTRIES_OF_A_STREAM_MAX: Final = 2_000


async def catch_up(connection: Connection, moved: Sequence[tuple[EventId, int]]) -> int:
    """Fold all entries that follow these versions of streams onto their rows; how many they were.

    Raises `ledger.replay.Broken`; what was folded before that stays.
    """
    folded = 0
    while moved:
        columns = rows.columns(moved, 2)
        news = await _fetch(connection, _READ_NEWS, *columns, _ENTRIES_OF_A_STREAM_MAX)
        if not news:
            break
        streams = await _load(connection, news)
        claims = {stream_id: dict(each.state.claims) for stream_id, each in streams.items()}
        for stream_id, of_stream in groupby(news, key=lambda row: row[0]):
            fold(stream_id, of_stream, onto=streams[stream_id])
        await connection.execute("BEGIN")
        await append_and_commit(connection, _decided(streams.values(), claims))
        folded += len(news)
        entries = Counter(row[0] for row in news)
        moved = [
            (stream_id, streams[stream_id].version)
            for stream_id, count in entries.items()
            if count == _ENTRIES_OF_A_STREAM_MAX
        ]
    return folded


async def _load(connection: Connection, news: Sequence[Row]) -> dict[EventId, Stream]:
    """The streams of ``news``, with what the entries name."""
    streams = {EventId(row[0]): Stream(EventId(row[0])) for row in news}
    ids = list(streams)
    for row in await _fetch(connection, _LOCK_STREAMS, ids):
        streams[row[0]] = rows.stream_from_row(row)
    named: dict[str, set[tuple[EventId, Any]]] = {"booking_id": set(), "hold_id": set()}
    named["waiting_id"] = set()
    for recorded in map(rows.recorded_from_row, news):
        for name, places in named.items():
            identifier = getattr(recorded.entry, name, None)
            if identifier is not None:
                places.add((recorded.stream_id, identifier))
    for row in await _fetch(connection, _LOAD_BOOKINGS, *rows.columns(named["booking_id"], 2)):
        booking = rows.booking_from_row(row)
        streams[booking.stream_id].state.bookings[booking.booking_id] = booking
    for row in await _fetch(connection, _LOAD_HOLDS, *rows.columns(named["hold_id"], 2), []):
        hold = rows.hold_from_row(row)
        streams[hold.stream_id].state.holds[hold.hold_id] = hold
    for row in await _fetch(connection, _LOAD_WAITING, *rows.columns(named["waiting_id"], 2)):
        waiting = rows.waiting_from_row(row)
        streams[waiting.stream_id].state.line[waiting.waiting_id] = waiting
    seat_rows = await _fetch(connection, _LOAD_SEAT_ROWS, ids)
    for stream_id, of_stream in groupby(seat_rows, key=lambda row: row[0]):
        layout = Layout(tuple(map(rows.seat_row_from_row, of_stream)))
        streams[stream_id].state.layout = layout
    for stream_id, seat, claim in await _fetch(connection, _LOAD_CLAIMS, ids):
        streams[stream_id].state.claims[seat] = claim
    for stream_id, category, taken in await _fetch(connection, _LOAD_ALLOTMENTS, ids):
        streams[stream_id].state.taken_by_category[category] = taken
    return streams


def _decided(streams: Iterable[Stream], claims_before: dict[EventId, dict[str, Claim]]) -> Decided:
    """What is to be written, as the writer does it; the entries are there already."""
    decided = Decided()
    for stream in streams:
        state, before = stream.state, claims_before[stream.stream_id]
        decided.streams[stream.stream_id] = stream
        decided.bookings.update(state.bookings)
        decided.holds.update(state.holds)
        decided.line.update(state.line)
        for seat in before.keys() | state.claims.keys():
            if before.get(seat) != state.claims.get(seat):
                decided.claims[stream.stream_id, seat] = state.claims.get(seat)
    return decided


async def _fetch(connection: Connection, query: bytes, *parameters: Any) -> list[Row]:
    cursor = await connection.execute(query, parameters, prepare=True, binary=True)
    return await cursor.fetchall()
