"""Pages: an opaque cursor that says where the last one ended."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Annotated, Final, TypeVar
from uuid import UUID

from fastapi import Query

from api.problems import Problem
from projections.queries import NIL

LIMIT_MAX: Final = 10_000

T = TypeVar("T")

Limit = Annotated[int, Query(ge=1, le=LIMIT_MAX, description="Items on a page.")]
Cursor = Annotated[
    str | None, Query(max_length=64, description="`next_cursor` of the page before.")
]


def position(cursor: str | None) -> UUID:
    """Where a page starts; raises the `Problem` of a cursor that none of our pages gave.

    A cursor holds an id and nothing else: whoever makes one up sees no more than paging shows.
    """
    if cursor is None:
        return NIL
    try:
        return UUID(bytes=base64.urlsafe_b64decode(cursor.encode("ascii") + b"=="))
    except (ValueError, binascii.Error) as error:
        raise Problem(
            "validation",
            "The cursor is not one that a page gave.",
            errors=[{"at": ["query", "cursor"], "why": "unknown cursor"}],
        ) from error


def next_cursor(items: Sequence[T], limit: int, id_of: Callable[[T], UUID]) -> str | None:
    """The cursor after a page, None when it was not full and so the last."""
    if len(items) < limit:
        return None
    return base64.urlsafe_b64encode(id_of(items[-1]).bytes).rstrip(b"=").decode()
