"""Verify: every stream folded from the stored bytes, and all that is derived held against it.

One snapshot of the database, read once in order, while bookings go on. Memory is bounded by the
largest stream.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count, groupby
from typing import Any, Final

import psycopg
from psycopg import RawServerCursor

from ledger import rows
from ledger.batch import Stream
from ledger.database import FIND_UNDURABLE_SETTINGS, statement
from ledger.entries import Recorded
from ledger.replay import Broken, Violation, fold
from ledger.rows import Row
from ledger.values import EventId

_READ_LEDGER: Final = statement("ledger", "read_ledger")
_READ_STREAM: Final = statement("ledger", "read_stream")
_ROWS_AT_A_TIME: Final = 5_000
_CURSORS: Final = count()

Keyed = Mapping[Any, object]


@dataclass(slots=True)
class Report:
    """What was read and what is wrong with it; nothing is when ``violations`` is empty."""

    entries: int = 0
    streams: int = 0
    bookings: int = 0
    tickets: int = 0
    violations: list[Violation] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Derived:
    """A projected table: how to read it, and what a fold says should be in it."""

    what: str
    query: bytes
    stream_id_at: int
    read: Callable[[list[Row]], Keyed]
    expect: Callable[[Stream], Keyed]
    place: Callable[[Any, Any], int | None] = lambda *_: None
    """The version from which on a row and what it should be are apart, if they tell."""


_DERIVED: Final = (
    _Derived(
        "stream row",
        statement("ledger", "read_stream_rows"),
        0,
        lambda found: {"row": _summary(rows.stream_from_row(found[0]))} if found else {},
        lambda stream: {"row": _summary(stream)},
        lambda row, stream: None if row[0] == stream[0] else min(row[0], stream[0]) + 1,
    ),
    _Derived(
        "booking",
        statement("ledger", "read_booking_rows"),
        1,
        lambda found: {each.booking_id: each for each in map(rows.booking_from_row, found)},
        lambda stream: dict(stream.state.bookings),
    ),
    _Derived(
        "hold",
        statement("ledger", "read_hold_rows"),
        1,
        lambda found: {each.hold_id: each for each in map(rows.hold_from_row, found)},
        lambda stream: dict(stream.state.holds),
    ),
    _Derived(
        "place in line",
        statement("ledger", "read_waiting_rows"),
        1,
        lambda found: {each.waiting_id: each for each in map(rows.waiting_from_row, found)},
        lambda stream: dict(stream.state.line),
    ),
    _Derived(
        "claim on seat",
        statement("ledger", "read_claim_rows"),
        0,
        lambda found: {seat: claimed_by for _, seat, claimed_by in found},
        lambda stream: dict(stream.state.claims),
    ),
    _Derived(
        "row of seats",
        statement("ledger", "read_seat_row_rows"),
        0,
        lambda found: dict(enumerate(map(rows.seat_row_from_row, found))),
        lambda stream: dict(
            enumerate(() if stream.state.layout is None else stream.state.layout.rows)
        ),
    ),
    _Derived(
        "allotment",
        statement("ledger", "read_allotment_rows"),
        0,
        lambda found: {row[1:3]: row[3:] for row in found},
        lambda stream: {row[1:3]: row[3:] for row in rows.allotment_rows(stream)},
    ),
)


def _summary(stream: Stream) -> tuple[object, ...]:
    state = stream.state
    counts = (state.booked, state.held, state.in_line)
    return stream.version, stream.head_hash.hex(), *counts, stream.updated_at, state.terms


Progress = Callable[[int], None]
"""Is told how many more entries have been read."""


def snapshot(url: str) -> psycopg.Connection[Row]:
    """A connection whose whole life is one read-only transaction on one snapshot."""
    connection = psycopg.connect(url)
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    connection.read_only = True
    return connection


def verify(
    connection: psycopg.Connection[Row],
    progress: Progress,
    also: Callable[[Stream], Violation | None],
    watch: Callable[[Row], None] = lambda _: None,
) -> Report:
    """Check L1 to L7 over the whole of ``connection``'s snapshot.

    ``also`` may hold further derived values of a stream against its fold; ``watch`` is told of
    every row of read_ledger, in order. Raises psycopg.Error when the database cannot be read to
    the end.
    """
    report = Report()
    for (setting,) in connection.execute(FIND_UNDURABLE_SETTINGS.decode()):
        report.violations.append(Violation("L5", None, None, f"PostgreSQL has {setting} off"))
    beside = [
        (derived, _Beside(read(connection, derived.query), derived.stream_id_at))
        for derived in _DERIVED
    ]
    entries = _counted(read(connection, _READ_LEDGER), report, progress, watch)
    for stream_id, stream_rows in groupby(entries, key=lambda row: row[0]):
        report.streams += 1
        found = [(derived, each.take(stream_id)) for derived, each in beside]
        try:
            folded = fold(stream_id, stream_rows)
        except Broken as broken:
            report.violations.append(broken.violation)
            continue
        report.bookings += len(folded.state.bookings)
        report.tickets += folded.state.booked
        differences = [_compare(folded, derived, its_rows) for derived, its_rows in found]
        report.violations += [each for each in (*differences, also(folded)) if each is not None]
    for derived, each in beside:
        what = f"there is a {derived.what} of a stream without entries"
        report.violations += [Violation("L5", orphan, None, what) for orphan in each.orphans()]
    return report


def _compare(folded: Stream, derived: _Derived, found: list[Row]) -> Violation | None:
    """The first difference between a projected table and the fold, as the rule it breaks."""
    expected = derived.expect(folded)
    stream_id, what = folded.stream_id, derived.what
    try:
        actual = derived.read(found)
    except (LookupError, TypeError, ValueError) as error:
        return Violation("L6", stream_id, None, f"a {what} cannot be read: {error}")
    for key, value in actual.items():
        if key not in expected:
            return Violation("L5", stream_id, None, f"{what} {key} is projected without entry")
        if value != expected[key]:
            told = f"{what} {key} is projected as {value}, the entries give {expected[key]}"
            return Violation("L6", stream_id, derived.place(value, expected[key]), told)
    missing = next((key for key in expected if key not in actual), None)
    if missing is not None:
        return Violation("L6", stream_id, None, f"{what} {missing} is not projected")
    return None


def replay(
    connection: psycopg.Connection[Row],
    stream_id: EventId | None,
    until: Callable[[Recorded], bool] | None,
) -> Iterator[Stream]:
    """The streams, or the one named, as they were before the first entry that ``until`` picks.

    Raises `Broken` at the first entry that breaks a rule.
    """
    if stream_id is None:
        entries = read(connection, _READ_LEDGER)
    else:
        entries = read(connection, _READ_STREAM, (stream_id,))
    for each_id, of_stream in groupby(entries, key=lambda row: row[0]):
        yield fold(each_id, of_stream, until=until)


class _Beside:
    """Derived rows in the order of streams, read along beside the entries."""

    def __init__(self, found: Iterable[Row], stream_id_at: int) -> None:
        self._groups = groupby(found, key=lambda row: row[stream_id_at])
        self._next: tuple[EventId, list[Row]] | None = None
        self._orphans: list[EventId] = []
        self._advance()

    def take(self, stream_id: EventId) -> list[Row]:
        """The rows of a stream; those of streams passed over have no entries."""
        while self._next is not None and self._next[0] < stream_id:
            self._orphans.append(self._next[0])
            self._advance()
        if self._next is None or self._next[0] != stream_id:
            return []
        found = self._next[1]
        self._advance()
        return found

    def orphans(self) -> list[EventId]:
        """All streams that had rows and were never taken; to be asked for at the end."""
        while self._next is not None:
            self._orphans.append(self._next[0])
            self._advance()
        return self._orphans

    def _advance(self) -> None:
        group = next(self._groups, None)
        self._next = None if group is None else (group[0], list(group[1]))


def read(
    connection: psycopg.Connection[Row], query: bytes, parameters: tuple[Any, ...] = ()
) -> Iterator[Row]:
    """The rows of a query, by a cursor on the server: memory does not grow with the table."""
    with RawServerCursor(connection, f"read_{next(_CURSORS)}") as cursor:
        cursor.itersize = _ROWS_AT_A_TIME
        cursor.execute(query, parameters, binary=True)
        yield from cursor


def _counted(
    entries: Iterable[Row], report: Report, progress: Progress, watch: Callable[[Row], None]
) -> Iterator[Row]:
    for entry in entries:
        watch(entry)
        report.entries += 1
        if report.entries % _ROWS_AT_A_TIME == 0:
            progress(_ROWS_AT_A_TIME)
        yield entry
    progress(report.entries % _ROWS_AT_A_TIME)
