"""What Redis serves is held against the ledger; that Redis is away or behind is no violation."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from box_office import register, sell
from redis import Redis
from samples import EVENT, book, schedule, submit

from api.embedded.ports import free_port
from ledger.batch import Head
from ledger.replay import Violation
from ledger.verify import snapshot, verify
from projections.cache import Cache, compare_cache


@pytest.fixture(scope="module")
def head(module_database: str) -> Head:
    """The head of the only event, at version 2."""
    register(module_database)
    sell(module_database, submit(schedule(capacity=10)))
    (outcome,) = sell(module_database, submit(book(3)))
    (part,) = outcome.parts
    return part.head


@pytest.fixture
def sold(module_database: str, redis_url: str, head: Head) -> str:
    """A database with an event at version 2, whose head Redis has."""

    async def publish() -> None:
        cache = Cache(redis_url, fresh_ms=600_000)
        await cache.put({EVENT: head}, (await cache.get([])).asked_at)
        await cache.close()

    asyncio.run(publish())
    return module_database


def violations(database: str, redis_url: str | None) -> list[Violation]:
    with snapshot(database) as connection, compare_cache(redis_url) as compare:
        return verify(connection, lambda _: None, compare).violations


def rewrite(redis_url: str, change: Callable[[list[str]], Any]) -> None:
    """Change the fields of the head that Redis has: version, capacity, booked, held, as of."""
    with Redis.from_url(redis_url, decode_responses=True) as redis:
        (key,) = redis.scan_iter(match="*head*")
        fields = str(redis.get(key)).split()
        assert fields[:4] == ["2", "10", "3", "0"]
        change(fields)
        redis.set(key, " ".join(fields))


def test_what_was_published_agrees_with_the_ledger(sold: str, redis_url: str) -> None:
    assert violations(sold, redis_url) == []


@pytest.mark.parametrize(("field", "wrong"), [(1, "11"), (2, "2"), (3, "1")])
def test_a_wrong_count_in_redis_is_found(sold: str, redis_url: str, field: int, wrong: str) -> None:
    rewrite(redis_url, lambda fields: fields.__setitem__(field, wrong))
    (only,) = violations(sold, redis_url)
    assert (only.rule, only.stream_id, only.version) == ("L6", EVENT, 2)
    assert "Redis" in only.what


@pytest.mark.parametrize("version", ["1", "3"])
def test_a_value_of_another_version_is_not_compared(
    sold: str, redis_url: str, version: str
) -> None:
    """An older one expires, a newer one was written after the snapshot was taken."""
    rewrite(redis_url, lambda fields: fields.__setitem__(slice(0, 3), [version, "1", "1"]))
    assert violations(sold, redis_url) == []


def test_a_flushed_redis_is_no_violation(sold: str, redis_url: str) -> None:
    with Redis.from_url(redis_url) as redis:
        redis.flushdb()
    assert violations(sold, redis_url) == []


def test_redis_away_or_not_set_is_no_violation(sold: str) -> None:
    assert violations(sold, None) == []
    assert violations(sold, f"redis://127.0.0.1:{free_port()}/0") == []
