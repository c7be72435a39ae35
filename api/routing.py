"""A route that is documented like every other and answered without FastAPI's machinery."""

from collections.abc import Callable
from typing import Any

from fastapi.routing import APIRoute
from starlette.types import ASGIApp


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
