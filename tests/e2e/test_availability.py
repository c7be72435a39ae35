"""Availability: cheap to ask again, true at once where it was booked, and never older than before.

What happens to Redis meanwhile, here and not in a fixture shared with other tests, does not matter.
"""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest
from redis import Redis
from served import HOST, Api, Served, count_entries, new_keys, served, violations

from api.embedded import EmbeddedValkey

READERS_PER_WORKER = 3
WORKERS = 2


def test_an_etag_names_the_version_and_spares_the_body(api: Api) -> None:
    event_id, user_id = api.add_event(10), api.add_user()
    path = f"/v1/events/{event_id}/availability"
    first = api.nobody.get(path)
    assert first.status_code == 200
    assert first.headers["etag"] == f'"{first.json()["version"]}"'
    assert first.headers["cache-control"] == "no-cache"
    for tags in (
        first.headers["etag"],
        f'"x", {first.headers["etag"]}',
        f"W/{first.headers['etag']}",
    ):
        again = api.nobody.get(path, headers={"If-None-Match": tags})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == first.headers["etag"]
    for tags in ('"0"', '"x"', "nonsense", ""):
        assert api.nobody.get(path, headers={"If-None-Match": tags}).status_code == 200
    api.book(event_id, user_id)
    changed = api.nobody.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert changed.status_code == 200
    assert changed.json()["version"] > first.json()["version"]


def test_right_after_a_booking_the_same_process_shows_it(api: Api) -> None:
    event_id, user_id = api.add_event(60), api.add_user()
    for booked in range(1, 31):
        api.book(event_id, user_id, 2)
        assert api.availability(event_id)["booked"] == 2 * booked


def test_every_count_shows_every_kind_of_change(api: Api) -> None:
    event_id, user_id = api.add_event(10), api.add_user()

    def counts() -> tuple[int, int, int]:
        found = api.availability(event_id)
        assert found["available"] == found["capacity"] - found["booked"] - found["held"]
        return found["capacity"], found["booked"], found["version"]

    assert counts() == (10, 0, 1)
    booking_id = api.book(event_id, user_id, 4).json()["booking_id"]
    assert counts() == (10, 4, 2)
    api.organizer.patch(f"/v1/events/{event_id}", json={"capacity": 20})
    assert counts() == (20, 4, 3)
    api.cancel(booking_id)
    assert counts() == (20, 0, 4)


class Watch:
    """Readers on both workers who hold every answer against all that were had before they asked."""

    def __init__(self, running: Served, event_id: str) -> None:
        self._path = f"/v1/events/{event_id}/availability"
        self._connections = self._on_each_worker(running.port)
        self._highest = 0
        self._lock = threading.Lock()
        self._is_over = threading.Event()
        self.answers = 0
        self.steps_back: list[str] = []

    @contextmanager
    def watching(self) -> Iterator[None]:
        with ThreadPoolExecutor(len(self._connections)) as threads:
            reading = [threads.submit(self._read, each) for each in self._connections]
            try:
                yield
            finally:
                self._is_over.set()
        for each in reading:
            each.result()

    def close(self) -> None:
        for connection in self._connections:
            connection.close()

    def _read(self, connection: HTTPConnection) -> None:
        while not self._is_over.is_set():
            with self._lock:
                floor = self._highest
            version, worker = self._ask(connection)
            with self._lock:
                self.answers += 1
                if version < floor:
                    self.steps_back.append(f"{version} after {floor}, from {worker}")
                self._highest = max(self._highest, version)

    def _ask(self, connection: HTTPConnection) -> tuple[int, str]:
        connection.request("GET", self._path)
        with connection.getresponse() as answer:
            answer.read()
            assert answer.status == 200
            worker = answer.headers["x-request-id"].partition("-")[0]
            return int(answer.headers["etag"].strip('"')), worker

    def _on_each_worker(self, port: int) -> list[HTTPConnection]:
        # Which worker takes a connection is up to chance.
        found: dict[str, list[HTTPConnection]] = {}
        while len(found) < WORKERS or min(map(len, found.values())) < READERS_PER_WORKER:
            connection = HTTPConnection(HOST, port, timeout=10)
            _, worker = self._ask(connection)
            mine = found.setdefault(worker, [])
            if len(mine) < READERS_PER_WORKER:
                mine.append(connection)
            else:
                connection.close()
        return [each for connections in found.values() for each in connections]


