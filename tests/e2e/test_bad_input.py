"""Bad input is refused with a problem document, never answered with a 500, and writes nothing."""

import json
import re
import socket
from collections.abc import Iterator
from uuid import UUID

import httpx
import pytest
from documented import Documented
from served import HOST, Api, Served, count_entries, read_reply, violations

UNKNOWN = "00000000-0000-7000-8000-000000000000"


@pytest.fixture(scope="module")
def target(api: Api) -> tuple[str, str]:
    """An event with places left and a user."""
    return api.add_event(10_000), api.add_user()


@pytest.fixture
def nothing_written(shop_database: str) -> Iterator[None]:
    before = count_entries(shop_database)
    yield
    assert count_entries(shop_database) == before


@pytest.fixture(scope="module", autouse=True)
def everything_holds(shop_database: str, shop_redis: str) -> Iterator[None]:
    yield
    assert violations(shop_database, shop_redis) == []


def refused(answer: httpx.Response, *expected: tuple[int, str]) -> None:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    document = answer.json()
    assert (answer.status_code, document["code"]) in expected, answer.text
    assert document["status"] == answer.status_code


MALFORMED = (422, "malformed-json")
INVALID = (422, "validation")

BODIES = {
    "empty": b"",
    "blank": b" \n",
    "text": b"hello",
    "an array": b"[]",
    "null": b"null",
    "a string": b'"x"',
    "a number": b"1",
    "cut short": b'{"event_id":',
    "two objects": b"{}{}",
    "a comment": b"{/* */}",
    "single quotes": b"{'event_id':1}",
    "a trailing comma": b'{"event_id":"x",}',
    "invalid UTF-8": b'{"event_id":"\xff\xfe"}',
    "overlong UTF-8": b'{"event_id":"\xc0\x80"}',
    "a raw lone surrogate": b'{"event_id":"\xed\xa0\x80"}',
    "UTF-16": '{"event_id":"x"}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf{"event_id":"x"}',
    "a raw NUL": b'{"event_id":"\0"}',
    "an escaped NUL": b'{"event_id":"\\u0000"}',
    "a lone surrogate": b'{"event_id":"\\ud800"}',
    "a surrogate pair the wrong way round": b'{"event_id":"\\udc00\\ud800"}',
    "a deep array": b"[" * 30_000,
    "a deep array, closed": b"[" * 30_000 + b"]" * 30_000,
    "deep objects": b'{"a":' * 10_000,
    "deep objects, closed": b'{"a":' * 9_000 + b"1" + b"}" * 9_000,
    "a field nobody knows": b'{"nobody":1}',
    "a field with a NUL": b'{"no\\u0000body":1}',
    "a field with a lone surrogate": b'{"no\\ud800body":1}',
    "a field of 60,000 characters": b'{"' + b"x" * 60_000 + b'":1}',
    "5,000 digits": b'{"quantity":' + b"9" * 5_000 + b"}",
    "an exponent out of range": b'{"quantity":1e999}',
}

MAY_BE_LEFT_OUT = (b"", b" \n", b"null")


@pytest.fixture(scope="module")
def calls(shop: Served) -> list[tuple[str, str, bool]]:
    """Method and path of every call that takes JSON, and whether it must have some."""
    page = Documented.of(shop.url).page
    return [
        (
            method.upper(),
            re.sub(r"\{\w+\}", UNKNOWN, path),
            operation["requestBody"].get("required"),
        )
        for path, operations in page["paths"].items()
        for method, operation in operations.items()
        if "application/json" in operation.get("requestBody", {}).get("content", {})
    ]


@pytest.mark.usefixtures("nothing_written")
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_body_that_is_no_request_is_refused_by_every_call(
    api: Api, calls: list[tuple[str, str, bool]], body: bytes
) -> None:
    assert ("POST", "/v1/bookings", True) in calls
    for method, path, is_needed in calls:
        if is_needed or body not in MAY_BE_LEFT_OUT:
            headers = {"Content-Type": "application/json"}
            answer = api.admin.request(method, path, content=body, headers=headers)
            refused(answer, MALFORMED, INVALID)


INTEGERS = {
    "zero": "0",
    "negative": "-1",
    "minus zero": "-0",
    "a million": "1000000",
    "2^31": str(2**31),
    "2^53 + 1": str(2**53 + 1),
    "2^63": str(2**63),
    "below -2^63": str(-(2**63) - 1),
    "5,000 digits": "9" * 5_000,
    "a float": "1.5",
    "a whole float": "1.0",
    "an exponent": "1e0",
    "text": '"1"',
    "true": "true",
    "null": "null",
    "an array": "[1]",
    "an object": "{}",
    "NaN": "NaN",
    "Infinity": "Infinity",
    "-Infinity": "-Infinity",
    "hexadecimal": "0x1",
    "a leading zero": "01",
    "a plus": "+1",
}


