"""Seat maps, read once for all who ask at the same time.

A map is large, and all who look at an event ask for it again whenever a seat changes. Those who
ask while it is being read share the next reading: each gets a map that is no older than its
question.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from api.views import seat_map_body
from ledger.values import EventId
from projections.queries import SeatMap

Read = Callable[[EventId], Awaitable[SeatMap]]


@dataclass(frozen=True, slots=True)
class RenderedMap:
    """A map ready to be sent; ``body`` is JSON, as the OpenAPI page describes it."""

    version: int
    body: bytes


class SeatMaps:
    """Maps of events by id."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._reading: dict[EventId, asyncio.Task[RenderedMap | None]] = {}
        self._next: dict[EventId, asyncio.Task[RenderedMap | None]] = {}

    async def get(self, event_id: EventId) -> RenderedMap | None:
        """The map of an event; None if it has no labelled seats or there is no such event.

        Raises `ledger.database.DatabaseUnavailable`.
        """
        answer = self._next.get(event_id)
        if answer is None:
            before = self._reading.get(event_id)
            answer = self._next[event_id] = asyncio.create_task(self._after(before, event_id))
        return await asyncio.shield(answer)

    async def _after(
        self, before: "asyncio.Task[RenderedMap | None] | None", event_id: EventId
    ) -> RenderedMap | None:
        if before is not None:
            await asyncio.wait([before])
        self._reading[event_id] = self._next.pop(event_id)
        try:
            seats = await self._read(event_id)
        finally:
            if event_id not in self._next:
                del self._reading[event_id]
        if not seats.rows:
            return None
        body = seat_map_body(event_id, seats)
        return RenderedMap(seats.version, body.model_dump_json().encode())
