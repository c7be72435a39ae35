"""The door: what happens to every request before and after its call.

It gives the request its id, refuses a body announced as too large, sends the hot calls straight to
their handlers, turns whatever is raised into a problem document, and measures and logs the answer.
"""

import itertools
import logging
import re
import secrets
from time import perf_counter
from typing import Any, Final

from fastapi import FastAPI
from starlette.types import Message, Receive, Scope, Send

from api import metrics
from api.asgi import BODY_BYTES_MAX, header, header_bytes, respond_with, too_large
from api.direct import problem_reply, require_json
from api.gate import Gate
from api.problems import problem_of_error
from api.routing import DirectRoute, LeanRoute
from api.services import Services
from api.settings import Settings

_log = logging.getLogger("flashticket.requests")

_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_SLOW_SECONDS: Final = 1.0
CLIENT_GONE: Final = 499
"""The status, as nginx has it, of a request whose sender left: for the log, nobody is answered."""

_BULK_PATHS: Final = frozenset({"/v1/users/import"})


class Door:
    """An ASGI application around the FastAPI one."""

    def __init__(self, app: FastAPI, settings: Settings) -> None:
        self._app = app
        self._logs = settings.log_requests
        lean = [route for route in app.router.routes if isinstance(route, LeanRoute)]
        self._by_path = {
            (method, route.path): route
            for route in lean
            for method in route.methods or ()
            if not route.param_convertors
        }
        self._by_pattern = [route for route in lean if route.param_convertors]
        self._direct = [route for route in lean if isinstance(route, DirectRoute)]
        self.gate = Gate(self._has_room)
        self._pending_max = settings.pending_max
        self.connections_max = settings.connections_max
        self.slow_seconds_max = settings.slow_seconds_max
        self._request_ids = itertools.count(1)
        self._request_id_prefix = secrets.token_hex(4).encode()

    @property
    def services(self) -> Services:
        """What the calls work with, once the application has started."""
        services: Services = self._app.state.services
        return services

    def _has_room(self) -> bool:
        return self.services.writer.unanswered < self._pending_max

    def direct_route(self, method: bytes, target: bytes) -> tuple[DirectRoute, str] | None:
        """The route of a request that can be answered without ASGI, and the id in its path."""
        for route in self._direct:
            if method == route.method:
                path_id = route.path_id(target)
                if path_id is not None:
                    return route, path_id
        return None

    def request_id(self, given: bytes | None) -> bytes:
        """The id of a request: what its sender gave, if it is one, or a new one."""
        if given is not None and _REQUEST_ID.fullmatch(given):
            return given
        return b"%b-%x" % (self._request_id_prefix, next(self._request_ids))

    def stop(self) -> None:
        """End the responses that never end by themselves: the server is about to stop."""
        self._app.state.services.live.end()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = perf_counter()
        answered = 0.0
        request_id = self.request_id(header_bytes(scope, b"x-request-id"))
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status, answered
            if message["type"] == "http.response.start":
                status, answered = message["status"], perf_counter()
                message["headers"] = [
                    *message["headers"],
                    (b"x-request-id", request_id),
                ]
            await send(message)

        failure: Exception | None = None
        try:
            await self._pass_on(scope, receive, send_with_id)
        except ConnectionResetError:
            status = status or CLIENT_GONE
        except Exception as error:  # noqa: BLE001  every error gets its answer here
            failure = error
            if status == 0:
                await respond_with(send_with_id, problem_reply(problem_of_error(error)))
        # To the start of the answer: a live feed lasts as long as its reader likes.
        seconds = (answered or perf_counter()) - started
        route: Any = scope.get("route")
        call = "none" if route is None else route.name
        self.note(call, scope["method"], scope["path"], request_id, status, seconds, failure)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        length = header(scope, b"content-length")
        announced = int(length) if length is not None and length.isdigit() else 0
        has_body = announced > 0 or header(scope, b"transfer-encoding") is not None
        if has_body and scope["path"] not in _BULK_PATHS:
            require_json(header_bytes(scope, b"content-type"))
            if announced > BODY_BYTES_MAX:
                raise too_large()
        route = self._by_path.get((scope["method"], scope["path"])) or self._match(scope)
        if route is None:
            await self._app(scope, receive, send)
        else:
            scope["app"] = self._app
            scope["route"] = route
            await route.app(scope, receive, send)

    def _match(self, scope: Scope) -> LeanRoute | None:
        for route in self._by_pattern:
            if scope["method"] in (route.methods or ()):
                found = route.path_regex.match(scope["path"])
                if found is not None:
                    scope["path_params"] = found.groupdict()
                    return route
        return None

    def note(
        self,
        call: str,
        method: str,
        path: str,
        request_id: bytes,
        status: int,
        seconds: float,
        failure: Exception | None,
    ) -> None:
        """Measure and log a request that was answered."""
        metrics.count_request(call, status, seconds)
        failed = status >= 500 or seconds > _SLOW_SECONDS
        if self._logs == "all" or (failed and self._logs == "failures"):
            _log.log(
                logging.ERROR if status >= 500 else logging.INFO,
                "request",
                exc_info=failure if status == 500 else None,
                extra={
                    "request_id": request_id.decode(),
                    "method": method,
                    "path": path,
                    "call": call,
                    "status": status,
                    "ms": round(seconds * 1000, 1),
                    "reason": str(failure.__cause__ or failure) if failure else None,
                },
            )
