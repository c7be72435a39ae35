"""The sweeper: what is due is done, and what can't be done holds up nothing else."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from box_office import APP, measure_nothing, open_app_pool, register, sell
from clock import Clock
from samples import ALICE, NOW
from wishes import EXPIRY, book, call_off, event_id, hold, schedule, submission

from ledger.combiner import Limits
from ledger.heads import Heads
from ledger.sweeper import sweep
from ledger.writer import open_writer


@asynccontextmanager
async def sweeping(database: str) -> AsyncIterator[Any]:
    """A function that sweeps once and says how many streams could be tidied."""
    async with (
        open_writer(
            database,
            role=APP,
            limits=Limits(),
            heads=Heads(0),
            measure=measure_nothing,
            publish=lambda *_: None,
        ) as writer,
        open_app_pool(database, size=1) as pool,
    ):

        async def sweep_once() -> int:
            return await sweep(writer, pool)

        yield sweep_once


def held(database: str) -> dict[object, int]:
    with psycopg.connect(database) as connection:
        return dict(connection.execute("SELECT stream_id, held FROM streams").fetchall())


def test_it_finds_what_is_due_on_any_event_and_then_nothing_more(database: str) -> None:
    register(database)
    due, later, over, calm = (event_id(n) for n in range(1, 5))
    with Clock(database, NOW) as clock:
        sell(
            database,
            *[submission(schedule(each)) for each in (due, over, calm)],
            submission(schedule(later, hold_seconds=61)),
            *[submission(hold(hold=n, event=each)) for n, each in enumerate((due, later))],
            submission(book(event=over)),
            submission(call_off(over)),
        )

        async def run() -> None:
            async with sweeping(database) as sweep_once:
                assert await sweep_once() == 1  # the cancelled event
                clock.set(EXPIRY - 1)
                assert await sweep_once() == 0
                clock.set(EXPIRY)
                assert await sweep_once() == 1
                assert await sweep_once() == 0

        asyncio.run(run())
        assert held(database) == {due: 0, later: 1, over: 0, calm: 0}


def test_a_stream_that_cannot_be_tidied_holds_up_no_other_and_is_no_reason_to_hurry(
    database: str,
) -> None:
    register(database, [ALICE])
    broken, sound = event_id(1), event_id(2)
    with Clock(database, NOW) as clock:
        sell(database, submission(schedule(broken)), submission(schedule(sound)))
        sell(database, *[submission(hold(hold=n, event=event_id(n))) for n in (1, 2)])
        with psycopg.connect(database) as connection:
            connection.execute("UPDATE streams SET held = 0 WHERE stream_id = %s", (broken,))
        clock.set(EXPIRY)

        async def run() -> None:
            async with sweeping(database) as sweep_once:
                assert await sweep_once() == 1
                assert await sweep_once() == 0

        asyncio.run(run())
        assert held(database) == {broken: 0, sound: 0}
