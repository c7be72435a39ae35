"""Clients that send or read slowly, or say too much, are cut off; nobody else notices."""

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager

import psycopg
import pytest
from served import HOST, Api, Served, new_keys, read_reply, request, served

SLOW_SECONDS_MAX = 1.0
CUT_SECONDS_MAX = SLOW_SECONDS_MAX + 2  # the guard looks once a second
IDLE_SECONDS_MAX = 1
CONNECTIONS_MAX = 40


@pytest.fixture(scope="module")
def server(module_database: str) -> Iterator[Served]:
    with served(
        module_database,
        None,
        slow_seconds_max=SLOW_SECONDS_MAX,
        idle_seconds_max=IDLE_SECONDS_MAX,
        connections_max=CONNECTIONS_MAX,
    ) as running:
        yield running


@pytest.fixture(scope="module")
def api(server: Served, module_database: str) -> Iterator[Api]:
    with Api(server.url, new_keys(module_database)) as clients:
        yield clients


def connect(server: Served) -> "closing[socket.socket]":
    return closing(socket.create_connection((HOST, server.port), 10))


def all_received(connection: socket.socket) -> bytes:
    """Everything until the server ends the connection; TimeoutError if it does not in 10 s."""
    received = b""
    try:
        while data := connection.recv(65_536):
            received += data
    except ConnectionResetError:
        pass
    return received


HEAD = b"POST /v1/bookings HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n"

UNFINISHED = {
    "half a request line": b"GET /v1/ev",
    "half a header": HEAD + b"authoriz",
    "no end of the head": HEAD,
    "no body": HEAD + b"content-length: 100\r\n\r\n",
    "half a body": HEAD + b"content-length: 100\r\n\r\n" + b"{" * 50,
    "half a chunk": HEAD + b"transfer-encoding: chunked\r\n\r\nff\r\n{",
    "no last chunk": HEAD + b"transfer-encoding: chunked\r\n\r\n1\r\n{\r\n",
    "a body through ASGI": HEAD.replace(b"bookings", b"carts") + b"content-length: 100\r\n\r\n{",
}


def test_who_does_not_finish_a_request_is_told_and_cut_off(server: Served, api: Api) -> None:
    key = api.keys["client"].encode()
    with ExitStack() as stack:
        began = time.monotonic()
        connections = [stack.enter_context(connect(server)) for _ in UNFINISHED]
        for connection, sent in zip(connections, UNFINISHED.values(), strict=True):
            connection.sendall(sent.replace(b"{key}", key))
        for connection, name in zip(connections, UNFINISHED, strict=True):
            assert all_received(connection).startswith(b"HTTP/1.1 408 "), name
        assert SLOW_SECONDS_MAX < time.monotonic() - began < CUT_SECONDS_MAX


@pytest.mark.parametrize("sent", [b"", b"\r\n"])
def test_who_sends_nothing_is_cut_off(server: Served, sent: bytes) -> None:
    with connect(server) as connection:
        connection.sendall(sent)
        assert all_received(connection) == b""


@contextmanager
def dribbling(connection: socket.socket, data: bytes, pause_seconds: float) -> Iterator[None]:
    """Send ``data`` byte by byte, until the connection breaks or the block ends."""
    is_over = threading.Event()

    def send() -> None:
        for byte in data:
            try:
                connection.sendall(bytes([byte]))
            except OSError:
                return
            if is_over.wait(pause_seconds):
                return

    with ThreadPoolExecutor(1) as threads:
        sending = threads.submit(send)
        try:
            yield
        finally:
            is_over.set()
            sending.result()


@pytest.mark.parametrize(
    "begin",
    [b"", b"GET /v1/events HTTP/1.1\r\nx: ", HEAD + b"content-length: 60000\r\n\r\n"],
    ids=["blank lines", "a header", "a body"],
)
def test_bytes_one_by_one_are_no_progress(server: Served, begin: bytes) -> None:
    with connect(server) as connection:
        began = time.monotonic()
        connection.sendall(begin)
        with dribbling(connection, (b"x" if begin else b"\r\n") * 1_000, 0.05):
            all_received(connection)
        assert time.monotonic() - began < CUT_SECONDS_MAX


def test_an_idle_connection_is_closed_after_its_answer(server: Served) -> None:
    with connect(server) as connection:
        connection.sendall(request("GET", "/healthz"))
        assert read_reply(connection).status == 200
        began = time.monotonic()
        assert all_received(connection) == b""
        assert time.monotonic() - began < IDLE_SECONDS_MAX + 1


