"""Bookings: book, look up, cancel."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from uuid_utils.compat import uuid7

from api import bodies
from api.access import allowed
from api.direct import Asked, Later, Reply
from api.documents import problems
from api.idempotency import IdempotencyKey, digests
from api.keys import Principal, Role
from api.moments import AskedMoment
from api.orders import ORDER_PROBLEMS, read_order
from api.paging import Cursor, Limit, next_cursor, position
from api.problems import Problem
from api.routes.directory import require_known
from api.routes.past import past_booking_fields, past_bookings_of_user
from api.routing import DirectRoute
from api.services import Services, already_done, services_of
from api.views import (
    booking_fields,
    booking_of,
    booking_response,
    json_reply,
    json_response,
)
from ledger.batch import Done, Outcome
from ledger.commands import BookSeats, CancelBooking, Submission, TransferBooking
from ledger.records import Booking
from ledger.values import BookingId, UserId

router = APIRouter(prefix="/v1", tags=["bookings"])


def begin_booking(services: Services, asked: Asked) -> Later[Outcome]:
    """POST /v1/bookings: parse, enqueue, and answer when the outcome is there."""
    placed = read_order(asked, "book_seats")
    order = placed.order
    command = BookSeats(
        event_id=placed.event_id,
        booking_id=BookingId(uuid7()),
        user_id=placed.user_id,
        quantity=order.quantity,
        category=order.category,
        seats=order.seats,
    )
    submission = placed.submission(command)

    def answer(outcome: Outcome) -> Reply:
        done = services.done(submission, outcome)
        booking = booking_of(done.parts[0].subject)
        return json_reply(201, booking_fields(booking), replayed=done.replayed)

    return Later(services.submit(submission), answer)


async def book_seats(body: bodies.BookingIn, idempotency_key: IdempotencyKey = None) -> None:
    """Book places for a user, all or none.

    A repeat with the same key and body gets the first answer again, with `Idempotency-Replayed`.
    """


def book_seats_route() -> DirectRoute:
    """The documented route of `begin_booking`."""
    return DirectRoute(
        "/v1/bookings",
        book_seats,
        call=begin_booking,
        tags=["bookings"],
        status_code=201,
        response_model=bodies.Booking,
        dependencies=[Depends(allowed("book_seats"))],
        responses=problems(*ORDER_PROBLEMS, call="book_seats"),
    )


@router.get(
    "/bookings/{booking_id}",
    response_model=bodies.Booking | bodies.BookingAsOf,
    responses=problems(
        "booking-not-found", "event-not-found", "not-yet-recorded", call="read_booking"
    ),
)
async def read_booking(
    booking_id: UUID,
    # First, or who may not ask would be told what is wrong with the moment.
    principal: Annotated[Principal, Depends(allowed("read_booking"))],
    moment: AskedMoment,
    services: Services = Depends(services_of),
) -> Response:
    """A booking as it stands, or stood; a client's key sees its own."""
    booking = await visible_booking(services, principal, BookingId(booking_id))
    if moment is not None:
        return json_response(await past_booking_fields(services, principal, booking, moment))
    return booking_response(booking)


@router.post(
    "/bookings/{booking_id}/cancel",
    response_model=bodies.Booking,
    responses=problems(
        "booking-not-found",
        "idempotency-key-reused",
        "overloaded",
        "ticket-not-found",
        call="cancel_booking",
    ),
)
async def cancel_booking(
    booking_id: UUID,
    body: bodies.CancelIn | None = None,
    idempotency_key: IdempotencyKey = None,
    principal: Principal = Depends(allowed("cancel_booking")),
    services: Services = Depends(services_of),
) -> Response:
    """Give a booking's places back, all that are left or some, to be booked again at once.

    Cancelling what is cancelled changes nothing and answers the same. Cancelling some of them by
    number of tickets is repeated safely with an idempotency key.
    """
    asked = body or bodies.CancelIn()
    if asked.quantity is not None and asked.tickets is not None:
        raise Problem(
            "validation",
            "Cancel a quantity or numbered tickets, not both.",
            errors=[{"at": ["body", "tickets"], "why": "quantity is given too"}],
        )
    booking = await visible_booking(services, principal, BookingId(booking_id))
    tickets = tuple(sorted(set(asked.tickets or ())))
    key, request_hash = digests(
        principal.key_id,
        idempotency_key,
        "cancel_booking",
        {"booking_id": booking_id, "quantity": asked.quantity, "tickets": tickets},
    )
    command = CancelBooking(
        booking.stream_id, booking.booking_id, asked.quantity, tickets, of_user=principal.user_id
    )
    done = await services.carry_out(Submission((command,), principal.key_id, key, request_hash))
    return await _answer_about(services, booking.booking_id, done)


