"""Links of the OpenAPI page: where what one answer holds can go next (OpenAPI 3.1, Link Object).

An id in an answer leads to every call whose path takes that id. Which ids go into bodies is listed.
"""

from collections.abc import Iterator
from typing import Any, Final

_CALLS_WITH: Final[dict[str, tuple[str, ...]]] = {
    "venue_id": ("schedule_event",),
    "event_id": ("book_seats", "hold_seats"),
    "user_id": ("book_cart", "book_seats", "hold_seats", "join_waiting_list"),
    "code": ("check_in", "annul_check_in"),
}
"""Calls whose bodies take a field of an answer under the same name."""

_REFERENCE: Final = "#/components/schemas/"


def with_links(page: dict[str, Any]) -> dict[str, Any]:
    """``page``, every good answer of which names the calls that its ids can be used in."""
    calls = list(_calls(page))
    for call in calls:
        for status, response in call["responses"].items():
            if status in {"200", "201"}:
                links = dict(_links(page, response, calls))
                if links:
                    response["links"] = links
    return page


def _calls(page: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for operations in page["paths"].values():
        yield from operations.values()


def _links(
    page: dict[str, Any], response: dict[str, Any], calls: list[dict[str, Any]]
) -> Iterator[tuple[str, dict[str, Any]]]:
    ids = dict(_ids(page, response))
    for call in calls:
        name = call["operationId"]
        in_path = [each["name"] for each in call.get("parameters", ()) if each["in"] == "path"]
        in_body = [each for each, takers in _CALLS_WITH.items() if name in takers and each in ids]
        if ids.keys() >= set(in_path) and (in_path or in_body):
            link: dict[str, Any] = {"operationId": name}
            if in_path:
                link["parameters"] = {each: ids[each] for each in in_path}
            if in_body:
                link["requestBody"] = {each: ids[each] for each in in_body}
            yield name, link


def _ids(page: dict[str, Any], response: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The fields of an answer, or of the first item on its page, and the expressions for them."""
    schema = response.get("content", {}).get("application/json", {}).get("schema", {})
    for name, field in _properties(page, schema).items():
        yield name, f"$response.body#/{name}"
        if field.get("type") == "array":
            for inner in _properties(page, field["items"]):
                yield inner, f"$response.body#/{name}/0/{inner}"


def _properties(page: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in schema:
        schema = page["components"]["schemas"][schema["$ref"].removeprefix(_REFERENCE)]
    found: dict[str, Any] = schema.get("properties", {})
    return found
