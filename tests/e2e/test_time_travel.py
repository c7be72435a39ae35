"""Time travel over HTTP: what was answered then is what is answered about then."""

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import psycopg
import pytest
from documented import Documented
from served import Api, Served, new_keys, served

if TYPE_CHECKING:
    from tests.conftest import RealServers


@pytest.fixture(scope="module")
def shop_database(servers: "RealServers", migrated: str) -> Iterator[str]:
    with servers.fresh_database(migrated) as name:
        yield servers.database_url(name)


@pytest.fixture(scope="module")
def shop(shop_database: str) -> Iterator[Served]:
    with served(shop_database, None) as running:
        yield running
        assert [line for line in running.log if line.get("status") == 500] == []


@pytest.fixture(scope="module")
def api(shop: Served, shop_database: str) -> Iterator[Api]:
    documented = Documented.of(shop.url)
    with Api(shop.url, new_keys(shop_database), [documented.check]) as clients:
        yield clients


def past(api: Api, event_id: str, **moment: object) -> httpx.Response:
    return api.auditor.get(f"/v1/events/{event_id}/availability", params=moment)


def refused(answer: httpx.Response, status: int, code: str) -> str:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    return str(answer.json()["detail"])


class Life:
    """An event to which things happen, and what was answered after each of them."""

    def __init__(self, api: Api, choose: random.Random) -> None:
        self.api, self.choose = api, choose
        self.event_id = api.add_event(capacity=12)
        self.users = api.add_users(4)
        self.bookings: dict[str, dict[str, Any]] = {}
        self.holds: list[str] = []
        self.availability: dict[int, dict[str, Any]] = {}
        self.stood: dict[int, dict[str, dict[str, Any]]] = {}
        self._note()

    def _note(self) -> None:
        found = self.api.availability(self.event_id)
        self.availability[found["version"]] = found
        self.stood[found["version"]] = dict(self.bookings)

    def go_on(self) -> None:
        wish = {"event_id": self.event_id, "user_id": self.choose.choice(self.users)}
        match self.choose.randrange(6):
            case 0 | 1:
                self._booked(self.api.client.post("/v1/bookings", json=wish))
            case 2:
                answer = self.api.client.post("/v1/holds", json=wish | {"quantity": 2})
                if answer.status_code == 201:
                    self.holds.append(answer.json()["hold_id"])
            case 3 if self.holds:
                hold_id = self.holds.pop(self.choose.randrange(len(self.holds)))
                what = self.choose.choice(["confirm", "release"])
                answer = self.api.client.post(f"/v1/holds/{hold_id}/{what}")
                if what == "confirm":
                    self._booked(answer)
            case 4 if self.bookings:
                booking_id = self.choose.choice(list(self.bookings))
                body = self.choose.choice([{"quantity": 1}, {}])
                path = f"/v1/bookings/{booking_id}/cancel"
                self._booked(self.api.client.post(path, json=body), 200)
            case 5 if self.bookings:
                booking_id = self.choose.choice(list(self.bookings))
                path = f"/v1/bookings/{booking_id}/transfer"
                body = {"to_user_id": self.choose.choice(self.users)}
                self._booked(self.api.client.post(path, json=body), 200)
            case _:
                capacity = self.choose.randrange(10, 20)
                body = {"capacity": capacity}
                self.api.organizer.patch(f"/v1/events/{self.event_id}", json=body)
        self._note()

    def _booked(self, answer: httpx.Response, status: int = 201) -> None:
        if answer.status_code == status:
            booking = answer.json()
            self.bookings[booking["booking_id"]] = booking


@pytest.fixture(scope="module")
def life(api: Api) -> Life:
    seed = random.SystemRandom().getrandbits(32)
    print(f"seed {seed}")  # noqa: T201  to see the same life again
    lived = Life(api, random.Random(seed))  # noqa: S311  a workload, not a secret
    while len(lived.availability) < 35:
        lived.go_on()
    return lived


COUNTS = ("event_id", "capacity", "booked", "held", "available", "version")


