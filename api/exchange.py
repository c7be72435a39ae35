"""One direct call on one connection, from its headers to the last byte of its reply."""

import asyncio
from collections.abc import Sequence
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from api import metrics
from api.access import principal_held, principal_of
from api.direct import (
    Asked,
    Later,
    Reply,
    field_text,
    fields_of,
    problem_reply,
    require_json,
)
from api.problems import overloaded, problem_of_error

if TYPE_CHECKING:
    from api.door import Door
    from api.keys import Principal
    from api.protocol import HttpProtocol
    from api.routing import DirectRoute


class Exchange(RequestResponseCycle):
    """To uvicorn it stands where the cycle of an ASGI call would, with a cycle's attributes.

    Thereby requests behind it on the connection, a shutdown and a lost connection are dealt with
    as for every other call.
    """

    is_heavy = False
    message_event = asyncio.Event()  # set when the connection is lost; nobody waits for it

    def __init__(
        self,
        door: "Door",
        route: "DirectRoute",
        path_id: str,
        headers: Sequence[tuple[bytes, bytes]],
        protocol: "HttpProtocol",
        *,
        keep_alive: bool,
    ) -> None:
        self._started = perf_counter()
        self._door = door
        self._route = route
        self._path_id = path_id
        self._fields = fields_of(headers)
        self._protocol = protocol
        self.body = bytearray()
        self.more_body = True
        self.keep_alive = keep_alive
        self.disconnected = False
        self.response_complete = False

    def begin(self) -> None:
        """Start the call, its body being complete, as soon as there is room."""
        self.more_body = False
        if self._route.method == b"GET":
            self._door.gate.take_read(self)
        else:
            self._door.gate.take_command(self)

    @property
    def is_gone(self) -> bool:
        return self.disconnected

    def let_in(self) -> None:
        try:
            if self.body:
                require_json(self._fields.get(b"content-type"))
            if self._route.is_public:
                self._call(None)
                return
            access = self._door.services.access
            principal = principal_held(access, self._authorization(), self._route.name)
            if principal is None:
                self._protocol.keep(asyncio.create_task(self._begin_when_found()))
            else:
                self._call(principal)
        except Exception as error:  # noqa: BLE001  every error gets its answer here
            self._fail(error)

    def refuse(self) -> None:
        metrics.REFUSED.inc()
        self._write(problem_reply(overloaded()))

    async def _begin_when_found(self) -> None:
        access = self._door.services.access
        try:
            self._call(await principal_of(access, self._authorization(), self._route.name))
        except Exception as error:  # noqa: BLE001  every error gets its answer here
            self._fail(error)

    def _authorization(self) -> str | None:
        return field_text(self._fields, b"authorization")

    def _call(self, sender: "Principal | None") -> None:
        asked = Asked(sender, self._fields, bytes(self.body), self._path_id)
        self._go_on(self._route.call(self._door.services, asked))

    def _go_on(self, step: Reply | Later[Any]) -> None:
        if isinstance(step, Reply):
            self._send(step, None)
        elif step.outcome.done():
            self._settle(step, step.outcome)
        else:
            step.outcome.add_done_callback(partial(self._settle, step))

    def _settle(self, later: Later[Any], outcome: "asyncio.Future[Any]") -> None:
        try:
            step = later.then(outcome.result())
        except Exception as error:  # noqa: BLE001  every error gets its answer here
            self._fail(error)
        else:
            self._go_on(step)

    def _fail(self, error: Exception) -> None:
        self._send(problem_reply(problem_of_error(error)), error)

    def _send(self, reply: Reply, failure: Exception | None) -> None:
        door, route = self._door, self._route
        seconds = perf_counter() - self._started
        request_id = self._write(reply)
        door.note(
            route.name,
            route.path,
            route.method.decode(),
            request_id,
            reply.status,
            seconds,
            failure,
        )

    def _write(self, reply: Reply) -> bytes:
        """Answer; the id of the request."""
        request_id = self._door.request_id(self._fields.get(b"x-request-id"))
        self.response_complete = True
        self._protocol.answer(reply, request_id, keep_alive=self.keep_alive)
        return request_id
