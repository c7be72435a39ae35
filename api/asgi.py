"""The few ASGI steps that the hot calls take themselves."""

from collections.abc import Iterable, Mapping
from typing import Final

from starlette.types import Receive, Scope, Send

from api.problems import MEDIA_TYPE, Problem

BODY_BYTES_MAX: Final = 64 * 1024
JSON: Final = b"application/json"


def header(scope: Scope, name: bytes) -> str | None:
    """The value of a request header, ``name`` in lower case."""
    for key, value in scope["headers"]:
        if key == name:
            return str(value, "latin-1")
    return None


async def read_body(receive: Receive) -> bytes:
    """The whole body; raises `Problem` when it is larger than `BODY_BYTES_MAX` or cut short."""
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body", False) and len(body) <= BODY_BYTES_MAX:
        message = await receive()
        body += message.get("body", b"")
    if message["type"] == "http.disconnect":
        raise ConnectionResetError("the client went away within its request")
    if len(body) > BODY_BYTES_MAX:
        raise too_large()
    return body


def too_large() -> Problem:
    return Problem("payload-too-large", f"The body is larger than {BODY_BYTES_MAX} bytes.")


async def respond(
    send: Send,
    status: int,
    body: bytes,
    *,
    content_type: bytes = JSON,
    headers: Iterable[tuple[bytes, bytes]] = (),
) -> None:
    """A whole response in two messages."""
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", content_type),
                (b"content-length", str(len(body)).encode()),
                *headers,
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})


async def respond_problem(send: Send, problem: Problem) -> None:
    """A problem document as the response."""
    await respond(
        send,
        problem.status,
        problem.body(),
        content_type=MEDIA_TYPE.encode(),
        headers=_encoded(problem.headers),
    )


def _encoded(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]
