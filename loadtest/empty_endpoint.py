"""What the web layer alone can do: the ceilings that a booking is measured against.

`app` is FastAPI that parses the body of a booking and answers one of the same size. `bare` is ASGI
with nothing in it: it reads the body and sends bytes made beforehand. Neither stores anything.
"""

import json
from typing import TYPE_CHECKING, Any
from uuid import UUID

from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

SOLD_OUT_EVENT = UUID(int=0)
"""The event that both endpoints call sold out."""

SOLD_OUT_MARK = str(SOLD_OUT_EVENT).encode()

BOOKING_ID = UUID(int=1)
HASH = "0" * 64
AVAILABILITY = {
    "capacity": 1_000_000,
    "booked": 0,
    "held": 0,
    "available": 1_000_000,
    "version": 1,
    "as_of": "2026-01-01T00:00:00Z",
}
SOLD_OUT = {
    "type": "about:blank",
    "title": "Sold out",
    "status": 409,
    "detail": "Not enough tickets are left.",
    "code": "sold-out",
}


class BookingBody(BaseModel):
    """The body of POST /v1/bookings."""

    model_config = ConfigDict(extra="forbid")

    event_id: UUID
    user_id: UUID
    quantity: int = Field(default=1, ge=1, le=1000)


class Entry(BaseModel):
    """Where a booking stands in the ledger."""

    version: int
    hash: str


class Booking(BaseModel):
    """The answer to an accepted booking."""

    booking_id: UUID
    event_id: UUID
    user_id: UUID
    quantity: int
    seats: list[str]
    status: str
    entry: Entry


app = FastAPI(title="Empty endpoint")


@app.post("/v1/bookings", status_code=201, response_model=Booking)
async def book(body: BookingBody) -> Booking | Response:
    """Answer as a booking would, at once."""
    if body.event_id == SOLD_OUT_EVENT:
        return JSONResponse(SOLD_OUT, 409, media_type="application/problem+json")
    return Booking(
        booking_id=BOOKING_ID,
        event_id=body.event_id,
        user_id=body.user_id,
        quantity=body.quantity,
        seats=[],
        status="booked",
        entry=Entry(version=1, hash=HASH),
    )


@app.get("/v1/events/{event_id}/availability")
async def availability(event_id: UUID) -> dict[str, Any]:
    """Answer as a read of the availability would, at once."""
    return AVAILABILITY | {"event_id": event_id}


def _bare_answer(status: int, body: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    content = json.dumps(body).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(content))]
    return (
        {"type": "http.response.start", "status": status, "headers": headers},
        {"type": "http.response.body", "body": content},
    )


BARE_BOOKED = _bare_answer(
    201,
    {
        "booking_id": str(BOOKING_ID),
        "event_id": str(BOOKING_ID),
        "user_id": str(BOOKING_ID),
        "quantity": 1,
        "seats": [],
        "status": "booked",
        "entry": {"version": 1, "hash": HASH},
    },
)
BARE_SOLD_OUT = _bare_answer(409, SOLD_OUT)
BARE_AVAILABILITY = _bare_answer(200, AVAILABILITY)


async def bare(
    scope: "MutableMapping[str, Any]",
    receive: "Callable[[], Awaitable[MutableMapping[str, Any]]]",
    send: "Callable[[MutableMapping[str, Any]], Awaitable[None]]",
) -> None:
    """Answer every POST as booked, one that names the sold-out event as that, a GET as a read."""
    if scope["type"] != "http":
        return
    if scope["method"] == "GET":
        start, content = BARE_AVAILABILITY
    else:
        message = await receive()
        start, content = BARE_SOLD_OUT if SOLD_OUT_MARK in message["body"] else BARE_BOOKED
        while message.get("more_body"):
            message = await receive()
    await send(start)
    await send(content)
