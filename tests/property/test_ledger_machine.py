"""Batches under way at the same time, lines cut at every step, retries: the ledger stays right.

Several batches run on several connections to real PostgreSQL, through a line that is cut before the
lock, before the entries, before, during or after the COMMIT. `tallies.Tallies` predicts what each
command is answered; of batches that ran at the same time, some order must explain all answers at
once. (How they interleave differs from run to run, so a failure may not come again by itself: it
prints every answer.) After every step the whole ledger is replayed from its stored bytes and held
against all that is derived from it (L1 to L7) and against the tallies, and its places are counted
anew at every prefix.
"""

import asyncio
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, replace
from itertools import count, permutations
from typing import Any, ClassVar, Final
from uuid import UUID

import psycopg
import pytest
from box_office import PATIENT, carry_out, measure_nothing, open_app_pool, register
from hypothesis import HealthCheck, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)
from samples import schedule, submit
from tallies import Answer, Sells, Tallies, Wish

from ledger.batch import Done, Outcome, Refused
from ledger.commands import (
    BookSeats,
    CancelBooking,
    ChangeCapacity,
    Command,
    ConfirmHold,
    HoldSeats,
    ReleaseHold,
    Submission,
)
from ledger.database import DatabaseUnavailable, Pool
from ledger.handle import CommitUnknown, Locked, handle
from ledger.records import Booking, Hold
from ledger.rejections import SalesClosed, SoldOut
from ledger.values import BookingId, EventId, HoldId, Instant, UserId
from ledger.verify import verify
from loadtest.torture.line import Cut, Line, open_line

USERS: Final = [UserId(UUID(int=0xA000 + n)) for n in range(3)]
STRANGER: Final = UserId(UUID(int=0xA999))
EVENTS_MAX: Final = 3
HOLD_SECONDS: Final = 86_400  # no hold expires here: time is not what this is about

Told = Sequence[Outcome | Locked]

# The ledger


class Floor:
    """A database, the line to it, and connections of the application through that line."""

    def __init__(
        self, owner: psycopg.Connection[Any], runner: asyncio.Runner, line: Line, pool: Pool
    ) -> None:
        self.owner = owner
        self.line = line
        self._runner = runner
        self._pool = pool

    @classmethod
    @contextmanager
    def on(cls, url: str) -> Iterator["Floor"]:
        register(url, USERS)
        with psycopg.connect(url, autocommit=True) as owner, asyncio.Runner() as runner:
            opening_line = open_line(url)
            line = runner.run(opening_line.__aenter__())
            opening_pool = open_app_pool(line.url, size=4)
            pool = runner.run(opening_pool.__aenter__())
            try:
                yield cls(owner, runner, line, pool)
            finally:
                runner.run(opening_pool.__aexit__(None, None, None))
                runner.run(opening_line.__aexit__(None, None, None))

    def clear(self) -> None:
        """Forget everything, for the next example."""
        self.owner.execute(
            "SET session_replication_role = replica;"  # or the ledger could not be emptied
            "TRUNCATE ledger, streams, bookings, holds, waiting_list, seat_rows, seat_claims,"
            " allotments;"
            "SET session_replication_role = origin"
        )

    def run(self, *batches: Sequence[Submission], cut: Cut | None = None) -> list[Told]:
        """The outcomes of batches that run at the same time, whatever happens to the line."""

        async def all_at_once() -> list[Told]:
            self.line.cut(cut)
            told = await asyncio.gather(*[carry_out(self._pool, each) for each in batches])
            self.line.cut(None)
            await self.line.closed()
            return list(told)

        return self._runner.run(all_at_once())

    def crash(self, batch: Sequence[Submission], cut: Cut) -> Told | Exception:
        """What one attempt at a batch comes to when the line is cut and nobody tries again."""

        async def once() -> Told:
            self.line.cut(cut)
            try:
                async with self._pool.connection() as connection:
                    return await handle(connection, batch, PATIENT, measure_nothing)
            finally:
                self.line.cut(None)
                await self.line.closed()

        try:
            return self._runner.run(once())
        except (CommitUnknown, DatabaseUnavailable) as error:
            return error


# What is asked for: numbers, which mean something only where they are used, so that examples can
# be made smaller

ASKS: Final = {
    "book": 8,
    "hold": 5,
    "cancel": 5,
    "confirm": 4,
    "release": 2,
    "resize": 3,
    "retry": 5,
    "schedule": 1,
}
"""What is asked for how often."""

