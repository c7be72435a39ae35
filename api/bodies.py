"""What clients send and get: one model a body, unknown fields refused."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from api.rates import Rate
from api.webhooks.entry_types import ENTRY_OF_TYPE
from ledger.values import CAPACITY_MAX, HOLD_SECONDS_DEFAULT, QUANTITY_MAX

_DATE_FIRST: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]")
_TIME_MIN: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TIME_MAX: Final = datetime(2200, 1, 1, tzinfo=UTC)


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("must not contain NUL")
    return text


def _text_only(value: object) -> object:
    # A number in quotes is no time either: pydantic would take it for seconds since 1970.
    if not isinstance(value, str) or not _DATE_FIRST.match(value):
        raise ValueError("must be an RFC 3339 time with offset, as text")
    return value


def _rate(text: str) -> str:
    return str(Rate.parse(text))


def _in_range(time: datetime) -> datetime:
    if not _TIME_MIN <= time < _TIME_MAX:
        raise ValueError("must be between the years 1970 and 2200")
    return time


_WITHOUT_NUL: Final = (
    AfterValidator(_without_nul),
    Field(json_schema_extra={"pattern": r"^[^\x00]*$"}),
)

Text = Annotated[str, StringConstraints(min_length=1, max_length=200), *_WITHOUT_NUL]
Label = Annotated[str, StringConstraints(max_length=40), *_WITHOUT_NUL]
SeatLabel = Annotated[str, StringConstraints(min_length=1, max_length=100), *_WITHOUT_NUL]
Email = Annotated[
    str,
    StringConstraints(max_length=254, pattern=r"^[^@\s\x00]+@[^@\s\x00]+$"),
]
Time = Annotated[
    AwareDatetime,
    BeforeValidator(_text_only),
    AfterValidator(_in_range),
    Field(
        description="RFC 3339 with offset, from 1970 to 2199.",
        examples=["2026-12-31T20:00:00+01:00"],
    ),
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


class CategoryIn(_In):
    name: Text = Field(examples=["standing"])
    price_cents: Annotated[int, Field(strict=True, ge=0, le=100_000_000)] = 0
    capacity: Capacity | None = Field(
        default=None, description="Without it only quotas and the event's capacity bound it."
    )


class QuotaIn(_In):
    name: Text = Field(examples=["standing in all"])
    capacity: Capacity
    categories: list[Text] = Field(min_length=1, max_length=100)


class SeatRowIn(_In):
    """Seats side by side, labelled ``section-row-seat``; best row first."""

    section: Label = Field(default="", examples=["A"])
    row: Label = Field(default="", examples=["1"])
    category: Text | None = None
    seats: Annotated[int, Field(strict=True, ge=1, le=1000)] | list[SeatLabel] = Field(
        description="How many, then numbered from 1, or their labels."
    )


class EventIn(_In):
    venue_id: UUID
    name: Text = Field(examples=["New Year's Eve"])
    starts_at: Time
    capacity: Capacity | None = Field(
        default=None,
        description="Where not given: the number of seats if all have one, else the venue's.",
    )
    sales_open_at: Time | None = None
    sales_close_at: Time | None = None
    limit_per_user: Quantity | None = None
    limit_per_order: Quantity | None = None
    hold_seconds: Annotated[int, Field(strict=True, ge=1, le=86_400)] = HOLD_SECONDS_DEFAULT
    categories: list[CategoryIn] = Field(default=[], max_length=100)
    quotas: list[QuotaIn] = Field(default=[], max_length=100)
    seats: list[SeatRowIn] | list[SeatLabel] = Field(
        default=[], description="Rows of seats, or just labels of one row."
    )


class EventPatch(_In):
    capacity: Annotated[int, Field(strict=True, ge=0, le=CAPACITY_MAX)]


class UserIn(_In):
    name: Text = Field(examples=["Ada Lovelace"])
    email: Email = Field(examples=["ada@example.org"])


class OrderIn(_In):
    quantity: Quantity | None = Field(
        default=None, description="1 where not given; with seats, their number."
    )
    seats: list[SeatLabel] | None = Field(
        default=None,
        min_length=1,
        max_length=100,
        json_schema_extra={"uniqueItems": True},
        description="The seats by label. Where an event has seats and none are named, the best "
        "adjacent ones are chosen.",
        examples=[None],
    )
    category: Text | None = Field(
        default=None, description="Needed where there are several.", examples=[None]
    )


class BookingIn(OrderIn):
    event_id: UUID
    user_id: UUID


class CartItemIn(OrderIn):
    event_id: UUID


class CartIn(_In):
    user_id: UUID
    items: list[CartItemIn] = Field(min_length=1, max_length=20)


class CancelIn(_In):
    """All that is left, unless one of these says less."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "anyOf": [
                {"properties": {"quantity": {"type": "null"}}},
                {"properties": {"tickets": {"type": "null"}}},
            ]
        },
    )
    quantity: Quantity | None = None
    tickets: list[Annotated[int, Field(strict=True, ge=1, le=QUANTITY_MAX)]] | None = Field(
        default=None, min_length=1, max_length=QUANTITY_MAX, examples=[None]
    )


