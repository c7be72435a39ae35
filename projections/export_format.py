"""The export's format, as docs/formats/export.md describes it: lines, and the frames they are in.

A file is NDJSON compressed by zstd, in frames that end with a line. Before each frame stands a
skippable one that says how long it is, so a reader can hop from frame to frame and share them out;
whoever only decompresses never sees it.
"""

import base64
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, BinaryIO, Final

import orjson
import zstandard

FORMAT: Final = "flashticket-export/1"

COLUMNS: Final = (
    "version",
    "seq",
    "recorded_at_us",
    "actor",
    "type",
    "schema_version",
    "idempotency_key",
    "request_hash",
    "prev_hash",
    "hash",
    "payload",
)
"""What the values of an entry's line are, in order."""

HEADER_FIELDS: Final = frozenset({"format", "size", "checkpoint", "keys", "columns"})

FRAME_BYTES_MIN: Final = 1 << 20
"""Uncompressed bytes after which a frame ends with the next line."""

LEVEL: Final = 3

_ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_SKIPPABLE_MAGIC: Final = 0x184D2A50
_SKIPPABLE: Final = struct.Struct("<II")
_LINE_BYTES_MAX: Final = 1 << 28


class ExportInvalid(Exception):
    """A file that is no export, or not one that this version reads."""


class Kind(StrEnum):
    """What the lines of a frame are about."""

    HEADER = "header"
    ENTRIES = "entries"
    TILES = "tiles"
    END = "end"


