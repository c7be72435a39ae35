"""Bookings: book, look up, cancel."""

from typing import Final
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Response
from pydantic import TypeAdapter, ValidationError
from starlette.types import Receive, Scope, Send
from uuid_utils.compat import uuid7

from api import bodies
from api.access import allowed, principal_of
from api.asgi import header, read_body, respond
from api.documents import problems
from api.idempotency import IdempotencyKey, digests
from api.keys import Principal, Role
from api.paging import Cursor, Limit, next_cursor, position
from api.problems import Problem
from api.routing import LeanRoute
from api.services import Services, services_of
from api.validation import validation_problem
from api.views import booking_fields
from ledger.commands import BookSeats, CancelBooking, Submission
from ledger.state import Booking
from ledger.values import BookingId, EventId, UserId

_BOOKING_IN: Final = TypeAdapter(bodies.BookingIn)
_REPLAYED: Final = ((b"idempotency-replayed", b"true"),)

router = APIRouter(prefix="/v1", tags=["bookings"])


async def answer_book_seats(scope: Scope, receive: Receive, send: Send) -> None:
    """POST /v1/bookings: parse, enqueue, await, answer."""
    services: Services = scope["app"].state.services
    principal = await principal_of(services.keys, header(scope, b"authorization"), "book_seats")
    try:
        asked = _BOOKING_IN.validate_json(await read_body(receive))
    except ValidationError as error:
        raise validation_problem(error.errors(), "body") from None
    key, request_hash = digests(
        principal.key_id,
        header(scope, b"idempotency-key"),
        "book_seats",
        {"event_id": asked.event_id, "user_id": asked.user_id, "quantity": asked.quantity},
    )
    done = await services.carry_out(
        Submission(
            BookSeats(
                event_id=EventId(asked.event_id),
                booking_id=BookingId(uuid7()),
                user_id=UserId(asked.user_id),
                quantity=asked.quantity,
            ),
            principal.key_id,
            key,
            request_hash,
        )
    )
    await respond(send, 201, _body_of(done.booking), headers=_REPLAYED if done.replayed else ())


async def book_seats(body: bodies.BookingIn, idempotency_key: IdempotencyKey = None) -> None:
    """Book places for a user, all or none.

    A repeat with the same key and body gets the first answer again, with `Idempotency-Replayed`.
    """


def book_seats_route() -> LeanRoute:
    """The documented route of `answer_book_seats`."""
    return LeanRoute(
        "/v1/bookings",
        book_seats,
        handler=answer_book_seats,
        methods=["POST"],
        tags=["bookings"],
        status_code=201,
        response_model=bodies.Booking,
        dependencies=[Depends(allowed("book_seats"))],
        responses=problems(
            "event-not-found",
            "idempotency-key-reused",
            "limit-per-user",
            "overloaded",
            "sales-closed",
            "sold-out",
            "user-not-found",
            call="book_seats",
        ),
    )


@router.get(
    "/bookings/{booking_id}",
    response_model=bodies.Booking,
    responses=problems("booking-not-found", call="read_booking"),
)
async def read_booking(
    booking_id: UUID,
    principal: Principal = Depends(allowed("read_booking")),
    services: Services = Depends(services_of),
) -> Response:
    """A booking as it stands; a client's key sees those that it booked."""
    return _answer(await _visible_booking(services, principal, BookingId(booking_id)))


@router.post(
    "/bookings/{booking_id}/cancel",
    response_model=bodies.Booking,
    responses=problems("booking-not-found", "overloaded", call="cancel_booking"),
)
async def cancel_booking(
    booking_id: UUID,
    principal: Principal = Depends(allowed("cancel_booking")),
    services: Services = Depends(services_of),
) -> Response:
    """Give a booking's places back. Doing it again changes nothing and answers the same."""
    booking = await _visible_booking(services, principal, BookingId(booking_id))
    done = await services.carry_out(
        Submission(CancelBooking(booking.stream_id, booking.booking_id), principal.key_id)
    )
    return _answer(done.booking)


@router.get(
    "/users/{user_id}/bookings",
    response_model=bodies.BookingPage,
    responses=problems("user-not-found", call="list_bookings_of_user"),
)
async def list_bookings_of_user(
    user_id: UUID,
    limit: Limit = 100,
    cursor: Cursor = None,
    principal: Principal = Depends(allowed("list_bookings_of_user")),
    services: Services = Depends(services_of),
) -> Response:
    """A user's bookings in the order they were made; a client's key sees those that it booked."""
    after = position(cursor)
    if await services.queries.user(UserId(user_id)) is None:
        raise Problem("user-not-found", f"There is no user {user_id}.")
    booked_by = principal.key_id if principal.role is Role.CLIENT else None
    bookings = await services.queries.bookings_of(UserId(user_id), after, limit, booked_by)
    page = {
        "items": [booking_fields(booking) for booking in bookings],
        "next_cursor": next_cursor(bookings, limit, lambda booking: booking.booking_id),
    }
    return Response(orjson.dumps(page), media_type="application/json")


async def _visible_booking(
    services: Services, principal: Principal, booking_id: BookingId
) -> Booking:
    booking = await services.queries.booking(booking_id)
    if booking is None or (principal.role is Role.CLIENT and booking.booked_by != principal.key_id):
        raise Problem("booking-not-found", f"There is no booking {booking_id}.")
    return booking


def _body_of(booking: Booking | None) -> bytes:
    if booking is None:
        raise AssertionError("a booking command is done but has no booking")
    return orjson.dumps(booking_fields(booking))


def _answer(booking: Booking | None) -> Response:
    return Response(_body_of(booking), media_type="application/json")
