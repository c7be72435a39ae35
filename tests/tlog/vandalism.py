"""Everything that a superuser of the database may do to a ledger, at random, and where it shows."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, get_args
from uuid import UUID

import orjson
from exporting import preimage_of
from tampering import CHANGES, rechained

from ledger import chain
from ledger.entries import Entry
from ledger.rows import Row
from ledger.values import EventId

COLUMNS: Final = (
    "stream_id",
    "version",
    "recorded_at_us",
    "actor",
    "idempotency_key",
    "request_hash",
    "type",
    "schema_version",
    "payload",
    "prev_hash",
    "hash",
)
"""Of a row of read_ledger."""

TYPES: Final = sorted(each.__name__ for each in get_args(Entry))

Streams = dict[EventId, list[Row]]
Place = tuple[EventId, int]
"""Stream and version."""


@dataclass
class Tampered:
    """A ledger that was tampered with, and the places each of which must be named."""

    streams: Streams
    places: list[Place]
    numbers: dict[Place, int] = field(default_factory=dict)
    """Of the entries whose number was changed."""
    tried: tuple[str, ...] = ()
    """What to count, so that a test can tell that everything was tried."""


Tamper = Callable[[random.Random, Streams, dict[Place, int], int], Tampered]
"""Change ``streams``, of which the entries have these numbers, for the n-th time."""


def _replaced(streams: Streams, stream_id: EventId, rows: Sequence[Row]) -> Streams:
    return {**streams, stream_id: list(rows)}


def _renumbered(stream_id: EventId, rows: Sequence[Row]) -> list[Row]:
    return [(stream_id, version, *row[2:]) for version, row in enumerate(rows, 1)]


def _entry_of_type(streams: Streams, choose: random.Random, type_name: str) -> Row:
    return choose.choice([row for rows in streams.values() for row in rows if row[6] == type_name])


def change_a_field(
    choose: random.Random, streams: Streams, _: dict[Place, int], n: int
) -> Tampered:
    """Any column of an entry of any type."""
    type_name, column = TYPES[n % len(TYPES)], COLUMNS[n // len(TYPES) % len(COLUMNS)]
    row = _entry_of_type(streams, choose, type_name)
    place, rows = (row[0], row[1]), streams[row[0]]
    tried = (type_name, column)
    at = COLUMNS.index(column)
    changed = [*row]
    changed[at] = _another(choose, column, row[at], streams)
    if column in {"idempotency_key", "request_hash"}:
        # The two are null together, or the database would not have them.
        changed[4:6] = [changed[at] or bytes(32), row[5] or bytes(32)]
        if row[4] is not None and choose.random() < 0.3:
            changed[4:6] = [None, None]
        if column == "request_hash" and row[5] is not None and changed[4] is not None:
            changed[4:6] = [row[4], _another(choose, column, row[5], streams)]
    left = [each for each in rows if each[1] != row[1]]
    if column == "stream_id":
        moved = {
            **streams,
            row[0]: left,
            changed[0]: [*streams.get(changed[0], ()), tuple(changed)],
        }
        return Tampered(moved, [place], tried=tried)
    ordered = sorted([*left, tuple(changed)], key=lambda each: each[1])
    return Tampered(_replaced(streams, row[0], ordered), [place], tried=tried)


def _another(choose: random.Random, column: str, value: Any, streams: Streams) -> Any:
    """Another value of a column, such as the database would take."""
    match column:
        case "stream_id":
            return EventId(UUID(int=choose.getrandbits(128)))
        case "actor":
            others = [UUID(int=each) for each in (0, 1, choose.getrandbits(128))]
            return choose.choice([each for each in others if each != value])
        case "version":
            return 100 + choose.randrange(1_000)
        case "recorded_at_us":
            return value + choose.choice([-1, 1, 10**6, -(10**9), choose.randrange(1, 10**12)])
        case "schema_version":
            return choose.choice([each for each in (1, 2, 3, 7, 300) if each != value])
        case "type":
            return choose.choice([each for each in (*TYPES, "Unheard", "") if each != value])
        case "payload":
            return _another_payload(choose, value, streams)
        case _:
            changed = bytearray(value or choose.randbytes(32))
            changed[choose.randrange(32)] ^= 1 << choose.randrange(8)
            return bytes(changed)


def _another_payload(choose: random.Random, payload: bytes, streams: Streams) -> bytes:
    fields = orjson.loads(payload)
    others = [row[8] for rows in streams.values() for row in rows if row[8] != payload]
    match choose.choice(["bit", "field", "other", "space", "cut"]):
        case "field" if fields:
            name = choose.choice(sorted(fields))
            value = fields[name]
            fields[name] = value + 1 if type(value) is int else [value]
            return orjson.dumps(fields, option=orjson.OPT_SORT_KEYS)
        case "other":
            return choose.choice(others)
        case "space":
            return payload.replace(b"{", b"{ ", 1)
        case "cut":
            return payload[: choose.randrange(len(payload))]
        case _:
            changed = bytearray(payload)
            changed[choose.randrange(len(payload))] ^= 1 << choose.randrange(8)
            return bytes(changed)


def delete(choose: random.Random, streams: Streams, _: dict[Place, int], n: int) -> Tampered:
    """An entry gone, or gone and the gap closed."""
    row = _entry_of_type(streams, choose, TYPES[n % len(TYPES)])
    left = [each for each in streams[row[0]] if each[1] != row[1]]
    is_closed = choose.random() < 0.5
    rows = _renumbered(row[0], left) if is_closed else left
    is_last = row[1] > len(left)
    # With the gap closed, what is gone is the stream's last number, and what follows is wrong.
    gone = (row[0], len(left) + 1) if is_closed else (row[0], row[1])
    wrong = [] if is_last else [(row[0], row[1] if is_closed else row[1] + 1)]
    return Tampered(_replaced(streams, row[0], rows), [gone, *wrong], tried=(row[6],))


def insert(choose: random.Random, streams: Streams, _: dict[Place, int], n: int) -> Tampered:
    """An entry made up, whose own hash and link are right, in between or at the end."""
    like = _entry_of_type(streams, choose, TYPES[n % len(TYPES)])
    stream_id = choose.choice(list(streams))
    rows = streams[stream_id]
    at = choose.randrange(len(rows) + 1)
    before = rows[at - 1] if at else None
    prev_hash = chain.GENESIS if before is None else before[10]
    time = like[2] if before is None else before[2]
    unsealed = (stream_id, at + 1, time, like[3], None, None, *like[6:9], prev_hash)
    made = (*unsealed, chain.entry_hash(preimage_of(unsealed)))
    if rows[at : at + 1] == [made]:
        return insert(choose, streams, {}, n)  # that would be the very same history
    later = [(stream_id, row[1] + 1, *row[2:]) for row in rows[at:]]
    inserted = [*rows[:at], made, *later]
    return Tampered(
        _replaced(streams, stream_id, inserted), [(stream_id, at + 1)], tried=(like[6],)
    )


def swap(choose: random.Random, streams: Streams, _: dict[Place, int], n: int) -> Tampered:
    """Two entries, of one stream or of two, in each other's place."""
    one = _entry_of_type(streams, choose, TYPES[n % len(TYPES)])
    others = [row for rows in streams.values() for row in rows if row[:2] != one[:2]]
    other = choose.choice(others)
    swapped = {
        stream_id: [
            (*row[:2], *(other if row is one else one)[2:]) if row in (one, other) else row
            for row in rows
        ]
        for stream_id, rows in streams.items()
    }
    places = [(one[0], one[1]), (other[0], other[1])]
    if one[0] == other[0]:
        places = [min(places)]
    return Tampered(swapped, places, tried=(one[6],))


