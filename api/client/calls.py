"""Every call of the API, by the name it has on the OpenAPI page.

A call that takes an idempotency key gets a new one here, when the value is made: the same value
can be sent any number of times, even by another process, and is carried out once. Give ``key`` to
choose it.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID

from api import bodies, figure_bodies
from api.client.call import Call, get, keyed, model, send

Id = UUID | str


def list_events(*, limit: int = 100) -> Call[bodies.EventPage]:
    return get("/v1/events", model(bodies.EventPage), limit=limit)


def read_event(event_id: Id) -> Call[bodies.Event]:
    return get(f"/v1/events/{event_id}", model(bodies.Event))


def read_availability(
    event_id: Id,
    *,
    at: datetime | None = None,
    at_version: int | None = None,
    at_seq: int | None = None,
) -> Call[bodies.Availability]:
    """As it is now, or for organizers and auditors as it was at one moment."""
    path = f"/v1/events/{event_id}/availability"
    return get(path, model(bodies.Availability), **_moment(at, at_version, at_seq))


def list_bookings_of_event(
    event_id: Id,
    *,
    after: int = 0,
    limit: int = 100,
    at: datetime | None = None,
    at_version: int | None = None,
    at_seq: int | None = None,
) -> Call[bodies.BookingsOfEvent]:
    """As they stand now, or as they stood at one moment; ``after`` is `next_after` of a page."""
    path, read = f"/v1/events/{event_id}/bookings", model(bodies.BookingsOfEvent)
    return get(path, read, after=after, limit=limit, **_moment(at, at_version, at_seq))


def read_sales(
    event_id: Id, *, after: datetime | None = None, limit: int | None = None
) -> Call[figure_bodies.Sales]:
    since = None if after is None else after.isoformat()
    path = f"/v1/events/{event_id}/sales"
    return get(path, model(figure_bodies.Sales), after=since, limit=limit)


def read_revenue(event_id: Id) -> Call[figure_bodies.Revenue]:
    return get(f"/v1/events/{event_id}/revenue", model(figure_bodies.Revenue))


def read_occupancy(event_id: Id) -> Call[figure_bodies.SectionOccupancy]:
    return get(f"/v1/events/{event_id}/occupancy", model(figure_bodies.SectionOccupancy))


def read_line(event_id: Id) -> Call[figure_bodies.Line]:
    return get(f"/v1/events/{event_id}/waiting-list", model(figure_bodies.Line))


def read_refusals(event_id: Id) -> Call[figure_bodies.Refusals]:
    return get(f"/v1/events/{event_id}/refusals", model(figure_bodies.Refusals))


def read_history(
    user_id: Id, *, after: int | None = None, limit: int | None = None
) -> Call[figure_bodies.History]:
    path = f"/v1/users/{user_id}/history"
    return get(path, model(figure_bodies.History), after=after, limit=limit)


def read_ledger(*, after: int = -1, limit: int = 100) -> Call[bodies.LedgerPage]:
    """The entries after number ``after``, which is `next_after` of the page before."""
    return get("/v1/ledger", model(bodies.LedgerPage), after=after, limit=limit)


def read_ledger_of_event(
    event_id: Id, *, after: int = 0, limit: int = 100
) -> Call[bodies.LedgerPage]:
    """The entries after version ``after``, which is `next_after` of the page before."""
    path = f"/v1/ledger/streams/{event_id}"
    return get(path, model(bodies.LedgerPage), after=after, limit=limit)


def create_key(
    role: Literal["client", "organizer", "auditor", "admin"],
    *,
    name: str = "",
    scopes: Sequence[str] | None = None,
    user_id: Id | None = None,
    rate: str | None = None,
    expires_at: datetime | None = None,
) -> Call[bodies.NewKey]:
    """Not repeatable: sent twice it makes two keys."""
    given = {
        "scopes": None if scopes is None else list(scopes),
        "user_id": None if user_id is None else str(user_id),
        "rate": rate,
        "expires_at": None if expires_at is None else expires_at.isoformat(),
    }
    body = bodies.KeyIn.model_validate(
        {"role": role, "name": name} | {k: v for k, v in given.items() if v is not None}
    )
    return send("POST", "/v1/keys", model(bodies.NewKey), body, is_repeatable=False)


def list_keys(*, limit: int = 100) -> Call[bodies.KeyPage]:
    return get("/v1/keys", model(bodies.KeyPage), limit=limit)


def revoke_key(key_id: Id) -> Call[bodies.Key]:
    return send("POST", f"/v1/keys/{key_id}/revoke", model(bodies.Key), is_repeatable=True)


def read_seats(event_id: Id) -> Call[bodies.SeatMap]:
    return get(f"/v1/events/{event_id}/seats", model(bodies.SeatMap))


def read_categories(event_id: Id) -> Call[bodies.CategoryCounts]:
    return get(f"/v1/events/{event_id}/categories", model(bodies.CategoryCounts))


def schedule_event(
    venue_id: Id,
    name: str,
    starts_at: datetime,
    *,
    capacity: int | None = None,
    sales_open_at: datetime | None = None,
    sales_close_at: datetime | None = None,
    limit_per_user: int | None = None,
    limit_per_order: int | None = None,
    hold_seconds: int | None = None,
    categories: Sequence[bodies.CategoryIn] = (),
    quotas: Sequence[bodies.QuotaIn] = (),
    seats: Sequence[bodies.SeatRowIn] = (),
) -> Call[bodies.Event]:
    """Not repeatable: sent twice it makes two events."""
    fields = {
        "venue_id": str(venue_id),
        "name": name,
        "starts_at": starts_at.isoformat(),
        "capacity": capacity,
        "sales_open_at": None if sales_open_at is None else sales_open_at.isoformat(),
        "sales_close_at": None if sales_close_at is None else sales_close_at.isoformat(),
        "limit_per_user": limit_per_user,
        "limit_per_order": limit_per_order,
        "hold_seconds": hold_seconds,
        "categories": [each.model_dump() for each in categories],
        "quotas": [each.model_dump() for each in quotas],
        "seats": [each.model_dump() for each in seats],
    }
    given = {name: value for name, value in fields.items() if value is not None}
    body = bodies.EventIn.model_validate(given)
    return send("POST", "/v1/events", model(bodies.Event), body, is_repeatable=False)


def change_event(event_id: Id, *, capacity: int) -> Call[bodies.Event]:
    body = bodies.EventPatch(capacity=capacity)
    return send("PATCH", f"/v1/events/{event_id}", model(bodies.Event), body, is_repeatable=True)


def open_event(event_id: Id) -> Call[bodies.Event]:
    return _of_event(event_id, "open")


def close_event(event_id: Id) -> Call[bodies.Event]:
    return _of_event(event_id, "close")


def cancel_event(event_id: Id) -> Call[bodies.Event]:
    return _of_event(event_id, "cancel")


def register_webhook(
    url: str,
    *,
    types: Sequence[str] = (),
    event_id: Id | None = None,
    from_seq: int | None = None,
) -> Call[bodies.WebhookWithSecret]:
    """Not repeatable: sent twice it makes two webhooks."""
    given = {"event_id": None if event_id is None else str(event_id), "from_seq": from_seq}
    body = bodies.WebhookIn.model_validate(
        {"url": url, "types": list(types)}
        | {name: value for name, value in given.items() if value is not None}
    )
    read = model(bodies.WebhookWithSecret)
    return send("POST", "/v1/webhooks", read, body, is_repeatable=False)


def list_webhooks() -> Call[bodies.Webhooks]:
    return get("/v1/webhooks", model(bodies.Webhooks))


def read_webhook(webhook_id: Id) -> Call[bodies.Webhook]:
    return get(f"/v1/webhooks/{webhook_id}", model(bodies.Webhook))


def delete_webhook(webhook_id: Id) -> Call[bytes]:
    """Not repeatable: the second time there is nothing to delete."""
    return Call("DELETE", f"/v1/webhooks/{webhook_id}", bytes, is_repeatable=False)


def enable_webhook(webhook_id: Id) -> Call[bodies.Webhook]:
    path = f"/v1/webhooks/{webhook_id}/enable"
    return send("POST", path, model(bodies.Webhook), is_repeatable=True)


def list_deliveries(
    webhook_id: Id, *, limit: int = 100, before: int | None = None, only_pending: bool = False
) -> Call[bodies.Deliveries]:
    return get(
        f"/v1/webhooks/{webhook_id}/deliveries",
        model(bodies.Deliveries),
        limit=limit,
        before=before,
        only_pending=int(only_pending),
    )


def replay_webhook(
    webhook_id: Id, *, from_seq: int | None = None, seq: int | None = None
) -> Call[bodies.Webhook]:
    """Repeatable: sent twice, entries are sent once more, as may always happen."""
    given = {"from_seq": from_seq, "seq": seq}
    body = bodies.ReplayIn.model_validate({k: v for k, v in given.items() if v is not None})
    path = f"/v1/webhooks/{webhook_id}/replay"
    return send("POST", path, model(bodies.Webhook), body, is_repeatable=True)


def add_venue(name: str, capacity: int) -> Call[bodies.Venue]:
    """Not repeatable: sent twice it makes two venues."""
    body = bodies.VenueIn(name=name, capacity=capacity)
    return send("POST", "/v1/venues", model(bodies.Venue), body, is_repeatable=False)


def list_venues(*, limit: int = 100) -> Call[bodies.VenuePage]:
    return get("/v1/venues", model(bodies.VenuePage), limit=limit)


def read_venue(venue_id: Id) -> Call[bodies.Venue]:
    return get(f"/v1/venues/{venue_id}", model(bodies.Venue))


def add_user(name: str, email: str) -> Call[bodies.User]:
    """Not repeatable: sent twice it makes two users."""
    body = bodies.UserIn(name=name, email=email)
    return send("POST", "/v1/users", model(bodies.User), body, is_repeatable=False)


def erase_user(user_id: Id) -> Call[bytes]:
    return Call("DELETE", f"/v1/users/{user_id}", bytes, is_repeatable=True)


def import_users(users: Iterable[bodies.UserIn]) -> Call[bodies.Imported]:
    """Not repeatable: sent twice it makes all of them twice."""
    return Call(
        "POST",
        "/v1/users/import",
        model(bodies.Imported),
        is_repeatable=False,
        content=b"".join(user.model_dump_json().encode() + b"\n" for user in users),
        content_type="application/x-ndjson",
    )


def list_users(*, limit: int = 100) -> Call[bodies.UserPage]:
    return get("/v1/users", model(bodies.UserPage), limit=limit)


def read_user(user_id: Id) -> Call[bodies.User]:
    return get(f"/v1/users/{user_id}", model(bodies.User))


def book_seats(
    event_id: Id,
    user_id: Id,
    quantity: int | None = None,
    *,
    seats: Sequence[str] | None = None,
    category: str | None = None,
    key: str | None = None,
) -> Call[bodies.Booking]:
    body = _order(event_id, user_id, quantity, seats, category)
    return send("POST", "/v1/bookings", model(bodies.Booking), body, **keyed(key))


def book_cart(
    user_id: Id, items: Sequence[bodies.CartItemIn], *, key: str | None = None
) -> Call[bodies.Cart]:
    body = bodies.CartIn(user_id=_uuid(user_id), items=list(items))
    return send("POST", "/v1/carts", model(bodies.Cart), body, **keyed(key))


def read_booking(booking_id: Id) -> Call[bodies.Booking]:
    return get(f"/v1/bookings/{booking_id}", model(bodies.Booking))


def read_booking_as_of(
    booking_id: Id,
    *,
    at: datetime | None = None,
    at_version: int | None = None,
    at_seq: int | None = None,
) -> Call[bodies.BookingAsOf]:
    """`read_booking` at one moment of the past."""
    path, read = f"/v1/bookings/{booking_id}", model(bodies.BookingAsOf)
    return get(path, read, **_moment(at, at_version, at_seq))


def read_receipt(booking_id: Id) -> Call[bytes]:
    """A receipt that can be checked without network, as the text that it is."""
    return get(f"/v1/bookings/{booking_id}/receipt", bytes)


def list_bookings_of_user(user_id: Id, *, limit: int = 100) -> Call[bodies.BookingPage]:
    return get(f"/v1/users/{user_id}/bookings", model(bodies.BookingPage), limit=limit)


def cancel_booking(
    booking_id: Id,
    *,
    quantity: int | None = None,
    tickets: Sequence[int] | None = None,
    key: str | None = None,
) -> Call[bodies.Booking]:
    """All that is left of the booking, a quantity of it, or numbered tickets."""
    body = bodies.CancelIn(quantity=quantity, tickets=None if tickets is None else list(tickets))
    path = f"/v1/bookings/{booking_id}/cancel"
    return send("POST", path, model(bodies.Booking), body, **keyed(key))


def transfer_booking(
    booking_id: Id, to_user_id: Id, *, key: str | None = None
) -> Call[bodies.Booking]:
    body = bodies.TransferIn(to_user_id=_uuid(to_user_id))
    path = f"/v1/bookings/{booking_id}/transfer"
    return send("POST", path, model(bodies.Booking), body, **keyed(key))


def hold_seats(
    event_id: Id,
    user_id: Id,
    quantity: int | None = None,
    *,
    seats: Sequence[str] | None = None,
    category: str | None = None,
    key: str | None = None,
) -> Call[bodies.Hold]:
    body = _order(event_id, user_id, quantity, seats, category)
    return send("POST", "/v1/holds", model(bodies.Hold), body, **keyed(key))


def read_hold(hold_id: Id) -> Call[bodies.Hold]:
    return get(f"/v1/holds/{hold_id}", model(bodies.Hold))


def confirm_hold(hold_id: Id) -> Call[bodies.Booking]:
    path = f"/v1/holds/{hold_id}/confirm"
    return send("POST", path, model(bodies.Booking), is_repeatable=True)


def release_hold(hold_id: Id) -> Call[bodies.Hold]:
    return send("POST", f"/v1/holds/{hold_id}/release", model(bodies.Hold), is_repeatable=True)


def join_waiting_list(
    event_id: Id,
    user_id: Id,
    quantity: int = 1,
    *,
    category: str | None = None,
    key: str | None = None,
) -> Call[bodies.Waiting]:
    body = bodies.WaitingIn(user_id=_uuid(user_id), quantity=quantity, category=category)
    path = f"/v1/events/{event_id}/waiting-list"
    return send("POST", path, model(bodies.Waiting), body, **keyed(key))


def read_waiting(event_id: Id, waiting_id: Id) -> Call[bodies.Waiting]:
    return get(f"/v1/events/{event_id}/waiting-list/{waiting_id}", model(bodies.Waiting))


def leave_waiting_list(event_id: Id, waiting_id: Id) -> Call[bodies.Waiting]:
    path = f"/v1/events/{event_id}/waiting-list/{waiting_id}"
    return send("DELETE", path, model(bodies.Waiting), is_repeatable=True)


def list_tickets(booking_id: Id) -> Call[bodies.Tickets]:
    return get(f"/v1/bookings/{booking_id}/tickets", model(bodies.Tickets))


def draw_ticket(booking_id: Id, ticket: int, form: Literal["png", "svg"] = "svg") -> Call[bytes]:
    """The picture of a ticket's code."""
    return get(f"/v1/bookings/{booking_id}/tickets/{ticket}.{form}", bytes)


