"""A ledger with many entries in it, made in minutes instead of hours.

Rows go in by COPY, made here from the published formats (docs/formats: entries and log) and with no
code of the product, so that what it makes of them later is a check of its own: `flashticket verify`
holds on a filled database. All entries are bookings of one ticket with an idempotency key each, as
the load generators send them, after the one that schedules their event. They are numbered, counted
and in the Merkle tree, which the next server signs.
"""

import hashlib
import os
import struct
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import Final
from uuid import UUID

import psycopg
from psycopg import sql

ROWS_AT_A_TIME: Final = 20_000
MICROSECONDS_APART: Final = 50
MINUTE_US: Final = 60_000_000
FREE_PLACES: Final = 100_000
"""Of each event beyond those sold, so that it can be booked on."""

_TABLES: Final = ("ledger", "bookings", "sequence", "histories")
_LEDGER_COLUMNS: Final = (
    "stream_id, version, type, schema_version, payload, prev_hash, hash, recorded_at_us,"
    " idempotency_key, request_hash, actor"
)
_BOOKING_COLUMNS: Final = (
    "booking_id, stream_id, user_id, quantity, status, booked_by, booked_at_us, entry_version,"
    " entry_hash, changed_at_us, changed_version, changed_hash"
)
COPY_LEDGER: Final = f"COPY ledger ({_LEDGER_COLUMNS}) FROM STDIN (FORMAT binary)"
COPY_BOOKINGS: Final = f"COPY bookings ({_BOOKING_COLUMNS}) FROM STDIN (FORMAT binary)"
COPY_SEQUENCE: Final = "COPY sequence (seq, stream_id, version) FROM STDIN (FORMAT binary)"
COPY_HISTORIES: Final = """
COPY histories (user_id, seq, stream_id, version, recorded_at_us, what, subject_id, quantity)
FROM STDIN (FORMAT binary)
"""
COPY_TILES: Final = "COPY tiles (level, position, hashes) FROM STDIN"

INSERT_STREAM: Final = """
INSERT INTO streams (
    stream_id, version, head_hash, capacity, booked, held, updated_at_us, venue_id, venue_capacity,
    name, starts_at_us
) VALUES (%s, %s, %s, %s, %s, 0, %s, %s, %s, %s, %s)
"""
INSERT_SEQUENCED: Final = "INSERT INTO sequenced (stream_id, version) VALUES (%s, %s)"
INSERT_PROJECTED: Final = """
INSERT INTO projected (stream_id, version, recorded_at_us, capacity) VALUES (%s, %s, %s, %s)
"""
INSERT_SALES: Final = """
INSERT INTO sales (
    stream_id, minute_us, category, booked, cancelled, booked_cents, cancelled_cents
) VALUES (%s, %s, '', %s, 0, 0, 0)
"""
INSERT_REVENUE: Final = """
INSERT INTO revenue (stream_id, category, booked, cancelled, booked_cents, cancelled_cents)
VALUES (%s, '', %s, 0, 0, 0)
"""
INSERT_OCCUPANCY: Final = """
INSERT INTO occupancy (stream_id, section, seats, booked, held) VALUES (%s, '', 0, %s, 0)
"""
ADVANCE: Final = """
WITH numbered AS (UPDATE sequencer SET next_seq = %(size)s WHERE next_seq = 0),
counted AS (
    UPDATE projector SET next_seq = %(size)s, recorded_at_us = %(at)s WHERE next_seq = 0
)
UPDATE tree SET size = %(size)s, checkpoint = NULL WHERE size = 0
"""
READ_VENUE_CAPACITY: Final = "SELECT capacity FROM venues WHERE venue_id = %s"
# A table's keys are made anew after the rows are in: one sort instead of ten million searches.
READ_CONSTRAINTS: Final = """
SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid)
FROM pg_constraint WHERE contype IN ('p', 'u') AND conrelid::regclass::text = ANY(%s)
"""
READ_INDEXES: Final = """
SELECT indexname, indexdef FROM pg_indexes
WHERE tablename = ANY(%s) AND NOT EXISTS (SELECT FROM pg_constraint WHERE conname = indexname)
"""
DROP_CONSTRAINT: Final = "ALTER TABLE {} DROP CONSTRAINT {}"
ADD_CONSTRAINT: Final = "ALTER TABLE {} ADD CONSTRAINT {} {}"
DROP_INDEX: Final = "DROP INDEX {}"
MEMORY_TO_SORT_IN: Final = "SET maintenance_work_mem = '1GB'"

