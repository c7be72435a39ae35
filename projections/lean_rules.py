"""The rules of a stream once more, lean: for millions of entries, and as a second opinion.

Written apart from `ledger.evolve`, on plain dicts as they come out of the JSON; a test holds the
two together on random histories, and makes sure that every entry type has its rule. Which fields an
entry has is not repeated here but taken from its class. Pure.
"""

import dataclasses
from collections import Counter
from collections.abc import Callable
from itertools import product
from types import UnionType
from typing import Any, Final, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from ledger.codec import UPCASTS
from ledger.entries import Entry, SeatsBooked

Fields = dict[str, Any]
_NOTHING: Final[frozenset[Any]] = frozenset()
_NO_SEATS: Final[list[str]] = []
_SEATS_BOOKED: Final = tuple(sorted(each.name for each in dataclasses.fields(SeatsBooked)))


class FieldsWrong(Exception):
    """The fields are not those of the entry's type."""


class RuleBroken(Exception):
    """An entry cannot follow the ones before it: the first argument is the rule, then why."""


class LeanStream:
    """What the rules need to know of a stream."""

    __slots__ = (
        "booked",
        "bookings",
        "capacity",
        "categories",
        "claims",
        "held",
        "holds",
        "is_cancelled",
        "line",
        "quotas_of",
        "seats",
        "taken",
        "venue_capacity",
    )

    def __init__(self) -> None:
        self.capacity = -1  # so that nothing fits before the event is scheduled
        self.venue_capacity = 0
        self.is_cancelled = False
        self.booked = 0
        self.held = 0
        # booking id: user, quantity, category, seats, cancelled tickets, tickets inside
        self.bookings: dict[str, tuple[Any, ...]] = {}
        # hold id: user, quantity, category, seats, expiry; None once it is over
        self.holds: dict[str, tuple[Any, ...] | None] = {}
        # waiting id: user, quantity; None once it is over
        self.line: dict[str, tuple[Any, ...] | None] = {}
        self.seats: dict[str, str | None] = {}
        self.claims: dict[str, str] = {}
        self.taken: dict[str, int] = {}
        self.categories: dict[str, int] = {}
        self.quotas_of: dict[str, list[tuple[str, int, list[str]]]] = {}

    def require_capacity(self) -> None:
        """L1 for the event as a whole."""
        if self.capacity < 0:
            raise RuleBroken("L1", "the stream does not begin with EventScheduled")
        taken = self.booked + self.held
        if taken > self.capacity:
            raise RuleBroken("L1", f"{taken} places taken of {self.capacity}")

    def require_scheduled(self) -> None:
        if self.capacity < 0:
            raise RuleBroken("L2", "the event is not scheduled yet")
        if self.is_cancelled:
            raise RuleBroken("L2", "the event changes after it was cancelled")

    def take(self, category: str | None, seats: list[str], quantity: int, sign: int) -> None:
        """Count places of categories; L1 for categories and quotas."""
        places: dict[str | None, int]
        places = Counter(map(self.seats.get, seats)) if seats else {category: quantity}
        for name, count in places.items():
            if name is not None:
                self.taken[name] = self.taken.get(name, 0) + sign * count
        for name in places:
            if name is not None:
                self._require_share(name)

    def _require_share(self, category: str) -> None:
        taken, capacity = self.taken[category], self.categories.get(category)
        if capacity is not None and taken > capacity:
            raise RuleBroken("L1", f"{taken} places of {category} taken of {capacity}")
        for name, capacity, categories in self.quotas_of.get(category, ()):
            taken = sum(self.taken.get(each, 0) for each in categories)
            if taken > capacity:
                raise RuleBroken("L1", f"{taken} places of {name} taken of {capacity}")

    def claim(self, seats: list[str], was: str | None, now: str | None) -> None:
        """Seats go from ``was`` to ``now``: L2."""
        if len(set(seats)) != len(seats):
            raise RuleBroken("L2", "a seat is named twice")
        for seat in seats:
            if seat not in self.seats:
                raise RuleBroken("L2", f"there is no seat {seat}")
            if self.claims.get(seat) != was:
                raise RuleBroken("L2", f"seat {seat} is claimed twice")
            if now is None:
                del self.claims[seat]
            else:
                self.claims[seat] = now

    def booking(self, booking_id: str) -> tuple[Any, ...]:
        """A booking that has tickets left."""
        booking = self.bookings.get(booking_id)
        if booking is None or len(booking[4]) == booking[1]:
            raise RuleBroken("L2", f"booking {booking_id} is not booked")
        return booking

    def hold(self, hold_id: str) -> tuple[Any, ...]:
        """A hold that is not over."""
        hold = self.holds.get(hold_id)
        if hold is None:
            raise RuleBroken("L2", f"hold {hold_id} is not held")
        return hold

    def waiting(self, waiting_id: str) -> tuple[Any, ...]:
        """A place in line that is not over."""
        waiting = self.line.get(waiting_id)
        if waiting is None:
            raise RuleBroken("L2", f"{waiting_id} does not wait")
        return waiting


