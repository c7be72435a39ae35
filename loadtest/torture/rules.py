"""The rules of a sale written down a second time, from the documents and not from the code.

docs/formats/entries.md says what the entries hold, docs/booking-model.md what they do and which
refusal comes first. `step` does one entry, `refusal` says no where the document does. Nothing here
is imported from the product, and the product imports nothing of it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

MICROSECONDS = 1_000_000


class Wrong(Exception):
    """An entry that cannot follow those before it; ``rule`` is one of L1 to L7."""

    def __init__(self, rule: str, what: str) -> None:
        super().__init__(what)
        self.rule = rule


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the ledger with its payload read as JSON."""

    event_id: str
    version: int
    type: str
    schema_version: int
    recorded_at: int
    actor: str
    key: str | None
    request_hash: str | None
    prev_hash: str
    hash: str
    payload: bytes
    fields: Mapping[str, Any]

    @property
    def at(self) -> float:
        """When it was recorded, in seconds since 1970."""
        return self.recorded_at / MICROSECONDS


@dataclass(frozen=True, slots=True)
class Order:
    """Places that somebody wants."""

    user_id: str
    quantity: int
    category: str | None = None
    seats: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Booking:
    order: Order
    cancelled: frozenset[int] = frozenset()
    inside: frozenset[int] = frozenset()
    generation: int = 1

    @property
    def live(self) -> list[int]:
        """Numbers of the tickets that are not cancelled."""
        return [n for n in range(1, self.order.quantity + 1) if n not in self.cancelled]


@dataclass(frozen=True, slots=True)
class Hold:
    order: Order
    expires_at: int
    status: str = "held"
    waiting_id: str | None = None
    booking_id: str | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """A place in line."""

    order: Order
    status: str = "waiting"


@dataclass(frozen=True, slots=True)
class State:
    """An event after some entry. Never changed: a later state shares what stayed the same."""

    terms: Mapping[str, Any] = field(default_factory=dict)
    version: int = 0
    at: int = 0
    head_hash: str = "00" * 32
    capacity: int = 0
    status: str = "open"
    booked: int = 0
    held: int = 0
    bookings: Mapping[str, Booking] = field(default_factory=dict)
    holds: Mapping[str, Hold] = field(default_factory=dict)
    line: Mapping[str, Place] = field(default_factory=dict)
    claims: Mapping[str, str] = field(default_factory=dict)
    tickets: Mapping[str, int] = field(default_factory=dict)
    taken: Mapping[str, int] = field(default_factory=dict)
    keys: frozenset[str] = frozenset()

    @property
    def available(self) -> int:
        return self.capacity - self.booked - self.held

    def category_of(self, seat: str) -> str | None:
        """The category of a seat; KeyError where there is no such seat."""
        for row in self.terms["seat_rows"]:
            if seat in row["seats"]:
                category: str | None = row["category"]
                return category
        raise KeyError(seat)

    def is_closed_at(self, recorded_at: int) -> bool:
        """Whether the sale window is over, or not begun, at a time."""
        opens, closes = self.terms["sales_open_at"], self.terms["sales_close_at"]
        return (opens is not None and recorded_at < opens) or (
            closes is not None and recorded_at >= closes
        )


Change = Callable[[State, Entry, Mapping[str, Any]], State]


def step(state: State, entry: Entry) -> State:
    """The state after ``entry``; raises `Wrong`."""
    fields = entry.fields
    if entry.key is not None and entry.key in state.keys:
        raise Wrong("L4", "the idempotency key is in the event's stream already")
    if state.version == 0 and entry.type != "EventScheduled":
        raise Wrong("L3", "the stream does not begin with EventScheduled")
    change = _CHANGES.get(entry.type)
    if change is None:
        raise Wrong("L7", f"there is no entry of type {entry.type}")
    changed = change(state, entry, fields)
    changed = replace(
        changed,
        version=entry.version,
        at=entry.recorded_at,
        head_hash=entry.hash,
        keys=state.keys if entry.key is None else state.keys | {entry.key},
    )
    _within_capacity(changed)
    return changed


