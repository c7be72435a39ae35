"""More requests than are taken: some wait, the rest is told, and it is over when they are done."""

import socket
import statistics
import time
from collections import Counter
from contextlib import ExitStack, closing

import psutil
import psycopg
from served import HOST, Api, new_keys, read_reply, request, served, violations

PENDING_MAX = 20
REQUESTS = 100
CROWD = 2_000
HEALTH_SECONDS_MAX = 1.0
MEMORY_MAX = 100 * 2**20
"""More than before the crowd came; 2,000 idle connections take some 20 MiB."""


def test_what_is_too_much_is_refused_soon_and_the_rest_is_served(own_database: str) -> None:
    keys = new_keys(own_database)
    with (
        served(own_database, None, pending_max=PENDING_MAX) as running,
        Api(running.url, keys) as api,
        ExitStack() as stack,
    ):
        event_id, user_id = api.add_event(1_000), api.add_user()
        body = {"event_id": event_id, "user_id": user_id}
        asked = request("POST", "/v1/bookings", body, authorization=f"Bearer {keys['client']}")
        sockets = [
            stack.enter_context(closing(socket.create_connection((HOST, running.port), 10)))
            for _ in range(REQUESTS)
        ]
        began = time.monotonic()
        with psycopg.connect(own_database) as other:
            other.execute("SELECT FROM streams WHERE stream_id = %s FOR UPDATE", (event_id,))
            for connection in sockets:
                connection.sendall(asked)
            refused = [read_reply(connection) for connection in sockets[PENDING_MAX:]]
            refused_after = time.monotonic() - began
        served_ones = [read_reply(connection) for connection in sockets[:PENDING_MAX]]

        assert refused_after < 1
        assert {(reply.status, reply.json()["code"]) for reply in refused} == {(503, "overloaded")}
        assert {reply.headers["retry-after"] for reply in refused} == {"1"}
        assert {reply.status for reply in served_ones} == {201}
        assert api.availability(event_id)["booked"] == PENDING_MAX
        assert api.book(event_id, user_id).status_code == 201
    assert violations(own_database) == []


def test_a_crowd_does_not_keep_us_from_our_work(own_database: str) -> None:
    keys = new_keys(own_database)
    with (
        served(own_database, None, pending_max=PENDING_MAX, log_requests="none") as running,
        Api(running.url, keys) as api,
        ExitStack() as stack,
    ):
        event_id, user_id = api.add_event(CROWD), api.add_user()
        body = {"event_id": event_id, "user_id": user_id}
        book = request("POST", "/v1/bookings", body, authorization=f"Bearer {keys['client']}")
        read = request("GET", "/v1/events")
        process = psutil.Process(running.process.pid)
        memory_before = process.memory_info().rss
        crowd = [
            stack.enter_context(closing(socket.create_connection((HOST, running.port), 30)))
            for _ in range(CROWD)
        ]
        for n, connection in enumerate(crowd):
            connection.sendall(read if n % 20 == 0 else book)
        times = []
        for path in ("/healthz", "/readyz", "/metrics", "/healthz", "/readyz"):
            began = time.monotonic()
            assert api.nobody.get(path).status_code == 200
            times.append(time.monotonic() - began)
        assert statistics.median(times) < HEALTH_SECONDS_MAX, times
        replies = [read_reply(connection) for connection in crowd]

        told = Counter(
            (reply.status, reply.json().get("code") if reply.status >= 400 else "")
            for reply in replies
        )
        refusals = {(503, "overloaded"), (503, "unavailable")}  # or it waited too long for a server
        assert told.keys() <= {(200, ""), (201, "")} | refusals
        assert {r.headers.get("retry-after") for r in replies if r.status == 503} <= {"1"}
        # If each that finds the queue full were refused at once, about one queue would be served.
        assert told[201, ""] > 5 * PENDING_MAX, told
        assert api.book(event_id, user_id).status_code == 201
        assert api.availability(event_id)["booked"] == told[201, ""] + 1
        assert process.memory_info().rss - memory_before < MEMORY_MAX
    assert violations(own_database) == []
