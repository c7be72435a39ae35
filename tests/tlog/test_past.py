"""The past is what a replay of the entries up to then comes to, at every version of every event."""

import asyncio
import tracemalloc
from collections.abc import Awaitable, Callable
from typing import TypeVar

import psycopg
import pytest
from exporting import put, story_of_every_type
from samples import NOW, new_event_id
from tampering import streams_of

from ledger.batch import Stream, head_of
from ledger.database import Pool, open_pool
from ledger.replay import fold
from ledger.rows import Row
from ledger.values import BookingId, EventId, Instant
from projections.counts import COUNTED, Counts
from projections.past import AsOf, AtSeq, AtTime, AtVersion, NotBorn, NotYet, Past
from projections.rebuild import rebuild
from projections.sequencer import Sequencer

Result = TypeVar("Result")


def with_past(url: str, work: Callable[[Past, Pool], Awaitable[Result]]) -> Result:
    async def run() -> Result:
        async with open_pool(url, role="flashticket_app", size_max=4, name="past") as pool:
            return await work(Past(pool), pool)

    return asyncio.run(run())


@pytest.fixture(scope="module")
def streams() -> dict[EventId, list[Row]]:
    """Events with entries of every type, as rows of the ledger."""
    return streams_of(story_of_every_type().appended)


@pytest.fixture(scope="module")
def told(module_database: str, streams: dict[EventId, list[Row]]) -> str:
    """A database with those events, numbered and with all that is derived from them."""
    put(module_database, story_of_every_type().appended)
    rebuild(module_database, None, lambda _: None)

    async def number(_: Past, pool: Pool) -> None:
        sequencer = Sequencer(pool)
        sequencer.notice(streams)
        await sequencer.number()

    with_past(module_database, number)
    return module_database


def replayed(stream_id: EventId, rows: list[Row], version: int) -> Stream:
    return fold(stream_id, rows, until=lambda recorded: recorded.version > version)


def test_counts_at_every_version_are_those_of_a_replay(
    told: str, streams: dict[EventId, list[Row]]
) -> None:
    async def work(past: Past, _: Pool) -> None:
        for stream_id, rows in streams.items():
            for version in range(1, len(rows) + 1):
                as_of = await past.find(stream_id, AtVersion(version))
                assert as_of is not None
                assert await past.head(as_of) == head_of(replayed(stream_id, rows, version))

    with_past(told, work)


def test_bookings_at_every_version_are_those_of_a_replay(
    told: str, streams: dict[EventId, list[Row]]
) -> None:
    async def work(past: Past, _: Pool) -> int:
        compared = 0
        for stream_id, rows in streams.items():
            made = replayed(stream_id, rows, len(rows)).state.bookings
            for version in range(1, len(rows) + 1):
                as_of = AsOf(stream_id, version, Instant(0))
                stood = replayed(stream_id, rows, version).state.bookings
                assert await past.bookings(as_of, list(made)) == list(stood.values())
                begun = await past.bookings_begun(as_of, 0, 1_000)
                assert begun == [(each.entry.version, each) for each in stood.values()]
                for booking_id in made:
                    found = await past.bookings(as_of, [booking_id])
                    assert found == [stood[each] for each in (booking_id,) if each in stood]
                    compared += len(found)
        return compared

    assert with_past(told, work) > 50


def test_pages_of_bookings_go_on_where_the_last_one_ended(
    told: str, streams: dict[EventId, list[Row]]
) -> None:
    async def work(past: Past, _: Pool) -> None:
        for stream_id, rows in streams.items():
            as_of = AsOf(stream_id, len(rows), Instant(0))
            whole = await past.bookings_begun(as_of, 0, 1_000)
            paged, after = [], 0
            while page := await past.bookings_begun(as_of, after, 2):
                assert len(page) <= 2
                paged += page
                after = page[-1][0]
            assert paged == whole

    with_past(told, work)


