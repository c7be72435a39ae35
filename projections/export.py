"""Export: the ledger up to a checkpoint, into one file that anybody can verify.

The checkpoint fixes what belongs to it: entries get no other numbers, so pages read one after
another are of one consistent state while bookings go on, and an export that was interrupted goes
on where its last whole frame ends.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final
from uuid import UUID

import orjson
import psycopg
from psycopg import RawCursor

from ledger.database import statement
from projections import export_format
from projections.export_format import ExportInvalid, Frame, Header, Kind
from projections.merkle import HASH_BYTES
from projections.notes import Note, NoteInvalid, VerifierKey
from projections.published import Published, checkpoint_in
from projections.queries import NIL
from projections.tiles import WIDTH

_READ_PUBLISHED: Final = statement("projections", "read_published")
_READ_EXPORT_PAGE: Final = statement("projections", "read_export_page")
_READ_LEAF_TILES: Final = statement("projections", "read_leaf_tiles")

_PAGE_ENTRIES: Final = 5_000
_PAGE_PAYLOAD_BYTES: Final = 1 << 24
_PAGE_TILES: Final = 200

Progress = Callable[[int], None]
"""Is told how many more entries have been written."""

Connection = psycopg.Connection[tuple[Any, ...]]


class NothingSigned(Exception):
    """There is no checkpoint to export up to."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What is in the file now; ``resumed_at`` is how many entries were there before."""

    size: int
    entries: int
    streams: int
    resumed_at: int


def export(
    connection: Connection, path: Path, keys: Iterable[VerifierKey], progress: Progress
) -> Exported:
    """Write the ledger to ``path``, or the rest of it if an export there was interrupted.

    ``keys`` are the log's public ones, to be put into the file. ``connection`` must be in
    autocommit mode. Raises `NothingSigned`, `ExportInvalid` when there is something else in the
    file, OSError, and psycopg.Error when the database cannot be read to the end.
    """
    with path.open("ab+") as file:
        found = list(export_format.frames(file))
        if found:
            header = _header_of(file, found[0])
        else:
            if not export_format.may_begin(file):
                raise ExportInvalid(f"{path} has contents that are no export")
            header = _new_header(connection, keys)
        resumed_at = found[-1].entries if found else 0
        if found and found[-1].kind is Kind.END:
            return Exported(header.size, resumed_at, found[-1].streams, resumed_at)
        writer = _Writer(file, found, progress)
        if not found:
            writer.add(header.line())
            writer.end_frame(Kind.HEADER)
        if not found or found[-1].kind in (Kind.HEADER, Kind.ENTRIES):
            _write_entries(connection, header.size, writer, _last_entry(file, found))
        _write_tiles(connection, header.size, writer, _last_tile(file, found))
        writer.add(export_format.end_line(writer.entries, writer.streams))
        writer.end_frame(Kind.END)
        os.fsync(file.fileno())
    return Exported(header.size, writer.entries, writer.streams, resumed_at)


class _Writer:
    """Gathers lines into frames."""

    def __init__(self, file: BinaryIO, found: list[Frame], progress: Progress) -> None:
        end = found[-1].offset + found[-1].length if found else 0
        file.truncate(end)
        file.seek(end)
        self._file = file
        self._lines: list[bytes] = []
        self._bytes = 0
        self._progress = progress
        self._told = self.entries = found[-1].entries if found else 0
        self.streams = found[-1].streams if found else 0
        self._begins_stream = False

    def add(self, line: bytes) -> None:
        self._lines.append(line)
        self._bytes += len(line)

    def begin_stream(self, stream_id: UUID) -> None:
        if not self._lines:
            self._begins_stream = True
        self.streams += 1
        self.add(export_format.stream_line(str(stream_id)))

    @property
    def is_full(self) -> bool:
        return self._bytes >= export_format.FRAME_BYTES_MIN

    def end_frame(self, kind: Kind) -> None:
        if self._lines:
            export_format.write_frame(
                self._file,
                kind,
                b"".join(self._lines),
                begins_stream=self._begins_stream,
                entries=self.entries,
                streams=self.streams,
            )
            self._file.flush()
        self._lines, self._bytes, self._begins_stream = [], 0, False
        self._progress(self.entries - self._told)
        self._told = self.entries


