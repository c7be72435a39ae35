"""Who may call what: one table, and the check that every route passes through."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import Depends, Request
from fastapi.security import HTTPBearer

from api.keys import KeyRing, Principal, Role
from api.limiter import Limiter
from api.problems import Problem
from api.rates import Rate, RateLimited
from api.tokens import IssuerAway, TokenRefused, Tokens, is_token
from ledger.values import UserId

ROLES_OF_CALL: Final[dict[str, frozenset[Role]]] = {
    "add_venue": frozenset({Role.ORGANIZER, Role.ADMIN}),
    "list_venues": frozenset({Role.ORGANIZER, Role.AUDITOR, Role.ADMIN}),
    "read_venue": frozenset({Role.ORGANIZER, Role.AUDITOR, Role.ADMIN}),
    "schedule_event": frozenset({Role.ORGANIZER, Role.ADMIN}),
    "change_event": frozenset({Role.ORGANIZER, Role.ADMIN}),
    "add_user": frozenset({Role.ORGANIZER, Role.ADMIN}),
    "import_users": frozenset({Role.ORGANIZER, Role.ADMIN}),
    "list_users": frozenset({Role.ORGANIZER, Role.ADMIN}),
    "read_user": frozenset({Role.ORGANIZER, Role.ADMIN}),
    "list_bookings_of_event": frozenset({Role.ORGANIZER, Role.AUDITOR, Role.ADMIN}),
    "erase_user": frozenset({Role.ORGANIZER, Role.ADMIN}),
    "read_sales": frozenset({Role.ORGANIZER, Role.AUDITOR, Role.ADMIN}),
    "read_revenue": frozenset({Role.ORGANIZER, Role.AUDITOR, Role.ADMIN}),
    "read_occupancy": frozenset({Role.ORGANIZER, Role.AUDITOR, Role.ADMIN}),
    "read_line": frozenset({Role.ORGANIZER, Role.AUDITOR, Role.ADMIN}),
    "read_refusals": frozenset({Role.ORGANIZER, Role.AUDITOR, Role.ADMIN}),
    "read_history": frozenset({Role.ORGANIZER, Role.AUDITOR, Role.ADMIN}),
    "open_event": frozenset({Role.ORGANIZER, Role.ADMIN}),
    "close_event": frozenset({Role.ORGANIZER, Role.ADMIN}),
    "cancel_event": frozenset({Role.ORGANIZER, Role.ADMIN}),
    "book_seats": frozenset({Role.CLIENT, Role.ADMIN}),
    "book_cart": frozenset({Role.CLIENT, Role.ADMIN}),
    "read_booking": frozenset(Role),
    "read_receipt": frozenset(Role),
    "list_bookings_of_user": frozenset(Role),
    "read_ledger": frozenset({Role.AUDITOR, Role.ADMIN}),
    "read_ledger_of_event": frozenset({Role.AUDITOR, Role.ADMIN}),
    "cancel_booking": frozenset({Role.CLIENT, Role.ORGANIZER, Role.ADMIN}),
    "transfer_booking": frozenset({Role.CLIENT, Role.ORGANIZER, Role.ADMIN}),
    "hold_seats": frozenset({Role.CLIENT, Role.ADMIN}),
    "read_hold": frozenset(Role),
    "confirm_hold": frozenset({Role.CLIENT, Role.ADMIN}),
    "release_hold": frozenset({Role.CLIENT, Role.ORGANIZER, Role.ADMIN}),
    "join_waiting_list": frozenset({Role.CLIENT, Role.ADMIN}),
    "read_waiting": frozenset(Role),
    "leave_waiting_list": frozenset({Role.CLIENT, Role.ORGANIZER, Role.ADMIN}),
    "list_tickets": frozenset({Role.CLIENT, Role.ORGANIZER, Role.ADMIN}),
    "draw_ticket": frozenset({Role.CLIENT, Role.ORGANIZER, Role.ADMIN}),
    "read_ticket_key": frozenset(Role),
    "check_in": frozenset({Role.ORGANIZER, Role.ADMIN}),
    "annul_check_in": frozenset({Role.ORGANIZER, Role.ADMIN}),
    "create_key": frozenset({Role.ADMIN}),
    "list_keys": frozenset({Role.ADMIN}),
    "revoke_key": frozenset({Role.ADMIN}),
    "register_webhook": frozenset({Role.ORGANIZER, Role.ADMIN}),
    "list_webhooks": frozenset({Role.ORGANIZER, Role.ADMIN}),
    "read_webhook": frozenset({Role.ORGANIZER, Role.ADMIN}),
    "delete_webhook": frozenset({Role.ORGANIZER, Role.ADMIN}),
    "enable_webhook": frozenset({Role.ORGANIZER, Role.ADMIN}),
    "list_deliveries": frozenset({Role.ORGANIZER, Role.ADMIN}),
    "replay_webhook": frozenset({Role.ORGANIZER, Role.ADMIN}),
}
"""Roles by the operation id of a call. A call that is not here is public."""

_BEARER = HTTPBearer(
    auto_error=False,
    description="A key from `flashticket keys create`, or where an issuer is set, its token.",
)


@dataclass(frozen=True, slots=True)
class Access:
    """What tells who calls, and how often they, and the users they act for, may."""

    keys: KeyRing
    tokens: Tokens | None
    key_limiter: Limiter
    user_limiter: Limiter
    user_rate: Rate | None

    async def find(self, credential: str) -> Principal | None:
        """Who sends this key or token; None for a key that is not known."""
        if self.tokens is None or not is_token(credential):
            return await self.keys.find(credential)
        try:
            return await self.tokens.principal(credential)
        except TokenRefused as refused:
            raise _invalid(f"The token {refused}.") from None
        except IssuerAway as away:
            raise Problem("unavailable", "The issuer of tokens is away.") from away


async def principal_of(access: Access, authorization: str | None, call: str) -> Principal:
    """Who calls; raises the `Problem` of having no valid key, or one that may not now."""
    key = _bearer_key(authorization)
    principal = access.keys.known(key) or await access.find(key)
    if principal is None:
        raise _invalid("The key is not known, or not valid any more.")
    if principal.rate is not None:
        try:
            await access.key_limiter.acquire(principal.key_id, principal.rate)
        except RateLimited as limited:
            raise rate_problem("key", limited) from None
    return _admitted(principal, call)


def principal_held(access: Access, authorization: str | None, call: str) -> Principal | None:
    """As `principal_of`, from memory alone; None if that can't tell yet."""
    principal = access.keys.known(_bearer_key(authorization))
    if principal is None:
        return None
    try:
        if principal.rate is not None and not access.key_limiter.take(principal.key_id):
            return None
    except RateLimited as limited:
        raise rate_problem("key", limited) from None
    return _admitted(principal, call)