_COPY_HEAD: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_COPY_TAIL: Final = b"\xff\xff"
_TAG: Final = b"flashticket/entry/1\n"
_BOOKED: Final = b"SeatsBooked"
_PAYLOAD: Final = (
    b'{"amount_cents":0,"booking_id":"%b","category":null,"quantity":1,"seats":[],"user_id":"%b"}'
)
_PAYLOAD_BYTES: Final = len(_PAYLOAD % (bytes(36), bytes(36)))
_SCHEDULED: Final = (
    '{"capacity":%d,"categories":[],"hold_seconds":300,"limit_per_order":null,'
    '"limit_per_user":null,"name":"Filler","quotas":[],"sales_close_at":null,"sales_open_at":null,'
    '"seat_rows":[],"starts_at":%d,"venue_capacity":%d,"venue_id":"%s"}'
)
_STARTS_AT_US: Final = 4_102_516_800_000_000

_preimage = struct.Struct(f">20s 16sQqH16s32s I11s I32s I32s I{_PAYLOAD_BYTES}s").pack
_ledger_row = struct.Struct(
    f">h i16s iq i11s ih i{_PAYLOAD_BYTES}s i32s i32s iq i32s i32s i16s"
).pack
_booking_row = struct.Struct(">h i16s i16s i16s ii i6s i16s iq iq i32s iq iq i32s").pack
_sequence_row = struct.Struct(">h iq i16s iq").pack
_history_row = struct.Struct(">h i16s iq i16s iq iq i6s i16s ii").pack


@dataclass(frozen=True, slots=True)
class Filling:
    """What one process makes: an event with so many entries, the first of them numbered so."""

    database_url: str
    event_id: UUID
    venue_id: UUID
    venue_capacity: int
    users: Sequence[str]
    entries: int
    first_seq: int
    began_at_us: int