def _within_capacity(state: State) -> None:
    if min(state.booked, state.held, state.available) < 0:
        raise Wrong("L1", f"{state.booked} booked and {state.held} held of {state.capacity}")
    if state.capacity > state.terms["venue_capacity"]:
        raise Wrong("L1", "the capacity is above the venue's")
    for name, capacity, categories in _capacities(state):
        taken = sum(state.taken.get(each, 0) for each in categories)
        if not 0 <= taken <= capacity:
            raise Wrong("L1", f"{taken} places of {name} are taken of {capacity}")


def _capacities(state: State) -> list[tuple[str, int, list[str]]]:
    own = [
        (each["name"], each["capacity"], [each["name"]])
        for each in state.terms["categories"]
        if each["capacity"] is not None
    ]
    return own + [(q["name"], q["capacity"], q["categories"]) for q in state.terms["quotas"]]


def _order(fields: Mapping[str, Any]) -> Order:
    return Order(fields["user_id"], fields["quantity"], fields["category"], tuple(fields["seats"]))


def _places(state: State, order: Order, quantity: int | None = None) -> dict[str, int]:
    """How many places of which categories an order takes."""
    places: dict[str, int] = {}
    if order.seats:
        for seat in order.seats:
            category = state.category_of(seat)
            if category is not None:
                places[category] = places.get(category, 0) + 1
    elif order.category is not None:
        places[order.category] = order.quantity if quantity is None else quantity
    return places


def _plus(counts: Mapping[str, int], more: Mapping[str, int], sign: int = 1) -> dict[str, int]:
    summed = dict(counts)
    for name, count in more.items():
        summed[name] = summed.get(name, 0) + sign * count
    return summed


def _claimed(state: State, seats: tuple[str, ...], was: str | None, now: str | None) -> State:
    claims = dict(state.claims)
    if len(set(seats)) != len(seats):
        raise Wrong("L2", f"a seat is named twice in {seats}")
    for seat in seats:
        try:
            state.category_of(seat)
        except KeyError:
            raise Wrong("L2", f"there is no seat {seat}") from None
        if claims.get(seat) != was:
            raise Wrong("L2", f"seat {seat} is claimed by {claims.get(seat)}, not by {was}")
        if now is None:
            del claims[seat]
        else:
            claims[seat] = now
    return replace(state, claims=claims)


def _scheduled(state: State, _: Entry, fields: Mapping[str, Any]) -> State:
    if state.version:
        raise Wrong("L3", "the event is scheduled a second time")
    return replace(state, terms=fields, capacity=fields["capacity"])


def _resized(state: State, _: Entry, fields: Mapping[str, Any]) -> State:
    return replace(state, capacity=fields["capacity"])


def _status(status: str) -> Change:
    def change(state: State, _: Entry, __: Mapping[str, Any]) -> State:
        if state.status in {status, "cancelled"}:
            raise Wrong("L7", f"an event that is {state.status} becomes {status}")
        return replace(state, status=status)

    return change


def _taken(state: State, entry: Entry, order: Order, claim: str) -> State:
    """What booking and holding have in common: the rules, the seats, the counts."""
    refused = refusal(state, order, closed=state.is_closed_at(entry.recorded_at))
    if refused is not None:
        raise Wrong("L1", f"{entry.type} although {refused}")
    if order.seats and len(order.seats) != order.quantity:
        raise Wrong("L2", f"{order.quantity} places and {len(order.seats)} seats")
    prices = {each["name"]: each["price_cents"] for each in state.terms["categories"]}
    places = _places(state, order)
    if entry.fields["amount_cents"] != sum(prices[name] * n for name, n in places.items()):
        raise Wrong("L7", f"{order} costs {entry.fields['amount_cents']}")
    state = _claimed(state, order.seats, None, claim)
    return replace(
        state,
        tickets=_plus(state.tickets, {order.user_id: order.quantity}),
        taken=_plus(state.taken, places),
    )


