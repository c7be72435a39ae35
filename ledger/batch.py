"""Deciding a batch: commands in arrival order, each on the state its forerunners left.

Pure. A batch gives exactly what its commands would have given one by one, which is what makes it
safe to share one lock, one round trip and one fsync among them. Before the first command of a
stream what has become due there is recorded, and after each one whatever came free is offered to
those in line, in the same transaction.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from ledger import chain, codec
from ledger.commands import (
    BookSeats,
    Command,
    HoldSeats,
    JoinWaitingList,
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
from ledger.subjects import Subject, subject_of
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


@dataclass(slots=True)
class Stream:
    """One locked stream: where its chain ends, and the state that the commands need."""

    stream_id: EventId
    version: int = 0
    head_hash: bytes = chain.GENESIS
    updated_at: Instant = EPOCH
    in_line: int = 0
    state: State = field(default_factory=State)
    loaded_version: int = 0

    @property
    def terms(self) -> Terms:
        """The terms of a stream that has entries."""
        if self.state.terms is None:
            raise Impossible(f"stream {self.stream_id} has entries but was never scheduled")
        return self.state.terms
