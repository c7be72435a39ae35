"""Live counts: one reader a process, and everybody who listens is told what it read.

While an event has listeners, its head is read every `_READ_SECONDS`, all such events in one read;
what this process commits itself is told without reading. A listener has no queue: whenever it can
be written to it gets the newest counts, so a slow one skips some and none takes memory. One that
stays blocked is given up.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from time import monotonic
from typing import Final

import orjson

from api.views import availability_fields
from ledger.batch import Head
from ledger.database import DatabaseUnavailable
from ledger.values import EventId

_log = logging.getLogger(__name__)

_READ_SECONDS: Final = 0.1
_PAUSE_SECONDS_MIN: Final = 0.05
_PAUSE_PER_TELLING: Final = 3
"""Telling many takes long; this share of the time is left to the bookings in between."""
_TOLD_IN_A_ROW_MAX: Final = 200
_HEARTBEAT_SECONDS: Final = 15.0
_LAST_WRITE_SECONDS_MAX: Final = 1.0

_OPENING: Final = b"retry: 1000\n\n"
_HEARTBEAT: Final = b":\n\n"

Get = Callable[[EventId], Awaitable[Head | None]]
Write = Callable[[bytes], Awaitable[None]]


class Full(Exception):
    """This process has as many listeners as it may."""


class Ended(Exception):
    """The process is shutting down: nobody is told anything any more."""


class _Topic:
    """The newest head of one event and who wants to know it."""

    def __init__(self, event_id: EventId, head: Head) -> None:
        self.event_id = event_id
        self.head = head
        self.listeners: set[Listener] = set()
        self.told_version = head.version
        self.told_at = monotonic()
        self._frame_version = 0
        self._frame = b""

    def take(self, head: Head) -> None:
        if head.version > self.head.version:
            self.head = head

    def frame(self) -> bytes:
        """The newest head as an event of the stream, made once for all listeners."""
        if self._frame_version != self.head.version:
            data = orjson.dumps(availability_fields(self.event_id, self.head))
            self._frame = b"id: %d\ndata: %s\n\n" % (self.head.version, data)
            self._frame_version = self.head.version
        return self._frame


class Listener:
    """One open feed; see `Live.listening`."""

    def __init__(self, topic: _Topic, after_version: int, blocked_seconds_max: float) -> None:
        self._topic = topic
        self._sent_version = after_version
        self._blocked_seconds_max = blocked_seconds_max
        self._woken = asyncio.Event()
        self._woken.set()
        self._owes_heartbeat = False
        self._is_over = False
        self._writing: asyncio.Timeout | None = None

    def wake(self, *, heartbeat: bool) -> None:
        self._owes_heartbeat |= heartbeat
        self._woken.set()

    def end(self) -> None:
        """Let `deliver` return soon, even if it is blocked just now."""
        self._is_over = True
        self._woken.set()
        if self._writing is not None and not self._writing.expired():
            soon = asyncio.get_running_loop().time() + _LAST_WRITE_SECONDS_MAX
            self._writing.reschedule(min(soon, self._writing.when() or soon))

    async def deliver(self, write: Write) -> None:
        """Write what is new until `end`, in frames of server-sent events.

        Raises TimeoutError when a write was blocked too long.
        """
        await self._write(write, _OPENING)
        while True:
            await self._woken.wait()
            self._woken.clear()
            if self._is_over:
                return
            if self._topic.head.version > self._sent_version:
                self._sent_version = self._topic.head.version
                await self._write(write, self._topic.frame())
            elif self._owes_heartbeat:
                await self._write(write, _HEARTBEAT)
            self._owes_heartbeat = False

    async def _write(self, write: Write, frame: bytes) -> None:
        async with asyncio.timeout(self._blocked_seconds_max) as self._writing:
            await write(frame)
        self._writing = None


class Live:
    """Tells listeners of this process how many places are left, as soon as that changes."""

    def __init__(self, get: Get, *, listeners_max: int, blocked_seconds_max: float) -> None:
        """``get`` gives a head that is true when asked for, or None for an unknown event."""
        self._get = get
        self._listeners_max = listeners_max
        self._blocked_seconds_max = blocked_seconds_max
        self._topics: dict[EventId, _Topic] = {}
        self._count = 0
        self._following: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._is_over = False

    @property
    def listener_count(self) -> int:
        return self._count

    @asynccontextmanager
    async def listening(
        self, event_id: EventId, after_version: int
    ) -> AsyncIterator[Listener | None]:
        """A listener that is told versions above ``after_version``; None for an unknown event.

        Raises `Full` or `Ended`, and `DatabaseUnavailable` when nobody can tell the first head.
        """
        if self._is_over:
            raise Ended
        if self._count >= self._listeners_max:
            raise Full
        self._count += 1
        try:
            topic = await self._topic(event_id)
            if topic is None:
                yield None
                return
            listener = Listener(topic, after_version, self._blocked_seconds_max)
            topic.listeners.add(listener)
            if self._following is None:
                self._following = asyncio.create_task(self._follow())
            try:
                yield listener
            finally:
                topic.listeners.discard(listener)
                if not topic.listeners:
                    self._topics.pop(event_id, None)
        finally:
            self._count -= 1

    def tell(self, heads: Mapping[EventId, Head]) -> None:
        """Take over heads that this process committed."""
        for event_id, head in heads.items():
            topic = self._topics.get(event_id)
            if topic is not None:
                topic.take(head)
                self._news.set()

    def end(self) -> None:
        """End every feed, and refuse new ones. May be called again."""
        self._is_over = True
        for topic in self._topics.values():
            for listener in topic.listeners:
                listener.end()

    async def close(self) -> None:
        """End every feed and return when nothing runs in the background any more."""
        self.end()
        if self._following is not None:
            self._news.set()
            await self._following

    async def _topic(self, event_id: EventId) -> _Topic | None:
        topic = self._topics.get(event_id)
        if topic is not None:
            return topic
        head = await self._get(event_id)
        if head is None:
            return None
        return self._topics.setdefault(event_id, _Topic(event_id, head))

    async def _follow(self) -> None:
        """Read and tell while anybody listens."""
        read_due_at = monotonic() + _READ_SECONDS
        try:
            while self._topics and not self._is_over:
                with suppress(TimeoutError):
                    async with asyncio.timeout(max(0.0, read_due_at - monotonic())):
                        await self._news.wait()
                # Also when there always are news from here: other events have only this.
                if monotonic() >= read_due_at:
                    read_due_at = monotonic() + _READ_SECONDS
                    await self._read()
                self._news.clear()
                telling_since = monotonic()
                for topic in list(self._topics.values()):
                    await _tell_listeners(topic)
                took = monotonic() - telling_since
                await asyncio.sleep(max(_PAUSE_SECONDS_MIN, _PAUSE_PER_TELLING * took))
            if self._is_over:
                self.end()  # who came while the last were being ended
        finally:
            self._following = None

    async def _read(self) -> None:
        topics = list(self._topics.values())
        # Asked for together, so that `Availability` answers all from one read.
        answers = await asyncio.gather(
            *(self._get(topic.event_id) for topic in topics), return_exceptions=True
        )
        for topic, answer in zip(topics, answers, strict=True):
            if isinstance(answer, Head):
                topic.take(answer)
            elif isinstance(answer, BaseException) and not isinstance(answer, DatabaseUnavailable):
                # An outage is told of by all who meet it; listeners wait for its end.
                _log.error("live counts could not be read", exc_info=answer)


async def _tell_listeners(topic: _Topic) -> None:
    now = monotonic()
    is_new = topic.head.version > topic.told_version
    is_quiet = now - topic.told_at >= _HEARTBEAT_SECONDS
    if not is_new and not is_quiet:
        return
    topic.told_version, topic.told_at = topic.head.version, now
    for count, listener in enumerate(list(topic.listeners), 1):
        listener.wake(heartbeat=is_quiet)
        if count % _TOLD_IN_A_ROW_MAX == 0:
            await asyncio.sleep(0)
