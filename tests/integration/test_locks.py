"""Locked streams: one that is stuck holds up only itself, and many never deadlock."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from time import monotonic

import psycopg
import pytest
from box_office import APP, measure_nothing, open_app_pool, register, sell, verified
from many_streams import book_in_any_order
from racing import race
from samples import book, new_event_id, schedule, submit
from uuid_utils.compat import uuid7

from ledger import store
from ledger.batch import Done, Failed, decide_batch
from ledger.combiner import Limits
from ledger.database import StreamLocked
from ledger.heads import Heads
from ledger.values import EventId
from ledger.writer import Writer, open_writer

LIMITS = Limits(common_lock_wait_ms=50, aside_lock_wait_ms=5_000, stall_seconds_max=10)


@asynccontextmanager
async def opened(url: str, limits: Limits = LIMITS) -> AsyncIterator[Writer]:
    """The application's way in."""
    async with open_writer(
        url,
        role=APP,
        limits=limits,
        heads=Heads(0),
        measure=measure_nothing,
        publish=lambda _heads, _at: None,
    ) as writer:
        yield writer


def events(database: str, count: int) -> list[EventId]:
    register(database)
    event_ids = [new_event_id() for _ in range(count)]
    sell(database, *[submit(schedule(event_id)) for event_id in event_ids])
    return event_ids


@contextmanager
def held(database: str, event_ids: Sequence[EventId]) -> Iterator[None]:
    """Somebody else has the rows of these streams locked."""
    with psycopg.connect(database) as connection:
        connection.execute(
            "SELECT FROM streams WHERE stream_id = ANY(%s) ORDER BY stream_id FOR UPDATE",
            (list(event_ids),),
        )
        yield
        connection.rollback()


def test_a_stuck_stream_holds_up_only_itself_and_is_served_once_it_is_free(database: str) -> None:
    stuck, *others = events(database, 51)

    async def run() -> None:
        async with opened(database) as writer:
            with held(database, [stuck]):
                waiting = [
                    asyncio.ensure_future(writer.submit(submit(book(event_id=stuck))))
                    for _ in range(3)
                ]
                for _ in range(2):  # together with the stuck one, and while it waits aside
                    answers = await asyncio.gather(
                        *[writer.submit(submit(book(event_id=event_id))) for event_id in others]
                    )
                    assert all(isinstance(answer, Done) for answer in answers), answers
                assert not any(task.done() for task in waiting)
            answers = await asyncio.gather(*waiting)
            assert all(isinstance(answer, Done) for answer in answers), answers

    asyncio.run(run())
    report = verified(database)
    assert report.violations == []
    assert report.tickets == 3 + 2 * 50


def test_more_stuck_streams_than_can_wait_aside_still_hold_up_no_other(database: str) -> None:
    *stuck, free = events(database, 8)

    async def run() -> None:
        limits = replace(LIMITS, streams_aside_max=2)
        async with opened(database, limits) as writer:
            with held(database, stuck):
                waiting = [
                    asyncio.ensure_future(writer.submit(submit(book(event_id=event_id))))
                    for event_id in stuck
                ]
                answer = await writer.submit(submit(book(event_id=free)))
                assert isinstance(answer, Done)
                assert not any(task.done() for task in waiting)
            assert all(isinstance(answer, Done) for answer in await asyncio.gather(*waiting))

    asyncio.run(run())


def test_a_stream_that_stays_stuck_is_answered_so_in_time(database: str) -> None:
    stuck, free = events(database, 2)

    async def run() -> None:
        limits = replace(LIMITS, aside_lock_wait_ms=300, stall_seconds_max=0.6)
        async with opened(database, limits) as writer:
            with held(database, [stuck]):
                started = monotonic()
                answer = await writer.submit(submit(book(event_id=stuck)))
                assert isinstance(answer, Failed)
                assert isinstance(answer.error, StreamLocked)
                assert monotonic() - started < 2
                assert isinstance(await writer.submit(submit(book(event_id=free))), Done)
            assert isinstance(await writer.submit(submit(book(event_id=stuck))), Done)

    asyncio.run(run())
    report = verified(database)
    assert report.violations == []
    assert report.tickets == 2


def test_with_one_stream_a_batch_the_same_is_sold(database: str) -> None:
    """A distributed database lets one transaction lock rows of one stream only."""
    event_ids = events(database, 5)

    async def run() -> None:
        async with opened(database, replace(LIMITS, one_stream_per_batch=True)) as writer:
            answers = await asyncio.gather(
                *[writer.submit(submit(book(event_id=event_id))) for event_id in event_ids * 4]
            )
            assert all(isinstance(answer, Done) for answer in answers)

    asyncio.run(run())
    report = verified(database)
    assert report.violations == []
    assert report.tickets == 20


def deadlocks(database: str) -> int:
    with psycopg.connect(database) as connection:
        connection.execute("SELECT pg_stat_force_next_flush()")
        row = connection.execute(
            "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        ).fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize("rounds", [5, pytest.param(100, marks=pytest.mark.slow)])
def test_two_processes_that_lock_many_streams_in_any_order_never_deadlock(
    database: str, rounds: int
) -> None:
    event_ids = events(database, 100)
    answers = race(book_in_any_order, [(database, event_ids, rounds, seed) for seed in (1, 2)])
    assert answers == [rounds * 3 * 50] * 2
    assert deadlocks(database) == 0
    assert verified(database).violations == []


def test_a_process_that_stalls_with_the_lock_loses_it_and_others_go_on(database: str) -> None:
    """Its session is ended by the server: what it had not committed never was."""
    (event_id,) = events(database, 1)

    async def run() -> None:
        async with (
            open_app_pool(database, size=1) as pool,
            opened(database, replace(LIMITS, stall_seconds_max=20)) as writer,
            pool.connection() as stalled,
        ):
            loaded, _ = await store.lock_and_load(
                stalled,
                [submit(book(event_id=event_id))],
                lock_wait_ms=1_000,
                statement_ms_max=500,
                skip_locked=False,
            )
            decided = decide_batch(loaded, [submit(book(event_id=event_id))], uuid7)
            answer = await writer.submit(submit(book(2, event_id=event_id)))
            assert isinstance(answer, Done)
            with pytest.raises(psycopg.errors.IdleInTransactionSessionTimeout):
                await store.append_and_commit(stalled, decided)

    asyncio.run(run())
    report = verified(database)
    assert report.violations == []
    assert report.tickets == 2
