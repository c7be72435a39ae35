"""The live feed: availability as server-sent events (WHATWG HTML, section 9.2)."""

import asyncio
import socket
from typing import Annotated, Final
from uuid import UUID

from fastapi import Header, Response
from starlette.types import Receive, Scope, Send

from api import metrics
from api.asgi import header
from api.documents import problems
from api.live import Ended, Full, Listener, Live
from api.problems import Problem
from api.protocol import transport_of
from api.routing import LeanRoute
from ledger.values import EventId

_HEADERS: Final = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # nginx would keep events back until it has a buffer full
]

# A reader that stops is noticed once these are full: small, and ten thousand of them stay small.
_SYSTEM_BUFFER_BYTES: Final = 16 * 1024
_OWN_BUFFER_BYTES: Final = 4 * 1024

_EXAMPLE: Final = (
    'id: 17\ndata: {"event_id":"0198c5a2-6f40-7cc2-b1a5-5d3e0a9b7c11","capacity":1000,'
    '"booked":15,"held":1,"available":984,"version":17,"as_of":"2026-12-31T19:00:00.000000Z"}\n\n'
)

_EVENT: Final = {
    "type": "object",
    "description": "One event of the stream",
    "required": ["id", "data"],
    "properties": {
        "id": {"type": "string", "pattern": "^[0-9]+$", "description": "The version"},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": {"$ref": "#/components/schemas/Availability"},
        },
    },
}


async def answer_watch_availability(scope: Scope, receive: Receive, send: Send) -> None:
    """GET /v1/events/{event_id}/live."""
    live: Live = scope["app"].state.services.live
    try:
        event_id = EventId(UUID(scope["path_params"]["event_id"]))
    except ValueError:
        raise Problem("event-not-found", "An event's id is a UUID.") from None
    try:
        async with live.listening(event_id, _after_version(scope)) as listener:
            if listener is None:
                raise Problem("event-not-found", f"There is no event {event_id}.")
            await _stream(listener, scope, receive, send)
    except Full:
        raise Problem("overloaded", "Too many are listening here. Poll instead.") from None
    except Ended:
        raise Problem("unavailable", "We are shutting down.") from None


async def _stream(listener: Listener, scope: Scope, receive: Receive, send: Send) -> None:
    transport = transport_of(scope)
    if transport is not None:
        transport.set_write_buffer_limits(high=_OWN_BUFFER_BYTES)
        connection: socket.socket = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SYSTEM_BUFFER_BYTES)

    async def write(frame: bytes) -> None:
        await send({"type": "http.response.body", "body": frame, "more_body": True})

    gone = asyncio.create_task(_until_gone(receive))
    gone.add_done_callback(lambda _: listener.end())
    try:
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        await listener.deliver(write)
    except TimeoutError:
        metrics.LIVE_DROPPED.inc()
        if transport is None:
            raise ConnectionResetError("the reader of a live feed does not read") from None
        transport.abort()  # a mere close would wait for the reader to take what is buffered
    finally:
        gone.cancel()
    await send({"type": "http.response.body", "body": b""})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _after_version(scope: Scope) -> int:
    """The version that a client has seen already; what is none of ours counts as none."""
    text = header(scope, b"last-event-id") or ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0


async def watch_availability(
    event_id: UUID,
    last_event_id: Annotated[
        str | None, Header(description="The last `id` received; browsers send it by themselves.")
    ] = None,
) -> None:
    """How many places are left, told as it changes: server-sent events of `Availability`.

    The `id` of each is its version, which never goes back; with `Last-Event-ID` nothing that old
    is sent again. Some versions may be left out, the newest never is. Comments keep the connection
    alive. The feed ends when the server stops; `EventSource` then connects again by itself.
    """


def live_route() -> LeanRoute:
    """The documented route of `answer_watch_availability`."""
    return LeanRoute(
        "/v1/events/{event_id}/live",
        watch_availability,
        handler=answer_watch_availability,
        methods=["GET"],
        tags=["events"],
        responses={
            **problems("event-not-found", "overloaded"),
            200: {
                "description": "A stream of `data:` lines, each one an Availability as JSON",
                "content": {
                    "text/event-stream": {
                        "schema": _EVENT,
                        "example": _EXAMPLE,
                    }
                },
            },
        },
        response_class=Response,
    )
