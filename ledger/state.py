"""State of one stream, and what an entry changes in it.

The write path holds just what the batch's commands name; replay holds everything. `Changes` is at
once what is folded in and what the inline projection writes, so the two cannot drift apart.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ledger.records import Booking, Hold, Terms, Waiting, WaitingStatus
from ledger.seating import Layout
from ledger.values import BookingId, HoldId, UserId, WaitingId

Claim = BookingId | HoldId
"""What has a seat."""


class Impossible(Exception):
    """The entries contradict each other: no order of commands could have written them."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What one entry does to a state: counts by how much, records as they now stand."""

    terms: Terms | None = None
    layout: Layout | None = None
    booked: int = 0
    held: int = 0
    tickets: tuple[tuple[UserId, int], ...] = ()
    """Tickets, booked or held, that users gain or lose."""
    taken: tuple[tuple[str, int], ...] = ()
    """Places, booked or held, that categories gain or lose."""
    claims: tuple[tuple[str, Claim | None], ...] = ()
    """Seats and what has them now."""
    booking: Booking | None = None
    hold: Hold | None = None
    waiting: Waiting | None = None


@dataclass(slots=True)
class State:
    """The fold of a stream's entries, or of those that matter to the commands at hand."""

    terms: Terms | None = None
    layout: Layout | None = None
    booked: int = 0
    held: int = 0
    tickets_by_user: dict[UserId, int] = field(default_factory=dict)
    taken_by_category: dict[str, int] = field(default_factory=dict)
    claims: dict[str, Claim] = field(default_factory=dict)
    bookings: dict[BookingId, Booking] = field(default_factory=dict)
    holds: dict[HoldId, Hold] = field(default_factory=dict)
    line: dict[WaitingId, Waiting] = field(default_factory=dict)
    in_line: int = 0
    line_known_to: int | None = None
    """The version up to which `line` has everybody who waits, if it does not have them all."""

    @property
    def available(self) -> int:
        """Places that can be had now; L1 is that this is never below zero."""
        return 0 if self.terms is None else self.terms.capacity - self.booked - self.held

    @property
    def waiting(self) -> list[Waiting]:
        """Who waits, first in line first."""
        waiting = [each for each in self.line.values() if each.status is WaitingStatus.WAITING]
        return sorted(waiting, key=lambda each: each.entry.version)

    @property
    def front(self) -> list[Waiting]:
        """Who waits, first in line first, as far as nobody who is not known stands between."""
        last = self.line_known_to
        return [each for each in self.waiting if last is None or each.entry.version <= last]

    def waits_already(self, user_id: UserId, category: str | None) -> Waiting | None:
        """A user's place in line for a category."""
        mine = (each for each in self.waiting if each.user_id == user_id)
        return next((each for each in mine if each.category == category), None)

    def taken_of(self, categories: Iterable[str]) -> int:
        """Places of these categories that are booked or held."""
        return sum(self.taken_by_category.get(category, 0) for category in categories)

    def fold(self, changes: Changes) -> None:
        """Take over what an entry changed."""
        if changes.terms is not None:
            self.terms = changes.terms
        if changes.layout is not None:
            self.layout = changes.layout
        self.booked += changes.booked
        self.held += changes.held
        for user_id, more in changes.tickets:
            self.tickets_by_user[user_id] = self.tickets_by_user.get(user_id, 0) + more
        for category, more in changes.taken:
            self.taken_by_category[category] = self.taken_by_category.get(category, 0) + more
        for seat, claim in changes.claims:
            if claim is None:
                del self.claims[seat]
            else:
                self.claims[seat] = claim
        if changes.booking is not None:
            self.bookings[changes.booking.booking_id] = changes.booking
        if changes.hold is not None:
            self.holds[changes.hold.hold_id] = changes.hold
        if changes.waiting is not None:
            self.line[changes.waiting.waiting_id] = changes.waiting
            # Whoever joins waits; every further entry about somebody in line ends that.
            self.in_line += 1 if changes.waiting.status is WaitingStatus.WAITING else -1


def overdrawn(state: State) -> str | None:
    """Which capacity of the event is exceeded, if any: L1 for the event, categories and quotas."""
    terms = state.terms
    if terms is None:
        return "the stream does not begin with EventScheduled"
    if state.booked < 0 or state.held < 0:
        return f"{state.booked} booked and {state.held} held"
    if state.available < 0:
        return f"{state.booked + state.held} places taken of {terms.capacity}"
    if terms.capacity > terms.venue_capacity:
        return "the capacity is above the venue's"
    for name, capacity, categories in capacities(terms):
        if state.taken_of(categories) > capacity:
            return f"{state.taken_of(categories)} places of {name} taken of {capacity}"
    return None


def capacities(terms: Terms) -> list[tuple[str, int, tuple[str, ...]]]:
    """Every capacity beside the event's own: its name, how many, and of which categories."""
    return [
        *(
            (each.name, each.capacity, (each.name,))
            for each in terms.categories
            if each.capacity is not None
        ),
        *((each.name, each.capacity, each.categories) for each in terms.quotas),
    ]


def places_of(
    layout: Layout | None, category: str | None, seats: tuple[str, ...], quantity: int
) -> Mapping[str, int]:
    """How many places of each category a claim takes; empty where there are no categories."""
    if seats:
        if layout is None:
            raise Impossible("seats are claimed where there are none")
        counted = layout.categories_of(seats)
    else:
        counted = {category: quantity}
    return {name: count for name, count in counted.items() if name is not None}