def require_own_user(principal: Principal, user_id: UserId) -> None:
    """Raise the `Problem` of a key that acts for one user, and not for ``user_id``."""
    if principal.user_id is not None and principal.user_id != user_id:
        raise Problem("forbidden", f"This key acts for user {principal.user_id} alone.")


def _bearer_key(authorization: str | None) -> str:
    if authorization is None or authorization[:7].lower() != "bearer ":
        raise Problem(
            "unauthenticated",
            "The request has no bearer key.",
            headers={"WWW-Authenticate": "Bearer"},
        )
    return authorization[7:].strip()


def _invalid(why: str) -> Problem:
    headers = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
    return Problem("unauthenticated", why, headers=headers)


def _admitted(principal: Principal, call: str) -> Principal:
    roles = ROLES_OF_CALL[call]
    if roles.isdisjoint(principal.roles):
        names = ", ".join(sorted(roles))
        raise Problem("forbidden", f"This call is for: {names}.", roles=sorted(roles))
    if principal.scopes is not None and call not in principal.scopes:
        scopes = sorted(principal.scopes)
        raise Problem("forbidden", f"This key is only for: {', '.join(scopes)}.", scopes=scopes)
    return principal


def rate_problem(kind: str, limited: RateLimited) -> Problem:
    """The `Problem` of a rate that is used up, with the headers of
    draft-ietf-httpapi-ratelimit-headers-10.
    """
    rate, wait = limited.rate, limited.retry_after_seconds
    return Problem(
        "rate-limited",
        f"This {kind} may send {rate.requests} requests in {rate.seconds} s.",
        headers={
            "Retry-After": str(wait),
            "RateLimit-Policy": f'"{kind}";q={rate.requests};w={rate.seconds}',
            "RateLimit": f'"{kind}";r=0;t={wait}',
        },
        rate=str(rate),
    )


def allowed(call: str) -> Callable[..., Awaitable[Principal]]:
    """The dependency of a route that lets through whoever may call ``call``."""

    async def check(request: Request, _: Annotated[Any, Depends(_BEARER)]) -> Principal:
        access: Access = request.app.state.access
        return await principal_of(access, request.headers.get("authorization"), call)

    return check
