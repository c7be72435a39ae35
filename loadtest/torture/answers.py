"""Whether an answer is right on a state: a refusal, a thing that held already, a reading."""

from collections.abc import Mapping
from typing import Any

from loadtest.torture.history import Call
from loadtest.torture.rules import Booking, Order, State, refusal, waits

NOBODY = "00000000-0000-7000-8000-000000000000"
"""A user that nobody registered."""

ORDERS = frozenset({"book", "hold", "cart"})


def order_of(asked: Mapping[str, Any]) -> Order:
    """The order in a body of bookings, holds, waiting lists or items of carts."""
    return Order(
        asked["user_id"], asked["quantity"], asked.get("category"), tuple(asked.get("seats") or ())
    )


def order_about(call: Call, event_id: str) -> Order:
    """What a call orders of one event."""
    if call.command != "cart":
        return order_of(call.asked)
    items = {item["event_id"]: item for item in call.asked["items"]}
    return order_of({"user_id": call.asked["user_id"], **items[event_id]})


def refused_rightly(call: Call, event_id: str, state: State, *, closed: bool) -> bool:
    """Whether the refusal that ``call`` was told is what ``state`` gives.

    ``closed`` says whether the sale window is over at the time looked at.
    """
    if not state.version:
        return False
    if call.command in ORDERS:
        return _same(call, _order_refused(state, order_about(call, event_id), closed=closed))
    if call.command == "join":
        return _same(call, _joining_refused(state, order_of(call.asked), closed=closed))
    return _same(call, _change_refused(call.command, call.asked, state))


def _same(call: Call, expected: Mapping[str, Any] | None) -> bool:
    return expected is not None and all(
        call.body.get(name) == value for name, value in expected.items()
    )


def _order_refused(state: State, order: Order, *, closed: bool) -> dict[str, Any] | None:
    found = refusal(state, order, closed=closed)
    if found is None and order.user_id == NOBODY:
        return {"code": "user-not-found"}
    return found


def _joining_refused(state: State, order: Order, *, closed: bool) -> dict[str, Any] | None:
    found = refusal(state, order, closed=closed)
    if found is None:
        return {"code": "places-left", "available": state.available}
    if found["code"] not in {"sold-out", "not-adjacent"}:
        return found
    return {"code": "user-not-found"} if order.user_id == NOBODY else None


def _change_refused(command: str, asked: Mapping[str, Any], state: State) -> dict[str, Any] | None:
    match command:
        case "cancel":
            return _cancelling_refused(state.bookings.get(asked["booking_id"]), asked)
        case "transfer":
            return _transfer_refused(state, state.bookings.get(asked["booking_id"]), asked)
        case "confirm" | "release":
            return _hold_refused(state, command, asked["hold_id"])
        case "leave":
            place = state.line.get(asked["waiting_id"])
            return {"code": "not-waiting"} if place is None or place.status == "offered" else None
        case "check_in" | "annul":
            booking = state.bookings.get(asked["booking_id"])
            return _door_refused(state, command, booking, asked)
        case "capacity" | "open" | "close":
            return _terms_refused(state, command, asked)
        case _:
            return None


def _cancelling_refused(booking: Booking | None, asked: Mapping[str, Any]) -> dict[str, Any] | None:
    if booking is None:
        return {"code": "booking-not-found"}
    named = asked.get("tickets") or ()
    if any(ticket > booking.order.quantity for ticket in named) or (
        not named and (asked.get("quantity") or 0) > len(booking.live)
    ):
        return {"code": "ticket-not-found"}
    return None


def _transfer_refused(
    state: State, booking: Booking | None, asked: Mapping[str, Any]
) -> dict[str, Any] | None:
    if booking is None:
        return {"code": "booking-not-found"}
    if not booking.live:
        return {"code": "booking-cancelled"}
    limit = state.terms["limit_per_user"]
    already = state.tickets.get(asked["to_user_id"], 0)
    if booking.order.user_id == asked["to_user_id"]:
        return None
    if limit is not None and already + len(booking.live) > limit:
        return {"code": "limit-per-user", "limit": limit, "already": already}
    return {"code": "user-not-found"} if asked["to_user_id"] == NOBODY else None


