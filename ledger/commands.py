"""Commands: wishes in the imperative. The clock and new ids are arguments, never made here."""

from dataclasses import dataclass, field

from ledger.records import Category, Quota, SeatRow
from ledger.values import ActorId, BookingId, EventId, HoldId, Instant, UserId, VenueId, WaitingId


@dataclass(frozen=True, slots=True)
class ScheduleEvent:
    """Open the stream of a new event."""

    event_id: EventId
    venue_id: VenueId
    venue_capacity: int
    name: str
    starts_at: Instant
    capacity: int
    sales_open_at: Instant | None
    sales_close_at: Instant | None
    limit_per_user: int | None
    limit_per_order: int | None = None
    hold_seconds: int = 300
    categories: tuple[Category, ...] = ()
    quotas: tuple[Quota, ...] = ()
    seat_rows: tuple[SeatRow, ...] = ()


@dataclass(frozen=True, slots=True)
class ChangeCapacity:
    """Sell more places, or fewer."""

    event_id: EventId
    capacity: int


@dataclass(frozen=True, slots=True)
class OpenEvent:
    event_id: EventId


@dataclass(frozen=True, slots=True)
class CloseEvent:
    event_id: EventId


@dataclass(frozen=True, slots=True)
class CancelEvent:
    """Call the event off; its bookings follow in batches, see `TidyEvent`."""

    event_id: EventId


@dataclass(frozen=True, slots=True)
class TidyEvent:
    """Do what has become due: expire holds, cancel what a cancelled event still has."""

    event_id: EventId


@dataclass(frozen=True, slots=True)
class BookSeats:
    """Book ``quantity`` places for one user, all or none.

    ``seats`` names them where the event has labelled seats; left empty there, the best adjacent
    ones are chosen. ``category`` is needed where there are several.
    """

    event_id: EventId
    booking_id: BookingId
    user_id: UserId
    quantity: int
    category: str | None = None
    seats: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CancelBooking:
    """Give back all of a booking's tickets, or ``quantity`` of them, or those numbered.

    With ``of_user``, only while the booking is that user's: it may be given away meanwhile.
    """

    event_id: EventId
    booking_id: BookingId
    quantity: int | None = None
    tickets: tuple[int, ...] = ()
    of_user: UserId | None = None


@dataclass(frozen=True, slots=True)
class TransferBooking:
    """Give a booking to another user; with ``of_user``, only while it is that user's."""

    event_id: EventId
    booking_id: BookingId
    to_user_id: UserId
    of_user: UserId | None = None


@dataclass(frozen=True, slots=True)
class HoldSeats:
    """Keep places for a user for a while, as `BookSeats` would book them."""

    event_id: EventId
    hold_id: HoldId
    user_id: UserId
    quantity: int
    category: str | None = None
    seats: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ConfirmHold:
    """Turn a hold into the booking ``booking_id``."""

    event_id: EventId
    hold_id: HoldId
    booking_id: BookingId


@dataclass(frozen=True, slots=True)
class ReleaseHold:
    event_id: EventId
    hold_id: HoldId


@dataclass(frozen=True, slots=True)
class JoinWaitingList:
    event_id: EventId
    waiting_id: WaitingId
    user_id: UserId
    quantity: int
    category: str | None = None


@dataclass(frozen=True, slots=True)
class LeaveWaitingList:
    event_id: EventId
    waiting_id: WaitingId


@dataclass(frozen=True, slots=True)
class CheckIn:
    """Admit one ticket; ``generation`` is that of the code shown at the door."""

    event_id: EventId
    booking_id: BookingId
    ticket: int
    generation: int


@dataclass(frozen=True, slots=True)
class AnnulCheckIn:
    event_id: EventId
    booking_id: BookingId
    ticket: int


Command = (
    ScheduleEvent
    | ChangeCapacity
    | OpenEvent
    | CloseEvent
    | CancelEvent
    | TidyEvent
    | BookSeats
    | CancelBooking
    | TransferBooking
    | HoldSeats
    | ConfirmHold
    | ReleaseHold
    | JoinWaitingList
    | LeaveWaitingList
    | CheckIn
    | AnnulCheckIn
)


@dataclass(frozen=True, slots=True)
class Submission:
    """Commands that hold together or not at all, with who sent them.

    There is one command but for a cart, whose commands are each about another event.
    ``idempotency_key`` and ``request_hash`` make a retry safe. They are SHA-256 digests, given
    together or not at all: a digest keeps whatever a sender puts into a key out of the ledger.
    """

    commands: tuple[Command, ...]
    actor: ActorId
    idempotency_key: bytes | None = None
    request_hash: bytes | None = None

    event_ids: frozenset[EventId] = field(init=False)
    """The events that these commands are about."""

    def __post_init__(self) -> None:
        event_ids = frozenset([command.event_id for command in self.commands])
        object.__setattr__(self, "event_ids", event_ids)
