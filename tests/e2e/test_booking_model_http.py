"""The whole booking model as clients meet it, each answer held against the OpenAPI page."""

import base64
import io
import time
from datetime import datetime
from typing import Any

import httpx
import pytest
import zxingcpp
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from PIL import Image
from served import Api

from api.tickets import read_code

SECONDS_MAX = 10.0


@pytest.fixture(scope="module")
def users(api: Api) -> list[str]:
    return api.add_users(6)


def refused(answer: httpx.Response, status: int, code: str, **fields: object) -> None:
    found = answer.json()
    assert (answer.status_code, found["code"]) == (status, code), answer.text
    assert fields.items() <= found.items()


def order(api: Api, what: str, event_id: str, user_id: str, **wish: object) -> httpx.Response:
    return api.client.post(f"/v1/{what}", json={"event_id": event_id, "user_id": user_id, **wish})


def made(answer: httpx.Response, status: int = 201) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


def booked(api: Api, event_id: str, user_id: str, **wish: object) -> dict[str, Any]:
    return made(order(api, "bookings", event_id, user_id, **wish))


def held(api: Api, event_id: str, user_id: str, **wish: object) -> dict[str, Any]:
    return made(order(api, "holds", event_id, user_id, **wish))


def counts(api: Api, event_id: str) -> tuple[int, int, int]:
    """Booked, held and available."""
    found = api.availability(event_id)
    return found["booked"], found["held"], found["available"]


# Holds


def test_a_hold_is_confirmed_into_a_booking_once(api: Api, users: list[str]) -> None:
    event_id = api.add_event(5)
    hold = held(api, event_id, users[0], quantity=2)
    assert hold["status"] == "held"
    expires_at, held_at = (datetime.fromisoformat(hold[name]) for name in ("expires_at", "held_at"))
    assert (expires_at - held_at).total_seconds() == 300
    assert counts(api, event_id) == (0, 2, 3)

    path = f"/v1/holds/{hold['hold_id']}"
    booking = made(api.client.post(f"{path}/confirm"))
    assert (booking["quantity"], booking["user_id"], booking["status"]) == (2, users[0], "booked")
    assert counts(api, event_id) == (2, 0, 3)
    assert made(api.client.get(f"/v1/bookings/{booking['booking_id']}"), 200) == booking

    again = api.client.post(f"{path}/confirm")
    assert made(again) == booking
    assert again.headers["Idempotency-Replayed"] == "true"
    refused(api.client.post(f"{path}/release"), 409, "hold-confirmed")
    found = made(api.client.get(path), 200)
    assert (found["status"], found["booking_id"]) == ("confirmed", booking["booking_id"])


def test_a_released_hold_gives_its_places_back(api: Api, users: list[str]) -> None:
    event_id = api.add_event(2)
    hold = held(api, event_id, users[0], quantity=2)
    refused(order(api, "bookings", event_id, users[1]), 409, "sold-out", available=0)
    path = f"/v1/holds/{hold['hold_id']}"
    assert made(api.client.post(f"{path}/release"), 200)["status"] == "released"
    assert made(api.client.post(f"{path}/release"), 200)["status"] == "released"
    refused(api.client.post(f"{path}/confirm"), 409, "hold-released")
    assert counts(api, event_id) == (0, 0, 2)


def test_a_hold_with_a_key_is_made_once(api: Api, users: list[str]) -> None:
    event_id = api.add_event(5)
    body = {"event_id": event_id, "user_id": users[0]}
    headers = {"Idempotency-Key": f"hold-{event_id}"}
    first, again = (api.client.post("/v1/holds", json=body, headers=headers) for _ in range(2))
    assert made(first) == made(again)
    assert again.headers["Idempotency-Replayed"] == "true"
    other = api.client.post("/v1/holds", json={**body, "quantity": 2}, headers=headers)
    refused(other, 422, "idempotency-key-reused")


def test_a_hold_of_another_key_is_not_there(api: Api, users: list[str]) -> None:
    hold = made(
        api.admin.post("/v1/holds", json={"event_id": api.add_event(), "user_id": users[0]})
    )
    for path in ("", "/confirm", "/release"):
        method = "GET" if not path else "POST"
        answer = api.client.request(method, f"/v1/holds/{hold['hold_id']}{path}")
        refused(answer, 404, "hold-not-found")


