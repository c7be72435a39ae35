"""Pages: an opaque cursor that says where the last one ended.

A cursor is the unpadded base64url (RFC 4648 section 5) of the id that a page ended with.
"""

import base64
from collections.abc import Callable, Sequence
from typing import Annotated, Final, TypeVar
from uuid import UUID

from fastapi import Query

from projections.queries import NIL

LIMIT_MAX: Final = 10_000

T = TypeVar("T")

Limit = Annotated[int, Query(ge=1, le=LIMIT_MAX, description="Items on a page.")]
Cursor = Annotated[
    str | None,
    Query(
        # 16 bytes in 22 characters: the last has bits to spare, which are zero.
        pattern="^[A-Za-z0-9_-]{21}[AQgw]$",
        description="`next_cursor` of the page before.",
    ),
]


def position(cursor: str | None) -> UUID:
    """Where a page starts.

    A cursor holds an id and nothing else, and what a page shows is up to the key: whoever makes a
    cursor up sees no more than paging shows.
    """
    return NIL if cursor is None else UUID(bytes=base64.urlsafe_b64decode(cursor + "=="))


def next_cursor(items: Sequence[T], limit: int, id_of: Callable[[T], UUID]) -> str | None:
    """The cursor after a page, None when it was not full and so the last."""
    if len(items) < limit:
        return None
    return base64.urlsafe_b64encode(id_of(items[-1]).bytes).rstrip(b"=").decode()
