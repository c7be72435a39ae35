"""Deciding a batch: commands in arrival order, each on the state its forerunners left.

Pure. A batch gives exactly what its commands would have given one by one, which is what makes it
safe to share one lock, one round trip and one fsync among them. Before the first command of a
stream what has become due there is recorded, and after each command whatever came free is offered
to those in line, in the same transaction.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from ledger import chain, codec
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
    ReleaseHold,
    Submission,
    TidyEvent,
    TransferBooking,
)
from ledger.decide import decide
from ledger.due import expired_holds, next_offer, of_cancelled_event
from ledger.entries import Entry, Recorded, SeatsBooked, SeatsHeld, WaitingListJoined
from ledger.evolve import evolve, new_booking, new_hold, new_waiting
from ledger.records import Booking, Hold, Terms, Waiting
from ledger.rejections import IdempotencyKeyReused, Rejection, UserNotFound
from ledger.state import Claim, Impossible, State
from ledger.values import (
    EPOCH,
    SYSTEM,
    ActorId,
    BookingId,
    EventId,
    HoldId,
    Instant,
    UserId,
    WaitingId,
)

Subject = Booking | Hold | Waiting
"""What a command was about."""


@dataclass(slots=True)
class Stream:
    """One locked stream: where its chain ends, and the state that the commands need."""

    stream_id: EventId
    version: int = 0
    head_hash: bytes = chain.GENESIS
    updated_at: Instant = EPOCH
    state: State = field(default_factory=State)
    loaded_version: int = 0

    @property
    def terms(self) -> Terms:
        """The terms of a stream that has entries."""
        if self.state.terms is None:
            raise Impossible(f"stream {self.stream_id} has entries but was never scheduled")
        return self.state.terms


@dataclass(slots=True)
class Loaded:
    """What was read under the lock for one batch."""

    now: Instant
    streams: dict[EventId, Stream]
    recorded_by_key: dict[bytes, list[Recorded]]
    users: frozenset[UserId]


@dataclass(frozen=True, slots=True)
class Head:
    """A stream's counts at a version."""

    version: int
    capacity: int
    booked: int
    held: int
    as_of: Instant

    @property
    def available(self) -> int:
        return self.capacity - self.booked - self.held


@dataclass(frozen=True, slots=True)
class Part:
    """What came of one command: the entry it appended, if any, and what it was about."""

    stream_id: EventId
    recorded: Recorded | None
    subject: Subject | None
    head: Head


@dataclass(frozen=True, slots=True)
class Done:
    """Commands that hold, one part each; ``replayed`` if an earlier try of the key did it."""

    parts: tuple[Part, ...]
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """Commands of which the one about ``stream_id`` is refused, and so are all."""

    stream_id: EventId
    rejection: Rejection
    head: Head | None = None
    """The counts on which it was decided, under the lock."""


@dataclass(frozen=True, slots=True)
class Failed:
    """Commands that could not be decided: a bug, kept from harming their neighbours."""

    error: Exception


Outcome = Done | Refused | Failed


@dataclass(slots=True)
class Decided:
    """A batch's outcomes in the order of its submissions, and what is to be written."""

    outcomes: list[Outcome] = field(default_factory=list)
    appended: list[Recorded] = field(default_factory=list)
    streams: dict[EventId, Stream] = field(default_factory=dict)
    bookings: dict[BookingId, Booking] = field(default_factory=dict)
    holds: dict[HoldId, Hold] = field(default_factory=dict)
    line: dict[WaitingId, Waiting] = field(default_factory=dict)
    claims: dict[tuple[EventId, str], Claim | None] = field(default_factory=dict)


def decide_batch(
    loaded: Loaded, submissions: Sequence[Submission], new_id: Callable[[], UUID]
) -> Decided:
    """Decide all ``submissions`` on ``loaded``, which then holds the state after them.

    ``new_id`` gives the ids of offers to those in line.
    """
    batch = _Batch(loaded, new_id)
    for stream in loaded.streams.values():
        batch.expire(stream)
    for submission in submissions:
        appended_before = len(batch.decided.appended)
        try:
            outcome = batch.run(submission)
        except Exception as error:  # one bug is one answer only
            if len(batch.decided.appended) != appended_before:
                raise  # half of it is in the state: only without the batch is it gone again
            outcome = Failed(error)
        batch.decided.outcomes.append(outcome)
    return batch.decided


