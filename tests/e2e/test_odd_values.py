"""Every value of every body, replaced by each odd one in turn: refused, or understood; never a 500.

Whatever is understood may be written; the ledger holds all the same.
"""

import copy
import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from served import Api, violations

ODD: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    1.5,
    2**31,
    2**53 + 1,
    10**30,
    "",
    "\0",
    "\ud800",
    "\u2028",
    "😀" * 100,
    "x" * 10_000,
    "1",
    "A-1-1",
    "2030-01-01T00:00:00Z",
    str(uuid4()),
    [],
    [None],
    ["x", "x"],
    [[]],
    {},
    {"name": "x"},
)

EVENT = {
    "name": "Show",
    "starts_at": "2030-01-01T20:00:00Z",
    "capacity": 10,
    "sales_open_at": "2020-01-01T00:00:00Z",
    "sales_close_at": "2029-12-31T00:00:00Z",
    "limit_per_user": 8,
    "limit_per_order": 6,
    "hold_seconds": 60,
    "categories": [
        {"name": "seated", "price_cents": 4_000},
        {"name": "standing", "price_cents": 2_500, "capacity": 4},
    ],
    "quotas": [{"name": "all", "capacity": 9, "categories": ["seated", "standing"]}],
    "seats": [{"section": "A", "row": "1", "category": "seated", "seats": 6}],
}


def odd_versions(body: Any) -> Iterator[Any]:
    """``body`` with each of its values in turn replaced by each odd one, or left out."""
    for path in paths(body):
        *way, last = path
        for value in ODD:
            changed = copy.deepcopy(body)
            at(changed, way)[last] = value
            yield changed
        without = copy.deepcopy(body)
        del at(without, way)[last]
        yield without


def paths(body: Any) -> Iterator[list[Any]]:
    keys = body.keys() if isinstance(body, dict) else range(len(body))
    for key in keys:
        yield [key]
        if isinstance(body[key], dict | list):
            yield from ([key, *rest] for rest in paths(body[key]))


def at(body: Any, way: list[Any]) -> Any:
    for key in way:
        body = body[key]
    return body


@pytest.fixture(scope="module")
def target(api: Api) -> dict[str, str]:
    """Ids to fill bodies and paths with."""
    event = api.organizer.post("/v1/events", json={"venue_id": api.add_venue(100), **EVENT})
    assert event.status_code == 201, event.text
    seated = event.json()["event_id"]
    plain, user_id = api.add_event(1_000_000), api.add_user()
    return {
        "seated": seated,
        "event_id": plain,
        "user_id": user_id,
        "venue_id": api.add_venue(100),
        "booking_id": api.book(plain, user_id, 10_000).json()["booking_id"],
    }


BODIES: dict[str, tuple[str, dict[str, Any]]] = {
    "a venue": ("POST /v1/venues", {"name": "Hall", "capacity": 10}),
    "a user": ("POST /v1/users", {"name": "Ada", "email": "ada@example.org"}),
    "an event": ("POST /v1/events", {"venue_id": "<venue_id>", **EVENT}),
    "a change": ("PATCH /v1/events/<event_id>", {"capacity": 1_000_000}),
    "a booking": (
        "POST /v1/bookings",
        {"event_id": "<event_id>", "user_id": "<user_id>", "quantity": 1},
    ),
    "a booking of seats": (
        "POST /v1/bookings",
        {
            "event_id": "<seated>",
            "user_id": "<user_id>",
            "seats": ["A-1-1", "A-1-2"],
            "category": "seated",
            "quantity": 2,
        },
    ),
    "a hold": (
        "POST /v1/holds",
        {"event_id": "<seated>", "user_id": "<user_id>", "category": "standing", "quantity": 1},
    ),
    "a cart": (
        "POST /v1/carts",
        {
            "user_id": "<user_id>",
            "items": [
                {"event_id": "<event_id>", "quantity": 1},
                {"event_id": "<seated>", "category": "standing", "quantity": 1},
            ],
        },
    ),
    "a cancellation": ("POST /v1/bookings/<booking_id>/cancel", {"quantity": 1}),
    "a cancellation of some": ("POST /v1/bookings/<booking_id>/cancel", {"tickets": [1, 2]}),
    "a transfer": ("POST /v1/bookings/<booking_id>/transfer", {"to_user_id": "<user_id>"}),
    "a place in line": (
        "POST /v1/events/<event_id>/waiting-list",
        {"user_id": "<user_id>", "quantity": 1, "category": "standing"},
    ),
    "a check-in": ("POST /v1/check-ins", {"code": "FT1.x"}),
}


def filled(value: Any, target: dict[str, str]) -> Any:
    """``value`` with the ids of ``target`` where it names them."""
    match value:
        case str():
            for name, found in target.items():
                value = value.replace(f"<{name}>", found)
            return value
        case list():
            return [filled(each, target) for each in value]
        case dict():
            return {key: filled(each, target) for key, each in value.items()}
        case _:
            return value


@pytest.mark.parametrize(("call", "body"), BODIES.values(), ids=BODIES)
def test_an_odd_value_is_refused_or_understood(
    api: Api,
    target: dict[str, str],
    shop_database: str,
    shop_redis: str,
    call: str,
    body: dict[str, Any],
) -> None:
    method, path = filled(call, target).split()
    for odd in odd_versions(filled(body, target)):
        answer = api.admin.request(method, path, content=json_bytes(odd))
        assert answer.status_code < 500, f"{odd}: {answer.text}"
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == "application/problem+json"
    assert violations(shop_database, shop_redis) == []


def json_bytes(value: Any) -> bytes:
    """``value`` as ASCII, so that what UTF-8 can't carry arrives escaped."""
    return json.dumps(value, ensure_ascii=True).encode()
