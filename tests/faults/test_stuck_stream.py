"""A session keeps one event's row locked: only that event suffers, and nobody waits for long."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psycopg
import pytest
from sale import ANSWER_SECONDS_MAX, Sale, Told
from served import Api, new_keys, served, violations

ARRIVALS = 20
UNAFFECTED_SECONDS_MAX = 1.0


@contextmanager
def locked(database: str, *event_ids: str) -> Iterator[None]:
    with psycopg.connect(database) as connection:
        connection.execute(
            "SELECT FROM streams WHERE stream_id = ANY(%s) ORDER BY stream_id FOR UPDATE",
            (list(event_ids),),
        )
        yield


def ask(api: Api, event_id: str, user_id: str) -> Told:
    began = time.monotonic()
    answer = api.book(event_id, user_id)
    return Told.of("", answer, time.monotonic() - began)


@pytest.mark.parametrize(
    "streams_per_transaction", ["many", pytest.param("one", marks=pytest.mark.slow)]
)
def test_only_the_stuck_event_is_unavailable_and_it_says_so_in_time(
    own_database: str, streams_per_transaction: str
) -> None:
    with (
        served(own_database, None, streams_per_transaction=streams_per_transaction) as running,
        Api(running.url, new_keys(own_database)) as api,
    ):
        stuck, free, user_id = api.add_event(1_000), api.add_event(1_000), api.add_user()
        with ThreadPoolExecutor(2 * ARRIVALS) as threads, locked(own_database, stuck):
            asked = []
            for _ in range(ARRIVALS):
                # At all moments of the wait, since each attempt at the lock has a beginning.
                asked.append([threads.submit(ask, api, each, user_id) for each in (stuck, free)])
                time.sleep(0.1)
            answers = [[each.result() for each in pair] for pair in asked]
        for on_stuck, on_free in answers:
            assert (on_stuck.status, on_stuck.code) == (503, "unavailable")
            assert on_stuck.retry_after == "1"
            assert on_stuck.seconds < ANSWER_SECONDS_MAX
            assert on_free.status == 201
            assert on_free.seconds < UNAFFECTED_SECONDS_MAX

        began = time.monotonic()
        assert ask(api, stuck, user_id).status == 201
        assert time.monotonic() - began < UNAFFECTED_SECONDS_MAX
        assert api.availability(free)["booked"] == ARRIVALS
    assert violations(own_database) == []


@pytest.mark.slow
def test_more_stuck_events_than_may_wait_aside_hold_up_no_other(own_database: str) -> None:
    with (
        served(own_database, None) as running,
        Api(running.url, new_keys(own_database)) as api,
    ):
        stuck, free, user_id = (
            [api.add_event(10) for _ in range(10)],
            api.add_event(1_000),
            api.add_user(),
        )
        with ThreadPoolExecutor(30) as threads, locked(own_database, *stuck):
            on_stuck = [threads.submit(ask, api, event_id, user_id) for event_id in stuck * 2]
            on_free = []
            for _ in range(10):
                on_free.append(ask(api, free, user_id))
                time.sleep(0.1)
            for each in (future.result() for future in on_stuck):
                assert (each.status, each.code) == (503, "unavailable")
                assert each.seconds < ANSWER_SECONDS_MAX
            for told in on_free:
                assert told.status == 201
                assert told.seconds < UNAFFECTED_SECONDS_MAX
        assert {ask(api, event_id, user_id).status for event_id in stuck} == {201}


@pytest.mark.slow
def test_whoever_waits_for_a_lock_that_is_soon_free_is_served(own_database: str) -> None:
    with (
        served(own_database, None) as running,
        Api(running.url, new_keys(own_database)) as api,
    ):
        event_id, user_id = api.add_event(1_000), api.add_user()
        with ThreadPoolExecutor(10) as threads:
            with locked(own_database, event_id):
                asked = [threads.submit(ask, api, event_id, user_id) for _ in range(10)]
                time.sleep(0.6)
            assert {each.result().status for each in asked} == {201}


@pytest.mark.slow
def test_a_sale_goes_on_after_its_event_was_stuck_again_and_again(own_database: str) -> None:
    with (
        served(own_database, None, workers=2) as running,
        Api(running.url, new_keys(own_database)) as api,
    ):
        sale = Sale(api, api.add_event(1_000_000), api.add_user())
        is_over = threading.Event()
        with sale.going_on(6):
            for seconds in (0.1, 0.5, 2.5, 0.3):
                with locked(own_database, sale.event_id):
                    is_over.wait(seconds)
                is_over.wait(0.3)
    sale.audit(own_database)