def test_availability_at_a_version_is_what_was_answered_then(api: Api, life: Life) -> None:
    for version, then in life.availability.items():
        found = past(api, life.event_id, at_version=version).json()
        assert {name: found[name] for name in COUNTS} == {name: then[name] for name in COUNTS}
        assert found["as_of"] <= then["as_of"]


def test_a_booking_and_the_bookings_of_an_event_at_a_version_are_what_they_were(
    api: Api, life: Life
) -> None:
    for version, stood in life.stood.items():
        params = {"at_version": version, "limit": 1_000}
        found = api.auditor.get(f"/v1/events/{life.event_id}/bookings", params=params).json()
        assert found["version"] == version
        assert {each["booking_id"]: each for each in found["items"]} == stood
    version, stood = life.choose.choice([each for each in life.stood.items() if each[1]])
    for booking_id, booking in stood.items():
        path = f"/v1/bookings/{booking_id}"
        then = api.client.get(path, params={"at_version": version}).json()
        assert then["version"] == version
        assert booking.items() <= then.items()


def test_version_time_and_number_of_an_entry_lead_to_the_same_answer(api: Api, life: Life) -> None:
    path = f"/v1/ledger/streams/{life.event_id}"
    while True:
        entries = api.auditor.get(path).json()["items"]
        if all(entry["seq"] is not None for entry in entries):
            break
    for entry in entries[::5]:
        by_version = past(api, life.event_id, at_version=entry["version"])
        assert by_version.json()["as_of"] == entry["recorded_at"]
        assert past(api, life.event_id, at=entry["recorded_at"]).text == by_version.text
        assert past(api, life.event_id, at_seq=entry["seq"]).text == by_version.text


def test_an_events_bookings_are_paged_by_the_version_that_made_them(api: Api, life: Life) -> None:
    path = f"/v1/events/{life.event_id}/bookings"
    whole = api.auditor.get(path, params={"limit": 1_000}).json()
    assert whole["next_after"] is None
    params: dict[str, Any] = {"at_version": whole["version"], "limit": 3}
    items = []
    while True:
        page = api.auditor.get(path, params=params).json()
        items += page["items"]
        if page["next_after"] is None:
            break
        params["after"] = page["next_after"]
    assert items == whole["items"]
    assert [each["entry"]["version"] for each in items] == sorted(
        each["entry"]["version"] for each in items
    )


def test_a_users_bookings_at_a_moment_are_those_that_the_user_had_then(
    api: Api, life: Life
) -> None:
    """Some were given away since, and some received."""
    path = f"/v1/ledger/streams/{life.event_id}"
    while True:
        entries = api.auditor.get(path).json()["items"]
        if all(entry["seq"] is not None for entry in entries):
            break
    history = f"/v1/users/{life.users[0]}/history"
    while api.auditor.get(history).json()["version"] <= entries[-1]["seq"]:
        pass  # who had what is found by the histories, which follow
    counted = 0
    for version, stood in list(life.stood.items())[::3]:
        entry = entries[version - 1]
        for user_id in life.users:
            had = {each["booking_id"] for each in stood.values() if each["user_id"] == user_id}
            params: dict[str, Any] = {"at_seq": entry["seq"], "limit": 2}
            found: list[dict[str, Any]] = []
            while True:
                page = api.auditor.get(f"/v1/users/{user_id}/bookings", params=params).json()
                assert len(page["items"]) <= 2
                found += page["items"]
                if page["next_cursor"] is None:
                    break
                params["cursor"] = page["next_cursor"]
            assert {each["booking_id"] for each in found} == had
            for each in found:
                assert each["version"] == version
                assert stood[each["booking_id"]].items() <= each.items()
            counted += len(found)
    assert counted > 20
    path = f"/v1/users/{life.users[0]}/bookings"
    refused(api.auditor.get(path, params={"at_version": 1}), 422, "validation")
    refused(api.client.get(path, params={"at_seq": 0}), 403, "forbidden")
    assert api.auditor.get(path, params={"at_seq": 0}).json()["items"] == []