class _Batch:
    def __init__(self, loaded: Loaded, new_id: Callable[[], UUID]) -> None:
        self.loaded = loaded
        self.decided = Decided()
        self._new_id = new_id

    def run(self, submission: Submission) -> Outcome:
        key = submission.idempotency_key
        if key is not None and (first := self.loaded.recorded_by_key.get(key)):
            if first[0].request_hash != submission.request_hash:
                return Refused(first[0].stream_id, IdempotencyKeyReused())
            return self._replayed(submission, first)

        if len(submission.event_ids) != len(submission.commands):
            # Each would be decided as if the other were not there.
            raise ValueError("a cart has two commands about one event")
        planned: list[tuple[Command, Stream, tuple[Entry, ...]]] = []
        for command in submission.commands:
            stream = self._stream(command.event_id)
            decision = decide(stream.state, command, self._now(stream))
            if not isinstance(decision, tuple):
                return Refused(command.event_id, decision, head_of(stream))
            user_id = _user_named(command)
            if user_id is not None and user_id not in self.loaded.users:
                return Refused(command.event_id, UserNotFound(user_id))
            planned.append((command, stream, decision))

        return Done(tuple(self._carry_out(submission, *each) for each in planned))

    def expire(self, stream: Stream) -> None:
        """Record every hold that is over, and offer what came free."""
        for entry in expired_holds(stream.state, self._now(stream)):
            self._append(stream, entry, SYSTEM)
        self._offer(stream)

    def _carry_out(
        self,
        submission: Submission,
        command: Command,
        stream: Stream,
        entries: tuple[Entry, ...],
    ) -> Part:
        recorded = None
        for entry in entries:
            # The key stands on the first entry: a stream has one entry of a key (L4).
            key = submission.idempotency_key if recorded is None else None
            request_hash = submission.request_hash if recorded is None else None
            appended = self._append(stream, entry, submission.actor, key, request_hash)
            recorded = recorded or appended
        if isinstance(command, TidyEvent):
            for entry in of_cancelled_event(stream.state):
                self._append(stream, entry, submission.actor)
        if entries:
            self._offer(stream)
        return Part(stream.stream_id, recorded, _subject(stream.state, command), head_of(stream))

    def _offer(self, stream: Stream) -> None:
        while (offer := next_offer(stream.state, self._now(stream), self._new_id)) is not None:
            self._append(stream, offer, SYSTEM)

    def _append(
        self,
        stream: Stream,
        entry: Entry,
        actor: ActorId,
        key: bytes | None = None,
        request_hash: bytes | None = None,
    ) -> Recorded:
        recorded = _seal(stream, entry, self._now(stream), actor, key, request_hash)
        changes = evolve(stream.state, recorded)
        stream.state.fold(changes)
        stream.version = recorded.version
        stream.head_hash = recorded.hash
        stream.updated_at = recorded.recorded_at
        decided = self.decided
        decided.appended.append(recorded)
        if recorded.version == stream.loaded_version + 1:
            decided.streams[stream.stream_id] = self.loaded.streams[stream.stream_id] = stream
        if changes.booking is not None:
            decided.bookings[changes.booking.booking_id] = changes.booking
        if changes.hold is not None:
            decided.holds[changes.hold.hold_id] = changes.hold
        if changes.waiting is not None:
            decided.line[changes.waiting.waiting_id] = changes.waiting
        for seat, claim in changes.claims:
            decided.claims[stream.stream_id, seat] = claim
        if key is not None:
            self.loaded.recorded_by_key.setdefault(key, []).append(recorded)
        return recorded

    def _replayed(self, submission: Submission, first: list[Recorded]) -> Done:
        by_stream = {recorded.stream_id: recorded for recorded in first}
        parts = []
        for command in submission.commands:
            stream = self._stream(command.event_id)
            recorded = by_stream.get(command.event_id)
            subject = _begun_by(recorded) or _subject(stream.state, command)
            parts.append(Part(command.event_id, recorded, subject, head_of(stream)))
        return Done(tuple(parts), replayed=True)

    def _stream(self, event_id: EventId) -> Stream:
        return self.loaded.streams.get(event_id) or Stream(event_id)

    def _now(self, stream: Stream) -> Instant:
        # Time never runs back within a stream, whatever the clocks of two database servers say.
        return max(self.loaded.now, stream.updated_at)


def _seal(
    stream: Stream,
    entry: Entry,
    now: Instant,
    actor: ActorId,
    key: bytes | None,
    request_hash: bytes | None,
) -> Recorded:
    type_name, schema_version, payload = codec.encode(entry)
    version = stream.version + 1
    digest = chain.entry_hash(
        chain.preimage(
            stream_id=stream.stream_id,
            version=version,
            recorded_at=now,
            schema_version=schema_version,
            actor=actor,
            prev_hash=stream.head_hash,
            type_name=type_name,
            idempotency_key=key,
            request_hash=request_hash,
            payload=payload,
        )
    )
    return Recorded(
        stream_id=stream.stream_id,
        version=version,
        recorded_at=now,
        actor=actor,
        idempotency_key=key,
        request_hash=request_hash,
        entry=entry,
        type_name=type_name,
        schema_version=schema_version,
        payload=payload,
        prev_hash=stream.head_hash,
        hash=digest,
    )


def _user_named(command: Command) -> UserId | None:
    match command:
        case BookSeats() | HoldSeats() | JoinWaitingList():
            return command.user_id
        case TransferBooking():
            return command.to_user_id
        case _:
            return None


def _subject(state: State, command: Command) -> Subject | None:
    match command:
        case BookSeats() | CancelBooking() | TransferBooking() | CheckIn() | AnnulCheckIn():
            return state.bookings.get(command.booking_id)
        case HoldSeats() | ReleaseHold():
            return state.holds.get(command.hold_id)
        case ConfirmHold():
            hold = state.holds.get(command.hold_id)
            booking_id = None if hold is None else hold.booking_id
            return hold if booking_id is None else state.bookings.get(booking_id, hold)
        case LeaveWaitingList():
            return state.line.get(command.waiting_id)
        case JoinWaitingList():
            return state.line.get(command.waiting_id) or state.waits_already(
                command.user_id, command.category
            )
        case _:
            return None


def _begun_by(recorded: Recorded | None) -> Subject | None:
    """What an entry began, as the first answer told it."""
    if recorded is None:
        return None
    match recorded.entry:
        case SeatsBooked() as entry:
            return new_booking(recorded, entry)
        case SeatsHeld() as entry:
            return new_hold(recorded, entry)
        case WaitingListJoined() as entry:
            return new_waiting(recorded, entry)
        case _:
            return None


def head_of(stream: Stream) -> Head:
    """The counts of ``stream`` as they now stand; zero capacity for one that does not exist."""
    state = stream.state
    capacity = 0 if state.terms is None else state.terms.capacity
    return Head(stream.version, capacity, state.booked, state.held, stream.updated_at)
