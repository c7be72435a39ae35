"""The bodies of what organizers are told of their events, and of the people who come to them."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

_EVENT_ID = UUID("019e2a3c-7d10-7b02-8f6e-2f1d3c5b7a90")
_BOOKING_ID = UUID("019e2a3c-9f44-7c11-9a70-6b8d1e2f3a41")
_USER_ID = UUID("019e2a3b-1c00-7a50-b3c4-0d9e8f7a6b5c")
_TIME = "2026-12-31T19:00:12.345678Z"
_SOLD = {"booked": 3, "cancelled": 1, "booked_cents": 12_000, "cancelled_cents": 4_000}


class _Out(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Counted(_Out):
    """Figures, with how far they are counted."""

    version: int = Field(description="The last entry of the event that is counted.")
    as_of: datetime = Field(description="A time at which this was true: now, if nothing followed.")


class Tickets(_Out):
    """Tickets booked and cancelled, and their prices."""

    booked: int
    cancelled: int
    booked_cents: int
    cancelled_cents: int


class CategoryTickets(Tickets):
    category: str | None


class SalesMinute(Tickets):
    minute: datetime = Field(description="When it begins.")
    categories: list[CategoryTickets]


class Sales(_Counted):
    event_id: UUID
    items: list[SalesMinute]
    next_after: datetime | None = Field(
        description="Give it as `after` for the minutes that follow; null when there are none."
    )
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "event_id": str(_EVENT_ID),
                    "items": [
                        {
                            "minute": "2026-12-31T19:00:00Z",
                            **_SOLD,
                            "categories": [{"category": "standing", **_SOLD}],
                        }
                    ],
                    "next_after": None,
                    "version": 5,
                    "as_of": _TIME,
                }
            ]
        }
    )


class Revenue(_Counted, Tickets):
    event_id: UUID
    revenue_cents: int = Field(description="booked_cents - cancelled_cents")
    items: list[CategoryTickets]
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "event_id": str(_EVENT_ID),
                    "revenue_cents": 8_000,
                    **_SOLD,
                    "items": [{"category": "standing", **_SOLD}],
                    "version": 5,
                    "as_of": _TIME,
                }
            ]
        }
    )


class SectionPlaces(_Out):
    section: str = Field(description="Empty for places outside of any section.")
    seats: int = Field(description="Labelled seats; an event may sell places by number besides.")
    booked: int
    held: int


class SectionOccupancy(_Counted):
    event_id: UUID
    capacity: int
    booked: int
    held: int
    items: list[SectionPlaces]
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "event_id": str(_EVENT_ID),
                    "capacity": 500,
                    "booked": 120,
                    "held": 4,
                    "items": [
                        {"section": "", "seats": 0, "booked": 20, "held": 0},
                        {"section": "A", "seats": 300, "booked": 100, "held": 4},
                    ],
                    "version": 131,
                    "as_of": _TIME,
                }
            ]
        }
    )


class CategoryLine(_Out):
    category: str | None
    waiting: int = Field(description="People in line.")
    places: int = Field(description="How many places they wait for.")


class Line(_Counted):
    event_id: UUID
    waiting: int
    places: int
    items: list[CategoryLine]
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "event_id": str(_EVENT_ID),
                    "waiting": 2,
                    "places": 5,
                    "items": [{"category": None, "waiting": 2, "places": 5}],
                    "version": 140,
                    "as_of": _TIME,
                }
            ]
        }
    )


class RefusedFor(_Out):
    reason: str = Field(description="The `code` of the problem that was answered.")
    count: int


class Refusals(_Out):
    event_id: UUID
    items: list[RefusedFor]
    version: int
    as_of: datetime = Field(description="Refusals from before this time are in it, some later too.")
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "event_id": str(_EVENT_ID),
                    "items": [{"reason": "sold-out", "count": 9_000}],
                    "version": 1_001,
                    "as_of": _TIME,
                }
            ]
        }
    )


class HistoryStep(_Out):
    seq: int
    event_id: UUID
    version: int
    at: datetime
    what: str = Field(
        description="`booked`, `cancelled`, `held`, `offered`, `confirmed`, `released`, `expired`, "
        "`joined`, `left`, `given` or `received`."
    )
    subject_id: UUID = Field(description="The booking, hold or place in line.")
    quantity: int | None = Field(description="Null for a transfer, which is of all that is left.")


class History(_Out):
    user_id: UUID
    items: list[HistoryStep]
    next_after: int | None = Field(description="Give it as `after`; null when there was no more.")
    version: int = Field(description="How many entries of all events are counted.")
    as_of: datetime = Field(description="When the last of them was recorded.")
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "user_id": str(_USER_ID),
                    "items": [
                        {
                            "seq": 1_204,
                            "event_id": str(_EVENT_ID),
                            "version": 5,
                            "at": _TIME,
                            "what": "booked",
                            "subject_id": str(_BOOKING_ID),
                            "quantity": 2,
                        }
                    ],
                    "next_after": None,
                    "version": 1_310,
                    "as_of": _TIME,
                }
            ]
        }
    )