def test_moments_that_there_were_not_are_told_as_such(api: Api, life: Life) -> None:
    event_id, last = life.event_id, max(life.availability)
    began = past(api, event_id, at_version=1).json()["as_of"]

    assert str(last) in refused(past(api, event_id, at_version=last + 1), 404, "not-yet-recorded")
    refused(past(api, event_id, at_seq=10**9), 404, "not-yet-recorded")
    refused(past(api, event_id, at="2199-01-01T00:00:00Z"), 404, "not-yet-recorded")
    before = past(api, event_id, at="1999-12-31T23:59:59+01:00")
    assert began in refused(before, 404, "event-not-found")
    refused(past(api, str(uuid4()), at_version=1), 404, "event-not-found")
    booking = next(iter(life.bookings.values()))
    path = f"/v1/bookings/{booking['booking_id']}"
    refused(api.client.get(path, params={"at_version": 1}), 404, "booking-not-found")


@pytest.mark.parametrize(
    "query",
    [
        "at_version=0",
        "at_version=x",
        "at_version=9223372036854775808",
        "at_seq=-1",
        "at=yesterday",
        "at=2026-11-25T12:00:00",
        "at=1764072000",
        "at=",
        "at=2026-11-25T12:00:00Z&at_version=1",
        "at_seq=1&at_version=1",
    ],
)
def test_what_names_no_moment_is_refused(api: Api, life: Life, query: str) -> None:
    booking_id = next(iter(life.bookings))
    for path in (
        f"/v1/events/{life.event_id}/availability",
        f"/v1/events/{life.event_id}/bookings",
        f"/v1/bookings/{booking_id}",
    ):
        refused(api.auditor.get(f"{path}?{query}"), 422, "validation")


def test_now_is_for_everybody_and_the_past_for_organizers_and_auditors(
    api: Api, life: Life
) -> None:
    path = f"/v1/events/{life.event_id}/availability"
    for sender, status in (
        (api.nobody, 401),
        (api.client, 403),
        (api.organizer, 200),
        (api.auditor, 200),
        (api.admin, 200),
    ):
        assert sender.get(path).status_code == 200
        assert sender.get(path, params={"other": "x"}).status_code == 200
        assert sender.get(path, params={"at_version": 1}).status_code == status
        assert sender.get(f"/v1/events/{life.event_id}/bookings").status_code == status


def test_a_client_sees_the_past_of_its_own_bookings_only(
    api: Api, life: Life, shop_database: str
) -> None:
    booking_id = next(iter(life.bookings))
    with api.with_key(new_keys(shop_database)["client"]) as another:
        params = {"at_version": max(life.availability)}
        answer = another.get(f"/v1/bookings/{booking_id}", params=params)
        refused(answer, 404, "booking-not-found")


def test_bookings_go_on_while_somebody_looks_far_back(api: Api, shop_database: str) -> None:
    long_id, event_id = api.add_event(capacity=100_000), api.add_event(capacity=1_000)
    (user_id,) = api.add_users(1)
    with psycopg.connect(shop_database) as connection:
        connection.execute(
            """
            INSERT INTO ledger (stream_id, version, type, schema_version, payload, prev_hash, hash,
                recorded_at_us, actor)
            SELECT stream_id, n, 'SeatsBooked', 2, convert_to('{"amount_cents":0,"booking_id":"'
                || gen_random_uuid() || '","category":null,"quantity":1,"seats":[],"user_id":"'
                || gen_random_uuid() || '"}', 'UTF8'), hash, hash, recorded_at_us, actor
            FROM ledger, generate_series(2, 50000) AS n
            WHERE stream_id = %(id)s AND version = 1
            """,
            {"id": long_id},
        )
        connection.execute(
            "UPDATE streams SET version = 50000, booked = 49999 WHERE stream_id = %(id)s",
            {"id": long_id},
        )
    made = 0
    with ThreadPoolExecutor(1) as auditor:
        looking = auditor.submit(past, api, long_id, at_version=50_000)
        while not looking.done():
            assert api.book(event_id, user_id).status_code == 201
            made += 1
        assert looking.result().json()["booked"] == 49_999
    assert made >= 5
