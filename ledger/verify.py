"""Verify: every stream folded from the stored bytes, and all that is derived held against it.

One snapshot of the database, read once in order, while bookings go on. Memory is bounded by the
largest stream.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count, groupby
from typing import Final, Generic, TypeVar

import psycopg
from psycopg import RawServerCursor

from ledger.batch import Stream
from ledger.database import FIND_UNDURABLE_SETTINGS, statement
from ledger.entries import Recorded
from ledger.replay import Broken, Row, Violation, compare_bookings, compare_stream, fold
from ledger.store import booking_from_row, stream_from_row
from ledger.values import EventId

_READ_LEDGER: Final = statement("ledger", "read_ledger")
_READ_STREAM: Final = statement("ledger", "read_stream")
_READ_STREAM_ROWS: Final = statement("ledger", "read_stream_rows")
_READ_BOOKING_ROWS: Final = statement("ledger", "read_booking_rows")
_ROWS_AT_A_TIME: Final = 5_000
_CURSORS: Final = count()

T = TypeVar("T")


@dataclass(slots=True)
class Report:
    """What was read and what is wrong with it; nothing is when ``violations`` is empty."""

    entries: int = 0
    streams: int = 0
    bookings: int = 0
    tickets: int = 0
    violations: list[Violation] = field(default_factory=list)


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
) -> Report:
    """Check L1 to L7 over the whole of ``connection``'s snapshot.

    ``also`` may hold further derived values of a stream against its fold. Raises psycopg.Error
    when the database cannot be read to the end.
    """
    report = Report()
    for (setting,) in connection.execute(FIND_UNDURABLE_SETTINGS.decode()):
        report.violations.append(Violation("L5", None, None, f"PostgreSQL has {setting} off"))
    streams = _Beside(
        _read(connection, _READ_STREAM_ROWS), stream_from_row, lambda stream: stream.stream_id
    )
    bookings = _Beside(
        _read(connection, _READ_BOOKING_ROWS), booking_from_row, lambda booking: booking.stream_id
    )
    entries = _counted(_read(connection, _READ_LEDGER), report, progress)
    for stream_id, rows in groupby(entries, key=lambda row: row[0]):
        report.streams += 1
        row = next(iter(streams.take(stream_id)), None)
        booking_rows = bookings.take(stream_id)
        try:
            folded = fold(stream_id, rows)
        except Broken as broken:
            report.violations.append(broken.violation)
            continue
        report.bookings += len(folded.state.bookings)
        report.tickets += folded.state.booked
        found = (
            compare_stream(folded, row),
            compare_bookings(folded, booking_rows),
            also(folded),
        )
        report.violations += [violation for violation in found if violation is not None]
    for beside, what in ((streams, "a stream row"), (bookings, "bookings")):
        report.violations += [
            Violation("L6", orphan, None, f"there are {what} of a stream without entries")
            for orphan in beside.orphans()
        ]
    return report


def replay(
    connection: psycopg.Connection[Row],
    stream_id: EventId | None,
    until: Callable[[Recorded], bool] | None,
) -> Iterator[Stream]:
    """The streams, or the one named, as they were before the first entry that ``until`` picks.

    Raises `Broken` at the first entry that breaks a rule.
    """
    if stream_id is None:
        rows = _read(connection, _READ_LEDGER)
    else:
        rows = _read(connection, _READ_STREAM, (stream_id,))
    for each_id, entries in groupby(rows, key=lambda row: row[0]):
        yield fold(each_id, entries, until=until)


class _Beside(Generic[T]):
    """Derived rows in the order of streams, read along beside the entries."""

    def __init__(
        self, rows: Iterable[Row], read: Callable[[Row], T], stream_of: Callable[[T], EventId]
    ) -> None:
        self._groups = groupby(map(read, rows), key=stream_of)
        self._next: tuple[EventId, list[T]] | None = None
        self._orphans: list[EventId] = []
        self._advance()

    def take(self, stream_id: EventId) -> list[T]:
        """The rows of a stream; those of streams passed over have no entries."""
        while self._next is not None and self._next[0] < stream_id:
            self._orphans.append(self._next[0])
            self._advance()
        if self._next is None or self._next[0] != stream_id:
            return []
        rows = self._next[1]
        self._advance()
        return rows

    def orphans(self) -> list[EventId]:
        """All streams that had rows and were never taken; to be asked for at the end."""
        while self._next is not None:
            self._orphans.append(self._next[0])
            self._advance()
        return self._orphans

    def _advance(self) -> None:
        group = next(self._groups, None)
        self._next = None if group is None else (group[0], list(group[1]))


def _read(
    connection: psycopg.Connection[Row], query: bytes, parameters: tuple[object, ...] = ()
) -> Iterator[Row]:
    # A cursor on the server: memory does not grow with the table.
    with RawServerCursor(connection, f"read_{next(_CURSORS)}") as cursor:
        cursor.itersize = _ROWS_AT_A_TIME
        cursor.execute(query, parameters, binary=True)
        yield from cursor


def _counted(rows: Iterable[Row], report: Report, progress: Progress) -> Iterator[Row]:
    for row in rows:
        report.entries += 1
        if report.entries % _ROWS_AT_A_TIME == 0:
            progress(_ROWS_AT_A_TIME)
        yield row
    progress(report.entries % _ROWS_AT_A_TIME)
