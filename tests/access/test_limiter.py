"""Rates: never exceeded by all processes together, and little missed, with Redis and without."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis
from stopwatch import Stopwatch

import projections.cache
from api.leases import Leases
from api.limiter import Limiter
from api.rates import Rate, RateLimited
from projections.cache import Cache

HOUR = 3_600
NOBODY_THERE = "redis://127.0.0.1:1/0"


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is busy makes Redis late, and late is as good as away."""
    monkeypatch.setattr(projections.cache, "_TIMEOUT_SECONDS", 10.0)


@dataclass
class Process:
    """One of several processes that share a rate; what it let through."""

    limiter: Limiter
    admitted: int = 0
    refused: list[RateLimited] = field(default_factory=list)

    async def send(self, subject: UUID, rate: Rate) -> bool:
        try:
            await self.limiter.acquire(subject, rate)
        except RateLimited as refusal:
            self.refused.append(refusal)
            return False
        self.admitted += 1
        return True


def among(
    count: int,
    url: str | None,
    use: Callable[[list[Process], Stopwatch], Awaitable[None]],
    *,
    subjects_max: int = 100,
) -> list[Process]:
    """``count`` processes as far as Redis can tell, after ``use``."""

    async def run() -> list[Process]:
        clock = Stopwatch()
        caches = [None if url is None else Cache(url, fresh_ms=100) for _ in range(count)]
        processes = [
            Process(
                Limiter(
                    "test",
                    Leases(cache),
                    processes=count,
                    clock=clock,
                    subjects_max=subjects_max,
                )
            )
            for cache in caches
        ]
        await use(processes, clock)
        for process in processes:
            await asyncio.gather(*process.limiter._asking.values())  # what is asked for in advance
        for cache in caches:
            if cache is not None:
                await cache.close()
        return processes

    return asyncio.run(run())


@pytest.mark.parametrize("requests", [1, 2, 7, 16, 100, 1_000])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_all_processes_together_let_through_the_rate_and_no_more(
    redis_url: str, requests: int, count: int
) -> None:
    async def use(processes: list[Process], _clock: Stopwatch) -> None:
        subject = uuid4()
        for _ in range(requests * 2):
            for process in processes:
                await process.send(subject, Rate(requests, HOUR))

    processes = among(count, redis_url, use)
    # Asked in turn, all use up what they leased.
    assert sum(process.admitted for process in processes) == requests