def _new_header(connection: Connection, keys: Iterable[VerifierKey]) -> Header:
    checkpoint = Published(*_one_row(connection, _READ_PUBLISHED)).served
    if checkpoint is None:
        raise NothingSigned("no checkpoint was ever signed here")
    signed_by = {(each.name, each.key_id) for each in Note.parse(checkpoint.encode()).signatures}
    used = [str(key) for key in keys if (key.name, key.key_id) in signed_by]
    return Header(checkpoint_in(checkpoint).size, checkpoint, tuple(used))


def _header_of(file: BinaryIO, frame: Frame) -> Header:
    try:
        fields = orjson.loads(export_format.read_frame(file, frame))
        if frame.kind is Kind.HEADER and fields["format"] == export_format.FORMAT:
            return Header(fields["size"], fields["checkpoint"], tuple(fields["keys"]))
    except (orjson.JSONDecodeError, KeyError, TypeError, NoteInvalid) as error:
        raise ExportInvalid("the file does not begin with the header of an export") from error
    raise ExportInvalid("the file is an export of another format")


def _write_entries(
    connection: Connection, size: int, writer: _Writer, after: tuple[UUID, int]
) -> None:
    stream_id = after[0]
    for row in _entries(connection, size, after):
        if writer.is_full:
            writer.end_frame(Kind.ENTRIES)
        if row[0] != stream_id:
            stream_id = row[0]
            writer.begin_stream(stream_id)
        _, version, seq, at, actor, type_name, schema_version, *digests, payload = row
        columns = [version, seq, at, str(actor), type_name, schema_version]
        columns += [None if digest is None else digest.hex() for digest in digests]
        writer.entries += 1
        writer.add(export_format.entry_line(columns, payload))
    writer.end_frame(Kind.ENTRIES)


def _entries(
    connection: Connection, size: int, after: tuple[UUID, int]
) -> Iterator[tuple[Any, ...]]:
    limits = (_PAGE_ENTRIES, _PAGE_PAYLOAD_BYTES)
    while page := _rows(connection, _READ_EXPORT_PAGE, *after, size, *limits):
        yield from page
        after = page[-1][:2]


def _write_tiles(connection: Connection, size: int, writer: _Writer, position: int) -> None:
    while position * WIDTH < size:
        page = _rows(connection, _READ_LEAF_TILES, position, _PAGE_TILES)
        if not page:
            break  # somebody removed them; who verifies needs them only where all is not well
        for each, hashes in page:
            width = min(WIDTH, size - each * WIDTH)
            if width > 0:
                writer.add(export_format.tile_line(each, hashes[: width * HASH_BYTES]))
            if writer.is_full:
                writer.end_frame(Kind.TILES)
            position = each + 1
    writer.end_frame(Kind.TILES)


def _last_entry(file: BinaryIO, found: list[Frame]) -> tuple[UUID, int]:
    """The stream and version of the last entry in the file; where to begin if there is none."""
    version = 0
    for frame in reversed(found):
        if frame.kind is Kind.ENTRIES:
            for line in reversed(export_format.read_frame(file, frame).splitlines()):
                fields = orjson.loads(line)
                if type(fields) is dict:
                    return UUID(fields["stream"]), version
                version = version or fields[0]
    return NIL, 0


def _last_tile(file: BinaryIO, found: list[Frame]) -> int:
    """The position after that of the last tile in the file."""
    if found and found[-1].kind is Kind.TILES:
        line = export_format.read_frame(file, found[-1]).splitlines()[-1]
        return int(orjson.loads(line)["tile"]) + 1
    return 0


def _one_row(connection: Connection, query: bytes) -> tuple[Any, ...]:
    (row,) = _rows(connection, query)
    return row


def _rows(connection: Connection, query: bytes, *parameters: Any) -> list[tuple[Any, ...]]:
    with RawCursor(connection) as cursor:
        return cursor.execute(query, parameters, binary=True).fetchall()
