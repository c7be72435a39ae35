"""Holds: keep places for a while, then confirm or release them."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from uuid_utils.compat import uuid7

from api import bodies
from api.access import allowed, require_own_user
from api.documents import problems
from api.idempotency import IdempotencyKey, digests
from api.keys import Principal
from api.orders import order_of
from api.problems import Problem
from api.services import Services, already_done, services_of
from api.views import booking_response, hold_body, mark_replayed
from ledger.commands import ConfirmHold, HoldSeats, ReleaseHold, Submission
from ledger.records import Booking, Hold
from ledger.values import BookingId, EventId, HoldId, UserId

router = APIRouter(prefix="/v1/holds", tags=["holds"])

_HOLD_IS_OVER = ("event-cancelled", "hold-expired", "hold-not-found", "hold-released", "overloaded")


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
        "not-adjacent",
        "overloaded",
        "sales-closed",
        "seat-not-found",
        "seat-taken",
        "sold-out",
        "user-not-found",
        call="hold_seats",
    ),
)
async def hold_seats(
    body: bodies.BookingIn,
    response: Response,
    idempotency_key: IdempotencyKey = None,
    principal: Principal = Depends(allowed("hold_seats")),
    services: Services = Depends(services_of),
) -> bodies.Hold:
    """Keep places for a user until `expires_at`; confirming in time makes them a booking."""
    require_own_user(principal, UserId(body.user_id))
    order = order_of(body)
    request: dict[str, Any] = {"event_id": body.event_id, "user_id": body.user_id, **order.fields()}
    key, request_hash = digests(principal.key_id, idempotency_key, "hold_seats", request)
    command = HoldSeats(
        event_id=EventId(body.event_id),
        hold_id=HoldId(uuid7()),
        user_id=UserId(body.user_id),
        quantity=order.quantity,
        category=order.category,
        seats=order.seats,
    )
    done = await services.carry_out(Submission((command,), principal.key_id, key, request_hash))
    mark_replayed(response, done)
    hold = done.parts[0].subject
    if not isinstance(hold, Hold):
        raise AssertionError("places are held but there is no hold")
    return hold_body(hold)


@router.get("/{hold_id}", responses=problems("hold-not-found", call="read_hold"))
async def read_hold(
    hold_id: UUID,
    principal: Principal = Depends(allowed("read_hold")),
    services: Services = Depends(services_of),
) -> bodies.Hold:
    """A hold as it was last recorded; a client's key sees its own."""
    return hold_body(await _visible_hold(services, principal, HoldId(hold_id)))


@router.post(
    "/{hold_id}/confirm",
    status_code=201,
    response_model=bodies.Booking,
    responses=problems(*_HOLD_IS_OVER, call="confirm_hold"),
)
async def confirm_hold(
    hold_id: UUID,
    principal: Principal = Depends(allowed("confirm_hold")),
    services: Services = Depends(services_of),
) -> Response:
    """Turn a hold into a booking. Doing it again answers the same booking."""
    hold = await _visible_hold(services, principal, HoldId(hold_id))
    command = ConfirmHold(hold.stream_id, hold.hold_id, BookingId(uuid7()))
    part = await services.carry_out_one(Submission((command,), principal.key_id))
    booking: Booking | None
    if isinstance(part.subject, Booking):
        booking = part.subject
    else:
        with already_done():
            confirmed = await services.queries.hold(hold.hold_id)
            booking_id = None if confirmed is None else confirmed.booking_id
            booking = None if booking_id is None else await services.queries.booking(booking_id)
    return booking_response(booking, status=201, replayed=part.recorded is None)


@router.post(
    "/{hold_id}/release",
    responses=problems(
        "hold-confirmed", "hold-expired", "hold-not-found", "overloaded", call="release_hold"
    ),
)
async def release_hold(
    hold_id: UUID,
    principal: Principal = Depends(allowed("release_hold")),
    services: Services = Depends(services_of),
) -> bodies.Hold:
    """Give a hold's places back before its time. Doing it again changes nothing."""
    hold = await _visible_hold(services, principal, HoldId(hold_id))
    part = await services.carry_out_one(
        Submission((ReleaseHold(hold.stream_id, hold.hold_id),), principal.key_id)
    )
    return hold_body(part.subject if isinstance(part.subject, Hold) else hold)


async def _visible_hold(services: Services, principal: Principal, hold_id: HoldId) -> Hold:
    hold = await services.queries.hold(hold_id)
    if hold is None or not principal.may_see(hold.held_by, hold.user_id):
        raise Problem("hold-not-found", f"There is no hold {hold_id}.")
    return hold