def test_a_time_and_a_number_lead_to_the_last_entry_by_then(
    told: str, streams: dict[EventId, list[Row]]
) -> None:
    with psycopg.connect(told) as connection:
        seqs = connection.execute("SELECT stream_id, version, seq FROM sequence").fetchall()

    async def work(past: Past, _: Pool) -> None:
        for stream_id, rows in streams.items():
            times = {row[2] for row in rows}
            for time in sorted(times | {each - 1 for each in times}):
                expected = sum(row[2] <= time for row in rows)
                assert await version_at(past, stream_id, AtTime(Instant(time))) == expected
            mine = [seq for each, _, seq in seqs if each == stream_id]
            for seq in range(len(seqs)):
                expected = sum(each <= seq for each in mine)
                assert await version_at(past, stream_id, AtSeq(seq)) == expected

    with_past(told, work)


async def version_at(past: Past, stream_id: EventId, moment: AtTime | AtSeq) -> int:
    try:
        as_of = await past.find(stream_id, moment)
    except NotBorn:
        return 0
    assert as_of is not None
    return as_of.version


def test_an_entry_without_a_number_is_after_every_number(
    told: str, streams: dict[EventId, list[Row]]
) -> None:
    stream_id = next(iter(streams))
    with psycopg.connect(told) as connection:
        connection.execute("ALTER TABLE sequence DISABLE TRIGGER sequence_append_only")
        connection.execute(
            "DELETE FROM sequence WHERE stream_id = %s AND version >= 4", (stream_id,)
        )
        connection.execute("ALTER TABLE sequence ENABLE TRIGGER sequence_append_only")
        connection.commit()
        row = connection.execute("SELECT next_seq - 1 FROM sequencer").fetchone()
        assert row is not None

    async def work(past: Past, _: Pool) -> int:
        return await version_at(past, stream_id, AtSeq(row[0]))

    assert with_past(told, work) == 3


def test_what_is_still_to_come_is_told_with_what_there_is(
    told: str, streams: dict[EventId, list[Row]]
) -> None:
    stream_id, rows = next(iter(streams.items()))

    async def work(past: Past, _: Pool) -> None:
        with pytest.raises(NotYet) as ahead:
            await past.find(stream_id, AtVersion(len(rows) + 1))
        assert ahead.value.latest == AtVersion(len(rows))
        with pytest.raises(NotYet) as ahead:
            await past.find(stream_id, AtSeq(1_000_000))
        assert ahead.value.latest == AtSeq(sum(map(len, streams.values())) - 1)
        with pytest.raises(NotYet):
            await past.find(stream_id, AtTime(Instant(2**52)))
        with pytest.raises(NotBorn) as before:
            await past.find(stream_id, AtTime(Instant(rows[0][2] - 1)))
        assert before.value.began_at == rows[0][2]
        assert await past.find(new_event_id(), None) is None

    with_past(told, work)


