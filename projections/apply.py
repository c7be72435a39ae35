"""What an entry adds to each projection that follows the order of all entries. Pure.

One small function a projection. Each says how much is to be added to which rows, so that it makes
no difference how many entries are added up before they are written. An entry is taken as the fields
of its payload, lifted to today's schema, with ids as text: as such they go into the tables.

What an entry is about, say the booking that it cancels, comes along as an `Order`. No entry changes
one, so it makes no difference how far ahead of this entry the tables are that it was read from.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

MINUTE_US: Final = 60_000_000

NO_CATEGORY: Final = ""
NO_SECTION: Final = ""
"""Of places without a category, or outside of any section; no category is called so."""


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


class Share(NamedTuple):
    """Places of one section and category, and what they cost."""

    section: str
    category: str
    places: int
    cents: int


class Happened(NamedTuple):
    """An entry at its place in the order of all, with the shares of the places that it moves."""

    seq: int
    stream_id: str
    version: int
    at: int
    type_name: str
    fields: Mapping[str, Any]
    order: Order | None
    shares: Sequence[Share]


Row = tuple[Any, ...]
"""A row's key, or the amounts that are added to it."""
Added = Sequence[tuple[Row, Row]]

NOTHING: Final[Added] = ()

_ORDER_NAMED_BY: Final = {
    "BookingCancelled": "booking_id",
    "HoldConfirmed": "hold_id",
    "HoldReleased": "hold_id",
    "HoldExpired": "hold_id",
    "WaitingListLeft": "waiting_id",
    "SeatsHeld": "waiting_id",
}
"""By type, the field that names an order that began with an earlier entry."""

_BEGIN: Final = frozenset({"SeatsBooked", "SeatsHeld"})
_GO_ON: Final = frozenset({"BookingCancelled", "HoldConfirmed", "HoldReleased", "HoldExpired"})
_SELL: Final = frozenset({"SeatsBooked", "HoldConfirmed"})


def order_named(type_name: str, fields: Mapping[str, Any]) -> str | None:
    """The id of the booking, hold or place in line that an entry goes on with; None with none."""
    name = _ORDER_NAMED_BY.get(type_name)
    return None if name is None else fields[name]


def happened(
    seq: int,
    stream_id: str,
    version: int,
    at: int,
    type_name: str,
    fields: Mapping[str, Any],
    order: Order | None,
    hall: Hall | None,
) -> Happened:
    """Put together an entry, the order that it is about if that began with an entry before, and
    the hall if it is about seats.
    """
    shares: Sequence[Share] = ()
    if type_name in _BEGIN:
        own = Order(fields["quantity"], fields["category"], fields["seats"], fields["amount_cents"])
        shares = _shares(own, None, hall)
    elif type_name in _GO_ON and order is not None:
        shares = _shares(order, fields.get("tickets"), hall)
    return Happened(seq, stream_id, version, at, type_name, fields, order, shares)


def _shares(order: Order, tickets: Sequence[int] | None, hall: Hall | None) -> Sequence[Share]:
    """The places of ``order``, or of those tickets alone, by section and category."""
    quantity, category, seats, amount_cents = order
    if not seats:
        # All places of one price: the division leaves nothing over.
        places = quantity if tickets is None else len(tickets)
        cents = amount_cents if places == quantity else amount_cents * places // quantity
        return (Share(NO_SECTION, category or NO_CATEGORY, places, cents),)
    if hall is None:
        raise ValueError("seats are named, and no hall is given")
    counted: dict[tuple[str, str], int] = {}
    for seat in seats if tickets is None else (seats[ticket - 1] for ticket in tickets):
        place = hall.seats[seat]
        counted[place] = counted.get(place, 0) + 1
    return [
        Share(section, name, places, places * hall.prices.get(name, 0))
        for (section, name), places in counted.items()
    ]


def progress(entry: Happened) -> tuple[str, int, int, int | None]:
    """How far the event is counted: its id, version and time, and its capacity if that is new."""
    return entry.stream_id, entry.version, entry.at, entry.fields.get("capacity")


def sales(entry: Happened) -> Added:
    """Tickets booked and cancelled, and their prices, by event, minute and category."""
    minute = entry.at - entry.at % MINUTE_US
    return [((entry.stream_id, minute, share.category), amounts) for share, amounts in _sold(entry)]


def revenue(entry: Happened) -> Added:
    """As `sales`, of all time: by event and category."""
    return [((entry.stream_id, share.category), amounts) for share, amounts in _sold(entry)]


def _sold(entry: Happened) -> Sequence[tuple[Share, Row]]:
    if entry.type_name in _SELL:
        return [(share, (share.places, 0, share.cents, 0)) for share in entry.shares]
    if entry.type_name == "BookingCancelled":
        return [(share, (0, share.places, 0, share.cents)) for share in entry.shares]
    return ()


def occupancy(entry: Happened) -> Added:
    """Seats that there are, places booked and places held, by event and section."""
    match entry.type_name:
        case "SeatsBooked":
            booked, held = 1, 0
        case "BookingCancelled":
            booked, held = -1, 0
        case "SeatsHeld":
            booked, held = 0, 1
        case "HoldConfirmed":
            booked, held = 1, -1
        case "HoldReleased" | "HoldExpired":
            booked, held = 0, -1
        case "EventScheduled":
            return [
                ((entry.stream_id, row["section"]), (len(row["seats"]), 0, 0))
                for row in entry.fields["seat_rows"]
            ]
        case _:
            return NOTHING
    return [
        ((entry.stream_id, share.section), (0, booked * share.places, held * share.places))
        for share in entry.shares
    ]


def line_lengths(entry: Happened) -> Added:
    """How many wait in line, and for how many places, by event and category."""
    if entry.type_name == "WaitingListJoined":
        sign, quantity, category = 1, entry.fields["quantity"], entry.fields["category"]
    elif entry.order is not None and entry.type_name in {"WaitingListLeft", "SeatsHeld"}:
        sign, quantity, category = -1, entry.order.quantity, entry.order.category
    else:
        return NOTHING
    return [((entry.stream_id, category or NO_CATEGORY), (sign, sign * quantity))]


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


def histories(entry: Happened) -> Sequence[Row]:
    """What happened to users, each a row of its own.

    How many tickets a transfer hands over depends on those cancelled before, which an order does
    not tell: it has no quantity here. Check-ins name no user and are not here at all.
    """
    fields = entry.fields
    place = (entry.seq, entry.stream_id, entry.version, entry.at)
    if entry.type_name == "BookingTransferred":
        booking_id = fields["booking_id"]
        given = (fields["from_user_id"], *place, "given", booking_id, None)
        return given, (fields["to_user_id"], *place, "received", booking_id, None)
    told = _TOLD.get(entry.type_name)
    if told is None:
        return ()
    what, subject = told
    quantity = fields.get("quantity")
    if entry.order is not None:
        quantity = quantity or entry.order.quantity
        what = "offered" if entry.type_name == "SeatsHeld" else what
    return ((fields["user_id"], *place, what, fields[subject], quantity),)