@pytest.mark.usefixtures("nothing_written")
@pytest.mark.parametrize("quantity", sorted(set(INTEGERS.values()) - {"null"}))
def test_a_quantity_that_is_no_number_of_tickets_is_refused(
    api: Api, target: tuple[str, str], quantity: str
) -> None:
    body = f'{{"event_id":"{target[0]}","user_id":"{target[1]}","quantity":{quantity}}}'
    refused(api.client.post("/v1/bookings", content=body), MALFORMED, INVALID)


@pytest.mark.usefixtures("nothing_written")
def test_a_capacity_that_is_no_number_of_places_is_refused(
    api: Api, target: tuple[str, str]
) -> None:
    for capacity in INTEGERS.keys() - {"a million", "zero", "minus zero", "2^31"}:
        value = INTEGERS[capacity]
        for method, path, body in (
            ("POST", "/v1/venues", f'{{"name":"x","capacity":{value}}}'),
            ("PATCH", f"/v1/events/{target[0]}", f'{{"capacity":{value}}}'),
        ):
            refused(api.organizer.request(method, path, content=body), MALFORMED, INVALID)


TEXTS = {
    "an escaped NUL": '"a\\u0000b"',
    "a lone surrogate": '"\\ud800"',
    "a lone low surrogate": '"x\\udfff"',
    "nothing": '""',
    "201 characters": json.dumps("x" * 201),
    "a number": "1",
    "null": "null",
    "an array": '["x"]',
    "an object": '{"x":1}',
    "true": "true",
}


@pytest.mark.usefixtures("nothing_written")
@pytest.mark.parametrize("name", TEXTS.values(), ids=TEXTS)
def test_a_name_that_is_no_short_text_is_refused(api: Api, name: str) -> None:
    refused(
        api.organizer.post("/v1/venues", content=f'{{"name":{name},"capacity":1}}'),
        MALFORMED,
        INVALID,
    )
    refused(
        api.organizer.post("/v1/users", content=f'{{"name":{name},"email":"a@b"}}'),
        MALFORMED,
        INVALID,
    )


def test_a_name_may_hold_any_other_text(api: Api) -> None:
    for name in (
        "é",
        "e\u0301",
        "\u202eright to left",
        "😀" * 200,
        "'; DROP TABLE users; --",
        "%s",
    ):
        added = api.organizer.post("/v1/users", json={"name": name, "email": "a@b"})
        assert added.status_code == 201, added.text
        user_id = added.json()["user_id"]
        assert api.organizer.get(f"/v1/users/{user_id}").json()["name"] == name


@pytest.mark.usefixtures("nothing_written")
def test_an_address_without_one_at_sign_is_refused(api: Api) -> None:
    for email in ("", "x", "a@", "@b", "a@b@c", "a b@c", "a@b\n", "a\0@b", "a@" + "b" * 253):
        body = {"name": "x", "email": email}
        refused(api.organizer.post("/v1/users", json=body), INVALID)


@pytest.mark.usefixtures("nothing_written")
def test_a_time_without_offset_or_out_of_range_is_refused(api: Api) -> None:
    venue_id = api.add_venue(10)
    times: tuple[object, ...] = (
        "2030-01-01T20:00:00",
        "2030-01-01",
        "20:00",
        "2030-13-01T20:00:00Z",
        "2030-02-30T20:00:00Z",
        "1969-12-31T23:59:59Z",
        "2200-01-01T00:00:00Z",
        "9999-12-31T23:59:59-23:59",
        "0001-01-01T00:00:00+23:59",
        "tomorrow",
        "",
        "\0",
        1_900_000_000,
        1.9e9,
        True,
        None,
        [],
    )
    for time in times:
        body = {"venue_id": venue_id, "name": "x", "starts_at": time}
        refused(api.organizer.post("/v1/events", json=body), INVALID)


@pytest.mark.usefixtures("nothing_written")
@pytest.mark.parametrize("bad", ["", "x", "1" * 40, "\0", UNKNOWN + "0", 1, None, True, {}, []])
def test_an_id_that_is_none_is_refused(api: Api, target: tuple[str, str], bad: object) -> None:
    for body in (
        {"event_id": bad, "user_id": target[1]},
        {"event_id": target[0], "user_id": bad},
    ):
        refused(api.client.post("/v1/bookings", json=body), INVALID)