# Seats


def test_named_seats_are_had_all_or_none(api: Api, users: list[str]) -> None:
    event_id = api.add_event(6, seats=[{"section": "A", "row": r, "seats": 3} for r in "12"])
    booking = booked(api, event_id, users[0], seats=["A-1-2", "A-2-1"])
    assert booking["seats"] == ["A-1-2", "A-2-1"]
    taken = order(api, "bookings", event_id, users[1], seats=["A-1-1", "A-1-2"])
    refused(taken, 409, "seat-taken", seat="A-1-2")
    nowhere = order(api, "holds", event_id, users[1], seats=["A-1-1", "Z"])
    refused(nowhere, 404, "seat-not-found", seat="Z")
    twice = order(api, "holds", event_id, users[1], seats=["A-1-1", "A-1-1"])
    refused(twice, 422, "validation")
    rows = made(api.nobody.get(f"/v1/events/{event_id}/seats"), 200)["rows"]
    taken_seats = [each["seat"] for row in rows for each in row["seats"] if not each["free"]]
    assert taken_seats == ["A-1-2", "A-2-1"]


def test_the_best_adjacent_seats_leave_no_seat_alone(api: Api, users: list[str]) -> None:
    event_id = api.add_event(7, seats=[{"row": "1", "seats": 3}, {"row": "2", "seats": 4}])
    assert booked(api, event_id, users[0], quantity=2)["seats"] == ["2-1", "2-2"]
    assert booked(api, event_id, users[1], quantity=3)["seats"] == ["1-1", "1-2", "1-3"]
    assert held(api, event_id, users[2], quantity=1)["seats"] == ["2-3"]
    refused(order(api, "bookings", event_id, users[3], quantity=2), 409, "sold-out", available=1)


def test_seats_that_are_not_side_by_side_are_told_from_sold_out(api: Api, users: list[str]) -> None:
    event_id = api.add_event(3, seats=["a", "b", "c"])
    booked(api, event_id, users[0], seats=["b"])
    refused(order(api, "bookings", event_id, users[1], quantity=2), 409, "not-adjacent")


def test_a_seat_given_back_can_be_booked_by_the_same_user_with_a_new_key(
    api: Api, users: list[str]
) -> None:
    event_id = api.add_event(1, seats=["a"])
    body = {"event_id": event_id, "user_id": users[0], "seats": ["a"]}

    def book(key: str) -> httpx.Response:
        headers = {"Idempotency-Key": f"{key} {event_id}".replace(" ", "-")}
        return api.client.post("/v1/bookings", json=body, headers=headers)

    first = made(book("first"))
    assert api.cancel(first["booking_id"]).status_code == 200
    second = made(book("second"))
    assert second["booking_id"] != first["booking_id"]
    assert second["seats"] == ["a"]
    assert made(book("first"))["booking_id"] == first["booking_id"]


# Categories and limits

OF_TWO_PRICES = {
    "categories": [
        {"name": "full", "price_cents": 5_000},
        {"name": "reduced", "price_cents": 3_000},
        {"name": "box", "price_cents": 9_000, "capacity": 1},
    ],
    "quotas": [
        {"name": "standing", "capacity": 5, "categories": ["full", "reduced"]},
        {"name": "cheap", "capacity": 2, "categories": ["reduced"]},
    ],
}


