"""The live feed as clients see it, from real processes on real servers."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Final

import httpx
import pytest
from feed import ask, listening
from served import HOST, PLAIN, Api, Served, new_keys, served

VISIBLE_SECONDS_MAX: Final = 1.0


@pytest.fixture
def keys(database: str) -> dict[str, str]:
    return new_keys(database)


@pytest.fixture
def here(database: str, redis_url: str) -> Iterator[Served]:
    with served(database, redis_url) as running:
        yield running


@pytest.fixture
def there(database: str, redis_url: str) -> Iterator[Served]:
    with served(database, redis_url) as running:
        yield running


@pytest.fixture
def api(here: Served, keys: dict[str, str]) -> Iterator[Api]:
    with Api(here.url, keys) as clients:
        yield clients


def metric(port: int, name: str) -> float:
    text = httpx.get(f"http://{HOST}:{port}/metrics", trust_env=False, verify=PLAIN).text
    return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(name + " "))


def test_two_listeners_see_a_booking_within_a_second_one_of_them_at_another_process(
    here: Served, there: Served, api: Api
) -> None:
    event_id, user_id = api.add_event(capacity=10), api.add_user()
    with listening(here.port, event_id) as near, listening(there.port, event_id) as far:
        for feed in (near, far):
            first = feed.next()
            assert first is not None
            assert first.data == api.availability(event_id) | {"as_of": first.data["as_of"]}
        assert api.book(event_id, user_id, 3).status_code == 201
        booked_at = time.monotonic()
        for feed in (near, far):
            told = feed.next()
            assert told is not None
            assert (told.id, told.data["version"], told.data["available"]) == (2, 2, 7)
        assert time.monotonic() - booked_at < VISIBLE_SECONDS_MAX


def test_the_version_never_goes_back_while_two_processes_sell(
    here: Served, there: Served, api: Api, keys: dict[str, str]
) -> None:
    places = 60
    event_id, users = api.add_event(capacity=places), api.add_users(2)
    seen: dict[int, list[int]] = {here.port: [], there.port: []}

    def listen(port: int) -> None:
        with listening(port, event_id) as feed:
            opened.wait()
            while (told := feed.next()) is not None:
                seen[port].append(told.id)
                if told.data["available"] == 0:
                    return

    def sell(clients: Api, user_id: str) -> None:
        opened.wait()
        for _ in range(places // 2):
            assert clients.book(event_id, user_id).status_code == 201

    opened = threading.Barrier(4)
    with Api(there.url, keys) as other:
        threads = [threading.Thread(target=listen, args=(port,)) for port in seen]
        threads.append(threading.Thread(target=sell, args=(api, users[0])))
        threads.append(threading.Thread(target=sell, args=(other, users[1])))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    for versions in seen.values():
        assert versions == sorted(set(versions))
        assert versions[-1] == places + 1


def test_a_feed_resumes_after_the_last_version_seen(here: Served, api: Api) -> None:
    event_id, user_id = api.add_event(capacity=10), api.add_user()
    assert api.book(event_id, user_id).status_code == 201
    with listening(here.port, event_id, after=1) as behind:
        told = behind.next()
        assert told is not None
        assert told.id == 2
    with listening(here.port, event_id, after=2) as knows:
        assert api.book(event_id, user_id).status_code == 201
        told = knows.next()
        assert told is not None
        assert told.id == 3


def test_a_last_event_id_that_is_none_of_ours_counts_as_none(api: Api) -> None:
    event_id = api.add_event()
    for value in ("x", "-1", "1e3", "9" * 40, "\N{SUPERSCRIPT TWO}"):
        with api.nobody.stream(
            "GET", f"/v1/events/{event_id}/live", headers={"Last-Event-ID": value.encode("latin-1")}
        ) as answer:
            lines = answer.iter_lines()
            assert answer.status_code == 200
            assert "id: 1" in (next(lines), next(lines), next(lines))


@pytest.mark.parametrize("event_id", ["018f0000-0000-7000-8000-000000000000", "nothing"])
def test_an_unknown_event_is_a_problem_and_no_feed(api: Api, event_id: str) -> None:
    answer = api.nobody.get(f"/v1/events/{event_id}/live")
    assert (answer.status_code, answer.json()["code"]) == (404, "event-not-found")


def test_one_listener_too_many_is_told_to_come_back(
    database: str, redis_url: str, keys: dict[str, str]
) -> None:
    with (
        served(database, redis_url, live_listeners_max=1) as running,
        Api(running.url, keys) as api,
    ):
        event_id = api.add_event()
        with listening(running.port, event_id):
            answer = api.nobody.get(f"/v1/events/{event_id}/live")
            assert (answer.status_code, answer.json()["code"]) == (503, "overloaded")
            assert answer.headers["retry-after"]
        deadline = time.monotonic() + 5
        while metric(running.port, "flashticket_live_listeners") > 0:
            assert time.monotonic() < deadline, "a listener that left still counts"
            time.sleep(0.05)
        with listening(running.port, event_id) as feed:
            assert feed.next() is not None


@pytest.mark.parametrize("workers", [1, 2])
def test_sigterm_ends_open_feeds_cleanly_and_the_process_in_time(
    database: str, redis_url: str, keys: dict[str, str], workers: int
) -> None:
    with served(database, redis_url, workers=workers) as running, Api(running.url, keys) as api:
        event_id = api.add_event()
        with (
            listening(running.port, event_id) as one,
            listening(running.port, event_id) as two,
            closing(ask(running.port, event_id, receive_bytes=1024)),
        ):
            assert one.next() is not None
            assert two.next() is not None
            assert running.stop() == 0
            assert (one.next(), two.next()) == (None, None)


@pytest.mark.slow
def test_a_reader_that_never_reads_is_dropped_and_the_others_are_served(
    database: str, redis_url: str, keys: dict[str, str]
) -> None:
    settings = {"live_blocked_seconds_max": 0.2}
    with served(database, redis_url, **settings) as running, Api(running.url, keys) as api:
        event_id, user_id = api.add_event(capacity=10_000), api.add_user()
        with (
            closing(ask(running.port, event_id, receive_bytes=1024)) as stuck,
            listening(running.port, event_id, seconds_max=30) as reading,
        ):
            deadline = time.monotonic() + 60
            while metric(running.port, "flashticket_live_dropped_total") == 0:
                assert time.monotonic() < deadline, "nobody was dropped"
                assert api.book(event_id, user_id).status_code == 201
                assert reading.next() is not None
            received = 0
            while chunk := stuck.recv(65_536):
                received += len(chunk)
            # What was kept for it lay in the system's buffers, which are small.
            assert received < 256 * 1024
