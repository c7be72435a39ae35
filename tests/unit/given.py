"""Given these entries, when this command comes, then these entries or this rejection.

given(scheduled(capacity=1), booked(1)).when(book(1)).then(SoldOut(0))
"""

from dataclasses import dataclass, fields, replace
from typing import Any

from samples import ALICE, NOW, new_booking_id, recorded, schedule

from ledger.commands import BookSeats, Command
from ledger.decide import Decision, Rejection, decide
from ledger.entries import (
    BookingCancelled,
    CapacityChanged,
    Entry,
    EventScheduled,
    SeatsBooked,
)
from ledger.state import State, evolve
from ledger.values import BookingId, Instant, UserId


@dataclass(frozen=True)
class Given:
    """A stream's history, and what time it is."""

    entries: tuple[Entry, ...]
    now: Instant = NOW

    def at(self, now: int) -> "Given":
        return replace(self, now=Instant(now))

    def state(self) -> State:
        state = State()
        for version, entry in enumerate(self.entries, start=1):
            state.fold(evolve(state, recorded(entry, version)))
        return state

    def when(self, command: Command) -> "When":
        return When(decide(self.state(), command, self.now))


@dataclass(frozen=True)
class When:
    """What was decided."""

    decision: Decision

    def then(self, *expected: Entry | Rejection) -> None:
        decided = self.decision if isinstance(self.decision, tuple) else (self.decision,)
        assert decided == expected

    def then_nothing(self) -> None:
        assert self.decision == ()


def given(*entries: Entry) -> Given:
    return Given(entries)


def scheduled(**terms: Any) -> EventScheduled:
    """The fact that `samples.schedule` with the same ``terms`` asks for."""
    wish = schedule(**terms)
    return EventScheduled(
        **{field.name: getattr(wish, field.name) for field in fields(EventScheduled)}
    )


def booked(
    quantity: int = 1, *, user_id: UserId = ALICE, booking_id: BookingId | None = None
) -> SeatsBooked:
    return SeatsBooked(booking_id or new_booking_id(), user_id, quantity)


def granted(wish: BookSeats) -> SeatsBooked:
    """The fact that ``wish`` asks for."""
    return booked(wish.quantity, user_id=wish.user_id, booking_id=wish.booking_id)


def cancelled(booking: SeatsBooked) -> BookingCancelled:
    return BookingCancelled(booking.booking_id, booking.user_id, booking.quantity)


def resized(capacity: int) -> CapacityChanged:
    return CapacityChanged(capacity)
