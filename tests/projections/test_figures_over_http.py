"""What organizers are told of an event, and how soon."""

import time
from collections.abc import Callable, Iterator
from typing import Any, Final
from uuid import uuid4

import httpx
import psycopg
import pytest
from served import Api, Served, new_keys, served

SOON_SECONDS: Final = 10.0


@pytest.fixture(scope="module")
def running(module_database: str) -> Iterator[Served]:
    with served(module_database, None) as running:
        yield running


@pytest.fixture(scope="module")
def api(running: Served, module_database: str) -> Iterator[Api]:
    with Api(running.url, new_keys(module_database)) as clients:
        yield clients


def soon(ask: Callable[[], httpx.Response], is_there: Callable[[Any], bool]) -> Any:
    """The answer, once it has come to what it should."""
    deadline = time.monotonic() + SOON_SECONDS
    while True:
        answer = ask()
        assert answer.status_code == 200, answer.text
        if is_there(answer.json()):
            return answer.json()
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.02)


def figures(api: Api, event_id: str, name: str, version: int) -> Any:
    """Figures of an event, counted up to a version."""
    path = f"/v1/events/{event_id}/{name}"
    found = soon(lambda: api.organizer.get(path), lambda body: body["version"] >= version)
    assert (found.pop("event_id"), found.pop("version")) == (event_id, version)
    assert found.pop("as_of").endswith("Z")
    return found


@pytest.fixture(scope="module")
def event_id(api: Api) -> str:
    """An event at `VERSION`: of 4 tickets booked 1 was cancelled, and somebody waits for 2."""
    event_id = api.add_event(
        4,
        categories=[{"name": "front", "price_cents": 500}, {"name": "back", "price_cents": 200}],
        seats=[{"section": "A", "row": "1", "category": "front", "seats": 2}],
    )
    user_id, other_id = api.add_users(2)
    front = {"event_id": event_id, "user_id": user_id, "seats": ["A-1-1", "A-1-2"]}
    booking = api.client.post("/v1/bookings", json=front)
    assert booking.status_code == 201, booking.text
    back = {"event_id": event_id, "user_id": other_id, "quantity": 2, "category": "back"}
    assert api.client.post("/v1/bookings", json=back).status_code == 201
    for _ in range(3):
        refused = api.client.post("/v1/bookings", json=back)
        assert refused.json()["code"] == "sold-out"
    line = api.client.post(
        f"/v1/events/{event_id}/waiting-list",
        json={
            "user_id": other_id,
            "quantity": 2,
            "category": "back",
        },
    )
    assert line.status_code == 201, line.text
    one = {"quantity": 1}
    path = f"/v1/bookings/{booking.json()['booking_id']}/cancel"
    assert api.client.post(path, json=one).status_code == 200
    return event_id


FRONT: Final = {"booked": 2, "cancelled": 1, "booked_cents": 1_000, "cancelled_cents": 500}
BACK: Final = {"booked": 2, "cancelled": 0, "booked_cents": 400, "cancelled_cents": 0}
ALL: Final = {"booked": 4, "cancelled": 1, "booked_cents": 1_400, "cancelled_cents": 500}
VERSION: Final = 5


def test_revenue(api: Api, event_id: str) -> None:
    assert figures(api, event_id, "revenue", VERSION) == {
        **ALL,
        "revenue_cents": 900,
        "items": [{"category": "back", **BACK}, {"category": "front", **FRONT}],
    }


def test_sales_minute_by_minute(api: Api, event_id: str) -> None:
    sales = figures(api, event_id, "sales", VERSION)
    # They may have taken place in two minutes.
    total = {name: sum(minute[name] for minute in sales["items"]) for name in ALL}
    assert total == ALL
    assert sales["next_after"] is None
    minutes = [minute["minute"] for minute in sales["items"]]
    assert minutes == sorted(minutes)
    assert all(minute.endswith(":00Z") for minute in minutes)
    after = api.organizer.get(f"/v1/events/{event_id}/sales", params={"after": minutes[-1]})
    assert after.json()["items"] == []
    page = api.organizer.get(f"/v1/events/{event_id}/sales", params={"limit": 1}).json()
    assert page["items"] == sales["items"][:1]
    assert page["next_after"] == minutes[0]


