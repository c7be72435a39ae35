"""The guard: connections that cost more than they should are cut off, and a few always get through.

uvicorn has a time limit for idle connections and none for clients that send or read slowly, no
limit for the head of a request, and no answer to more connections than it can have open.
"""

import asyncio
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any, ClassVar, Final, NoReturn, cast

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from api import metrics
from api.asgi import header_bytes
from api.direct import Reply, problem_reply
from api.problems import KINDS, Problem, overloaded
from api.protocol import HttpProtocol

if TYPE_CHECKING:
    from starlette.types import Scope

_LOOK_SECONDS: Final = 1.0
_PROGRESS_BYTES: Final = 16 * 1024
_HEAD_BYTES_MAX: Final = 32 * 1024
_HEADERS_MAX: Final = 100
_SPARE_CONNECTIONS: Final = 100
_VITAL: Final = frozenset({b"/healthz", b"/readyz", b"/metrics"})


@dataclass(slots=True)
class _Look:
    """How far a connection was when it was last seen to get on."""

    at: float
    received_bytes: int
    unread_bytes: int
    requests: int


class GuardedProtocol(HttpProtocol):
    """`HttpProtocol` behind the guard and the gate (`api.gate`)."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._is_spare = len(self.connections) > self._door.connections_max
        self._refusal = "malformed-http"
        self._in_head = False
        self._received_bytes = self._received_before = self._head_began = self._requests = 0
        self._seen = _Look(monotonic(), 0, 0, 0)
        if len(self.connections) == 1:
            _look_again(self.loop, self.connections)
        elif len(self.connections) > self._door.connections_max + _SPARE_CONNECTIONS:
            self._hang_up("overloaded")

    def data_received(self, data: bytes) -> None:
        self._received_before = self._received_bytes
        self._received_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._received_bytes - self._head_began > _HEAD_BYTES_MAX:
            self._hang_up("request-head-too-large")

    def on_message_begin(self) -> None:
        self._in_head = True
        self._head_began = self._received_before
        self._requests += 1
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        if self._is_head_too_large():
            self._refuse("request-head-too-large")
        if self._is_spare and self.url not in _VITAL:
            self._refuse("overloaded")
        super().on_headers_complete()

    def _is_head_too_large(self) -> bool:
        if len(self.headers) > _HEADERS_MAX:
            return True
        if self._received_bytes - self._head_began <= _HEAD_BYTES_MAX:
            return False
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        return size > _HEAD_BYTES_MAX

    def _refuse(self, code: str) -> NoReturn:
        self._refusal = code
        raise ValueError(code)  # to the parser, which stops; then uvicorn has the next called

    def send_400_response(self, msg: str) -> None:
        del msg
        self._hang_up(self._refusal)

    def _hang_up(self, code: str) -> None:
        """Answer a request that is not whole with a problem, and close the connection."""
        cycle = self.cycle
        if self.transport.is_closing():
            return
        if cycle is not None and not cycle.response_complete:
            if not cycle.more_body:
                # That one is whole: its answer comes first, and is the last here.
                cycle.keep_alive = False
                self.flow.pause_reading()
                return
            cycle.disconnected = True
            if getattr(cycle, "response_started", False):
                self.transport.abort()
                return
        problem = Problem(code, KINDS[code].remedy)
        self.answer(problem_reply(problem), self._door.request_id(None), keep_alive=False)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        method, path = cycle.scope["method"], cycle.scope["path"]
        visitor = _AsgiVisitor(self, cycle, app)
        if path.encode() in _VITAL:
            visitor.let_in()
        elif method in {"GET", "HEAD"}:
            self._door.gate.take_read(visitor)
        else:
            self._door.gate.take_command(visitor)

    def start(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Have ``app`` answer a request."""
        super()._start_asgi_task(cycle, app)

    def refuse(self, reply: Reply, cycle: RequestResponseCycle) -> None:
        """Answer a request without asking the application."""
        metrics.REFUSED.inc()
        request_id = self._door.request_id(
            header_bytes(cast("Scope", cycle.scope), b"x-request-id")
        )
        self.answer(reply, request_id, keep_alive=cycle.keep_alive)

    def look(self, now: float) -> None:
        """Cut the connection off if it got no further for too long, and that is the client's doing.

        To get on it takes a whole request, or `_PROGRESS_BYTES` sent or read.
        """
        unread = self.transport.get_write_buffer_size()
        seen = self._seen
        if (
            not (unread or self._is_client_due())
            or self._requests != seen.requests
            or self._received_bytes >= seen.received_bytes + _PROGRESS_BYTES
            or unread <= seen.unread_bytes - _PROGRESS_BYTES
            or unread > seen.unread_bytes  # there was room for more
        ):
            seen.at, seen.requests = now, self._requests
            seen.received_bytes, seen.unread_bytes = self._received_bytes, unread
        elif now - seen.at <= self._door.slow_seconds_max:
            return
        elif unread:
            metrics.CUT_OFF.labels("reading").inc()
            self.transport.abort()  # a mere close would wait for what is buffered to be read
        elif self._in_head or (self.cycle is not None and not self.cycle.response_complete):
            metrics.CUT_OFF.labels("sending").inc()
            self._hang_up("request-timeout")
        else:
            self.transport.close()

    def _is_client_due(self) -> bool:
        """Whether it is the client's turn to send."""
        cycle = self.cycle
        if self.flow.read_paused:
            return False
        return cycle is None or cycle.response_complete or cycle.more_body


@dataclass(slots=True)
class _AsgiVisitor:
    """A request that is answered through ASGI, at the gate."""

    is_heavy: ClassVar[bool] = True
    protocol: GuardedProtocol
    cycle: RequestResponseCycle
    app: Any

    @property
    def is_gone(self) -> bool:
        return self.cycle.disconnected

    def let_in(self) -> None:
        self.protocol.start(self.cycle, self.app)

    def refuse(self) -> None:
        self.cycle.response_started = self.cycle.response_complete = True
        reply = problem_reply(overloaded())
        if self.cycle.scope["method"] == "HEAD":
            reply.body = b""
        self.protocol.refuse(reply, self.cycle)


def _look_again(loop: asyncio.AbstractEventLoop, connections: AbstractSet[Any]) -> None:
    loop.call_later(_LOOK_SECONDS, _look_at_all, loop, connections)


def _look_at_all(loop: asyncio.AbstractEventLoop, connections: AbstractSet[Any]) -> None:
    now = monotonic()
    for connection in list(connections):
        connection.look(now)
    if connections:
        _look_again(loop, connections)
