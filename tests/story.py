"""Given these commands, when this one comes, then these entries and perhaps this refusal.

    given(schedule(capacity=1), hold()).at(EXPIRY).when(confirm()).then(
        HoldExpired(hold_id(1), ALICE, 1, EXPIRY), HoldIsExpired(hold_id(1), EXPIRY)
    )

The ledger is in memory and commands go through `ledger.batch.decide_batch`, so that what became due
is there too: expired holds before the command, offers to those in line after it. After every batch
all streams are folded again from their bytes, as replay does it, and must come to the same, and
what changed must point to its first entry and its last.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, fields
from itertools import count
from typing import Self
from uuid import UUID

from samples import ALICE, BOB, EVENT, NOW
from wishes import offer_id, submission, user_id

from ledger.batch import Decided, Done, Loaded, Outcome, Refused, Stream, decide_batch
from ledger.commands import Command, Submission
from ledger.entries import Entry, Recorded
from ledger.records import Booking, Hold, Mark, Waiting
from ledger.rejections import Rejection
from ledger.replay import fold
from ledger.rows import Row
from ledger.state import State
from ledger.values import EventId, Instant, UserId

CAROL, DAVE = user_id(3), user_id(4)
USERS = frozenset({ALICE, BOB, CAROL, DAVE, *map(user_id, range(10, 60))})
"""Who is in the directory."""


@dataclass(frozen=True)
class Told:
    """What came of one batch."""

    outcomes: list[Outcome]
    appended: list[Recorded]

    def then(self, *expected: Entry | Rejection) -> None:
        """Exactly these entries were appended, and these refusals came, in this order."""
        told: list[Entry | Rejection] = [recorded.entry for recorded in self.appended]
        told += [each.rejection for each in self.outcomes if isinstance(each, Refused)]
        assert told == list(expected)

    def then_nothing(self) -> None:
        """It held already: no entry, and no refusal."""
        self.then()
        assert all(isinstance(outcome, Done) for outcome in self.outcomes)

    @property
    def done(self) -> Done:
        """The outcome of the only submission, which must have been carried out."""
        (outcome,) = self.outcomes
        assert isinstance(outcome, Done), outcome
        return outcome


@dataclass
class Story:
    """A ledger in memory, and what time it is there."""

    now: Instant = NOW
    users: frozenset[UserId] = USERS
    appended: list[Recorded] = field(default_factory=list)
    loaded: Loaded = field(init=False)
    new_id: Callable[[], UUID] = field(init=False)

    def __post_init__(self) -> None:
        self.loaded = Loaded(self.now, {}, {}, self.users)
        numbers = count(1)
        self.new_id = lambda: offer_id(next(numbers))

    def at(self, now: int) -> Self:
        """The same ledger at another time."""
        self.now = Instant(now)
        return self

    def when(self, *commands: Command) -> Told:
        """What comes of ``commands`` sent as one submission."""
        return self.batch(submission(*commands))

    def batch(self, *submissions: Submission) -> Told:
        """What comes of ``submissions`` under one taking of the lock."""
        decided = self.decide(submissions)
        return Told(decided.outcomes, decided.appended)

    def decide(self, submissions: Sequence[Submission]) -> Decided:
        self.loaded.now = self.now
        decided = decide_batch(self.loaded, submissions, self.new_id)
        self.appended += decided.appended
        for stream in decided.streams.values():
            assert replayed(stream.stream_id, self.appended) == stream
        self._check_marks(decided)
        return decided

    def _check_marks(self, decided: Decided) -> None:
        entries_of: dict[object, list[Recorded]] = {}
        for recorded in self.appended:
            for named in _named(recorded):
                entries_of.setdefault(named, []).append(recorded)
        changed: list[Booking | Hold | Waiting]
        changed = [*decided.bookings.values(), *decided.holds.values(), *decided.line.values()]
        for record in changed:
            own = entries_of[_id_of(record)]
            assert (record.entry, record.changed) == (_mark(own[0]), _mark(own[-1]))
            assert record.stream_id == own[0].stream_id

    def stream(self, event_id: EventId = EVENT) -> Stream:
        return self.loaded.streams[event_id]

    @property
    def state(self) -> State:
        return self.stream().state


def given(*history: Command, at: int = NOW) -> Story:
    """A ledger in which each of ``history`` was carried out, or at least is no refusal."""
    story = Story(Instant(at))
    return and_then(story, *history)


def and_then(story: Story, *history: Command) -> Story:
    """More of it, at the story's time."""
    for command in history:
        assert story.when(command).done
    return story


def _id_of(record: Booking | Hold | Waiting) -> UUID:
    match record:
        case Booking():
            return record.booking_id
        case Hold():
            return record.hold_id
        case Waiting():
            return record.waiting_id


def _named(recorded: Recorded) -> set[object]:
    """The ids in an entry."""
    return {getattr(recorded.entry, each.name) for each in fields(recorded.entry)}


def _mark(recorded: Recorded) -> Mark:
    return Mark(recorded.version, recorded.hash, recorded.recorded_at)


def replayed(stream_id: EventId, entries: Iterable[Recorded]) -> Stream:
    """A stream folded from the bytes of its rows."""
    return fold(stream_id, [read_row(each) for each in entries if each.stream_id == stream_id])


def read_row(recorded: Recorded) -> Row:
    """The row of an entry with the columns of read_ledger."""
    return (
        recorded.stream_id,
        recorded.version,
        recorded.recorded_at,
        recorded.actor,
        recorded.idempotency_key,
        recorded.request_hash,
        recorded.type_name,
        recorded.schema_version,
        recorded.payload,
        recorded.prev_hash,
        recorded.hash,
    )
