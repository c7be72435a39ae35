"""Users imported as NDJSON: all or none, of any length, a bad line named."""

import json
from collections.abc import Iterable, Iterator

import httpx
import psycopg
import pytest
from served import Api

NDJSON = "application/x-ndjson"


def line(n: int) -> bytes:
    return json.dumps({"name": f"User {n}", "email": f"user{n}@example.org"}).encode()


def send(
    api: Api, content: bytes | Iterable[bytes], content_type: str | None = NDJSON
) -> httpx.Response:
    headers = {} if content_type is None else {"Content-Type": content_type}
    return api.organizer.post("/v1/users/import", content=content, headers=headers)


def count_users(database: str) -> int:
    with psycopg.connect(database) as connection:
        row = connection.execute("SELECT count(*) FROM users").fetchone()
        assert row is not None
        return int(row[0])


@pytest.fixture
def nobody_imported(shop_database: str) -> Iterator[None]:
    before = count_users(shop_database)
    yield
    assert count_users(shop_database) == before


def test_ten_thousand_lines_are_ten_thousand_users(api: Api, shop_database: str) -> None:
    before = count_users(shop_database)
    answer = send(api, b"\n".join(line(n) for n in range(10_000)) + b"\n")
    assert answer.status_code == 201
    imported = answer.json()
    assert imported["imported"] == 10_000
    assert count_users(shop_database) == before + 10_000
    assert imported["first_user_id"] < imported["last_user_id"]
    for n, user_id in ((0, imported["first_user_id"]), (9_999, imported["last_user_id"])):
        user = api.organizer.get(f"/v1/users/{user_id}").json()
        assert (user["name"], user["email"]) == (f"User {n}", f"user{n}@example.org")


@pytest.mark.usefixtures("nobody_imported")
@pytest.mark.parametrize(
    "bad",
    [
        b"{}",
        b"nonsense",
        b"[]",
        b"null",
        b'{"name":"x","email":"no address"}',
        b'{"name":"","email":"a@b"}',
        b'{"name":"x","email":"a@b","admin":true}',
        b'{"name":"\\u0000","email":"a@b"}',
        b'{"name":"\\ud800","email":"a@b"}',
        b'{"name":"\xff","email":"a@b"}',
        b'{"name":"\0","email":"a@b"}',
        b"[" * 30_000,
    ],
)
def test_a_bad_line_imports_nothing_and_is_named(api: Api, bad: bytes) -> None:
    lines = [line(n) for n in range(5_000)]
    lines[2_500] = bad
    answer = send(api, b"\n".join(lines))
    assert answer.status_code == 422
    document = answer.json()
    if document["code"] == "validation":
        assert document["errors"][0]["at"][:2] == ["body", "line 2501"]
    else:
        assert document["code"] == "malformed-json"
        assert "line 2501" in document["detail"]


def test_blank_lines_and_windows_ends_do_not_matter(api: Api) -> None:
    for content, count in (
        (b"\n\n" + line(1) + b"\n \n\t\n" + line(2) + b"\n\n", 2),
        (line(1) + b"\r\n\r\n" + line(2) + b"\r\n", 2),
        (line(1) + b"\n" + line(2), 2),
        (line(1), 1),
    ):
        answer = send(api, content)
        assert answer.status_code == 201, answer.text
        assert answer.json()["imported"] == count


@pytest.mark.usefixtures("nobody_imported")
def test_no_line_is_no_user(api: Api) -> None:
    for content in (b"", b"\n", b" \r\n\r\n"):
        answer = send(api, content)
        assert answer.status_code == 201
        assert answer.json() == {"imported": 0, "first_user_id": None, "last_user_id": None}


def test_lines_may_be_cut_anywhere_in_transit(api: Api) -> None:
    content = b"\n".join(line(n) for n in range(20))
    answer = send(api, (content[i : i + 7] for i in range(0, len(content), 7)))
    assert answer.status_code == 201
    assert answer.json()["imported"] == 20


@pytest.mark.usefixtures("nobody_imported")
def test_a_line_above_64_kib_is_refused(api: Api) -> None:
    too_long = b'{"name":"' + b"x" * 200_000 + b'","email":"a@b"}'
    for content in (line(1) + b"\n" + too_long, too_long + b"\n" + line(1)):
        answer = send(api, content)
        assert answer.status_code == 413
        assert answer.json()["code"] == "payload-too-large"


def test_the_media_type_may_be_left_out_but_not_be_another(api: Api) -> None:
    for media_type in (None, NDJSON, "application/ndjson", "Application/X-NDJSON; charset=utf-8"):
        assert send(api, line(1), media_type).status_code == 201
    for media_type in ("application/json", "text/csv", ""):
        answer = send(api, line(1), media_type)
        assert (answer.status_code, answer.json()["code"]) == (415, "unsupported-media-type")


def test_an_imported_user_can_book(api: Api) -> None:
    user_id = send(api, line(1)).json()["first_user_id"]
    assert api.book(api.add_event(1), user_id).status_code == 201
