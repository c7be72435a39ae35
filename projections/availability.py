"""How many places are left, read by many, asked of Redis and the ledger by few.

Reads are combined like writes are: all that arrive while a read is under way share the next one.
And of all processes one at a time reads the ledger for an event of which Redis knows nothing fresh.
So a request is always answered from a read that began after it came, which together with the
versioned cache makes the version never go back, whichever process answers. A process that cannot
reach Redis waits with its answer until nothing older there counts as fresh for the others.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic

from ledger.batch import Head
from ledger.values import EventId, Instant
from projections.cache import Cache, CacheAway

_log = logging.getLogger(__name__)

_PATIENCE_SECONDS = 0.5
_ASK_AGAIN_SECONDS = 0.005
_PUBLISH_PAUSE_SECONDS = 0.02  # while an event sells hot, of its hundred heads a second

ReadHeads = Callable[[Sequence[EventId]], Awaitable[dict[EventId, Head]]]


class Availability:
    """Answers from Redis, falls back to the ledger, and tells Redis what was committed here."""

    def __init__(
        self,
        cache: Cache | None,
        read_heads: ReadHeads,
        latest_here: Callable[[EventId], Head | None],
    ) -> None:
        """``read_heads`` reads the ledger; ``latest_here`` knows what this process committed."""
        self._cache = cache
        self._read_heads = read_heads
        self._latest_here = latest_here
        self._waiting: dict[EventId, asyncio.Future[Head | None]] = {}
        self._unpublished: dict[EventId, Head] = {}
        self._unpublished_since = float("inf")
        self._reading: asyncio.Task[None] | None = None
        self._publishing: asyncio.Task[None] | None = None

    async def get(self, event_id: EventId) -> Head | None:
        """The counts of an event, at most the cache's freshness old; None for an unknown event.

        Raises `ledger.database.DatabaseUnavailable` when neither Redis nor PostgreSQL answers.
        """
        return await asyncio.shield(self.ask(event_id))

    def ask(self, event_id: EventId) -> asyncio.Future[Head | None]:
        """As `get`; the future is shared by all who ask, so it is not to be cancelled."""
        answer = self._waiting.get(event_id)
        if answer is None:
            answer = self._waiting[event_id] = asyncio.get_running_loop().create_future()
            if self._reading is None:
                self._reading = asyncio.create_task(self._read_for_all())
        return answer

    def publish(self, heads: dict[EventId, Head], since: float) -> None:
        """Tell Redis of ``heads``, soon and in the background; what is lost is read again.

        They were committed, and so became true, after the `time.monotonic` ``since``.
        """
        if self._cache is None:
            return
        self._unpublished.update(heads)
        self._unpublished_since = min(self._unpublished_since, since)
        if self._publishing is None:
            self._publishing = asyncio.create_task(self._publish(self._cache))

    async def close(self) -> None:
        """Return when nothing runs in the background any more."""
        for task in (self._reading, self._publishing):
            if task is not None:
                await task

    async def _read_for_all(self) -> None:
        try:
            while self._waiting:
                waiting, self._waiting = self._waiting, {}
                try:
                    heads = await self._read(list(waiting))
                except Exception as error:  # noqa: BLE001  whatever it is, the readers get it
                    for answer in waiting.values():
                        answer.set_exception(error)
                else:
                    for event_id, answer in waiting.items():
                        answer.set_result(heads.get(event_id))
        finally:
            self._reading = None

    async def _read(self, event_ids: Sequence[EventId]) -> dict[EventId, Head]:
        if self._cache is None:
            return await self._read_heads(event_ids)
        heads: dict[EventId, Head] = {}
        missing = list(event_ids)
        give_up_at = monotonic() + _PATIENCE_SECONDS
        while missing and monotonic() < give_up_at:
            try:
                cached = await self._cache.get(missing)
                heads |= {
                    event_id: head
                    for event_id, head in cached.heads.items()
                    if not self._is_behind(event_id, head)
                }
                to_read = {*missing} - heads.keys() - cached.being_read
                read = await self._read_heads(list(to_read)) if to_read else {}
                stored = await self._cache.put(read, cached.asked_at, unknown=to_read - read.keys())
            except CacheAway:
                break
            if stored is None:
                continue  # flushed meanwhile: what was read may be older than what others served
            heads |= stored
            missing = [each for each in cached.being_read if each not in heads]
            if missing:
                await asyncio.sleep(_ASK_AGAIN_SECONDS)
        if not missing:
            return heads
        read = await self._read_heads(missing)
        await asyncio.sleep(self._cache.fresh_seconds)
        return heads | read

    def _is_behind(self, event_id: EventId, head: Head) -> bool:
        latest = self._latest_here(event_id)
        return latest is not None and latest.version > head.version

    async def _publish(self, cache: Cache) -> None:
        try:
            while self._unpublished:
                heads, self._unpublished = self._unpublished, {}
                since, self._unpublished_since = self._unpublished_since, float("inf")
                asked_at = (await cache.get(())).asked_at
                age_us = int((monotonic() - since) * 1_000_000)
                # If Redis forgot something, this is refused, and readers fill it again.
                await cache.put(heads, asked_at, true_at=Instant(asked_at - age_us))
                await asyncio.sleep(_PUBLISH_PAUSE_SECONDS)
        except CacheAway as error:
            self._unpublished.clear()
            _log.warning("availability is not published: %s", error)
        finally:
            self._publishing = None
