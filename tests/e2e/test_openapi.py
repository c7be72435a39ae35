"""The OpenAPI page is valid, complete, and every problem that it names has a page of its own."""

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from documented import Documented
from jsonschema import ValidationError
from openapi_spec_validator import validate
from served import Api

from api.problems import KINDS


@pytest.fixture(scope="module")
def page(api: Api) -> dict[str, Any]:
    answer: dict[str, Any] = api.nobody.get("/openapi.json").json()
    return answer


@pytest.fixture(scope="module")
def documented(api: Api) -> Documented:
    return Documented.of(api.url)


CALLS_OF_THE_CONTRACT = {
    ("post", "/v1/venues"),
    ("post", "/v1/events"),
    ("get", "/v1/events"),
    ("get", "/v1/events/{event_id}"),
    ("patch", "/v1/events/{event_id}"),
    ("post", "/v1/users"),
    ("post", "/v1/users/import"),
    ("get", "/v1/users"),
    ("post", "/v1/bookings"),
    ("get", "/v1/bookings/{booking_id}"),
    ("get", "/v1/users/{user_id}/bookings"),
    ("post", "/v1/bookings/{booking_id}/cancel"),
    ("get", "/v1/events/{event_id}/availability"),
    ("get", "/healthz"),
    ("get", "/readyz"),
    ("get", "/metrics"),
}


def test_the_page_is_valid_openapi(page: dict[str, Any]) -> None:
    validate(page)


def test_the_page_has_every_call_of_the_contract(page: dict[str, Any]) -> None:
    calls = {(method, path) for path, methods in page["paths"].items() for method in methods}
    assert calls >= CALLS_OF_THE_CONTRACT


def test_every_call_says_what_it_does_and_every_failure_is_a_problem(page: dict[str, Any]) -> None:
    for path, methods in page["paths"].items():
        for method, operation in methods.items():
            where = f"{method} {path}"
            assert operation["description"], where
            assert operation["operationId"].isidentifier(), where
            for status, response in operation["responses"].items():
                if int(status) >= 400:
                    assert response["content"].keys() == {"application/problem+json"}, where
                    content = response["content"]["application/problem+json"]
                    assert content["schema"]["$ref"].endswith("/ProblemDocument")
                    for code, example in content["examples"].items():
                        assert KINDS[code].status == int(status) == example["value"]["status"]


def links(page: dict[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Every link, with the answer that it begins at."""
    for methods in page["paths"].values():
        for operation in methods.values():
            for response in operation["responses"].values():
                for link in response.get("links", {}).values():
                    yield response, link


def test_every_link_leads_from_a_field_of_an_answer_to_a_call_that_takes_it(
    page: dict[str, Any], documented: Documented
) -> None:
    calls = {
        operation["operationId"]: operation
        for methods in page["paths"].values()
        for operation in methods.values()
    }
    reached = set()
    for response, link in links(page):
        call = calls[link["operationId"]]
        reached.add(link["operationId"])
        in_path = {each["name"] for each in call.get("parameters", ()) if each["in"] == "path"}
        assert link.get("parameters", {}).keys() == in_path
        for expression in (link.get("parameters", {}) | link.get("requestBody", {})).values():
            assert documented.has_field(response, expression.removeprefix("$response.body#/"))
    by_id = {name for name, call in calls.items() if "_id}" in str(call.get("parameters"))}
    assert reached >= {
        *("schedule_event", "book_seats", "book_cart", "hold_seats", "join_waiting_list"),
        *("check_in", "annul_check_in"),
        *by_id,
    }


BOTH = {"quantity": 1, "tickets": [1]}
ID = "00000000-0000-7000-8000-000000000000"


@pytest.mark.parametrize(
    ("schema", "body"),
    [
        ("BookingIn", {"event_id": ID, "user_id": ID, "seats": ["A", "A"]}),
        ("BookingIn", {"event_id": ID, "user_id": ID, "seats": ["A\0"]}),
        ("VenueIn", {"name": "a\0b", "capacity": 1}),
        ("CancelIn", BOTH),
    ],
)
def test_what_a_call_refuses_is_no_valid_body_by_the_page(
    documented: Documented, schema: str, body: dict[str, Any]
) -> None:
    with pytest.raises(ValidationError):
        documented.validate(f"#/components/schemas/{schema}", body)


@pytest.mark.parametrize("body", [{}, {"quantity": 1}, {"tickets": [1]}, BOTH | {"quantity": None}])
def test_a_cancellation_that_is_taken_is_valid_by_the_page(
    documented: Documented, body: dict[str, Any]
) -> None:
    documented.validate("#/components/schemas/CancelIn", body)


def test_the_page_says_what_a_cursor_and_an_idempotency_key_look_like(page: dict[str, Any]) -> None:
    patterns = {
        parameter["name"]: next(s["pattern"] for s in parameter["schema"]["anyOf"] if len(s) > 1)
        for methods in page["paths"].values()
        for operation in methods.values()
        for parameter in operation.get("parameters", ())
        if parameter["name"] in {"cursor", "Idempotency-Key"}
    }
    assert re.search(patterns["cursor"], "AAAAAAAAAAAAAAAAAAAAAA")
    assert not re.search(patterns["cursor"], "AAAAAAAAAAAAAAAAAAAAAB"), "another way to write it"
    assert not re.search(patterns["Idempotency-Key"], "a b")


def test_the_page_describes_an_event_of_the_live_feed(api: Api, documented: Documented) -> None:
    event_id = api.add_event()
    # Not with the clients of `api`, which read an answer to its end.
    url = f"{api.url}/v1/events/{event_id}/live"
    with httpx.stream("GET", url, trust_env=False) as answer:
        lines = iter(answer.iter_lines())
        told = dict(line.split(": ", 1) for line in (next(lines) for _ in range(4)) if line)
    call = documented.page["paths"]["/v1/events/{event_id}/live"]["get"]
    schema = call["responses"]["200"]["content"]["text/event-stream"]["schema"]
    documented.validate_with(schema, {name: told[name] for name in ("id", "data")})
    content = schema["properties"]["data"]["contentSchema"]
    documented.validate(content["$ref"], json.loads(told["data"]))


@pytest.mark.parametrize("code", KINDS)
def test_every_problem_has_a_page(api: Api, code: str) -> None:
    answer = api.nobody.get(f"/problems/{code}")
    assert answer.status_code == 200
    kind = KINDS[code]
    assert answer.json() == {
        "code": code,
        "status": kind.status,
        "title": kind.title,
        "remedy": kind.remedy,
    }


def test_a_problem_that_there_is_not_has_none(api: Api) -> None:
    answer = api.nobody.get("/problems/nothing")
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


def test_the_type_of_a_problem_leads_to_its_page(api: Api) -> None:
    problem = api.nobody.get("/v1/users").json()
    page = api.nobody.get(problem["type"])
    assert page.json()["code"] == problem["code"]


def test_the_page_for_people_is_there(api: Api) -> None:
    docs = api.nobody.get("/docs")
    assert docs.status_code == 200
    assert "/openapi.json" in docs.text
