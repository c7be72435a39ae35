"""What time brings about, over HTTP, to the microsecond: the database's clock is set by the tests.

Nothing waits here: PostgreSQL, the application and its sweeper go by that clock.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import httpx
import psycopg
import pytest
from clock import Clock
from samples import NOW
from served import Api, new_keys, served, violations

from api.times import instant_of, rfc3339
from ledger.values import Instant

if TYPE_CHECKING:
    from tests.conftest import RealServers

SECONDS_MAX = 10.0
MICROSECOND = timedelta(microseconds=1)


@dataclass
class Shop:
    """An application whose time stands still until a test moves it."""

    api: Api
    clock: Clock
    database: str

    def at(self, moment: datetime | str) -> None:
        """From now on it is that time."""
        parsed = moment if isinstance(moment, datetime) else datetime.fromisoformat(moment)
        self.clock.set(instant_of(parsed))

    def post(self, path: str, body: object = None) -> httpx.Response:
        return self.api.client.post(path, json=body)

    def hold(self, event_id: str, user_id: str, quantity: int = 1) -> dict[str, Any]:
        body = {"event_id": event_id, "user_id": user_id, "quantity": quantity}
        answer = self.post("/v1/holds", body)
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def entries(self, event_id: str) -> list[str]:
        with psycopg.connect(self.database) as connection:
            rows = connection.execute(
                "SELECT type FROM ledger WHERE stream_id = %s ORDER BY version", (event_id,)
            )
            return [name for (name,) in rows]


@pytest.fixture(scope="module")
def module_shop(servers: "RealServers", migrated: str) -> Iterator[Shop]:
    with servers.fresh_database(migrated) as name:
        url = servers.database_url(name)
        with (
            Clock(url, NOW) as clock,
            served(url, None) as running,
            Api(running.url, new_keys(url)) as api,
        ):
            yield Shop(api, clock, url)
            assert violations(url) == []
            assert [line for line in running.log if line.get("status") == 500] == []


@pytest.fixture
def shop(module_shop: Shop) -> Shop:
    module_shop.clock.set(NOW)
    return module_shop


@pytest.fixture(scope="module")
def users(module_shop: Shop) -> list[str]:
    return module_shop.api.add_users(3)


def code_of(answer: httpx.Response) -> str:
    return str(answer.status_code if answer.status_code < 400 else answer.json()["code"])


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS_MAX
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def expiry_of(hold: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(hold["expires_at"])


@pytest.mark.parametrize(
    ("late", "expected"),
    [(-MICROSECOND, "201"), (timedelta(), "hold-expired"), (MICROSECOND, "hold-expired")],
    ids=["a microsecond before", "at", "a microsecond after"],
)
def test_a_hold_is_confirmed_before_its_expiry_and_not_from_then_on(
    shop: Shop, users: list[str], late: timedelta, expected: str
) -> None:
    hold = shop.hold(shop.api.add_event(hold_seconds=60), users[0])
    assert expiry_of(hold) == datetime.fromisoformat(hold["held_at"]) + timedelta(seconds=60)
    shop.at(expiry_of(hold) + late)
    assert code_of(shop.post(f"/v1/holds/{hold['hold_id']}/confirm")) == expected


@pytest.mark.parametrize(
    ("late", "expected"),
    [(-MICROSECOND, "200"), (timedelta(), "hold-expired"), (MICROSECOND, "hold-expired")],
    ids=["a microsecond before", "at", "a microsecond after"],
)
def test_a_hold_is_released_before_its_expiry_and_not_from_then_on(
    shop: Shop, users: list[str], late: timedelta, expected: str
) -> None:
    hold = shop.hold(shop.api.add_event(hold_seconds=60), users[0])
    shop.at(expiry_of(hold) + late)
    answer = shop.post(f"/v1/holds/{hold['hold_id']}/release")
    assert code_of(answer) == expected
    if expected == "hold-expired":
        assert datetime.fromisoformat(answer.json()["expires_at"]) == expiry_of(hold)


def test_held_places_can_be_booked_at_the_instant_of_expiry(shop: Shop, users: list[str]) -> None:
    event_id = shop.api.add_event(1, hold_seconds=60)
    hold = shop.hold(event_id, users[0])
    shop.at(expiry_of(hold) - MICROSECOND)
    assert code_of(shop.api.book(event_id, users[1])) == "sold-out"
    shop.at(expiry_of(hold))
    # From memory a process may go on refusing for a while, which is stated: with a key it asks.
    assert code_of(shop.api.book(event_id, users[1], key=f"at-{event_id}")) == "201"
    assert shop.entries(event_id) == ["EventScheduled", "SeatsHeld", "HoldExpired", "SeatsBooked"]


def test_the_sweeper_expires_a_hold_at_its_time_with_no_traffic(
    shop: Shop, users: list[str]
) -> None:
    event_id = shop.api.add_event(1, hold_seconds=60)
    hold = shop.hold(event_id, users[0])
    shop.at(expiry_of(hold))
    eventually(lambda: shop.api.availability(event_id)["held"] == 0)
    assert shop.entries(event_id) == ["EventScheduled", "SeatsHeld", "HoldExpired"]
    with psycopg.connect(shop.database) as connection:
        rows = connection.execute(
            "SELECT recorded_at_us, actor, payload FROM ledger"
            " WHERE stream_id = %s AND type = 'HoldExpired'",
            (event_id,),
        ).fetchall()
    ((recorded_at, actor, payload),) = rows
    assert recorded_at == instant_of(expiry_of(hold))
    assert actor.int == 0
    assert hold["hold_id"].encode() in payload


def test_an_offer_not_taken_goes_to_the_next_in_line(shop: Shop, users: list[str]) -> None:
    event_id = shop.api.add_event(1, hold_seconds=60)
    booking_id = shop.api.book(event_id, users[0]).json()["booking_id"]
    line = f"/v1/events/{event_id}/waiting-list"
    waiting = [shop.post(line, {"user_id": user}).json()["waiting_id"] for user in users[1:]]
    assert shop.api.cancel(booking_id).status_code == 200

    def offer_to(waiting_id: str) -> str | None:
        found = shop.api.client.get(f"{line}/{waiting_id}").json()["hold_id"]
        return None if found is None else str(found)

    first = offer_to(waiting[0])
    assert first is not None
    assert offer_to(waiting[1]) is None
    hold = shop.api.client.get(f"/v1/holds/{first}").json()
    shop.at(expiry_of(hold))
    eventually(lambda: offer_to(waiting[1]) is not None)
    assert code_of(shop.post(f"/v1/holds/{first}/confirm")) == "hold-expired"
    taken = shop.post(f"/v1/holds/{offer_to(waiting[1])}/confirm")
    assert taken.json()["user_id"] == users[2]


BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("opens_at", "closes_at"),
    [
        pytest.param("2027-06-01T10:00:00+02:00", "2027-06-01T12:00:00+02:00", id="one offset"),
        pytest.param(
            "2027-10-31T02:30:00+02:00",
            "2027-10-31T02:30:00+01:00",
            id="the hour that comes twice: an hour, though the clocks on the wall say none",
        ),
        pytest.param(
            "2027-03-28T01:59:59+01:00",
            "2027-03-28T03:00:01+02:00",
            id="the hour that is left out: two seconds, though the clocks say an hour",
        ),
        pytest.param("2027-05-31T18:45:00Z", "2027-06-01T00:30:01+05:45", id="two offsets"),
    ],
)
def test_sales_are_open_between_two_times_with_offsets(
    shop: Shop, users: list[str], opens_at: str, closes_at: str
) -> None:
    event_id = shop.api.add_event(sales_open_at=opens_at, sales_close_at=closes_at)
    opens, closes = datetime.fromisoformat(opens_at), datetime.fromisoformat(closes_at)
    told = shop.api.nobody.get(f"/v1/events/{event_id}").json()
    assert datetime.fromisoformat(told["sales_open_at"]) == opens
    assert datetime.fromisoformat(told["sales_close_at"]) == closes

    for moment, expected in [
        (opens - timedelta(seconds=1), "sales-closed"),
        (opens - MICROSECOND, "sales-closed"),
        (opens, "201"),
        (closes - MICROSECOND, "201"),
        (closes, "sales-closed"),
    ]:
        shop.at(moment)
        answer = shop.api.book(event_id, users[0])
        assert code_of(answer) == expected, moment
        if expected == "sales-closed":
            assert answer.json()["sales_open_at"] == rfc3339(instant_of(opens))


def test_the_night_of_a_clock_change_has_the_hours_that_it_has() -> None:
    """The cases above are what Berlin's wall clocks do."""
    twice = datetime(2027, 10, 31, 2, 30, tzinfo=BERLIN)
    assert twice.isoformat() == "2027-10-31T02:30:00+02:00"
    assert twice.replace(fold=1).isoformat() == "2027-10-31T02:30:00+01:00"
    before = datetime(2027, 3, 28, 1, 59, 59, tzinfo=BERLIN)
    assert before.isoformat() == "2027-03-28T01:59:59+01:00"
    after = Instant(instant_of(before) + 1_000_000)
    assert datetime.fromisoformat(rfc3339(after)).astimezone(BERLIN).hour == 3


@pytest.mark.parametrize("time_of_day", ["2027-06-01T10:00:00", "10:00", "1806000000", ""])
def test_a_time_without_offset_is_refused(shop: Shop, time_of_day: str) -> None:
    body = {
        "venue_id": shop.api.add_venue(1),
        "name": "Show",
        "starts_at": "2030-01-01T20:00:00Z",
        "sales_open_at": time_of_day,
    }
    answer = shop.api.organizer.post("/v1/events", json=body)
    assert code_of(answer) == "validation"