@dataclass(frozen=True, slots=True)
class Header:
    """The first line: which log, up to where, signed how."""

    size: int
    checkpoint: str
    keys: tuple[str, ...]

    def line(self) -> bytes:
        return _line(
            {
                "format": FORMAT,
                "size": self.size,
                "checkpoint": self.checkpoint,
                "keys": self.keys,
                "columns": COLUMNS,
            }
        )


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame of a file: where it is, and what its index says of it.

    ``entries`` and ``streams`` count from the beginning of the file to the end of the frame.
    """

    kind: Kind
    offset: int
    length: int
    begins_stream: bool
    entries: int
    streams: int


def stream_line(stream_id: str) -> bytes:
    """The line before the entries of a stream."""
    return _line({"stream": stream_id})


def entry_line(columns: Sequence[Any], payload: bytes) -> bytes:
    """The line of an entry: ``columns`` are those of `COLUMNS` without the payload.

    A payload that is not canonical JSON, which nobody but a tamperer stores, becomes a string with
    the base64 of its bytes.
    """
    if is_canonical(payload):
        return _line([*columns, orjson.Fragment(payload)])
    return _line([*columns, base64.b64encode(payload).decode()])


def tile_line(position: int, hashes: bytes) -> bytes:
    """A tile of leaf hashes as it was published."""
    return _line({"tile": position, "hashes": base64.b64encode(hashes).decode()})


def end_line(entries: int, streams: int) -> bytes:
    """The last line; a file without it was cut off."""
    return _line({"end": True, "entries": entries, "streams": streams})


def from_base64(text: str) -> bytes:
    """What ``text`` stands for; ValueError unless it is the one base64 of that."""
    decoded = base64.b64decode(text, validate=True)
    if base64.b64encode(decoded).decode() != text:
        raise ValueError("it is not canonical base64")
    return decoded


def is_canonical(payload: bytes) -> bool:
    """Whether these bytes are RFC 8785 canonical JSON of an object."""
    try:
        fields = orjson.loads(payload)
        return (
            type(fields) is dict
            and orjson.dumps(fields, option=orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER)
            == payload
        )
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return False


def write_frame(
    file: BinaryIO, kind: Kind, lines: bytes, *, begins_stream: bool, entries: int, streams: int
) -> None:
    """Append a frame with its index."""
    compressed = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True).compress(lines)
    index = orjson.dumps(
        {
            "kind": kind,
            "bytes": len(compressed),
            "begins_stream": begins_stream,
            "entries": entries,
            "streams": streams,
        }
    )
    file.write(_SKIPPABLE.pack(_SKIPPABLE_MAGIC, len(index)) + index + compressed)


def frames(file: BinaryIO) -> Iterator[Frame]:
    """The frames of a file from its beginning; a last one that is not all there is left out.

    Raises `ExportInvalid` for anything else than frames with their indexes.
    """
    size = file.seek(0, 2)
    offset = 0
    while offset < size:
        file.seek(offset)
        head = file.read(_SKIPPABLE.size)
        if len(head) < _SKIPPABLE.size:
            return
        magic, length = _SKIPPABLE.unpack(head)
        if magic != _SKIPPABLE_MAGIC:
            raise ExportInvalid(f"no index of a frame at byte {offset}")
        index = file.read(length)
        if len(index) < length:
            return
        try:
            fields = orjson.loads(index)
            frame = Frame(
                kind=Kind(fields["kind"]),
                offset=offset + _SKIPPABLE.size + length,
                length=int(fields["bytes"]),
                begins_stream=bool(fields["begins_stream"]),
                entries=int(fields["entries"]),
                streams=int(fields["streams"]),
            )
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, OverflowError) as error:
            raise ExportInvalid(f"the index of a frame at byte {offset} is unreadable") from error
        if frame.length < 0:  # and so would be read for ever
            raise ExportInvalid(f"the index of a frame at byte {offset} is unreadable")
        offset = frame.offset + frame.length
        if offset > size:
            return
        yield frame


def may_begin(file: BinaryIO) -> bool:
    """Whether a file without a whole frame may be the beginning of an export, or is empty."""
    magic = _SKIPPABLE_MAGIC.to_bytes(4, "little")
    file.seek(0)
    return magic.startswith(file.read(len(magic)))


def read_frame(file: BinaryIO, frame: Frame) -> bytes:
    """The lines in a frame; raises `ExportInvalid` when it is damaged."""
    file.seek(frame.offset)
    compressed = file.read(frame.length)
    try:
        # The limit below holds for frames that do not say how long they are.
        if zstandard.frame_content_size(compressed) > _LINE_BYTES_MAX:
            raise ExportInvalid(f"the frame at byte {frame.offset} is too long")
        return zstandard.ZstdDecompressor().decompress(compressed, max_output_size=_LINE_BYTES_MAX)
    except zstandard.ZstdError as error:
        raise ExportInvalid(f"the frame at byte {frame.offset} is damaged: {error}") from error


def has_index(path: Path) -> bool:
    """Whether a file has frames with indexes; otherwise it is read as a whole."""
    with path.open("rb") as file:
        head = file.read(_SKIPPABLE.size)
    return len(head) == _SKIPPABLE.size and _SKIPPABLE.unpack(head)[0] == _SKIPPABLE_MAGIC


def read_whole(path: Path) -> Iterator[bytes]:
    """The lines of a file, plain or compressed in whatever frames, in blocks of whole lines."""
    with path.open("rb") as file:
        is_compressed = file.read(4) in (_ZSTD_MAGIC, _SKIPPABLE_MAGIC.to_bytes(4, "little"))
        file.seek(0)
        source: Any = file
        if is_compressed:
            decompressor = zstandard.ZstdDecompressor()
            source = decompressor.stream_reader(file, read_across_frames=True)
        rest = b""
        try:
            while chunk := source.read(FRAME_BYTES_MIN):
                lines, newline, rest = (rest + chunk).rpartition(b"\n")
                if newline:
                    yield lines + newline
                elif len(rest) > _LINE_BYTES_MAX:
                    raise ExportInvalid("a line is too long")
        except zstandard.ZstdError as error:
            raise ExportInvalid(f"the file is damaged: {error}") from error
        if rest:
            yield rest + b"\n"


def _line(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE)
