"""PostgreSQL stops, crashes or freezes in the middle of a sale, and comes back."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import psycopg
import pytest
from sale import ANSWER_SECONDS_MAX, Sale, is_booked, is_unavailable
from served import Api, Served, new_keys, served

from api.embedded import EmbeddedPostgres

BUYERS = 6
AS_NDJSON = {"/v1/users/import": {"Content-Type": "application/x-ndjson"}}
RECOVERY_SECONDS_MAX = 3.0
"""From the moment that PostgreSQL answers again to the first booking, with no restart."""


@contextmanager
def sale_on(database: str, *, workers: int = 1) -> Iterator[tuple[Sale, Served]]:
    with (
        served(database, None, workers=workers) as running,
        Api(running.url, new_keys(database)) as api,
    ):
        sale = Sale(api, api.add_event(1_000_000), api.add_user())
        yield sale, running
        assert [line for line in running.log if line.get("status") == 500] == []


@contextmanager
def stopped(postgres: EmbeddedPostgres) -> Iterator[None]:
    postgres.stop()
    yield
    postgres.start()


@contextmanager
def crashed(postgres: EmbeddedPostgres) -> Iterator[None]:
    postgres.kill()
    yield
    postgres.start()


@contextmanager
def frozen(postgres: EmbeddedPostgres) -> Iterator[None]:
    postgres.pause()
    yield
    postgres.resume()


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("away", [stopped, crashed, frozen])
def test_a_sale_outlives_the_database(
    postgres: EmbeddedPostgres, own_database: str, away: type, workers: int
) -> None:
    with sale_on(own_database, workers=workers) as (sale, running), sale.going_on(BUYERS):
        sale.await_count(50, is_booked)
        with away(postgres):
            sale.await_count(2 * BUYERS, is_unavailable)
            with httpx.Client(base_url=running.url, trust_env=False) as client:
                assert client.get("/healthz").status_code == 200
                began = time.monotonic()
                ready = client.get("/readyz")
                assert (ready.status_code, ready.json()["code"]) == (503, "unavailable")
                assert time.monotonic() - began < ANSWER_SECONDS_MAX
        back_at = time.monotonic()
        sale.await_count(100, is_booked)
        first = min(told.at for told in sale.told if told.at > back_at and is_booked(told))
        assert first - back_at < RECOVERY_SECONDS_MAX
        running.await_path("/readyz")
    sale.audit(own_database)


@pytest.mark.slow
def test_a_sale_outlives_a_database_that_comes_and_goes(
    postgres: EmbeddedPostgres, own_database: str
) -> None:
    with sale_on(own_database) as (sale, _), sale.going_on(BUYERS):
        for _ in range(3):
            sale.await_count(30, is_booked)
            with crashed(postgres):
                pass
    sale.audit(own_database)


@pytest.mark.slow
def test_connections_that_are_cut_again_and_again_cost_no_booking(
    postgres: EmbeddedPostgres, own_database: str
) -> None:
    with (
        psycopg.connect(postgres.url(), autocommit=True) as connection,
        sale_on(own_database) as (sale, _),
        sale.going_on(BUYERS),
    ):
        for _ in range(20):
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'flashticket-writer'"
            )
            sale.await_count(10, is_booked)
    sale.audit(own_database)


@pytest.mark.slow
def test_an_application_that_starts_before_its_database_serves_once_that_is_there(
    postgres: EmbeddedPostgres, own_database: str
) -> None:
    keys = new_keys(own_database)
    postgres.stop()
    with (
        served(own_database, None, await_path="/healthz") as running,
        Api(running.url, keys) as api,
    ):
        for answer in (api.nobody.get("/readyz"), api.client.post("/v1/bookings", json={})):
            assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
            assert answer.headers["retry-after"] == "1"
        postgres.start()
        began = time.monotonic()
        running.await_path("/readyz")
        assert time.monotonic() - began < RECOVERY_SECONDS_MAX
        assert api.book(api.add_event(1), api.add_user()).status_code == 201


def test_every_call_says_so_in_time_while_the_database_is_frozen(
    postgres: EmbeddedPostgres, own_database: str
) -> None:
    with (
        served(own_database, None) as running,
        Api(running.url, new_keys(own_database)) as api,
    ):
        event_id, user_id = api.add_event(10), api.add_user()
        booking_id = api.book(event_id, user_id).json()["booking_id"]
        calls = (
            (api.client, "POST", "/v1/bookings", {"event_id": event_id, "user_id": user_id}),
            (api.client, "GET", f"/v1/bookings/{booking_id}", None),
            (api.client, "POST", f"/v1/bookings/{booking_id}/cancel", None),
            (api.client, "GET", f"/v1/users/{user_id}/bookings", None),
            (api.nobody, "GET", f"/v1/events/{event_id}", None),
            (api.nobody, "GET", f"/v1/events/{event_id}/availability", None),
            (api.organizer, "POST", "/v1/users", {"name": "x", "email": "a@b"}),
            (api.organizer, "POST", "/v1/users/import", {"name": "x", "email": "a@b"}),
            (api.organizer, "PATCH", f"/v1/events/{event_id}", {"capacity": 20}),
            (api.nobody, "GET", "/readyz", None),
        )

        def call(sender: httpx.Client, method: str, path: str, body: object) -> None:
            began = time.monotonic()
            answer = sender.request(method, path, json=body, headers=AS_NDJSON.get(path))
            assert time.monotonic() - began < ANSWER_SECONDS_MAX, path
            assert (answer.status_code, answer.json()["code"]) == (503, "unavailable"), path
            assert answer.headers["retry-after"] == "1"

        with frozen(postgres), ThreadPoolExecutor(len(calls)) as threads:
            for told in [threads.submit(call, *each) for each in calls]:
                told.result()
        running.await_path("/readyz")
        assert api.client.get(f"/v1/bookings/{booking_id}").status_code == 200


@pytest.mark.slow
def test_a_frozen_database_does_not_keep_the_application_from_ending(
    postgres: EmbeddedPostgres, own_database: str
) -> None:
    with sale_on(own_database) as (sale, running):
        event_id, user_id = sale.event_id, sale.user_id
        assert sale.api.book(event_id, user_id).status_code == 201
        with frozen(postgres), ThreadPoolExecutor(5) as threads:
            asked = [threads.submit(sale.api.book, event_id, user_id) for _ in range(5)]
            time.sleep(0.5)
            assert running.stop() == 0  # or raises after 10 s
            assert {each.result().status_code for each in asked} == {503}


@pytest.mark.slow
def test_what_waits_for_a_stuck_event_is_told_in_time_when_the_database_freezes(
    postgres: EmbeddedPostgres, own_database: str
) -> None:
    with sale_on(own_database) as (sale, _), ThreadPoolExecutor(30) as threads:
        with psycopg.connect(own_database) as other:
            other.execute("SELECT FROM streams WHERE stream_id = %s FOR UPDATE", (sale.event_id,))
            asked = []
            for n in range(30):
                if n == 15:
                    postgres.pause()
                asked.append(threads.submit(sale.ask, f"key-{n}"))
                time.sleep(0.05)
            for each in asked:
                each.result()
            postgres.resume()
        assert sale.tally() == {(503, "unavailable"): 30}
        for n in range(30):
            while sale.ask(f"key-{n}").status == 503:
                time.sleep(0.1)
    sale.audit(own_database)
