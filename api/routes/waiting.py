"""Waiting lists: join when sold out, and get a timed offer when your turn comes."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from uuid_utils.compat import uuid7

from api import bodies
from api.access import allowed, require_own_user
from api.documents import problems
from api.idempotency import IdempotencyKey, digests
from api.keys import Principal
from api.problems import Problem
from api.services import Services, already_done, services_of
from api.views import mark_replayed, waiting_body
from ledger.commands import JoinWaitingList, LeaveWaitingList, Submission
from ledger.records import Waiting
from ledger.values import EventId, UserId, WaitingId

router = APIRouter(prefix="/v1/events/{event_id}/waiting-list", tags=["waiting list"])


@router.post(
    "",
    status_code=201,
    responses=problems(
        "category-not-found",
        "event-cancelled",
        "event-not-found",
        "idempotency-key-reused",
        "limit-per-order",
        "limit-per-user",
        "overloaded",
        "places-left",
        "sales-closed",
        "user-not-found",
        call="join_waiting_list",
    ),
)
async def join_waiting_list(
    event_id: UUID,
    body: bodies.WaitingIn,
    response: Response,
    idempotency_key: IdempotencyKey = None,
    principal: Principal = Depends(allowed("join_waiting_list")),
    services: Services = Depends(services_of),
) -> bodies.Waiting:
    """Get in line. When places come free, who is first and fits gets a hold, in one transaction.

    A user who is in line for the category already keeps that place.
    """
    require_own_user(principal, UserId(body.user_id))
    request: dict[str, Any] = {"event_id": event_id, **body.model_dump()}
    key, request_hash = digests(principal.key_id, idempotency_key, "join_waiting_list", request)
    command = JoinWaitingList(
        event_id=EventId(event_id),
        waiting_id=WaitingId(uuid7()),
        user_id=UserId(body.user_id),
        quantity=body.quantity,
        category=body.category,
    )
    done = await services.carry_out(Submission((command,), principal.key_id, key, request_hash))
    mark_replayed(response, done)
    waiting = done.parts[0].subject
    if not isinstance(waiting, Waiting):
        raise AssertionError("somebody waits but has no place in line")
    with already_done():
        return waiting_body(waiting, await services.queries.ahead_of(waiting))


@router.get("/{waiting_id}", responses=problems("not-waiting", call="read_waiting"))
async def read_waiting(
    event_id: UUID,
    waiting_id: UUID,
    principal: Principal = Depends(allowed("read_waiting")),
    services: Services = Depends(services_of),
) -> bodies.Waiting:
    """A place in line: how many are ahead, or the offer that ended the waiting."""
    waiting = await _visible(services, principal, EventId(event_id), WaitingId(waiting_id))
    return waiting_body(waiting, await services.queries.ahead_of(waiting))


@router.delete(
    "/{waiting_id}", responses=problems("not-waiting", "overloaded", call="leave_waiting_list")
)
async def leave_waiting_list(
    event_id: UUID,
    waiting_id: UUID,
    principal: Principal = Depends(allowed("leave_waiting_list")),
    services: Services = Depends(services_of),
) -> bodies.Waiting:
    """Leave the line. Doing it again changes nothing; an offer is released as a hold instead."""
    waiting = await _visible(services, principal, EventId(event_id), WaitingId(waiting_id))
    part = await services.carry_out_one(
        Submission((LeaveWaitingList(waiting.stream_id, waiting.waiting_id),), principal.key_id)
    )
    return waiting_body(part.subject if isinstance(part.subject, Waiting) else waiting, 0)


async def _visible(
    services: Services, principal: Principal, event_id: EventId, waiting_id: WaitingId
) -> Waiting:
    waiting = await services.queries.waiting(event_id, waiting_id)
    if waiting is None or not principal.may_see(waiting.joined_by, waiting.user_id):
        raise Problem("not-waiting", f"{waiting_id} is in no line of this event.")
    return waiting