def test_categories_have_prices_and_an_exhausted_one_leaves_the_others_sellable(
    api: Api, users: list[str]
) -> None:
    event_id = api.add_event(10, **OF_TWO_PRICES)
    assert booked(api, event_id, users[0], category="reduced", quantity=2)["amount_cents"] == 6_000
    answer = order(api, "bookings", event_id, users[1], category="reduced")
    refused(answer, 409, "sold-out", available=0, category="cheap")
    assert booked(api, event_id, users[1], category="full", quantity=3)["amount_cents"] == 15_000
    answer = order(api, "bookings", event_id, users[1], category="full")
    refused(answer, 409, "sold-out", available=0, category="standing")
    hold = held(api, event_id, users[2], category="box")
    refused(order(api, "holds", event_id, users[2], category="box"), 409, "sold-out")
    refused(order(api, "bookings", event_id, users[2]), 404, "category-not-found")
    refused(order(api, "bookings", event_id, users[2], category="x"), 404, "category-not-found")
    assert (hold["category"], hold["amount_cents"]) == ("box", 9_000)

    found = made(api.nobody.get(f"/v1/events/{event_id}/categories"), 200)["items"]
    assert [(each["name"], each["taken"], each["available"]) for each in found] == [
        ("full", 3, 0),
        ("reduced", 2, 0),
        ("box", 1, 0),
    ]


def test_limits_per_order_and_per_user_count_holds_too(api: Api, users: list[str]) -> None:
    event_id = api.add_event(10, limit_per_user=4, limit_per_order=3)
    refused(order(api, "bookings", event_id, users[0], quantity=4), 409, "limit-per-order", limit=3)
    booked(api, event_id, users[0], quantity=2)
    hold = held(api, event_id, users[0])
    more = order(api, "holds", event_id, users[0], quantity=2)
    refused(more, 409, "limit-per-user", limit=4, already=3)
    made(api.client.post(f"/v1/holds/{hold['hold_id']}/release"), 200)
    booked(api, event_id, users[0], quantity=2)
    booked(api, event_id, users[1], quantity=3)


# Capacity


def test_places_added_after_it_sold_out_are_sold_at_once_and_none_goes_below_what_is_taken(
    api: Api, users: list[str]
) -> None:
    event_id = api.add_event(2)
    booked(api, event_id, users[0])
    held(api, event_id, users[1])
    refused(order(api, "bookings", event_id, users[2]), 409, "sold-out")

    def resize(capacity: int) -> httpx.Response:
        return api.organizer.patch(f"/v1/events/{event_id}", json={"capacity": capacity})

    assert made(resize(3), 200)["available"] == 1
    booked(api, event_id, users[2])
    before = made(api.nobody.get(f"/v1/events/{event_id}"), 200)
    refused(resize(2), 409, "capacity-below-sold", booked=2, held=1)
    refused(resize(5), 409, "capacity-above-venue", venue_capacity=4)
    assert made(api.nobody.get(f"/v1/events/{event_id}"), 200) == before


def test_an_event_of_seats_has_no_more_places_than_seats(api: Api) -> None:
    event_id = api.add_event(2, seats=["A", "B"])
    more = api.organizer.patch(f"/v1/events/{event_id}", json={"capacity": 3})
    refused(more, 409, "capacity-above-seats", seats=2)


# Cancelling


def test_two_of_five_tickets_are_cancelled_and_the_rest_stays(api: Api, users: list[str]) -> None:
    event_id = api.add_event(5)
    booking = booked(api, event_id, users[0], quantity=5)
    path = f"/v1/bookings/{booking['booking_id']}"
    part = made(api.client.post(f"{path}/cancel", json={"quantity": 2}), 200)
    assert (part["cancelled_quantity"], part["status"]) == (2, "booked")
    assert counts(api, event_id) == (3, 0, 2)
    named = made(api.client.post(f"{path}/cancel", json={"tickets": [1, 5]}), 200)
    assert named["cancelled_quantity"] == 3
    tickets = made(api.client.get(f"{path}/tickets"), 200)["items"]
    assert [each["ticket"] for each in tickets] == [2, 3]
    refused(api.client.post(f"{path}/cancel", json={"tickets": [6]}), 404, "ticket-not-found")
    refused(api.client.post(f"{path}/cancel", json={"quantity": 3}), 404, "ticket-not-found")
    both = api.client.post(f"{path}/cancel", json={"quantity": 1, "tickets": [2]})
    refused(both, 422, "validation")

    whole = made(api.client.post(f"{path}/cancel"), 200)
    assert (whole["cancelled_quantity"], whole["status"]) == (5, "cancelled")
    assert made(api.client.post(f"{path}/cancel"), 200) == whole
    assert counts(api, event_id) == (0, 0, 5)


