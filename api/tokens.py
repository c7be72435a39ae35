"""Bearer tokens of an OpenID Connect issuer, for organizers and auditors.

A token is a JWT (RFC 7519) signed with a key of the issuer's key set (RFC 7517), which is found by
OpenID Connect Discovery 1.0. Only asymmetric algorithms count, whatever a token says of itself, and
each key only with the one it is for (RFC 8725, sections 3.1 and 3.2).

Keys are fetched again every `_REFRESH_SECONDS`, and at once for a key id that is new, but at most
every `_FETCH_SECONDS_MIN`. When the issuer is away the last ones hold for `TRUST_SECONDS`.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf
from time import monotonic
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

import jwt

from api.keys import Principal, Role
from ledger.values import ActorId

_log = logging.getLogger(__name__)

TRUST_SECONDS: Final = 3_600.0
_REFRESH_SECONDS: Final = 300.0
_RETRY_SECONDS: Final = 10.0
_FETCH_SECONDS_MIN: Final = 5.0
_ANSWER_SECONDS_MAX: Final = 1.5
_LEEWAY_SECONDS: Final = 30
_DISCOVERY: Final = "/.well-known/openid-configuration"
_ALGORITHMS: Final = (
    *("RS256", "RS384", "RS512"),
    *("PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512"),
    "EdDSA",
)

Fetch = Callable[[str], Mapping[str, Any]]
"""The JSON object at a URL; raises `jwt.PyJWTError`, OSError or ValueError."""


class TokenRefused(Exception):
    """A token that says nothing, and why."""


class IssuerAway(Exception):
    """The issuer's keys can't be had, so nobody can tell what a token says."""


@dataclass(frozen=True, slots=True)
class Issuer:
    """Whose tokens count, for whom they must be, and what in them gives a role."""

    url: str
    audience: str
    roles_claim: str
    role_of: Mapping[str, Role]


def is_token(credential: str) -> bool:
    """Whether this looks like a token; a key of ours has no dot."""
    return credential.count(".") == 2


def fetch_json(url: str) -> Mapping[str, Any]:
    """See `Fetch`. Follows no redirect: it would decide whom to trust."""
    client = jwt.PyJWKClient(url, cache_jwk_set=False, timeout=_ANSWER_SECONDS_MAX)
    found: Mapping[str, Any] = client.fetch_data()
    return found


class Tokens:
    """Tells whom a token speaks for."""

    def __init__(
        self,
        issuer: Issuer,
        *,
        fetch: Fetch = fetch_json,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._issuer = issuer
        self._fetch = fetch
        self._clock = clock
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at = -inf
        self._tried_at = -inf
        self._trying: asyncio.Task[None] | None = None

    async def principal(self, token: str) -> Principal:
        """Whom ``token`` speaks for; raises `TokenRefused`, or `IssuerAway`."""
        try:
            key = await self._key(jwt.get_unverified_header(token).get("kid"))
            claims = jwt.decode(
                token,
                key,
                algorithms=_ALGORITHMS,
                audience=self._issuer.audience,
                issuer=self._issuer.url,
                leeway=_LEEWAY_SECONDS,
                options={
                    "require": ["exp", "iss", "aud", "sub"],
                    "enforce_minimum_key_length": True,
                },
            )
        except jwt.ExpiredSignatureError:
            raise TokenRefused("is expired") from None
        except jwt.InvalidAudienceError:
            raise TokenRefused("is for another audience") from None
        except jwt.PyJWTError:
            raise TokenRefused("is not valid") from None
        # The ledger keeps who did what. It gets an id that a subject leads to, and not the subject,
        # which may be a name or an address.
        actor = uuid5(uuid5(NAMESPACE_URL, self._issuer.url), claims["sub"])
        return Principal(ActorId(actor), self._roles(claims))

    async def keep_fresh(self) -> None:
        """Fetch the keys now and then; runs until cancelled."""
        while True:
            try:
                await self._try()
            except IssuerAway as error:
                _log.warning("keys of the issuer of tokens can't be fetched: %s", error)
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                await asyncio.sleep(_REFRESH_SECONDS)

    def _roles(self, claims: Mapping[str, Any]) -> frozenset[Role]:
        said = _claim(claims, self._issuer.roles_claim)
        names = said.split() if isinstance(said, str) else said if isinstance(said, list) else []
        role_of = self._issuer.role_of
        return frozenset(
            role_of[name] for name in names if isinstance(name, str) and name in role_of
        )

    async def _key(self, key_id: object) -> jwt.PyJWK:
        if not isinstance(key_id, str):
            raise TokenRefused("names no key")
        if key_id not in self._trusted() and (
            self._clock() - self._tried_at >= _FETCH_SECONDS_MIN or self._trying is not None
        ):
            await self._try()
        keys = self._trusted()
        if key_id in keys:
            return keys[key_id]
        if self._fetched_at < self._tried_at:
            raise IssuerAway("the last try to fetch its keys failed")
        raise TokenRefused("is signed with a key that its issuer does not have")

    def _trusted(self) -> Mapping[str, jwt.PyJWK]:
        return self._keys if self._clock() - self._fetched_at < TRUST_SECONDS else {}

    async def _try(self) -> None:
        """Fetch the keys, once for all who wait; raises `IssuerAway`, also if that takes long."""
        if self._trying is None:
            self._trying = asyncio.create_task(self._fetch_keys())
            self._trying.add_done_callback(self._tried)
        done, _ = await asyncio.wait({self._trying}, timeout=_ANSWER_SECONDS_MAX)
        if not done:
            raise IssuerAway("it does not answer") from None
        for task in done:
            task.result()

    def _tried(self, task: asyncio.Task[None]) -> None:
        self._trying = None
        if not task.cancelled():
            task.exception()  # who asked may be gone

    async def _fetch_keys(self) -> None:
        self._tried_at = started = self._clock()
        try:
            self._keys = await asyncio.to_thread(self._fetched_keys)
        except (jwt.PyJWTError, OSError, ValueError) as error:
            raise IssuerAway(f"its keys can't be fetched: {error}") from error
        self._fetched_at = started

    def _fetched_keys(self) -> dict[str, jwt.PyJWK]:
        url = self._issuer.url
        described = self._fetch(url.rstrip("/") + _DISCOVERY)
        if described.get("issuer") != url:
            raise ValueError(f"{url} describes another issuer")
        key_set = jwt.PyJWKSet.from_dict(dict(self._fetch(str(described.get("jwks_uri")))))
        return {
            key.key_id: key
            for key in key_set.keys
            if isinstance(key.key_id, str)
            and key.public_key_use in {"sig", None}
            and key.algorithm_name in _ALGORITHMS
        }


def _claim(claims: Mapping[str, Any], name: str) -> object:
    """The claim of that name, or what a path with dots leads to."""
    if name in claims:
        return claims[name]
    found: object = claims
    for part in name.split("."):
        if not isinstance(found, Mapping):
            return None
        found = found.get(part)
    return found
