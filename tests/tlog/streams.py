"""Streams written by hand, so that a test decides when which transaction begins, ends or fails."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from uuid import uuid4

import psycopg
from samples import NOW, recorded, schedule

from ledger import chain
from ledger.decide import decide
from ledger.entries import CapacityChanged, Entry
from ledger.state import State
from ledger.values import EventId, Instant

CAPACITY: Final = 1_000_000

Connection = psycopg.Connection[tuple[Any, ...]]


class Stream:
    """A stream whose appends lock and move its row as the writer's do."""

    def __init__(self, at: Instant = NOW) -> None:
        """Its entries are recorded from ``at`` on, a microsecond apart."""
        self._at = at
        self.stream_id = EventId(uuid4())
        self.version = 0
        self.head_hash = chain.GENESIS

    def append(self, connection: Connection, count: int = 1) -> None:
        """Append within the transaction of ``connection``; to roll it back, append to a copy."""
        connection.execute("SELECT FROM streams WHERE stream_id = %s FOR UPDATE", (self.stream_id,))
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO ledger (stream_id, version, type, schema_version, payload, prev_hash,"
                " hash, recorded_at_us, actor) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
                [self._next_row() for _ in range(count)],
            )
        connection.execute(
            "INSERT INTO streams (stream_id, version, head_hash, capacity, booked, held,"
            " updated_at_us, venue_id, venue_capacity, name, starts_at_us)"
            " VALUES (%s, %s, %s, %s, 0, 0, %s, %s, %s, 'A show', %s)"
            " ON CONFLICT (stream_id) DO UPDATE SET"
            " version = excluded.version, head_hash = excluded.head_hash",
            (
                self.stream_id,
                self.version,
                self.head_hash,
                CAPACITY,
                NOW + self.version,
                self.stream_id,
                CAPACITY,
                NOW,
            ),
        )

    def _next_row(self) -> tuple[object, ...]:
        self.version += 1
        if self.version == 1:
            (entry,) = _scheduled(self.stream_id)
        else:
            entry = CapacityChanged(CAPACITY - self.version)
        one = recorded(
            entry,
            self.version,
            stream_id=self.stream_id,
            at=Instant(self._at + self.version),
            prev_hash=self.head_hash,
        )
        self.head_hash = one.hash
        return (
            one.stream_id,
            one.version,
            one.type_name,
            one.schema_version,
            one.payload,
            one.prev_hash,
            one.hash,
            one.recorded_at,
            one.actor,
        )


def _scheduled(stream_id: EventId) -> tuple[Entry, ...]:
    decision = decide(State(), schedule(stream_id, capacity=CAPACITY, venue_capacity=CAPACITY), NOW)
    assert isinstance(decision, tuple)
    return decision


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    """A connection in autocommit mode: transactions begin and end where the test says."""
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


def sequenced(connection: Connection) -> list[tuple[EventId, int]]:
    """The order as it stands; fails unless its numbers are 0, 1, 2, ..."""
    rows = connection.execute(
        "SELECT seq, stream_id, version FROM sequence ORDER BY seq"
    ).fetchall()
    assert [seq for seq, _, _ in rows] == list(range(len(rows)))
    return [(stream_id, version) for _, stream_id, version in rows]


def in_ledger(connection: Connection) -> set[tuple[EventId, int]]:
    return set(connection.execute("SELECT stream_id, version FROM ledger").fetchall())


def assert_all_sequenced(connection: Connection) -> None:
    """The set sequenced equals the set in the ledger, and each stream's versions are in order."""
    order = sequenced(connection)
    assert len(order) == len(set(order))
    assert set(order) == in_ledger(connection)
    reached: dict[EventId, int] = {}
    for stream_id, version in order:
        assert version == reached.get(stream_id, 0) + 1
        reached[stream_id] = version
