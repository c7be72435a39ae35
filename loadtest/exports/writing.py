"""An export of so many made-up entries, signed, as docs/formats describes it.

A file that one program writes and another verifies says more than one that both had a hand in.
"""

import base64
import hashlib
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final
from uuid import UUID

import zstandard
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ORIGIN: Final = "bench.example/log"
ON_SALE_AT_ONCE: Final = 20
"""Events whose entries come in turn in the log."""

FRAME_BYTES_MIN: Final = 1 << 20
TILE_BYTES: Final = 256 * 32
BEGAN_AT: Final = 1_800_000_000_000_000
ACTOR: Final = UUID(int=0xAC)

COLUMNS: Final = (
    "version seq recorded_at_us actor type schema_version idempotency_key request_hash prev_hash"
    " hash payload"
)
HEAD: Final = struct.Struct(">16sQqH16s32sI")


def write_export(path: Path, entries: int, of_event: int) -> None:
    """Write ``entries`` in events of ``of_event`` each: bookings, of which every 20th is cancelled.

    The last event has fewer where it does not come out even.
    """
    key = Ed25519PrivateKey.generate()
    unsigned = path.with_suffix(".entries")
    leaves = bytearray(32 * entries)
    with unsigned.open("wb") as file:
        frames = _Frames(file)
        for number, first in enumerate(range(0, entries, of_event)):
            _write_event(frames, number, min(of_event, entries - first), of_event, entries, leaves)
        frames.end("entries")
        for position, start in enumerate(range(0, len(leaves), TILE_BYTES)):
            hashes = base64.b64encode(leaves[start : start + TILE_BYTES]).decode()
            frames.add(_line({"tile": position, "hashes": hashes}))
            if frames.is_full:
                frames.end("tiles")
        frames.end("tiles")
        frames.add(_line({"end": True, "entries": frames.entries, "streams": frames.streams}))
        frames.end("end")
    # The header comes first and can be written only now.
    with path.open("wb") as file:
        frames = _Frames(file)
        frames.add(_header(entries, _root(bytes(leaves)), key))
        frames.end("header")
        with unsigned.open("rb") as rest:
            while block := rest.read(1 << 20):
                file.write(block)
    unsigned.unlink()


class _Frames:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._lines: list[bytes] = []
        self._bytes = 0
        self._begins_stream = False
        self.entries = self.streams = 0

    def add(self, line: bytes) -> None:
        self._lines.append(line)
        self._bytes += len(line)

    def begin_stream(self, stream_id: UUID) -> None:
        self._begins_stream = self._begins_stream or not self._lines
        self.streams += 1
        self.add(_line({"stream": str(stream_id)}))

    @property
    def is_full(self) -> bool:
        return self._bytes >= FRAME_BYTES_MIN

    def end(self, kind: str) -> None:
        if not self._lines:
            return
        compressor = zstandard.ZstdCompressor(level=3, write_checksum=True)
        compressed = compressor.compress(b"".join(self._lines))
        index = json.dumps(
            {
                "kind": kind,
                "bytes": len(compressed),
                "begins_stream": self._begins_stream,
                "entries": self.entries,
                "streams": self.streams,
            }
        ).encode()
        self._file.write(struct.pack("<II", 0x184D2A50, len(index)) + index + compressed)
        self._lines, self._bytes, self._begins_stream = [], 0, False