def test_cancelling_some_with_a_key_twice_cancels_them_once(api: Api, users: list[str]) -> None:
    event_id = api.add_event(5)
    booking_id = booked(api, event_id, users[0], quantity=5)["booking_id"]
    path, headers = f"/v1/bookings/{booking_id}/cancel", {"Idempotency-Key": f"c-{event_id}"}
    first = api.client.post(path, json={"quantity": 2}, headers=headers)
    again = api.client.post(path, json={"quantity": 2}, headers=headers)
    assert made(first, 200) == made(again, 200)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert counts(api, event_id) == (3, 0, 2)


# The waiting list


def line_of(event_id: str) -> str:
    return f"/v1/events/{event_id}/waiting-list"


def test_a_freed_place_is_offered_along_the_line(api: Api, users: list[str]) -> None:
    event_id = api.add_event(1)
    booking = booked(api, event_id, users[0])
    line = line_of(event_id)
    first, second = (made(api.client.post(line, json={"user_id": u})) for u in users[1:3])
    assert (first["ahead"], second["ahead"], second["status"]) == (0, 1, "waiting")
    assert made(api.client.post(line, json={"user_id": users[2]})) == second

    assert api.cancel(booking["booking_id"]).status_code == 200
    offered = made(api.client.get(f"{line}/{first['waiting_id']}"), 200)
    assert (offered["status"], offered["ahead"]) == ("offered", None)
    assert made(api.client.get(f"{line}/{second['waiting_id']}"), 200)["ahead"] == 0
    refused(order(api, "bookings", event_id, users[3]), 409, "sold-out")

    made(api.client.post(f"/v1/holds/{offered['hold_id']}/release"), 200)
    offered = made(api.client.get(f"{line}/{second['waiting_id']}"), 200)
    hold = made(api.client.get(f"/v1/holds/{offered['hold_id']}"), 200)
    assert (hold["user_id"], hold["waiting_id"]) == (users[2], second["waiting_id"])
    booking = made(api.client.post(f"/v1/holds/{offered['hold_id']}/confirm"))
    assert booking["user_id"] == users[2]


def test_who_leaves_the_line_gets_no_offer(api: Api, users: list[str]) -> None:
    event_id = api.add_event(1)
    booking = booked(api, event_id, users[0])
    line = line_of(event_id)
    gone, stays = (made(api.client.post(line, json={"user_id": u})) for u in users[1:3])
    for _ in range(2):
        left = made(api.client.delete(f"{line}/{gone['waiting_id']}"), 200)
        assert (left["status"], left["ahead"]) == ("left", None)
    assert api.cancel(booking["booking_id"]).status_code == 200
    assert made(api.client.get(f"{line}/{stays['waiting_id']}"), 200)["status"] == "offered"
    refused(api.client.delete(f"{line}/{stays['waiting_id']}"), 404, "not-waiting")
    refused(api.client.get(f"{line}/{event_id}"), 404, "not-waiting")


def test_nobody_waits_while_places_are_left(api: Api, users: list[str]) -> None:
    answer = api.client.post(line_of(api.add_event(2)), json={"user_id": users[0]})
    refused(answer, 409, "places-left", available=2)


def test_places_added_are_offered_along_the_line(api: Api, users: list[str]) -> None:
    event_id = api.add_event(1)
    booked(api, event_id, users[0])
    line = line_of(event_id)
    waiting = made(api.client.post(line, json={"user_id": users[1]}))
    made(api.organizer.patch(f"/v1/events/{event_id}", json={"capacity": 2}), 200)
    assert made(api.client.get(f"{line}/{waiting['waiting_id']}"), 200)["status"] == "offered"
    assert counts(api, event_id) == (1, 1, 0)


# Giving a booking away