asks = st.fixed_dictionaries(
    {
        "kind": st.sampled_from([kind for kind, often in ASKS.items() for _ in range(often)]),
        "event": st.integers(0, EVENTS_MAX - 1),
        "which": st.integers(0, 9),
        "number": st.sampled_from([1, 1, 1, 2, 2, 3]),
        "user": st.sampled_from([0, 0, 1, 1, 2, 3]),
        "key": st.sampled_from([None, None, 0, 1, 2]),
    }
)
batches = st.lists(asks, min_size=1, max_size=5)
terms = st.builds(
    Sells,
    capacity=st.integers(0, 6),
    venue=st.integers(4, 6),
    limit=st.sampled_from([None, None, None, 2, 3]),
    is_open=st.sampled_from([True] * 7 + [False]),
)


def submission_of(wish: Wish) -> Submission:
    return submit(_command_of(wish), key=wish.key, body=wish.body)


def _command_of(wish: Wish) -> Command:
    event, subject, number = EventId(wish.event), wish.subject, wish.number
    if wish.kind == "schedule":
        assert wish.sells is not None
        return schedule(
            event,
            capacity=wish.sells.capacity,
            venue_capacity=wish.sells.venue,
            limit_per_user=wish.sells.limit,
            sales_close_at=None if wish.sells.is_open else Instant(0),
            hold_seconds=HOLD_SECONDS,
        )
    if wish.kind == "resize":
        assert number is not None
        return ChangeCapacity(event, number)
    assert subject is not None
    if wish.kind == "cancel":
        return CancelBooking(event, BookingId(subject), number)
    if wish.kind == "release":
        return ReleaseHold(event, HoldId(subject))
    if wish.kind == "confirm":
        assert wish.makes is not None
        return ConfirmHold(event, HoldId(subject), BookingId(wish.makes))
    assert wish.user is not None
    assert number is not None
    if wish.kind == "book":
        return BookSeats(event, BookingId(subject), UserId(wish.user), number)
    return HoldSeats(event, HoldId(subject), UserId(wish.user), number)


def answer_of(wish: Wish, outcome: Outcome | Locked) -> Answer:
    """An outcome in the words of `Tallies.answer`."""
    if isinstance(outcome, Refused):
        refusal = outcome.rejection
        if isinstance(refusal, SalesClosed):
            return ("refused", "SalesClosed")
        if isinstance(refusal, SoldOut):
            return ("refused", "SoldOut", refusal.available)
        return ("refused", type(refusal).__name__, *astuple(refusal))
    if not isinstance(outcome, Done):
        return ("no answer", outcome)
    (part,) = outcome.parts
    head, subject = part.head, part.subject
    told: Answer | None = None
    if isinstance(subject, Booking) and wish.kind != "confirm":
        live = subject.live_quantity
        told = (subject.booking_id, subject.user_id, subject.quantity, live, subject.status)
    elif isinstance(subject, Hold) and wish.kind != "confirm":
        quantity = subject.quantity
        told = (subject.hold_id, subject.user_id, quantity, quantity, subject.status)
    version = None if part.recorded is None else part.recorded.version
    counts = (head.version, head.capacity, head.booked, head.held)
    return ("again" if outcome.replayed else "done", version, told, *counts)


# The machine