@router.post(
    "/bookings/{booking_id}/transfer",
    response_model=bodies.Booking,
    responses=problems(
        "booking-cancelled",
        "booking-not-found",
        "idempotency-key-reused",
        "limit-per-user",
        "overloaded",
        "user-not-found",
        call="transfer_booking",
    ),
)
async def transfer_booking(
    booking_id: UUID,
    body: bodies.TransferIn,
    idempotency_key: IdempotencyKey = None,
    principal: Principal = Depends(allowed("transfer_booking")),
    services: Services = Depends(services_of),
) -> Response:
    """Give a booking to another user; counts stay as they are, older ticket codes end."""
    booking = await visible_booking(services, principal, BookingId(booking_id))
    request = {"booking_id": booking_id, "to_user_id": body.to_user_id}
    key, request_hash = digests(principal.key_id, idempotency_key, "transfer_booking", request)
    command = TransferBooking(
        booking.stream_id, booking.booking_id, UserId(body.to_user_id), of_user=principal.user_id
    )
    done = await services.carry_out(Submission((command,), principal.key_id, key, request_hash))
    return await _answer_about(services, booking.booking_id, done)


@router.get(
    "/users/{user_id}/bookings",
    response_model=bodies.BookingPage | bodies.BookingsAsOf,
    responses=problems("not-yet-recorded", "user-not-found", call="list_bookings_of_user"),
)
async def list_bookings_of_user(
    user_id: UUID,
    principal: Annotated[Principal, Depends(allowed("list_bookings_of_user"))],
    moment: AskedMoment,
    limit: Limit = 100,
    cursor: Cursor = None,
    services: Services = Depends(services_of),
) -> Response:
    """A user's bookings in the order they were made; a client's key sees its own.

    With a moment, those that the user had then, on pages of up to 100, for organizers and auditors.
    """
    after = position(cursor)
    if principal.user_id not in (None, user_id):
        raise Problem("user-not-found", f"There is no user {user_id}.")
    await require_known(services, UserId(user_id))
    if moment is not None:
        had = await past_bookings_of_user(
            services, principal, UserId(user_id), moment, after, limit
        )
        return json_response(had)
    is_shop = Role.CLIENT in principal.roles and principal.user_id is None
    booked_by = principal.key_id if is_shop else None
    bookings = await services.queries.bookings_of(UserId(user_id), after, limit, booked_by)
    page = {
        "items": [booking_fields(booking) for booking in bookings],
        "next_cursor": next_cursor(bookings, limit, lambda booking: booking.booking_id),
    }
    return json_response(page)


async def visible_booking(
    services: Services, principal: Principal, booking_id: BookingId
) -> Booking:
    """A booking that this key may see; raises the `Problem` of any other."""
    booking = await services.queries.booking(booking_id)
    if booking is None or not principal.may_see(booking.booked_by, booking.user_id):
        raise Problem("booking-not-found", f"There is no booking {booking_id}.")
    return booking


async def _answer_about(services: Services, booking_id: BookingId, done: Done) -> Response:
    """The booking as a command left it; for a replayed one, as it stands."""
    with already_done():
        subject = done.parts[0].subject or await services.queries.booking(booking_id)
    return booking_response(subject, replayed=done.replayed)
