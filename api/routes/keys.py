"""API keys over HTTP, for admins: what `flashticket keys` does."""

import logging
from typing import Final
from uuid import UUID

from fastapi import APIRouter, Depends, Response

from api import bodies
from api.access import allowed
from api.documents import problems
from api.keys import Principal, Role, rate_of
from api.new_keys import Contradictory, KeyTerms, make_key
from api.paging import Cursor, Limit, next_cursor, position
from api.problems import Problem
from api.rates import Rate
from api.routes.directory import require_known
from api.services import Services, services_of
from api.times import instant_of, now, time_of
from ledger import directory
from ledger.values import ActorId, UserId

_log: Final = logging.getLogger(__name__)

router = APIRouter(prefix="/v1/keys", tags=["keys"])


@router.post("", status_code=201, responses=problems("user-not-found", call="create_key"))
async def create_key(
    body: bodies.KeyIn,
    response: Response,
    principal: Principal = Depends(allowed("create_key")),
    services: Services = Depends(services_of),
) -> bodies.NewKey:
    """Make a key. Its text is in this answer and nowhere else: only its hash is stored."""
    terms = _terms(body)
    if terms.exceeds(principal.scopes):
        raise Problem("forbidden", "A key makes none that may do more than itself.")
    if terms.user_id is not None:
        await require_known(services, terms.user_id)
    key, text = await make_key(services.queries.pool, terms)
    _log.info(
        "key made", extra={"key_id": str(key.key_id), "role": key.role, "by": str(principal.key_id)}
    )
    response.headers["Cache-Control"] = "no-store"
    return bodies.NewKey(key=text, **key_body(key).model_dump())


@router.get("", responses=problems(call="list_keys"))
async def list_keys(
    limit: Limit = 100,
    cursor: Cursor = None,
    _: Principal = Depends(allowed("list_keys")),
    services: Services = Depends(services_of),
) -> bodies.KeyPage:
    """All keys in order of creation, without their texts; those that ended, too."""
    keys = await directory.list_keys(services.queries.pool, position(cursor), limit)
    return bodies.KeyPage(
        items=[key_body(key) for key in keys],
        next_cursor=next_cursor(keys, limit, lambda key: key.key_id),
    )


@router.post("/{key_id}/revoke", responses=problems("key-not-found", call="revoke_key"))
async def revoke_key(
    key_id: UUID,
    principal: Principal = Depends(allowed("revoke_key")),
    services: Services = Depends(services_of),
) -> bodies.Key:
    """End a key for good: no process takes it any more after 5 seconds. Again changes nothing."""
    key = await directory.revoke_key(services.queries.pool, ActorId(key_id))
    if key is None:
        raise Problem("key-not-found", f"There is no key {key_id}.")
    _log.info("key revoked", extra={"key_id": str(key_id), "by": str(principal.key_id)})
    return key_body(key)


def key_body(key: directory.Key) -> bodies.Key:
    """A key as `bodies.Key` describes it."""
    rate = rate_of(key)
    return bodies.Key(
        key_id=key.key_id,
        name=key.name,
        role=Role(key.role).value,
        scopes=None if key.scopes is None else list(key.scopes),
        user_id=key.user_id,
        rate=None if rate is None else str(rate),
        created_at=time_of(key.created_at),
        expires_at=None if key.expires_at is None else time_of(key.expires_at),
        revoked_at=None if key.revoked_at is None else time_of(key.revoked_at),
    )


def _terms(body: bodies.KeyIn) -> KeyTerms:
    expires_at = None if body.expires_at is None else instant_of(body.expires_at)
    if expires_at is not None and expires_at <= now():
        raise _invalid("expires_at", "is over")
    try:
        return KeyTerms(
            role=Role(body.role),
            name=body.name,
            scopes=None if body.scopes is None else frozenset(body.scopes),
            user_id=None if body.user_id is None else UserId(body.user_id),
            rate=None if body.rate is None else Rate.parse(body.rate),
            expires_at=expires_at,
        )
    except Contradictory as error:
        raise _invalid(error.field, str(error)) from error


def _invalid(field: str, why: str) -> Problem:
    return Problem(
        "validation", f"body.{field}: {why}", errors=[{"at": ["body", field], "why": why}]
    )
