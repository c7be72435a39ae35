"""Any commands, in any order, at any time, in any batches: the ledger does what the model says.

`booking_model.Model` predicts every answer and every entry. After each batch the streams are folded
again from their stored bytes with all rules checked (L1 to L4, L7), and what is derived is held
against the fold (L6). The same machine runs on a ledger in memory, which is quick, and on real
PostgreSQL through `ledger.attempts`, where what a batch loads and writes is put to the test too.

Each run prints its seed; a failure prints its steps. A soak of some hours is

    FLASHTICKET_TEST_EXAMPLES=50000 pytest tests/property -k as_many_as_asked_for
"""

import ast
import asyncio
import os
import secrets
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import ClassVar, Final, Protocol, TypeVar, get_args

import booking_model
import psycopg
import pytest
from booking_model import Answer, Model
from box_office import PATIENT, measure_nothing, open_app_pool, register
from clock import Clock
from hypothesis import HealthCheck, note, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)
from samples import NOW, SECOND
from story import read_row
from wishes import (
    book,
    booking_id,
    call_off,
    close_sales,
    confirm,
    event_id,
    hold,
    hold_id,
    join,
    offer_id,
    open_sales,
    release,
    resize,
    schedule,
    submission,
    tidy,
    user_id,
    waiting_id,
)

from ledger.attempts import Attempts
from ledger.batch import Done, Loaded, Outcome, Refused, Stream, decide_batch
from ledger.commands import (
    AnnulCheckIn,
    BookSeats,
    CancelBooking,
    CheckIn,
    Command,
    ConfirmHold,
    HoldSeats,
    JoinWaitingList,
    LeaveWaitingList,
    ScheduleEvent,
    Submission,
    TidyEvent,
    TransferBooking,
)
from ledger.database import statement
from ledger.entries import Entry, Recorded, SeatsHeld
from ledger.handle import Locked
from ledger.records import Booking, Category, Hold, Quota, SeatRow, Waiting
from ledger.rejections import Rejection
from ledger.replay import fold
from ledger.rows import Row, recorded_from_row
from ledger.values import BookingId, EventId, HoldId, Instant, WaitingId
from ledger.verify import snapshot, verify

USERS: Final = [user_id(n) for n in range(3)]
STRANGER: Final = user_id(99)
NOWHERE: Final = event_id(99)
EVENTS_MAX: Final = 3

T = TypeVar("T")
C = TypeVar("C", bound=Command)
V = TypeVar("V")

# Where the commands go


class Ledger(Protocol):
    """A ledger that can be read back from its bytes."""

    def run(self, batch: Sequence[Submission], now: Instant) -> Sequence[Outcome | Locked]: ...

    def read(self, event: EventId) -> list[Row]:
        """The rows of a stream, as stored."""

    def check(self) -> None:
        """AssertionError unless every invariant holds."""

    def clear(self) -> None:
        """Forget everything, for the next example."""


