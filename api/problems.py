"""Problem documents (RFC 9457): every error a client can meet, in one table."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, assert_never

import orjson

from api.times import rfc3339
from ledger.attempts import OutcomeUnknown
from ledger.database import DatabaseUnavailable, StreamLocked
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
    Rejection,
    SalesClosed,
    SeatNotFound,
    SeatTaken,
    SoldOut,
    TicketNotFound,
    TicketOutdated,
    UserNotFound,
)

MEDIA_TYPE: Final = "application/problem+json"
RETRY_AFTER_SECONDS: Final = 1


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem: its code is stable, its words may improve."""

    status: int
    title: str
    remedy: str


KINDS: Final[dict[str, Kind]] = {
    "booking-not-found": Kind(
        404, "No such booking", "Check the id, and that your key is the one that booked it."
    ),
    "capacity-above-seats": Kind(
        409, "There are fewer seats than that", "Choose a capacity within the number of seats."
    ),
    "capacity-above-venue": Kind(
        409, "The venue is smaller than that", "Choose a capacity within the venue's."
    ),
    "capacity-below-sold": Kind(
        409, "More places are taken than that", "Nothing was changed. Choose more, or cancel some."
    ),
    "event-not-found": Kind(404, "No such event", "Check the id; GET /v1/events lists them."),
    "forbidden": Kind(403, "Your key may not do this", "Use a key with one of the roles named."),
    "idempotency-key-reused": Kind(
        422,
        "The idempotency key belongs to another request",
        "Send the body that the key was first used with, or a new key.",
    ),
    "internal-error": Kind(
        500, "Something broke on our side", "Tell us the request id; repeat with the same key."
    ),
    "key-not-found": Kind(404, "No such key", "Check the id; GET /v1/keys lists them."),
    "limit-per-user": Kind(
        409, "The user's limit for this event is reached", "Book fewer, or for another user."
    ),
    "malformed-json": Kind(422, "The body is not JSON", "Send one JSON object in UTF-8."),
    "method-not-allowed": Kind(
        405, "This path has no such method", "The Allow header lists what it has."
    ),
    "not-yet-recorded": Kind(
        404,
        "The ledger has not come that far",
        "Ask for a moment that is past; `detail` says which.",
    ),
    "malformed-http": Kind(400, "That is not HTTP/1.1", "Send requests as RFC 9112 has them."),
    "not-found": Kind(404, "There is nothing here", "/docs lists every path."),
    "overloaded": Kind(
        503, "Too many requests are waiting", "Nothing was done. Repeat after Retry-After."
    ),
    "payload-too-large": Kind(413, "The body is too large", "Bodies end at 64 KiB, bulk apart."),
    "rate-limited": Kind(
        429, "Too many requests in this time", "Nothing was done. Repeat after Retry-After."
    ),
    "request-head-too-large": Kind(
        431,
        "The head of the request is too large",
        "Send a shorter path, fewer or shorter headers.",
    ),
    "request-timeout": Kind(
        408, "The request took too long to arrive", "Send it again, in one go."
    ),
    "sales-closed": Kind(409, "Sales are not open now", "Come back between opening and closing."),
    "sold-out": Kind(
        409, "Not enough places are left", "Ask for fewer, or watch the event's availability."
    ),
    "unauthenticated": Kind(
        401, "A valid key is needed", "Send `Authorization: Bearer KEY` with a key that exists."
    ),
    "unavailable": Kind(
        503,
        "A server behind us does not answer",
        "Repeat after Retry-After, with the same idempotency key if you had one.",
    ),
    "unsupported-media-type": Kind(
        415, "The body has another type than this call takes", "Send application/json."
    ),
    "user-erased": Kind(
        410, "The user was erased", "Nothing is kept but the id, which their bookings carry."
    ),
    "user-not-found": Kind(404, "No such user", "Check the id; POST /v1/users makes one."),
    "validation": Kind(422, "The request is not valid", "`errors` says where and why."),
    "venue-not-found": Kind(404, "No such venue", "Check the id; POST /v1/venues makes one."),
    "webhook-not-found": Kind(404, "No such webhook", "Check the id; GET /v1/webhooks lists them."),
    "entry-not-found": Kind(
        404, "No such entry", "Nothing of that number was written, or sent, yet."
    ),
    "too-many-webhooks": Kind(
        409, "There are as many webhooks as there may be", "Delete one that is not used."
    ),
    "already-checked-in": Kind(
        409,
        "The ticket is inside already",
        "`checked_in_at` says since when; annul that check-in if it was a mistake.",
    ),
    "booking-cancelled": Kind(
        409, "The booking is cancelled", "A cancelled booking can't be given away or admitted."
    ),
    "category-not-found": Kind(
        404,
        "No such category",
        "GET /v1/events/{id}/categories lists them; name one where there are several.",
    ),
    "event-cancelled": Kind(
        409, "The event is cancelled", "Nothing of it can be booked or changed any more."
    ),
    "hold-confirmed": Kind(409, "The hold is a booking already", "Cancel the booking instead."),
    "hold-expired": Kind(409, "The hold is over", "Its places went back on sale; make a new hold."),
    "hold-not-found": Kind(
        404, "No such hold", "Check the id, and that your key is the one that made it."
    ),
    "hold-released": Kind(
        409, "The hold was released", "Its places went back on sale; make a new hold."
    ),
    "limit-per-order": Kind(409, "That is more than one order may have", "Order fewer at a time."),
    "not-adjacent": Kind(
        409, "Not that many seats are left side by side", "Ask for fewer, or name the seats."
    ),
    "not-checked-in": Kind(409, "The ticket is not inside", "There is no check-in to annul."),
    "not-waiting": Kind(404, "Nobody waits under that id", "It left the line, or got an offer."),
    "places-left": Kind(409, "Places are left", "Nobody needs to wait: book them."),
    "seat-not-found": Kind(404, "No such seat", "GET /v1/events/{id}/seats lists them."),
    "seat-taken": Kind(
        409, "The seat is taken", "Choose another; GET /v1/events/{id}/seats shows what is free."
    ),
    "ticket-invalid": Kind(
        422, "That is no ticket of ours", "The code is damaged, made up or signed with another key."
    ),
    "ticket-not-found": Kind(
        404, "No such ticket", "The booking has no ticket of that number, or it is cancelled."
    ),
    "ticket-outdated": Kind(
        409,
        "The ticket was given to somebody else",
        "Its booking was transferred; the new owner has the code that counts.",
    ),
}


