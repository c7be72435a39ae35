"""Requests that two readers could understand differently, and other tricks with the bytes of HTTP.

A proxy in front and the server behind must agree where a request ends. Whatever is not plainly one
request is refused, the connection closed, and nothing behind it is taken for another request.
"""

import re
import socket
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import quote

import pytest
from served import HOST, Api, Served, count_entries, new_keys, served, violations

MARK = b"/v1/events?limit=7777"
SMUGGLED = b"GET %b HTTP/1.1\r\nhost: x\r\n\r\n" % MARK


@pytest.fixture(scope="module")
def server(module_database: str) -> Iterator[Served]:
    with served(module_database, None, idle_seconds_max=1, slow_seconds_max=2) as running:
        yield running


@pytest.fixture(scope="module")
def api(server: Served, module_database: str) -> Iterator[Api]:
    with Api(server.url, new_keys(module_database)) as clients:
        yield clients


def converse(server: Served, sent: bytes) -> bytes:
    """All that comes back until the server closes, as it does with an idle connection too."""
    with closing(socket.create_connection((HOST, server.port), 15)) as connection:
        connection.sendall(sent)
        received = b""
        try:
            while data := connection.recv(65_536):
                received += data
        except ConnectionResetError:
            pass
        return received


def statuses(received: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", received)]


def post(*lines: bytes, body: bytes = b"") -> bytes:
    head = [b"POST /v1/bookings HTTP/1.1", b"host: x", *lines]
    return b"\r\n".join([*head, b"", b""]) + body


CHUNKED = b"transfer-encoding: chunked"
LENGTH = b"content-length: 5"

NOT_ONE_REQUEST = {
    "two lengths": post(LENGTH, b"content-length: 6", body=b"hello" + SMUGGLED),
    "a length twice": post(LENGTH, LENGTH, body=b"hello" + SMUGGLED),
    "a list of lengths": post(b"content-length: 5, 5", body=b"hello" + SMUGGLED),
    "a length with a sign": post(b"content-length: +5", body=b"hello" + SMUGGLED),
    "a negative length": post(b"content-length: -5", body=b"hello" + SMUGGLED),
    "a hexadecimal length": post(b"content-length: 0x5", body=b"hello" + SMUGGLED),
    "a length of two numbers": post(b"content-length: 5 5", body=b"hello" + SMUGGLED),
    "an empty length": post(b"content-length:", body=b"hello" + SMUGGLED),
    "a length beyond 64 bits": post(b"content-length: 18446744073709551621", body=SMUGGLED),
    "length and chunks": post(LENGTH, CHUNKED, body=b"0\r\n\r\n" + SMUGGLED),
    "chunks and length": post(CHUNKED, LENGTH, body=b"0\r\n\r\n" + SMUGGLED),
    "an encoding nobody knows": post(b"transfer-encoding: xchunked", body=b"0\r\n\r\n" + SMUGGLED),
    "chunks, then something": post(
        b"transfer-encoding: chunked, identity", body=b"0\r\n\r\n" + SMUGGLED
    ),
    "an encoding in two lines": post(
        CHUNKED, b"transfer-encoding: identity", body=b"0\r\n\r\n" + SMUGGLED
    ),
    "a space before the colon": post(b"transfer-encoding : chunked", body=b"0\r\n\r\n" + SMUGGLED),
    "a folded header": post(b"x: 1\r\n " + CHUNKED, LENGTH, body=b"hello" + SMUGGLED),
    "a folded first header": b"POST / HTTP/1.1\r\n " + LENGTH + b"\r\n\r\n" + SMUGGLED,
    "a chunk size that is none": post(CHUNKED, body=b"zz\r\nhello\r\n0\r\n\r\n" + SMUGGLED),
    "a negative chunk size": post(CHUNKED, body=b"-5\r\nhello\r\n0\r\n\r\n" + SMUGGLED),
    "a chunk size with a prefix": post(CHUNKED, body=b"0x5\r\nhello\r\n0\r\n\r\n" + SMUGGLED),
    "a chunk size and a space": post(CHUNKED, body=b"5 \r\nhello\r\n0\r\n\r\n" + SMUGGLED),
    "a chunk size beyond 64 bits": post(CHUNKED, body=b"1" + b"0" * 16 + b"\r\nhello" + SMUGGLED),
    "a chunk size ended by LF": post(CHUNKED, body=b"5\nhello\r\n0\r\n\r\n" + SMUGGLED),
    "a chunk longer than it says": post(CHUNKED, body=b"5\r\nhello!\r\n0\r\n\r\n" + SMUGGLED),
    "a chunk ended by LF": post(CHUNKED, body=b"5\r\nhello\n0\r\n\r\n" + SMUGGLED),
    "LF in a chunk extension": post(CHUNKED, body=b"5;a\nb\r\nhello\r\n0\r\n\r\n" + SMUGGLED),
    "NUL in a value": post(b"x: a\0b", LENGTH, body=b"hello" + SMUGGLED),
    "NUL in a name": post(b"x\0y: a", LENGTH, body=b"hello" + SMUGGLED),
    "CR in a value": post(b"x: a\rb", LENGTH, body=b"hello" + SMUGGLED),
    "LF in a request id": post(b"x-request-id: a\ninjected: b", LENGTH, body=b"hello" + SMUGGLED),
    "a header without a name": post(b": a", LENGTH, body=b"hello" + SMUGGLED),
    "a header without a colon": post(b"hello", LENGTH, body=b"hello" + SMUGGLED),
    "lines ended by LF": b"GET / HTTP/1.1\nhost: x\n\n" + SMUGGLED,
    "a version that there is not": b"GET / HTTP/1.2\r\nhost: x\r\n\r\n" + SMUGGLED,
    "HTTP/0.9": b"GET /\r\n" + SMUGGLED,
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + SMUGGLED,
    "a tunnel": b"CONNECT evil.example:443 HTTP/1.1\r\nhost: x\r\n\r\n" + SMUGGLED,
}


@pytest.mark.parametrize("sent", NOT_ONE_REQUEST.values(), ids=NOT_ONE_REQUEST)
def test_what_is_not_plainly_one_request_is_refused_with_all_that_follows(
    server: Served, sent: bytes
) -> None:
    received = converse(server, sent)
    assert statuses(received) == [400], received
    assert b"connection: close" in received.lower()
    assert b"injected" not in received


WHOLE = {
    "a body that looks like a request": (
        post(b"content-length: %d" % len(SMUGGLED), body=SMUGGLED),
        [401],
    ),
    "a GET with a body that looks like a request": (
        b"GET /healthz HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(SMUGGLED)
        + SMUGGLED,
        [200],
    ),
    "a chunk that looks like a request": (
        post(CHUNKED, body=b"%x\r\n%b\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED)),
        [401],
    ),
    "a trailer with a length": (
        post(CHUNKED, body=b"5\r\nhello\r\n0\r\ncontent-length: 99\r\n\r\n" + SMUGGLED),
        [400],
    ),
    "two requests one after the other": (SMUGGLED + SMUGGLED, [200, 200]),
    "another behind the last": (
        b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n" + SMUGGLED,
        [200],
    ),
    "a refused one behind a good one": (SMUGGLED + post(LENGTH, CHUNKED), [200]),
}


@pytest.mark.parametrize(("sent", "expected"), WHOLE.values(), ids=WHOLE)
def test_each_whole_request_has_one_answer_and_a_body_is_none(
    server: Served, sent: bytes, expected: list[int]
) -> None:
    assert statuses(converse(server, sent)) == expected


@pytest.mark.parametrize(
    "given", [b"a: b", b"a%0d%0ainjected: b", b"a\tb", b"<script>", b"a" * 65, b"\xc3\xa9"]
)
def test_a_request_id_that_is_none_is_not_repeated(server: Served, given: bytes) -> None:
    for target in (b"GET /healthz", b"POST /v1/bookings"):
        head = b"%b HTTP/1.1\r\nhost: x\r\nx-request-id: %b\r\n" % (target, given)
        received = converse(server, head + b"content-length: 2\r\nconnection: close\r\n\r\n{}")
        assert received.count(b"x-request-id: ") == 1
        assert given not in received


PRIVATE = ("/v1/users", "/v1/venues", "/v1/ledger")
DISGUISES = (
    "/{path}",
    "{path}/",
    "{path}//",
    "/.{path}",
    "/x/..{path}",
    "/x/%2e%2e{path}",
    "/v1/events/../../{path}",
    "/v1/events/%2e%2e/%2e%2e/{path}",
    "/v1/events/..%2f..%2f{path}",
    "/healthz/..{path}",
    "/healthz%2f..{path}",
    "/docs-assets/..{path}",
    "{path};x",
    "{path}%00",
    "{path}%20",
    "{path}%0d%0a",
    "{path}?",
    "{path}#",
    "{path}%3f",
    "http://evil.example{path}",
    "{upper}",
    "{encoded}",
)


@pytest.mark.parametrize("disguise", DISGUISES)
def test_no_way_to_write_a_path_leads_past_the_door(server: Served, disguise: str) -> None:
    for path in PRIVATE:
        encoded = "".join(f"%{ord(letter):02x}" if letter != "/" else letter for letter in path)
        target = disguise.format(path=path, upper=path.upper(), encoded=encoded)
        head = f"GET {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
        assert statuses(converse(server, head.encode()))[0] in {400, 401, 404}, target


FILES = (
    "/web/../app.py",
    "/web/%2e%2e/app.py",
    "/web/..%2fapp.py",
    "/web/%2e%2e%2fapp.py",
    "/web/..%5capp.py",
    "/web//etc/passwd",
    "/web/%2fetc%2fpasswd",
    "/docs-assets/../__init__.py",
    "/docs-assets/%2e%2e/__init__.py",
    "/docs-assets/..%2f__init__.py",
    "/docs-assets/%2e%2e%2f%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "/docs-assets//etc/passwd",
    "/docs-assets/%2fetc%2fpasswd",
    "/docs-assets/..%00/__init__.py",
    "/tlog/tile/../../../etc/passwd",
    "/tlog/tile/%2e%2e/checkpoint",
    "/problems/..%2f..%2fv1%2fusers",
)


@pytest.mark.parametrize("target", FILES)
def test_no_path_leads_to_a_file_that_is_not_served(server: Served, target: str) -> None:
    head = f"GET {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    assert statuses(converse(server, head.encode())) in ([400], [404])


INJECTIONS = (
    "' OR '1'='1",
    "'; DROP TABLE ledger; --",
    "1; SELECT pg_sleep(9)",
    "$1",
    "%(name)s",
    "%s",
    "\\'; --",
    "') UNION SELECT key_hash FROM api_keys --",
    "{{7*7}}",
    "${jndi:ldap://x}",
)


@pytest.mark.parametrize("text", INJECTIONS)
def test_sql_in_any_place_is_text_or_refused(api: Api, module_database: str, text: str) -> None:
    entries = count_entries(module_database)
    for path in ("/v1/users/{}", "/v1/events/{}", "/v1/users/{}/bookings", "/v1/bookings/{}"):
        assert api.admin.get(path.format(quote(text, safe=""))).status_code in {404, 422}
    for name in ("cursor", "limit", "after"):
        for path in ("/v1/users", "/v1/events", "/v1/ledger"):
            answer = api.admin.get(path, params={name: text})
            assert answer.status_code == 422 or name not in KNOWN[path], answer.text
    for header in ("Idempotency-Key", "If-None-Match", "Last-Event-ID", "X-Request-Id"):
        event_id = api.add_event(1)
        entries += 1
        user = {"name": text, "email": "a@b"}
        added = api.organizer.post("/v1/users", json=user, headers={header: text}).json()
        assert api.organizer.get(f"/v1/users/{added['user_id']}").json()["name"] == text
        answer = api.nobody.get(f"/v1/events/{event_id}/availability", headers={header: text})
        assert answer.status_code == 200
    assert api.nobody.get("/v1/events", headers={"Authorization": text}).status_code == 200
    assert api.nobody.get("/v1/users", headers={"Authorization": f"Bearer {text}"}).is_client_error
    named = {"name": text, "starts_at": "2030-01-01T00:00:00Z", "venue_id": api.add_venue(5)}
    seated = api.organizer.post("/v1/events", json=named | {"seats": [text]}).json()
    assert seated["name"] == text
    assert api.nobody.get(f"/v1/events/{seated['event_id']}/seats").json()["rows"][0]["seats"] == [
        {"seat": text, "free": True}
    ]
    assert count_entries(module_database) == entries + 1
    assert violations(module_database) == []


KNOWN = {"/v1/users": {"cursor", "limit"}, "/v1/events": {"cursor", "limit"}}
KNOWN["/v1/ledger"] = {"limit", "after"}
