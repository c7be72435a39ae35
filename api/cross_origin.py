"""Other origins: which pages elsewhere may call, in browsers that ask first (CORS)."""

from typing import Final

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.types import Receive, Scope, Send

from api.door import Door
from api.routing import DirectRoute
from api.settings import Settings

_METHODS: Final = ("GET", "POST", "PATCH", "DELETE")
_SENT: Final = (
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "If-None-Match",
    "Last-Event-ID",
    "X-Request-ID",
)
_READ: Final = (
    "ETag",
    "Idempotency-Replayed",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "X-Request-ID",
)


class CrossOriginDoor(Door):
    """A door that answers pages of other origins too; no cookies, as keys are sent in a header."""

    def __init__(self, app: FastAPI, settings: Settings, origins: list[str]) -> None:
        super().__init__(app, settings)
        self._for_all = CORSMiddleware(
            super().__call__,
            allow_origins=origins,
            allow_methods=_METHODS,
            allow_headers=_SENT,
            expose_headers=_READ,
        )

    def direct_route(self, method: bytes, target: bytes) -> tuple[DirectRoute, str] | None:  # noqa: ARG002  a direct reply would lack the headers
        return None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._for_all(scope, receive, send)
