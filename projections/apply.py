"""What entries add to the projections that follow the order of all entries. Pure.

An entry moves places: `moves` says how many of which section and category, at what price. What a
move adds to sales, revenue, occupancy and waiting lists is a small function for each. All of them
are linear, so moves alike may be added up first, and it makes no difference how many entries are
counted at a time. `histories` tells what happened to users, entry by entry.

An entry is taken as the fields of its payload, lifted to today's schema, with ids as text: as such
they go into the tables. What it is about, say the booking that it cancels, comes along as an
`Order`; no entry changes one, so it makes no difference how much later it is read.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

MINUTE_US: Final = 60_000_000

NO_CATEGORY: Final = ""
NO_SECTION: Final = ""
"""Of places without a category, or outside of any section; no category is called so."""

Fields = Mapping[str, Any]

Row = tuple[Any, ...]
"""A row's key, or the amounts that are added to it."""


class Order(NamedTuple):
    """What a booking, a hold or a place in line is for."""

    quantity: int
    category: str | None
    seats: Sequence[str]
    amount_cents: int


class Hall(NamedTuple):
    """An event's seats with the section and category of each, and the categories' prices."""

    seats: Mapping[str, tuple[str, str]]
    prices: Mapping[str, int]


NO_HALL: Final = Hall({}, {})


class Move(NamedTuple):
    """What an entry of a kind does at an event, in a minute, to places of a section and category.

    The kind is the entry's type; an offer, which is a hold, also ends a wait: `WaitingListLeft`.
    """

    kind: str
    stream_id: str
    minute: int
    section: str
    category: str


Amounts = tuple[int, int, int]
"""Of moves alike: how many they are, of how many places, at what price in cents."""

Added = tuple[Row, Row] | None


def hall_of(seat_rows: Iterable[Row], categories: Iterable[Fields]) -> Hall:
    """The hall of an event's rows of seats (section, category, seats) and its categories."""
    return Hall(
        {
            seat: (section, category or NO_CATEGORY)
            for section, category, seats in seat_rows
            for seat in seats
        },
        {each["name"]: each["price_cents"] for each in categories},
    )


_ORDER_NAMED_BY: Final = {
    "BookingCancelled": "booking_id",
    "HoldConfirmed": "hold_id",
    "HoldReleased": "hold_id",
    "HoldExpired": "hold_id",
    "WaitingListLeft": "waiting_id",
    "SeatsHeld": "waiting_id",
}
"""By type, the field that names an order that began with an earlier entry."""


def order_named(type_name: str, fields: Fields) -> str | None:
    """The id of the booking, hold or place in line that an entry goes on with; None with none."""
    name = _ORDER_NAMED_BY.get(type_name)
    return None if name is None else fields[name]


def moves(
    type_name: str, stream_id: str, at: int, fields: Fields, order: Order | None, hall: Hall
) -> Sequence[tuple[Move, Amounts]]:
    """The moves of an entry; ``order`` is the one that it names, ``hall`` its event's.

    Raises KeyError for a seat that the hall has not, or an entry without its order.
    """
    minute = at - at % MINUTE_US
    match type_name:
        case "SeatsBooked" | "SeatsHeld":
            quantity, category, seats = fields["quantity"], fields["category"], fields["seats"]
            if not seats and order is None:
                # What it comes to below, in half the time: most entries are such bookings.
                move = Move(type_name, stream_id, minute, NO_SECTION, category or NO_CATEGORY)
                return ((move, (1, quantity, fields["amount_cents"])),)
            own = Order(quantity, category, seats, fields["amount_cents"])
            moved = _shares(type_name, stream_id, minute, own, None, hall)
            if order is None:
                return moved
            return *moved, _wait("WaitingListLeft", stream_id, minute, order)
        case "BookingCancelled" if order is not None:
            return _shares(type_name, stream_id, minute, order, fields["tickets"], hall)
        case "HoldConfirmed" | "HoldReleased" | "HoldExpired" if order is not None:
            return _shares(type_name, stream_id, minute, order, None, hall)
        case "WaitingListJoined":
            wish = Order(fields["quantity"], fields["category"], (), 0)
            return (_wait(type_name, stream_id, minute, wish),)
        case "WaitingListLeft" if order is not None:
            return (_wait(type_name, stream_id, minute, order),)
        case "EventScheduled":
            return [
                (
                    Move(type_name, stream_id, minute, row["section"], NO_CATEGORY),
                    (1, len(row["seats"]), 0),
                )
                for row in fields["seat_rows"]
            ]
        case _ if type_name in _ORDER_NAMED_BY:
            raise KeyError(type_name)
        case _:
            return ()


