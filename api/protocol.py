"""HTTP/1.1 as uvicorn speaks it, plus the two things that responses without end need.

A handler can reach its connection, to give up on a reader that does not read; and the application
learns that the server stops, which otherwise waits for every response to end by itself.
"""

import asyncio
from typing import Final, Protocol, cast

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_EXTENSION: Final = "flashticket.connection"


class Stoppable(Protocol):
    """An application that is told when the server stops."""

    def stop(self) -> None: ...


class HttpProtocol(HttpToolsProtocol):
    """For the setting ``http`` of uvicorn, with an application that is `Stoppable`."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {_EXTENSION: {"transport": self.transport}}

    def shutdown(self) -> None:
        super().shutdown()
        cast("Stoppable", self.app).stop()


def transport_of(scope: Scope) -> asyncio.Transport | None:
    """The connection of a request; None under a server that does not tell."""
    extension = (scope.get("extensions") or {}).get(_EXTENSION, {})
    transport: asyncio.Transport | None = extension.get("transport")
    return transport
