"""The ASGI application: calls, problems and services put together."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match
from starlette.types import ASGIApp

from api.asgi import BODY_BYTES_MAX, too_large
from api.cross_origin import CrossOriginDoor
from api.documents import with_problem_schema
from api.door import CLIENT_GONE, Door
from api.examples import with_examples
from api.links import with_links
from api.problems import MEDIA_TYPE, Problem, problem_of_error
from api.routes import (
    bookings,
    carts,
    directory,
    docs,
    erasure,
    events,
    figures,
    holds,
    keys,
    ledger,
    live,
    operations,
    pages,
    past,
    receipts,
    tickets,
    tlog,
    waiting,
    webhooks,
)
from api.services import open_services
from api.settings import Settings
from api.validation import validation_problem
from ledger.database import DatabaseUnavailable, StreamLocked

_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_CODES = {404: "not-found", 405: "method-not-allowed", 400: "malformed-json"}


class _Application(FastAPI):
    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            self.openapi_schema = with_links(with_examples(with_problem_schema(super().openapi())))
        return self.openapi_schema


def create_app(
    settings: Settings | None = None, *, on_shutdown: Callable[[], None] | None = None
) -> ASGIApp:
    """The application on the servers that ``settings``, or the environment, name.

    ``on_shutdown`` is called when all requests are answered, before connections are closed.
    """
    settings = settings or Settings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_services(settings) as services:
            app.state.services = services
            app.state.access = services.access
            yield
            if on_shutdown is not None:
                on_shutdown()

    app = _Application(
        title="FlashTicket",
        description="A booking ledger: every booking is an entry, every entry can be proved.",
        version="1",
        lifespan=lifespan,
        webhooks=webhooks.outgoing,
        max_body_size=BODY_BYTES_MAX,
        # As the lean routes do: the door refuses any other type, and who names none sends JSON.
        strict_content_type=False,
        # A redirect would be built from the Host header and repeat the key to wherever that names.
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
        docs_url=None,
        redoc_url=None,
        exception_handlers={
            Problem: _answer_error,
            DatabaseUnavailable: _answer_error,
            StreamLocked: _answer_error,
            RequestValidationError: _answer_invalid,
            HTTPException: _answer_http,
            ClientDisconnect: _answer_nobody,
            Exception: _answer_error,
        },
    )
    app.router.routes.append(bookings.book_seats_route())
    app.router.routes.append(holds.hold_route())
    app.router.routes.append(holds.confirmation_route())
    app.router.routes.append(events.availability_route())
    app.router.routes.append(live.live_route())
    for calls in (
        bookings,
        receipts,
        carts,
        holds,
        waiting,
        tickets,
        events,
        figures,
        past,
        directory,
        keys,
        erasure,
        ledger,
        tlog,
        webhooks,
        operations,
        docs,
        pages,
    ):
        app.include_router(calls.router)
    app.router.routes.append(docs.assets())
    if settings.allowed_origins is not None:
        return CrossOriginDoor(app, settings, settings.allowed_origins.split(","))
    return Door(app, settings)


async def _answer_error(_: Request, error: Exception) -> Response:
    return _response(problem_of_error(error))


async def _answer_invalid(_: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    return _response(validation_problem(error.errors()))


async def _answer_http(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    if error.status_code == 413:
        return _response(too_large())
    code = _CODES.get(error.status_code)
    if code is None:
        raise error
    headers = {"Allow": _methods_at(request)} if error.status_code == 405 else error.headers
    return _response(Problem(code, str(error.detail), headers=headers))


async def _answer_nobody(_: Request, error: Exception) -> Response:
    if not isinstance(error, ClientDisconnect):
        raise error
    return Response(status_code=CLIENT_GONE)


def _methods_at(request: Request) -> str:
    """All methods of a path; the router itself names only those of the first route that fits."""
    routes = request.app.router.routes
    return ", ".join(
        method
        for method in _METHODS
        if any(
            route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes
        )
    )


def _response(problem: Problem) -> Response:
    return Response(problem.body(), problem.status, headers=problem.headers, media_type=MEDIA_TYPE)