Rule = Callable[[LeanStream, Fields, int], None]
"""Changes the stream by an entry's fields and time, or raises `RuleBroken`."""


def _seats_booked(stream: LeanStream, fields: Fields, _: int) -> None:
    # Done here by hand, since most entries are bookings: half a microsecond each, done as below.
    if tuple(fields) == _SEATS_BOOKED:
        amount_cents, booking_id, category, quantity, seats, user_id = fields.values()
    elif fields.keys() == set(_SEATS_BOOKED):
        amount_cents, booking_id, category, quantity, seats, user_id = map(
            fields.__getitem__, _SEATS_BOOKED
        )
    else:
        raise FieldsWrong
    if (
        type(booking_id) is not str
        or type(quantity) is not int
        or type(user_id) is not str
        or type(amount_cents) is not int
        or type(seats) is not list
        or (category is not None and type(category) is not str)
        or (seats and not all(type(seat) is str for seat in seats))
    ):
        raise FieldsWrong
    if booking_id in stream.bookings:
        raise RuleBroken("L2", f"booking {booking_id} is booked a second time")
    if quantity < 1:
        raise RuleBroken("L2", f"{quantity} places are booked")
    if seats or category is not None:
        _claim_new(stream, category, seats, quantity, booking_id)
    # One empty list for all: there are many bookings without seats.
    own = (user_id, quantity, category, seats or _NO_SEATS, _NOTHING, _NOTHING)
    stream.bookings[booking_id] = own
    stream.booked += quantity
    if stream.booked + stream.held > stream.capacity:
        stream.require_capacity()


def _claim_new(
    stream: LeanStream, category: str | None, seats: list[str], quantity: int, claim: str
) -> None:
    if seats:
        if len(seats) != quantity:
            raise RuleBroken("L2", f"{quantity} places and {len(seats)} seats")
        stream.claim(seats, None, claim)
    stream.take(category, seats, quantity, 1)


def _booking_cancelled(stream: LeanStream, fields: Fields, _: int) -> None:
    booking_id, tickets = fields["booking_id"], fields["tickets"]
    booking = stream.booking(booking_id)
    user_id, quantity, category, seats, cancelled, inside = booking
    gone = frozenset(tickets)
    if (
        not gone
        or len(gone) != len(tickets)
        or gone & cancelled
        or min(gone) < 1
        or max(gone) > quantity
    ):
        raise RuleBroken("L2", f"tickets {tickets} of booking {booking_id} are not live")
    if fields["quantity"] != len(gone) or fields["user_id"] != user_id:
        raise RuleBroken("L2", f"booking {booking_id} is cancelled with other contents")
    given_back = [seats[ticket - 1] for ticket in tickets] if seats else []
    stream.claim(given_back, booking_id, None)
    stream.take(category, given_back, len(gone), -1)
    stream.booked -= len(gone)
    stream.bookings[booking_id] = (
        user_id,
        quantity,
        category,
        seats,
        cancelled | gone,
        inside - gone,
    )


def _booking_transferred(stream: LeanStream, fields: Fields, _: int) -> None:
    booking_id = fields["booking_id"]
    booking = stream.booking(booking_id)
    if booking[0] != fields["from_user_id"]:
        raise RuleBroken("L2", f"booking {booking_id} is given away by who has it not")
    stream.bookings[booking_id] = (fields["to_user_id"], *booking[1:])


def _seats_held(stream: LeanStream, fields: Fields, _: int) -> None:
    hold_id, quantity, waiting_id = fields["hold_id"], fields["quantity"], fields["waiting_id"]
    category, seats, user_id = fields["category"], fields["seats"], fields["user_id"]
    if hold_id in stream.holds:
        raise RuleBroken("L2", f"hold {hold_id} is held a second time")
    if quantity < 1:
        raise RuleBroken("L2", f"{quantity} places are held")
    if waiting_id is not None:
        if stream.waiting(waiting_id) != (user_id, quantity):
            raise RuleBroken("L2", f"the offer {hold_id} is not what was waited for")
        stream.line[waiting_id] = None
    if seats or category is not None:
        _claim_new(stream, category, seats, quantity, hold_id)
    stream.holds[hold_id] = (user_id, quantity, category, seats, fields["expires_at"])
    stream.held += quantity
    if stream.booked + stream.held > stream.capacity:
        stream.require_capacity()