def _nobody_fits(state: State) -> None:
    """Who just presses "book" must not slip in before somebody in line."""
    if state.status == "open":
        for waiting_id, place in state.line.items():
            if place.status == "waiting" and refusal(state, place.order, closed=False) is None:
                raise Wrong("L7", f"{waiting_id} is in line and what they want is free")


def _booked(state: State, entry: Entry, fields: Mapping[str, Any]) -> State:
    _nobody_fits(state)
    order, booking_id = _order(fields), fields["booking_id"]
    if booking_id in state.bookings:
        raise Wrong("L2", f"booking {booking_id} is made a second time")
    state = _taken(state, entry, order, booking_id)
    bookings = {**state.bookings, booking_id: Booking(order)}
    return replace(state, booked=state.booked + order.quantity, bookings=bookings)


def _held(state: State, entry: Entry, fields: Mapping[str, Any]) -> State:
    order, hold_id, waiting_id = _order(fields), fields["hold_id"], fields["waiting_id"]
    line = state.line
    if waiting_id is None:
        _nobody_fits(state)
    else:
        _offer_is_due(state, order, waiting_id)
        line = {**line, waiting_id: replace(line[waiting_id], status="offered")}
    if hold_id in state.holds:
        raise Wrong("L2", f"hold {hold_id} is made a second time")
    if fields["expires_at"] != entry.recorded_at + state.terms["hold_seconds"] * MICROSECONDS:
        raise Wrong("L7", f"hold {hold_id} ends at another time than its terms say")
    state = _taken(state, entry, order, hold_id)
    hold = Hold(order, fields["expires_at"], waiting_id=waiting_id)
    holds = {**state.holds, hold_id: hold}
    return replace(state, held=state.held + order.quantity, holds=holds, line=line)


def _offer_is_due(state: State, order: Order, waiting_id: str) -> None:
    place = state.line.get(waiting_id)
    if place is None or place.status != "waiting":
        raise Wrong("L7", f"an offer to {waiting_id}, who does not wait")
    if (place.order.user_id, place.order.quantity) != (order.user_id, order.quantity):
        raise Wrong("L7", f"an offer to {waiting_id} of something else")
    for other_id, other in state.line.items():
        if other_id == waiting_id:
            return
        if other.status == "waiting" and refusal(state, other.order, closed=False) is None:
            raise Wrong("L7", f"{waiting_id} gets what {other_id}, who was first, could have had")


def _cancelled(state: State, _: Entry, fields: Mapping[str, Any]) -> State:
    booking_id, tickets = fields["booking_id"], frozenset(fields["tickets"])
    booking = _live(state, booking_id)
    if booking.order.user_id != fields["user_id"] or len(tickets) != fields["quantity"]:
        raise Wrong("L7", f"booking {booking_id} is cancelled with other contents")
    if not tickets or not tickets <= set(booking.live):
        raise Wrong("L2", f"tickets {sorted(tickets)} of {booking_id} are cancelled again")
    order = booking.order
    seats = tuple(order.seats[n - 1] for n in sorted(tickets)) if order.seats else ()
    given_back = Order(order.user_id, len(tickets), order.category, seats)
    places = _places(state, given_back)
    state = _claimed(state, seats, booking_id, None)
    left = replace(booking, cancelled=booking.cancelled | tickets, inside=booking.inside - tickets)
    return replace(
        state,
        booked=state.booked - len(tickets),
        bookings={**state.bookings, booking_id: left},
        tickets=_plus(state.tickets, {order.user_id: len(tickets)}, -1),
        taken=_plus(state.taken, places, -1),
    )


def _transferred(state: State, _: Entry, fields: Mapping[str, Any]) -> State:
    booking = _live(state, fields["booking_id"])
    if booking.order.user_id != fields["from_user_id"]:
        raise Wrong("L7", f"{fields['booking_id']} is given away by who has it not")
    count = len(booking.live)
    over = _over_limit(state, fields["to_user_id"], count)
    if over is not None:
        raise Wrong("L1", f"BookingTransferred although {over}")
    given = replace(
        booking,
        order=replace(booking.order, user_id=fields["to_user_id"]),
        generation=booking.generation + 1,
    )
    tickets = _plus(state.tickets, {fields["from_user_id"]: count}, -1)
    return replace(
        state,
        bookings={**state.bookings, fields["booking_id"]: given},
        tickets=_plus(tickets, {fields["to_user_id"]: count}),
    )


