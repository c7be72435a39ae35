"""Evenings of random sales on a real database, numbered and counted."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar
from uuid import UUID

import psycopg
from box_office import carry_out, open_app_pool, register
from psycopg import sql
from samples import ACTOR, NOW, SECOND, VENUE
from wishes import booking_id, hold_id, user_id, waiting_id

from ledger.batch import Done
from ledger.commands import (
    AnnulCheckIn,
    BookSeats,
    CancelBooking,
    CancelEvent,
    ChangeCapacity,
    CheckIn,
    CloseEvent,
    Command,
    ConfirmHold,
    HoldSeats,
    JoinWaitingList,
    LeaveWaitingList,
    OpenEvent,
    ReleaseHold,
    ScheduleEvent,
    Submission,
    TidyEvent,
    TransferBooking,
)
from ledger.database import Pool
from ledger.records import Category, SeatRow
from ledger.values import BookingId, EventId, HoldId, Instant, WaitingId
from projections.projector import Projector
from projections.sequencer import Sequencer

Result = TypeVar("Result")

PEOPLE: Final = [user_id(n) for n in range(1, 9)]
SEATED: Final = EventId(UUID(int=0x51))
SORTED: Final = EventId(UUID(int=0x52))
PLAIN: Final = EventId(UUID(int=0x53))
CALLED_OFF: Final = EventId(UUID(int=0x54))
EVERY_TYPE: Final = EventId(UUID(int=0x55))
EXPIRING: Final = EventId(UUID(int=0x56))
EVENTS: Final = (SEATED, SORTED, PLAIN, CALLED_OFF)
ROWS: Final = (
    SeatRow("stalls", "1", "front", ("A1", "A2", "A3", "A4")),
    SeatRow("stalls", "2", "back", ("B1", "B2", "B3", "B4")),
    SeatRow("balcony", "1", "back", ("C1", "C2", "C3")),
    SeatRow("", "1", None, ("box",)),
)
SEATS: Final = [seat for row in ROWS for seat in row.seats]
CATEGORIES: Final = (Category("front", 5_000, None), Category("back", 2_500, None))

COUNTED: Final = {
    "projector": "is_only",
    "projected": "stream_id",
    "sales": "stream_id, minute_us, category",
    "revenue": "stream_id, category",
    "occupancy": "stream_id, section",
    "line_lengths": "stream_id, category",
    "histories": "user_id, seq",
}
"""What the projector writes, and an order of the rows."""


def with_pool(url: str, work: Callable[[Pool], Awaitable[Result]], *, size: int = 1) -> Result:
    async def run() -> Result:
        async with open_app_pool(url, size=size) as pool:
            return await work(pool)

    return asyncio.run(run())


def open_the_doors(url: str) -> None:
    """Events of seats and standing room, by category, plain, and one that will be called off."""
    register(url, PEOPLE)
    wishes = [
        _schedule(SEATED, capacity=len(SEATS) + 2, categories=CATEGORIES, seat_rows=ROWS),
        _schedule(SORTED, capacity=8, categories=CATEGORIES),
        _schedule(PLAIN, capacity=6, hold_seconds=0),
        _schedule(CALLED_OFF, capacity=6, categories=CATEGORIES),
        _schedule(EVERY_TYPE, capacity=3, categories=CATEGORIES[:1]),
        _schedule(EXPIRING, capacity=3, hold_seconds=0),
    ]
    assert sell_what_can_be(url, [[wish] for wish in wishes]) == len(wishes)


def do_everything_once(url: str) -> None:
    """Entries of every type in two events, in one of which a hold is over as soon as it is made."""
    event, (ada, bob, *_) = EVERY_TYPE, PEOPLE
    wishes: list[Command] = [
        CloseEvent(event),
        OpenEvent(event),
        HoldSeats(event, hold_id(1), ada, 1),
        ConfirmHold(event, hold_id(1), booking_id(1)),
        HoldSeats(event, hold_id(2), ada, 1),
        ReleaseHold(event, hold_id(2)),
        BookSeats(event, booking_id(2), ada, 2),
        JoinWaitingList(event, waiting_id(1), bob, 1),
        JoinWaitingList(event, waiting_id(2), ada, 1),
        LeaveWaitingList(event, waiting_id(2)),
        TransferBooking(event, booking_id(2), bob),
        CheckIn(event, booking_id(2), 1, 2),
        AnnulCheckIn(event, booking_id(2), 1),
        CancelBooking(event, booking_id(2), tickets=(1,)),
        ChangeCapacity(event, 5),
        CancelEvent(event),
        TidyEvent(event),
        HoldSeats(EXPIRING, hold_id(3), ada, 2),
        TidyEvent(EXPIRING),
    ]
    assert sell_what_can_be(url, [[wish] for wish in wishes]) == len(wishes)


def _schedule(event: EventId, **terms: Any) -> ScheduleEvent:
    return ScheduleEvent(
        event_id=event,
        venue_id=VENUE,
        venue_capacity=1_000,
        name="A show",
        starts_at=Instant(NOW + 86_400 * SECOND),
        sales_open_at=None,
        sales_close_at=None,
        limit_per_user=None,
        **{"hold_seconds": 60, **terms},
    )


def sell_what_can_be(url: str, batches: list[list[Command]]) -> int:
    """How many of the commands, each a submission, were carried out."""

    async def work(pool: Pool) -> int:
        done = 0
        for batch in batches:
            outcomes = await carry_out(pool, [Submission((each,), ACTOR) for each in batch])
            done += sum(isinstance(outcome, Done) for outcome in outcomes)
        return done

    return with_pool(url, work)


class Evening:
    """Random wishes of every kind, most of which can be met."""

    def __init__(self, choose: random.Random) -> None:
        self._choose = choose
        self._bookings: dict[EventId, list[BookingId]] = {event: [] for event in EVENTS}
        self._holds: dict[EventId, list[HoldId]] = {event: [] for event in EVENTS}
        self._line: dict[EventId, list[WaitingId]] = {event: [] for event in EVENTS}

    def batches(self, count: int, *, size: int = 10) -> list[list[Command]]:
        return [[self.wish() for _ in range(size)] for _ in range(count)]

    def call_off(self) -> list[list[Command]]:
        return [[CancelEvent(CALLED_OFF), TidyEvent(CALLED_OFF)]]

    def wish(self) -> Command:
        choose = self._choose
        event = choose.choice(EVENTS)
        user, new_id = choose.choice(PEOPLE), UUID(int=choose.getrandbits(128))
        bookings, holds, line = self._bookings[event], self._holds[event], self._line[event]
        seats = tuple(choose.sample(SEATS, choose.randrange(1, 4))) if event == SEATED else ()
        quantity = len(seats) or choose.randrange(1, 4)
        category = None if seats or event == PLAIN else choose.choice(CATEGORIES).name
        match choose.randrange(16):
            case 0 | 1 | 2 | 3 | 4:
                bookings.append(BookingId(new_id))
                return BookSeats(event, bookings[-1], user, quantity, category, seats)
            case 5 | 6 if bookings:
                return CancelBooking(event, choose.choice(bookings), choose.choice((None, 1)))
            case 7 if bookings:
                return TransferBooking(event, choose.choice(bookings), user)
            case 8 | 9 if holds:
                bookings.append(BookingId(new_id))
                return ConfirmHold(event, choose.choice(holds), bookings[-1])
            case 10 if holds:
                return ReleaseHold(event, choose.choice(holds))
            case 11 if bookings:
                booking_id = choose.choice(bookings)
                if choose.random() < 0.5:
                    return AnnulCheckIn(event, booking_id, 1)
                return CheckIn(event, booking_id, 1, 1)
            case 12 if line:
                return LeaveWaitingList(event, choose.choice(line))
            case 13:
                line.append(WaitingId(new_id))
                return JoinWaitingList(event, line[-1], user, quantity, category)
            case 14:
                return ChangeCapacity(event, choose.randrange(4, 20))
            case _:
                holds.append(HoldId(new_id))
                return HoldSeats(event, holds[-1], user, quantity, category, seats)


def number(url: str) -> int:
    """Number all that is committed; how many entries that were."""

    async def work(pool: Pool) -> int:
        sequencer = Sequencer(pool)
        await sequencer.compare_a_page()
        return await sequencer.number()

    return with_pool(url, work)


def count(url: str) -> int:
    """Count all that is numbered; how many entries that were."""

    async def work(pool: Pool) -> int:
        projector, counted = Projector(pool), 0
        while more := await projector.advance():
            counted += more
        return counted

    return with_pool(url, work)


def position(url: str) -> int:
    """How many entries are counted."""
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT next_seq FROM projector").fetchone()
        assert row is not None
        return int(row[0])


def forget_all(url: str) -> None:
    """As before the first entry was counted."""
    with psycopg.connect(url) as connection:
        connection.execute("TRUNCATE projected, sales, revenue, occupancy, line_lengths, histories")
        connection.execute("UPDATE projector SET next_seq = 0, recorded_at_us = 0")


def bytes_of(url: str, tables: dict[str, str]) -> dict[str, bytes]:
    """Every byte of tables, their rows in an order of their own."""
    found = {}
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        for table, order in tables.items():
            query = sql.SQL("COPY (SELECT * FROM {} ORDER BY {}) TO STDOUT").format(
                sql.Identifier(table),
                sql.SQL(order),
            )
            with cursor.copy(query) as copy:
                found[table] = b"".join(bytes(block) for block in copy)
    return found
