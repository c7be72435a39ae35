"""Availability in Redis: a version that never goes back, and a server that may go away.

A value is written together with its version in one step, so a late writer cannot replace a newer
one, and counts as fresh until ``fresh_ms`` after it was true: old, it still stands against older
ones. What a flush forgets is guarded by the *epoch*, when the first one asked after it: what was
true only before that is refused.

All of these times are Redis's own. A process that stalls, or a command that a stalled Redis carries
out late, so makes nothing look newer than it is.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import Any, Final, cast

import redis.asyncio as redis
from redis import Redis as SyncRedis
from redis.exceptions import RedisError

from ledger.batch import Head, Stream, head_of
from ledger.replay import Violation
from ledger.values import EventId, Instant

_PREFIX: Final = "{flashticket}:"  # the braces keep all keys in one slot of a cluster
_EPOCH: Final = _PREFIX + "epoch"
_TIMEOUT_SECONDS: Final = 0.1
_RETRY_SECONDS: Final = 1.0

_GET: Final = """
-- KEYS: epoch, then one key per value.
-- Answers Redis's time in microseconds, then per value: what is fresh, or false.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
redis.call('SET', KEYS[1], string.format('%.0f', now), 'NX')
local answer = {string.format('%.0f', now)}
for i = 2, #KEYS do
    local value = redis.call('GET', KEYS[i])
    answer[i] = value and tonumber(string.match(value, '%d+$')) > now and value
end
return answer
"""

_PUT: Final = """
-- KEYS: epoch, then one key per value.
-- ARGV: when the values were true, how long to keep them in milliseconds, then the values.
-- Answers per value: what is stored now; or nothing, when the values were true before the epoch.
local epoch = redis.call('GET', KEYS[1])
if not epoch or tonumber(ARGV[1]) < tonumber(epoch) then return {} end
local stored = {}
for i = 2, #KEYS do
    local value = ARGV[i + 1]
    local old = redis.call('GET', KEYS[i])
    if old and tonumber(string.match(old, '^%d+')) > tonumber(string.match(value, '^%d+')) then
        stored[i - 1] = old
    else
        redis.call('SET', KEYS[i], value, 'PX', ARGV[2])
        stored[i - 1] = value
    end
