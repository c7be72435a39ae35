"""Commands of the whole booking model, with defaults for whatever a test does not care about.

Ids are small numbers: ``book(2, booking=7)`` books two places as `booking_id(7)`.
"""

import hashlib
from typing import Any
from uuid import UUID

from samples import ACTOR, ALICE, EVENT, NOW, SECOND, VENUE

from ledger.commands import (
    AnnulCheckIn,
    BookSeats,
    CancelBooking,
    CancelEvent,
    ChangeCapacity,
    CheckIn,
    CloseEvent,
    Command,
    ConfirmHold,
    HoldSeats,
    JoinWaitingList,
    LeaveWaitingList,
    OpenEvent,
    ReleaseHold,
    ScheduleEvent,
    Submission,
    TidyEvent,
    TransferBooking,
)
from ledger.records import Category, Quota, SeatRow
from ledger.values import BookingId, EventId, HoldId, Instant, UserId, WaitingId

HOLD_SECONDS = 60
EXPIRY = Instant(NOW + HOLD_SECONDS * SECOND)
"""When a hold made at NOW is over."""


def event_id(number: int) -> EventId:
    return EventId(UUID(int=0xE000 + number))


def user_id(number: int) -> UserId:
    return UserId(UUID(int=0xA000 + number))


def booking_id(number: int) -> BookingId:
    return BookingId(UUID(int=0xB0000 + number))


def hold_id(number: int) -> HoldId:
    return HoldId(UUID(int=0xC0000 + number))


def waiting_id(number: int) -> WaitingId:
    return WaitingId(UUID(int=0xD0000 + number))


def offer_id(number: int) -> HoldId:
    """The id of the n-th offer of a `story`."""
    return HoldId(UUID(int=0xF0000 + number))


def schedule(event: EventId = EVENT, **terms: Any) -> ScheduleEvent:
    defaults: dict[str, Any] = {
        "venue_id": VENUE,
        "venue_capacity": 1_000,
        "name": "A show",
        "starts_at": Instant(NOW + 86_400 * SECOND),
        "capacity": 10,
        "sales_open_at": None,
        "sales_close_at": None,
        "limit_per_user": None,
        "hold_seconds": HOLD_SECONDS,
    }
    return ScheduleEvent(event_id=event, **defaults | terms)


def seated(*rows: str, of: tuple[str | None, ...] = (), **terms: Any) -> ScheduleEvent:
    """An event of labelled seats only, such as ``"A1 A2 A3"``, each row ``of`` a category."""
    labels = [tuple(row.split()) for row in rows]
    seat_rows = tuple(
        SeatRow("", str(n), name, seats)
        for n, (name, seats) in enumerate(zip(of or (None,) * len(rows), labels, strict=True))
    )
    return schedule(**{"capacity": sum(map(len, labels)), **terms, "seat_rows": seat_rows})


def category(name: str, capacity: int | None = None, price_cents: int = 100) -> Category:
    return Category(name, price_cents, capacity)


def quota(name: str, capacity: int, *categories: str) -> Quota:
    return Quota(name, capacity, categories)


def book(
    quantity: int | None = None,
    *,
    booking: int = 1,
    user: UserId = ALICE,
    seats: str = "",
    category: str | None = None,
    event: EventId = EVENT,
) -> BookSeats:
    named = tuple(seats.split())
    return BookSeats(event, booking_id(booking), user, quantity or len(named) or 1, category, named)


def hold(
    quantity: int | None = None,
    *,
    hold: int = 1,
    user: UserId = ALICE,
    seats: str = "",
    category: str | None = None,
    event: EventId = EVENT,
) -> HoldSeats:
    named = tuple(seats.split())
    return HoldSeats(event, hold_id(hold), user, quantity or len(named) or 1, category, named)


def confirm(hold: int | HoldId = 1, *, booking: int = 1, event: EventId = EVENT) -> ConfirmHold:
    return ConfirmHold(event, _hold_id(hold), booking_id(booking))


def release(hold: int | HoldId = 1, *, event: EventId = EVENT) -> ReleaseHold:
    return ReleaseHold(event, _hold_id(hold))


def cancel(
    booking: int = 1,
    *,
    quantity: int | None = None,
    tickets: tuple[int, ...] = (),
    event: EventId = EVENT,
) -> CancelBooking:
    return CancelBooking(event, booking_id(booking), quantity, tickets)


def transfer(booking: int = 1, *, to: UserId, event: EventId = EVENT) -> TransferBooking:
    return TransferBooking(event, booking_id(booking), to)


def join(
    quantity: int = 1,
    *,
    waiting: int = 1,
    user: UserId = ALICE,
    category: str | None = None,
    event: EventId = EVENT,
) -> JoinWaitingList:
    return JoinWaitingList(event, waiting_id(waiting), user, quantity, category)


def leave(waiting: int = 1, *, event: EventId = EVENT) -> LeaveWaitingList:
    return LeaveWaitingList(event, waiting_id(waiting))


def check_in(
    booking: int = 1, ticket: int = 1, *, generation: int = 1, event: EventId = EVENT
) -> CheckIn:
    return CheckIn(event, booking_id(booking), ticket, generation)


def annul(booking: int = 1, ticket: int = 1, *, event: EventId = EVENT) -> AnnulCheckIn:
    return AnnulCheckIn(event, booking_id(booking), ticket)


def resize(capacity: int, *, event: EventId = EVENT) -> ChangeCapacity:
    return ChangeCapacity(event, capacity)


def open_sales(event: EventId = EVENT) -> OpenEvent:
    return OpenEvent(event)


def close_sales(event: EventId = EVENT) -> CloseEvent:
    return CloseEvent(event)


def call_off(event: EventId = EVENT) -> CancelEvent:
    return CancelEvent(event)


def tidy(event: EventId = EVENT) -> TidyEvent:
    return TidyEvent(event)


def submission(*commands: Command, key: str | None = None, body: str = "body") -> Submission:
    """``commands`` sent together; with a ``key``, as the request whose contents are ``body``."""
    if key is None:
        return Submission(commands, ACTOR)
    return Submission(commands, ACTOR, _digest(key), _digest(body))


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _hold_id(hold: int | HoldId) -> HoldId:
    return hold_id(hold) if isinstance(hold, int) else hold