def test_a_booking_is_given_away_at_sold_out_within_the_recipients_limit(
    api: Api, users: list[str]
) -> None:
    event_id = api.add_event(3, limit_per_user=2)
    booking = booked(api, event_id, users[0], quantity=2)
    booked(api, event_id, users[1])
    path = f"/v1/bookings/{booking['booking_id']}/transfer"
    too_many = api.client.post(path, json={"to_user_id": users[1]})
    refused(too_many, 409, "limit-per-user", limit=2, already=1)
    moved = made(api.client.post(path, json={"to_user_id": users[2]}), 200)
    assert moved["user_id"] == users[2]
    assert made(api.client.post(path, json={"to_user_id": users[2]}), 200) == moved
    assert counts(api, event_id) == (3, 0, 0)
    theirs = made(api.client.get(f"/v1/users/{users[2]}/bookings"), 200)["items"]
    assert booking["booking_id"] in [each["booking_id"] for each in theirs]
    nobody = api.client.post(path, json={"to_user_id": event_id})
    refused(nobody, 404, "user-not-found")
    api.cancel(booking["booking_id"])
    gone = api.client.post(path, json={"to_user_id": users[3]})
    refused(gone, 409, "booking-cancelled")


# Tickets


def codes_of(api: Api, booking: dict[str, Any]) -> list[str]:
    answer = api.client.get(f"/v1/bookings/{booking['booking_id']}/tickets")
    return [each["code"] for each in made(answer, 200)["items"]]


def test_a_door_without_network_tells_tickets_by_the_public_key(api: Api, users: list[str]) -> None:
    event_id = api.add_event(3, seats=["a", "b", "c"])
    booking = booked(api, event_id, users[0], quantity=2)
    key = made(api.auditor.get("/v1/tickets/key"), 200)
    assert key["algorithm"] == "Ed25519"
    public_key = Ed25519PublicKey.from_public_bytes(base64.b64decode(key["public_key"]))
    tickets = [read_code(code, public_key) for code in codes_of(api, booking)]
    assert [each.ticket for each in tickets] == [1, 2]
    assert {str(each.booking_id) for each in tickets} == {booking["booking_id"]}
    assert {str(each.event_id) for each in tickets} == {event_id}


@pytest.mark.parametrize("form", ["png", "svg"])
def test_a_ticket_is_drawn_as_a_qr_code_of_its_code(api: Api, users: list[str], form: str) -> None:
    booking = booked(api, api.add_event(), users[0])
    path = f"/v1/bookings/{booking['booking_id']}/tickets"
    drawn = api.client.get(f"{path}/1.{form}")
    assert (drawn.status_code, drawn.headers["cache-control"]) == (200, "no-store")
    if form == "png":
        with Image.open(io.BytesIO(drawn.content)) as picture:
            (read,) = zxingcpp.read_barcodes(picture)
        assert [read.text] == codes_of(api, booking)
    else:
        assert drawn.headers["content-type"] == "image/svg+xml"
        assert b"<svg" in drawn.content[:200]
    refused(api.client.get(f"{path}/2.{form}"), 404, "ticket-not-found")


def test_a_ticket_is_admitted_once_and_the_second_time_tells_when_the_first_was(
    api: Api, users: list[str]
) -> None:
    booking = booked(api, api.add_event(), users[0], quantity=2)
    code, other = codes_of(api, booking)
    first = made(api.organizer.post("/v1/check-ins", json={"code": code}))
    assert (first["ticket"], first["booking_id"]) == (1, booking["booking_id"])
    again = api.organizer.post("/v1/check-ins", json={"code": code})
    refused(again, 409, "already-checked-in", checked_in_at=first["checked_in_at"])
    made(api.organizer.post("/v1/check-ins", json={"code": other}))

    annulled = made(api.organizer.post("/v1/check-ins/annul", json={"code": code}), 200)
    assert annulled["checked_in_at"] is None
    refused(api.organizer.post("/v1/check-ins/annul", json={"code": code}), 409, "not-checked-in")
    later = made(api.organizer.post("/v1/check-ins", json={"code": code}))
    assert later["checked_in_at"] > first["checked_in_at"]


