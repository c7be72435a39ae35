"""Holds: keep places for a while, then confirm or release them."""

import asyncio
from functools import partial
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from uuid_utils.compat import uuid7

from api import bodies
from api.access import allowed
from api.direct import Asked, Later, Reply
from api.documents import problems
from api.idempotency import IdempotencyKey
from api.keys import Principal
from api.orders import ORDER_PROBLEMS, read_order
from api.problems import Problem
from api.routing import DirectRoute
from api.services import Services, already_done, services_of
from api.validation import invalid
from api.views import booking_fields, booking_of, hold_fields, json_reply, json_response
from ledger.batch import Outcome
from ledger.commands import ConfirmHold, HoldSeats, ReleaseHold, Submission
from ledger.records import Booking, Hold
from ledger.values import BookingId, HoldId

router = APIRouter(prefix="/v1/holds", tags=["holds"])

_HOLD_IS_OVER = ("event-cancelled", "hold-expired", "hold-not-found", "hold-released", "overloaded")


def begin_hold(services: Services, asked: Asked) -> Later[Outcome]:
    """POST /v1/holds: parse, enqueue, and answer when the outcome is there."""
    placed = read_order(asked, "hold_seats")
    order = placed.order
    command = HoldSeats(
        event_id=placed.event_id,
        hold_id=HoldId(uuid7()),
        user_id=placed.user_id,
        quantity=order.quantity,
        category=order.category,
        seats=order.seats,
    )
    submission = placed.submission(command)

    def answer(outcome: Outcome) -> Reply:
        done = services.done(submission, outcome)
        hold = done.parts[0].subject
        if not isinstance(hold, Hold):
            raise AssertionError("places are held but there is no hold")
        services.holds_here.remember(hold)
        return json_reply(201, hold_fields(hold), replayed=done.replayed)

    return Later(services.submit(submission), answer)


async def hold_seats(body: bodies.BookingIn, idempotency_key: IdempotencyKey = None) -> None:
    """Keep places for a user until `expires_at`; confirming in time makes them a booking."""


def hold_route() -> DirectRoute:
    """The documented route of `begin_hold`."""
    return DirectRoute(
        "/v1/holds",
        hold_seats,
        call=begin_hold,
        tags=["holds"],
        status_code=201,
        response_model=bodies.Hold,
        dependencies=[Depends(allowed("hold_seats"))],
        responses=problems(*ORDER_PROBLEMS, call="hold_seats"),
    )


@router.get(
    "/{hold_id}", response_model=bodies.Hold, responses=problems("hold-not-found", call="read_hold")
)
async def read_hold(
    hold_id: UUID,
    principal: Principal = Depends(allowed("read_hold")),
    services: Services = Depends(services_of),
) -> Response:
    """A hold as it was last recorded; a client's key sees its own."""
    hold = await _visible_hold(services, principal, HoldId(hold_id))
    return json_response(hold_fields(hold))


def begin_confirmation(services: Services, asked: Asked) -> Later[Any]:
    """POST /v1/holds/{hold_id}/confirm: find the hold, enqueue, answer when it is a booking."""
    try:
        hold_id = HoldId(UUID(asked.path_id))
    except ValueError:
        raise invalid("path", "hold_id", "not a UUID") from None

    def confirm(hold: Hold) -> Later[Outcome]:
        command = ConfirmHold(hold.stream_id, hold.hold_id, BookingId(uuid7()))
        submission = Submission((command,), asked.principal.key_id)

        def answer(outcome: Outcome) -> Reply | Later[Booking]:
            part = services.done(submission, outcome).parts[0]
            if isinstance(part.subject, Booking):
                return _confirmed(part.subject, replayed=part.recorded is None)
            confirmed_before = asyncio.ensure_future(
                _booking_of(services, asked.principal, hold_id)
            )
            return Later(confirmed_before, partial(_confirmed, replayed=True))

        return Later(services.submit(submission), answer)

    hold = services.holds_here.recall(hold_id)
    if hold is not None and asked.principal.may_see(hold.held_by, hold.user_id):
        return confirm(hold)
    found = asyncio.ensure_future(_visible_hold(services, asked.principal, hold_id))
    return Later(found, confirm)


def _confirmed(booking: Booking, *, replayed: bool) -> Reply:
    return json_reply(201, booking_fields(booking), replayed=replayed)


async def _booking_of(services: Services, principal: Principal, hold_id: HoldId) -> Booking:
    with already_done():
        hold = await services.queries.hold(hold_id)
        booking_id = None if hold is None else hold.booking_id
        booking = booking_of(
            None if booking_id is None else await services.queries.booking(booking_id)
        )
    if not principal.may_see(booking.booked_by, booking.user_id):  # it was given away since
        raise Problem("hold-not-found", f"There is no hold {hold_id}.")
    return booking


async def confirm_hold(hold_id: UUID) -> None:
    """Turn a hold into a booking. Doing it again answers the same booking."""


def confirmation_route() -> DirectRoute:
    """The documented route of `begin_confirmation`."""
    return DirectRoute(
        "/v1/holds/{hold_id}/confirm",
        confirm_hold,
        call=begin_confirmation,
        tags=["holds"],
        status_code=201,
        response_model=bodies.Booking,
        dependencies=[Depends(allowed("confirm_hold"))],
        responses=problems(*_HOLD_IS_OVER, call="confirm_hold"),
    )


@router.post(
    "/{hold_id}/release",
    response_model=bodies.Hold,
    responses=problems(
        "hold-confirmed", "hold-expired", "hold-not-found", "overloaded", call="release_hold"
    ),
)
async def release_hold(
    hold_id: UUID,
    principal: Principal = Depends(allowed("release_hold")),
    services: Services = Depends(services_of),
) -> Response:
    """Give a hold's places back before its time. Doing it again changes nothing."""
    hold = await _visible_hold(services, principal, HoldId(hold_id))
    part = await services.carry_out_one(
        Submission((ReleaseHold(hold.stream_id, hold.hold_id),), principal.key_id)
    )
    released = part.subject if isinstance(part.subject, Hold) else hold
    return json_response(hold_fields(released))


async def _visible_hold(services: Services, principal: Principal, hold_id: HoldId) -> Hold:
    hold = await services.queries.hold(hold_id)
    if hold is None or not principal.may_see(hold.held_by, hold.user_id):
        raise Problem("hold-not-found", f"There is no hold {hold_id}.")
    return hold