def duplicate(choose: random.Random, streams: Streams, _: dict[Place, int], n: int) -> Tampered:
    """A copy of an entry, as it is, somewhere in its stream."""
    one = _entry_of_type(streams, choose, TYPES[n % len(TYPES)])
    rows = streams[one[0]]
    at = choose.randrange(len(rows) + 1)
    copied = _renumbered(one[0], [*rows[:at], one, *rows[at:]])
    # Beside itself either of the two may be the copy.
    wrong = at + 2 if rows[at : at + 1] == [one] else at + 1
    return Tampered(_replaced(streams, one[0], copied), [(one[0], wrong)], tried=(one[6],))


def cut_off(choose: random.Random, streams: Streams, _: dict[Place, int], n: int) -> Tampered:
    """The end of a stream, or all of it."""
    one = _entry_of_type(streams, choose, TYPES[n % len(TYPES)])
    rows = streams[one[0]]
    kept = rows[: one[1] - 1]
    return Tampered(_replaced(streams, one[0], kept), [(one[0], one[1])], tried=(one[6],))


def move(choose: random.Random, streams: Streams, _: dict[Place, int], n: int) -> Tampered:
    """An entry into another stream, which there is or is not."""
    one = _entry_of_type(streams, choose, TYPES[n % len(TYPES)])
    elsewhere = [each for each in streams if each != one[0]]
    to = choose.choice([*elsewhere, EventId(UUID(int=choose.getrandbits(128)))])
    there = streams.get(to, [])
    at = choose.randrange(len(there) + 1)
    left = [row for row in streams[one[0]] if row is not one]
    moved = {**streams, one[0]: left, to: _renumbered(to, [*there[:at], one, *there[at:]])}
    return Tampered(moved, [(one[0], one[1]), (to, at + 1)], tried=(one[6],))


def rewrite(choose: random.Random, streams: Streams, _: dict[Place, int], n: int) -> Tampered:
    """Another history, with every version and hash of its stream made right again."""
    type_name = TYPES[n % len(TYPES)]
    while True:
        stream_id = _entry_of_type(streams, choose, type_name)[0]
        rows = streams[stream_id]
        history = rechained(CHANGES[n % len(CHANGES)](choose, rows))
        changed = [at for at, (a, b) in enumerate(zip(rows, history, strict=False)) if a != b]
        if changed or len(rows) != len(history):
            at = changed[0] if changed else min(len(rows), len(history))
            place = (stream_id, at + 1)
            tried = (CHANGES[n % len(CHANGES)].__name__,)
            return Tampered(_replaced(streams, stream_id, history), [place], tried=tried)


def renumber(
    choose: random.Random, streams: Streams, numbers: dict[Place, int], n: int
) -> Tampered:
    """An entry with the number of another, which has its number."""
    type_name = TYPES[n % len(TYPES)]
    row = _entry_of_type(streams, choose, type_name)
    place = (row[0], row[1])
    other = choose.choice([each for each in numbers if each != place])
    swapped = {place: numbers[other], other: numbers[place]}
    # Of the two, the one that now comes too early.
    early = max(place, other, key=lambda each: numbers[each])
    return Tampered(streams, [early], swapped, (type_name,))
