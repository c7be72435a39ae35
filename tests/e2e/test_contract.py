"""Every call of the contract: what it answers when all is well, and when the request is refused."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from served import Api

HASH_LENGTH = 64


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The problem document that ``answer`` has to be."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert document["status"] == status
    assert document["code"] == code
    assert document["type"] == f"/problems/{code}"
    assert document["title"]
    assert document["detail"]
    return document


def test_a_venue_is_added_and_read_back(api: Api) -> None:
    added = api.organizer.post("/v1/venues", json={"name": "Waldbühne", "capacity": 22_290})
    assert added.status_code == 201
    venue = added.json()
    assert venue.keys() == {"venue_id", "name", "capacity", "created_at"}
    assert (venue["name"], venue["capacity"]) == ("Waldbühne", 22_290)
    assert UUID(venue["venue_id"]).version == 7
    assert api.auditor.get(f"/v1/venues/{venue['venue_id']}").json() == venue
    problem(api.auditor.get(f"/v1/venues/{uuid4()}"), 404, "venue-not-found")


def test_an_event_takes_the_capacity_of_its_venue_where_none_is_given(api: Api) -> None:
    venue_id = api.add_venue(40)
    body = {"venue_id": venue_id, "name": "Show", "starts_at": "2030-01-01T20:00:00+01:00"}
    added = api.organizer.post("/v1/events", json=body)
    assert added.status_code == 201
    event = added.json()
    assert event["venue_id"] == venue_id
    assert datetime.fromisoformat(event["starts_at"]) == datetime(2030, 1, 1, 19, tzinfo=UTC)
    counts = {k: event[k] for k in ("capacity", "booked", "held", "available", "version")}
    assert counts == {"capacity": 40, "booked": 0, "held": 0, "available": 40, "version": 1}
    assert api.nobody.get(f"/v1/events/{event['event_id']}").json() == event


def test_an_event_larger_than_its_venue_is_refused(api: Api) -> None:
    body = {
        "venue_id": api.add_venue(40),
        "name": "Show",
        "starts_at": "2030-01-01T20:00:00Z",
        "capacity": 41,
    }
    document = problem(api.organizer.post("/v1/events", json=body), 409, "capacity-above-venue")
    assert document["venue_capacity"] == 40


def test_an_event_at_no_venue_is_refused(api: Api) -> None:
    body = {"venue_id": str(uuid4()), "name": "Show", "starts_at": "2030-01-01T20:00:00Z"}
    problem(api.organizer.post("/v1/events", json=body), 404, "venue-not-found")


def test_sales_that_close_before_they_open_are_refused(api: Api) -> None:
    body = {
        "venue_id": api.add_venue(40),
        "name": "Show",
        "starts_at": "2030-01-01T20:00:00Z",
        "sales_open_at": "2029-06-01T00:00:00Z",
        "sales_close_at": "2029-06-01T00:00:00Z",
    }
    problem(api.organizer.post("/v1/events", json=body), 422, "validation")


def test_a_capacity_goes_up_and_down_but_never_below_what_is_sold(api: Api) -> None:
    event_id, user_id = api.add_event(10), api.add_user()
    assert api.book(event_id, user_id, 6).status_code == 201

    grown = api.organizer.patch(f"/v1/events/{event_id}", json={"capacity": 12})
    assert grown.status_code == 200
    assert (grown.json()["capacity"], grown.json()["available"]) == (12, 6)
    assert api.organizer.patch(f"/v1/events/{event_id}", json={"capacity": 6}).status_code == 200

    before = api.nobody.get(f"/v1/events/{event_id}").json()
    below = api.organizer.patch(f"/v1/events/{event_id}", json={"capacity": 5})
    document = problem(below, 409, "capacity-below-sold")
    assert (document["booked"], document["held"]) == (6, 0)
    above = api.organizer.patch(f"/v1/events/{event_id}", json={"capacity": 21})
    problem(above, 409, "capacity-above-venue")
    assert api.nobody.get(f"/v1/events/{event_id}").json() == before


def test_an_unknown_event_cannot_be_read_or_changed(api: Api) -> None:
    path = f"/v1/events/{uuid4()}"
    problem(api.nobody.get(path), 404, "event-not-found")
    problem(api.nobody.get(f"{path}/availability"), 404, "event-not-found")
    problem(api.organizer.patch(path, json={"capacity": 5}), 404, "event-not-found")


def test_a_user_is_registered_and_read_back(api: Api) -> None:
    body = {"name": "Ada Lovelace", "email": "ada@example.org"}
    added = api.organizer.post("/v1/users", json=body)
    assert added.status_code == 201
    user = added.json()
    assert user.keys() == {"user_id", "name", "email", "created_at"}
    assert api.organizer.get(f"/v1/users/{user['user_id']}").json() == user
    problem(api.organizer.get(f"/v1/users/{uuid4()}"), 404, "user-not-found")


def test_a_booking_names_its_entry_and_is_read_back_at_once(api: Api) -> None:
    event_id, user_id = api.add_event(10), api.add_user()
    booked = api.book(event_id, user_id, 3)
    assert booked.status_code == 201
    assert "idempotency-replayed" not in booked.headers
    booking = booked.json()
    expected = {
        "event_id": event_id,
        "user_id": user_id,
        "quantity": 3,
        "seats": [],
        "status": "booked",
        "cancelled_at": None,
        "entry": {"version": 2, "hash": booking["entry"]["hash"]},
        "cancellation": None,
    }
    assert {key: booking[key] for key in expected} == expected
    assert UUID(booking["booking_id"]).version == 7
    assert len(bytes.fromhex(booking["entry"]["hash"])) * 2 == HASH_LENGTH
    assert api.client.get(f"/v1/bookings/{booking['booking_id']}").json() == booking
    assert api.client.get(f"/v1/users/{user_id}/bookings").json()["items"] == [booking]
    counts = api.availability(event_id)
    assert {k: counts[k] for k in ("capacity", "booked", "held", "available", "version")} == {
        "capacity": 10,
        "booked": 3,
        "held": 0,
        "available": 7,
        "version": 2,
    }


def test_a_quantity_that_is_left_out_is_one(api: Api) -> None:
    body = {"event_id": api.add_event(10), "user_id": api.add_user()}
    assert api.client.post("/v1/bookings", json=body).json()["quantity"] == 1


def test_what_does_not_fit_is_sold_out_and_books_nothing(api: Api) -> None:
    event_id, user_id = api.add_event(10), api.add_user()
    api.book(event_id, user_id, 8)
    document = problem(api.book(event_id, user_id, 3), 409, "sold-out")
    assert document["available"] == 2
    assert api.book(event_id, user_id, 2).status_code == 201
    problem(api.book(event_id, user_id), 409, "sold-out")


def test_a_limit_per_user_counts_all_bookings_of_that_user(api: Api) -> None:
    event_id, user_id = api.add_event(10, limit_per_user=4), api.add_user()
    booking_id = api.book(event_id, user_id, 3).json()["booking_id"]
    document = problem(api.book(event_id, user_id, 2), 409, "limit-per-user")
    assert (document["limit"], document["already"]) == (4, 3)
    assert api.book(event_id, api.add_user(), 4).status_code == 201
    assert api.cancel(booking_id).status_code == 200
    assert api.book(event_id, user_id, 4).status_code == 201


@pytest.mark.parametrize(
    "window",
    [{"sales_open_at": "2029-01-01T00:00:00Z"}, {"sales_close_at": "2020-01-01T00:00:00Z"}],
)
def test_outside_of_its_sales_an_event_is_closed(api: Api, window: dict[str, str]) -> None:
    event_id = api.add_event(10, **window)
    document = problem(api.book(event_id, api.add_user()), 409, "sales-closed")
    ((name, time),) = window.items()
    assert datetime.fromisoformat(document[name]) == datetime.fromisoformat(time)


def test_bookings_need_an_event_and_a_user_that_exist(api: Api) -> None:
    event_id, user_id = api.add_event(10), api.add_user()
    problem(api.book(str(uuid4()), user_id), 404, "event-not-found")
    problem(api.book(event_id, str(uuid4())), 404, "user-not-found")
    assert api.availability(event_id)["booked"] == 0


def test_a_cancelled_booking_frees_its_places_once(api: Api) -> None:
    event_id, user_id = api.add_event(10), api.add_user()
    booking = api.book(event_id, user_id, 10).json()
    cancelled = api.cancel(booking["booking_id"])
    assert cancelled.status_code == 200
    unchanged = ("booking_id", "event_id", "user_id", "quantity", "booked_at", "entry")
    assert {k: cancelled.json()[k] for k in unchanged} == {k: booking[k] for k in unchanged}
    assert cancelled.json()["status"] == "cancelled"
    assert cancelled.json()["cancelled_at"] > booking["booked_at"]
    assert cancelled.json()["cancellation"]["version"] == 3
    assert api.cancel(booking["booking_id"]).content == cancelled.content
    assert api.client.get(f"/v1/bookings/{booking['booking_id']}").content == cancelled.content
    assert api.availability(event_id)["version"] == 3
    assert api.book(event_id, user_id, 10).status_code == 201


def test_the_largest_booking_there_can_be_is_made_and_cancelled(api: Api) -> None:
    event_id, user_id = api.add_event(10_000), api.add_user()
    booking = api.book(event_id, user_id, 10_000).json()
    some = {"quantity": 9_999}
    path = f"/v1/bookings/{booking['booking_id']}/cancel"
    assert api.client.post(path, json=some).status_code == 200
    assert api.cancel(booking["booking_id"]).json()["status"] == "cancelled"
    assert api.availability(event_id)["available"] == 10_000


def test_an_event_may_have_as_many_labelled_seats_as_its_body_can_name(api: Api) -> None:
    labels = [f"B-{n}" for n in range(7_000)]
    body = {
        "venue_id": api.add_venue(7_000),
        "name": "Show",
        "starts_at": "2030-01-01T20:00:00Z",
        "seats": labels,
    }
    added = api.organizer.post("/v1/events", json=body)
    assert added.status_code == 201, added.text
    assert added.json()["capacity"] == 7_000
    order = {"event_id": added.json()["event_id"], "user_id": api.add_user()}
    booked = api.client.post("/v1/bookings", json={**order, "seats": [labels[0], labels[-1]]})
    assert booked.json()["seats"] == [labels[0], labels[-1]]


def test_an_unknown_booking_cannot_be_read_or_cancelled(api: Api) -> None:
    unknown = str(uuid4())
    problem(api.client.get(f"/v1/bookings/{unknown}"), 404, "booking-not-found")
    problem(api.cancel(unknown), 404, "booking-not-found")
    problem(api.client.get(f"/v1/users/{unknown}/bookings"), 404, "user-not-found")


def test_a_path_that_is_not_there_is_a_problem_too(api: Api) -> None:
    problem(api.admin.get("/v1/nothing"), 404, "not-found")
    problem(api.admin.get("/v1/events/"), 404, "not-found")