def test_occupancy_of_each_section(api: Api, event_id: str) -> None:
    assert figures(api, event_id, "occupancy", VERSION) == {
        "capacity": 4,
        "booked": 3,
        "held": 0,
        "items": [
            {"section": "", "seats": 0, "booked": 2, "held": 0},
            {"section": "A", "seats": 2, "booked": 1, "held": 0},
        ],
    }


def test_the_length_of_the_line(api: Api, event_id: str) -> None:
    assert figures(api, event_id, "waiting-list", VERSION) == {
        "waiting": 1,
        "places": 2,
        "items": [{"category": "back", "waiting": 1, "places": 2}],
    }


def test_refusals_by_reason(api: Api, event_id: str) -> None:
    path = f"/v1/events/{event_id}/refusals"
    found = soon(lambda: api.organizer.get(path), lambda body: body["items"] != [])
    assert found["items"] == [{"reason": "sold-out", "count": 3}]


def test_the_history_of_a_user(api: Api) -> None:
    event_id, (user_id, friend_id) = api.add_event(10), api.add_users(2)
    booking_id = api.book(event_id, user_id, 2).json()["booking_id"]
    api.client.post(f"/v1/bookings/{booking_id}/transfer", json={"to_user_id": friend_id})
    api.cancel(booking_id)

    def history(of: str, **parameters: int) -> Any:
        path = f"/v1/users/{of}/history"
        figures(api, event_id, "revenue", 4)
        return api.organizer.get(path, params=parameters).json()

    mine, theirs = history(user_id), history(friend_id)
    assert [(each["what"], each["quantity"]) for each in mine["items"]] == [
        ("booked", 2),
        ("given", None),
    ]
    assert [(each["what"], each["version"]) for each in theirs["items"]] == [
        ("received", 3),
        ("cancelled", 4),
    ]
    assert {each["subject_id"] for each in (*mine["items"], *theirs["items"])} == {booking_id}
    page = history(user_id, limit=1)
    assert page["items"] == mine["items"][:1]
    assert history(user_id, after=page["next_after"])["items"] == mine["items"][1:]
    assert mine["version"] > mine["items"][-1]["seq"]


@pytest.mark.parametrize("name", ["sales", "revenue", "occupancy", "waiting-list"])
def test_an_etag_names_the_version_that_is_counted(api: Api, event_id: str, name: str) -> None:
    figures(api, event_id, name, VERSION)
    path = f"/v1/events/{event_id}/{name}"
    first = api.auditor.get(path)
    assert first.headers["etag"] == f'"{VERSION}"'
    again = api.auditor.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert api.auditor.get(path, headers={"If-None-Match": '"4"'}).status_code == 200


@pytest.mark.parametrize("name", ["sales", "revenue", "occupancy", "waiting-list", "refusals"])
def test_an_event_that_there_is_not_has_no_figures(api: Api, name: str) -> None:
    answer = api.organizer.get(f"/v1/events/{uuid4()}/{name}")
    assert (answer.status_code, answer.json()["code"]) == (404, "event-not-found")


def test_somebody_who_is_not_there_has_no_history(api: Api) -> None:
    answer = api.organizer.get(f"/v1/users/{uuid4()}/history")
    assert (answer.status_code, answer.json()["code"]) == (404, "user-not-found")


def test_the_figures_of_an_event_without_sales_are_empty(api: Api) -> None:
    event_id = api.add_event(10)
    for name in ("sales", "revenue", "waiting-list"):
        assert figures(api, event_id, name, 1)["items"] == []
    assert figures(api, event_id, "occupancy", 1)["capacity"] == 10


def test_the_lag_is_a_metric(running: Served) -> None:
    running.await_path("/metrics", containing="flashticket_projection_lag_seconds")


def test_what_was_refused_is_written_before_the_process_ends(database: str) -> None:
    with served(database, None) as running, Api(running.url, new_keys(database)) as api:
        event_id, user_id = api.add_event(1), api.add_user()
        for _ in range(3):
            api.book(event_id, user_id)
    with psycopg.connect(database) as connection:
        rows = connection.execute(
            "SELECT stream_id::text, reason, refused FROM refusals"
        ).fetchall()
    assert rows == [(event_id, "sold-out", 2)]