class Problem(Exception):
    """An error with its answer: a code of `KINDS`, what happened, and fields for programs."""

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        **fields: Any,
    ) -> None:
        super().__init__(detail)
        kind = KINDS[code]
        self.code = code
        self.status = kind.status
        self.headers = dict(headers or {})
        if self.status == 503:
            self.headers.setdefault("Retry-After", str(RETRY_AFTER_SECONDS))
        self._detail = detail
        self.fields = fields

    def body(self) -> bytes:
        """The problem document."""
        return orjson.dumps(
            {
                "type": f"/problems/{self.code}",
                "title": KINDS[self.code].title,
                "status": self.status,
                "detail": self._detail,
                "code": self.code,
                **self.fields,
            }
        )


def problem_of(rejection: Rejection) -> Problem:
    """What a client is told of a refusal."""
    match rejection:
        case SoldOut(available, category):
            where = "" if category is None else f" of {category}"
            return Problem(
                "sold-out",
                f"{available} places{where} are left.",
                available=available,
                category=category,
            )
        case SeatTaken(seat):
            return Problem("seat-taken", f"Seat {seat} is taken.", seat=seat)
        case SeatNotFound(seat):
            return Problem("seat-not-found", f"There is no seat {seat}.", seat=seat)
        case NotAdjacent(quantity):
            return Problem("not-adjacent", f"No {quantity} free seats are side by side.")
        case CategoryNotFound(None):
            return Problem("category-not-found", "The event has several categories: name one.")
        case CategoryNotFound(category):
            return Problem("category-not-found", f"There is no category {category}.")
        case LimitPerUser(limit, already):
            detail = f"A user may have {limit} tickets of this event and this one has {already}."
            return Problem("limit-per-user", detail, limit=limit, already=already)
        case LimitPerOrder(limit):
            return Problem("limit-per-order", f"An order may have {limit} tickets.", limit=limit)
        case SalesClosed(opens_at, closes_at):
            return Problem(
                "sales-closed",
                "This event is not on sale now.",
                sales_open_at=None if opens_at is None else rfc3339(opens_at),
                sales_close_at=None if closes_at is None else rfc3339(closes_at),
            )
        case EventIsCancelled(event_id):
            return Problem("event-cancelled", f"Event {event_id} is cancelled.")
        case EventNotFound(event_id):
            return Problem("event-not-found", f"There is no event {event_id}.")
        case UserNotFound(user_id):
            return Problem("user-not-found", f"There is no user {user_id}.")
        case BookingNotFound(booking_id):
            return Problem("booking-not-found", f"There is no booking {booking_id}.")
        case BookingIsCancelled(booking_id):
            return Problem("booking-cancelled", f"Booking {booking_id} is cancelled.")
        case HoldNotFound(hold_id):
            return Problem("hold-not-found", f"There is no hold {hold_id}.")
        case HoldIsExpired(hold_id, expires_at):
            detail = f"Hold {hold_id} was until {rfc3339(expires_at)}."
            return Problem("hold-expired", detail, expires_at=rfc3339(expires_at))
        case HoldIsReleased(hold_id):
            return Problem("hold-released", f"Hold {hold_id} was released.")
        case HoldIsConfirmed(hold_id):
            return Problem("hold-confirmed", f"Hold {hold_id} was confirmed.")
        case NotWaiting(waiting_id):
            return Problem("not-waiting", f"{waiting_id} does not wait.")
        case PlacesLeft(available):
            return Problem("places-left", f"{available} places are left.", available=available)
        case TicketNotFound(ticket):
            return Problem("ticket-not-found", f"There is no ticket {ticket} to this booking.")
        case TicketOutdated(ticket):
            return Problem("ticket-outdated", f"Ticket {ticket} was given to somebody else.")
        case AlreadyCheckedIn(ticket, at):
            detail = f"Ticket {ticket} was checked in at {rfc3339(at)}."
            return Problem("already-checked-in", detail, checked_in_at=rfc3339(at))
        case NotCheckedIn(ticket):
            return Problem("not-checked-in", f"Ticket {ticket} is not checked in.")
        case CapacityAboveVenue(capacity, venue_capacity):
            detail = f"A capacity of {capacity} is above the venue's {venue_capacity}."
            return Problem("capacity-above-venue", detail, venue_capacity=venue_capacity)
        case CapacityBelowSold(capacity, booked, held):
            detail = f"{booked} places are booked and {held} held; {capacity} would not do."
            return Problem("capacity-below-sold", detail, booked=booked, held=held)
        case IdempotencyKeyReused():
            return Problem("idempotency-key-reused", "The key was used with another request.")
        case _:
            assert_never(rejection)


def overloaded() -> Problem:
    """More came than can be worked on."""
    return Problem("overloaded", "Too many are waiting. Nothing was done.")


def problem_of_error(error: Exception) -> Problem:
    """What a client is told of an exception: an outage is an honest 503, the rest our fault."""
    match error:
        case Problem():
            return error
        case OutcomeUnknown():
            return Problem(
                "unavailable",
                "The database was lost during the commit, so the command may have been carried "
                "out. Repeating it with the same idempotency key is safe.",
                outcome="unknown",
            )
        case DatabaseUnavailable():
            return Problem("unavailable", "The database does not answer. Nothing was done.")
        case StreamLocked():
            return Problem("unavailable", "This event is locked at the moment. Nothing was done.")
        case _:
            return Problem("internal-error", "An unexpected error; nothing was done.")
