"""A cursor is a place in a list and no key: whoever makes one up sees what they may see anyway."""

import base64
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from served import Api, Served, new_keys, served

ROLES = ("nobody", "client", "organizer", "auditor", "admin")


@pytest.fixture(scope="module")
def server(module_database: str) -> Iterator[Served]:
    with served(module_database, None) as running:
        yield running


@pytest.fixture(scope="module")
def api(server: Served, module_database: str) -> Iterator[Api]:
    with Api(server.url, new_keys(module_database)) as clients:
        yield clients


@pytest.fixture(scope="module")
def other(api: Api, module_database: str) -> Iterator[httpx.Client]:
    """Another client, whose bookings nobody else's key may see."""
    with api.with_key(new_keys(module_database)["client"]) as client:
        yield client


@pytest.fixture(scope="module")
def shop(api: Api, other: httpx.Client) -> dict[str, Any]:
    """Bookings of two clients for one user, in turns."""
    event_id, user_id = api.add_event(100), api.add_user()
    body = {"event_id": event_id, "user_id": user_id}
    made = [
        (api.client, other)[n % 2].post("/v1/bookings", json=body).json()["booking_id"]
        for n in range(12)
    ]
    return {"event_id": event_id, "user_id": user_id, "own": made[::2], "others": made[1::2]}


def cursor_at(position: UUID) -> str:
    return base64.urlsafe_b64encode(position.bytes).rstrip(b"=").decode()


def forged(shop: dict[str, Any]) -> list[str]:
    """Cursors that no page gave: before, between, behind and at what others own."""
    ids = [UUID(each) for each in (*shop["others"], shop["event_id"], shop["user_id"])]
    near = [UUID(int=each.int + step) for each in ids for step in (-1, 1)]
    return [cursor_at(each) for each in (*ids, *near, UUID(int=0), UUID(int=2**128 - 1), uuid4())]


def paged_calls(api: Api) -> list[str]:
    """Every path of the page that takes a cursor."""
    return [
        path
        for path, operations in api.nobody.get("/openapi.json").json()["paths"].items()
        for operation in operations.values()
        if any(each["name"] == "cursor" for each in operation.get("parameters", ()))
    ]


def test_a_forged_cursor_shows_nothing_that_the_list_does_not(
    api: Api, shop: dict[str, Any]
) -> None:
    paths = paged_calls(api)
    assert len(paths) >= 4
    for path in paths:
        path = path.format(**shop, webhook_id=uuid4())
        for role in ROLES:
            sender: httpx.Client = getattr(api, role)
            whole = sender.get(path, params={"limit": 10_000})
            allowed = items(whole)
            for cursor in forged(shop):
                answer = sender.get(path, params={"limit": 10_000, "cursor": cursor})
                assert answer.status_code == whole.status_code, (path, role)
                assert all(item in allowed for item in items(answer)), (path, role)


def items(answer: httpx.Response) -> list[Any]:
    found: list[Any] = answer.json()["items"] if answer.status_code == 200 else []
    return found


def test_a_client_pages_through_its_own_bookings_alone(
    api: Api, other: httpx.Client, shop: dict[str, Any]
) -> None:
    path = f"/v1/users/{shop['user_id']}/bookings"
    for sender, own in ((api.client, shop["own"]), (other, shop["others"])):
        for cursor in (None, *forged(shop)):
            for limit in (1, 100):
                query = {"limit": limit} | ({} if cursor is None else {"cursor": cursor})
                seen = [item["booking_id"] for item in items(sender.get(path, params=query))]
                assert set(seen) <= set(own)
        whole = [item["booking_id"] for item in items(sender.get(path))]
        assert whole == own


def test_a_cursor_of_one_list_opens_no_other(api: Api, shop: dict[str, Any]) -> None:
    del shop
    given_to_organizer = api.organizer.get("/v1/users", params={"limit": 1}).json()["next_cursor"]
    assert given_to_organizer is not None
    answer = api.client.get("/v1/users", params={"cursor": given_to_organizer})
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert api.nobody.get("/v1/users", params={"cursor": given_to_organizer}).status_code == 401


@given(st.text(max_size=80) | st.binary(max_size=40).map(lambda raw: raw.decode("latin-1")))
@settings(max_examples=min(100, settings().max_examples))
def test_any_text_is_a_cursor_or_is_refused(api: Api, text: str) -> None:
    answer = api.nobody.get("/v1/events", params={"cursor": text.encode("utf-8", "replace")})
    assert answer.status_code in {200, 422}
    if answer.status_code == 200:
        assert cursor_at(UUID(bytes=base64.urlsafe_b64decode(text + "=="))) == text


@pytest.mark.parametrize("after", [-(2**63), -2, 2**63 - 1, 2**63, 10**30])
def test_a_place_in_the_ledger_that_there_is_not_is_empty_or_refused(
    api: Api, shop: dict[str, Any], after: int
) -> None:
    for path in ("/v1/ledger", f"/v1/ledger/streams/{shop['event_id']}"):
        answer = api.auditor.get(path, params={"after": after})
        assert answer.status_code == 422 or answer.json()["items"] == []
        assert api.client.get(path, params={"after": after}).status_code == 403