def nothing(_: EmbeddedValkey) -> None:
    time.sleep(1.5)


def flushes(valkey: EmbeddedValkey) -> None:
    with Redis.from_url(valkey.url()) as redis:
        for _ in range(30):
            time.sleep(0.05)
            redis.flushall()


def restarts(valkey: EmbeddedValkey) -> None:
    for stop in (valkey.kill, valkey.stop, valkey.kill):
        time.sleep(0.4)
        stop()
        time.sleep(0.4)
        valkey.start()
    time.sleep(1.5)


def is_brought_back_from_a_snapshot(valkey: EmbeddedValkey) -> None:
    for seconds in (0.0, 0.05, 0.3):
        time.sleep(0.4)
        with Redis.from_url(valkey.url()) as redis:
            assert redis.save()
        time.sleep(seconds)
        valkey.kill()
        valkey.start()
        with Redis.from_url(valkey.url()) as redis:
            assert redis.exists("{flashticket}:epoch"), "it was not brought back"
    time.sleep(0.5)


def pauses(valkey: EmbeddedValkey) -> None:
    for seconds in (0.05, 0.3, 1.0, 0.15):
        time.sleep(0.4)
        valkey.pause()
        time.sleep(seconds)
        valkey.resume()
    time.sleep(1.5)


@pytest.mark.parametrize(
    "happens",
    [
        flushes,
        pytest.param(is_brought_back_from_a_snapshot, marks=pytest.mark.slow),
        pytest.param(nothing, marks=pytest.mark.slow),
        pytest.param(restarts, marks=pytest.mark.slow),
        pytest.param(pauses, marks=pytest.mark.slow),
    ],
)
def test_the_version_never_goes_back_whatever_happens_to_redis(
    database: str, tmp_path: Path, happens: Callable[[EmbeddedValkey], None]
) -> None:
    with (
        EmbeddedValkey(tmp_path / "valkey") as valkey,
        served(database, valkey.url(), workers=WORKERS) as running,
        Api(running.url, new_keys(database)) as api,
    ):
        event_id, user_id = api.add_event(1_000_000), api.add_user()
        is_over = threading.Event()

        def write() -> None:
            while not is_over.is_set():
                booking = api.book(event_id, user_id)
                assert booking.status_code == 201, booking.text
                if int(booking.json()["entry"]["version"]) % 3 == 0:
                    assert api.cancel(booking.json()["booking_id"]).status_code == 200

        with closing(Watch(running, event_id)) as watch, ThreadPoolExecutor(2) as threads:
            with watch.watching():
                writing = [threads.submit(write) for _ in range(2)]
                try:
                    happens(valkey)
                finally:
                    is_over.set()
                for each in writing:
                    each.result()
            assert watch.steps_back == []
            assert watch.answers > 100
        assert api.availability(event_id)["version"] == count_entries(database)
        assert violations(database, valkey.url()) == []


@pytest.mark.slow
def test_without_redis_availability_is_as_true(database: str, tmp_path: Path) -> None:
    with (
        EmbeddedValkey(tmp_path / "valkey") as valkey,
        served(database, valkey.url()) as running,
        Api(running.url, new_keys(database)) as api,
    ):
        event_id, user_id = api.add_event(10), api.add_user()
        assert api.availability(event_id)["booked"] == 0
        valkey.kill()
        for booked in range(1, 4):
            assert api.book(event_id, user_id).status_code == 201
            assert api.availability(event_id)["booked"] == booked
        valkey.start()
        assert api.availability(event_id)["booked"] == 3
        running.await_path("/readyz", containing='"redis":"up"')
        assert api.availability(event_id)["booked"] == 3