def fill(
    database_url: str,
    *,
    venue_id: str,
    users: Sequence[str],
    streams: int,
    entries_each: int,
    processes: int,
) -> list[str]:
    """Make so many events with so many entries each, and return their ids.

    For a migrated database on which no server has run yet, of a superuser. Each event has
    `FREE_PLACES` left.
    """
    began_at_us = int(time.time() * 1e6) - entries_each * MICROSECONDS_APART
    with psycopg.connect(database_url, autocommit=True) as connection:
        rebuild = _take_keys_away(connection)
        row = connection.execute(READ_VENUE_CAPACITY, [venue_id]).fetchone()
        venue_capacity = row[0] if row else 0
        fillings = [
            Filling(
                database_url=database_url,
                event_id=_uuid7(began_at_us // 1000),
                venue_id=UUID(venue_id),
                venue_capacity=venue_capacity,
                users=users,
                entries=entries_each,
                first_seq=number * entries_each,
                began_at_us=began_at_us,
            )
            for number in range(streams)
        ]
        # Not forked: whoever calls may have threads.
        with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
            leaves = b"".join(pool.map(fill_stream, fillings))
        _store_tree(connection, leaves, began_at_us + entries_each * MICROSECONDS_APART)
        connection.execute(MEMORY_TO_SORT_IN)
        for statement in rebuild:
            connection.execute(statement)
        connection.execute("ANALYZE")
        connection.execute("CHECKPOINT")
    return [str(filling.event_id) for filling in fillings]


def _take_keys_away(connection: psycopg.Connection) -> list[sql.Composed]:
    """Drop the indexes of the large tables; the statements that make them again."""
    rebuild = []
    tables = [list(_TABLES)]
    for table, name, definition in connection.execute(READ_CONSTRAINTS, tables).fetchall():
        named = sql.Identifier(table), sql.Identifier(name)
        connection.execute(sql.SQL(DROP_CONSTRAINT).format(*named))
        rebuild.append(sql.SQL(ADD_CONSTRAINT).format(*named, sql.SQL(definition)))
    for name, definition in connection.execute(READ_INDEXES, tables).fetchall():
        connection.execute(sql.SQL(DROP_INDEX).format(sql.Identifier(name)))
        rebuild.append(sql.Composed([sql.SQL(definition)]))
    return rebuild


def fill_stream(filling: Filling) -> bytes:
    """Make one event; the hashes of its entries as leaves of the tree, in order."""
    leaves: list[bytes] = []
    with psycopg.connect(filling.database_url) as connection, connection.cursor() as cursor:
        head = b""
        for chunk in _chunks(filling):
            for statement, rows in (
                (COPY_LEDGER, chunk.entries),
                (COPY_BOOKINGS, chunk.bookings),
                (COPY_SEQUENCE, chunk.numbers),
                (COPY_HISTORIES, chunk.histories),
            ):
                with cursor.copy(statement) as copy:
                    copy.write(b"".join((_COPY_HEAD, *rows, _COPY_TAIL)))
            leaves += chunk.leaves
            head = chunk.head
        _add_up(cursor, filling, head)
    return b"".join(leaves)


def _add_up(cursor: psycopg.Cursor, filling: Filling, head: bytes) -> None:
    """The event's row, and what the projections count of its bookings."""
    event_id, sold = filling.event_id, filling.entries - 1
    capacity = sold + FREE_PLACES
    ended_at_us = _recorded_at(filling, filling.entries)
    venue = filling.venue_id, filling.venue_capacity
    cursor.execute(
        INSERT_STREAM,
        (
            *(event_id, filling.entries, head, capacity, sold, ended_at_us),
            *(*venue, "Filler", _STARTS_AT_US),
        ),
    )
    cursor.execute(INSERT_SEQUENCED, (event_id, filling.entries))
    cursor.execute(INSERT_PROJECTED, (event_id, filling.entries, ended_at_us, capacity))
    cursor.execute(INSERT_REVENUE, (event_id, sold))
    cursor.execute(INSERT_OCCUPANCY, (event_id, sold))
    times = (_recorded_at(filling, version) for version in range(2, filling.entries + 1))
    by_minute = Counter(at - at % MINUTE_US for at in times)
    cursor.executemany(INSERT_SALES, [(event_id, *minute) for minute in by_minute.items()])


@dataclass(slots=True)
class _Chunk:
    """Rows of the large tables, the hashes of the entries as leaves, and the last one's own."""

    head: bytes
    entries: list[bytes] = field(default_factory=list)
    bookings: list[bytes] = field(default_factory=list)
    numbers: list[bytes] = field(default_factory=list)
    histories: list[bytes] = field(default_factory=list)
    leaves: list[bytes] = field(default_factory=list)


def _chunks(filling: Filling) -> Iterator[_Chunk]:
    stream, actor = filling.event_id.bytes, UUID(int=0).bytes
    users = [(UUID(user).bytes, user.encode()) for user in filling.users]
    sha256 = hashlib.sha256
    chunk = _scheduled(filling)
    head = chunk.head
    for version in range(2, filling.entries + 1):
        at = _recorded_at(filling, version)
        user_id, user_text = users[version % len(users)]
        booking = _uuid7(at // 1000)
        random = os.urandom(64)
        key, request = random[:32], random[32:]
        payload = _PAYLOAD % (str(booking).encode(), user_text)
        preimage = _preimage(
            *(_TAG, stream, version, at, 2, actor, head, 11, _BOOKED),
            *(32, key, 32, request, _PAYLOAD_BYTES, payload),
        )
        before, head = head, sha256(preimage).digest()
        chunk.leaves.append(sha256(b"\0" + preimage).digest())
        chunk.entries.append(
            _ledger_row(
                *(11, 16, stream, 8, version, 11, _BOOKED, 2, 2, _PAYLOAD_BYTES, payload),
                *(32, before, 32, head, 8, at, 32, key, 32, request, 16, actor),
            )
        )
        chunk.bookings.append(
            _booking_row(
                *(12, 16, booking.bytes, 16, stream, 16, user_id, 4, 1, 6, b"booked", 16, actor),
                *(8, at, 8, version, 32, head, 8, at, 8, version, 32, head),
            )
        )
        seq = filling.first_seq + version - 1
        chunk.numbers.append(_sequence_row(3, 8, seq, 16, stream, 8, version))
        chunk.histories.append(
            _history_row(
                *(8, 16, user_id, 8, seq, 16, stream, 8, version, 8, at),
                *(6, b"booked", 16, booking.bytes, 4, 1),
            )
        )
        chunk.head = head
        if len(chunk.entries) == ROWS_AT_A_TIME:
            yield chunk
            chunk = _Chunk(head)
    yield chunk


def _scheduled(filling: Filling) -> _Chunk:
    """The first entry, with which everything begins."""
    stream, actor, before = filling.event_id.bytes, UUID(int=0).bytes, bytes(32)
    at = _recorded_at(filling, 1)
    capacity = filling.entries - 1 + FREE_PLACES
    payload = (
        _SCHEDULED % (capacity, _STARTS_AT_US, filling.venue_capacity, filling.venue_id)
    ).encode()
    name = b"EventScheduled"
    preimage = b"".join(
        (
            _TAG,
            struct.pack(">16sQqH16s32s", stream, 1, at, 2, actor, before),
            *(struct.pack(">I", len(part)) + part for part in (name, b"", b"", payload)),
        )
    )
    head = hashlib.sha256(preimage).digest()
    columns = (
        *(stream, struct.pack(">q", 1), name, struct.pack(">h", 2), payload, before, head),
        *(struct.pack(">q", at), None, None, actor),
    )
    row = struct.pack(">h", len(columns)) + b"".join(
        struct.pack(">i", -1) if each is None else struct.pack(">i", len(each)) + each
        for each in columns
    )
    leaf = hashlib.sha256(b"\0" + preimage).digest()
    number = _sequence_row(3, 8, filling.first_seq, 16, stream, 8, 1)
    return _Chunk(head, [row], [], [number], [], [leaf])


def _recorded_at(filling: Filling, version: int) -> int:
    return filling.began_at_us + version * MICROSECONDS_APART


def _uuid7(milliseconds: int) -> UUID:
    random = int.from_bytes(os.urandom(10))
    return UUID(
        int=milliseconds << 80
        | 7 << 76
        | (random >> 68 & 0xFFF) << 64
        | 2 << 62
        | random & (1 << 62) - 1
    )


def _store_tree(connection: psycopg.Connection, leaves: bytes, ended_at_us: int) -> None:
    """The tiles over all leaves, and how far all has come; no checkpoint, so that one is made."""
    with connection.transaction(), connection.cursor() as cursor:
        with cursor.copy(COPY_TILES) as copy:
            level, hashes = 0, leaves
            while hashes:
                tiles = [hashes[at : at + 8192] for at in range(0, len(hashes), 8192)]
                for position, tile in enumerate(tiles):
                    copy.write_row((level, position, tile))
                full = [tile for tile in tiles if len(tile) == 8192]
                level, hashes = level + 1, b"".join(map(_root, full))
        cursor.execute(ADVANCE, {"size": len(leaves) // 32, "at": ended_at_us})


def _root(tile: bytes) -> bytes:
    """RFC 6962: the root over the 256 hashes of a full tile."""
    hashes = [tile[at : at + 32] for at in range(0, len(tile), 32)]
    sha256 = hashlib.sha256
    while len(hashes) > 1:
        hashes = [
            sha256(b"\1" + left + right).digest()
            for left, right in zip(hashes[::2], hashes[1::2], strict=True)
        ]
    return hashes[0]
