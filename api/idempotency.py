"""Idempotency keys: safe retries, told apart by sender, kept as digests.

A key belongs to the API key that sent it. It is bound when something is written: a refusal leaves
nothing behind, so the same request with the same key is then decided afresh.
"""

import hashlib
import re
from typing import Annotated, Any, Final

import orjson
from fastapi import Header

from api.problems import Problem
from ledger.values import ActorId

_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",
        description="Makes repeating the request safe: 1 to 255 printable ASCII characters "
        "without space, new for each booking.",
    ),
]


def digests(
    actor: ActorId, key: str | None, call: str, request: dict[str, Any]
) -> tuple[bytes, bytes] | tuple[None, None]:
    """SHA-256 digests of the key as ``actor`` owns it, and of what it asks for.

    The request is hashed as understood, defaults filled in, so that layout and order of a body do
    not matter. Raises the `Problem` of a key that is not 1 to 255 visible ASCII characters.
    """
    if key is None:
        return None, None
    if not _KEY.fullmatch(key):
        raise Problem(
            "validation",
            "Idempotency-Key must be 1 to 255 visible ASCII characters.",
            errors=[{"at": ["header", "Idempotency-Key"], "why": "not visible ASCII"}],
        )
    asked = orjson.dumps([call, request], option=orjson.OPT_SORT_KEYS)
    return (
        hashlib.sha256(actor.bytes + key.encode("ascii")).digest(),
        hashlib.sha256(asked).digest(),
    )
