"""Replay: entries back into state, every rule checked on the way.

A function of the rows' bytes alone (L7). The rules are checked here apart from `decide`, so a
decision that was wrong is found however it came about.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from ledger import chain, codec
from ledger.batch import Stream
from ledger.entries import Recorded
from ledger.state import Booking, Impossible, State, evolve
from ledger.store import recorded_from_row
from ledger.values import EventId

Row = tuple[Any, ...]
"""An entry's row with the columns of read_ledger.sql."""


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken rule, and where: the first entry of a stream that breaks one, or a derived row."""

    rule: str
    stream_id: EventId | None
    version: int | None
    what: str


class Broken(Exception):
    """An entry breaks a rule; nothing after it in its stream can be judged."""

    def __init__(self, violation: Violation) -> None:
        super().__init__(violation.what)
        self.violation = violation


def fold(
    stream_id: EventId, rows: Iterable[Row], *, until: Callable[[Recorded], bool] | None = None
) -> Stream:
    """The stream that ``rows`` make, up to but not including the first entry ``until`` picks.

    Raises `Broken` at the first entry that breaks a rule.
    """
    stream = Stream(stream_id)
    keys: set[bytes] = set()
    for row in rows:
        recorded = _read(stream, row)
        if until is not None and until(recorded):
            break
        _check_link(stream, recorded)
        _check_key(recorded, keys)
        try:
            stream.state.fold(evolve(stream.state, recorded))
        except Impossible as error:
            raise _broken("L2", recorded, str(error)) from error
        stream.version = recorded.version
        stream.head_hash = recorded.hash
        stream.updated_at = recorded.recorded_at
        _check_capacity(stream.state, recorded)
    return stream


def _read(stream: Stream, row: Row) -> Recorded:
    try:
        return recorded_from_row(row)
    except codec.UnreadablePayload as error:
        raise Broken(Violation("L7", stream.stream_id, row[1], str(error))) from error


def _check_link(stream: Stream, recorded: Recorded) -> None:
    if recorded.version != stream.version + 1:
        raise _broken("L3", recorded, f"follows version {stream.version}: entries are missing")
    if recorded.prev_hash != stream.head_hash:
        raise _broken("L3", recorded, "prev_hash is not the hash of the entry before")
    if recorded.recorded_at < stream.updated_at:
        raise _broken("L3", recorded, "recorded_at is before that of the entry before")
    if chain.hash_of(recorded) != recorded.hash:
        raise _broken("L3", recorded, "hash is not that of the entry's contents")


def _check_key(recorded: Recorded, keys: set[bytes]) -> None:
    key = recorded.idempotency_key
    if key is not None:
        if key in keys:
            raise _broken("L4", recorded, "the idempotency key has an entry already")
        keys.add(key)


def _check_capacity(state: State, recorded: Recorded) -> None:
    if state.terms is None:
        raise _broken("L3", recorded, "the stream does not begin with EventScheduled")
    if state.booked < 0 or state.held < 0:
        raise _broken("L1", recorded, f"{state.booked} booked and {state.held} held")
    if state.available < 0:
        taken, capacity = state.booked + state.held, state.terms.capacity
        raise _broken("L1", recorded, f"{taken} places taken of {capacity}")
    if state.terms.capacity > state.terms.venue_capacity:
        raise _broken("L1", recorded, "the capacity is above the venue's")


def _broken(rule: str, recorded: Recorded, what: str) -> Broken:
    return Broken(Violation(rule, recorded.stream_id, recorded.version, what))


def compare_stream(folded: Stream, row: Stream | None) -> Violation | None:
    """L6: the stream row against the fold."""
    if row is None:
        return Violation("L6", folded.stream_id, None, "the stream has entries but no row")
    for name, is_, should in (
        ("version", row.version, folded.version),
        ("head_hash", row.head_hash.hex(), folded.head_hash.hex()),
        ("booked", row.state.booked, folded.state.booked),
        ("held", row.state.held, folded.state.held),
        ("terms", row.state.terms, folded.state.terms),
        ("updated_at", row.updated_at, folded.updated_at),
    ):
        if is_ != should:
            what = f"the stream row's {name} is {is_}, the entries give {should}"
            return Violation("L6", folded.stream_id, None, what)
    return None


def compare_bookings(folded: Stream, rows: Iterable[Booking]) -> Violation | None:
    """L5 and L6: every booking row has its entry and equals the fold, and none is missing."""
    remaining = dict(folded.state.bookings)
    for row in rows:
        booking = remaining.pop(row.booking_id, None)
        if booking is None:
            what = f"booking {row.booking_id} is projected but has no entry"
            return Violation("L5", folded.stream_id, row.entry_version, what)
        if booking != row:
            what = f"booking {row.booking_id} is projected as {row}, the entries give {booking}"
            return Violation("L6", folded.stream_id, booking.changed_version, what)
    if remaining:
        booking = next(iter(remaining.values()))
        what = f"booking {booking.booking_id} is not projected"
        return Violation("L6", folded.stream_id, booking.entry_version, what)
    return None
