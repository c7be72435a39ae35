"""Direct calls: answered from a request's bytes, with no ASGI and no task between.

Of what a booking costs, handing it through ASGI as a scope, a task and four messages was a third
(docs/decisions/0046). A direct call is a plain function that starts the work and says how its
outcome becomes the reply; what the door does for every other call is done here for this one. Where
a request is unusual (chunked, pipelined, HTTP/1.0) the same function is called through ASGI.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, TypeVar

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from api.problems import MEDIA_TYPE, Problem

if TYPE_CHECKING:
    import asyncio

    from api.keys import Principal
    from api.services import Services

T = TypeVar("T")

JSON: Final = b"application/json"
_PROBLEM: Final = MEDIA_TYPE.encode()


@dataclass(slots=True)
class Reply:
    """A whole response, but for what every response has."""

    status: int
    body: bytes
    content_type: bytes = JSON
    headers: Sequence[tuple[bytes, bytes]] = ()


class Later(NamedTuple, Generic[T]):
    """Work that goes on, and what its outcome leads to: the reply, or more work. Both may raise."""

    outcome: "asyncio.Future[T]"
    then: "Callable[[T], Reply | Later[Any]]"


Fields = Mapping[bytes, bytes]
"""Request headers by lower-case name; of one that is repeated, the first."""


@dataclass(slots=True)
class Asked:
    """A direct call as it was made: by whom, the request, and the id in its path, if it has one."""

    sender: "Principal | None"
    """None for a public call."""
    fields: Fields
    body: bytes
    path_id: str

    @property
    def principal(self) -> "Principal":
        """Who makes a call that is not public."""
        if self.sender is None:
            raise AssertionError("a public call asks who makes it")
        return self.sender

    def header(self, name: bytes) -> str | None:
        """The value of a header as text."""
        return field_text(self.fields, name)


DirectCall = Callable[["Services", Asked], Later[Any]]
"""Starts a call for whoever may make it; may raise."""


def require_json(content_type: bytes | None) -> None:
    """Raise the `Problem` of a body that is said to be anything but JSON."""
    if content_type is None or content_type == JSON:
        return
    media_type = content_type.partition(b";")[0].strip().lower()
    if media_type != JSON:
        said = str(content_type[:100], "latin-1")
        raise Problem("unsupported-media-type", f"The body is said to be {said!r}.")


def fields_of(headers: Sequence[tuple[bytes, bytes]]) -> Fields:
    return dict(reversed(headers))


def field_text(fields: Fields, name: bytes) -> str | None:
    """The value of a header as text."""
    value = fields.get(name)
    return None if value is None else str(value, "latin-1")


def problem_reply(problem: Problem) -> Reply:
    """A problem document as the reply."""
    headers = [(name.lower().encode(), value.encode()) for name, value in problem.headers.items()]
    return Reply(problem.status, problem.body(), _PROBLEM, headers)


def response_bytes(
    reply: Reply,
    request_id: bytes,
    default_headers: Sequence[tuple[bytes, bytes]],
    *,
    keep_alive: bool,
) -> bytes:
    """``reply`` as HTTP/1.1 (RFC 9112)."""
    parts = [
        STATUS_LINE[reply.status],
        b"content-type: ",
        reply.content_type,
        b"\r\ncontent-length: %d\r\nx-request-id: %b\r\n" % (len(reply.body), request_id),
    ]
    for name, value in (*default_headers, *reply.headers):
        parts += (name, b": ", value, b"\r\n")
    if not keep_alive:
        parts.append(b"connection: close\r\n")
    parts += (b"\r\n", reply.body)
    return b"".join(parts)