def _confirmed(state: State, entry: Entry, fields: Mapping[str, Any]) -> State:
    hold_id, booking_id = fields["hold_id"], fields["booking_id"]
    hold = _open_hold(state, hold_id, fields["user_id"])
    if entry.recorded_at >= hold.expires_at:
        raise Wrong("L1", f"hold {hold_id} is confirmed after its end")
    if booking_id in state.bookings or state.status == "cancelled":
        raise Wrong("L2", f"hold {hold_id} cannot become booking {booking_id}")
    state = _claimed(state, hold.order.seats, hold_id, booking_id)
    return replace(
        state,
        booked=state.booked + hold.order.quantity,
        held=state.held - hold.order.quantity,
        holds={**state.holds, hold_id: replace(hold, status="confirmed", booking_id=booking_id)},
        bookings={**state.bookings, booking_id: Booking(hold.order)},
    )


def _given_back(status: str) -> Change:
    def change(state: State, entry: Entry, fields: Mapping[str, Any]) -> State:
        hold_id = fields["hold_id"]
        hold = _open_hold(state, hold_id, fields["user_id"])
        if status == "expired" and entry.recorded_at < hold.expires_at:
            raise Wrong("L1", f"hold {hold_id} expires before its end")
        order = hold.order
        places = _places(state, order)
        state = _claimed(state, order.seats, hold_id, None)
        return replace(
            state,
            held=state.held - order.quantity,
            holds={**state.holds, hold_id: replace(hold, status=status)},
            tickets=_plus(state.tickets, {order.user_id: order.quantity}, -1),
            taken=_plus(state.taken, places, -1),
        )

    return change


def _joined(state: State, _: Entry, fields: Mapping[str, Any]) -> State:
    waiting_id = fields["waiting_id"]
    order = Order(fields["user_id"], fields["quantity"], fields["category"])
    if waiting_id in state.line or waits(state, order) is not None:
        raise Wrong("L7", f"{waiting_id} is in line already")
    return replace(state, line={**state.line, waiting_id: Place(order)})


def _left(state: State, _: Entry, fields: Mapping[str, Any]) -> State:
    waiting_id = fields["waiting_id"]
    place = state.line.get(waiting_id)
    if place is None or place.status != "waiting" or place.order.user_id != fields["user_id"]:
        raise Wrong("L7", f"{waiting_id} leaves a line it is not in")
    return replace(state, line={**state.line, waiting_id: replace(place, status="left")})


def _checked_in(state: State, _: Entry, fields: Mapping[str, Any]) -> State:
    booking, ticket = _live(state, fields["booking_id"]), fields["ticket"]
    if ticket not in booking.live or ticket in booking.inside or state.status == "cancelled":
        raise Wrong("L2", f"ticket {ticket} of {fields['booking_id']} is let in")
    let_in = replace(booking, inside=booking.inside | {ticket})
    return replace(state, bookings={**state.bookings, fields["booking_id"]: let_in})


def _annulled(state: State, _: Entry, fields: Mapping[str, Any]) -> State:
    booking, ticket = _live(state, fields["booking_id"]), fields["ticket"]
    if ticket not in booking.inside:
        raise Wrong("L2", f"ticket {ticket} of {fields['booking_id']} is not inside")
    outside = replace(booking, inside=booking.inside - {ticket})
    return replace(state, bookings={**state.bookings, fields["booking_id"]: outside})


def _live(state: State, booking_id: str) -> Booking:
    booking = state.bookings.get(booking_id)
    if booking is None or not booking.live:
        raise Wrong("L2", f"booking {booking_id} is not booked")
    return booking


def _open_hold(state: State, hold_id: str, user_id: str) -> Hold:
    hold = state.holds.get(hold_id)
    if hold is None or hold.status != "held" or hold.order.user_id != user_id:
        raise Wrong("L2", f"hold {hold_id} is not held")
    return hold