def _hold_refused(state: State, command: str, hold_id: str) -> dict[str, Any] | None:
    hold = state.holds.get(hold_id)
    if hold is None:
        return {"code": "hold-not-found"}
    if hold.status == "expired":
        return {"code": "hold-expired"}
    if command == "release":
        return {"code": "hold-confirmed"} if hold.status == "confirmed" else None
    if hold.status == "released":
        return {"code": "hold-released"}
    if hold.status == "held" and state.status == "cancelled":
        return {"code": "event-cancelled"}
    return None


def _door_refused(
    state: State, command: str, booking: Booking | None, asked: Mapping[str, Any]
) -> dict[str, Any] | None:
    ticket = asked["ticket"]
    if command == "check_in" and state.status == "cancelled":
        return {"code": "event-cancelled"}
    if booking is None:
        return {"code": "booking-not-found"}
    if not booking.live:
        return {"code": "booking-cancelled"}
    if command == "annul":
        return None if ticket in booking.inside else {"code": "not-checked-in"}
    if ticket not in booking.live:
        return {"code": "ticket-not-found"}
    if asked["generation"] != booking.generation:
        return {"code": "ticket-outdated"}
    return {"code": "already-checked-in"} if ticket in booking.inside else None


def _terms_refused(state: State, command: str, asked: Mapping[str, Any]) -> dict[str, Any] | None:
    if state.status == "cancelled":
        return {"code": "event-cancelled"}
    if command != "capacity":
        return None
    if asked["capacity"] > state.terms["venue_capacity"]:
        return {"code": "capacity-above-venue", "venue_capacity": state.terms["venue_capacity"]}
    if asked["capacity"] < state.booked + state.held:
        return {"code": "capacity-below-sold", "booked": state.booked, "held": state.held}
    return None


def held_already(call: Call, state: State) -> bool:
    """Whether what ``call`` was told is done was so on ``state``, with nothing left to do."""
    asked = call.asked
    match call.command:
        case "cancel":
            booking = state.bookings.get(asked["booking_id"])
            tickets = asked.get("tickets")
            return booking is not None and (
                set(tickets) <= booking.cancelled if tickets else not booking.live
            )
        case "transfer":
            booking = state.bookings.get(asked["booking_id"])
            return booking is not None and booking.order.user_id == asked["to_user_id"]
        case "confirm":
            hold = state.holds.get(asked["hold_id"])
            return hold is not None and bool(hold.booking_id == call.body["booking_id"])
        case "release":
            hold = state.holds.get(asked["hold_id"])
            return hold is not None and hold.status == "released"
        case "join":
            return bool(waits(state, order_of(asked)) == call.body["waiting_id"])
        case "leave":
            place = state.line.get(asked["waiting_id"])
            return place is not None and place.status == "left"
        case "capacity":
            return bool(state.capacity == asked["capacity"])
        case "open" | "close" | "call_off":
            status = {"open": "open", "close": "closed", "call_off": "cancelled"}[call.command]
            return state.status == status
        case _:
            return False


def read_rightly(call: Call, state: State) -> bool:
    """Whether what ``call`` read is what ``state`` has."""
    body = call.body
    if call.command == "read_booking":
        booking = state.bookings.get(call.asked["booking_id"])
        return booking is not None and (
            body["user_id"],
            body["quantity"],
            body["cancelled_quantity"],
            tuple(body["seats"]),
        ) == (
            booking.order.user_id,
            booking.order.quantity,
            len(booking.cancelled),
            booking.order.seats,
        )
    if call.command == "read_hold":
        hold = state.holds.get(call.asked["hold_id"])
        return hold is not None and (body["status"], body["booking_id"]) == (
            hold.status,
            hold.booking_id,
        )
    place = state.line.get(call.asked["waiting_id"])
    return place is not None and bool(body["status"] == place.status)
