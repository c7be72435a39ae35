"""More requests than are taken: told at once, with Retry-After, and over when the rest is done."""

import socket
import time
from contextlib import ExitStack, closing

import psycopg
from served import HOST, Api, new_keys, read_reply, request, served, violations

PENDING_MAX = 20
REQUESTS = 100


def test_what_is_too_much_is_refused_at_once_and_the_rest_is_served(own_database: str) -> None:
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
