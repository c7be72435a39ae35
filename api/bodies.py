"""What clients send and get: one model a body, unknown fields refused."""

from datetime import UTC, datetime
from typing import Annotated, Final
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)

from ledger.values import CAPACITY_MAX, QUANTITY_MAX

_TIME_MIN: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TIME_MAX: Final = datetime(2200, 1, 1, tzinfo=UTC)


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("must not contain NUL")
    return text


def _text_only(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError("must be an RFC 3339 time with offset, as text")  # noqa: TRY004  pydantic wants ValueError
    return value


def _in_range(time: datetime) -> datetime:
    if not _TIME_MIN <= time < _TIME_MAX:
        raise ValueError("must be between the years 1970 and 2200")
    return time


Text = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_without_nul)]
Email = Annotated[
    str,
    StringConstraints(max_length=254, pattern=r"^[^@\s\x00]+@[^@\s\x00]+$"),
]
Time = Annotated[
    AwareDatetime,
    BeforeValidator(_text_only),
    AfterValidator(_in_range),
    Field(examples=["2026-12-31T20:00:00+01:00"]),
]
Capacity = Annotated[int, Field(strict=True, ge=1, le=CAPACITY_MAX)]
Quantity = Annotated[int, Field(strict=True, ge=1, le=QUANTITY_MAX)]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Out(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class VenueIn(_In):
    name: Text = Field(examples=["Waldbühne"])
    capacity: Capacity = Field(examples=[1000])


class EventIn(_In):
    venue_id: UUID
    name: Text = Field(examples=["New Year's Eve"])
    starts_at: Time
    capacity: Capacity | None = Field(default=None, description="The venue's where not given.")
    sales_open_at: Time | None = None
    sales_close_at: Time | None = None
    limit_per_user: Quantity | None = None


class EventPatch(_In):
    capacity: Annotated[int, Field(strict=True, ge=0, le=CAPACITY_MAX)]


class UserIn(_In):
    name: Text = Field(examples=["Ada Lovelace"])
    email: Email = Field(examples=["ada@example.org"])


class BookingIn(_In):
    event_id: UUID
    user_id: UUID
    quantity: Quantity = 1


class EntryRef(_Out):
    """Where in the event's stream an entry stands, and its hash, hexadecimal."""

    version: int
    hash: str


class Venue(_Out):
    venue_id: UUID
    name: str
    capacity: int
    created_at: datetime


class Event(_Out):
    event_id: UUID
    venue_id: UUID
    name: str
    starts_at: datetime
    capacity: int
    sales_open_at: datetime | None
    sales_close_at: datetime | None
    limit_per_user: int | None
    booked: int
    held: int
    available: int
    version: int
    as_of: datetime


class User(_Out):
    user_id: UUID
    name: str
    email: str
    created_at: datetime


class Imported(_Out):
    imported: int
    first_user_id: UUID | None
    last_user_id: UUID | None


class Booking(_Out):
    booking_id: UUID
    event_id: UUID
    user_id: UUID
    quantity: int
    seats: list[str]
    status: str
    booked_at: datetime
    cancelled_at: datetime | None
    entry: EntryRef
    cancellation: EntryRef | None


class Availability(_Out):
    event_id: UUID
    capacity: int
    booked: int
    held: int
    available: int
    version: int
    as_of: datetime


class Page(_Out):
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page.")


class VenuePage(Page):
    items: list[Venue]


class EventPage(Page):
    items: list[Event]


class UserPage(Page):
    items: list[User]


class BookingPage(Page):
    items: list[Booking]


class ProblemDocument(BaseModel):
    """RFC 9457."""

    type: str = Field(examples=["/problems/sold-out"])
    title: str
    status: int
    detail: str
    code: str = Field(examples=["sold-out"])
    model_config = ConfigDict(extra="allow")