@pytest.mark.parametrize("requests", [2, 16, 100, 1_000])
def test_what_idle_processes_hold_back_is_a_tenth_of_the_rate_each_at_most(
    redis_url: str, requests: int
) -> None:
    async def use(processes: list[Process], _clock: Stopwatch) -> None:
        subject = uuid4()
        for idle in processes[1:]:
            await idle.send(subject, Rate(requests, HOUR))
        for _ in range(requests * 2):
            await processes[0].send(subject, Rate(requests, HOUR))

    processes = among(3, redis_url, use)
    admitted = sum(process.admitted for process in processes)
    assert requests - 2 * max(1, requests // 10) <= admitted <= requests


def test_requests_at_once_are_counted_like_those_in_turn(redis_url: str) -> None:
    async def use(processes: list[Process], _clock: Stopwatch) -> None:
        subject = uuid4()
        sent = [process.send(subject, Rate(50, HOUR)) for process in processes for _ in range(100)]
        await asyncio.gather(*sent)

    processes = among(2, redis_url, use)
    assert 45 <= sum(process.admitted for process in processes) <= 50


def test_subjects_have_their_own_counts(redis_url: str) -> None:
    async def use(processes: list[Process], _clock: Stopwatch) -> None:
        for subject in [uuid4() for _ in range(300)] * 3:
            await processes[0].send(subject, Rate(2, HOUR))

    (process,) = among(1, redis_url, use, subjects_max=1_000)
    assert (process.admitted, len(process.refused)) == (600, 300)


def test_many_new_subjects_at_once_are_few_questions(redis_url: str) -> None:
    async def use(processes: list[Process], _clock: Stopwatch) -> None:
        await asyncio.gather(*(processes[0].send(uuid4(), Rate(1, HOUR)) for _ in range(1_000)))

    def questions() -> int:
        stats: dict[str, dict[str, int]] = redis.info("commandstats")
        return sum(
            stats.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("evalsha", "eval")
        )

    with Redis.from_url(redis_url) as redis:
        before = questions()
        (process,) = among(1, redis_url, use, subjects_max=2_000)
        assert process.admitted == 1_000
        assert questions() - before <= 16


def test_what_is_leased_is_taken_without_waiting(redis_url: str) -> None:
    async def use(processes: list[Process], _clock: Stopwatch) -> None:
        subject = uuid4()
        assert await processes[0].send(subject, Rate(1_600, HOUR))
        for _ in range(99):
            assert processes[0].limiter.take(subject)
        assert not processes[0].limiter.take(subject)

    among(1, redis_url, use)


def test_a_refusal_says_when_the_window_ends_and_then_there_is_a_new_one(redis_url: str) -> None:
    async def use(processes: list[Process], clock: Stopwatch) -> None:
        subject, rate = uuid4(), Rate(3, HOUR)
        assert [await processes[0].send(subject, rate) for _ in range(4)] == [True] * 3 + [False]
        assert processes[0].refused[0].retry_after_seconds == HOUR
        clock.pass_seconds(HOUR - 10)
        assert not await processes[0].send(subject, rate)
        assert processes[0].refused[-1].retry_after_seconds == 10
        with Redis.from_url(redis_url) as redis:
            redis.flushdb()  # as expiry does when Redis's own hour is over
        clock.pass_seconds(10)
        assert [await processes[0].send(subject, rate) for _ in range(4)] == [True] * 3 + [False]

    among(1, redis_url, use)


def test_a_count_in_redis_ends_with_its_window(redis_url: str) -> None:
    async def use(processes: list[Process], _clock: Stopwatch) -> None:
        assert await processes[0].send(uuid4(), Rate(3, HOUR))

    among(1, redis_url, use)
    with Redis.from_url(redis_url) as redis:
        (key,) = redis.scan_iter()
        assert key.startswith(b"{flashticket}:rate:test:")
        assert 0 < redis.pttl(key) <= HOUR * 1000


@pytest.mark.parametrize("url", [None, NOBODY_THERE])
@pytest.mark.parametrize(("requests", "count"), [(1, 2), (10, 1), (10, 2), (10, 3), (100, 7)])
def test_without_redis_each_process_has_its_even_share(
    url: str | None, requests: int, count: int
) -> None:
    async def use(processes: list[Process], clock: Stopwatch) -> None:
        subject = uuid4()
        for windows in (1, 2):
            for _ in range(requests * 2):
                for process in processes:
                    await process.send(subject, Rate(requests, 60))
            admitted = sum(process.admitted for process in processes)
            assert requests * windows <= admitted <= (requests + count - 1) * windows
            clock.pass_seconds(60)

    among(count, url, use)


def test_in_the_window_in_which_redis_is_lost_at_most_twice_the_rate_is_let_through(
    redis_url: str,
) -> None:
    async def use(processes: list[Process], _clock: Stopwatch) -> None:
        subject, rate = uuid4(), Rate(100, HOUR)
        while await processes[0].send(subject, rate):
            pass
        assert processes[0].admitted == 100
        processes[1].limiter._leases = Leases(None)  # this one has lost it
        while await processes[1].send(subject, rate):
            pass
        assert not await processes[0].send(subject, rate)
        assert processes[1].admitted == 50

    processes = among(2, redis_url, use)
    assert sum(process.admitted for process in processes) == 150


def test_a_process_that_loses_redis_counts_what_it_gave_already(redis_url: str) -> None:
    async def use(processes: list[Process], _clock: Stopwatch) -> None:
        subject, rate = uuid4(), Rate(160, HOUR)
        for _ in range(45):
            assert await processes[0].send(subject, rate)
        processes[0].limiter._leases = Leases(None)
        while await processes[0].send(subject, rate):
            pass

    processes = among(2, redis_url, use)
    assert processes[0].admitted == 80, "its half, and not half of it more"


def test_what_redis_forgets_is_given_once_more_and_no_more(redis_url: str) -> None:
    async def use(processes: list[Process], _clock: Stopwatch) -> None:
        subject, rate = uuid4(), Rate(100, HOUR)
        for _ in range(90):
            assert await processes[0].send(subject, rate)
        with Redis.from_url(redis_url) as redis:
            redis.flushdb()
        for _ in range(500):
            await processes[0].send(subject, rate)
            await processes[1].send(subject, rate)

    processes = among(2, redis_url, use)
    assert 100 < sum(process.admitted for process in processes) <= 200


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from([1, 5, 40]),
    st.lists(st.sampled_from(["0", "1", "2", "lose", "find", "flush"]), max_size=60),
)
def test_whatever_becomes_of_redis_each_time_gives_the_rate_once_and_its_absence_once_in_all(
    redis_url: str, requests: int, story: list[str]
) -> None:
    async def use(processes: list[Process], _clock: Stopwatch) -> None:
        subject, rate = uuid4(), Rate(requests, HOUR)
        there = [process.limiter._leases for process in processes]
        for step in story:
            match step:
                case "lose":
                    for process in processes:
                        process.limiter._leases = Leases(None)
                case "find":
                    for process, leases in zip(processes, there, strict=True):
                        process.limiter._leases = leases
                case "flush":
                    with Redis.from_url(redis_url) as redis:
                        redis.flushdb()
                case number:
                    for _ in range(requests // 3 + 1):
                        await processes[int(number)].send(subject, rate)

    processes = among(3, redis_url, use)
    of_redis = requests * (1 + story.count("flush"))
    alone = requests + 2 if "lose" in story else 0
    assert sum(process.admitted for process in processes) <= of_redis + alone


def test_windows_that_ended_and_the_oldest_of_too_many_are_forgotten(redis_url: str) -> None:
    async def use(processes: list[Process], clock: Stopwatch) -> None:
        limiter = processes[0].limiter
        first = uuid4()
        for subject in [first, *(uuid4() for _ in range(500))]:
            await processes[0].send(subject, Rate(1, 60))
            assert len(limiter._windows) <= 100
        assert not await processes[0].send(first, Rate(1, 60)), "Redis has not forgotten it"
        clock.pass_seconds(60)
        for _ in range(60):
            await processes[0].send(uuid4(), Rate(1, 60))
        assert len(limiter._windows) == 60

    among(1, redis_url, use)


@given(st.integers(1, 9_999_999), st.sampled_from([1, 2, 10, 59, 60, 90, 3_600, 7_200, 86_400]))
def test_a_rate_is_read_as_it_is_written(requests: int, seconds: int) -> None:
    assert Rate.parse(str(Rate(requests, seconds))) == Rate(requests, seconds)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        "5/",
        "/s",
        "0/s",
        "5/0s",
        "5/d",
        "-5/s",
        "5 / s",
        "5/s ",
        "1e3/s",
        "5/25h",
        "\N{ARABIC-INDIC DIGIT FIVE}/s",
    ],
)
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must"):
        Rate.parse(text)


def test_rates_are_written_as_people_say_them() -> None:
    for text in ("100/s", "600/m", "1000/h", "5000/10s", "7/24h"):
        assert str(Rate.parse(text)) == text
