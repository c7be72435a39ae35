"""Streams folded lean, from the lines that COPY gives of their entries: checked, and ready to copy.

What `ledger.replay` checks is checked here too: versions, hashes, times, keys (L3, L4), payloads
that can be read (L7) and, by the lean rules, what entries may not do (L1, L2).
"""

import hashlib
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NoReturn
from uuid import UUID

import orjson

from ledger.chain import GENESIS, TAG
from ledger.replay import Broken, Violation
from ledger.values import EventId
from projections.apply import NO_HALL, Hall, hall_of, order_named
from projections.counted import Counted
from projections.lean_rows import NULL, LeanRows, Mark
from projections.lean_rules import READINGS, Fields, FieldsWrong, LeanStream, RuleBroken

_HEAD: Final = struct.Struct(f">{len(TAG)}s16sQqH16s32sI")
_DIGESTS: Final = struct.Struct(">I32sI32sI")
_LENGTH: Final = struct.Struct(">I")
_NO_DIGESTS: Final = bytes(8)
_HEX_AT: Final = 3
"""Where the digits of a bytea begin: after two backslashes, one of them COPY's, and an x."""

_UNREADABLE: Final = (FieldsWrong, KeyError, TypeError, ValueError, struct.error)


@dataclass(slots=True)
class Folded:
    """A stream as its entries left it."""

    stream_id: str
    stream: LeanStream
    rows: LeanRows
    version: int = 0
    last: Mark = ("", "", "")


def fold(lines: Iterable[bytes | memoryview], counted: Counted) -> Iterator[Folded]:
    """The streams whose entries are in ``lines`` of copy_entries; numbered ones are also counted.

    Raises `Broken` at the first entry that breaks a rule.
    """
    # What follows runs once per entry and is half of what a rebuild takes: it calls little.
    sha256, loads, dumps, fromhex = hashlib.sha256, orjson.loads, orjson.dumps, bytes.fromhex
    pack_head, pack_digests, pack_length = _HEAD.pack, _DIGESTS.pack, _LENGTH.pack
    sort_keys, readings = orjson.OPT_SORT_KEYS, READINGS
    actors: dict[str, bytes] = {}
    types = {name: name.encode("ascii") for name in readings}
    folded: Folded | None = None
    last_id, version_text = "", ""
    last_version, last_at, last_digest, last_hash = 0, 0, GENESIS, ""
    try:
        for line in lines:
            (
                stream_id,
                version_text,
                at_text,
                actor,
                key,
                request_hash,
                type_name,
                schema_text,
                payload_text,
                prev_hash,
                hash_text,
                seq,
            ) = str(line, "ascii").split("\t")
            if folded is None or stream_id != last_id:
                if folded is not None:
                    yield folded
                last_id, stream_bytes = stream_id, UUID(stream_id).bytes
                folded = Folded(stream_id, LeanStream(), LeanRows(stream_id))
                stream, rows, hall = folded.stream, folded.rows, NO_HALL
                keys: set[str] = set()
                last_version, last_at, last_digest, last_hash = 0, 0, GENESIS, _GENESIS_TEXT
            version, at, schema_version = int(version_text), int(at_text), int(schema_text)
            payload = fromhex(payload_text[_HEX_AT:])
            if actor not in actors:
                actors[actor] = UUID(actor).bytes
            type_bytes = types[type_name]
            head = pack_head(
                TAG,
                stream_bytes,
                version,
                at,
                schema_version,
                actors[actor],
                last_digest,
                len(type_bytes),
            )
            if key == NULL:
                tail = _NO_DIGESTS + pack_length(len(payload))
            else:
                digests = fromhex(key[_HEX_AT:] + request_hash[_HEX_AT:])
                tail = pack_digests(32, digests[:32], 32, digests[32:], len(payload))
            digest = sha256(head + type_bytes + tail + payload).digest()
            if (
                version != last_version + 1
                or prev_hash != last_hash
                or at < last_at
                or digest.hex() != hash_text[_HEX_AT:]
                or key in keys
            ):
                _refuse(version - last_version, prev_hash == last_hash, at - last_at, key in keys)
            if key != NULL:
                keys.add(key)
            fields = loads(payload)
            reading = readings[type_name if dumps(fields, None, sort_keys) == payload else ""]
            if schema_version != reading.schema_version:
                fields = reading.lifted(type_name, schema_version, fields)
            reading.rule(stream, fields, at)
            mark = (version_text, hash_text, at_text)
            rows.follow(type_name, fields, actor, mark)
            if type_name == "EventScheduled":
                hall = _hall(fields)
            if seq != _NO_SEQ:
                order_id = order_named(type_name, fields)
                order = None if order_id is None else rows.order(stream, order_id)
                counted.add(int(seq), type_name, stream_id, version, at, fields, order, hall)
            folded.version, folded.last = version, mark
            last_version, last_at, last_digest, last_hash = version, at, digest, hash_text
    except RuleBroken as broken:
        raise _broken(last_id, version_text, *broken.args) from broken
    except _UNREADABLE as error:
        raise _broken(last_id, version_text, "L7", f"cannot be read: {error}") from error
    if folded is not None:
        yield folded


_GENESIS_TEXT: Final = "\\\\x" + GENESIS.hex()
_NO_SEQ: Final = NULL + "\n"


def _refuse(follows_by: int, is_linked: bool, later_by: int, has_key: bool) -> NoReturn:
    """Raise the rule that an entry breaks which does not follow the one before."""
    if follows_by != 1:
        raise RuleBroken("L3", "it does not follow the version before: entries are missing")
    if not is_linked:
        raise RuleBroken("L3", "prev_hash is not the hash of the entry before")
    if later_by < 0:
        raise RuleBroken("L3", "recorded_at is before that of the entry before")
    if has_key:
        raise RuleBroken("L4", "the idempotency key has an entry already")
    raise RuleBroken("L3", "hash is not that of the entry's contents")


def _hall(fields: Fields) -> Hall:
    seat_rows = [(row["section"], row["category"], row["seats"]) for row in fields["seat_rows"]]
    return hall_of(seat_rows, fields["categories"])


def _broken(stream_id: str, version: str, rule: str, what: str) -> Broken:
    return Broken(Violation(rule, EventId(UUID(stream_id)), int(version), what))
