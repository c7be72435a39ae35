"""Routes that are documented like every other and answered without FastAPI's machinery."""

import asyncio
from collections.abc import Callable
from typing import Any

from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from api.access import principal_of
from api.asgi import header, read_body, respond_with
from api.direct import DirectCall, fields_of


class LeanRoute(APIRoute):
    """``endpoint`` gives the signature for the OpenAPI page; ``handler`` answers the requests.

    For the few calls that carry the load: validation of parameters, dependencies and responses is
    the handler's own work.
    """

    def __init__(
        self, path: str, endpoint: Callable[..., Any], *, handler: ASGIApp, **described: Any
    ) -> None:
        super().__init__(path, endpoint, operation_id=endpoint.__name__, **described)
        self.app = handler


class DirectRoute(LeanRoute):
    """A route without parameters that `api.exchange` can answer without ASGI; see `api.direct`."""

    def __init__(
        self, path: str, endpoint: Callable[..., Any], *, call: DirectCall, **described: Any
    ) -> None:
        super().__init__(path, endpoint, handler=self._answer, **described)
        self.call = call

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        services = scope["app"].state.services
        authorization = header(scope, b"authorization")
        principal = await principal_of(services.access, authorization, self.name)
        body = await read_body(receive)
        later = self.call(services, principal, fields_of(scope["headers"]), body)
        await respond_with(send, later.reply(await asyncio.shield(later.outcome)))
