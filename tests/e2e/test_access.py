"""Keys and roles: who may call what, and whose bookings a client sees."""

import re
from collections.abc import Iterator
from uuid import uuid4

import httpx
import pytest
from documented import Documented
from served import Api, Served, new_keys

from api.access import ROLES_OF_CALL
from api.keys import Role, new_key

ROLES = ("client", "organizer", "auditor", "admin")
TYPE_OF_CALL = {"import_users": "application/x-ndjson"}


@pytest.fixture(scope="module")
def page(shop: Served) -> Documented:
    return Documented.of(shop.url)


def calls(page: Documented) -> Iterator[tuple[str, str, str]]:
    """Operation id, method and a path of every call, its parameters filled with unknown ids."""
    for path, operations in page.page["paths"].items():
        for method, operation in operations.items():
            filled = re.sub(r"\{\w+\}", str(uuid4()), path)
            yield operation["operationId"], method.upper(), filled


def send(sender: httpx.Client, call: str, method: str, path: str) -> httpx.Response:
    # What lies behind the door does not matter here: this body is valid for none of the calls.
    content = b"{}" if method in {"POST", "PATCH"} else None
    headers = {"Content-Type": TYPE_OF_CALL.get(call, "application/json")}
    return sender.request(method, path, content=content, headers=headers)


def test_every_protected_call_is_on_the_page(page: Documented) -> None:
    operation_ids = [call for call, _, _ in calls(page)]
    assert ROLES_OF_CALL.keys() <= set(operation_ids)
    assert len(operation_ids) == len(set(operation_ids))


def test_the_calls_that_need_no_key_are_those_of_the_contract(page: Documented) -> None:
    public = {
        (method, re.sub(r"[0-9a-f-]{36}", "ID", path))
        for call, method, path in calls(page)
        if call not in ROLES_OF_CALL
    }
    assert {
        ("GET", "/healthz"),
        ("GET", "/readyz"),
        ("GET", "/metrics"),
        ("GET", "/v1/events"),
        ("GET", "/v1/events/ID"),
        ("GET", "/v1/events/ID/availability"),
    } <= public
    assert all(
        method == "GET" and not re.match("/v1/(?!events)", path) for method, path in public
    ), public


def test_without_a_key_only_the_public_calls_answer(api: Api, page: Documented) -> None:
    for call, method, path in calls(page):
        answer = send(api.nobody, call, method, path)
        if call in ROLES_OF_CALL:
            assert answer.status_code == 401, f"{call}: {answer.text}"
            assert answer.json()["code"] == "unauthenticated"
            assert answer.headers["www-authenticate"] == "Bearer"
        else:
            assert answer.status_code not in {401, 403}, f"{call}: {answer.text}"


def test_who_may_not_ask_is_not_told_what_is_wrong_with_the_question(
    api: Api, page: Documented
) -> None:
    wrong = {"at": "x", "at_version": "0", "at_seq": "-1", "cursor": "x", "limit": "0"}
    for call, method, path in calls(page):
        if call in ROLES_OF_CALL and method == "GET":
            for query in (wrong, {"at_version": "1", "at_seq": "1"}):
                answer = api.nobody.get(path, params=query)
                assert answer.status_code == 401, f"{call}: {answer.text}"


@pytest.mark.parametrize("role", ROLES)
def test_a_key_opens_the_calls_of_its_role_and_no_others(
    api: Api, page: Documented, role: str
) -> None:
    for call, method, path in calls(page):
        answer = send(getattr(api, role), call, method, path)
        if call in ROLES_OF_CALL and Role(role) not in ROLES_OF_CALL[call]:
            assert answer.status_code == 403, f"{call}: {answer.text}"
            assert answer.json()["code"] == "forbidden"
            assert answer.json()["roles"] == sorted(ROLES_OF_CALL[call])
        else:
            assert answer.status_code not in {401, 403}, f"{call}: {answer.text}"


def test_the_page_marks_exactly_the_calls_that_need_a_key(page: Documented) -> None:
    marked = {
        operation["operationId"]
        for operations in page.page["paths"].values()
        for operation in operations.values()
        if operation.get("security")
    }
    assert marked == ROLES_OF_CALL.keys()


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Basic Zm9vOmJhcg==",
        "Bearer x",
        pytest.param(f"Bearer {new_key(Role.ADMIN)}", id="a key that was never stored"),
        "Bearer " + "x" * 10_000,
        "Bearer \N{LATIN SMALL LETTER E WITH ACUTE}",
        "Token x",
    ],
)
def test_what_is_no_known_key_is_refused(api: Api, authorization: str) -> None:
    headers = {b"Authorization": authorization.encode("latin-1")}
    answer = api.nobody.get("/v1/users", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert "x" * 100 not in answer.text, "a key is never repeated"


def test_a_key_must_be_sent_as_it_is(api: Api) -> None:
    key = api.keys["organizer"]
    for wrong in (key[:-1], key + "x", key.upper(), key.replace("organizer", "admin")):
        answer = api.nobody.get("/v1/users", headers={"Authorization": f"Bearer {wrong}"})
        assert answer.status_code == 401
    for right in (f"bearer {key}", f"BEARER  {key}"):
        assert api.nobody.get("/v1/users", headers={"Authorization": right}).status_code == 200


def test_a_new_key_works_at_once(api: Api, shop_database: str) -> None:
    with api.with_key(new_keys(shop_database)["auditor"]) as auditor:
        assert auditor.get("/v1/venues").status_code == 200


def test_a_client_sees_and_cancels_only_what_its_own_key_booked(
    api: Api, shop_database: str
) -> None:
    event_id, user_id = api.add_event(10), api.add_user()
    booking_id = api.book(event_id, user_id).json()["booking_id"]
    with api.with_key(new_keys(shop_database)["client"]) as other:
        for answer in (
            other.get(f"/v1/bookings/{booking_id}"),
            other.post(f"/v1/bookings/{booking_id}/cancel"),
        ):
            assert (answer.status_code, answer.json()["code"]) == (404, "booking-not-found")
        assert other.get(f"/v1/users/{user_id}/bookings").json()["items"] == []
        own = other.post("/v1/bookings", json={"event_id": event_id, "user_id": user_id}).json()
        assert other.get(f"/v1/users/{user_id}/bookings").json()["items"] == [own]
    assert api.availability(event_id)["booked"] == 2

    for role in ("organizer", "auditor", "admin"):
        sender = getattr(api, role)
        assert sender.get(f"/v1/bookings/{booking_id}").status_code == 200
        assert len(sender.get(f"/v1/users/{user_id}/bookings").json()["items"]) == 2
    assert api.organizer.post(f"/v1/bookings/{booking_id}/cancel").status_code == 200
