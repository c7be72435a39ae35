"""Availability in Redis: a version that never goes back, and a server that may go away.

Values are written together with their version in one step, so a late writer cannot replace a newer
value, and expire ``fresh_ms`` after they were true. What a flush forgets is guarded by an *epoch*:
a value read before the flush carries the old epoch and is refused after it.
"""

import secrets
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
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

_PUT: Final = """
-- KEYS: epoch, then one key per value. ARGV: epoch, then version, value, milliseconds per value.
-- Answers per value: what is stored now, or false for a value that came too late to be stored.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {} end
local stored = {}
for i = 2, #KEYS do
    local version, value, ms = ARGV[i * 3 - 4], ARGV[i * 3 - 3], tonumber(ARGV[i * 3 - 2])
    local old = redis.call('GET', KEYS[i])
    if old and tonumber(string.match(old, '^%d+')) > tonumber(version) then
        stored[i - 1] = old
    elseif ms > 0 then
        redis.call('SET', KEYS[i], value, 'PX', ms)
        stored[i - 1] = value
    else
        stored[i - 1] = false
    end
end
return stored
"""


class CacheAway(Exception):
    """Redis cannot be asked now; the ledger can."""


class Cache:
    """Heads by event, shared by all processes."""

    def __init__(self, url: str, *, fresh_ms: int) -> None:
        self._redis = redis.Redis.from_url(
            url,
            socket_timeout=_TIMEOUT_SECONDS,
            socket_connect_timeout=_TIMEOUT_SECONDS,
            decode_responses=True,
            max_connections=8,
        )
        self._put = self._redis.register_script(_PUT)
        self._fresh_ms = fresh_ms
        self._away_until = 0.0

    async def get(self, event_ids: Sequence[EventId]) -> tuple[str, list[Head | None]]:
        """The epoch, and the stored head of each event or None; raises `CacheAway`.

        The epoch must be read before the database is, and given back to `put`.
        """
        epoch, *values = await self._ask(
            lambda: self._redis.mget(_EPOCH, *[_key(event_id) for event_id in event_ids])
        )
        if epoch is None:
            epoch = await self._new_epoch()
        return epoch, [None if value is None else _head(value) for value in values]

    async def put(
        self, epoch: str, heads: Mapping[EventId, Head], true_at: float
    ) -> dict[EventId, Head] | None:
        """Store ``heads`` unless newer ones are there; what is stored now, by event.

        ``true_at`` is the `time.monotonic` at which they were known to be true. None when the
        epoch is over: the caller must read again. Raises `CacheAway`.
        """
        ms_left = self._fresh_ms - int((monotonic() - true_at) * 1000)
        arguments: list[str | int] = [epoch]
        for head in heads.values():
            arguments += [head.version, _value(head), ms_left]
        keys = [_EPOCH, *[_key(event_id) for event_id in heads]]
        stored = await self._ask(lambda: self._put(keys=keys, args=arguments))
        if not stored:
            return None
        return {
            event_id: _head(value)
            for event_id, value in zip(heads, stored, strict=False)
            if value is not None
        }

    async def ping(self) -> None:
        """Raises `CacheAway` unless Redis answers."""
        await self._ask(self._redis.ping)

    async def close(self) -> None:
        await self._redis.aclose()

    async def _new_epoch(self) -> str:
        await self._ask(lambda: self._redis.set(_EPOCH, secrets.token_hex(8), nx=True))
        epoch = await self._ask(lambda: self._redis.get(_EPOCH))
        if epoch is None:
            raise CacheAway("Redis forgets what it is told")
        return cast("str", epoch)

    async def _ask(self, question: Callable[[], Awaitable[Any]]) -> Any:
        """Ask Redis, and leave it alone for a while after it failed to answer."""
        if monotonic() < self._away_until:
            raise CacheAway("Redis did not answer a moment ago")
        try:
            return await question()
        except (RedisError, OSError, TimeoutError) as error:
            self._away_until = monotonic() + _RETRY_SECONDS
            raise CacheAway("Redis does not answer") from error


def _key(event_id: EventId) -> str:
    return f"{_PREFIX}head:{event_id}"


def _value(head: Head) -> str:
    return f"{head.version} {head.capacity} {head.booked} {head.held} {head.as_of}"


def _head(value: str) -> Head:
    version, capacity, booked, held, as_of = map(int, value.split())
    return Head(version, capacity, booked, held, Instant(as_of))


def _cached_head(client: SyncRedis, event_id: EventId) -> Head | None:
    value = client.get(_key(event_id))
    return None if value is None else _head(bytes(cast("bytes", value)).decode())


def forget_all(client: SyncRedis) -> None:
    """Begin a new epoch: whatever was read before is no longer accepted."""
    client.set(_EPOCH, secrets.token_hex(8))
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
