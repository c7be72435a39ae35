"""Leases: parts of a rate that a process takes from the count that all processes share in Redis.

What is asked for while a question is under way is asked together in the next one, so Redis is asked
one question at a time however many users are new.
"""

import asyncio
from dataclasses import dataclass
from itertools import chain
from typing import Final

from projections.cache import Cache, CacheAway

_QUESTION_LEASES_MAX: Final = 256

_LEASE: Final = """
-- KEYS: one per window.
-- ARGV: per window the rate's requests, the window in milliseconds, how many to lease.
-- Answers per window: how many are leased, how many are left, milliseconds until it ends.
local answer = {}
for i, key in ipairs(KEYS) do
    local requests, span, wanted = ARGV[i * 3 - 2], ARGV[i * 3 - 1], tonumber(ARGV[i * 3])
    local taken = tonumber(redis.call('GET', key) or '0')
    local count = math.max(0, math.min(wanted, requests - taken))
    if taken == 0 then
        redis.call('SET', key, count, 'PX', span)
    else
        redis.call('INCRBY', key, count)
    end
    answer[i] = {count, math.max(0, requests - taken - count), redis.call('PTTL', key)}
end
return answer
"""


@dataclass(frozen=True, slots=True)
class Lease:
    """``count`` requests, good until the window ends; ``remaining`` more could be had of it."""

    count: int
    remaining: int
    ends_in_seconds: float


@dataclass(frozen=True, slots=True)
class _Wish:
    key: str
    requests: int
    seconds: int
    count: int
    lease: asyncio.Future[Lease]


class Leases:
    """Leases from Redis, or from nowhere if there is none."""

    def __init__(self, cache: Cache | None) -> None:
        self._run = None if cache is None else cache.script(_LEASE)
        self._wishes: list[_Wish] = []
        self._asking: asyncio.Task[None] | None = None

    async def lease(self, key: str, requests: int, seconds: int, count: int) -> Lease:
        """At most ``count`` of the ``requests`` that ``key`` has in a window of ``seconds``.

        Raises `CacheAway`. A key is asked for once at a time.
        """
        if self._run is None:
            raise CacheAway("there is no Redis")
        lease: asyncio.Future[Lease] = asyncio.get_running_loop().create_future()
        self._wishes.append(_Wish(key, requests, seconds, count, lease))
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask_for_all())
        return await lease

    async def _ask_for_all(self) -> None:
        try:
            while self._wishes:
                wishes = self._wishes[:_QUESTION_LEASES_MAX]
                del self._wishes[:_QUESTION_LEASES_MAX]
                await self._ask_for(wishes)
        finally:
            self._asking = None

    async def _ask_for(self, wishes: list[_Wish]) -> None:
        if self._run is None:
            raise AssertionError("nobody wishes for what there is none of")
        names = [f"rate:{wish.key}" for wish in wishes]
        terms = [(wish.requests, wish.seconds * 1000, wish.count) for wish in wishes]
        try:
            answers = await self._run(names, list(chain.from_iterable(terms)))
        except CacheAway as away:
            for wish in wishes:
                if not wish.lease.done():
                    wish.lease.set_exception(away)
        else:
            for wish, (count, remaining, ends_in_ms) in zip(wishes, answers, strict=True):
                if not wish.lease.done():
                    wish.lease.set_result(Lease(count, remaining, ends_in_ms / 1000))
