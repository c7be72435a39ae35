"""One reader tells all who listen; nobody's slowness costs anybody else anything."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from uuid import uuid4

import pytest

from api import live as live_module
from api.live import Ended, Full, Live
from ledger.batch import Head
from ledger.values import EventId, Instant

EVENT = EventId(uuid4())
OTHER = EventId(uuid4())
LISTENERS = 2_000


class Upstream:
    """What `Availability` answers, and how often it was asked."""

    def __init__(self) -> None:
        self.version = 1
        self.reads = 0
        self.was_read = asyncio.Condition()

    async def until_read_again(self) -> None:
        async with asyncio.timeout(5), self.was_read:
            seen = self.reads
            await self.was_read.wait_for(lambda: self.reads >= seen + 2)

    def head(self) -> Head:
        return Head(self.version, 10_000, self.version - 1, 0, Instant(self.version))

    async def get(self, event_id: EventId) -> Head | None:
        async with self.was_read:
            self.reads += 1
            self.was_read.notify_all()
        return self.head() if event_id in {EVENT, OTHER} else None

    def live(self, *, listeners_max: int = 10_000, blocked_seconds_max: float = 5) -> Live:
        return Live(self.get, listeners_max=listeners_max, blocked_seconds_max=blocked_seconds_max)


class Reader:
    """Takes frames as a client does, or not at all while it is stopped."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.reads = asyncio.Event()
        self.reads.set()
        self._came = asyncio.Condition()

    async def write(self, frame: bytes) -> None:
        await self.reads.wait()
        async with self._came:
            self.frames.append(frame)
            self._came.notify_all()

    @property
    def versions(self) -> list[int]:
        return [int(f.split()[1]) for f in self.frames if f.startswith(b"id: ")]

    async def until_version(self, version: int) -> None:
        async with asyncio.timeout(5), self._came:
            await self._came.wait_for(lambda: version in self.versions)

    async def until_heartbeats(self, count: int) -> None:
        async with asyncio.timeout(5), self._came:
            await self._came.wait_for(lambda: self.frames.count(b":\n\n") >= count)


@pytest.fixture
def upstream() -> Upstream:
    return Upstream()


