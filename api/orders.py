"""What is asked for when places are booked or held, in the form that commands take."""

from dataclasses import dataclass
from typing import Any

from api.bodies import OrderIn
from api.problems import Problem


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


def order_of(asked: OrderIn) -> Order:
    """The order that a body makes; raises the `Problem` of one that contradicts itself."""
    if asked.seats is None:
        return Order(asked.quantity or 1, asked.category, ())
    seats = tuple(asked.seats)
    if len(set(seats)) != len(seats):
        raise _invalid("seats", "a seat is named twice")
    if asked.quantity is not None and asked.quantity != len(seats):
        raise _invalid("quantity", "is not the number of seats named")
    return Order(len(seats), asked.category, seats)


def _invalid(field: str, why: str) -> Problem:
    return Problem(
        "validation", f"body.{field}: {why}", errors=[{"at": ["body", field], "why": why}]
    )
