"""What has become due in a stream, whoever comes by: expired holds, offers to those in line, and
the bookings of a cancelled event. Pure, like `decide`, but nobody asked for it by name."""

from collections.abc import Callable
from uuid import UUID

from ledger.decide import MICROSECONDS, Choice, choose, on_sale
from ledger.entries import (
    BookingCancelled,
    Entry,
    HoldExpired,
    HoldReleased,
    SeatsHeld,
    WaitingListLeft,
)
from ledger.records import BookingStatus, EventStatus, HoldStatus
from ledger.state import State
from ledger.values import HoldId, Instant

CANCELLED_AT_A_TIME = 500
"""Bookings of a cancelled event per transaction: bounds how long its row is locked."""


def expired_holds(state: State, now: Instant) -> list[HoldExpired]:
    """An entry for every hold that is over at ``now``, the longest overdue first."""
    due = [
        hold
        for hold in state.holds.values()
        if hold.status is HoldStatus.HELD and hold.expires_at <= now
    ]
    due.sort(key=lambda hold: (hold.expires_at, hold.entry.version))
    return [HoldExpired(hold.hold_id, hold.user_id, hold.quantity, hold.expires_at) for hold in due]


def next_offer(state: State, now: Instant, new_id: Callable[[], UUID]) -> SeatsHeld | None:
    """A hold for the first in line whose wish can be met at ``now``, if there is one."""
    terms = state.terms
    if terms is None or state.available <= 0 or not state.in_line or not on_sale(terms, now):
        return None
    for waiting in state.front:
        choice = choose(
            state,
            terms,
            user_id=waiting.user_id,
            quantity=waiting.quantity,
            category=waiting.category,
            seats=(),
        )
        if isinstance(choice, Choice):
            return SeatsHeld(
                hold_id=HoldId(new_id()),
                user_id=waiting.user_id,
                quantity=waiting.quantity,
                category=choice.category,
                seats=choice.seats,
                amount_cents=choice.amount_cents,
                expires_at=Instant(now + terms.hold_seconds * MICROSECONDS),
                waiting_id=waiting.waiting_id,
            )
    return None


def of_cancelled_event(state: State) -> list[Entry]:
    """What a cancelled event still owes: an entry for each booking, hold and place in line."""
    if state.terms is None or state.terms.status is not EventStatus.CANCELLED:
        return []
    bookings = [each for each in state.bookings.values() if each.status is BookingStatus.BOOKED]
    holds = [each for each in state.holds.values() if each.status is HoldStatus.HELD]
    entries: list[Entry] = [
        BookingCancelled(each.booking_id, each.user_id, each.live_quantity, each.live_tickets)
        for each in bookings
    ]
    entries += [HoldReleased(each.hold_id, each.user_id) for each in holds]
    entries += [WaitingListLeft(each.waiting_id, each.user_id) for each in state.waiting]
    return entries[:CANCELLED_AT_A_TIME]
