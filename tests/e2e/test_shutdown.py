"""SIGTERM: what is in flight is finished, what was answered is in the ledger, and soon it ends."""

import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from uuid import uuid4

import httpx
import psycopg
import pytest
from served import HOST, Api, Served, new_keys, read_reply, request, served, violations

BUYERS = 8


@contextmanager
def locked(database: str, event_id: str) -> Iterator[psycopg.Connection]:
    """The event's row, held by somebody else until the block ends."""
    with psycopg.connect(database) as connection:
        connection.execute("SELECT FROM streams WHERE stream_id = %s FOR UPDATE", (event_id,))
        yield connection


def await_waiting(database: str) -> None:
    """Return once somebody waits for a lock."""
    deadline = time.monotonic() + 5
    with psycopg.connect(database, autocommit=True) as connection:
        query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        while connection.execute(query).fetchone() == (0,):
            assert time.monotonic() < deadline
            time.sleep(0.01)


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_under_load_it_ends_in_time_and_every_booking_answered_is_in_the_ledger(
    database: str, workers: int
) -> None:
    with (
        served(database, None, workers=workers) as running,
        Api(running.url, new_keys(database)) as api,
    ):
        event_id, user_id = api.add_event(1_000_000), api.add_user()
        enough = threading.Event()

        def buy() -> list[str]:
            booked: list[str] = []
            while True:
                try:
                    answer = api.book(event_id, user_id, key=str(uuid4()))
                except httpx.TransportError:
                    return booked
                assert answer.status_code in {201, 503}, answer.text
                if answer.status_code == 201:
                    booked.append(answer.json()["booking_id"])
                if len(booked) == 25:
                    enough.set()

        with ThreadPoolExecutor(BUYERS) as threads:
            buying = [threads.submit(buy) for _ in range(BUYERS)]
            assert enough.wait(20)
            assert running.stop() == 0  # or raises after 10 s
        answered = [booking_id for each in buying for booking_id in each.result()]

    assert len(answered) >= 25
    assert len(set(answered)) == len(answered)
    with psycopg.connect(database) as connection:
        rows = connection.execute("SELECT booking_id::text FROM bookings").fetchall()
    assert set(answered) <= {booking_id for (booking_id,) in rows}
    assert violations(database) == []


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)]
)
def test_a_booking_in_flight_is_finished_and_answered(
    database: str, number: signal.Signals
) -> None:
    keys = new_keys(database)
    with served(database, None) as running, Api(running.url, keys) as api:
        event_id, user_id = api.add_event(10), api.add_user()
        body = {"event_id": event_id, "user_id": user_id}
        asked = request("POST", "/v1/bookings", body, authorization=f"Bearer {keys['client']}")
        with closing(socket.create_connection((HOST, running.port), 10)) as connection:
            with locked(database, event_id):
                connection.sendall(asked)
                await_waiting(database)
                running.process.send_signal(number)
                running.logged(message="Shutting down")
            reply = read_reply(connection)
        assert reply.status == 201
        assert running.process.wait(10) == 0
    with psycopg.connect(database) as ledger:
        row = ledger.execute("SELECT booking_id::text FROM bookings").fetchone()
    assert row == (reply.json()["booking_id"],)


@pytest.mark.slow
def test_a_connection_that_says_nothing_does_not_hold_it_up(database: str) -> None:
    with (
        served(database, None) as running,
        closing(socket.create_connection((HOST, running.port), 10)) as silent,
        closing(socket.create_connection((HOST, running.port), 10)) as idle,
        closing(socket.create_connection((HOST, running.port), 10)) as half,
    ):
        idle.sendall(request("GET", "/healthz"))
        assert read_reply(idle).status == 200
        half.sendall(b"POST /v1/bookings HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n{")
        assert exit_seconds(running) < 10
        assert silent.recv(1) == b""


def exit_seconds(running: Served) -> float:
    """How long it takes to end well after SIGTERM."""
    began = time.monotonic()
    assert running.stop() == 0, running.log_path.read_text()
    return time.monotonic() - began


@pytest.mark.slow
def test_an_idle_one_ends_at_once(database: str) -> None:
    with served(database, None, workers=2) as running:
        assert exit_seconds(running) < 3


@pytest.mark.slow
def test_a_second_start_on_the_same_port_works_at_once(database: str) -> None:
    with served(database, None) as first:
        first.stop()
    with served(database, None, port=first.port) as second:
        second.await_path("/readyz")