@pytest.mark.usefixtures("nothing_written")
@pytest.mark.parametrize(
    "bad", ["x", "%00", "%ff", "%ED%A0%80", "1" * 5_000, f"{UNKNOWN}%0A", ".."]
)
def test_a_path_with_an_id_that_is_none_is_refused(api: Api, bad: str) -> None:
    for sender, method, path in (
        (api.nobody, "GET", f"/v1/events/{bad}"),
        (api.nobody, "GET", f"/v1/events/{bad}/availability"),
        (api.client, "GET", f"/v1/bookings/{bad}"),
        (api.client, "POST", f"/v1/bookings/{bad}/cancel"),
        (api.client, "GET", f"/v1/users/{bad}/bookings"),
        (api.organizer, "GET", f"/v1/users/{bad}"),
        (api.organizer, "GET", f"/v1/venues/{bad}"),
    ):
        answer = sender.request(method, path)
        assert answer.status_code in {404, 405, 422}, f"{path}: {answer.text}"
        refused(answer, (answer.status_code, answer.json()["code"]))


def test_of_a_field_given_twice_the_last_counts(api: Api, target: tuple[str, str]) -> None:
    body = f'{{"quantity":0,"event_id":"{target[0]}","user_id":"{target[1]}","quantity":2}}'
    assert api.client.post("/v1/bookings", content=body).json()["quantity"] == 2


def test_an_id_may_be_written_in_capitals(api: Api, target: tuple[str, str]) -> None:
    booked = api.book(target[0].upper(), target[1].upper())
    assert booked.status_code == 201
    assert UUID(booked.json()["event_id"]) == UUID(target[0])
    assert booked.json()["event_id"] == target[0]


@pytest.mark.usefixtures("nothing_written")
@pytest.mark.parametrize(
    "media_type",
    [
        "text/plain",
        "application/jsonx",
        "application/problem+json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/x-ndjson",
        "json",
        ";",
        "",
    ],
)
def test_a_body_of_another_type_is_refused(
    api: Api, target: tuple[str, str], media_type: str
) -> None:
    body = json.dumps({"event_id": target[0], "user_id": target[1]}).encode()
    headers = {"Content-Type": media_type}
    for sender, path in ((api.client, "/v1/bookings"), (api.organizer, "/v1/venues")):
        for content in (body, iter([body])):
            answer = sender.post(path, content=content, headers=headers)
            refused(answer, (415, "unsupported-media-type"))


@pytest.mark.parametrize("media_type", [None, "application/json", "Application/JSON;charset=utf-8"])
def test_json_may_say_so_or_not(api: Api, target: tuple[str, str], media_type: str | None) -> None:
    headers = {} if media_type is None else {"Content-Type": media_type}
    booking = json.dumps({"event_id": target[0], "user_id": target[1]}).encode()
    assert api.client.post("/v1/bookings", content=booking, headers=headers).status_code == 201
    venue = json.dumps({"name": "x", "capacity": 1}).encode()
    assert api.organizer.post("/v1/venues", content=venue, headers=headers).status_code == 201


@pytest.mark.usefixtures("nothing_written")
def test_a_body_above_64_kib_is_refused_by_every_call(
    api: Api, calls: list[tuple[str, str, bool]]
) -> None:
    body = b'{"name":"' + b"x" * 65_536 + b'"}'
    for method, path, _ in calls:
        for content in (body, iter([body[:40_000], body[40_000:]]), iter([body])):
            answer = api.admin.request(method, path, content=content)
            refused(answer, (413, "payload-too-large"))


def test_a_body_of_64_kib_is_taken(api: Api, target: tuple[str, str]) -> None:
    body = json.dumps({"event_id": target[0], "user_id": target[1]}).encode().ljust(65_536)
    assert api.client.post("/v1/bookings", content=body).status_code == 201
    assert api.client.post("/v1/bookings", content=iter([body])).status_code == 201
    refused(api.client.post("/v1/bookings", content=body + b" "), (413, "payload-too-large"))


@pytest.mark.usefixtures("nothing_written")
@pytest.mark.parametrize("length", ["65537", "99999999999"])
def test_a_body_announced_as_too_large_is_not_awaited(api: Api, shop: Served, length: str) -> None:
    with socket.create_connection((HOST, shop.port), 10) as connection:
        head = (
            f"POST /v1/bookings HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n"
            f"authorization: Bearer {api.keys['client']}\r\n\r\n"
        )
        connection.sendall(head.encode())
        assert read_reply(connection).status == 413