def read_ticket_key() -> Call[bodies.TicketKey]:
    return get("/v1/tickets/key", model(bodies.TicketKey))


def check_in(code: str) -> Call[bodies.CheckedIn]:
    """Not repeatable: the second time the ticket is inside already."""
    body = bodies.TicketCode(code=code)
    return send("POST", "/v1/check-ins", model(bodies.CheckedIn), body, is_repeatable=False)


def annul_check_in(code: str) -> Call[bodies.CheckedIn]:
    """Not repeatable: the second time the ticket is not inside."""
    body = bodies.TicketCode(code=code)
    return send("POST", "/v1/check-ins/annul", model(bodies.CheckedIn), body, is_repeatable=False)


def _of_event(event_id: Id, what: str) -> Call[bodies.Event]:
    return send("POST", f"/v1/events/{event_id}/{what}", model(bodies.Event), is_repeatable=True)


def _order(
    event_id: Id,
    user_id: Id,
    quantity: int | None,
    seats: Sequence[str] | None,
    category: str | None,
) -> bodies.BookingIn:
    return bodies.BookingIn(
        event_id=_uuid(event_id),
        user_id=_uuid(user_id),
        quantity=quantity,
        seats=None if seats is None else list(seats),
        category=category,
    )


def _uuid(value: Id) -> UUID:
    return value if isinstance(value, UUID) else UUID(value)


def _moment(
    at: datetime | None, at_version: int | None, at_seq: int | None
) -> dict[str, str | int | None]:
    return {
        "at": None if at is None else at.isoformat(),
        "at_version": at_version,
        "at_seq": at_seq,
    }
