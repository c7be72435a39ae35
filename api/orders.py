"""What is asked for when places are booked or held, in the form that commands take."""

from dataclasses import dataclass
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from api.access import require_own_user
from api.bodies import BookingIn, OrderIn
from api.direct import Asked
from api.idempotency import digests
from api.validation import invalid, validation_problem
from ledger.commands import Command, Submission
from ledger.values import ActorId, EventId, UserId

_BOOKING_IN: Final = TypeAdapter(BookingIn)

ORDER_PROBLEMS: Final = (
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
)
"""Codes of what an order may be answered, whether its places are booked or held."""


@dataclass(frozen=True, slots=True)
class Order:
    quantity: int
    category: str | None
    seats: tuple[str, ...]

    def fields(self) -> dict[str, Any]:
        """What makes one order another, for the hash of the request.

        What is not asked for is left out, so that an order which an earlier version knew keeps the
        hash it had there: a key may be sent again after an upgrade.
        """
        asked: dict[str, Any] = {"quantity": self.quantity}
        if self.category is not None:
            asked["category"] = self.category
        if self.seats:
            asked["seats"] = self.seats
        return asked


@dataclass(frozen=True, slots=True)
class Placed:
    """An order as a request places it: for whom, at which event, by whom, and under which key."""

    order: Order
    event_id: EventId
    user_id: UserId
    actor: ActorId
    key: bytes | None
    request_hash: bytes | None

    def submission(self, command: Command) -> Submission:
        """``command`` as sent by this request."""
        return Submission((command,), self.actor, self.key, self.request_hash)


def read_order(asked: Asked, call: str) -> Placed:
    """The order in a direct call; raises the `Problem` of one that is none, or not theirs."""
    try:
        body = _BOOKING_IN.validate_json(asked.body)
    except ValidationError as error:
        raise validation_problem(error.errors(), "body") from None
    principal = asked.principal
    event_id, user_id = EventId(body.event_id), UserId(body.user_id)
    require_own_user(principal, user_id)
    order = order_of(body)
    request = {"event_id": event_id, "user_id": user_id, **order.fields()}
    key, request_hash = digests(principal.key_id, asked.header(b"idempotency-key"), call, request)
    return Placed(order, event_id, user_id, principal.key_id, key, request_hash)


def order_of(asked: OrderIn) -> Order:
    """The order that a body makes; raises the `Problem` of one that contradicts itself."""
    if asked.seats is None:
        return Order(asked.quantity or 1, asked.category, ())
    seats = tuple(asked.seats)
    if len(set(seats)) != len(seats):
        raise invalid("body", "seats", "a seat is named twice")
    if asked.quantity is not None and asked.quantity != len(seats):
        raise invalid("body", "quantity", "is not the number of seats named")
    return Order(len(seats), asked.category, seats)