def _hold_confirmed(stream: LeanStream, fields: Fields, at: int) -> None:
    hold_id, booking_id = fields["hold_id"], fields["booking_id"]
    user_id, quantity, category, seats, expires_at = stream.hold(hold_id)
    if at >= expires_at:
        raise RuleBroken("L2", f"hold {hold_id} is confirmed after it expired")
    if booking_id in stream.bookings or fields["user_id"] != user_id:
        raise RuleBroken("L2", f"hold {hold_id} is confirmed with other contents")
    if seats:
        stream.claim(seats, hold_id, booking_id)
    stream.holds[hold_id] = None
    stream.bookings[booking_id] = (user_id, quantity, category, seats, _NOTHING, _NOTHING)
    stream.held -= quantity
    stream.booked += quantity


def _hold_released(stream: LeanStream, fields: Fields, _: int) -> None:
    hold_id = fields["hold_id"]
    user_id, quantity, category, seats, _expires_at = stream.hold(hold_id)
    if fields["user_id"] != user_id:
        raise RuleBroken("L2", f"hold {hold_id} ends with other contents")
    stream.claim(seats, hold_id, None)
    stream.take(category, seats, quantity, -1)
    stream.holds[hold_id] = None
    stream.held -= quantity


def _hold_expired(stream: LeanStream, fields: Fields, at: int) -> None:
    hold_id, expires_at = fields["hold_id"], fields["expires_at"]
    hold = stream.hold(hold_id)
    if at < expires_at:
        raise RuleBroken("L2", f"hold {hold_id} expires before its time")
    if (fields["quantity"], expires_at) != (hold[1], hold[4]):
        raise RuleBroken("L2", f"hold {hold_id} ends with other contents")
    _hold_released(stream, fields, at)


def _waiting_list_joined(stream: LeanStream, fields: Fields, _: int) -> None:
    waiting_id = fields["waiting_id"]
    if waiting_id in stream.line:
        raise RuleBroken("L2", f"{waiting_id} joins the waiting list a second time")
    stream.line[waiting_id] = (fields["user_id"], fields["quantity"])


def _waiting_list_left(stream: LeanStream, fields: Fields, _: int) -> None:
    waiting_id = fields["waiting_id"]
    if stream.waiting(waiting_id)[0] != fields["user_id"]:
        raise RuleBroken("L2", f"{waiting_id} leaves as somebody else")
    stream.line[waiting_id] = None


def _ticket_checked_in(stream: LeanStream, fields: Fields, _: int) -> None:
    booking_id, ticket = fields["booking_id"], fields["ticket"]
    *head, quantity, category, seats, cancelled, inside = stream.booking(booking_id)
    if not 1 <= ticket <= quantity or ticket in cancelled:
        raise RuleBroken("L2", f"ticket {ticket} of booking {booking_id} is not live")
    if ticket in inside:
        raise RuleBroken("L2", f"ticket {ticket} of booking {booking_id} is inside")
    stream.bookings[booking_id] = (*head, quantity, category, seats, cancelled, inside | {ticket})


def _check_in_annulled(stream: LeanStream, fields: Fields, _: int) -> None:
    booking_id, ticket = fields["booking_id"], fields["ticket"]
    *head, inside = stream.booking(booking_id)
    if ticket not in inside:
        raise RuleBroken("L2", f"ticket {ticket} of booking {booking_id} is outside")
    stream.bookings[booking_id] = (*head, inside - {ticket})


def _event_scheduled(stream: LeanStream, fields: Fields, _: int) -> None:
    if stream.capacity >= 0:
        raise RuleBroken("L2", "the event is scheduled a second time")
    if not 0 <= fields["capacity"] <= fields["venue_capacity"]:
        raise RuleBroken("L1", "the capacity is above the venue's, or below zero")
    stream.capacity, stream.venue_capacity = fields["capacity"], fields["venue_capacity"]
    for category in fields["categories"]:
        if category["capacity"] is not None:
            stream.categories[category["name"]] = category["capacity"]
    for quota in fields["quotas"]:
        for category in quota["categories"]:
            stream.quotas_of.setdefault(category, []).append(
                (quota["name"], quota["capacity"], quota["categories"])
            )
    for row in fields["seat_rows"]:
        for seat in row["seats"]:
            stream.seats[seat] = row["category"]


