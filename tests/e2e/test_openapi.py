"""The OpenAPI page is valid, complete, and every problem that it names has a page of its own."""

from typing import Any

import pytest
from openapi_spec_validator import validate
from served import Api

from api.problems import KINDS


@pytest.fixture(scope="module")
def page(api: Api) -> dict[str, Any]:
    answer: dict[str, Any] = api.nobody.get("/openapi.json").json()
    return answer


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
