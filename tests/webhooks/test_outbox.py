"""The outbox by itself: one at a time works at a webhook, and what is given up is disabled."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import pytest
from box_office import open_app_pool, register, sell
from receiver import Receiver
from samples import book, schedule, submit
from uuid_utils.compat import uuid7

from api.webhooks.deliverer import Deliverer, Rules, wait_after
from api.webhooks.targets import Targets
from ledger.values import SYSTEM
from projections.outbox import Attempt, Outbox, Turn
from projections.sequencer import Sequencer

RULES = Rules(source="https://shop.example/tlog", seconds_max=1, give_up_seconds=0)


@asynccontextmanager
async def opened(database: str) -> AsyncIterator[Outbox]:
    """An outbox on a ledger of one event and one booking, both numbered."""
    async with open_app_pool(database) as pool:
        sequencer = Sequencer(pool)
        await sequencer.compare_a_page()
        assert await sequencer.number() == 2
        yield Outbox(pool)


@pytest.fixture
def sold(database: str) -> str:
    register(database)
    sell(database, submit(schedule()), submit(book()))
    return database


async def registered(outbox: Outbox, url: str) -> UUID:
    webhook_id = uuid7()
    assert await outbox.register(webhook_id, url, [], None, SYSTEM, 0)
    return webhook_id


async def take_turn(outbox: Outbox, seconds: float) -> Turn:
    (turn,) = await outbox.take_turns(seconds)
    return turn


def test_a_turn_that_was_lost_writes_nothing(sold: str) -> None:
    async def run() -> None:
        async with opened(sold) as outbox:
            webhook_id = await registered(outbox, "https://example.org/")
            late = await take_turn(outbox, 0.0)
            assert await outbox.put(late, 0.0) == 2
            turn = await take_turn(outbox, 60.0)
            assert turn.number > late.number
            assert await outbox.take_turns(60.0) == []
            taken = [Attempt(0, 200, None, 0)]
            assert not await outbox.record(late, taken)
            assert await outbox.put(late, 60.0) is None
            await outbox.disable(late, "too late")
            assert [each.seq for each in await outbox.due(turn)] == [0, 1]
            assert await outbox.record(turn, taken)
            assert [each.seq for each in await outbox.due(turn)] == [1]
            webhook = await outbox.webhook(webhook_id)
            assert webhook is not None
            assert (webhook.disabled_at, webhook.pending, webhook.next_seq) == (None, 1, 2)

    asyncio.run(run())


def test_what_waits_holds_back_what_follows_it_in_its_event(sold: str) -> None:
    async def run() -> None:
        async with opened(sold) as outbox:
            await registered(outbox, "https://example.org/")
            turn = await take_turn(outbox, 60.0)
            await outbox.put(turn, 60.0)
            assert await outbox.record(turn, [Attempt(0, 500, "Answered 500.", 60_000_000)])
            assert await outbox.due(turn) == []

    asyncio.run(run())


def test_a_replay_takes_the_turn_away_and_puts_everything_back(sold: str) -> None:
    async def run() -> None:
        async with opened(sold) as outbox:
            webhook_id = await registered(outbox, "https://example.org/")
            turn = await take_turn(outbox, 60.0)
            await outbox.put(turn, 60.0)
            taken = [Attempt(seq, 200, None, 0) for seq in (0, 1)]
            assert await outbox.record(turn, taken)
            assert await outbox.replay_from(webhook_id, 1)
            assert not await outbox.record(turn, taken)
            again = await take_turn(outbox, 60.0)
            assert await outbox.put(again, 60.0) == 1
            assert [each.seq for each in await outbox.due(again)] == [1]

    asyncio.run(run())


def test_what_fails_for_too_long_disables_the_webhook(sold: str, receiver: Receiver) -> None:
    receiver.answer = lambda _: 500

    async def run() -> str | None:
        async with opened(sold) as outbox:
            webhook_id = await registered(outbox, receiver.url)
            async with Deliverer(outbox, Targets(may_be_private=True), RULES):
                while True:
                    webhook = await outbox.webhook(webhook_id)
                    assert webhook is not None
                    if webhook.disabled_at is not None:
                        return webhook.disabled_because
                    await asyncio.sleep(0.05)

    async def in_time() -> str | None:
        async with asyncio.timeout(30):
            return await run()

    assert asyncio.run(in_time()) == "Entry 0 failed for too long: Answered 500."
    assert len(receiver.received) == 2, "tried, and tried again before it is given up"


def test_waits_double_up_to_an_hour_and_differ() -> None:
    for attempts, bound in ((1, 1), (2, 2), (5, 16), (12, 2048), (13, 3600), (500, 3600)):
        waits = [wait_after(attempts, 0) for _ in range(50)]
        assert all(bound / 2 <= wait <= bound for wait in waits)
        assert len(set(waits)) > 1
    assert wait_after(1, 90) >= 90
