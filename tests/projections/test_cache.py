"""What is cached is at most 250 ms old, whoever asks whom, and whatever becomes of Redis."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

import psycopg
import pytest
from box_office import carry_out, open_app_pool, register
from redis import Redis
from samples import EVENT, book, schedule, submit
from served import Api, new_keys, request, served, volley

from api.embedded import EmbeddedPostgres
from api.settings import Settings
from ledger.batch import Done, Head
from ledger.database import Pool
from ledger.migrate import migrate
from ledger.values import EventId, Instant
from projections.availability import Availability
from projections.cache import Cache
from projections.queries import Queries

STALE_SECONDS_MAX: Final = 0.25
FRESH_MS: Final = Settings().availability_fresh_ms
READERS: Final = 500


class Counting(Queries):
    """Reads of a real database, counted."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool)
        self.asked = 0

    async def heads(self, event_ids: Sequence[EventId]) -> dict[EventId, Head]:
        self.asked += 1
        return await super().heads(event_ids)


@asynccontextmanager
async def process(redis_url: str, queries: Queries) -> AsyncIterator[Availability]:
    """The availability of a process that committed nothing itself."""
    cache = Cache(redis_url, fresh_ms=FRESH_MS)
    availability = Availability(cache, queries.heads, lambda _: None)
    try:
        yield availability
    finally:
        await availability.close()
        await cache.close()


@pytest.fixture
def on_sale(database: str) -> str:
    register(database)

    async def open_it() -> None:
        async with open_app_pool(database, size=1) as pool:
            await carry_out(pool, [submit(schedule(capacity=1_000))])

    asyncio.run(open_it())
    return database


async def buy(pool: Pool) -> int:
    """The version that a booking has come to."""
    (outcome,) = await carry_out(pool, [submit(book())])
    assert isinstance(outcome, Done)
    return outcome.parts[0].head.version


def head(version: int) -> Head:
    return Head(version, 10, version, 0, Instant(version))


def test_a_late_writer_does_not_replace_what_is_newer(redis_url: str) -> None:
    async def scenario() -> None:
        late, early = Cache(redis_url, fresh_ms=FRESH_MS), Cache(redis_url, fresh_ms=FRESH_MS)
        asked_at = (await late.get([EVENT])).asked_at
        assert await early.put({EVENT: head(2)}, (await early.get([EVENT])).asked_at)
        assert await late.put({EVENT: head(1)}, asked_at) == {EVENT: head(2)}
        with Redis.from_url(redis_url, decode_responses=True) as redis:
            (value,) = [redis.get(key) for key in redis.scan_iter("*head*")]
            assert str(value).startswith("2 10 2 0 2 ")
        await late.close()
        await early.close()

    asyncio.run(scenario())


