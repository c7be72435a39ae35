"""Carts: several events, all or nothing."""

from typing import Any

from fastapi import APIRouter, Depends, Response
from uuid_utils.compat import uuid7

from api import bodies
from api.access import allowed, require_own_user
from api.documents import problems
from api.idempotency import IdempotencyKey, digests
from api.keys import Principal
from api.orders import order_of
from api.problems import Problem
from api.services import Services, services_of
from api.views import booking_fields, json_response
from ledger.commands import BookSeats, Submission
from ledger.records import Booking
from ledger.values import BookingId, EventId, UserId

router = APIRouter(prefix="/v1/carts", tags=["bookings"])


@router.post(
    "",
    status_code=201,
    response_model=bodies.Cart,
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
        call="book_cart",
    ),
)
async def book_cart(
    body: bodies.CartIn,
    idempotency_key: IdempotencyKey = None,
    principal: Principal = Depends(allowed("book_cart")),
    services: Services = Depends(services_of),
) -> Response:
    """Book places of several events in one transaction; a refusal names the event it is about."""
    require_own_user(principal, UserId(body.user_id))
    if len({item.event_id for item in body.items}) != len(body.items):
        raise Problem(
            "validation",
            "An event is in the cart twice.",
            errors=[{"at": ["body", "items"], "why": "an event is named twice"}],
        )
    orders = [(item.event_id, order_of(item)) for item in body.items]
    request: dict[str, Any] = {
        "user_id": body.user_id,
        "items": [{"event_id": event_id, **order.fields()} for event_id, order in orders],
    }
    key, request_hash = digests(principal.key_id, idempotency_key, "book_cart", request)
    commands = tuple(
        BookSeats(
            event_id=EventId(event_id),
            booking_id=BookingId(uuid7()),
            user_id=UserId(body.user_id),
            quantity=order.quantity,
            category=order.category,
            seats=order.seats,
        )
        for event_id, order in orders
    )
    done = await services.carry_out(Submission(commands, principal.key_id, key, request_hash))
    bookings = [part.subject for part in done.parts if isinstance(part.subject, Booking)]
    fields = {"bookings": [booking_fields(booking) for booking in bookings]}
    return json_response(fields, status=201, replayed=done.replayed)
