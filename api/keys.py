"""API keys: made once, stored as hashes, looked up in memory."""

import asyncio
import hashlib
import logging
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import inf
from time import monotonic
from typing import Final

from api.rates import Rate
from ledger.database import DatabaseUnavailable, Pool
from ledger.directory import Key, ValidKey, find_keys
from ledger.values import ActorId, UserId

_log = logging.getLogger(__name__)

REVOKED_SECONDS_MAX: Final = 5.0
"""How long after a key was revoked some process may still let it in."""

_CHECK_SECONDS: Final = 2.0
_TRUST_SECONDS: Final = 4.0
_HOLD_SECONDS: Final = 60.0
_FIND_SECONDS_MIN: Final = 0.05
_CHECKED_AT_ONCE: Final = 1_000


class Role(StrEnum):
    CLIENT = "client"
    ORGANIZER = "organizer"
    AUDITOR = "auditor"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who sends a request, and what bounds it.

    ``key_id`` is what the ledger keeps as actor. ``scopes`` name the only calls it may make, if not
    None. With a ``user_id`` it acts for that user alone. It is one until ``ends_at``, in seconds of
    `time.monotonic`.
    """

    key_id: ActorId
    roles: frozenset[Role]
    scopes: frozenset[str] | None = None
    user_id: UserId | None = None
    rate: Rate | None = None
    ends_at: float = inf

    def may_see(self, made_by: ActorId, user_id: UserId) -> bool:
        """Whether what ``made_by`` booked, held or waits for, for ``user_id``, is its own.

        A client's is what its key made, or with a user what that user has; all others see all.
        """
        if Role.CLIENT not in self.roles:
            return True
        return made_by == self.key_id if self.user_id is None else user_id == self.user_id


def new_key(role: Role) -> str:
    """A fresh key with 256 random bits; its prefix tells people and secret scanners what it is."""
    return f"ft_{role}_{secrets.token_urlsafe(32)}"


def hash_of(key: str) -> bytes:
    """What is stored of a key. SHA-256 suffices: there is nothing to guess in 256 random bits."""
    return hashlib.sha256(key.encode()).digest()


def rate_of(key: Key | ValidKey) -> Rate | None:
    """How often a key may call, if that is bounded."""
    if key.rate_requests is None or key.rate_seconds is None:
        return None
    return Rate(key.rate_requests, key.rate_seconds)


class KeyRing:
    """The keys in use here, held in memory and looked at again every `_CHECK_SECONDS`.

    When that fails they are trusted for `_TRUST_SECONDS` since it last succeeded, and then each use
    asks: so a revoked key is let in for `REVOKED_SECONDS_MAX` at most, whatever is away. Keys not
    used for a minute or two are dropped.

    A key not held is asked for together with all others of that moment, and at most every
    `_FIND_SECONDS_MIN`, so guessing keys costs the database next to nothing.
    """

    def __init__(self, pool: Pool, *, clock: Callable[[], float] = monotonic) -> None:
        self._pool = pool
        self._clock = clock
        self._used: dict[bytes, Principal] = {}
        self._used_before: dict[bytes, Principal] = {}
        self._aged_at = clock()
        self._trusted_until = -inf
        self._wanted: set[bytes] = set()
        self._finding: asyncio.Task[None] | None = None
        self._found_at = -inf

    def known(self, key: str) -> Principal | None:
        """Whose valid key this is, as far as memory can tell."""
        key_hash = hash_of(key)
        principal = self._used.get(key_hash)
        if principal is None:
            principal = self._used_before.get(key_hash)
            if principal is None:
                return None
            self._used[key_hash] = principal
        now = self._clock()
        return principal if now < self._trusted_until and now < principal.ends_at else None

    async def find(self, key: str) -> Principal | None:
        """Whose valid key this is; raises `DatabaseUnavailable` if that cannot be told."""
        principal = self.known(key)
        if principal is not None:
            return principal
        key_hash = hash_of(key)
        self._wanted.add(key_hash)
        if self._finding is None:
            self._finding = asyncio.create_task(self._find_wanted())
        await asyncio.shield(self._finding)
        return self._used.get(key_hash) or self._used_before.get(key_hash)

    async def keep_fresh(self) -> None:
        """Look at the keys now and then; runs until cancelled."""
        while True:
            try:
                await self.check()
            except DatabaseUnavailable:
                _log.warning("keys could not be looked at again; they are trusted for seconds only")
            await asyncio.sleep(_CHECK_SECONDS)

    async def _find_wanted(self) -> None:
        await asyncio.sleep(self._found_at + _FIND_SECONDS_MIN - self._clock())
        # From here on who comes is too late for this question, and asks the next.
        wanted, self._wanted, self._finding = self._wanted, set(), None
        self._found_at = self._clock()
        await self._look_at(list(wanted))

    async def check(self) -> None:
        """Look at all that are held once; raises `DatabaseUnavailable`."""
        started = self._clock()
        if started - self._aged_at > _HOLD_SECONDS:
            self._used_before, self._used, self._aged_at = self._used, {}, started
        held = list({**self._used_before, **self._used})
        for first in range(0, len(held), _CHECKED_AT_ONCE):
            await self._look_at(held[first : first + _CHECKED_AT_ONCE])
        self._trusted_until = started + _TRUST_SECONDS

    async def _look_at(self, key_hashes: Sequence[bytes]) -> None:
        """Hold those of the keys that are valid, and no other of them."""
        asked_at = self._clock()
        valid = await find_keys(self._pool, key_hashes)
        for key_hash in key_hashes:
            was_idle = key_hash not in self._used and key_hash in self._used_before
            held = self._used_before if was_idle else self._used
            if key_hash in valid:
                held[key_hash] = _principal(valid[key_hash], asked_at)
            else:
                self._used.pop(key_hash, None)
                self._used_before.pop(key_hash, None)


def _principal(key: ValidKey, asked_at: float) -> Principal:
    return Principal(
        key_id=key.key_id,
        roles=frozenset({Role(key.role)}),
        scopes=None if key.scopes is None else frozenset(key.scopes),
        user_id=key.user_id,
        rate=rate_of(key),
        ends_at=inf if key.valid_us is None else asked_at + key.valid_us / 1_000_000,
    )
