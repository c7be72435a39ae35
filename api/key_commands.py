"""API keys from the command line."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final

import orjson

from api.keys import rate_of
from api.new_keys import Contradictory, KeyTerms, make_key
from api.times import instant_of, now, rfc3339
from ledger import directory
from ledger.database import Pool, open_pool
from ledger.values import ActorId, Instant
from projections.queries import NIL, Queries

_PAGE_KEYS: Final = 1_000
_SPAN: Final = re.compile(r"([1-9]\d{0,5})([mhd])", re.ASCII)
_UNIT_MICROSECONDS: Final = {"m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}


async def create_key(url: str, *, role: str | None, terms: KeyTerms) -> tuple[directory.Key, str]:
    """A new key and its text, of which only the hash is stored.

    Raises `Contradictory` for a user that there is not.
    """
    async with _pool(url, role) as pool:
        if terms.user_id is not None and await Queries(pool).user(terms.user_id) is None:
            raise Contradictory("user_id", f"there is no user {terms.user_id}")
        return await make_key(pool, terms)


async def all_keys(url: str, *, role: str | None) -> list[directory.Key]:
    """Every key ever made, in order of creation."""
    keys: list[directory.Key] = []
    async with _pool(url, role) as pool:
        while page := await directory.list_keys(pool, keys[-1].key_id if keys else NIL, _PAGE_KEYS):
            keys += page
    return keys


async def revoke_key(url: str, *, role: str | None, key_id: ActorId) -> directory.Key | None:
    """The key, ended now or before; None if there is none."""
    async with _pool(url, role) as pool:
        return await directory.revoke_key(pool, key_id)


def expiry(text: str) -> Instant:
    """When a key ends that is to end at an RFC 3339 time, or after a span such as ``30d``, ``12h``
    or ``45m``; raises ValueError.
    """
    span = _SPAN.fullmatch(text)
    if span is not None:
        return Instant(now() + int(span[1]) * _UNIT_MICROSECONDS[span[2]])
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("has no offset from UTC")
    if instant_of(moment) <= now():
        raise ValueError("is over")
    return instant_of(moment)


def key_as_text(key: directory.Key) -> str:
    """A key in a line: its id, what it is for, and how it stands."""
    bounds = {
        "user": key.user_id,
        "rate": rate_of(key),
        "expires": None if key.expires_at is None else rfc3339(key.expires_at),
        "only": None if key.scopes is None else ",".join(key.scopes),
    }
    words = [f"{name} {value}" for name, value in bounds.items() if value is not None]
    return "  ".join([str(key.key_id), f"{key.role:<9}", f"{_standing(key):<7}", key.name, *words])


def key_as_json(key: directory.Key) -> str:
    """A key as a JSON object."""
    rate = rate_of(key)
    return orjson.dumps(
        {
            "key_id": key.key_id,
            "name": key.name,
            "role": key.role,
            "scopes": key.scopes,
            "user_id": key.user_id,
            "rate": None if rate is None else str(rate),
            "created_at": rfc3339(key.created_at),
            "expires_at": None if key.expires_at is None else rfc3339(key.expires_at),
            "revoked_at": None if key.revoked_at is None else rfc3339(key.revoked_at),
        }
    ).decode()


def _standing(key: directory.Key) -> str:
    if key.revoked_at is not None:
        return "revoked"
    return "valid" if key.expires_at is None or key.expires_at > now() else "expired"


@asynccontextmanager
async def _pool(url: str, role: str | None) -> AsyncIterator[Pool]:
    async with open_pool(url, role=role, size_max=1, name="command") as pool:
        yield pool
