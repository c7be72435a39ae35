"""Two processes, one Redis: whoever answers, the version of an availability never goes back (L6).

The processes are two `Availability` objects. What the ledger says and when it says so is given by
the test, so that each order of steps is met on purpose instead of by luck.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic
from uuid import uuid4

import pytest
from redis import Redis

from api.embedded import EmbeddedValkey
from ledger.batch import Head
from ledger.values import EventId, Instant
from projections.availability import Availability
from projections.cache import Cache

EVENT = EventId(uuid4())
FRESH_MS = 200
NOBODY_THERE = "redis://127.0.0.1:1/0"


class Ledger:
    """What every process reads of the one event there is."""

    def __init__(self) -> None:
        self.version = 1
        self.reads = 0

    def head(self) -> Head:
        return Head(self.version, 10, self.version - 1, 0, Instant(self.version))

    async def read(self, _: Sequence[EventId]) -> dict[EventId, Head]:
        self.reads += 1
        return {EVENT: self.head()}


ReadHeads = Callable[[Sequence[EventId]], Awaitable[dict[EventId, Head]]]


@asynccontextmanager
async def process(redis_url: str, read_heads: ReadHeads) -> AsyncIterator[Availability]:
    """The availability of one process, which has committed nothing itself."""
    cache = Cache(redis_url, fresh_ms=FRESH_MS)
    availability = Availability(cache, read_heads, lambda _: None)
    try:
        yield availability
    finally:
        await availability.close()
        await cache.close()


async def version(availability: Availability) -> int:
    head = await availability.get(EVENT)
    assert head is not None
    return head.version


def test_what_is_cached_is_not_read_again_until_it_is_old(redis_url: str) -> None:
    async def scenario() -> None:
        ledger = Ledger()
        async with (
            process(redis_url, ledger.read) as here,
            process(redis_url, ledger.read) as there,
        ):
            for _ in range(10):
                assert await version(here) == await version(there) == 1
            assert ledger.reads == 1
            ledger.version = 2
            await asyncio.sleep(FRESH_MS / 1000)
            assert await version(there) == 2

    asyncio.run(scenario())


def test_a_process_without_redis_does_not_run_ahead_of_what_redis_still_serves(
    redis_url: str,
) -> None:
    async def scenario() -> None:
        ledger = Ledger()
        async with (
            process(redis_url, ledger.read) as with_redis,
            process(NOBODY_THERE, ledger.read) as without,
        ):
            assert await version(with_redis) == 1
            ledger.version = 2
            assert await version(without) == 2
            assert await version(with_redis) == 2

    asyncio.run(scenario())


def test_an_answer_that_took_long_is_not_followed_by_an_older_one(redis_url: str) -> None:
    async def scenario() -> None:
        ledger, may_answer = Ledger(), asyncio.Event()

        async def read_slowly(_: Sequence[EventId]) -> dict[EventId, Head]:
            await may_answer.wait()
            return {EVENT: ledger.head()}

        async with (
            process(redis_url, read_slowly) as slow,
            process(redis_url, ledger.read) as quick,
        ):
            answer = asyncio.create_task(version(slow))
            # The quick one leaves the reading to the slow one for a while, then reads by itself.
            assert await version(quick) == 1
            ledger.version = 2
            # By now what the slow one asked for is too old to be cached.
            may_answer.set()
            told = await answer
            assert await version(quick) >= told
            await asyncio.sleep(FRESH_MS / 1000)
            assert await version(quick) == await version(slow) == 2

    asyncio.run(scenario())


def test_what_redis_was_told_before_it_stalled_is_old_when_it_goes_on(tmp_path: Path) -> None:
    async def scenario(valkey: EmbeddedValkey) -> None:
        ledger = Ledger()
        async with (
            process(valkey.url(), ledger.read) as here,
            process(valkey.url(), ledger.read) as there,
        ):
            assert await version(here) == 1
            await asyncio.sleep(FRESH_MS / 1000)
            valkey.pause()
            ledger.version = 2
            here.publish({EVENT: ledger.head()}, monotonic())
            await asyncio.sleep(FRESH_MS / 1000)
            ledger.version = 3
            assert await version(here) == 3
            valkey.resume()
            assert await version(there) == 3

    with EmbeddedValkey(tmp_path / "valkey") as valkey:
        asyncio.run(scenario(valkey))


def test_what_was_published_before_a_flush_is_not_taken_after_it(redis_url: str) -> None:
    async def scenario() -> None:
        ledger = Ledger()
        async with (
            process(redis_url, ledger.read) as here,
            process(redis_url, ledger.read) as there,
        ):
            assert await version(here) == 1
            ledger.version = 2
            published, true_at = ledger.head(), monotonic()
            ledger.version = 3
            with Redis.from_url(redis_url) as redis:
                redis.flushdb()
            assert await version(there) == 3
            with Redis.from_url(redis_url) as redis:
                redis.delete(*redis.scan_iter("*head*"))
            here.publish({EVENT: published}, true_at)
            await here.close()
            assert await version(there) == 3

    asyncio.run(scenario())


def test_what_one_process_commits_the_other_serves_at_once_without_asking_the_ledger(
    redis_url: str,
) -> None:
    async def scenario() -> None:
        ledger = Ledger()
        async with (
            process(redis_url, ledger.read) as here,
            process(redis_url, ledger.read) as there,
        ):
            await version(there)
            reads = -1
            for _ in range(50):
                # What is published in the first moments of an epoch is refused, to be on the safe
                # side; and one begins whenever this process had to wait for its turn too long.
                await version(there)
                reads, ledger.version = ledger.reads, ledger.version + 1
                here.publish({EVENT: ledger.head()}, monotonic())
                await here.close()
                assert await version(there) == ledger.version
                if ledger.reads == reads:
                    break
            assert ledger.reads == reads

    asyncio.run(scenario())


@pytest.mark.parametrize("count", [1, 50])
def test_readers_that_come_together_share_one_read(redis_url: str, count: int) -> None:
    async def scenario() -> None:
        ledger = Ledger()
        async with process(redis_url, ledger.read) as here:
            versions = await asyncio.gather(*(version(here) for _ in range(count)))
            assert versions == [1] * count
            assert ledger.reads == 1

    asyncio.run(scenario())
