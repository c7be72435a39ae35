"""Keys over HTTP and from the command line: what they are for, and whose things they see."""

import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from click.testing import CliRunner, Result
from pair import Pair
from served import ROOT

from api.access import ROLES_OF_CALL
from api.cli import main
from api.keys import Role

ACCESS_PAGE = ROOT / "docs" / "access.md"


def flashticket(pair: Pair, *arguments: str) -> Result:
    """What the command answers, in this process."""
    environment = {"FLASHTICKET_DATABASE_URL": pair.database_url}
    return CliRunner().invoke(main, arguments, env=environment)


def calls(pair: Pair) -> Iterator[tuple[str, str, str]]:
    """Operation id, method and a path of every call, its parameters filled with unknown ids."""
    page = pair.api.nobody.get("/openapi.json").json()
    for path, operations in page["paths"].items():
        for method, operation in operations.items():
            filled = re.sub(r"\{\w+\}", str(uuid4()), path)
            yield operation["operationId"], method.upper(), filled


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


# What a key is for.


def test_the_page_on_access_has_every_call_with_its_roles() -> None:
    rows = re.findall(r"^\| `(\w+)` \|(.*)\|$", ACCESS_PAGE.read_text(), re.MULTILINE)
    roles = [Role.CLIENT, Role.ORGANIZER, Role.AUDITOR, Role.ADMIN]
    table = {
        call: {role for role, cell in zip(roles, cells.split("|"), strict=True) if cell.strip()}
        for call, cells in rows
    }
    assert table == ROLES_OF_CALL


@pytest.mark.parametrize(
    ("role", "scopes"),
    [
        (Role.CLIENT, {"book_seats", "read_booking"}),
        (Role.ORGANIZER, {"check_in"}),
        (Role.AUDITOR, {"read_ledger"}),
        (Role.ADMIN, {"list_users", "book_cart"}),
    ],
)
def test_a_key_with_scopes_opens_those_calls_and_no_others(
    pair: Pair, role: Role, scopes: set[str]
) -> None:
    with pair.client(role, scopes=sorted(scopes)) as client:
        for call, method, path in calls(pair):
            if call not in ROLES_OF_CALL:
                continue
            content = b"{}" if method in {"POST", "PATCH"} else None
            answer = client.request(method, path, content=content)
            if call in scopes:
                assert answer.status_code not in {401, 403}, f"{call}: {answer.text}"
                continue
            assert code(answer) == (403, "forbidden"), call
            if role in ROLES_OF_CALL[call]:
                assert answer.json()["scopes"] == sorted(scopes)


@pytest.mark.parametrize(
    ("body", "at"),
    [
        ({}, ["body", "role"]),
        ({"role": "root"}, ["body", "role"]),
        ({"role": "client", "scopes": []}, ["body", "scopes"]),
        ({"role": "client", "scopes": ["read_ledger"]}, ["body", "scopes"]),
        ({"role": "admin", "scopes": ["nonsense"]}, ["body", "scopes"]),
        ({"role": "client", "rate": "fast"}, ["body", "rate"]),
        ({"role": "client", "rate": "0/s"}, ["body", "rate"]),
        ({"role": "client", "expires_at": "2001-01-01T00:00:00Z"}, ["body", "expires_at"]),
        ({"role": "organizer", "user_id": str(uuid4())}, ["body", "user_id"]),
        ({"role": "client", "name": "a\0b"}, ["body", "name"]),
    ],
)
def test_a_key_that_makes_no_sense_is_not_made(pair: Pair, body: Any, at: list[str]) -> None:
    answer = pair.api.admin.post("/v1/keys", json=body)
    assert code(answer) == (422, "validation")
    assert at in [error["at"] for error in answer.json()["errors"]]


def test_a_key_for_a_user_that_there_is_not_is_not_made(pair: Pair) -> None:
    answer = pair.api.admin.post("/v1/keys", json={"role": "client", "user_id": str(uuid4())})
    assert code(answer) == (404, "user-not-found")


def test_a_key_makes_none_that_may_do_more_than_itself(pair: Pair) -> None:
    scopes = ["create_key", "list_users"]
    with pair.client("admin", scopes=scopes) as client:
        for more in (
            {"role": "admin"},
            {"role": "organizer"},
            {"role": "client"},
            {"role": "admin", "scopes": [*scopes, "list_keys"]},
        ):
            assert code(client.post("/v1/keys", json=more)) == (403, "forbidden")
        for no_more in (
            {"role": "admin", "scopes": scopes},
            {"role": "organizer", "scopes": ["list_users"]},
        ):
            assert client.post("/v1/keys", json=no_more).status_code == 201