@pytest.fixture
def quick_heartbeats(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patched:
        patched.setattr(live_module, "_HEARTBEAT_SECONDS", 0.01)
        yield


async def follow(
    stack: AsyncExitStack, live: Live, *, event_id: EventId = EVENT, after_version: int = 0
) -> tuple[Reader, "asyncio.Task[None]"]:
    listener = await stack.enter_async_context(live.listening(event_id, after_version))
    assert listener is not None
    reader = Reader()
    return reader, asyncio.create_task(listener.deliver(reader.write))


def test_two_thousand_listeners_cost_one_reading(upstream: Upstream) -> None:
    async def scenario() -> tuple[int, int]:
        live = upstream.live()
        async with AsyncExitStack() as stack:
            followed = [await follow(stack, live) for _ in range(LISTENERS)]
            joined_with = upstream.reads
            reads_before = upstream.reads
            upstream.version = 2
            await asyncio.gather(*(reader.until_version(2) for reader, _ in followed))
            cost = upstream.reads - reads_before
            await live.close()
            await asyncio.gather(*(task for _, task in followed))
        return joined_with, cost

    joined_with, cost = asyncio.run(scenario())
    # Joining 2,000 one after the other takes a few readings' time; none of them reads itself.
    assert joined_with < 20
    assert cost <= 2


def test_nothing_is_read_while_nobody_listens(upstream: Upstream) -> None:
    async def scenario() -> None:
        live = upstream.live()
        async with AsyncExitStack() as stack:
            reader, task = await follow(stack, live)
            await reader.until_version(1)
        task.cancel()
        await live.close()  # returns once the reading has ended
        assert live.listener_count == 0

    asyncio.run(scenario())


def test_what_is_committed_here_is_told_without_reading(upstream: Upstream) -> None:
    async def scenario() -> None:
        live = upstream.live()
        async with AsyncExitStack() as stack:
            reader, task = await follow(stack, live)
            await reader.until_version(1)
            live.tell({EVENT: Head(7, 10, 3, 0, Instant(7))})
            await reader.until_version(7)
            await live.close()
            await task

    asyncio.run(scenario())


def test_an_event_that_is_hot_here_keeps_no_other_from_being_read(upstream: Upstream) -> None:
    async def scenario() -> None:
        live = upstream.live()

        async def sell() -> None:
            version = 100
            while True:
                version += 1
                live.tell({EVENT: Head(version, 10_000, 0, 0, Instant(version))})
                await asyncio.sleep(0)

        async with AsyncExitStack() as stack:
            _, hot_task = await follow(stack, live)
            other, other_task = await follow(stack, live, event_id=OTHER)
            await other.until_version(1)
            selling = asyncio.create_task(sell())
            upstream.version = 2
            await other.until_version(2)
            selling.cancel()
            await live.close()
            await asyncio.gather(hot_task, other_task)

    asyncio.run(scenario())


def test_an_older_reading_is_not_told(upstream: Upstream) -> None:
    async def scenario() -> list[int]:
        live = upstream.live()
        async with AsyncExitStack() as stack:
            reader, task = await follow(stack, live)
            live.tell({EVENT: Head(7, 10, 3, 0, Instant(7))})
            await reader.until_version(7)
            upstream.version = 6
            await upstream.until_read_again()
            upstream.version = 8
            await reader.until_version(8)
            await live.close()
            await task
            return reader.versions

    versions = asyncio.run(scenario())
    assert versions == sorted(set(versions))
    assert versions[-2:] == [7, 8]


def test_who_stops_reading_misses_all_but_the_newest(upstream: Upstream) -> None:
    async def scenario() -> list[int]:
        live = upstream.live()
        async with AsyncExitStack() as stack:
            stopped, stopped_task = await follow(stack, live)
            other, other_task = await follow(stack, live)
            await stopped.until_version(1)
            stopped.reads.clear()
            for version in range(2, 10):
                live.tell({EVENT: Head(version, 10, 0, 0, Instant(version))})
                await other.until_version(version)
            stopped.reads.set()
            await stopped.until_version(9)
            await live.close()
            await asyncio.gather(stopped_task, other_task)
            return stopped.versions

    # Version 2 was being written when the reader stopped.
    assert asyncio.run(scenario()) == [1, 2, 9]


def test_who_never_reads_is_given_up(upstream: Upstream) -> None:
    async def scenario() -> None:
        live = upstream.live(blocked_seconds_max=0.05)
        async with AsyncExitStack() as stack:
            listener = await stack.enter_async_context(live.listening(EVENT, 0))
            assert listener is not None
            reader = Reader()
            reader.reads.clear()
            with pytest.raises(TimeoutError):
                await listener.deliver(reader.write)
        await live.close()

    asyncio.run(scenario())


def test_who_is_blocked_when_feeds_end_is_not_waited_for(upstream: Upstream) -> None:
    async def scenario() -> None:
        live = upstream.live(blocked_seconds_max=3_600)
        async with AsyncExitStack() as stack:
            reader, task = await follow(stack, live)
            await reader.until_version(1)
            reader.reads.clear()
            live.tell({EVENT: Head(2, 10, 0, 0, Instant(2))})
            await asyncio.sleep(0.2)
            live.end()
            async with asyncio.timeout(3):
                with pytest.raises(TimeoutError):
                    await task
        await live.close()

    asyncio.run(scenario())


@pytest.mark.usefixtures("quick_heartbeats")
def test_a_quiet_feed_beats_and_repeats_nothing(upstream: Upstream) -> None:
    async def scenario() -> list[int]:
        live = upstream.live()
        async with AsyncExitStack() as stack:
            reader, task = await follow(stack, live)
            await reader.until_heartbeats(3)
            await live.close()
            await task
            return reader.versions

    assert asyncio.run(scenario()) == [1]


def test_who_knows_the_newest_is_told_only_what_comes(upstream: Upstream) -> None:
    async def scenario() -> list[int]:
        upstream.version = 5
        live = upstream.live()
        async with AsyncExitStack() as stack:
            knows, knows_task = await follow(stack, live, after_version=5)
            behind, behind_task = await follow(stack, live, after_version=3)
            await behind.until_version(5)
            upstream.version = 6
            await knows.until_version(6)
            await live.close()
            await asyncio.gather(knows_task, behind_task)
            return knows.versions

    assert asyncio.run(scenario()) == [6]


def test_one_listener_too_many_is_refused_until_another_leaves(upstream: Upstream) -> None:
    async def scenario() -> None:
        live = upstream.live(listeners_max=2)
        async with live.listening(EVENT, 0):
            async with live.listening(EVENT, 0):
                with pytest.raises(Full):
                    await live.listening(EVENT, 0).__aenter__()
            async with live.listening(EVENT, 0) as listener:
                assert listener is not None
        await live.close()

    asyncio.run(scenario())


def test_an_unknown_event_has_no_feed(upstream: Upstream) -> None:
    async def scenario() -> None:
        live = upstream.live()
        async with live.listening(EventId(uuid4()), 0) as listener:
            assert listener is None
        assert live.listener_count == 0
        await live.close()

    asyncio.run(scenario())


def test_nobody_is_taken_after_the_end(upstream: Upstream) -> None:
    async def scenario() -> None:
        live = upstream.live()
        await live.close()
        with pytest.raises(Ended):
            await live.listening(EVENT, 0).__aenter__()

    asyncio.run(scenario())
