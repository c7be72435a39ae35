"""Histories changed by somebody who covers the traces: all hashes are right again afterwards."""

import random
from collections.abc import Callable
from typing import Any
from uuid import UUID

import orjson
from exporting import preimage_of
from story import read_row

from ledger import chain
from ledger.entries import Recorded
from ledger.rows import Row
from ledger.values import EventId


def streams_of(entries: list[Recorded]) -> dict[EventId, list[Row]]:
    streams: dict[EventId, list[Row]] = {}
    for each in entries:
        streams.setdefault(each.stream_id, []).append(read_row(each))
    return streams


def rechained(rows: list[Row]) -> list[Row]:
    """The same entries with versions and hashes made right, as somebody covering traces would."""
    prev_hash, chained = chain.GENESIS, []
    for version, row in enumerate(rows, start=1):
        unsealed = (row[0], version, *row[2:9], prev_hash)
        prev_hash = chain.entry_hash(preimage_of(unsealed))
        chained.append((*unsealed, prev_hash))
    return chained


Change = Callable[[random.Random, list[Row]], list[Row]]


def drop_one(choose: random.Random, rows: list[Row]) -> list[Row]:
    at = choose.randrange(len(rows))
    return rows[:at] + rows[at + 1 :]


def double_one(choose: random.Random, rows: list[Row]) -> list[Row]:
    one = choose.choice(rows)
    at = choose.randrange(len(rows))
    moved = (*one[:2], rows[at][2], one[3], None, None, *one[6:])
    return [*rows[:at], moved, *rows[at:]]


def swap_two(choose: random.Random, rows: list[Row]) -> list[Row]:
    swapped = list(rows)
    at = choose.randrange(len(rows) - 1)
    one, other = rows[at], rows[at + 1]
    swapped[at] = (*other[:2], one[2], *other[3:])
    swapped[at + 1] = (*one[:2], other[2], *one[3:])
    return swapped


def change_a_field(choose: random.Random, rows: list[Row]) -> list[Row]:
    at = choose.randrange(len(rows))
    row = rows[at]
    fields = orjson.loads(row[8])
    if not fields:
        return drop_one(choose, rows)
    name = choose.choice(sorted(fields))
    fields[name] = changed(choose, name, fields[name], rows)
    return [*rows[:at], (*row[:8], orjson.dumps(fields), *row[9:]), *rows[at + 1 :]]


def changed(choose: random.Random, name: str, value: Any, rows: list[Row]) -> Any:
    others = [orjson.loads(row[8]) for row in rows]
    texts = [each for fields in others for each in fields.values() if type(each) is str]
    if name.endswith("_id"):
        # Ids are compared as text by the lean rules, so one in another form is no obstacle there.
        return choose.choice([*(text for text in texts if is_id(text)), 1, None])
    match value:
        case int():
            return choose.choice([0, 1, 2, 3, 5, 10**15, str(value), value + 1, None])
        case str() | None:
            return choose.choice([*texts, "A1", "B2", "front", "stalls", 1, [], None])
        case [first, *rest]:
            return choose.choice([rest, [first, *rest, first], [1], ["A3"], [2], "", [{}], None])
        case _:
            return choose.choice([["A1"], [1], None, "x", [None]])


def is_id(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


CHANGES = (drop_one, double_one, swap_two, change_a_field)