def test_milestones_change_no_answer(
    told: str, streams: dict[EventId, list[Row]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("projections.past._COUNTED_AT_ONCE", 2)
    monkeypatch.setattr("projections.past._MILESTONE_ENTRIES", 4)
    monkeypatch.setattr("projections.past._MILESTONES_MAX", 3)

    async def work(past: Past, _: Pool) -> None:
        for stream_id, rows in streams.items():
            for version in [len(rows), *range(1, len(rows) + 1), *range(len(rows), 0, -1)]:
                head = await past.head(AsOf(stream_id, version, rows[version - 1][2]))
                assert head == head_of(replayed(stream_id, rows, version))
        assert 0 < len(past._milestones) <= 3

    with_past(told, work)


def test_every_entry_that_changes_a_count_is_counted(streams: dict[EventId, list[Row]]) -> None:
    """An entry type that is added and moves places must not be forgotten in `COUNTED`."""
    for stream_id, rows in streams.items():
        before = Counts()
        for row in rows:
            state = replayed(stream_id, rows, row[1]).state
            assert state.terms is not None
            after = Counts(state.terms.capacity, state.booked, state.held)
            if row[6] not in COUNTED:
                assert after == before, row[6]
            before = after


LONG = 60_000


@pytest.fixture
def long_stream(database: str) -> EventId:
    """An event with many bookings, of which each third is cancelled at once."""
    stream_id = new_event_id()
    with psycopg.connect(database) as connection:
        connection.execute(
            """
            INSERT INTO ledger (stream_id, version, type, schema_version, payload, prev_hash, hash,
                recorded_at_us, actor)
            SELECT %(id)s, n,
                CASE WHEN n = 1 THEN 'CapacityChanged' WHEN n %% 4 = 0 THEN 'BookingCancelled'
                    ELSE 'SeatsBooked' END,
                CASE WHEN n = 1 THEN 1 ELSE 2 END,
                convert_to(CASE WHEN n = 1 THEN '{"capacity":1000000}'
                    ELSE '{"amount_cents":0,"booking_id":"' || gen_random_uuid()
                    || '","category":null,"quantity":1,"seats":[],"user_id":"'
                    || gen_random_uuid() || '"}' END, 'UTF8'),
                sha256(''), sha256(''), %(now)s + n, %(id)s
            FROM generate_series(1, %(long)s) AS n
            """,
            {"id": stream_id, "now": NOW, "long": LONG},
        )
        connection.execute(
            "INSERT INTO streams (stream_id, version, head_hash, capacity, booked, held,"
            " updated_at_us, venue_id, venue_capacity, name, starts_at_us)"
            " VALUES (%(id)s, %(long)s, sha256(''), 1000000, 0, 0, %(now)s + %(long)s, %(id)s,"
            " 1000000, '', 0)",
            {"id": stream_id, "now": NOW, "long": LONG},
        )
        connection.execute("ANALYZE ledger, streams")
    return stream_id


def test_a_long_way_back_takes_little_memory_and_lets_others_work_meanwhile(
    database: str, long_stream: EventId
) -> None:
    turns = 0

    async def work(past: Past, _: Pool) -> int:
        async def take_turns() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        as_of = await past.find(long_stream, AtVersion(LONG))
        assert as_of is not None
        other = asyncio.create_task(take_turns())
        tracemalloc.start()
        head = await past.head(as_of)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        other.cancel()
        assert head.booked == LONG * 3 // 4 - 1 - LONG // 4
        return peak

    peak = with_past(database, work)
    assert peak < 4_000_000  # the payloads alone are ten
    assert turns > LONG // 1_000


def test_a_look_back_waits_for_no_lock_and_holds_none(database: str, long_stream: EventId) -> None:
    async def work(past: Past, _: Pool) -> None:
        with psycopg.connect(database) as booking:
            booking.execute("SELECT FROM streams WHERE stream_id = %s FOR UPDATE", (long_stream,))
            as_of = await past.find(long_stream, AtTime(Instant(NOW + LONG)))
            assert as_of is not None
            folding = asyncio.create_task(past.head(as_of))
            await asyncio.sleep(0)
            with psycopg.connect(database, autocommit=True) as watcher:
                open_since = watcher.execute(
                    "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE"
                    " 'flashticket-%' AND datname = current_database()"
                    " AND state = 'idle in transaction'"
                ).fetchone()
            assert open_since == (0,)
            assert (await folding).version == LONG

    with_past(database, work)


def test_bookings_far_apart_in_a_long_stream_are_found(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What changes a booking is looked for in spans, none of which may be left out."""
    monkeypatch.setattr("projections.past._SCANNED_AT_ONCE", 3)
    story = story_of_every_type()
    put(database, story.appended)
    rebuild(database, None, lambda _: None)

    async def work(past: Past, _: Pool) -> None:
        for stream_id, rows in streams_of(story.appended).items():
            stood = replayed(stream_id, rows, len(rows)).state.bookings
            booking_ids: list[BookingId] = list(stood)
            as_of = AsOf(stream_id, len(rows), Instant(0))
            assert await past.bookings(as_of, booking_ids) == list(stood.values())
            begun = await past.bookings_begun(as_of, 0, 1_000)
            assert [booking for _, booking in begun] == list(stood.values())

    with_past(database, work)
