"""A booking is answered the same whichever way its request comes: directly or through ASGI."""

import json
import socket
from collections.abc import Iterator
from io import BufferedReader
from typing import Any

import pytest
from served import HOST, Api, Served

from api.asgi import BODY_BYTES_MAX


@pytest.fixture(scope="module")
def target(api: Api) -> tuple[str, str]:
    """An event with places left and a user."""
    return api.add_event(10_000), api.add_user()


@pytest.fixture
def line(shop: Served) -> Iterator[socket.socket]:
    with socket.create_connection((HOST, shop.port), 10) as connection:
        yield connection


def head(api: Api, *lines: str, version: str = "1.1") -> bytes:
    """The head of a booking's request with these header lines."""
    return "\r\n".join(
        [
            f"POST /v1/bookings HTTP/{version}",
            "host: x",
            f"authorization: Bearer {api.keys['client']}",
            *lines,
            "\r\n",
        ]
    ).encode()


def body(target: tuple[str, str], **more: object) -> bytes:
    event_id, user_id = target
    return json.dumps({"event_id": event_id, "user_id": user_id, **more}).encode()


def whole(api: Api, target: tuple[str, str], *lines: str, **more: object) -> bytes:
    content = body(target, **more)
    return head(api, f"content-length: {len(content)}", *lines) + content


def read(answers: BufferedReader) -> tuple[int, dict[str, str], Any]:
    """The next answer: its status, headers and JSON."""
    status = int(answers.readline().split()[1])
    headers: dict[str, str] = {}
    while (header := answers.readline().strip()) != b"":
        name, _, value = header.decode().partition(": ")
        headers[name] = value
    return status, headers, json.loads(answers.read(int(headers["content-length"])))


def chunked(content: bytes) -> bytes:
    return b"%x\r\n%b\r\n0\r\n\r\n" % (len(content), content)


def test_requests_behind_each_other_on_a_connection_are_answered_in_their_order(
    api: Api, target: tuple[str, str], line: socket.socket
) -> None:
    quantities = [1, 2, 3, 4, 5]
    line.sendall(b"".join(whole(api, target, quantity=quantity) for quantity in quantities))
    with line.makefile("rb") as answers:
        booked = [read(answers)[2]["quantity"] for _ in quantities]
    assert booked == quantities


def test_a_booking_behind_another_call_waits_for_its_turn(
    api: Api, target: tuple[str, str], line: socket.socket
) -> None:
    ask = b"GET /v1/events/%b HTTP/1.1\r\nhost: x\r\n\r\n" % target[0].encode()
    line.sendall(ask + whole(api, target) + ask)
    with line.makefile("rb") as answers:
        statuses = [read(answers)[0] for _ in range(3)]
    assert statuses == [200, 201, 200]


@pytest.mark.parametrize("key", ["chunked", "expected", "old", "piecemeal"])
def test_another_way_of_sending_repeats_what_was_booked_directly(
    api: Api, target: tuple[str, str], line: socket.socket, key: str
) -> None:
    first = api.book(*target, key=f"direct-{key}").json()
    content = body(target)
    length, named = f"content-length: {len(content)}", f"idempotency-key: direct-{key}"
    with line.makefile("rb") as answers:
        if key == "chunked":
            line.sendall(head(api, named, "transfer-encoding: chunked") + chunked(content))
        elif key == "expected":
            line.sendall(head(api, named, length, "expect: 100-continue"))
            assert answers.readline().startswith(b"HTTP/1.1 100")
            assert answers.readline() == b"\r\n"
            line.sendall(content)
        elif key == "old":
            line.sendall(head(api, named, length, version="1.0") + content)
        else:
            for byte in head(api, named, length) + content:
                line.sendall(bytes([byte]))
        status, headers, again = read(answers)
    assert (status, again, headers["idempotency-replayed"]) == (201, first, "true")


def test_a_connection_is_closed_for_whoever_asks_for_it(
    api: Api, target: tuple[str, str], line: socket.socket
) -> None:
    line.sendall(whole(api, target, "connection: close"))
    with line.makefile("rb") as answers:
        status, headers, _ = read(answers)
        assert answers.read() == b""
    assert (status, headers["connection"]) == (201, "close")


def test_a_problem_leaves_the_connection_usable(
    api: Api, target: tuple[str, str], line: socket.socket
) -> None:
    too_long = "x" * BODY_BYTES_MAX
    with line.makefile("rb") as answers:
        for request, expected in [
            (whole(api, target, quantity=0), 422),
            (head(api, "content-length: 1") + b"{", 422),
            (head(api, "content-length: 0"), 422),
            (whole(api, target, "content-type: text/plain"), 415),
            (whole(api, target, note=too_long[:60_000]), 422),
            (whole(api, target), 201),
        ]:
            line.sendall(request)
            status, headers, _ = read(answers)
            assert (status, len(headers["x-request-id"]) > 0) == (expected, True)


def test_a_second_authorization_does_not_count(
    api: Api, target: tuple[str, str], line: socket.socket
) -> None:
    line.sendall(whole(api, target, "authorization: Bearer nobody's"))
    with line.makefile("rb") as answers:
        assert read(answers)[0] == 201


@pytest.mark.parametrize("way", ["directly", "chunked"])
def test_a_hold_is_confirmed_whichever_way_it_is_asked_for(
    api: Api, target: tuple[str, str], line: socket.socket, way: str
) -> None:
    event_id, user_id = target
    held = api.client.post("/v1/holds", json={"event_id": event_id, "user_id": user_id}).json()
    confirm = head(api, *([] if way == "directly" else ["transfer-encoding: chunked"])).replace(
        b"/v1/bookings", f"/v1/holds/{held['hold_id']}/confirm".encode()
    )
    with line.makefile("rb") as answers:
        line.sendall(confirm + (b"" if way == "directly" else b"0\r\n\r\n"))
        first = read(answers)
        line.sendall(confirm + (b"" if way == "directly" else b"0\r\n\r\n"))
        again = read(answers)
    assert (first[0], first[2]["status"]) == (201, "booked")
    assert (again[0], again[1]["idempotency-replayed"], again[2]) == (201, "true", first[2])


def test_a_hold_of_another_key_is_not_confirmed(api: Api, target: tuple[str, str]) -> None:
    event_id, user_id = target
    held = api.admin.post("/v1/holds", json={"event_id": event_id, "user_id": user_id}).json()
    answer = api.client.post(f"/v1/holds/{held['hold_id']}/confirm")
    assert (answer.status_code, answer.json()["code"]) == (404, "hold-not-found")


@pytest.mark.parametrize("hold_id", ["x" * 36, "0", "%30" * 12])
def test_what_is_no_id_is_no_hold(api: Api, hold_id: str) -> None:
    answer = api.client.post(f"/v1/holds/{hold_id}/confirm")
    assert (answer.status_code, answer.json()["code"]) == (422, "validation")
