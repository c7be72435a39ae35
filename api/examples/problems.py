"""An example of every problem, made by what makes the problems themselves where it can be."""

from typing import Final
from uuid import UUID

from api.problems import Problem, problem_of
from ledger.rejections import (
    AlreadyCheckedIn,
    BookingIsCancelled,
    BookingNotFound,
    CapacityAboveVenue,
    CapacityBelowSold,
    CategoryNotFound,
    EventIsCancelled,
    EventNotFound,
    HoldIsConfirmed,
    HoldIsExpired,
    HoldIsReleased,
    HoldNotFound,
    IdempotencyKeyReused,
    LimitPerOrder,
    LimitPerUser,
    NotAdjacent,
    NotCheckedIn,
    NotWaiting,
    PlacesLeft,
    SalesClosed,
    SeatNotFound,
    SeatTaken,
    SoldOut,
    TicketNotFound,
    TicketOutdated,
    UserNotFound,
)
from ledger.values import BookingId, EventId, HoldId, Instant, UserId, WaitingId

_ID: Final = UUID("01a2131e-c34e-77bb-bbdb-8f14c4ae3ffb")
_NOW: Final = Instant(1_795_618_770_319_633)

_REFUSED: Final = (
    AlreadyCheckedIn(1, _NOW),
    BookingIsCancelled(BookingId(_ID)),
    BookingNotFound(BookingId(_ID)),
    CapacityAboveVenue(2000, 1000),
    CapacityBelowSold(10, 12, 3),
    CategoryNotFound("balcony"),
    EventIsCancelled(EventId(_ID)),
    EventNotFound(EventId(_ID)),
    HoldIsConfirmed(HoldId(_ID)),
    HoldIsExpired(HoldId(_ID), _NOW),
    HoldIsReleased(HoldId(_ID)),
    HoldNotFound(HoldId(_ID)),
    IdempotencyKeyReused(),
    LimitPerOrder(10),
    LimitPerUser(4, 3),
    NotAdjacent(6),
    NotCheckedIn(1),
    NotWaiting(WaitingId(_ID)),
    PlacesLeft(17),
    SalesClosed(_NOW, None),
    SeatNotFound("A-1-99"),
    SeatTaken("A-1-2"),
    SoldOut(0),
    TicketNotFound(3),
    TicketOutdated(1),
    UserNotFound(UserId(_ID)),
)

_OTHERS: Final = (
    Problem(
        "capacity-above-seats",
        "Each place is a seat, and there are 320.",
        seats=320,
    ),
    Problem("entry-not-found", "The webhook has not come to an entry 1000."),
    Problem("forbidden", "This call is for: admin, organizer.", roles=["admin", "organizer"]),
    Problem("internal-error", "An unexpected error; nothing was done."),
    Problem("key-not-found", f"There is no key {_ID}."),
    Problem("malformed-json", "The body is not JSON: EOF while parsing an object."),
    Problem("malformed-http", "Send requests as RFC 9112 has them."),
    Problem("method-not-allowed", "Method Not Allowed"),
    Problem("not-found", "Not Found"),
    Problem("not-yet-recorded", "The ledger ends with version 12."),
    Problem("overloaded", "Too many are waiting. Nothing was done."),
    Problem("payload-too-large", "The body is larger than 65536 bytes."),
    Problem("rate-limited", "This key may send 100 requests in 1 s.", rate="100/s"),
    Problem("request-head-too-large", "Send a shorter path, fewer or shorter headers."),
    Problem("request-timeout", "Send it again, in one go."),
    Problem("ticket-invalid", "The code is no ticket: its signature is wrong."),
    Problem("too-many-webhooks", "There are 100 webhooks already."),
    Problem("unauthenticated", "The request has no bearer key."),
    Problem("unavailable", "The database does not answer. Nothing was done."),
    Problem("unsupported-media-type", "The body is said to be 'text/plain'."),
    Problem("user-erased", f"User {_ID} was erased."),
    Problem(
        "validation",
        "body.quantity: Input should be greater than or equal to 1",
        errors=[{"at": ["body", "quantity"], "why": "Input should be greater than or equal to 1"}],
    ),
    Problem("venue-not-found", f"There is no venue {_ID}."),
    Problem("webhook-not-found", f"There is no webhook {_ID}."),
)

PROBLEMS: Final = {each.code: each for each in (*[problem_of(each) for each in _REFUSED], *_OTHERS)}
"""By code, one for each of `api.problems.KINDS`."""