end
return stored
"""


Script = Callable[[Sequence[str], Sequence[str | int]], Awaitable[Any]]
"""See `Cache.script`."""


class CacheAway(Exception):
    """Redis cannot be asked now; the ledger can."""


class Cache:
    """Heads by event, shared by all processes."""

    def __init__(
        self, url: str, *, fresh_ms: int, on_away: Callable[[], None] = lambda: None
    ) -> None:
        """``on_away`` is called each time that Redis does not answer."""
        self._redis = redis.Redis.from_url(
            url,
            socket_timeout=_TIMEOUT_SECONDS,
            socket_connect_timeout=_TIMEOUT_SECONDS,
            decode_responses=True,
            max_connections=8,
        )
        self._get = self._redis.register_script(_GET)
        self._put = self._redis.register_script(_PUT)
        self._fresh_us = fresh_ms * 1_000
        # As long again as anything older could count as fresh.
        self._keep_ms = fresh_ms * 2
        self._away_until = 0.0
        self._on_away = on_away

    @property
    def fresh_seconds(self) -> float:
        """How long what one process put here may be served by others."""
        return self._fresh_us / 1_000_000

    async def get(self, event_ids: Sequence[EventId]) -> tuple[Instant, list[Head | None]]:
        """Redis's time, and the fresh head of each event or None; raises `CacheAway`.

        What is read from the database afterwards was true at that time, and may be `put` with it.
        """
        now, *values = await self._ask(lambda: self._get(keys=_keys(event_ids)))
        return Instant(int(now)), [None if value is None else _head(value) for value in values]

    async def put(
        self, heads: Mapping[EventId, Head], true_at: Instant
    ) -> dict[EventId, Head] | None:
        """Store ``heads`` unless newer ones are there; what is stored now, by event.

        ``true_at`` is Redis's time at or after which they were true. None when Redis was flushed
        since: the caller must read again. Raises `CacheAway`.
        """
        fresh_until = true_at + self._fresh_us
        values = [f"{_value(head)} {fresh_until}" for head in heads.values()]
        arguments: list[str | int] = [true_at, self._keep_ms, *values]
        stored = await self._ask(lambda: self._put(keys=_keys(heads), args=arguments))
        if not stored:
            return None
        return {event_id: _head(value) for event_id, value in zip(heads, stored, strict=True)}

    def script(self, text: str) -> Script:
        """A Lua script, to be called with the names of its keys and its arguments.

        The names get this application's prefix. Calling it raises `CacheAway`.
        """
        registered = self._redis.register_script(text)

        async def run(names: Sequence[str], arguments: Sequence[str | int]) -> Any:
            keys = [_PREFIX + name for name in names]
            return await self._ask(lambda: registered(keys=keys, args=arguments))

        return run

    async def ping(self) -> None:
        """Raises `CacheAway` unless Redis answers."""
        await self._ask(self._redis.ping)

    async def close(self) -> None:
        await self._redis.aclose()

    async def _ask(self, question: Callable[[], Awaitable[Any]]) -> Any:
        """Ask Redis, and leave it alone for a while after it failed to answer."""
        if monotonic() < self._away_until:
            raise CacheAway("Redis did not answer a moment ago")
        try:
            return await question()
        except (RedisError, OSError, TimeoutError) as error:
            self._away_until = monotonic() + _RETRY_SECONDS
            self._on_away()
            raise CacheAway("Redis does not answer") from error


def _key(event_id: EventId) -> str:
    return f"{_PREFIX}head:{event_id}"


def _keys(event_ids: Iterable[EventId]) -> list[str]:
    return [_EPOCH, *map(_key, event_ids)]


def _value(head: Head) -> str:
    return f"{head.version} {head.capacity} {head.booked} {head.held} {head.as_of}"


def _head(value: str) -> Head:
    version, capacity, booked, held, as_of, _ = map(int, value.split())
    return Head(version, capacity, booked, held, Instant(as_of))


def _cached_head(client: SyncRedis, event_id: EventId) -> Head | None:
    value = client.get(_key(event_id))
    return None if value is None else _head(bytes(cast("bytes", value)).decode())


def forget_all(client: SyncRedis) -> None:
    """Begin a new epoch: whatever was read before is no longer accepted."""
    seconds, microseconds = client.time()
    client.set(_EPOCH, seconds * 1_000_000 + microseconds)
    for key in client.scan_iter(match=_PREFIX + "head:*", count=1_000):
        client.delete(key)


@contextmanager
def compare_cache(url: str | None) -> Iterator[Callable[[Stream], Violation | None]]:
    """Holds a fold against what Redis serves of it (L6): never more than the ledger has.

    Redis may be behind for as long as a value counts as fresh, and may be away or not set.
    """
    if url is None:
        yield lambda _: None
        return
    with SyncRedis.from_url(url, socket_timeout=_TIMEOUT_SECONDS * 10) as client:
        is_away = False

        def compare(folded: Stream) -> Violation | None:
            nonlocal is_away
            if is_away:
                return None
            try:
                cached = _cached_head(client, folded.stream_id)
            except RedisError:
                is_away = True
                return None
            return None if cached is None else _difference(folded, cached)

        yield compare


def _difference(folded: Stream, cached: Head) -> Violation | None:
    should = head_of(folded)
    if cached.version != should.version:
        # Older: it expires. Newer: written after this snapshot of the ledger was taken.
        return None
    if (cached.capacity, cached.booked, cached.held) == (
        should.capacity,
        should.booked,
        should.held,
    ):
        return None
    what = f"Redis serves {cached}, the entries give {should}"
    return Violation("L6", folded.stream_id, folded.version, what)
