"""API keys: made once, stored as hashes, looked up in memory."""

import asyncio
import hashlib
import logging
import secrets
from dataclasses import dataclass
from enum import StrEnum
from time import monotonic
from typing import Final

from ledger.database import DatabaseUnavailable, Pool
from ledger.directory import list_keys
from ledger.values import ActorId

_log = logging.getLogger(__name__)

_REFRESH_SECONDS: Final = 2.0
_REFRESH_SECONDS_MIN: Final = 0.1


class Role(StrEnum):
    CLIENT = "client"
    ORGANIZER = "organizer"
    AUDITOR = "auditor"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who sends a request: the key's id, which the ledger keeps as actor, and its role."""

    key_id: ActorId
    role: Role


def new_key(role: Role) -> str:
    """A fresh key with 256 random bits; its prefix tells people and secret scanners what it is."""
    return f"ft_{role}_{secrets.token_urlsafe(32)}"


def hash_of(key: str) -> bytes:
    """What is stored of a key. SHA-256 suffices: there is nothing to guess in 256 random bits."""
    return hashlib.sha256(key.encode()).digest()


class KeyRing:
    """All keys, held in memory and read again every `_REFRESH_SECONDS`.

    A key not held may be new: then the table is read again, once for all who wait and at most
    every `_REFRESH_SECONDS_MIN`, so guessing keys costs the database next to nothing.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._principals: dict[bytes, Principal] = {}
        self._refreshed_at = float("-inf")
        self._refreshing = asyncio.Lock()

    def known(self, key: str) -> Principal | None:
        """Whose key this is, as far as memory tells."""
        return self._principals.get(hash_of(key))

    async def find(self, key: str) -> Principal | None:
        """Whose key this is; raises `DatabaseUnavailable` if it might be new and cannot be read."""
        principal = self.known(key)
        if principal is not None:
            return principal
        asked_at = monotonic()
        async with self._refreshing:
            if self._refreshed_at < asked_at:
                await asyncio.sleep(self._refreshed_at + _REFRESH_SECONDS_MIN - asked_at)
                await self._refresh()
        return self.known(key)

    async def keep_fresh(self) -> None:
        """Read the keys now and then; runs until cancelled."""
        while True:
            try:
                async with self._refreshing:
                    await self._refresh()
            except DatabaseUnavailable:
                _log.warning("keys could not be read again; those held stay valid")
            await asyncio.sleep(_REFRESH_SECONDS)

    async def _refresh(self) -> None:
        started = monotonic()
        rows = await list_keys(self._pool)
        self._principals = {
            key_hash: Principal(ActorId(key_id), Role(role))
            for key_hash, (key_id, role) in rows.items()
        }
        self._refreshed_at = started
