"""Routes that are documented like every other and answered without FastAPI's machinery."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from api.access import ROLES_OF_CALL, principal_of
from api.asgi import header, read_body, respond_with
from api.direct import Asked, DirectCall, Later, Reply, fields_of

_ID_LENGTH: Final = 36


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
    """A route that `api.exchange` can answer without ASGI; see `api.direct`.

    Its path has an id in one place or in none.
    """

    def __init__(
        self,
        path: str,
        endpoint: Callable[..., Any],
        *,
        call: DirectCall,
        method: str = "POST",
        handler: ASGIApp | None = None,
        **described: Any,
    ) -> None:
        """``handler`` answers what is unusual, where that is more than ``call`` can."""
        super().__init__(
            path, endpoint, handler=handler or self._answer, methods=[method], **described
        )
        self.call = call
        self.method = method.encode()
        self.is_public = self.name not in ROLES_OF_CALL
        head, _, rest = path.partition("{")
        self._parameter, _, tail = rest.partition("}")
        self._head, self._tail = head.encode(), tail.encode()

    def path_id(self, target: bytes) -> str | None:
        """The id in the path of a request to this route, empty without one; None for another."""
        if not self._parameter:
            return "" if target == self._head else None
        found = target.removeprefix(self._head).removesuffix(self._tail)
        if len(found) != _ID_LENGTH or target != b"".join((self._head, found, self._tail)):
            return None
        return str(found, "latin-1")

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        services = scope["app"].state.services
        authorization = header(scope, b"authorization")
        sender = (
            None
            if self.is_public
            else await principal_of(services.access, authorization, self.name)
        )
        body = await read_body(receive)
        path_id = scope.get("path_params", {}).get(self._parameter, "")
        asked = Asked(sender, fields_of(scope["headers"]), body, path_id)
        step: Reply | Later[Any] = self.call(services, asked)
        while isinstance(step, Later):
            step = step.then(await asyncio.shield(step.outcome))
        await respond_with(send, step)
