"""A part of a rebuild: the streams of a range of ids, folded lean and copied to the tables beside.

A part is a job for a process of its own. All parts read one snapshot, that of the process which
started them.
"""

import gc
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import psycopg
from psycopg.pq import ExecStatus

from ledger.database import statement
from projections.apply import Row
from projections.counted import Counted
from projections.lean_fold import fold
from projections.lean_rows import NULL, text

_COPY_ENTRIES: Final = statement("projections", "copy_entries").decode()
_READ_IN_ORDER: Final = statement("projections", "read_in_order").decode()
_ADOPT_SNAPSHOT: Final = statement("projections", "adopt_snapshot").decode()
LOOK_BESIDE: Final = statement("projections", "look_beside").decode()
_COPIES: Final = {
    table: statement("projections", f"copy_{table}").decode()
    for table in (
        "streams",
        "bookings",
        "holds",
        "waiting_list",
        "seat_rows",
        "seat_claims",
        "allotments",
        "sales",
        "revenue",
        "occupancy",
        "line_lengths",
        "histories",
        "projected",
    )
}
_LINES_MAX: Final = 50_000
"""Of a table, held in memory before they are copied."""


@dataclass(frozen=True, slots=True)
class Part:
    """The streams from one id up to and not including another, or to the end."""

    url: str
    snapshot: str
    first: UUID
    end: UUID | None


@dataclass(frozen=True, slots=True)
class Made:
    """What a part came to."""

    entries: int = 0
    streams: int = 0


def make(part: Part) -> Made:
    """Fold a part and copy its rows; raises `Broken` at the first entry that breaks a rule."""
    with (
        _without_collections(),
        psycopg.connect(part.url) as reader,
        psycopg.connect(part.url) as writer,
    ):
        reader.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        reader.read_only = True
        psycopg.ClientCursor(reader).execute(_ADOPT_SNAPSHOT, (part.snapshot,))
        writer.execute(LOOK_BESIDE)
        beside = _Beside(writer)
        counted, entries, streams = Counted(), 0, 0
        for folded in fold(_lines(reader, part, counted, beside), counted):
            for table, lines in folded.rows.lines(folded.stream, folded.last).items():
                beside.write(table, lines)
            entries += folded.version
            streams += 1
        for table, rows in {**counted.sums(), "projected": counted.reached()}.items():
            beside.write(table, map(_line, rows))
        beside.write("histories", map(_step_line, counted.told))
        beside.flush()
    return Made(entries, streams)


@contextmanager
def _without_collections() -> Iterator[None]:
    # Millions of objects that live until their stream is written, and none of them in cycles.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _lines(
    reader: psycopg.Connection, part: Part, counted: Counted, beside: "_Beside"
) -> Iterator[memoryview]:
    """The lines of a part's entries, as COPY gives them."""
    reader.execute(_READ_IN_ORDER)
    copying = psycopg.ClientCursor(reader).mogrify(
        _COPY_ENTRIES, {"first": part.first, "end": part.end}
    )
    # From libpq as they are: psycopg's own way of asking for each costs as much as folding it.
    connection = reader.pgconn
    started = connection.exec_(copying.encode())
    if started.status != ExecStatus.COPY_OUT:
        raise psycopg.OperationalError(started.get_error_message())
    size, line = connection.get_copy_data(0)
    while size > 0:
        yield line
        if len(counted.told) >= _LINES_MAX:
            beside.write("histories", map(_step_line, counted.told))
            counted.told.clear()
        size, line = connection.get_copy_data(0)
    while (ended := connection.get_result()) is not None:
        if ended.status != ExecStatus.COMMAND_OK:
            raise psycopg.OperationalError(ended.get_error_message())


def _line(row: Row) -> str:
    """A row as COPY reads it."""
    return "\t".join([text(each) for each in row]) + "\n"


def _step_line(row: Row) -> str:
    """A row of histories: ids, numbers and our own words, most of all rows."""
    user_id, seq, stream_id, version, at, what, subject_id, quantity = row
    if quantity is None:
        quantity = NULL
    return f"{user_id}\t{seq}\t{stream_id}\t{version}\t{at}\t{what}\t{subject_id}\t{quantity}\n"


class _Beside:
    """The tables beside the projected ones, written some thousand lines at a time."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection
        self._lines: dict[str, list[str]] = {table: [] for table in _COPIES}

    def write(self, table: str, lines: Iterable[str]) -> None:
        self._lines[table].extend(lines)
        if len(self._lines[table]) >= _LINES_MAX:
            self._copy(table)

    def flush(self) -> None:
        for table in self._lines:
            self._copy(table)

    def _copy(self, table: str) -> None:
        lines = self._lines[table]
        if lines:
            with self._connection.cursor() as cursor, cursor.copy(_COPIES[table]) as copy:
                copy.write("".join(lines))
            lines.clear()
