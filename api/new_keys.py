"""Making keys: what a key may be bounded by, and storing one by its hash."""

from collections.abc import Iterable
from dataclasses import dataclass

from uuid_utils.compat import uuid7

from api.access import ROLES_OF_CALL
from api.keys import Role, hash_of, new_key
from api.rates import Rate
from api.times import now
from ledger import directory
from ledger.database import Pool
from ledger.values import ActorId, Instant, UserId


class Contradictory(Exception):
    """Terms that no key can have."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(why)
        self.field = field


@dataclass(frozen=True, slots=True)
class KeyTerms:
    """What a key is for. Without ``scopes`` it may make every call of its role, without a user act
    for every user, without an expiry live for ever, without a rate call as often as it likes.
    """

    role: Role
    name: str = ""
    scopes: frozenset[str] | None = None
    user_id: UserId | None = None
    rate: Rate | None = None
    expires_at: Instant | None = None

    def __post_init__(self) -> None:
        """Raise `Contradictory` for terms that no key can have."""
        for scope in sorted(self.scopes or ()):
            if scope not in _calls_of(self.role):
                raise Contradictory("scopes", f"{scope} is no call of the role {self.role}")
        if self.scopes is not None and not self.scopes:
            raise Contradictory("scopes", "a key without any could do nothing")
        if self.user_id is not None and self.role is not Role.CLIENT:
            raise Contradictory("user_id", "only a client's key acts for one user")

    def exceeds(self, scopes: Iterable[str] | None) -> bool:
        """Whether such a key could do more than one with these ``scopes``."""
        return scopes is not None and not (self.scopes or _calls_of(self.role)) <= set(scopes)


def _calls_of(role: Role) -> set[str]:
    """The calls that a role may make."""
    return {call for call, roles in ROLES_OF_CALL.items() if role in roles}


async def make_key(pool: Pool, terms: KeyTerms) -> tuple[directory.Key, str]:
    """A new key and its text, of which only the hash is stored; raises `DatabaseUnavailable`."""
    text = new_key(terms.role)
    key = directory.Key(
        key_id=ActorId(uuid7()),
        name=terms.name,
        role=terms.role,
        scopes=None if terms.scopes is None else tuple(sorted(terms.scopes)),
        user_id=terms.user_id,
        rate_requests=None if terms.rate is None else terms.rate.requests,
        rate_seconds=None if terms.rate is None else terms.rate.seconds,
        created_at=now(),
        expires_at=terms.expires_at,
    )
    await directory.add_key(pool, key, hash_of(text))
    return key, text
