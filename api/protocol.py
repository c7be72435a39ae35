"""HTTP/1.1 as uvicorn speaks it, plus a short way for direct calls and an end for endless ones.

A direct call (`api.direct`) is answered by an `Exchange` instead of an ASGI cycle. A handler can
reach its connection, to give up on a reader that does not read; and the application learns that
the server stops, which otherwise waits for every response to end by itself.
"""

import asyncio
from typing import Final, cast

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.asgi import BODY_BYTES_MAX
from api.direct import Reply, response_bytes
from api.door import Door
from api.exchange import Exchange

_EXTENSION: Final = "flashticket.connection"


class HttpProtocol(HttpToolsProtocol):
    """For the setting ``http`` of uvicorn, with a `Door` as the application."""

    @property
    def _door(self) -> Door:
        return cast("Door", self.app)

    def on_message_begin(self) -> None:
        self.url = b""
        self.expect_100_continue = False
        self.headers = []

    def on_headers_complete(self) -> None:
        if not self._begin_exchange():
            target, headers, expect = self.url, self.headers, self.expect_100_continue
            super().on_message_begin()
            self.url, self.expect_100_continue = target, expect
            self.headers.extend(headers)
            self.scope["extensions"] = {_EXTENSION: {"transport": self.transport}}
            super().on_headers_complete()

    def _begin_exchange(self) -> bool:
        """Whether this request is one for an `Exchange`, which then begins."""
        parser = self.parser
        found = self._door.direct_route(parser.get_method(), self.url)
        if (
            found is None
            or (self.cycle is not None and not self.cycle.response_complete)
            or self.expect_100_continue
            or parser.should_upgrade()
            or parser.get_http_version() != "1.1"
            or not _is_body_short(self.headers)
        ):
            return False
        keep_alive = parser.should_keep_alive()
        self.cycle = Exchange(self._door, *found, self.headers, self, keep_alive=keep_alive)
        return True

    def on_body(self, body: bytes) -> None:
        if isinstance(self.cycle, Exchange):
            self.cycle.body += body
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if isinstance(self.cycle, Exchange):
            self.cycle.begin()
        else:
            super().on_message_complete()

    def keep(self, task: "asyncio.Task[None]") -> None:
        """Have a shutdown wait for ``task``."""
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def answer(self, reply: Reply, request_id: bytes, *, keep_alive: bool) -> None:
        """Write the whole answer to the request whose turn it is, and go on to the next."""
        if self.transport.is_closing():
            return
        headers = self.server_state.default_headers
        self.transport.write(response_bytes(reply, request_id, headers, keep_alive=keep_alive))
        if not keep_alive:
            self.transport.close()
        self.on_response_complete()

    def shutdown(self) -> None:
        super().shutdown()
        self._door.stop()


def _is_body_short(headers: list[tuple[bytes, bytes]]) -> bool:
    for name, value in headers:
        if name == b"transfer-encoding" or (
            name == b"content-length" and int(value) > BODY_BYTES_MAX
        ):
            return False
    return True


def transport_of(scope: Scope) -> asyncio.Transport | None:
    """The connection of a request; None under a server that does not tell."""
    extension = (scope.get("extensions") or {}).get(_EXTENSION, {})
    transport: asyncio.Transport | None = extension.get("transport")
    return transport