def _write_event(
    frames: _Frames, number: int, count: int, of_event: int, entries: int, leaves: bytearray
) -> None:
    stream_id = UUID(int=(0x0190 << 112) | (7 << 76) | (1 << 63) | number)
    group, place = divmod(number, ON_SALE_AT_ONCE)
    first = group * ON_SALE_AT_ONCE * of_event
    # The last group may have fewer events than others, and its last event fewer entries.
    width = min(ON_SALE_AT_ONCE, -(-entries // of_event) - group * ON_SALE_AT_ONCE)
    is_even = entries - first >= width * of_event
    if frames.is_full:
        frames.end("entries")
    frames.begin_stream(stream_id)
    previous = bytes(32)
    actor = str(ACTOR)
    for version, (type_name, key, payload) in enumerate(_story(number, count), 1):
        seq = (
            first + (version - 1) * width + place
            if is_even
            else first + place * of_event + version - 1
        )
        at = BEGAN_AT + seq
        type_bytes = type_name.encode()
        if key is None:
            digests, columns = bytes(8), "null,null"
        else:
            key_digest = hashlib.sha256(key).digest()
            request = hashlib.sha256(payload).digest()
            digests = struct.pack(">I32sI32s", 32, key_digest, 32, request)
            columns = f'"{key_digest.hex()}","{request.hex()}"'
        schema = 1 if type_name == "EventOpened" else 2
        preimage = b"".join(
            (
                b"flashticket/entry/1\n",
                HEAD.pack(
                    stream_id.bytes, version, at, schema, ACTOR.bytes, previous, len(type_bytes)
                ),
                type_bytes,
                digests,
                struct.pack(">I", len(payload)),
                payload,
            )
        )
        own = hashlib.sha256(preimage).digest()
        leaves[32 * seq : 32 * seq + 32] = hashlib.sha256(b"\0" + preimage).digest()
        if frames.is_full:
            frames.end("entries")
        frames.entries += 1
        head = f'[{version},{seq},{at},"{actor}","{type_name}",{schema},{columns}'
        frames.add(f'{head},"{previous.hex()}","{own.hex()}",'.encode() + payload + b"]\n")
        previous = own


def _story(number: int, count: int) -> Iterator[tuple[str, bytes | None, bytes]]:
    """Type, idempotency key and payload of each entry of an event."""
    venue_id = UUID(int=number)
    scheduled = (
        f'{{"capacity":{2 * count},"categories":[],"hold_seconds":300,"limit_per_order":null,'
        f'"limit_per_user":null,"name":"Show {number}","quotas":[],"sales_close_at":null,'
        f'"sales_open_at":null,"seat_rows":[],"starts_at":{BEGAN_AT + 10**12},'
        f'"venue_capacity":{2 * count},"venue_id":"{venue_id}"}}'
    )
    yield "EventScheduled", None, scheduled.encode()
    for n in range(1, count):
        key = b"%d-%d" % (number, n)
        if n % 20 == 0:
            booked = n - 1
            payload = (
                f'{{"booking_id":"{_id(number, booked)}","quantity":{1 + booked % 2},'
                f'"tickets":{[1, 2][: 1 + booked % 2]},"user_id":"{_id(7, booked)}"}}'
            ).replace(", ", ",")
            yield "BookingCancelled", key, payload.encode()
        else:
            payload = (
                f'{{"amount_cents":0,"booking_id":"{_id(number, n)}","category":null,'
                f'"quantity":{1 + n % 2},"seats":[],"user_id":"{_id(7, n)}"}}'
            )
            yield "SeatsBooked", key, payload.encode()


def _id(one: int, other: int) -> str:
    return f"{one:08x}-0000-7000-8000-{other:012x}"


def _header(size: int, root: bytes, key: Ed25519PrivateKey) -> bytes:
    public = b"\x01" + key.public_key().public_bytes_raw()
    key_id = hashlib.sha256(ORIGIN.encode() + b"\n" + public).digest()[:4]
    text = f"{ORIGIN}\n{size}\n{base64.b64encode(root).decode()}\n"
    signature = base64.b64encode(key_id + key.sign(text.encode())).decode()
    return _line(
        {
            "format": "flashticket-export/1",
            "size": size,
            "checkpoint": f"{text}\n\N{EM DASH} {ORIGIN} {signature}\n",
            "keys": [f"{ORIGIN}+{key_id.hex()}+{base64.b64encode(public).decode()}"],
            "columns": COLUMNS.split(),
        }
    )


def _root(leaves: bytes) -> bytes:
    """The root over one leaf hash or more, RFC 6962 section 2.1, level by level."""
    while len(leaves) > 32:
        level = bytearray()
        for start in range(0, len(leaves) - 32, 64):
            level += hashlib.sha256(b"\1" + leaves[start : start + 64]).digest()
        # Without a partner it stays as it is: the subtrees to its left are all perfect.
        if len(leaves) % 64:
            level += leaves[-32:]
        leaves = bytes(level)
    return leaves


def _line(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
