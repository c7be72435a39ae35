"""The OpenAPI page has an example of what every call is sent and answers, and of every problem."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

import api.examples
from api.app import create_app
from api.examples.problems import PROBLEMS
from api.problems import KINDS, MEDIA_TYPE
from api.settings import Settings

FOLDER: Final = Path(api.examples.__file__).parent
OF_NO_CALL: Final = {
    "malformed-http",
    "method-not-allowed",
    "request-head-too-large",
    "request-timeout",
}
"""Problems of a request that no call was found for, or that never came to one."""


def the_page() -> dict[str, Any]:
    """As it is served; no database is needed for that."""
    app = create_app(Settings(database_url="postgresql://nowhere/none"))

    async def ask() -> Any:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return (await client.get("/openapi.json")).json()

    page: dict[str, Any] = asyncio.run(ask())
    return page


PAGE: Final = the_page()
REGISTRY: Final[Registry[Any]] = Registry().with_resource("page", DRAFT202012.create_resource(PAGE))
OPERATIONS: Final = {
    operation["operationId"]: operation
    for operations in (*PAGE["paths"].values(), *PAGE["webhooks"].values())
    for operation in operations.values()
}


def fits(value: Any, schema: dict[str, Any]) -> None:
    """ValidationError unless ``value`` is as ``schema``, of the page, has it."""
    Draft202012Validator(
        _pointed(schema),
        registry=REGISTRY,
        format_checker=Draft202012Validator.FORMAT_CHECKER,
    ).validate(value)


def _pointed(schema: Any) -> Any:
    """``schema`` with its references into the page made whole."""
    if isinstance(schema, dict):
        return {
            name: "page" + part if name == "$ref" else _pointed(part)
            for name, part in schema.items()
        }
    return [_pointed(part) for part in schema] if isinstance(schema, list) else schema


def examples_in(content: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Each example among media types, with the media type; JSON is held against its schema."""
    for media_type, described in content.items():
        values = [each["value"] for each in described.get("examples", {}).values()]
        values += [described["example"]] if "example" in described else []
        for value in values:
            if media_type.endswith("json") and media_type != "application/x-ndjson":
                fits(value, described["schema"])
            else:
                assert isinstance(value, str)
                assert value
            yield media_type, value


@pytest.mark.parametrize("call", OPERATIONS)
def test_a_call_has_an_example_of_what_it_is_sent(call: str) -> None:
    content = OPERATIONS[call].get("requestBody", {}).get("content", {})
    assert {media_type for media_type, _ in examples_in(content)} == content.keys()


@pytest.mark.parametrize("call", OPERATIONS)
def test_a_call_has_an_example_of_its_good_answers(call: str) -> None:
    good = {k: v for k, v in OPERATIONS[call]["responses"].items() if k.startswith("2")}
    assert good
    for status, response in good.items():
        content = response.get("content", {})
        assert bool(list(examples_in(content))) == bool(content), status


@pytest.mark.parametrize("call", OPERATIONS)
def test_a_call_has_an_example_of_each_of_its_problems(call: str) -> None:
    for status, response in OPERATIONS[call]["responses"].items():
        if status.isdigit() and int(status) >= 400:
            found = list(examples_in(response["content"]))
            assert found, status
            for media_type, value in found:
                assert media_type == MEDIA_TYPE
                assert value["status"] == int(status)


@pytest.mark.parametrize("code", KINDS)
def test_a_problem_has_an_example(code: str) -> None:
    value = PAGE["components"]["examples"][code]["value"]
    fits(value, {"$ref": "#/components/schemas/ProblemDocument"})
    assert (value["code"], value["status"]) == (code, KINDS[code].status)
    assert value["title"] == KINDS[code].title
    assert value["detail"] not in {KINDS[code].title, ""}


def test_every_problem_is_that_of_some_call() -> None:
    told = {
        value["code"]
        for operation in OPERATIONS.values()
        for status, response in operation["responses"].items()
        if status.isdigit() and int(status) >= 400
        for _, value in examples_in(response["content"])
    }
    assert told == KINDS.keys() - OF_NO_CALL


def test_no_example_is_left_over() -> None:
    assert {path.stem for path in FOLDER.glob("*.json")} <= OPERATIONS.keys()
    assert PROBLEMS.keys() == KINDS.keys()


def test_no_example_has_a_key_that_opens_anything() -> None:
    keys = {
        key
        for path in FOLDER.glob("*.json")
        for key in re.findall(r"(?:ft_[a-z]+_|whsec_)([\w+/-]+)", path.read_text())
    }
    assert keys == {"A" * 43}
