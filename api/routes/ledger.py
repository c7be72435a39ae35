"""The ledger for auditors: its entries in order, as pages of JSON or as one stream of NDJSON."""

import base64
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse

from api import bodies
from api.access import allowed
from api.documents import problems
from api.keys import Principal
from api.ndjson import NDJSON
from api.paging import LIMIT_MAX
from api.problems import Problem
from api.services import Services, services_of
from api.times import rfc3339
from ledger.values import EventId, Instant
from projections.ledger_pages import BEFORE_FIRST_SEQ, BEFORE_FIRST_VERSION, StoredEntry

router = APIRouter(prefix="/v1/ledger", tags=["ledger"])

_PAGE_ENTRIES: Final = 100
_BIGINT_MAX: Final = 2**63 - 1
_JSON_OR_NDJSON: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "A page, or with `Accept: application/x-ndjson` all entries, one a line",
        "content": {NDJSON: {"schema": {"type": "string"}}},
    }
}

Limit = Annotated[
    int | None,
    Query(
        ge=1,
        description=f"Entries to answer: of a page {_PAGE_ENTRIES} where not given and "
        f"{LIMIT_MAX} at most; of a stream all.",
    ),
]


@router.get(
    "",
    response_model=bodies.LedgerPage,
    responses=_JSON_OR_NDJSON | problems(call="read_ledger"),
)
async def read_ledger(
    request: Request,
    after: Annotated[
        int,
        Query(
            ge=BEFORE_FIRST_SEQ, le=_BIGINT_MAX, description="Begin after the entry of this `seq`."
        ),
    ] = BEFORE_FIRST_SEQ,
    limit: Limit = None,
    _: Principal = Depends(allowed("read_ledger")),
    services: Services = Depends(services_of),
) -> Response:
    """All entries in the order of `seq`, which has no gaps and never changes."""
    ledger = services.ledger_pages
    if _wants_ndjson(request):
        return _stream(ledger.pages(after, limit))
    entries = await ledger.page(after, _size(limit))
    return _page(entries, entries[-1].seq if entries else None)


@router.get(
    "/streams/{event_id}",
    response_model=bodies.LedgerPage,
    responses=_JSON_OR_NDJSON | problems("event-not-found", call="read_ledger_of_event"),
)
async def read_ledger_of_event(
    request: Request,
    event_id: UUID,
    after: Annotated[
        int,
        Query(
            ge=BEFORE_FIRST_VERSION,
            le=_BIGINT_MAX,
            description="Begin after the entry of this `version`.",
        ),
    ] = BEFORE_FIRST_VERSION,
    limit: Limit = None,
    _: Principal = Depends(allowed("read_ledger_of_event")),
    services: Services = Depends(services_of),
) -> Response:
    """The entries of one event in the order of `version`; the newest may have no `seq` yet."""
    if await services.queries.event(EventId(event_id)) is None:
        raise Problem("event-not-found", f"There is no event {event_id}.")
    ledger = services.ledger_pages
    if _wants_ndjson(request):
        return _stream(ledger.stream_pages(event_id, after, limit))
    entries = await ledger.stream_page(event_id, after, _size(limit))
    return _page(entries, entries[-1].version if entries else None)


def _wants_ndjson(request: Request) -> bool:
    return NDJSON in request.headers.get("accept", "")


def _size(limit: int | None) -> int:
    return _PAGE_ENTRIES if limit is None else min(limit, LIMIT_MAX)


def _page(entries: list[StoredEntry], last: int | None) -> Response:
    page = {"items": [orjson.Fragment(_entry_json(each)) for each in entries], "next_after": last}
    return Response(orjson.dumps(page), media_type="application/json")


def _stream(pages: AsyncIterator[list[StoredEntry]]) -> Response:
    # Each part is sent before the next page is read, so a slow reader slows this and no more.
    async def parts() -> AsyncIterator[bytes]:
        async for page in pages:
            yield b"".join(_entry_json(entry) + b"\n" for entry in page)

    return StreamingResponse(parts(), media_type=NDJSON)


def _entry_json(entry: StoredEntry) -> bytes:
    key, request_hash = entry.idempotency_key, entry.request_hash
    return orjson.dumps(
        {
            "seq": entry.seq,
            "event_id": entry.stream_id,
            "version": entry.version,
            "type": entry.type_name,
            "schema_version": entry.schema_version,
            "recorded_at": _time(entry.recorded_at),
            "recorded_at_us": entry.recorded_at,
            "actor": entry.actor,
            "idempotency_key": None if key is None else key.hex(),
            "request_hash": None if request_hash is None else request_hash.hex(),
            "prev_hash": entry.prev_hash.hex(),
            "hash": entry.hash.hex(),
            **_payload(entry.payload),
        }
    )


def _time(recorded_at: Instant) -> str | None:
    try:
        return rfc3339(recorded_at)
    except OverflowError:
        return None


def _payload(payload: bytes) -> dict[str, Any]:
    """The payload as it is stored, or its bytes if somebody made something else of it."""
    try:
        orjson.loads(payload)
    except orjson.JSONDecodeError:
        return {"payload": None, "payload_base64": base64.b64encode(payload).decode()}
    return {"payload": orjson.Fragment(payload)}
