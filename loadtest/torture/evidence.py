"""What the database has of some events: the ledger's rows, and the tables beside it."""

import hashlib
import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg

from loadtest.torture.rules import Entry

_READ_LEDGER: LiteralString = """
    SELECT stream_id::text, version, type, schema_version, recorded_at_us, actor::text,
        encode(idempotency_key, 'hex'), encode(request_hash, 'hex'), encode(prev_hash, 'hex'),
        encode(hash, 'hex'), payload
    FROM ledger WHERE stream_id = ANY(%s::uuid[]) ORDER BY stream_id, version
"""
_READ_STREAMS: LiteralString = """
    SELECT stream_id::text, version, encode(head_hash, 'hex'), capacity, booked, held, status
    FROM streams WHERE stream_id = ANY(%s::uuid[])
"""
_READ_BOOKINGS: LiteralString = """
    SELECT stream_id::text, booking_id::text, user_id::text, quantity, status, category, seats,
        cancelled_tickets, generation
    FROM bookings WHERE stream_id = ANY(%s::uuid[])
"""
_READ_HOLDS: LiteralString = """
    SELECT stream_id::text, hold_id::text, user_id::text, quantity, status, booking_id::text
    FROM holds WHERE stream_id = ANY(%s::uuid[])
"""
_READ_LINE: LiteralString = """
    SELECT stream_id::text, waiting_id::text, user_id::text, quantity, status
    FROM waiting_list WHERE stream_id = ANY(%s::uuid[])
"""
_READ_CLAIMS: LiteralString = """
    SELECT stream_id::text, seat, claimed_by::text
    FROM seat_claims WHERE stream_id = ANY(%s::uuid[])
"""
_READ_TAKEN: LiteralString = """
    SELECT stream_id::text, name, taken
    FROM allotments WHERE kind = 'category' AND stream_id = ANY(%s::uuid[])
"""

_FIXED = struct.Struct(">16sQqH16s32s")
_LENGTH = struct.Struct(">I")

Rows = list[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Evidence:
    """All of it as of one snapshot; rows are as their queries select them."""

    entries: list[Entry]
    streams: Rows
    bookings: Rows
    holds: Rows
    line: Rows
    claims: Rows
    taken: Rows


def collect(database_url: str, event_ids: Sequence[str]) -> Evidence:
    """Read what there is about ``event_ids``, in one snapshot."""
    about = (list(event_ids),)
    with psycopg.connect(database_url) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ

        def read(query: LiteralString) -> Rows:
            return connection.execute(query, about).fetchall()

        return Evidence(
            entries=[_entry(*row) for row in read(_READ_LEDGER)],
            streams=read(_READ_STREAMS),
            bookings=read(_READ_BOOKINGS),
            holds=read(_READ_HOLDS),
            line=read(_READ_LINE),
            claims=read(_READ_CLAIMS),
            taken=read(_READ_TAKEN),
        )


def _entry(*row: Any) -> Entry:
    return Entry(*[*row, json.loads(row[-1])])


def hash_of(entry: Entry) -> str:
    """The hash that docs/formats/entries.md says an entry has, hexadecimal."""
    fixed = _FIXED.pack(
        _uuid(entry.event_id),
        entry.version,
        entry.recorded_at,
        entry.schema_version,
        _uuid(entry.actor),
        bytes.fromhex(entry.prev_hash),
    )
    varying = (
        entry.type.encode("ascii"),
        bytes.fromhex(entry.key or ""),
        bytes.fromhex(entry.request_hash or ""),
        entry.payload,
    )
    told = b"".join(_LENGTH.pack(len(each)) + each for each in varying)
    return hashlib.sha256(b"flashticket/entry/1\n" + fixed + told).hexdigest()


def is_canonical(entry: Entry) -> bool:
    """Whether the payload's bytes are the only ones that its fields have (RFC 8785)."""
    text = json.dumps(entry.fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode() == entry.payload


def digest_of(actor: str, key: str) -> str:
    """What the ledger keeps of an idempotency key, hexadecimal."""
    return hashlib.sha256(_uuid(actor) + key.encode("ascii")).hexdigest()


def _uuid(text: str) -> bytes:
    return bytes.fromhex(text.replace("-", ""))