METHODS = {
    "/v1/bookings": "POST",
    "/v1/events": "GET, POST",
    f"/v1/events/{UNKNOWN}": "GET, PATCH",
    f"/v1/events/{UNKNOWN}/availability": "GET",
    "/v1/venues": "GET, POST",
    "/v1/users": "GET, POST",
    "/v1/users/import": "POST",
    f"/v1/bookings/{UNKNOWN}": "GET",
    f"/v1/bookings/{UNKNOWN}/cancel": "POST",
    f"/v1/users/{UNKNOWN}/bookings": "GET",
    "/healthz": "GET",
}


@pytest.mark.parametrize("path", METHODS)
def test_a_method_that_a_path_does_not_have_is_answered_with_those_it_has(
    api: Api, path: str
) -> None:
    answer = api.admin.request("PUT", path, json={})
    refused(answer, (405, "method-not-allowed"))
    assert answer.headers["allow"] == METHODS[path]


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=-1",
        "limit=10001",
        "limit=x",
        "limit=",
        "limit=1.5",
        "limit=%00",
        "limit=" + "9" * 5_000,
        "cursor=x",
        "cursor=",
        "cursor=%00",
        "cursor=%ff",
        "cursor=%F0%9F%98%80",
        "cursor=" + "A" * 21,
        "cursor=" + "A" * 21 + "B",
        "cursor=" + "!" * 22 + "A" * 22,
        "cursor=" + "A" * 65,
        "cursor=" + "_" * 18,
    ],
)
def test_a_limit_or_cursor_that_is_none_is_refused(
    api: Api, target: tuple[str, str], query: str
) -> None:
    for path in ("/v1/users", "/v1/venues", "/v1/events", f"/v1/users/{target[1]}/bookings"):
        refused(api.admin.get(f"{path}?{query}"), INVALID)


@pytest.mark.usefixtures("nothing_written")
@pytest.mark.parametrize(
    "key", [b"", b"a b", b"a\tb", b"x" * 256, "é".encode(), b"\xff", b"x" * 9_000]
)
def test_an_idempotency_key_that_is_none_is_refused(
    api: Api, target: tuple[str, str], key: bytes
) -> None:
    body = {"event_id": target[0], "user_id": target[1]}
    answer = api.client.post("/v1/bookings", json=body, headers={b"Idempotency-Key": key})
    refused(answer, INVALID)


@pytest.mark.parametrize("key", ["x", "x" * 255, '"quoted"', "a,b", "../../etc", "%00", "~"])
def test_an_idempotency_key_may_be_any_visible_ascii(
    api: Api, target: tuple[str, str], key: str
) -> None:
    first = api.book(*target, key=key)
    again = api.book(*target, key=key)
    assert (first.status_code, again.content) == (201, first.content)


@pytest.mark.parametrize(
    "lines",
    [
        b"GET / HTTP/9.9\r\n\r\n",
        b"BREW /v1/events HTTP/1.1\r\nhost: x\r\n\r\n",
        b"\x16\x03\x01\x00\xa5\x01\x00\x00",
        b"POST /v1/bookings HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        b"POST /v1/bookings HTTP/1.1\r\nhost: x\r\ncontent-length: \xb2\r\n\r\n",
        b"POST /v1/bookings HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nx",
        b"POST /v1/bookings HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"GET /v1/events HTTP/1.1\r\nhost: x\r\nbad header\r\n\r\n",
        b"GET /v1/\x00 HTTP/1.1\r\nhost: x\r\n\r\n",
    ],
)
def test_what_is_not_http_is_a_bad_request(shop: Served, lines: bytes) -> None:
    with socket.create_connection((HOST, shop.port), 10) as connection:
        connection.sendall(lines)
        assert read_reply(connection).status == 400


@pytest.mark.parametrize(
    "line",
    [
        b"x-request-id: \xff\xfe",
        b"x-request-id: " + b"x" * 5_000,
        b"authorization: Bearer \xff\xfe",
        b"if-none-match: \xff",
        b"content-type: \xff",
        b"idempotency-key: \xff",
        b"accept: nonsense",
        b"accept-encoding: nonsense",
        b"cookie: " + b"x" * 20_000,
        b"expect: 100-continue",
        b"host: evil.example",
    ],
)
def test_an_odd_header_does_not_matter(shop: Served, target: tuple[str, str], line: bytes) -> None:
    with socket.create_connection((HOST, shop.port), 10) as connection:
        path = f"/v1/events/{target[0]}/availability".encode()
        connection.sendall(b"GET " + path + b" HTTP/1.1\r\nhost: x\r\n" + line + b"\r\n\r\n")
        reply = read_reply(connection)
    assert reply.status == 200
    assert len(reply.headers["x-request-id"]) <= 64