def test_codes_of_what_was_given_away_or_cancelled_admit_no_more(
    api: Api, users: list[str]
) -> None:
    event_id = api.add_event()
    booking = booked(api, event_id, users[0], quantity=2)
    old, path = codes_of(api, booking), f"/v1/bookings/{booking['booking_id']}"
    made(api.client.post(f"{path}/transfer", json={"to_user_id": users[1]}), 200)
    new = codes_of(api, booking)
    refused(api.organizer.post("/v1/check-ins", json={"code": old[0]}), 409, "ticket-outdated")
    made(api.organizer.post("/v1/check-ins", json={"code": new[0]}))
    made(api.client.post(f"{path}/cancel", json={"tickets": [2]}), 200)
    refused(api.organizer.post("/v1/check-ins", json={"code": new[1]}), 404, "ticket-not-found")
    api.cancel(booking["booking_id"])
    refused(api.organizer.post("/v1/check-ins", json={"code": new[0]}), 409, "booking-cancelled")


def test_a_code_changed_in_any_place_is_refused_at_the_door(api: Api, users: list[str]) -> None:
    (code,) = codes_of(api, booked(api, api.add_event(), users[0]))
    for at in range(0, len(code), 9):
        changed = code[:at] + ("A" if code[at] != "A" else "B") + code[at + 1 :]
        answer = api.organizer.post("/v1/check-ins", json={"code": changed})
        refused(answer, 422, "ticket-invalid")


# Carts


def test_a_cart_is_booked_whole_or_not_at_all(api: Api, users: list[str]) -> None:
    many, few = api.add_event(10), api.add_event(1)

    def cart(*quantities: int, **headers: str) -> httpx.Response:
        items = [
            {"event_id": event_id, "quantity": quantity}
            for event_id, quantity in zip((many, few), quantities, strict=True)
        ]
        body = {"user_id": users[0], "items": items}
        return api.client.post("/v1/carts", json=body, headers=headers)

    refused(cart(2, 2), 409, "sold-out", event_id=few, available=1)
    assert (counts(api, many), counts(api, few)) == ((0, 0, 10), (0, 0, 1))
    key = {"Idempotency-Key": f"cart-{many}"}
    first = made(cart(2, 1, **key))
    assert [each["event_id"] for each in first["bookings"]] == [many, few]
    assert (counts(api, many), counts(api, few)) == ((2, 0, 8), (1, 0, 0))
    assert made(cart(2, 1, **key)) == first
    refused(cart(3, 1, **key), 422, "idempotency-key-reused")
    twice = {"user_id": users[0], "items": [{"event_id": many}, {"event_id": many}]}
    refused(api.client.post("/v1/carts", json=twice), 422, "validation")


# The life of an event


def test_an_event_is_closed_and_opened_again(api: Api, users: list[str]) -> None:
    event_id = api.add_event()
    hold = held(api, event_id, users[0])
    path = f"/v1/events/{event_id}"
    assert made(api.organizer.post(f"{path}/close"), 200)["status"] == "closed"
    refused(order(api, "bookings", event_id, users[1]), 409, "sales-closed")
    made(api.client.post(f"/v1/holds/{hold['hold_id']}/confirm"))
    assert made(api.organizer.post(f"{path}/open"), 200)["status"] == "open"
    booked(api, event_id, users[1])


def test_a_cancelled_event_cancels_its_bookings_and_holds_by_itself(
    api: Api, users: list[str]
) -> None:
    event_id = api.add_event(9)
    bookings = [booked(api, event_id, user, quantity=2)["booking_id"] for user in users[:3]]
    hold = held(api, event_id, users[3])
    path = f"/v1/events/{event_id}"
    for _ in range(2):
        assert made(api.organizer.post(f"{path}/cancel"), 200)["status"] == "cancelled"
    refused(order(api, "bookings", event_id, users[4]), 409, "event-cancelled")
    refused(api.organizer.post(f"{path}/open"), 409, "event-cancelled")

    deadline = time.monotonic() + SECONDS_MAX
    while counts(api, event_id) != (0, 0, 9):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    for booking_id in bookings:
        found = made(api.client.get(f"/v1/bookings/{booking_id}"), 200)
        assert (found["status"], found["cancelled_quantity"]) == ("cancelled", 2)
    found = made(api.client.get(f"/v1/holds/{hold['hold_id']}"), 200)
    assert found["status"] == "released"
