"""Rebuild: the derived rows thrown away and made again from the entries."""

from collections.abc import Callable, Iterable
from typing import Final

import psycopg
from redis import Redis

from ledger import rows
from ledger.batch import Stream
from ledger.database import statement
from ledger.rows import Row
from ledger.verify import replay
from projections.cache import forget_all

_LOCK: Final = statement("projections", "lock_for_rebuild").decode()
_CLEAR: Final = statement("projections", "clear_projections").decode()

_COPIES: Final[tuple[tuple[str, Callable[[Stream], Iterable[Row]]], ...]] = tuple(
    (statement("projections", name).decode(), rows_of)
    for name, rows_of in (
        ("copy_streams", lambda stream: [rows.stream_row(stream)]),
        ("copy_bookings", lambda stream: map(rows.booking_row, stream.state.bookings.values())),
        ("copy_holds", lambda stream: map(rows.hold_row, stream.state.holds.values())),
        ("copy_waiting", lambda stream: map(rows.waiting_row, stream.state.line.values())),
        ("copy_claims", rows.claim_rows),
        ("copy_seat_rows", rows.seat_row_rows),
        ("copy_allotments", rows.allotment_rows),
    )
)


def rebuild(url: str, redis_url: str | None, progress: Callable[[int], None]) -> int:
    """Make everything derived anew from the ledger; how many streams there are.

    ``url`` must be the owner's. Bookings and reads wait meanwhile. All or nothing: raises
    `ledger.replay.Broken`, and leaves everything as it was, when the entries break a rule.
    """
    streams = 0
    with psycopg.connect(url) as connection:
        connection.execute(_LOCK)
        connection.execute(_CLEAR)
        # Read by a second connection, since COPY occupies the first.
        with psycopg.connect(url) as reader:
            reader.read_only = True
            for stream in replay(reader, None, None):
                for query, rows_of in _COPIES:
                    _copy(connection, query, list(rows_of(stream)))
                streams += 1
                progress(stream.version)
    if redis_url is not None:
        with Redis.from_url(redis_url) as redis:
            forget_all(redis)
    return streams


def _copy(connection: psycopg.Connection[Row], query: str, written: list[Row]) -> None:
    if written:
        with connection.cursor() as cursor, cursor.copy(query) as copy:
            for row in written:
                copy.write_row(row)