class LedgerMachine(RuleBasedStateMachine):
    """Sends batches to the floor and holds what comes of them against the tallies."""

    floor: ClassVar[Floor]

    def __init__(self) -> None:
        super().__init__()
        self.floor.clear()
        self.tallies = Tallies(frozenset(USERS))
        self.events: list[UUID] = []
        self.bookings: list[tuple[UUID, UUID]] = []
        self.holds: list[tuple[UUID, UUID]] = []
        self.keyed: list[Wish] = []
        self.numbers = count(1)

    @initialize(sells=st.lists(terms, min_size=1, max_size=EVENTS_MAX))
    def open_events(self, sells: list[Sells]) -> None:
        self._compare([[self._scheduled(each) for each in sells]], None)

    @rule(batch=batches)
    def one_batch(self, batch: list[dict[str, Any]]) -> None:
        """Commands one after another under one lock."""
        self._compare([self._wishes(batch)], None)

    @rule(
        several=st.lists(batches, min_size=2, max_size=3), cut=st.sampled_from([None, None, *Cut])
    )
    def several_batches_at_once(self, several: list[list[dict[str, Any]]], cut: Cut | None) -> None:
        """On connections of their own, of which one may be lost and is made up for."""
        self._compare([self._wishes(batch) for batch in several], cut)

    @rule(batch=batches, cut=st.sampled_from(sorted(set(Cut) - {Cut.DURING_COMMIT}, key=str)))
    def a_process_dies(self, batch: list[dict[str, Any]], cut: Cut) -> None:
        """At some step of a batch, and nobody gets an answer; retries may follow."""
        wishes = self._wishes(batch)
        after = self.tallies.copy()
        answers = [after.answer(wish) for wish in wishes]
        writes = after.versions != self.tallies.versions
        note(f"{cut.name}: {wishes}")
        told = self.floor.crash([submission_of(wish) for wish in wishes], cut)
        if isinstance(told, CommitUnknown):
            assert writes
            assert cut in {Cut.BEFORE_APPEND, Cut.BEFORE_COMMIT, Cut.AFTER_COMMIT}
            if cut is Cut.AFTER_COMMIT:
                assert self._answers(wishes, told.outcomes) == answers
                self.tallies = after
        elif isinstance(told, Exception):
            assert cut is Cut.BEFORE_LOCK or not writes
        else:
            assert cut is Cut.BEFORE_APPEND  # which never came, since there was nothing to append
            assert not writes
            assert self._answers(wishes, told) == answers
        self._check()

    def _compare(self, batches: list[list[Wish]], cut: Cut | None) -> None:
        note(f"{cut and cut.name}: {batches}")
        told = self.floor.run(
            *[[submission_of(wish) for wish in batch] for batch in batches], cut=cut
        )
        actual = [
            self._answers(batch, outcomes) for batch, outcomes in zip(batches, told, strict=True)
        ]
        new = {wish.event for batch in batches for wish in batch if wish.kind == "schedule"}
        new -= self.tallies.terms.keys()
        there_before = {wish.event for batch in batches for wish in batch} - new
        for events in (there_before, *[{event} for event in new]):
            self._explain(events, batches, actual)
        self._check()

    def _explain(
        self, events: set[UUID], batches: list[list[Wish]], actual: list[list[Answer]]
    ) -> None:
        """Find the order of batches that gives the answers about ``events``.

        One that is opened meanwhile is looked at by itself: a batch that waits for the rows of the
        others does not see it yet, though it sees what else was committed with it.
        """
        tried = []
        told = [
            [answer for wish, answer in zip(batch, answers, strict=True) if wish.event in events]
            for batch, answers in zip(batches, actual, strict=True)
        ]
        for order in permutations(range(len(batches))):
            after = self.tallies.copy()
            answers = {
                place: [after.answer(wish) for wish in batches[place] if wish.event in events]
                for place in order
            }
            tried.append([answers[place] for place in range(len(batches))])
            if tried[-1] == told:
                self.tallies = after
                return
        pytest.fail(f"no order explains the answers\n{told}\nof the orders\n{tried}")

    def _answers(self, batch: list[Wish], outcomes: Told) -> list[Answer]:
        return [answer_of(wish, each) for wish, each in zip(batch, outcomes, strict=True)]

    # Numbers to wishes

    def _wishes(self, batch: list[dict[str, Any]]) -> list[Wish]:
        return [self._wish(**ask) for ask in batch]

    def _wish(
        self, kind: str, event: int, which: int, number: int, user: int, key: int | None
    ) -> Wish:
        if kind == "retry" and self.keyed:
            return self._retry(self.keyed[which % len(self.keyed)], other=number == 3)
        if kind == "schedule" and len(self.events) < EVENTS_MAX:
            return self._scheduled(Sells(which, 6, None, is_open=True))
        show = self.events[event % len(self.events)]
        buyer = (*USERS, STRANGER)[user]
        if kind == "resize":
            wish = Wish("resize", show, number=which - 1 if which else 7)
        elif kind == "cancel" and self.bookings:
            show, booking = self.bookings[which % len(self.bookings)]
            wish = Wish("cancel", show, booking, number=None if number < 3 else which % 3 + 1)
        elif kind in {"confirm", "release"} and self.holds:
            show, hold = self.holds[which % len(self.holds)]
            if kind == "confirm":
                wish = Wish("confirm", show, hold, makes=self._new_id())
                self.bookings.append((show, wish.makes or hold))
            else:
                wish = Wish("release", show, hold)
        elif kind == "hold":
            wish = Wish("hold", show, self._new_id(), buyer, number)
            self.holds.append((show, wish.subject or show))
        else:
            wish = Wish("book", show, self._new_id(), buyer, number)
            self.bookings.append((show, wish.subject or show))
        if key is not None:
            # One key for one event: of the same key used on two events at the same time both may
            # hold, since no constraint spans streams.
            body = f"{wish.kind} {wish.user} {wish.number}"
            if wish.kind in {"cancel", "confirm", "release"}:
                body += f" {wish.subject}"
            wish = replace(wish, key=f"{show} {key}", body=body)
            self.keyed.append(wish)
        return wish

    def _scheduled(self, sells: Sells) -> Wish:
        event = self._new_id()
        self.events.append(event)
        wish = Wish("schedule", event, sells=sells, key=f"{event}", body="schedule")
        self.keyed.append(wish)
        return wish

    def _retry(self, before: Wish, *, other: bool) -> Wish:
        """The key again, as a client sends it: with new ids for what it would make."""
        again = replace(before, body="another body") if other else before
        if again.kind in {"book", "hold"}:
            again = replace(again, subject=self._new_id())
        if again.kind == "confirm":
            again = replace(again, makes=self._new_id())
        return again

    def _new_id(self) -> UUID:
        return UUID(int=0xE0000 + next(self.numbers))

    # What must hold after every step

    def _check(self) -> None:
        owner = self.floor.owner
        with owner.transaction():
            assert verify(owner, lambda _: None, lambda _: None).violations == []
            streams = owner.execute(
                "SELECT stream_id, version, capacity, booked, held FROM streams"
            ).fetchall()
            bookings = owner.execute(
                "SELECT booking_id, stream_id, user_id, quantity,"
                " quantity - jsonb_array_length(cancelled_tickets), status FROM bookings"
            ).fetchall()
            holds = owner.execute(
                "SELECT hold_id, stream_id, user_id, quantity, quantity, status FROM holds"
            ).fetchall()
            entries = owner.execute(
                "SELECT stream_id, version, type, payload FROM ledger ORDER BY 1, 2"
            ).fetchall()
        tallies = self.tallies
        assert {each[0]: each[1:] for each in streams} == {
            event: tallies.counts(event) for event in tallies.terms
        }
        assert {each[0]: each[1:] for each in bookings} == {
            booking: astuple(places) for booking, places in tallies.bookings.items()
        }
        assert {each[0]: each[1:] for each in holds} == {
            hold: astuple(places) for hold, places in tallies.holds.items()
        }
        _count_at_every_prefix(entries)


