"""The few ASGI steps that the hot calls take themselves."""

from typing import Final

from starlette.types import Receive, Scope, Send

from api.direct import Reply
from api.problems import Problem

BODY_BYTES_MAX: Final = 64 * 1024


def header_bytes(scope: Scope, name: bytes) -> bytes | None:
    """The value of a request header, ``name`` in lower case."""
    for key, value in scope["headers"]:
        if key == name:
            found: bytes = value
            return found
    return None


def header(scope: Scope, name: bytes) -> str | None:
    """As `header_bytes`, as text."""
    value = header_bytes(scope, name)
    return None if value is None else str(value, "latin-1")


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


async def respond_with(send: Send, reply: Reply) -> None:
    """A whole response in two messages."""
    await send(
        {
            "type": "http.response.start",
            "status": reply.status,
            "headers": [
                (b"content-type", reply.content_type),
                (b"content-length", str(len(reply.body)).encode()),
                *reply.headers,
            ],
        }
    )
    await send({"type": "http.response.body", "body": reply.body})
