"""Who may call what: one table, and the check that every route passes through."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final

from fastapi import Depends, Request
from fastapi.security import HTTPBearer

from api.keys import KeyRing, Principal, Role
from api.problems import Problem

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
    "erase_user": frozenset({Role.ORGANIZER, Role.ADMIN}),
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
}
"""Roles by the operation id of a call. A call that is not here is public."""

_BEARER = HTTPBearer(auto_error=False, description="A key from `flashticket keys create`.")


async def principal_of(keys: KeyRing, authorization: str | None, call: str) -> Principal:
    """Who calls; raises the `Problem` of having no valid key, or one without the role."""
    key = _bearer_key(authorization)
    return _admitted(keys.known(key) or await keys.find(key), call)


def principal_held(keys: KeyRing, authorization: str | None, call: str) -> Principal | None:
    """As `principal_of`, from memory alone; None if that can't tell yet."""
    principal = keys.known(_bearer_key(authorization))
    return None if principal is None else _admitted(principal, call)


def _bearer_key(authorization: str | None) -> str:
    if authorization is None or authorization[:7].lower() != "bearer ":
        raise Problem(
            "unauthenticated",
            "The request has no bearer key.",
            headers={"WWW-Authenticate": "Bearer"},
        )
    return authorization[7:].strip()


def _admitted(principal: Principal | None, call: str) -> Principal:
    if principal is None:
        raise Problem(
            "unauthenticated",
            "The key is not known.",
            headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},
        )
    roles = ROLES_OF_CALL[call]
    if principal.role not in roles:
        names = ", ".join(sorted(roles))
        raise Problem("forbidden", f"This call is for: {names}.", roles=sorted(roles))
    return principal


def allowed(call: str) -> Callable[..., Awaitable[Principal]]:
    """The dependency of a route that lets through whoever may call ``call``."""

    async def check(request: Request, _: Annotated[Any, Depends(_BEARER)]) -> Principal:
        keys: KeyRing = request.app.state.keys
        return await principal_of(keys, request.headers.get("authorization"), call)

    return check
