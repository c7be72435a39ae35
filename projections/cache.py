"""Availability in Redis: a version that never goes back, and a server that may go away.

A value is written together with its version in one step, so a late writer cannot replace a newer
one, and counts as fresh until some time after it was true: old, it still stands against older ones.

What Redis forgets is guarded by the *epoch*: nothing counts that was true only before it began. One
begins when Redis knows of none, after a flush, and when it was not asked for a while, or knows less
than whoever asks was once told. So it also begins when Redis was brought back from a snapshot: all
that was lost was written after the last question that it still knows of.

All of these times are Redis's own. A process that stalls, or a command that a stalled Redis carries
out late, so makes nothing look newer than it is; and how long an answer takes counts into its age.
"""

from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
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

_SILENCE_US: Final = 100_000
"""Without a question for this long an epoch ends. No Redis comes back from a file sooner."""

_READING_MS: Final = 250
"""How long others leave it to the one who was told to read, before the next one is told."""

_GET: Final = """
-- KEYS: epoch, then one key per value.
-- ARGV: how long a value is fresh, how long an epoch outlives silence, the last time that the
-- caller was told (microseconds), and how long to leave a reading to one caller (milliseconds).
-- Answers Redis's time in microseconds, then per value: what is fresh; 'read' for a caller that is
-- to read and put it; 'wait' while another does.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local began, asked = string.match(redis.call('GET', KEYS[1]) or '', '^(%d+) (%d+)$')
began, asked = tonumber(began), tonumber(asked)
if not asked or asked > now or asked < tonumber(ARGV[3]) or now - asked > tonumber(ARGV[2]) then
    began = now
end
redis.call('SET', KEYS[1], string.format('%.0f %.0f', began, now))
local answer = {string.format('%.0f', now)}
for i = 2, #KEYS do
    local value = redis.call('GET', KEYS[i])
    local true_at = value and tonumber(string.match(value, '%d+$'))
    if true_at and true_at >= began and true_at <= now and true_at + tonumber(ARGV[1]) > now then
        answer[i] = value
    elseif redis.call('SET', KEYS[i] .. ':reading', 1, 'NX', 'PX', ARGV[4]) then
        answer[i] = 'read'
    else
        answer[i] = 'wait'
    end
end
return answer
"""

_PUT: Final = """
-- KEYS: epoch, then one key per value.
-- ARGV: when the caller asked last, when the values were true (microseconds), how long to keep them
-- (milliseconds), then the values.
-- Answers 1 and per value what is stored now; or 0 when Redis does not know of that question any
-- more, or the values were true before the epoch. Keys without a value are just not read any more.
local began, asked = string.match(redis.call('GET', KEYS[1]) or '', '^(%d+) (%d+)$')
if not asked or tonumber(asked) < tonumber(ARGV[1]) or tonumber(ARGV[2]) < tonumber(began) then
    return {0}
end
local stored = {1}
for i = 2, #KEYS do
    local value = ARGV[i + 2]
    local old = redis.call('GET', KEYS[i])
    local newer = value and old and tonumber(string.match(old, '^%d+'))
    redis.call('DEL', KEYS[i] .. ':reading')
    if newer and newer > tonumber(string.match(value, '^%d+')) then
        stored[i] = old
    elseif value then
        redis.call('SET', KEYS[i], value, 'PX', ARGV[3])
        stored[i] = value
    end
end
return stored
"""


@dataclass(frozen=True, slots=True)
class Cached:
    """What Redis answered, at its time ``asked_at``."""

    asked_at: Instant
    heads: dict[EventId, Head]
    """Those that are fresh."""
    being_read: frozenset[EventId]
    """Those that another caller was told to read and put: ask again soon."""


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
        self._told = 0
        self._on_away = on_away

    @property
    def fresh_seconds(self) -> float:
        """How long what one process put here may be served by others."""
        return self._fresh_us / 1_000_000

    async def get(self, event_ids: Sequence[EventId]) -> Cached:
        """What is known of these events; the caller is to read and `put` what it gets nothing of.

        What is read from the database afterwards was true at ``asked_at``. Raises `CacheAway`.
        """
        began = monotonic()
        arguments = [self._fresh_us, _SILENCE_US, self._told, _READING_MS]
        now, *values = await self._ask(lambda: self._get(keys=_keys(event_ids), args=arguments))
        self._told = max(self._told, int(now))
        # What was fresh when Redis answered may no longer be when the answer is here.
        true_since = int(now) + int((monotonic() - began) * 1_000_000) - self._fresh_us
        heads, being_read = {}, set()
        for event_id, value in zip(event_ids, values, strict=True):
            if value == "wait":
                being_read.add(event_id)
            elif value != "read":
                head, true_at = _parsed(value)
                if true_at > true_since:
                    heads[event_id] = head
        return Cached(Instant(int(now)), heads, frozenset(being_read))

    async def put(
        self,
        heads: Mapping[EventId, Head],
        asked_at: Instant,
        *,
        true_at: Instant | None = None,
        unknown: Collection[EventId] = (),
    ) -> dict[EventId, Head] | None:
        """Store ``heads`` unless newer ones are there; what is stored now, by event.

        They were true at or before ``true_at``, which is ``asked_at`` where not given, and
        ``asked_at`` is of a `get` before. ``unknown`` are events that were to be read and are not
        there. None when Redis forgot something since: the caller must read again. Raises
        `CacheAway`.
        """
        true_at = asked_at if true_at is None else true_at
        if not heads and not unknown:
            return {}
        values = [f"{_value(head)} {true_at}" for head in heads.values()]
        arguments: list[str | int] = [asked_at, true_at, self._keep_ms, *values]
        keys = _keys([*heads, *unknown])
        took_them, *stored = await self._ask(lambda: self._put(keys=keys, args=arguments))
        if not took_them:
            return None
        return {event_id: _parsed(value)[0] for event_id, value in zip(heads, stored, strict=True)}

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


def _parsed(value: str) -> tuple[Head, int]:
    """A head, and when it was true."""
    version, capacity, booked, held, as_of, true_at = map(int, value.split())
    return Head(version, capacity, booked, held, Instant(as_of)), true_at


def _cached_head(client: SyncRedis, event_id: EventId) -> Head | None:
    value = client.get(_key(event_id))
    return None if value is None else _parsed(bytes(cast("bytes", value)).decode())[0]


def forget_all(client: SyncRedis) -> None:
    """Begin a new epoch: whatever was read before is no longer accepted."""
    seconds, microseconds = client.time()
    now = seconds * 1_000_000 + microseconds
    client.set(_EPOCH, f"{now} {now}")
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