def test_who_does_not_read_an_answer_is_cut_off(server: Served, api: Api) -> None:
    lines = b'{"name":"%s","email":"a@b"}\n' % (b"x" * 200) * 10_000
    headers = {"Content-Type": "application/x-ndjson"}
    assert api.organizer.post("/v1/users/import", content=lines, headers=headers).is_success
    ask = request("GET", "/v1/users?limit=10000", authorization=f"Bearer {api.keys['organizer']}")
    with closing(socket.socket()) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        connection.settimeout(20)
        connection.connect((HOST, server.port))
        for _ in range(8):  # more than the system buffers for us
            connection.sendall(ask)
        server.await_path("/metrics", containing='flashticket_cut_off_total{at="reading"} ')
    assert api.nobody.get("/healthz").status_code == 200


def test_who_sends_much_without_haste_is_not_cut_off(server: Served, api: Api) -> None:
    line = b'{"name":"%s","email":"a@b"}\n' % (b"x" * 200)
    part = line * 100  # more than 16 KiB
    parts = 6
    key = api.keys["organizer"].encode()
    with connect(server) as connection:
        connection.sendall(
            b"POST /v1/users/import HTTP/1.1\r\nhost: x\r\nauthorization: Bearer %s\r\n"
            b"content-type: application/x-ndjson\r\ncontent-length: %d\r\n\r\n"
            % (key, len(part) * parts)
        )
        for _ in range(parts):
            time.sleep(SLOW_SECONDS_MAX / 2)  # in all three times as long as a pause may be
            connection.sendall(part)
        assert read_reply(connection).json()["imported"] == 100 * parts


def test_who_waits_for_us_is_not_cut_off(server: Served, api: Api, module_database: str) -> None:
    event_id, user_id = api.add_event(), api.add_user()
    body = {"event_id": event_id, "user_id": user_id}
    with psycopg.connect(module_database) as other, connect(server) as connection:
        other.execute("SELECT FROM streams WHERE stream_id = %s FOR UPDATE", (event_id,))
        began = time.monotonic()
        key = api.keys["client"]
        connection.sendall(request("POST", "/v1/bookings", body, authorization=f"Bearer {key}"))
        assert read_reply(connection).json()["code"] == "unavailable"
        assert time.monotonic() - began > SLOW_SECONDS_MAX


TOO_MUCH = {
    "a long header": b"GET / HTTP/1.1\r\nx: " + b"x" * 40_000 + b"\r\n\r\n",
    "a header without end": b"GET / HTTP/1.1\r\nx: " + b"x" * 40_000,
    "many headers": b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 101 + b"\r\n",
    "many long headers": b"GET / HTTP/1.1\r\n" + b"a: %s\r\n" % (b"x" * 1_000) * 40 + b"\r\n",
    "a long path": b"GET /" + b"x" * 40_000 + b" HTTP/1.1\r\n\r\n",
}


@pytest.mark.parametrize("sent", TOO_MUCH.values(), ids=TOO_MUCH)
def test_a_head_too_large_is_refused(server: Served, sent: bytes) -> None:
    with connect(server) as connection:
        connection.sendall(sent)
        reply = read_reply(connection)
    assert (reply.status, reply.json()["code"]) == (431, "request-head-too-large")
    assert reply.headers["connection"] == "close"


def test_a_large_body_does_not_make_the_head_large(api: Api) -> None:
    body = b'{"name":"x","capacity":1}'.ljust(60_000)
    assert api.organizer.post("/v1/venues", content=body).status_code == 201


def test_more_connections_than_may_be_are_told_and_health_checks_get_through(
    server: Served,
) -> None:
    with ExitStack() as stack:
        for _ in range(CONNECTIONS_MAX):
            stack.enter_context(connect(server)).sendall(b"GET / ")
        with connect(server) as connection:
            connection.sendall(request("GET", "/v1/events"))
            refused = read_reply(connection)
        assert (refused.status, refused.json()["code"]) == (503, "overloaded")
        assert refused.headers["retry-after"] == "1"
        for path in ("/healthz", "/readyz"):
            with connect(server) as connection:
                connection.sendall(request("GET", path))
                assert read_reply(connection).status == 200
    server.await_path("/v1/events")
