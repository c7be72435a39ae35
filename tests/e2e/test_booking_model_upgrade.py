"""A ledger that an earlier version wrote: migrated, verified, and sold from further."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx
import psycopg
import pytest
from box_office import verified
from served import PLAIN, Served, served

from ledger.migrate import migrate
from ledger.replay import fold
from ledger.rows import Row
from ledger.verify import replay, snapshot
from projections.rebuild import rebuild

if TYPE_CHECKING:
    from tests.conftest import RealServers

LEDGERS: Final = Path(__file__).parents[1] / "golden" / "ledgers"


class Left:
    """What the earlier version left behind, and its callers, whose keys still hold."""

    def __init__(self, told: dict[str, Any], database: str, running: Served) -> None:
        self.told = told
        self.database = database
        self._http = httpx.Client(base_url=running.url, trust_env=False, verify=PLAIN)

    def call(
        self, role: str, method: str, path: str, body: object = None, key: str | None = None
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.told['keys'][role]}"}
        if key is not None:
            headers["Idempotency-Key"] = key
        return self._http.request(method, path, json=body, headers=headers)

    def book(
        self, event: int, user: int, quantity: int, *, key: str | None = None
    ) -> httpx.Response:
        body = {
            "event_id": self.told["events"][event],
            "user_id": self.told["users"][user],
            "quantity": quantity,
        }
        return self.call("client", "POST", "/v1/bookings", body, key)

    def close(self) -> None:
        self._http.close()


@pytest.fixture
def left_database(empty_database: str) -> str:
    """The database as da9119e left it."""
    with psycopg.connect(empty_database) as connection:
        connection.execute((LEDGERS / "da9119e.sql").read_bytes())
    return empty_database


@pytest.fixture(scope="module")
def left(servers: "RealServers") -> Iterator[Left]:
    """It, migrated and served by today's code."""
    told = json.loads((LEDGERS / "da9119e.json").read_text())
    with servers.fresh_database("template1") as name:
        url = servers.database_url(name)
        with psycopg.connect(url) as connection:
            connection.execute((LEDGERS / "da9119e.sql").read_bytes())
        migrate(url)
        with served(url, None) as running:
            found = Left(told, url, running)
            yield found
            found.close()


def rows_of(database: str) -> list[Row]:
    with psycopg.connect(database) as connection:
        return connection.execute("SELECT * FROM ledger ORDER BY stream_id, version").fetchall()


def test_its_entries_are_taken_over_byte_by_byte_and_every_invariant_holds(
    left_database: str,
) -> None:
    before = rows_of(left_database)
    migrate(left_database)
    assert rows_of(left_database) == before
    report = verified(left_database)
    assert report.violations == []
    assert (report.entries, report.streams) == (14, 4)
    assert (report.bookings, report.tickets) == (7, 11)


def test_its_entries_replay_to_the_state_they_had(left_database: str) -> None:
    migrate(left_database)
    events = json.loads((LEDGERS / "da9119e.json").read_text())["events"]
    with snapshot(left_database) as connection:
        streams = {str(each.stream_id): each for each in replay(connection, None, None)}
    first = streams[events[0]]
    assert (first.version, first.state.booked, first.terms.capacity) == (7, 6, 7)
    assert (first.terms.name, first.terms.hold_seconds) == ("Ödön", 300)
    assert (first.terms.categories, first.terms.seat_count, first.state.held) == ((), 0, 0)
    given_back = [each for each in first.state.bookings.values() if not each.live_quantity]
    assert [(each.quantity, each.cancelled_tickets) for each in given_back] == [(2, (1, 2))]
    assert streams[events[1]].terms.limit_per_user == 4
    assert streams[events[2]].state.available == 0
    assert fold(first.stream_id, []).version == 0


def test_a_rebuild_makes_the_projections_that_the_migration_left(left_database: str) -> None:
    migrate(left_database)
    rebuild(left_database, None, lambda _: None)
    assert verified(left_database).violations == []


def test_a_request_sent_again_after_the_upgrade_gets_its_first_answer(left: Left) -> None:
    kept = left.book(0, 0, 3, key="kept")
    assert kept.status_code == 201, kept.text
    assert kept.headers["Idempotency-Replayed"] == "true"
    assert left.told["kept"].items() <= kept.json().items()

    gone = left.book(0, 1, 2, key="gone")
    assert gone.headers["Idempotency-Replayed"] == "true"
    assert left.told["gone"].items() <= gone.json().items()

    other = left.book(0, 0, 2, key="kept")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")


def test_it_is_sold_from_further_with_all_that_is_new(left: Left) -> None:
    kept, again = left.told["kept"]["booking_id"], left.told["again"]["booking_id"]
    users = left.told["users"]

    # One place of seven is left, and the limits of before still hold.
    assert left.book(0, 2, 2).json()["code"] == "sold-out"
    assert left.book(1, 0, 1).json()["code"] == "limit-per-user"
    assert left.book(3, 0, 1).json()["code"] == "sales-closed"
    assert left.book(0, 2, 1).status_code == 201

    # A booking of before is cancelled in part, for who waits since.
    path = f"/v1/events/{left.told['events'][0]}/waiting-list"
    waiting = left.call("client", "POST", path, {"user_id": users[3], "quantity": 1})
    assert waiting.status_code == 201, waiting.text
    part = left.call("client", "POST", f"/v1/bookings/{kept}/cancel", {"quantity": 1})
    assert (part.status_code, part.json()["cancelled_quantity"]) == (200, 1)
    offered = left.call("client", "GET", f"{path}/{waiting.json()['waiting_id']}").json()
    assert offered["status"] == "offered"
    taken = left.call("client", "POST", f"/v1/holds/{offered['hold_id']}/confirm")
    assert (taken.status_code, taken.json()["user_id"]) == (201, users[3])

    # It is given away, and its tickets admit.
    moved = left.call("client", "POST", f"/v1/bookings/{again}/transfer", {"to_user_id": users[0]})
    assert (moved.status_code, moved.json()["user_id"]) == (200, users[0])
    tickets = left.call("client", "GET", f"/v1/bookings/{again}/tickets").json()["items"]
    for ticket in tickets:
        code = {"code": ticket["code"]}
        assert left.call("organizer", "POST", "/v1/check-ins", code).status_code == 201

    # What was cancelled before stays so.
    gone = left.told["gone"]["booking_id"]
    cancelled = left.call("client", "POST", f"/v1/bookings/{gone}/cancel")
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")

    assert verified(left.database).violations == []