_CHANGES: dict[str, Change] = {
    "EventScheduled": _scheduled,
    "CapacityChanged": _resized,
    "EventOpened": _status("open"),
    "EventClosed": _status("closed"),
    "EventCancelled": _status("cancelled"),
    "SeatsBooked": _booked,
    "SeatsHeld": _held,
    "BookingCancelled": _cancelled,
    "BookingTransferred": _transferred,
    "HoldConfirmed": _confirmed,
    "HoldReleased": _given_back("released"),
    "HoldExpired": _given_back("expired"),
    "WaitingListJoined": _joined,
    "WaitingListLeft": _left,
    "TicketCheckedIn": _checked_in,
    "CheckInAnnulled": _annulled,
}


def waits(state: State, order: Order) -> str | None:
    """The place in line that a user has for a category already."""
    for waiting_id, place in state.line.items():
        wanted = place.order
        if place.status == "waiting" and (wanted.user_id, wanted.category) == (
            order.user_id,
            order.category,
        ):
            return waiting_id
    return None


def refusal(state: State, order: Order, *, closed: bool) -> dict[str, Any] | None:
    """The problem that an order meets, the first that says no; None when it can be had.

    ``closed`` says whether the sale window is over by the time of asking.
    """
    terms = state.terms
    if state.status == "cancelled":
        return {"code": "event-cancelled"}
    if state.status == "closed" or closed:
        return {"code": "sales-closed"}
    per_order = terms["limit_per_order"]
    if per_order is not None and order.quantity > per_order:
        return {"code": "limit-per-order", "limit": per_order}
    names = [each["name"] for each in terms["categories"]]
    category = names[0] if order.category is None and len(names) == 1 else order.category
    if (category is not None and category not in names) or (
        names and category is None and not order.seats
    ):
        return {"code": "category-not-found"}
    return (
        _seats_refused(state, order, category)
        or _counts_refused(state, order, category)
        or _over_limit(state, order.user_id, order.quantity)
    )


def _seats_refused(state: State, order: Order, category: str | None) -> dict[str, Any] | None:
    for seat in order.seats:
        try:
            of = state.category_of(seat)
        except KeyError:
            return {"code": "seat-not-found", "seat": seat}
        if category not in {None, of}:
            return {"code": "seat-not-found", "seat": seat}
        if seat in state.claims:
            return {"code": "seat-taken", "seat": seat}
    return None


def _counts_refused(state: State, order: Order, category: str | None) -> dict[str, Any] | None:
    if order.quantity > state.available:
        return _sold_out(state.available, None)
    rows = [row for row in state.terms["seat_rows"] if category in {None, row["category"]}]
    places = _places(state, order)
    if not order.seats and rows:
        runs = [run for row in rows for run in free_runs(row["seats"], state.claims)]
        if not any(len(run) >= order.quantity for run in runs):
            free = sum(map(len, runs))
            return {"code": "not-adjacent"} if free >= order.quantity else _sold_out(free, category)
    if not order.seats:
        places = {} if category is None else {category: order.quantity}
    for name, capacity, categories in _capacities(state):
        left = capacity - sum(state.taken.get(each, 0) for each in categories)
        if sum(places.get(each, 0) for each in categories) > left:
            return _sold_out(left, name)
    return None


def free_runs(seats: list[str], claims: Mapping[str, str]) -> list[list[str]]:
    """The free seats of a row, those side by side together."""
    runs: list[list[str]] = [[]]
    for seat in seats:
        if seat in claims:
            runs.append([])
        else:
            runs[-1].append(seat)
    return [run for run in runs if run]


def _sold_out(available: int, category: str | None) -> dict[str, Any]:
    return {"code": "sold-out", "available": available, "category": category}


def _over_limit(state: State, user_id: str, quantity: int) -> dict[str, Any] | None:
    limit, already = state.terms["limit_per_user"], state.tickets.get(user_id, 0)
    if limit is None or already + quantity <= limit:
        return None
    return {"code": "limit-per-user", "limit": limit, "already": already}
