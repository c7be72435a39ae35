"""A call as a value: what to send, how to read the answer, and whether it may be sent again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Protocol, Self, TypeVar
from uuid import uuid4

from pydantic import BaseModel

T_co = TypeVar("T_co", covariant=True)
M = TypeVar("M", bound=BaseModel)


class Reader(Protocol[T_co]):
    """Reads the body of a good answer; ValueError when it is none."""

    def __call__(self, body: bytes, /) -> T_co: ...


class PageOf(Protocol[T_co]):
    """What every page of a list has."""

    @property
    def items(self) -> Sequence[T_co]: ...
    @property
    def next_cursor(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Call(Generic[T_co]):
    """One call of the API. Sending it twice does once what it asks for, if ``is_repeatable``."""

    method: str
    path: str
    read: Reader[T_co]
    is_repeatable: bool
    content: bytes = b""
    content_type: str | None = None
    parameters: Mapping[str, str | int] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def after(self, cursor: str) -> Self:
        """The same list, from where a page of it ended."""
        return replace(self, parameters={**self.parameters, "cursor": cursor})


def model(kind: type[M]) -> Reader[M]:
    """Reads a body of ours. Fields that a newer server adds are passed over."""
    return lambda body: kind.model_validate_json(body, extra="ignore")


def get(path: str, read: Reader[T_co], **parameters: str | int | None) -> Call[T_co]:
    given = {name: value for name, value in parameters.items() if value is not None}
    return Call("GET", path, read, is_repeatable=True, parameters=given)


def send(
    method: str,
    path: str,
    read: Reader[T_co],
    body: BaseModel | None = None,
    *,
    is_repeatable: bool,
    headers: Mapping[str, str] | None = None,
) -> Call[T_co]:
    content = b"" if body is None else body.model_dump_json(exclude_unset=True).encode()
    content_type = None if body is None else "application/json"
    return Call(
        method, path, read, is_repeatable, content, content_type, headers=dict(headers or {})
    )


def keyed(key: str | None) -> dict[str, Any]:
    """What makes a call repeatable: an idempotency key, the caller's or a new one."""
    return {"is_repeatable": True, "headers": {"Idempotency-Key": key or str(uuid4())}}