def _capacity_changed(stream: LeanStream, fields: Fields, _: int) -> None:
    stream.require_scheduled()
    if not 0 <= fields["capacity"] <= stream.venue_capacity:
        raise RuleBroken("L1", "the capacity is above the venue's, or below zero")
    stream.capacity = fields["capacity"]
    stream.require_capacity()


def _event_opened_or_closed(stream: LeanStream, _: Fields, __: int) -> None:
    stream.require_scheduled()


def _event_cancelled(stream: LeanStream, _: Fields, __: int) -> None:
    stream.require_scheduled()
    stream.is_cancelled = True


_RULES: Final[dict[str, Rule]] = {
    "BookingCancelled": _booking_cancelled,
    "BookingTransferred": _booking_transferred,
    "CapacityChanged": _capacity_changed,
    "CheckInAnnulled": _check_in_annulled,
    "EventCancelled": _event_cancelled,
    "EventClosed": _event_opened_or_closed,
    "EventOpened": _event_opened_or_closed,
    "EventScheduled": _event_scheduled,
    "HoldConfirmed": _hold_confirmed,
    "HoldExpired": _hold_expired,
    "HoldReleased": _hold_released,
    "SeatsBooked": _seats_booked,
    "SeatsHeld": _seats_held,
    "TicketCheckedIn": _ticket_checked_in,
    "WaitingListJoined": _waiting_list_joined,
    "WaitingListLeft": _waiting_list_left,
}


@dataclasses.dataclass(frozen=True, slots=True)
class Reading:
    """How an entry type is read."""

    schema_version: int
    """Today's; fields of an older one are to be lifted."""
    rule: Rule
    """Raises `FieldsWrong` as well, KeyError for a field that is missing."""

    def lifted(self, type_name: str, schema_version: int, fields: Fields) -> Fields:
        """Fields of an older schema as today's has them; KeyError for one that never was."""
        for version in range(schema_version, self.schema_version):
            fields = UPCASTS[type_name, version](fields)
        if schema_version > self.schema_version:
            raise KeyError(schema_version)
        return fields


def _reading(entry_class: type[Entry]) -> Reading:
    name = entry_class.__name__
    lifted_from = [version for type_name, version in UPCASTS if type_name == name]
    rule = _RULES[name]
    return Reading(
        schema_version=max(lifted_from, default=0) + 1,
        rule=rule if rule is _seats_booked else _checked(rule, entry_class),
    )


def _checked(rule: Rule, entry_class: type[Entry]) -> Rule:
    """``rule`` for fields that were held against the type hints of ``entry_class``."""
    is_right = _checker(entry_class)

    def checked(stream: LeanStream, fields: Fields, at: int) -> None:
        if not is_right(fields):
            raise FieldsWrong
        rule(stream, fields, at)
        if stream.capacity < 0:
            stream.require_capacity()

    return checked


def _json_types(hint: Any) -> list[type]:
    """What the JSON of a value with this type hint is read as."""
    hint = getattr(hint, "__supertype__", hint)
    if get_origin(hint) in {Union, UnionType}:
        return [each for member in get_args(hint) for each in _json_types(member)]
    if get_origin(hint) is tuple:
        return [list]
    if dataclasses.is_dataclass(hint):
        return [dict]
    return [str if hint is UUID else hint]


def _checker(hint: Any) -> Callable[[Any], bool]:
    """Tells whether a value is the JSON of this type hint, nested ones included."""
    types = _json_types(hint)
    if dict in types:
        hints = get_type_hints(hint)
        names = tuple(sorted(hints))
        if not names:
            return lambda value: value == {}
        plain = frozenset(product(*[_json_types(hints[name]) for name in names]))
        lists = [
            (name, _checker(hints[name])) for name in names if list in _json_types(hints[name])
        ]
        return lambda value: (
            type(value) is dict
            and tuple(sorted(value)) == names
            and tuple([type(value[name]) for name in names]) in plain
            and all(not value[name] or check(value[name]) for name, check in lists)
        )
    if list in types:
        check_item = _checker(get_args(hint)[0])
        return lambda value: all(map(check_item, value))
    return lambda value: type(value) in types


READINGS: Final[dict[str, Reading]] = {
    entry_class.__name__: _reading(entry_class) for entry_class in get_args(Entry)
}
