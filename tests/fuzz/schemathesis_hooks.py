"""What the OpenAPI page says in words and JSON Schema has no words for, told to schemathesis.

schemathesis loads this by itself. Each rule keeps a *valid* request valid; requests that are meant
to be wrong stay as wrong as they were made.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import schemathesis
from hypothesis import strategies

_FIRST_DAY = datetime(1970, 1, 2, tzinfo=UTC)
_SECONDS = int(timedelta(days=229 * 365).total_seconds())

# "RFC 3339 with offset, from 1970 to 2199."
schemathesis.openapi.format(
    "date-time",
    strategies.integers(0, _SECONDS).map(lambda n: (_FIRST_DAY + timedelta(seconds=n)).isoformat()),
)


@schemathesis.serializer("application/x-ndjson")
def serialize_lines(_: schemathesis.SerializationContext, value: Any) -> bytes:
    return str(value).encode("utf-8", "replace")


@schemathesis.hook
def before_call(
    context: schemathesis.HookContext, case: schemathesis.Case[Any], kwargs: dict[str, Any]
) -> None:
    """Make a valid request as clients are told to."""
    del context, kwargs
    if case.meta is None or case.meta.generation.mode.is_negative:
        return
    if "Idempotency-Key" in case.headers:
        case.headers["Idempotency-Key"] = str(uuid4())  # "new for each booking"
    moments = [name for name in ("at", "at_version", "at_seq") if name in case.query]
    for name in moments[1:]:
        del case.query[name]  # "Ask for one moment."
    if isinstance(case.body, dict | str):
        correct = _CORRECTIONS.get(case.operation.definition.raw["operationId"], _as_it_is)
        case.body = correct(_without_floats(case.body))


def _without_floats(value: Any) -> Any:
    """JSON Schema takes 1.0 for an integer; we do not, since it was computed with floats."""
    match value:
        case float() if value.is_integer():
            return int(value)
        case list():
            return [_without_floats(each) for each in value]
        case dict():
            return {name: _without_floats(each) for name, each in value.items()}
        case _:
            return value


def _as_it_is(body: Any) -> Any:
    return body


def _order(body: dict[str, Any]) -> dict[str, Any]:
    """ "With seats, their number." """
    if body.get("seats") is not None:
        body.pop("quantity", None)
    return body


def _cart(body: dict[str, Any]) -> dict[str, Any]:
    """An event is in a cart once."""
    return body | {"items": [_order(each) for each in _unique(body["items"], "event_id")]}


def _event(body: dict[str, Any]) -> dict[str, Any]:
    """Sales close after they open; names are unique, and what is named is there."""
    if body.get("sales_open_at") and body.get("sales_close_at"):
        del body["sales_close_at"]
    categories = body["categories"] = _unique(body.get("categories", []), "name")
    quotas = body["quotas"] = _unique(body.get("quotas", []), "name")
    names = [each["name"] for each in categories]
    for quota in quotas:
        quota["categories"] = names[:1]
    if not names:
        body["quotas"] = []
    rows = []
    for number, row in enumerate(body.get("seats", [])):
        if isinstance(row, dict):
            labels = row["seats"] if isinstance(row["seats"], int) else sorted(set(row["seats"]))
            row |= {"row": str(number), "seats": labels, "category": names[0] if names else None}
        rows.append(row)
    if rows and isinstance(rows[0], str):
        rows = [] if names else sorted(set(rows))
    body["seats"] = rows
    body.pop("capacity", None)  # "The number of seats if all have one, else the venue's."
    return body


def _key(body: dict[str, Any]) -> dict[str, Any]:
    """A rate is written as its description says; only a client's key is of one user."""
    return {"role": body["role"], "name": body.get("name", ""), "rate": "600/m"}


def _replay(body: dict[str, Any]) -> dict[str, Any]:
    """ "Either of them." """
    return {"seq": body.get("seq") or 0}


def _unique(items: list[dict[str, Any]], key: str) -> list[dict[str, Any]]:
    return list({each[key]: each for each in items}.values())


def _lines(body: Any) -> str:
    """ "One user a line, as for POST /v1/users." """
    return json.dumps({"name": str(body)[:200].replace("\0", "") or "x", "email": "a@b"})


def _webhook(body: dict[str, Any]) -> dict[str, Any]:
    """The URL is one of the public internet; nothing is sent there in this test."""
    return body | {"url": "https://example.org/", "event_id": None}


def _replay(body: dict[str, Any]) -> dict[str, Any]:
    """ "Either of them." """
    return {"from_seq": body["from_seq"]} if body.get("from_seq") is not None else {"seq": 0}


_CORRECTIONS: dict[str, Callable[[Any], Any]] = {
    "book_seats": _order,
    "hold_seats": _order,
    "book_cart": _cart,
    "schedule_event": _event,
    "import_users": _lines,
    "create_key": _key,
    "replay_webhook": _replay,
    "register_webhook": _webhook,
}
