"""A ledger of any size, made in memory by the rules themselves and copied into a database.

Each event sells by number in two categories, of which most is booked, some of that cancelled, some
held first, and some waited for. The same seed makes the same entries.
"""

import random
from collections.abc import Iterator
from typing import Final
from uuid import UUID

import psycopg
from samples import ACTOR, NOW, SECOND, VENUE

from ledger import rows
from ledger.batch import Decided, Loaded, Stream, decide_batch
from ledger.commands import (
    BookSeats,
    CancelBooking,
    Command,
    ConfirmHold,
    HoldSeats,
    JoinWaitingList,
    ScheduleEvent,
    Submission,
    TransferBooking,
)
from ledger.entries import Recorded
from ledger.records import Category
from ledger.values import BookingId, EventId, HoldId, Instant, UserId, WaitingId

_USERS: Final = 10_000
_COPY_ENTRIES: Final = """
    COPY ledger (
        stream_id, version, type, schema_version, payload, prev_hash, hash, recorded_at_us,
        idempotency_key, request_hash, actor
    ) FROM STDIN
"""
_COPY_STREAMS: Final = """
    COPY streams (
        stream_id, version, head_hash, capacity, booked, held, updated_at_us, venue_id,
        venue_capacity, name, starts_at_us, sales_open_at_us, sales_close_at_us, limit_per_user,
        limit_per_order, hold_seconds, categories, quotas, seat_count, status, in_line
    ) FROM STDIN
"""
_NUMBER: Final = """
    WITH numbered AS (
        INSERT INTO sequence (seq, stream_id, version)
        SELECT row_number() OVER (ORDER BY recorded_at_us, stream_id, version) - 1,
            stream_id, version
        FROM ledger
    ), marked AS (
        INSERT INTO sequenced (stream_id, version) SELECT stream_id, version FROM streams
    )
    UPDATE sequencer SET next_seq = (SELECT count(*) FROM ledger)
"""


def fill(url: str, *, events: int, entries_each: int, seed: int = 1) -> int:
    """Put ``events`` streams of at least so many entries into an empty database; how many in all.

    Only the ledger, its order and the stream rows are written.
    """
    choose = random.Random(seed)  # noqa: S311  a workload, not a secret
    written = 0
    with psycopg.connect(url) as connection:
        for number in range(events):
            stream, entries = _one_event(choose, number, entries_each)
            with connection.cursor() as cursor:
                with cursor.copy(_COPY_ENTRIES) as copy:
                    for recorded in entries:
                        copy.write_row(rows.entry_row(recorded))
                with cursor.copy(_COPY_STREAMS) as copy:
                    copy.write_row(rows.stream_row(stream))
            written += len(entries)
        connection.execute(_NUMBER)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE) ledger")
        connection.execute("VACUUM (ANALYZE) sequence")
    return written


def _one_event(
    choose: random.Random, number: int, entries_min: int
) -> tuple[Stream, list[Recorded]]:
    event_id = EventId(UUID(int=choose.getrandbits(128), version=4))
    users = [UserId(UUID(int=choose.getrandbits(128), version=4)) for _ in range(_USERS)]
    loaded = Loaded(Instant(NOW + number), {}, {}, frozenset(users))
    new_id = _new_ids(choose)
    entries: list[Recorded] = []
    wishes = _wishes(choose, event_id, users, entries_min)
    while len(entries) < entries_min:
        batch = [Submission((next(wishes),), ACTOR) for _ in range(20)]
        decided: Decided = decide_batch(loaded, batch, lambda: next(new_id))
        entries += decided.appended
        loaded.now = Instant(loaded.now + choose.randrange(SECOND))
    return loaded.streams[event_id], entries


def _wishes(
    choose: random.Random,
    event_id: EventId,
    users: list[UserId],
    entries_min: int,
) -> Iterator[Command]:
    new_id = _new_ids(choose)
    capacity = entries_min * 3 // 5  # then there is a line, and offers to it
    categories = (Category("front", 5_000, None), Category("back", 2_500, None))
    yield ScheduleEvent(
        event_id=event_id,
        venue_id=VENUE,
        venue_capacity=capacity,
        name="A show",
        starts_at=Instant(NOW + 86_400 * SECOND),
        capacity=capacity,
        sales_open_at=None,
        sales_close_at=None,
        limit_per_user=None,
        categories=categories,
    )
    bookings: list[BookingId] = []
    holds: list[HoldId] = []
    while True:
        user = choose.choice(users)
        category = choose.choice(categories).name
        kind = choose.randrange(100)
        if kind < 8 and bookings:
            yield CancelBooking(event_id, bookings.pop(choose.randrange(len(bookings))))
        elif kind < 10 and bookings:
            yield TransferBooking(event_id, choose.choice(bookings), user)
        elif kind < 13:
            holds.append(HoldId(next(new_id)))
            yield HoldSeats(event_id, holds[-1], user, 1, category)
        elif kind < 15 and holds:
            yield ConfirmHold(event_id, holds.pop(), BookingId(next(new_id)))
        elif kind < 17:
            yield JoinWaitingList(event_id, WaitingId(next(new_id)), user, 1, category)
        else:
            bookings.append(BookingId(next(new_id)))
            yield BookSeats(event_id, bookings[-1], user, 1, category)


def _new_ids(choose: random.Random) -> Iterator[UUID]:
    while True:
        yield UUID(int=choose.getrandbits(128), version=4)
