"""Rebuild: the derived rows thrown away and made again from the entries."""

from collections.abc import Callable
from typing import Final

import psycopg
from redis import Redis

from ledger.database import statement
from ledger.store import booking_row, stream_row
from ledger.verify import replay
from projections.cache import forget_all

_LOCK: Final = statement("projections", "lock_for_rebuild").decode()
_CLEAR: Final = statement("projections", "clear_projections").decode()
_COPY_STREAMS: Final = statement("projections", "copy_streams").decode()
_COPY_BOOKINGS: Final = statement("projections", "copy_bookings").decode()


def rebuild(url: str, redis_url: str | None, progress: Callable[[int], None]) -> int:
    """Make stream rows, bookings and caches anew from the ledger; how many streams there are.

    ``url`` must be the owner's. Bookings and reads wait meanwhile. All or nothing: raises
    `ledger.replay.Broken`, and leaves everything as it was, when the entries break a rule.
    """
    streams = 0
    with psycopg.connect(url) as connection:
        connection.execute(_LOCK)
        with psycopg.connect(url) as reader:
            # Read by a second connection, since COPY below occupies the first.
            reader.read_only = True
            folded = replay(reader, None, None)
            connection.execute(_CLEAR)
            for stream in folded:
                with connection.cursor() as cursor:
                    with cursor.copy(_COPY_STREAMS) as copy:
                        copy.write_row(stream_row(stream, stream.terms))
                    with cursor.copy(_COPY_BOOKINGS) as copy:
                        for booking in stream.state.bookings.values():
                            copy.write_row(booking_row(booking))
                streams += 1
                progress(stream.version)
    if redis_url is not None:
        with Redis.from_url(redis_url) as redis:
            forget_all(redis)
    return streams
