"""What a ledger should answer, from a few dictionaries; it imports nothing that decides.

It can be copied, so that of batches under way at the same time every order can be tried.
"""

from collections import Counter
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

Kind = Literal["schedule", "resize", "book", "hold", "cancel", "confirm", "release"]
Answer = tuple[object, ...]


@dataclass(frozen=True)
class Wish:
    """A command in plain words. ``subject`` is the booking or hold it makes or is about."""

    kind: Kind
    event: UUID
    subject: UUID | None = None
    user: UUID | None = None
    number: int | None = None
    """Places asked for, given back, or of the whole event."""
    makes: UUID | None = None
    """The booking that a confirmed hold becomes."""
    sells: "Sells | None" = None
    key: str | None = None
    body: str = ""


@dataclass(frozen=True)
class Sells:
    """The terms of a new event."""

    capacity: int
    venue: int
    limit: int | None
    is_open: bool


@dataclass
class Places:
    """Places that somebody has, under one id."""

    event: UUID
    user: UUID
    asked: int
    live: int
    status: str


@dataclass
class Tallies:
    """All that counts of a ledger."""

    users: frozenset[UUID]
    terms: dict[UUID, Sells] = field(default_factory=dict)
    capacity: dict[UUID, int] = field(default_factory=dict)
    versions: Counter[UUID] = field(default_factory=Counter)
    bookings: dict[UUID, Places] = field(default_factory=dict)
    holds: dict[UUID, Places] = field(default_factory=dict)
    keys: dict[str, tuple[str, Wish, int]] = field(default_factory=dict)

    def copy(self) -> "Tallies":
        return deepcopy(self)

    def counts(self, event: UUID) -> Answer:
        """Version, capacity, places booked, places held."""
        return self.versions[event], self.capacity[event], self.booked(event), self.held(event)

    def booked(self, event: UUID) -> int:
        return sum(each.live for each in self.bookings.values() if each.event == event)

    def held(self, event: UUID) -> int:
        held = (each for each in self.holds.values() if each.status == "held")
        return sum(each.live for each in held if each.event == event)

    def answer(self, wish: Wish) -> Answer:
        """What ``wish`` comes to, which is then the case."""
        if wish.key is not None and wish.key in self.keys:
            body, first, version = self.keys[wish.key]
            if body != wish.body:
                return ("refused", "IdempotencyKeyReused")
            return ("again", version, self._begun_by(first), *self.counts(wish.event))
        before = self.versions[wish.event]
        refusal = self._carry_out(wish)
        if refusal is not None:
            return ("refused", *refusal)
        appended = before + 1 if self.versions[wish.event] > before else None
        if wish.key is not None and appended is not None:
            self.keys[wish.key] = (wish.body, wish, appended)
        return ("done", appended, self._subject(wish), *self.counts(wish.event))

    def _begun_by(self, first: Wish) -> Answer | None:
        """What the first use of a key told: what it made as it was made, the rest as it is now."""
        if first.kind in {"book", "hold"}:
            status = "booked" if first.kind == "book" else "held"
            return (first.subject, first.user, first.number, first.number, status)
        return self._subject(first)

    def _subject(self, wish: Wish) -> Answer | None:
        if wish.kind in {"schedule", "resize", "confirm"}:
            return None
        subject = wish.subject
        found = self.bookings.get(subject) or self.holds.get(subject)  # type: ignore[arg-type]
        assert found is not None
        return (subject, found.user, found.asked, found.live, found.status)

    def _carry_out(self, wish: Wish) -> Answer | None:
        event = wish.event
        if wish.kind == "schedule":
            assert wish.sells is not None
            assert event not in self.terms
            if wish.sells.capacity > wish.sells.venue:
                return ("CapacityAboveVenue", wish.sells.capacity, wish.sells.venue)
            self.terms[event] = wish.sells
            self.capacity[event] = wish.sells.capacity
        elif event not in self.terms:
            return ("EventNotFound", event)
        elif wish.kind in {"book", "hold"}:
            return self._take(wish)
        elif wish.kind in {"confirm", "release"}:
            return self._end_hold(wish)
        elif wish.kind == "cancel":
            return self._cancel(wish)
        else:
            return self._resize(wish)
        self.versions[event] += 1
        return None

    def _take(self, wish: Wish) -> Answer | None:
        event, sells = wish.event, self.terms[wish.event]
        assert wish.subject is not None
        assert wish.user is not None
        assert wish.number is not None
        if not sells.is_open:
            return ("SalesClosed",)
        left = self.capacity[event] - self.booked(event) - self.held(event)
        if wish.number > left:
            return ("SoldOut", left)
        if sells.limit is not None:
            has = sum(
                each.live
                for each in [*self.bookings.values(), *self.holds.values()]
                if (each.event, each.user) == (event, wish.user)
                and each.status in {"booked", "held"}
            )
            if has + wish.number > sells.limit:
                return ("LimitPerUser", sells.limit, has)
        if wish.user not in self.users:
            return ("UserNotFound", wish.user)
        kept, status = (self.bookings, "booked") if wish.kind == "book" else (self.holds, "held")
        kept[wish.subject] = Places(event, wish.user, wish.number, wish.number, status)
        self.versions[event] += 1
        return None

    def _end_hold(self, wish: Wish) -> Answer | None:
        hold = self.holds.get(wish.subject)  # type: ignore[arg-type]
        if hold is None or hold.event != wish.event:
            return ("HoldNotFound", wish.subject)
        wanted, other = (
            ("confirmed", "released") if wish.kind == "confirm" else ("released", "confirmed")
        )
        if hold.status == wanted:
            return None
        if hold.status == other:
            return (f"HoldIs{other.title()}", wish.subject)
        hold.status = wanted
        if wish.kind == "confirm":
            assert wish.makes is not None
            self.bookings[wish.makes] = Places(
                hold.event, hold.user, hold.asked, hold.asked, "booked"
            )
        self.versions[wish.event] += 1
        return None

    def _cancel(self, wish: Wish) -> Answer | None:
        booking = self.bookings.get(wish.subject)  # type: ignore[arg-type]
        if booking is None or booking.event != wish.event:
            return ("BookingNotFound", wish.subject)
        gone = booking.live if wish.number is None else wish.number
        if gone > booking.live:
            return ("TicketNotFound", booking.live + 1)
        if gone:
            booking.live -= gone
            booking.status = "booked" if booking.live else "cancelled"
            self.versions[wish.event] += 1
        return None

    def _resize(self, wish: Wish) -> Answer | None:
        event, capacity = wish.event, wish.number
        assert capacity is not None
        if capacity > self.terms[event].venue:
            return ("CapacityAboveVenue", capacity, self.terms[event].venue)
        if capacity < self.booked(event) + self.held(event):
            return ("CapacityBelowSold", capacity, self.booked(event), self.held(event))
        if capacity != self.capacity[event]:
            self.capacity[event] = capacity
            self.versions[event] += 1
        return None