class TransferIn(_In):
    to_user_id: UUID


class WaitingIn(_In):
    user_id: UUID
    quantity: Quantity = 1
    category: Text | None = None


class TicketCode(_In):
    code: Annotated[str, StringConstraints(min_length=1, max_length=500)] = Field(
        description="As shown at the door: `FT1.` and what GET .../tickets gave."
    )


class EntryRef(_Out):
    """Where in the event's stream an entry stands, and its hash, hexadecimal."""

    version: int
    hash: str


class Venue(_Out):
    venue_id: UUID
    name: str
    capacity: int
    created_at: datetime


class Category(_Out):
    name: str
    price_cents: int
    capacity: int | None


class Quota(_Out):
    name: str
    capacity: int
    categories: list[str]


class Event(_Out):
    event_id: UUID
    venue_id: UUID
    name: str
    starts_at: datetime
    capacity: int
    sales_open_at: datetime | None
    sales_close_at: datetime | None
    limit_per_user: int | None
    limit_per_order: int | None
    hold_seconds: int
    categories: list[Category]
    quotas: list[Quota]
    seat_count: int
    status: str
    booked: int
    held: int
    available: int
    waiting: int = Field(description="Places in line on the waiting list.")
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
    cancelled_quantity: int
    seats: list[str]
    category: str | None
    amount_cents: int
    status: str
    booked_at: datetime
    changed_at: datetime
    cancelled_at: datetime | None
    entry: EntryRef
    cancellation: EntryRef | None


class BookingAsOf(Booking):
    """A booking as it stood right after the event's entry of a version."""

    version: int
    as_of: datetime = Field(description="When that entry was recorded.")


class BookingsOfEvent(_Out):
    event_id: UUID
    version: int
    as_of: datetime = Field(description="When the entry of that version was recorded.")
    items: list[Booking]
    next_after: int | None = Field(description="Give it as `after`; null when there was no more.")


class Hold(_Out):
    hold_id: UUID
    event_id: UUID
    user_id: UUID
    quantity: int
    seats: list[str]
    category: str | None
    amount_cents: int
    status: str
    held_at: datetime
    expires_at: datetime
    booking_id: UUID | None
    waiting_id: UUID | None
    entry: EntryRef


class Cart(_Out):
    bookings: list[Booking]


class Waiting(_Out):
    waiting_id: UUID
    event_id: UUID
    user_id: UUID
    quantity: int
    category: str | None
    status: str
    ahead: int | None = Field(description="How many are in line before; null once that is over.")
    hold_id: UUID | None = Field(description="The offer, when there was one.")
    joined_at: datetime
    entry: EntryRef


class Ticket(_Out):
    ticket: int
    seat: str | None
    checked_in_at: datetime | None
    code: str


class Tickets(_Out):
    booking_id: UUID
    event_id: UUID
    items: list[Ticket]
    version: int
    as_of: datetime


class TicketKey(_Out):
    algorithm: str
    public_key: str = Field(description="32 bytes, base64.")


class CheckedIn(_Out):
    booking_id: UUID
    event_id: UUID
    ticket: int
    seat: str | None
    checked_in_at: datetime | None


class Seat(_Out):
    seat: str
    free: bool


class SeatRow(_Out):
    section: str
    row: str
    category: str | None
    seats: list[Seat]


class SeatMap(_Out):
    event_id: UUID
    rows: list[SeatRow]
    version: int
    as_of: datetime


class CategoryCount(_Out):
    name: str
    price_cents: int
    capacity: int | None
    taken: int
    available: int


class CategoryCounts(_Out):
    event_id: UUID
    items: list[CategoryCount]
    version: int
    as_of: datetime


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


class BookingsAsOf(Page):
    """A page of bookings as they stood; it may have fewer than asked for while there are more."""

    items: list[BookingAsOf]


class LedgerEntry(_Out):
    """An entry as it is stored; the payload's fields depend on the type."""

    seq: int | None
    event_id: UUID
    version: int
    type: str = Field(examples=["SeatsBooked"])
    schema_version: int
    recorded_at: datetime | None = Field(description="Null for a time that no calendar has.")
    recorded_at_us: int = Field(description="Microseconds since 1970 UTC, as hashed.")
    actor: UUID
    idempotency_key: str | None = Field(description="SHA-256 of the key with its sender, hex.")
    request_hash: str | None = Field(description="SHA-256 of the request, hex.")
    prev_hash: str = Field(description="Hash of the entry before in the same event, hex.")
    hash: str = Field(description="SHA-256 of this entry, hex.")
    payload: dict[str, Any] | None
    payload_base64: str | None = Field(
        default=None, description="Only where what is stored is no JSON: the bytes."
    )