def test_a_key_is_told_once_and_then_known_by_its_id(pair: Pair) -> None:
    until = "2199-01-01T00:00:00Z"
    user_id = pair.api.add_user()
    terms: dict[str, Any] = {"name": "Shop", "scopes": ["read_hold", "book_seats"], "rate": "60/m"}
    made = pair.key(**terms, user_id=user_id, expires_at=until)
    assert made.pop("key").startswith("ft_client_")
    assert made["scopes"] == sorted(terms["scopes"])
    assert (made["rate"], made["expires_at"], made["user_id"]) == ("60/m", until, user_id)
    found, cursor = [], None
    while True:
        parameters: dict[str, Any] = {"limit": 7} | ({"cursor": cursor} if cursor else {})
        page = pair.api.admin.get("/v1/keys", params=parameters).json()
        found += page["items"]
        if (cursor := page["next_cursor"]) is None:
            break
    assert made in found
    assert not any("key" in item or "key_hash" in item for item in found)


def test_a_key_ends_at_its_time(pair: Pair) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=1.5)
    key = pair.key("auditor", expires_at=soon.isoformat())["key"]
    with pair.api.with_key(key) as auditor:
        assert auditor.get("/v1/venues").status_code == 200
        time.sleep(1.6)
        assert code(auditor.get("/v1/venues")) == (401, "unauthenticated")


def test_a_key_is_revoked_once_and_stays_so(pair: Pair) -> None:
    made = pair.key()
    key_id = made["key_id"]
    pair.served.logged(message="key made", key_id=key_id, role="client")
    first, again = (pair.api.admin.post(f"/v1/keys/{key_id}/revoke").json() for _ in range(2))
    assert first == again
    assert first["revoked_at"] is not None
    pair.served.logged(message="key revoked", key_id=key_id)
    assert made["key"] not in pair.served.log_path.read_text()
    assert code(pair.api.admin.post(f"/v1/keys/{uuid4()}/revoke")) == (404, "key-not-found")


def test_the_command_makes_lists_and_revokes_keys(pair: Pair) -> None:
    user_id = pair.api.add_user()
    made = flashticket(
        pair,
        *("keys", "create", "--role", "client", "--name", "App", "--scope", "read_booking"),
        *("--scope", "book_seats", "--expires", "30d", "--user", user_id, "--rate", "100/s"),
    )
    assert made.exit_code == 0, made.stderr
    key = made.stdout.removesuffix("\n")
    assert re.fullmatch(r"ft_client_[\w-]{43}", key), "the key alone is on standard output"
    key_id = str(UUID(made.stderr.split()[-1]))
    with pair.api.with_key(key) as client:
        assert code(client.get(f"/v1/bookings/{uuid4()}")) == (404, "booking-not-found")
        assert code(client.get(f"/v1/holds/{uuid4()}")) == (403, "forbidden")

    listed = flashticket(pair, "keys", "list", "--json").stdout
    assert key not in listed
    (line,) = [each for each in map(json.loads, listed.splitlines()) if each["key_id"] == key_id]
    assert (line["name"], line["rate"], line["user_id"]) == ("App", "100/s", user_id)
    assert line["scopes"] == ["book_seats", "read_booking"]
    days = datetime.fromisoformat(line["expires_at"]) - datetime.now(UTC)
    assert timedelta(days=29) < days < timedelta(days=30)

    revoked = flashticket(pair, "keys", "revoke", key_id)
    assert (revoked.exit_code, "revoked" in revoked.stdout) == (0, True)
    assert f"{key_id}  client     revoked  App" in flashticket(pair, "keys", "list").stdout
    assert flashticket(pair, "keys", "revoke", str(uuid4())).exit_code == 1


@pytest.mark.parametrize(
    "wrong",
    [
        ("--role", "root"),
        ("--role", "client", "--scope", "read_ledger"),
        ("--role", "client", "--expires", "soon"),
        ("--role", "client", "--expires", "2001-01-01T00:00:00Z"),
        ("--role", "client", "--expires", "2199-01-01T00:00:00"),
        ("--role", "client", "--rate", "often"),
        ("--role", "admin", "--user", "01a2131e-c34e-77bb-bbdb-8f14c4ae3ffb"),
    ],
    ids=lambda wrong: wrong[-1],
)
def test_the_command_makes_no_key_that_makes_no_sense(wrong: tuple[str, ...]) -> None:
    answer = CliRunner().invoke(main, ["keys", "create", *wrong])
    assert (answer.exit_code, answer.stdout) == (2, "")
