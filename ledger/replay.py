"""Replay: entries back into state, every rule checked on the way.

A function of the rows' bytes alone (L7). The rules are checked here apart from `decide`, so a
decision that was wrong is found however it came about.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ledger import chain, codec
from ledger.batch import Stream
from ledger.entries import Recorded
from ledger.evolve import evolve
from ledger.rows import Row, recorded_from_row
from ledger.state import Impossible, overdrawn
from ledger.values import EventId


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
    stream_id: EventId,
    rows: Iterable[Row],
    *,
    onto: Stream | None = None,
    until: Callable[[Recorded], bool] | None = None,
) -> Stream:
    """The stream that ``rows`` of read_ledger make, without what comes from ``until``'s pick on.

    With ``onto`` they are those that follow its version, and it has the state of what they name.
    Raises `Broken` at the first entry that breaks a rule.
    """
    stream = Stream(stream_id) if onto is None else onto
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
        over = overdrawn(stream.state)
        if over is not None:
            raise _broken("L1", recorded, over)
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


def _broken(rule: str, recorded: Recorded, what: str) -> Broken:
    return Broken(Violation(rule, recorded.stream_id, recorded.version, what))