class LedgerPage(_Out):
    items: list[LedgerEntry]
    next_after: int | None = Field(description="Give it as `after`; null when there was no more.")


KeyRole = Literal["client", "organizer", "auditor", "admin"]


class KeyIn(_In):
    role: KeyRole
    name: Annotated[str, StringConstraints(max_length=200), AfterValidator(_without_nul)] = Field(
        default="", description="For people, to know it again.", examples=["Box office 3"]
    )
    scopes: Annotated[list[str], Field(min_length=1, max_length=100)] | None = Field(
        default=None,
        description="The only calls it is for, by operation id; all of its role where not given.",
        examples=[["check_in", "annul_check_in"]],
    )
    user_id: UUID | None = Field(
        default=None,
        description="Of a client's key: the one user it acts for and whose bookings it sees.",
        examples=[None],
    )
    rate: Annotated[str, AfterValidator(_rate)] | None = Field(
        default=None,
        description="Requests in a window of time, over all processes: `100/s`, `600/m`, "
        "`1000/h`, `5000/10s`.",
        examples=["100/s"],
    )
    expires_at: Time | None = Field(default=None, examples=["2199-12-31T23:59:59Z"])


class Key(_Out):
    key_id: UUID = Field(description="What the ledger keeps as actor.")
    name: str
    role: KeyRole
    scopes: list[str] | None
    user_id: UUID | None
    rate: str | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class NewKey(Key):
    key: str = Field(description="The key itself, which is told this once.")


class KeyPage(Page):
    items: list[Key]


def _known_type(name: str) -> str:
    if name not in ENTRY_OF_TYPE:
        raise ValueError("must be a type of entry")
    return name


EntryType = Annotated[
    str,
    AfterValidator(_known_type),
    Field(json_schema_extra={"enum": list(ENTRY_OF_TYPE)}),
]
Seq = Annotated[int, Field(strict=True, ge=0, le=2**53 - 1)]


class WebhookIn(_In):
    url: Annotated[str, StringConstraints(max_length=2_000, pattern=r"^https?://[!-~]+$")] = Field(
        description="Where to send, by https. It may not lead into a private network.",
        examples=["https://example.org/flashticket"],
    )
    types: list[EntryType] = Field(
        default=[], max_length=100, description="Which entries to send; none named are all."
    )
    event_id: UUID | None = Field(
        default=None, description="Of which event; not given, of all.", examples=[None]
    )
    from_seq: Seq | None = Field(
        default=None,
        description="With which entry to begin; not given, with the next that is written.",
    )


class ReplayIn(_In):
    """Either of them."""

    from_seq: Seq | None = Field(default=None, description="All entries from this number on.")
    seq: Seq | None = Field(default=None, description="This entry alone.")

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.from_seq is None) == (self.seq is None):
            raise ValueError("must have either from_seq or seq")
        return self


class Webhook(_Out):
    webhook_id: UUID
    url: str
    types: list[str]
    event_id: UUID | None
    status: Literal["active", "disabled"]
    disabled_at: datetime | None
    disabled_because: str | None
    registered_at: datetime
    next_seq: int = Field(description="Every entry numbered below is delivered or pending.")
    pending: int
    oldest_pending_at: datetime | None = Field(
        description="When the entry was recorded that waits the longest."
    )


class WebhookWithSecret(Webhook):
    secret: str = Field(description="Signs what is sent. It is not shown again.")


class Webhooks(_Out):
    items: list[Webhook]


class SentEntry(_Out):
    """An entry as it is stored."""

    event_id: UUID
    version: int
    seq: int
    type: str = Field(examples=["SeatsBooked"])
    schema_version: int
    hash: str = Field(description="SHA-256 of this entry, hex.")
    payload: dict[str, Any]


class CloudEvent(_Out):
    """CloudEvents 1.0."""

    specversion: Literal["1.0"]
    id: str = Field(description="Event and version: the same however often it is sent.")
    source: str = Field(description="The ledger, by the name of its log.")
    type: str
    subject: UUID = Field(description="The event.")
    time: datetime
    datacontenttype: Literal["application/json"]
    data: SentEntry


class Delivery(_Out):
    seq: int
    event_id: UUID
    version: int
    type: str
    recorded_at: datetime
    status: Literal["pending", "retrying", "delivered"]
    attempts: int
    last_attempt_at: datetime | None
    next_attempt_at: datetime | None
    delivered_at: datetime | None
    answer_status: int | None = Field(description="What the endpoint answered last.")
    last_error: str | None


class Deliveries(_Out):
    items: list[Delivery]
    next_before: int | None = Field(description="Give it as `before` for the next page.")


class ProblemDocument(BaseModel):
    """RFC 9457."""

    type: str = Field(examples=["/problems/sold-out"])
    title: str
    status: int
    detail: str
    code: str = Field(examples=["sold-out"])
    model_config = ConfigDict(extra="allow")