def _shares(
    kind: str,
    stream_id: str,
    minute: int,
    order: Order,
    tickets: Sequence[int] | None,
    hall: Hall,
) -> Sequence[tuple[Move, Amounts]]:
    """The places of ``order``, or of those tickets alone, by section and category."""
    quantity, category, seats, amount_cents = order
    if not seats:
        # All places of one price: the division leaves nothing over.
        places = quantity if tickets is None else len(tickets)
        cents = amount_cents if places == quantity else amount_cents * places // quantity
        move = Move(kind, stream_id, minute, NO_SECTION, category or NO_CATEGORY)
        return ((move, (1, places, cents)),)
    counted: dict[tuple[str, str], int] = {}
    for seat in seats if tickets is None else [seats[ticket - 1] for ticket in tickets]:
        place = hall.seats[seat]
        counted[place] = counted.get(place, 0) + 1
    return [
        (
            Move(kind, stream_id, minute, section, name),
            (1, places, places * hall.prices.get(name, 0)),
        )
        for (section, name), places in counted.items()
    ]


def _wait(kind: str, stream_id: str, minute: int, order: Order) -> tuple[Move, Amounts]:
    move = Move(kind, stream_id, minute, NO_SECTION, order.category or NO_CATEGORY)
    return move, (1, order.quantity, 0)


def sales(move: Move, amounts: Amounts) -> Added:
    """Tickets booked and cancelled, and their prices, by event, minute and category."""
    sold = _sold(move, amounts)
    return None if sold is None else ((move.stream_id, move.minute, move.category), sold)


def revenue(move: Move, amounts: Amounts) -> Added:
    """As `sales`, of all time: by event and category."""
    sold = _sold(move, amounts)
    return None if sold is None else ((move.stream_id, move.category), sold)


def _sold(move: Move, amounts: Amounts) -> Row | None:
    _, places, cents = amounts
    match move.kind:
        case "SeatsBooked" | "HoldConfirmed":
            return places, 0, cents, 0
        case "BookingCancelled":
            return 0, places, 0, cents
        case _:
            return None


_TAKEN_BY: Final = {
    "SeatsBooked": (1, 0),
    "BookingCancelled": (-1, 0),
    "SeatsHeld": (0, 1),
    "HoldConfirmed": (1, -1),
    "HoldReleased": (0, -1),
    "HoldExpired": (0, -1),
}
"""By kind, what becomes of booked and of held places."""


def occupancy(move: Move, amounts: Amounts) -> Added:
    """Seats that there are, places booked and places held, by event and section."""
    _, places, _ = amounts
    key = (move.stream_id, move.section)
    if move.kind == "EventScheduled":
        return key, (places, 0, 0)
    if move.kind not in _TAKEN_BY:
        return None
    booked, held = _TAKEN_BY[move.kind]
    return key, (0, booked * places, held * places)


def line_lengths(move: Move, amounts: Amounts) -> Added:
    """How many wait in line, and for how many places, by event and category."""
    waits, places, _ = amounts
    key = (move.stream_id, move.category)
    match move.kind:
        case "WaitingListJoined":
            return key, (waits, places)
        case "WaitingListLeft":
            return key, (-waits, -places)
        case _:
            return None


_TOLD: Final = {
    "SeatsBooked": ("booked", "booking_id"),
    "BookingCancelled": ("cancelled", "booking_id"),
    "SeatsHeld": ("held", "hold_id"),
    "HoldConfirmed": ("confirmed", "booking_id"),
    "HoldReleased": ("released", "hold_id"),
    "HoldExpired": ("expired", "hold_id"),
    "WaitingListJoined": ("joined", "waiting_id"),
    "WaitingListLeft": ("left", "waiting_id"),
}


def histories(
    seq: int,
    type_name: str,
    stream_id: str,
    version: int,
    at: int,
    fields: Fields,
    order: Order | None,
) -> Sequence[Row]:
    """What an entry tells of users: who, where it stands, when, what, of what, how many places.

    How many tickets a transfer hands over depends on those cancelled before, which an order does
    not tell: there is no quantity then. Check-ins name no user and are not told at all.
    """
    if type_name == "BookingTransferred":
        subject = fields["booking_id"]
        given = (fields["from_user_id"], seq, stream_id, version, at, "given", subject, None)
        return given, (fields["to_user_id"], *given[1:5], "received", subject, None)
    told = _TOLD.get(type_name)
    if told is None:
        return ()
    what, name = told
    quantity = fields.get("quantity")
    if order is not None:
        quantity = quantity or order.quantity
        what = "offered" if type_name == "SeatsHeld" else what
    return ((fields["user_id"], seq, stream_id, version, at, what, fields[name], quantity),)