def _count_at_every_prefix(entries: list[tuple[UUID, int, str, bytes]]) -> None:
    """Versions without gaps, and never more places taken than there are; from the bytes alone."""
    versions: dict[UUID, int] = {}
    capacity: dict[UUID, int] = {}
    taken: dict[UUID, int] = {}
    held: dict[str, int] = {}
    for stream, version, kind, payload in entries:
        fields = json.loads(payload)
        assert version == versions.get(stream, 0) + 1
        versions[stream] = version
        if kind in {"EventScheduled", "CapacityChanged"}:
            capacity[stream] = fields["capacity"]
        elif kind in {"SeatsBooked", "SeatsHeld"}:
            taken[stream] = taken.get(stream, 0) + fields["quantity"]
            held[fields.get("hold_id")] = fields["quantity"]
        elif kind == "BookingCancelled":
            taken[stream] -= fields["quantity"]
        elif kind == "HoldReleased":
            taken[stream] -= held[fields["hold_id"]]
        else:
            assert kind == "HoldConfirmed"
        assert 0 <= taken.get(stream, 0) <= capacity[stream], (stream, version)


def run_machine(url: str, *, examples: int, steps: int) -> None:
    with Floor.on(url) as floor:
        LedgerMachine.floor = floor
        run_state_machine_as_test(
            LedgerMachine,
            settings=settings(
                max_examples=examples,
                stateful_step_count=steps,
                deadline=None,
                print_blob=True,
                suppress_health_check=list(HealthCheck),
            ),
        )
        assert floor.line.cuts > examples // 4


def test_whatever_happens_to_the_line_the_ledger_answers_as_the_tallies_do(database: str) -> None:
    run_machine(database, examples=20, steps=12)


@pytest.mark.slow
def test_it_does_so_in_longer_examples(database: str) -> None:
    run_machine(database, examples=50, steps=25)
