"""Deciding a batch: commands in arrival order, each on the state its forerunners left.

Pure. A batch gives exactly what its commands would have given one by one, which is what makes it
safe to share one lock, one round trip and one fsync among them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ledger import chain, codec
from ledger.commands import BookSeats, CancelBooking, Command, Submission
from ledger.decide import Decision, IdempotencyKeyReused, Rejection, UserNotFound, decide
from ledger.entries import Entry, Recorded, SeatsBooked
from ledger.state import Booking, Impossible, State, Terms, evolve
from ledger.values import EPOCH, BookingId, EventId, Instant, UserId


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
    recorded_by_key: dict[bytes, Recorded]
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
class Done:
    """A command that holds: what it appended (or its key's first use did) and what came of it."""

    recorded: Recorded | None
    booking: Booking | None
    head: Head
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Failed:
    """A command that could not be decided: a bug, kept from harming its neighbours."""

    error: Exception


Outcome = Done | Rejection | Failed


@dataclass(slots=True)
class Decided:
    """A batch's outcomes in the order of its submissions, and what is to be written."""

    outcomes: list[Outcome]
    appended: list[Recorded]
    changed_streams: list[Stream]
    changed_bookings: dict[BookingId, Booking]


def decide_batch(loaded: Loaded, submissions: Sequence[Submission]) -> Decided:
    """Decide all ``submissions`` on ``loaded``, which then holds the state after them."""
    decided = Decided([], [], [], {})
    changed: dict[EventId, Stream] = {}
    for submission in submissions:
        appended_before = len(decided.appended)
        try:
            outcome = _decide_one(loaded, submission, decided, changed)
        except Exception as error:  # one command's bug is that command's answer only
            if len(decided.appended) != appended_before:
                raise  # half of it is in the state: only without the batch is it gone again
            outcome = Failed(error)
        decided.outcomes.append(outcome)
    decided.changed_streams = list(changed.values())
    return decided


def _decide_one(
    loaded: Loaded, submission: Submission, decided: Decided, changed: dict[EventId, Stream]
) -> Outcome:
    command = submission.command
    key = submission.idempotency_key
    stream = loaded.streams.get(command.event_id) or Stream(command.event_id)
    if key is not None and (first := loaded.recorded_by_key.get(key)) is not None:
        if first.request_hash != submission.request_hash:
            return IdempotencyKeyReused()
        if isinstance(first.entry, SeatsBooked):
            booking = evolve(State(), first).booking  # as it was then, whatever came of it since
        else:
            booking = _booking_of(stream.state, command)
        return Done(first, booking, head_of(stream), replayed=True)

    # Time never runs back within a stream, whatever the clocks of two database servers say.
    now = max(loaded.now, stream.updated_at)
    decision: Decision = decide(stream.state, command, now)
    if not isinstance(decision, tuple):
        return decision
    if isinstance(command, BookSeats) and command.user_id not in loaded.users:
        return UserNotFound(command.user_id)

    recorded = None
    for entry in decision:
        recorded = _record(stream, entry, now, submission)
        changes = evolve(stream.state, recorded)
        stream.state.fold(changes)
        stream.version, stream.head_hash, stream.updated_at = recorded.version, recorded.hash, now
        if changes.booking is not None:
            decided.changed_bookings[changes.booking.booking_id] = changes.booking
        decided.appended.append(recorded)
    if recorded is not None:
        loaded.streams[stream.stream_id] = changed[stream.stream_id] = stream
        if key is not None:
            loaded.recorded_by_key[key] = recorded
    return Done(recorded, _booking_of(stream.state, command), head_of(stream))


def _record(stream: Stream, entry: Entry, now: Instant, submission: Submission) -> Recorded:
    type_name, schema_version, payload = codec.encode(entry)
    version = stream.version + 1
    digest = chain.entry_hash(
        chain.preimage(
            stream_id=stream.stream_id,
            version=version,
            recorded_at=now,
            schema_version=schema_version,
            actor=submission.actor,
            prev_hash=stream.head_hash,
            type_name=type_name,
            idempotency_key=submission.idempotency_key,
            request_hash=submission.request_hash,
            payload=payload,
        )
    )
    return Recorded(
        stream_id=stream.stream_id,
        version=version,
        recorded_at=now,
        actor=submission.actor,
        idempotency_key=submission.idempotency_key,
        request_hash=submission.request_hash,
        entry=entry,
        type_name=type_name,
        schema_version=schema_version,
        payload=payload,
        prev_hash=stream.head_hash,
        hash=digest,
    )


def _booking_of(state: State, command: Command) -> Booking | None:
    if isinstance(command, BookSeats | CancelBooking):
        return state.bookings.get(command.booking_id)
    return None


def head_of(stream: Stream) -> Head:
    """The counts of ``stream`` as they now stand; zero capacity for one that does not exist."""
    state = stream.state
    capacity = 0 if state.terms is None else state.terms.capacity
    return Head(stream.version, capacity, state.booked, state.held, stream.updated_at)