class InMemory:
    """Batches are decided on what the streams they name have come to."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self._streams: dict[EventId, Stream] = {}
        self._appended: dict[EventId, list[Recorded]] = {}
        self._by_key: dict[bytes, list[Recorded]] = {}
        self._changed: set[EventId] = set()
        numbers = count(1)
        self._new_id = lambda: offer_id(next(numbers))

    def run(self, batch: Sequence[Submission], now: Instant) -> Sequence[Outcome | Locked]:
        named = sorted({event for each in batch for event in each.event_ids})
        loaded = Loaded(
            now,
            {event: self._streams[event] for event in named if event in self._streams},
            self._by_key,
            frozenset(USERS),
        )
        decided = decide_batch(loaded, batch, self._new_id)
        self._streams |= decided.streams
        self._changed = set(decided.streams)
        for recorded in decided.appended:
            self._appended.setdefault(recorded.stream_id, []).append(recorded)
        return decided.outcomes

    def read(self, event: EventId) -> list[Row]:
        return [read_row(each) for each in self._appended.get(event, [])]

    def check(self) -> None:
        for event in self._changed:
            assert fold(event, self.read(event)) == self._streams[event]


_CLEAR: Final = """
SET session_replication_role = replica;  -- the trigger that keeps the ledger append-only sleeps
TRUNCATE ledger, streams, bookings, holds, waiting_list, seat_rows, seat_claims, allotments;
SET session_replication_role = origin;
"""


class InPostgres:
    """Batches are carried out on a database whose clock the machine sets."""

    def __init__(self, url: str, runner: asyncio.Runner, attempts: Attempts, clock: Clock) -> None:
        self._runner = runner
        self._attempts = attempts
        self._clock = clock
        self._owner = psycopg.connect(url, autocommit=True)
        self._reader = snapshot(url)

    @classmethod
    @contextmanager
    def on(cls, url: str) -> Iterator["InPostgres"]:
        register(url, USERS)
        with Clock(url, NOW) as clock, asyncio.Runner() as runner:
            opened = open_app_pool(url, size=1)
            pool = runner.run(opened.__aenter__())
            made = cls(url, runner, Attempts(pool, measure_nothing), clock)
            try:
                yield made
            finally:
                made._owner.close()
                made._reader.close()
                runner.run(opened.__aexit__(None, None, None))

    def clear(self) -> None:
        self._owner.execute(_CLEAR)

    def run(self, batch: Sequence[Submission], now: Instant) -> Sequence[Outcome | Locked]:
        self._clock.set(now)
        return self._runner.run(self._attempts.run(batch, PATIENT))

    def read(self, event: EventId) -> list[Row]:
        with psycopg.RawCursor(self._owner) as cursor:
            return cursor.execute(_READ_STREAM, (event,)).fetchall()

    def check(self) -> None:
        with self._reader.transaction(force_rollback=True):
            report = verify(self._reader, lambda _: None, lambda _: None)
        assert report.violations == []


_READ_STREAM: Final = statement("ledger", "read_stream")

# What may be asked for

FRONT, BACK, STANDING = "front", "back", "standing"

layouts = st.sampled_from(
    [
        (),
        (),
        (),
        (SeatRow("", "A", None, ("A1", "A2", "A3", "A4")), SeatRow("", "B", None, ("B1", "B2"))),
        (SeatRow("", "A", FRONT, ("A1", "A2", "A3")), SeatRow("", "B", BACK, ("B1", "B2", "B3"))),
        (SeatRow("", "C", FRONT, ("C1", "C2", "C3")),),
    ]
)
limits = st.sampled_from([None, None, 1, 2, 2, 3, 4])
quantities = st.sampled_from([1, 1, 1, 2, 2, 3])


def mostly(data: st.DataObject, likely: Sequence[V], rare: Sequence[V]) -> V:
    """One of ``likely``, and once in about thirty one of ``rare``; of whichever there are any."""
    is_rare = not likely or (rare and data.draw(st.integers(0, 29)) == 17)
    return data.draw(st.sampled_from(rare if is_rare else likely))


@st.composite
def schedules(draw: st.DrawFn, event: EventId, now: Instant) -> ScheduleEvent:
    """An event small enough to sell out, in a venue not much larger."""
    rows = draw(layouts)
    if rows:
        names = [row.category for row in rows if row.category is not None]
        names += [STANDING] * bool(names)
    else:
        names = draw(st.sampled_from([[], [], [FRONT], [FRONT, BACK]]))
    prices, bounds = st.sampled_from([0, 700, 1_100]), st.sampled_from([None, None, 1, 2, 3])
    categories = tuple(Category(name, draw(prices), draw(bounds)) for name in names)
    quotas: tuple[Quota, ...] = ()
    if len(names) > 1 and draw(st.booleans()):
        shared = draw(st.lists(st.sampled_from(names), min_size=1, unique=True))
        quotas = (Quota("shared", draw(st.integers(1, 4)), tuple(shared)),)
    opens, closes = draw(st.sampled_from([*[(None, None)] * 9, (-1, 9), (1, None), (None, 6)]))
    return schedule(
        event,
        capacity=draw(st.sampled_from([*range(1, 7), *range(1, 7), 8])),
        venue_capacity=draw(st.integers(7, 9)),
        sales_open_at=None if opens is None else Instant(now + opens * SECOND),
        sales_close_at=None if closes is None else Instant(now + closes * SECOND),
        limit_per_user=draw(limits),
        limit_per_order=draw(st.sampled_from([None, None, None, 2, 3])),
        hold_seconds=draw(st.sampled_from([1, 2, 5])),
        categories=categories,
        quotas=quotas,
        seat_rows=rows,
    )


KINDS: Final = {
    "schedule": 1,
    "book": 8,
    "hold": 8,
    "confirm": 5,
    "release": 3,
    "cancel": 7,
    "transfer": 2,
    "join": 8,
    "leave": 1,
    "check_in": 3,
    "annul": 1,
    "resize": 2,
    "close": 1,
    "open": 2,
    "call_off": 1,
    "tidy": 1,
    "cart": 2,
    "repeat": 3,
    "time": 8,
}
"""What is done how often."""

_WITH_KEY: Final = {"book", "hold", "cart", "join", "cancel", "transfer", "resize"}
_KIND_OFTEN: Final = [kind for kind, weight in KINDS.items() for _ in range(weight)]


# The machine


class BookingMachine(RuleBasedStateMachine):
    """Sends batches to a ledger and holds what comes of them against the model.

    What is asked for is mostly about something that is there: the model knows what is. One rule
    does everything, since of several each example would leave out some.
    """

    ledger: ClassVar[Ledger]
    examples: ClassVar[int]
    met: ClassVar[set[str]]

    def __init__(self) -> None:
        super().__init__()
        type(self).examples += 1
        self.ledger.clear()
        self.now = NOW
        self.model = Model(self.now, frozenset(USERS))
        self.waiting: list[Submission] = []
        self.keyed: list[Submission] = []
        self.numbers = count(1)
        self.read: Counter[EventId] = Counter()

    @initialize(data=st.data())
    def open_the_first_event(self, data: st.DataObject) -> None:
        self._send(replace(data.draw(schedules(event_id(0), self.now)), venue_capacity=9))
        self._flush()

    @rule(data=st.data(), kind=st.sampled_from(_KIND_OFTEN), more=st.sampled_from([False, True]))
    def do(self, data: st.DataObject, kind: str, more: bool) -> None:
        """A command joins the batch at hand, which goes off now or with a later one."""
        if kind == "time":
            self._let_time_pass(data)
        elif kind == "repeat":
            self._repeat(data)
        else:
            commands = getattr(self, f"_{self._possible(kind)}")(data)
            has_key = kind in _WITH_KEY and data.draw(st.sampled_from([False, False, True]))
            self._send(*commands, key=f"key {next(self.numbers)}" if has_key else None)
        if not more:
            self._flush()

    def _let_time_pass(self, data: st.DataObject) -> None:
        """To a moment that matters, a microsecond before or after it, or just on; rarely back."""
        self._flush()
        moments = sorted({each for show in self.model.shows.values() for each in show.moments()})
        coming = [moment for moment in moments if moment >= self.now][:4]
        near = st.sampled_from([*coming, self.now]).flatmap(
            lambda moment: st.sampled_from([moment, moment - 1, moment, moment + 1])
        )
        onwards = st.integers(0, SECOND).map(lambda us: self.now + us)
        self.now = Instant(data.draw(near | onwards))
        self.model.now = self.now

    def teardown(self) -> None:
        self._flush()
        self.ledger.check()
        for event, show in self.model.shows.items():
            assert len(self.ledger.read(event)) == len(show.entries)

    # Commands

    def _schedule(self, data: st.DataObject) -> list[Command]:
        if len(self.model.shows) >= EVENTS_MAX:
            return self._book(data)
        return [data.draw(schedules(event_id(next(self.numbers)), self.now))]

    def _book(self, data: st.DataObject) -> list[Command]:
        event = self._event(data)
        seats = self._seats(data, event)
        return [
            book(
                None if seats else data.draw(quantities),
                booking=next(self.numbers),
                user=mostly(data, USERS, [STRANGER]),
                seats=seats,
                category=self._category(data, event, seats),
                event=event,
            )
        ]

    def _hold(self, data: st.DataObject) -> list[Command]:
        event = self._event(data)
        seats = self._seats(data, event)
        return [
            hold(
                None if seats else data.draw(quantities),
                hold=next(self.numbers),
                user=mostly(data, USERS, [STRANGER]),
                seats=seats,
                category=self._category(data, event, seats),
                event=event,
            )
        ]

    def _cart(self, data: st.DataObject) -> list[Command]:
        """Places of several events; of the same one twice is refused before it comes here."""
        events = data.draw(
            st.lists(
                st.sampled_from([*self.model.shows] * 9 + [NOWHERE]),
                min_size=1,
                max_size=3,
                unique=True,
            )
        )
        user = mostly(data, USERS, [STRANGER])
        return [
            book(
                data.draw(quantities),
                booking=next(self.numbers),
                user=user,
                category=self._category(data, event, ""),
                event=event,
            )
            for event in events
        ]

    def _join(self, data: st.DataObject) -> list[Command]:
        full = [e for e, show in self.model.shows.items() if len(show.places()) == show.capacity]
        event = mostly(data, full, [self._event(data)])
        return [
            join(
                data.draw(quantities),
                waiting=next(self.numbers),
                user=mostly(data, USERS, [STRANGER]),
                category=self._category(data, event, ""),
                event=event,
            )
        ]

    def _confirm(self, data: st.DataObject) -> list[Command]:
        event, chosen = self._hold_of(data)
        return [confirm(chosen, booking=next(self.numbers), event=event)]

    def _release(self, data: st.DataObject) -> list[Command]:
        event, chosen = self._hold_of(data)
        return [release(chosen, event=event)]

    def _cancel(self, data: st.DataObject) -> list[Command]:
        event, booking = self._booking_of(data)
        some = [(None, ()), (None, ()), (1, ()), (2, ()), (None, (1,)), (None, (1, 2))]
        quantity, tickets = mostly(data, some, [(4, ()), (None, (1, 9))])
        return [CancelBooking(event, booking, quantity, tickets)]

    def _transfer(self, data: st.DataObject) -> list[Command]:
        return [TransferBooking(*self._booking_of(data), mostly(data, USERS, [STRANGER]))]

    def _check_in(self, data: st.DataObject) -> list[Command]:
        event, booking = self._booking_of(data)
        show = self.model.shows.get(event)
        sale = None if show is None else show.bookings.get(booking)
        tickets = [1] if sale is None else sale.live
        generation = 1 if sale is None else sale.handovers + 1
        return [
            CheckIn(
                event,
                booking,
                mostly(data, tickets, [1, 2, 5]),
                mostly(data, [generation], [1, generation + 1]),
            )
        ]

    def _annul(self, data: st.DataObject) -> list[Command]:
        inside = [
            (event, booking, ticket)
            for event, show in self.model.shows.items()
            for booking, sale in show.bookings.items()
            for ticket in sale.inside
        ]
        return [AnnulCheckIn(*mostly(data, inside, [(*self._booking_of(data), 1)]))]

    def _leave(self, data: st.DataObject) -> list[Command]:
        in_line = [(e, each) for e, show in self.model.shows.items() for each in show.line]
        joining = [(e.event_id, e.waiting_id) for e in self._asked(JoinWaitingList)]
        event, waiting = self._one_of(data, [*in_line, *joining], WaitingId(NOWHERE))
        return [LeaveWaitingList(event, waiting)]

    def _resize(self, data: st.DataObject) -> list[Command]:
        event = self._event(data)
        show = self.model.shows.get(event)
        now = 5 if show is None else show.capacity
        wanted = st.sampled_from([now + 1, now + 1, now + 2, now - 1, now, 0, 10])
        return [resize(max(0, data.draw(wanted)), event=event)]

    def _close(self, data: st.DataObject) -> list[Command]:
        return [close_sales(self._event(data))]

    def _open(self, data: st.DataObject) -> list[Command]:
        closed = [e for e, show in self.model.shows.items() if show.status == "closed"]
        return [open_sales(data.draw(st.sampled_from(closed)) if closed else self._event(data))]

    def _call_off(self, data: st.DataObject) -> list[Command]:
        event = self._event(data)
        return [call_off(event) if data.draw(st.booleans()) else tidy(event)]

    def _tidy(self, data: st.DataObject) -> list[Command]:
        called_off = [e for e, show in self.model.shows.items() if show.status == "cancelled"]
        return [tidy(data.draw(st.sampled_from([*called_off, *self.model.shows, NOWHERE])))]

    def _repeat(self, data: st.DataObject) -> None:
        """A retry as the HTTP calls make it: the key again, and new ids for what it would make."""
        if not self.keyed:
            return
        before = data.draw(st.sampled_from(self.keyed))
        number = next(self.numbers)
        self.waiting.append(
            replace(
                before,
                commands=tuple(_with_new_id(each, number) for each in before.commands),
                request_hash=data.draw(st.sampled_from([before.request_hash] * 3 + [bytes(32)])),
            )
        )

    # What they are about: mostly something that is there

    def _possible(self, kind: str) -> str:
        """``kind``, or what must come first."""
        shows = self.model.shows.values()
        if kind in {"cancel", "transfer", "check_in", "annul"}:
            return kind if any(show.bookings for show in shows) else "book"
        if kind in {"confirm", "release"}:
            return kind if any(show.holds for show in shows) else "hold"
        if kind == "leave":
            return kind if any(show.line for show in shows) else "join"
        return kind

    def _event(self, data: st.DataObject) -> EventId:
        selling = [e for e, show in self.model.shows.items() if show.status == "open"]
        selling += [each.event_id for each in self._asked(ScheduleEvent)]
        return mostly(data, selling, [*self.model.shows, NOWHERE])

    def _category(self, data: st.DataObject, event: EventId, seats: str) -> str | None:
        show = self.model.shows.get(event)
        names = [] if show is None else [kind.name for kind in show.terms.categories]
        if seats:
            return mostly(data, [None], [*names, "nosuch"])
        return mostly(data, names or [None], [None, "nosuch"])

    def _seats(self, data: st.DataObject, event: EventId) -> str:
        show = self.model.shows.get(event)
        of_seat = {} if show is None else show.category_of_seat()
        if show is None or not of_seat or data.draw(st.booleans()):
            return data.draw(st.sampled_from([""] * 9 + ["Z9"]))
        taken = {seat for *_, seat in show.places()}
        free = [seat for seat in of_seat if seat not in taken]
        some = st.lists(st.sampled_from([*free * 3, *of_seat]), min_size=1, max_size=3, unique=True)
        return " ".join(data.draw(some))

    def _hold_of(self, data: st.DataObject) -> tuple[EventId, HoldId]:
        holds = [(e, each) for e, show in self.model.shows.items() for each in show.holds]
        held = [(e, each) for e, each in holds if not self.model.shows[e].holds[each].end]
        offered = [(e, each) for e, each in held if self.model.shows[e].holds[each].waited]
        asked = [(each.event_id, each.hold_id) for each in self._asked(HoldSeats)]
        return self._one_of(data, [*held * 4, *offered * 4, *asked * 4, *holds], HoldId(NOWHERE))

    def _booking_of(self, data: st.DataObject) -> tuple[EventId, BookingId]:
        bookings = [(e, each) for e, show in self.model.shows.items() for each in show.bookings]
        live = [(e, each) for e, each in bookings if self.model.shows[e].bookings[each].live]
        asked = [(each.event_id, each.booking_id) for each in self._asked(BookSeats)]
        return self._one_of(data, [*live * 4, *asked * 4, *bookings], BookingId(NOWHERE))

    def _one_of(
        self, data: st.DataObject, there: list[tuple[EventId, T]], nowhere: T
    ) -> tuple[EventId, T]:
        """Mostly one of those that are there, rarely with the event of another."""
        event, chosen = mostly(data, there, [(self._event(data), nowhere)])
        return mostly(data, [event], [*self.model.shows, NOWHERE]), chosen

    def _asked(self, kind: type[C]) -> list[C]:
        """What the batch at hand asks for already."""
        return [each for sent in self.waiting for each in sent.commands if isinstance(each, kind)]

    # What comes of it

    def _send(self, *commands: Command, key: str | None = None) -> None:
        sending = submission(*commands, key=key)
        self.waiting.append(sending)
        if key is not None:
            self.keyed.append(sending)

    def _flush(self) -> None:
        batch, self.waiting = self.waiting, []
        if not batch:
            return
        note(f"at {self.now - NOW} us: {[each.commands for each in batch]}")
        outcomes = self.ledger.run(batch, self.now)
        named = {event for each in batch for event in each.event_ids}
        rows = {event: self.ledger.read(event) for event in named}
        new = {event: self._new_entries(event, rows[event]) for event in named}
        answers = self.model.predict(batch, {event: _offered(new[event]) for event in named})

        for event in named & self.model.shows.keys():
            self._compare_entries(event, new[event], batch)
        for each, outcome, answer in zip(batch, outcomes, answers, strict=True):
            self._compare(each, outcome, answer, rows)
        for show in self.model.shows.values():
            assert show.broken() is None
        self.ledger.check()

    def _new_entries(self, event: EventId, rows: list[Row]) -> list[Recorded]:
        recorded = [recorded_from_row(row) for row in rows[self.read[event] :]]
        self.read[event] = len(rows)
        return recorded

    def _compare_entries(
        self, event: EventId, new: list[Recorded], batch: list[Submission]
    ) -> None:
        predicted = self.model.shows[event].entries[self.read[event] - len(new) :]
        actual = [recorded.entry for recorded in new]
        self.met.update(recorded.type_name for recorded in new)
        if TidyEvent(event) in [command for each in batch for command in each.commands]:
            # In which order a cancelled event gives up its bookings is of no consequence.
            assert Counter(actual) == Counter(predicted)
        else:
            assert actual == predicted

    def _compare(
        self,
        sent: Submission,
        outcome: Outcome | Locked,
        answer: Answer,
        rows: dict[EventId, list[Row]],
    ) -> None:
        if answer.refusal is not None:
            self.met.add(type(answer.refusal).__name__)
            assert isinstance(outcome, Refused), outcome
            assert outcome.rejection == answer.refusal
            return
        assert isinstance(outcome, Done), outcome
        assert outcome.replayed == answer.replayed
        for place, (command, part) in enumerate(zip(sent.commands, outcome.parts, strict=True)):
            event = command.event_id
            version = answer.first.get(event)
            if version is None:
                assert part.recorded is None
            else:
                assert part.recorded == recorded_from_row(rows[event][version - 1])
                assert part.recorded.idempotency_key == sent.idempotency_key
            if not answer.replayed:
                expected = answer.parts[place]
                head = part.head
                assert (head.version, head.capacity, head.booked, head.held) == expected.counts
                if not (isinstance(command, ConfirmHold) and isinstance(part.subject, Hold)):
                    # What was confirmed before is told as the hold, unless the booking is loaded.
                    assert _picture(part.subject) == expected.subject


def _picture(subject: Booking | Hold | Waiting | None) -> object:
    """A subject in the form of `booking_model.picture`."""
    match subject:
        case None:
            return None
        case Booking():
            return subject.booking_id, (
                *(subject.user_id, subject.quantity, subject.category, subject.seats),
                *(subject.amount_cents, subject.live_tickets, frozenset(subject.check_ins)),
                subject.generation,
            )
        case Hold():
            return subject.hold_id, (
                *(subject.user_id, subject.quantity, subject.category, subject.seats),
                *(subject.amount_cents, subject.expires_at, subject.waiting_id),
                *(subject.status, subject.booking_id),
            )
        case Waiting():
            return subject.waiting_id, (
                *(subject.user_id, subject.quantity, subject.category),
                subject.status,
            )


def _offered(new: Sequence[Recorded]) -> list[HoldId]:
    return [
        each.entry.hold_id
        for each in new
        if isinstance(each.entry, SeatsHeld) and each.entry.waiting_id is not None
    ]


def _with_new_id(command: Command, number: int) -> Command:
    match command:
        case BookSeats():
            return replace(command, booking_id=booking_id(number))
        case HoldSeats():
            return replace(command, hold_id=hold_id(number))
        case JoinWaitingList():
            return replace(command, waiting_id=waiting_id(number))
        case _:
            return command


# The tests


def run_machine(ledger: Ledger, config: pytest.Config, *, examples: int, steps: int) -> set[str]:
    """Run at least ``examples`` examples, from a seed that is printed; what was met in them."""
    chosen = config.getoption("--hypothesis-seed")
    number = secrets.randbits(32) if chosen in {None, "random"} else int(chosen)
    again = f"pytest {Path(__file__).name} --hypothesis-seed={number}"
    sys.stdout.write(f"{type(ledger).__name__}, {examples} examples of {steps} steps: {again}\n")

    class Machine(BookingMachine):
        examples = 0
        met: ClassVar[set[str]] = set()

    Machine.ledger = ledger
    seed(number)(Machine)
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert Machine.examples >= examples
    return Machine.met


def test_in_memory_the_ledger_does_what_the_model_says(pytestconfig: pytest.Config) -> None:
    run_machine(InMemory(), pytestconfig, examples=60, steps=30)


def test_on_postgres_the_ledger_does_what_the_model_says(
    database: str, pytestconfig: pytest.Config
) -> None:
    with InPostgres.on(database) as ledger:
        run_machine(ledger, pytestconfig, examples=20, steps=25)


@pytest.mark.slow
def test_in_memory_it_does_so_in_two_thousand_examples_with_every_entry_and_refusal(
    pytestconfig: pytest.Config,
) -> None:
    met = run_machine(InMemory(), pytestconfig, examples=2_000, steps=40)
    every = {kind.__name__ for kind in (*get_args(Entry), *get_args(Rejection))}
    assert met == every


@pytest.mark.slow
def test_on_postgres_it_does_so_in_a_hundred_examples_or_as_many_as_asked_for(
    database: str, pytestconfig: pytest.Config
) -> None:
    examples = int(os.environ.get("FLASHTICKET_TEST_EXAMPLES", "100"))
    with InPostgres.on(database) as ledger:
        run_machine(ledger, pytestconfig, examples=examples, steps=40)


def test_the_model_shares_no_rule_with_the_ledger() -> None:
    """It may know the ledger's words; what it imports from there decides nothing."""
    tree = ast.parse(Path(booking_model.__file__).read_text())
    imported = {
        f"{node.module}.{name.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for name in node.names
    } | {
        name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names
    }
    words = {"ledger.commands", "ledger.entries", "ledger.rejections"}
    ours = {name for name in imported if name.startswith("ledger") and "ledger.values." not in name}
    assert ours == words