def test_readers_of_an_expired_value_in_several_processes_cause_one_query(
    on_sale: str, redis_url: str
) -> None:
    async def scenario() -> None:
        async with open_app_pool(on_sale) as pool:
            counting = Counting(pool)
            async with (
                process(redis_url, counting) as here,
                process(redis_url, counting) as there,
            ):
                await here.get(EVENT)
                await asyncio.sleep(FRESH_MS / 1000)  # it has expired
                counting.asked = 0
                answers = [each.get(EVENT) for each in (here, there) for _ in range(READERS // 2)]
                found = await asyncio.gather(*answers)
                assert {each.version for each in found if each is not None} == {1}
                assert counting.asked == 1

    asyncio.run(scenario())


def test_readers_of_an_event_that_there_is_not_do_not_wait_for_each_other(
    on_sale: str, redis_url: str
) -> None:
    async def scenario() -> None:
        nowhere = EventId(UUID(int=7))
        async with (
            open_app_pool(on_sale) as pool,
            process(redis_url, Queries(pool)) as here,
            process(redis_url, Queries(pool)) as there,
        ):
            assert await here.get(nowhere) is None
            with Redis.from_url(redis_url) as redis:
                assert list(redis.scan_iter("*reading*")) == []
            assert await there.get(nowhere) is None

    asyncio.run(scenario())


def snapshot(redis_url: str) -> dict[bytes, bytes]:
    with Redis.from_url(redis_url) as redis:
        return {key: bytes(redis.get(key) or b"") for key in redis.scan_iter("*")}


def bring_back(redis_url: str, values: dict[bytes, bytes]) -> None:
    with Redis.from_url(redis_url) as redis:
        redis.flushdb()
        for key, value in values.items():
            redis.set(key, value)


def test_what_an_old_snapshot_brings_back_is_not_served(redis_url: str) -> None:
    """By a process that asked since, at once; by any other, once Redis must have been away."""

    async def scenario() -> None:
        asked, other = Cache(redis_url, fresh_ms=60_000), Cache(redis_url, fresh_ms=60_000)
        first = await asked.get([EVENT])
        await asked.put({EVENT: head(5)}, first.asked_at)
        await other.get([EVENT])
        old = snapshot(redis_url)
        await asked.put({EVENT: head(8)}, (await asked.get([EVENT])).asked_at)
        assert (await asked.get([EVENT])).heads == {EVENT: head(8)}

        bring_back(redis_url, old)
        assert (await asked.get([EVENT])).heads == {}

        bring_back(redis_url, old)
        await asyncio.sleep(0.1)
        assert (await other.get([EVENT])).heads == {}
        await asked.close()
        await other.close()

    asyncio.run(scenario())


def test_what_was_read_before_an_old_snapshot_came_back_is_not_taken_after_it(
    redis_url: str,
) -> None:
    async def scenario() -> None:
        late, other = Cache(redis_url, fresh_ms=60_000), Cache(redis_url, fresh_ms=60_000)
        await other.put({EVENT: head(5)}, (await other.get([EVENT])).asked_at)
        old = snapshot(redis_url)
        asked_at = (await late.get([EVENT])).asked_at
        # Meanwhile others have put, and served, version 8, which Redis forgets.
        bring_back(redis_url, old)
        assert await late.put({EVENT: head(7)}, asked_at) is None
        await late.close()
        await other.close()

    asyncio.run(scenario())


class SlowLine:
    """Passes on what is said to Redis, and its answers after a delay."""

    def __init__(self, redis_url: str) -> None:
        there = urlsplit(redis_url)
        self._server = (there.hostname or "", there.port or 6379)
        self._login = there.netloc.rpartition("@")[0]
        self._rest = there
        self.direct_url = redis_url
        self.delay_seconds = 0.0
        self.url = ""
        self._talks: set[asyncio.Task[None]] = set()

    async def serve(self, here: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        answers, there = await asyncio.open_connection(*self._server)
        talk = asyncio.current_task()
        assert talk is not None
        self._talks.add(talk)

        async def pass_on(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, late: bool
        ) -> None:
            while data := await reader.read(65_536):
                if late:
                    await asyncio.sleep(self.delay_seconds)
                writer.write(data)
            writer.close()

        try:
            with suppress(ConnectionError, asyncio.CancelledError):
                await asyncio.gather(
                    pass_on(here, there, late=False), pass_on(answers, back, late=True)
                )
        finally:
            for writer in (there, back):
                writer.close()
                with suppress(ConnectionError, asyncio.CancelledError):
                    await writer.wait_closed()

    @asynccontextmanager
    async def open(self) -> AsyncIterator["SlowLine"]:
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        self.url = self._rest._replace(netloc=f"{self._login}@127.0.0.1:{port}").geturl()
        try:
            yield self
        finally:
            server.close()
            for talk in self._talks:
                talk.cancel()
            if self._talks:
                await asyncio.wait(self._talks)


def test_what_got_old_on_its_way_does_not_count_as_fresh(redis_url: str) -> None:
    async def scenario() -> None:
        async with SlowLine(redis_url).open() as line:
            far, near = Cache(line.url, fresh_ms=1_000), Cache(redis_url, fresh_ms=1_000)
            await far.get([EVENT])
            put_at = monotonic()
            await near.put({EVENT: head(1)}, (await near.get([EVENT])).asked_at)
            assert (await far.get([EVENT])).heads == {EVENT: head(1)}
            while monotonic() - put_at < 0.93:
                await near.get([EVENT])  # or silence alone would make it old
                await asyncio.sleep(0.01)
            line.delay_seconds = 0.08
            # Fresh when Redis answered, and more than a second old when the answer was here.
            assert (await far.get([EVENT])).heads == {}
            await far.close()
            await near.close()

    asyncio.run(scenario())


def is_up(_: SlowLine) -> None:
    """Nothing happens to Redis."""


def is_slow(line: SlowLine) -> None:
    line.delay_seconds = 0.06 if line.delay_seconds == 0 else 0.0


def is_too_slow(line: SlowLine) -> None:
    line.delay_seconds = 0.3


def is_flushed(line: SlowLine) -> None:
    bring_back(line.direct_url, {})


BROUGHT_BACK: dict[bytes, bytes] = {}


def is_brought_back(line: SlowLine) -> None:
    BROUGHT_BACK.update(BROUGHT_BACK or snapshot(line.direct_url))
    bring_back(line.direct_url, BROUGHT_BACK)


@pytest.mark.parametrize("happens", [is_up, is_slow, is_too_slow, is_flushed, is_brought_back])
def test_what_was_booked_a_quarter_of_a_second_ago_is_in_what_any_process_answers(
    on_sale: str, redis_url: str, happens: Callable[[SlowLine], None]
) -> None:
    async def scenario() -> None:
        async with (
            SlowLine(redis_url).open() as line,
            open_app_pool(on_sale, size=8) as pool,
            process(line.url, Queries(pool)) as here,
            process(line.url, Queries(pool)) as there,
        ):
            highest, is_over = 0, False

            async def ask(availability: Availability) -> None:
                """No answer goes back, and all show what was booked long enough before."""
                nonlocal highest
                while not is_over:
                    floor, due = (
                        highest,
                        max(
                            (v for v, at in booked if at < monotonic() - STALE_SECONDS_MAX),
                            default=1,
                        ),
                    )
                    found = await availability.get(EVENT)
                    assert found is not None
                    assert found.version >= floor, "it went back"
                    assert found.version >= due, "it is older than promised"
                    highest = max(highest, found.version)
                    await asyncio.sleep(0.002)

            booked: list[tuple[int, float]] = []
            asking = [asyncio.create_task(ask(each)) for each in (here, there, here, there)]
            for _ in range(8):
                version = await buy(pool)
                booked.append((version, monotonic()))
                happens(line)
                await asyncio.sleep(0.1)
            await asyncio.sleep(STALE_SECONDS_MAX)
            is_over = True
            await asyncio.gather(*asking)

    BROUGHT_BACK.clear()
    asyncio.run(scenario())


def test_a_booking_is_seen_through_another_process_within_the_bound(
    database: str, redis_url: str
) -> None:
    with (
        served(database, redis_url) as here,
        served(database, redis_url) as there,
        Api(here.url, new_keys(database)) as api,
        Api(there.url, api.keys) as elsewhere,
    ):
        event_id, user_id = api.add_event(100), api.add_user()
        for booked in range(1, 9):
            assert elsewhere.availability(event_id)["booked"] == booked - 1
            assert api.book(event_id, user_id).status_code == 201
            time.sleep(STALE_SECONDS_MAX)
            assert elsewhere.availability(event_id)["booked"] == booked


_CALLS: Final = """
    SELECT coalesce(sum(calls), 0) FROM pg_stat_statements
    WHERE query LIKE '%held,%AS as_of_us%FROM streams%ANY(%'
"""


@pytest.mark.slow  # it needs a PostgreSQL of its own
def test_five_hundred_readers_of_two_workers_cause_one_query(
    tmp_path: Path, redis_url: str
) -> None:
    counted = {"shared_preload_libraries": "pg_stat_statements"}
    with EmbeddedPostgres(tmp_path / "postgres", settings=counted) as postgres:
        database = postgres.url()
        migrate(database)
        with (
            psycopg.connect(database, autocommit=True) as connection,
            Redis.from_url(redis_url) as redis,
            served(database, redis_url, workers=2, availability_fresh_ms=60_000) as running,
            Api(running.url, new_keys(database)) as api,
        ):
            connection.execute("CREATE EXTENSION pg_stat_statements")
            event_id = api.add_event(10)
            api.availability(event_id)

            def queries() -> int:
                row = connection.execute(_CALLS).fetchone()
                assert row is not None
                return int(row[0])

            path = f"/v1/events/{event_id}/availability"
            taken = []
            for _ in range(5):
                before = queries()
                redis.delete(*redis.scan_iter("*head*"))
                replies = volley(running.port, [request("GET", path)] * READERS)
                workers = {reply.headers["x-request-id"].partition("-")[0] for reply in replies}
                assert {reply.status for reply in replies} == {200}
                assert len(workers) == 2
                taken.append(queries() - before)
            # A machine that is busy may keep one worker from asking until the epoch ended.
            assert min(taken) == 1
            assert max(taken) <= 2
