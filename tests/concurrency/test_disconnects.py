"""Clients who hang up in the middle: nobody else's booking suffers, and nothing stays open."""

import socket
import struct
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing

import psycopg
import pytest
from crowd import Crowd, tally
from prometheus_client.parser import text_string_to_metric_families
from served import HOST, Reply, read_reply

SETTLED_SECONDS_MAX = 5.0


def send_and_hang_up(
    port: int, stay: Sequence[bytes], leave: Sequence[bytes], *, with_reset: bool
) -> list[Reply]:
    """The answers to those who stay, while as many leave as soon as they have sent theirs."""
    with ExitStack() as stack:
        sockets = [
            stack.enter_context(closing(socket.create_connection((HOST, port), 10)))
            for _ in (*stay, *leave)
        ]
        staying, leaving = sockets[: len(stay)], sockets[len(stay) :]
        for goes, stays in zip(leaving, staying, strict=True):
            goes.sendall(leave[leaving.index(goes)])
            stays.sendall(stay[staying.index(stays)])
        for connection in leaving:
            if with_reset:
                linger = struct.pack("ii", 1, 0)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            connection.close()
        return [read_reply(connection) for connection in staying]


def unanswered(crowd: Crowd) -> float:
    """Commands taken by any worker that have no outcome yet, as it last said."""
    page = crowd.api.nobody.get("/metrics").text
    return sum(
        sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name == "flashticket_unanswered"
    )


def await_settled(crowd: Crowd, database: str) -> None:
    """Return once nothing is unanswered and no transaction is open."""
    deadline = time.monotonic() + SETTLED_SECONDS_MAX
    query = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE application_name LIKE 'flashticket-%' AND datname = current_database()"
        " AND state <> 'idle'"
    )
    with psycopg.connect(database, autocommit=True) as connection:
        while connection.execute(query).fetchone() != (0,) or unanswered(crowd) != 0:
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.mark.parametrize("with_reset", [False, True])
def test_a_client_that_hangs_up_harms_nobody_elses_booking(
    crowd: Crowd, crowd_database: str, with_reset: bool
) -> None:
    event_id, user_id = crowd.api.add_event(1_000), crowd.api.add_user()
    for _ in range(5):
        replies = send_and_hang_up(
            crowd.served.port,
            [crowd.book(event_id, user_id)] * 30,
            [crowd.book(event_id, user_id)] * 30,
            with_reset=with_reset,
        )
        assert tally(replies) == {"201": 30}
    await_settled(crowd, crowd_database)
    booked = crowd.api.availability(event_id)["booked"]
    assert 150 <= booked <= 300
    answered = {reply.json()["booking_id"] for reply in replies}
    listed = crowd.api.admin.get(f"/v1/users/{user_id}/bookings?limit=1000").json()["items"]
    assert len(listed) == booked
    assert answered <= {booking["booking_id"] for booking in listed}


def test_whoever_hung_up_learns_what_became_of_it_by_the_key(crowd: Crowd) -> None:
    event_id, user_id = crowd.api.add_event(1_000), crowd.api.add_user()
    asked = [crowd.book(event_id, user_id, key=f"gone-{event_id}-{n}") for n in range(30)]
    send_and_hang_up(crowd.served.port, asked[:15], asked[15:], with_reset=False)
    assert tally(crowd.send(asked)) == {"201": 30}
    assert crowd.api.availability(event_id)["booked"] == 30


@pytest.mark.parametrize("call", ["cancel", "import", "event"])
def test_any_other_call_may_be_left_as_well(crowd: Crowd, crowd_database: str, call: str) -> None:
    event_id, user_id = crowd.api.add_event(1_000), crowd.api.add_user()
    booking_id = crowd.api.book(event_id, user_id).json()["booking_id"]
    left = {
        "cancel": crowd.cancel(booking_id),
        "event": crowd.request("PATCH", f"/v1/events/{event_id}", {"capacity": 999}),
        "import": crowd.post("/v1/users/import").replace(
            b"content-length: 0\r\n\r\n", b"content-length: 1000000\r\n\r\n{"
        ),
    }[call]
    replies = send_and_hang_up(
        crowd.served.port, [crowd.book(event_id, user_id)] * 20, [left] * 20, with_reset=False
    )
    assert tally(replies) == {"201": 20}
    await_settled(crowd, crowd_database)


def test_a_request_cut_off_within_its_body_does_nothing(crowd: Crowd, crowd_database: str) -> None:
    event_id, user_id = crowd.api.add_event(10), crowd.api.add_user()
    whole = crowd.book(event_id, user_id)
    for cut in (len(whole) - 1, len(whole) - 40):
        with closing(socket.create_connection((HOST, crowd.served.port), 10)) as connection:
            connection.sendall(whole[:cut])
    await_settled(crowd, crowd_database)
    assert crowd.api.availability(event_id)["booked"] == 0
