"""The live feed as a client reads it: server-sent events (WHATWG HTML, section 9.2)."""

from typing import Final
from uuid import UUID

from api.bodies import Availability
from api.client.call import model

_READ: Final = model(Availability)
SILENCE_SECONDS_MAX: Final = 40.0
"""Heartbeats come every 15 s: after this long the connection is dead."""


class FeedReader:
    """Takes the lines of a feed, over any number of connections, and tells what is newer."""

    def __init__(self, event_id: UUID | str) -> None:
        self.path = f"/v1/events/{event_id}/live"
        self._version = 0
        self._data: list[str] = []

    def headers(self) -> dict[str, str]:
        """The headers of the next connection."""
        self._data.clear()
        resume = {"Last-Event-ID": str(self._version)} if self._version else {}
        return {"Accept": "text/event-stream", **resume}

    def take(self, line: str) -> Availability | None:
        """The counts that a line completes, if they are newer than any before."""
        if line.startswith("data:"):
            self._data.append(line.removeprefix("data:").removeprefix(" "))
            return None
        if line or not self._data:
            return None
        told = _READ("\n".join(self._data).encode())
        self._data.clear()
        if told.version <= self._version:
            return None
        self._version = told.version
        return told
