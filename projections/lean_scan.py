"""One pass over the lines of an export: every stream's chain and rules, every entry's leaf hash.

Whatever an entry breaks is found at the first entry of its stream that breaks anything; nothing
after it in its stream can be judged, and its leaf hashes are taken all the same.
"""

import hashlib
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple
from uuid import UUID

import orjson

from ledger.chain import GENESIS, TAG
from ledger.codec import INTEGER_MAX
from projections.export_format import from_base64
from projections.leaf_ranges import NO_LEAF
from projections.lean_rules import (
    READINGS,
    FieldsWrong,
    LeanStream,
    Reading,
    Rule,
    RuleBroken,
)
from projections.leaves import ENTRY_BYTES_MAX, logged
from projections.merkle import leaf_hash

_HEAD: Final = struct.Struct(f">{len(TAG)}s16sQqH16s32sI")
_LENGTH: Final = struct.Struct(">I")
_NO_DIGESTS: Final = bytes(8)
_BYTES_AT_A_TIME: Final = 1 << 15
_DIGEST_BYTES: Final = 32

_UNREADABLE: Final = (
    ValueError,  # not as many values, no hexadecimal, no UUID
    TypeError,  # another type than the column has
    KeyError,  # nothing known by that name
    struct.error,  # a number out of range
)
_NOT_WELL: Final = (*_UNREADABLE, FieldsWrong, RuleBroken)


class _Known(NamedTuple):
    """What the loop needs to know of a type."""

    schema_version: int
    rule: Rule
    pack: Callable[..., bytes]
    """All of a preimage but the payload, with key and request hash."""
    pack_without_key: Callable[..., bytes]
    typed: bytes


def _known(name: str, reading: Reading) -> _Known:
    typed = _LENGTH.pack(len(name)) + name.encode("ascii")
    head = f">{len(TAG) + 16}sQqH16s32s{len(typed)}s"
    return _Known(
        schema_version=reading.schema_version,
        rule=reading.rule,
        pack=struct.Struct(f"{head}I32sI32sI").pack,
        pack_without_key=struct.Struct(f"{head}8sI").pack,
        typed=typed,
    )


_KNOWN: Final = {name: _known(name, reading) for name, reading in READINGS.items()}


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, and where as far as can be told."""

    rule: str
    what: str
    stream_id: str | None = None
    version: int | None = None
    seq: int | None = None
    field: str | None = None


@dataclass(slots=True)
class Scanned:
    """What a pass found; ``leaves`` are the leaf hashes of the entries numbered ``seqs``."""

    entries: int = 0
    streams: int = 0
    first_stream_id: str | None = None
    last_stream_id: str | None = None
    seqs: list[int] = field(default_factory=list)
    leaves: list[bytes] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    end: tuple[int, int] | None = None


class _Line(NamedTuple):
    """The columns of an entry as its line has them."""

    version: Any
    seq: Any
    recorded_at: Any
    actor: Any
    type_name: Any
    schema_version: Any
    key: Any
    request_hash: Any
    prev_hash: Any
    hash: Any
    payload: Any


class _Broken(Exception):
    """What the judgement of a line found: rule, field and words."""

    def __init__(self, rule: str, field_name: str | None, what: str) -> None:
        super().__init__(rule, field_name, what)


class Scan:
    """Feed it blocks of whole lines, in order and from the beginning of a stream."""

    def __init__(self, size: int) -> None:
        """``size`` is how many entries the export says it has."""
        self.scanned = Scanned()
        self._size = size
        self._actors: dict[str, bytes] = {}
        self._begin_stream(None, b"")

    def _begin_stream(self, stream_id: str | None, stream_bytes: bytes) -> None:
        self._stream_id = stream_id
        self._stream_bytes = stream_bytes
        self._stream = LeanStream()
        self._keys: set[str] = set()
        self._version = 0
        self._seq = -1
        self._recorded_at = -INTEGER_MAX
        self._hash = GENESIS
        self._hash_hex = GENESIS.hex()
        self._is_broken = False
        self._suspect: str | None = None

    def feed(self, block: bytes) -> None:
        """Read the lines of ``block``."""
        # Few at a time: what a megabyte of them becomes does not fit the processor's caches.
        start = 0
        while start < len(block):
            end = block.find(b"\n", start + _BYTES_AT_A_TIME) + 1 or len(block)
            self._read(block[start:end])
            start = end

    def _read(self, block: bytes) -> None:
        # What follows runs once per entry and is most of what verifying takes. So it asks nothing
        # but whether all is well; everything else, and whatever is new to it, goes to `_judge`.
        sha256, dumps, fromhex = hashlib.sha256, orjson.dumps, bytes.fromhex
        strict, size, time_max = orjson.OPT_STRICT_INTEGER, self._size, INTEGER_MAX
        actors, known, no_digests = self._actors, _KNOWN, _NO_DIGESTS
        add_seq, add_leaf = self.scanned.seqs.append, self.scanned.leaves.append
        rows = _rows(block)
        self.scanned.entries += len(rows)
        if len(block) > ENTRY_BYTES_MAX:
            # There may be an entry of which the log has a stub: preimages are shorter than lines.
            for row in rows:
                self._judge(row, ValueError())
            return
        stream, head, keys = self._stream, TAG + self._stream_bytes, self._keys
        last_version, last_seq, last_at = self._version, self._seq, self._recorded_at
        last_hash, last_hex, is_broken = self._hash, self._hash_hex, self._is_broken
        for row in rows:
            try:
                (
                    version,
                    seq,
                    at,
                    actor,
                    type_name,
                    schema_version,
                    key,
                    request_hash,
                    prev_hex,
                    hash_hex,
                    fields,
                ) = row
                payload = dumps(fields, None, strict)
                schema_today, rule, pack, pack_without_key, typed = known[type_name]
                if key is None:
                    preimage = (
                        pack_without_key(
                            head,
                            version,
                            at,
                            schema_version,
                            actors[actor],
                            last_hash,
                            typed,
                            no_digests,
                            len(payload),
                        )
                        + payload
                    )
                else:
                    # Strict: fromhex alone takes capitals and spaces, packing takes any length.
                    both = key + request_hash
                    pair = fromhex(both)
                    if len(key) != 64 or len(pair) != 64 or pair.hex() != both:
                        raise ValueError
                    preimage = (
                        pack(
                            head,
                            version,
                            at,
                            schema_version,
                            actors[actor],
                            last_hash,
                            typed,
                            32,
                            pair[:32],
                            32,
                            pair[32:],
                            len(payload),
                        )
                        + payload
                    )
                digest = sha256(preimage).digest()
                if (
                    is_broken
                    or version != last_version + 1
                    or version is True  # which is 1, and so is the next
                    or schema_version is True
                    or type(at) is not int
                    or prev_hex != last_hex
                    or digest.hex() != hash_hex
                    or type(seq) is not int
                    or not last_seq < seq < size
                    or not last_at <= at <= time_max
                    or key in keys
                    or (key is None and request_hash is not None)
                    or schema_today != schema_version
                ):
                    raise ValueError
                rule(stream, fields, at)
            except _NOT_WELL as error:
                self._version, self._seq, self._recorded_at = last_version, last_seq, last_at
                self._hash, self._hash_hex = last_hash, last_hex
                self._judge(row, error)
                stream, head, keys = self._stream, TAG + self._stream_bytes, self._keys
                last_version, last_seq, last_at = self._version, self._seq, self._recorded_at
                last_hash, last_hex, is_broken = self._hash, self._hash_hex, self._is_broken
                continue
            if key is not None:
                keys.add(key)
            add_seq(seq)
            add_leaf(sha256(b"\0" + preimage).digest())
            last_version, last_seq, last_at = version, seq, at
            last_hash, last_hex = digest, hash_hex
        self._version, self._seq, self._recorded_at = last_version, last_seq, last_at
        self._hash, self._hash_hex = last_hash, last_hex

    def _judge(self, row: Any, error: Exception) -> None:
        """What a line is that the loop did not let pass: new, of an old schema, or wrong."""
        if type(row) is not list:
            self.scanned.entries -= 1
            self._read_mark(row)
            return
        line = None
        try:
            line = self._line(row)
            preimage = self._preimage(line)
            if type(line.seq) is int and 0 <= line.seq < self._size:
                self.scanned.seqs.append(line.seq)
                self.scanned.leaves.append(
                    NO_LEAF if preimage is None else leaf_hash(logged(preimage))
                )
            if self._is_broken:
                self._settle_suspect(line)
                return
            digest = self._check_chain(line, preimage)
            self._check_rules(line, error)
        except _Broken as broken:
            self._is_broken = True
            rule, field_name, what = broken.args
            version = None if line is None else line.version
            seq = None if line is None else line.seq
            self.scanned.findings.append(
                Finding(rule, what, self._stream_id, version, seq, field_name)
            )
            return
        if line.key is not None:
            self._keys.add(line.key)
        self._version, self._seq, self._recorded_at = line.version, line.seq, line.recorded_at
        self._hash, self._hash_hex = digest, line.hash

    def _read_mark(self, row: Any) -> None:
        """A line that is no entry: where a stream begins, a tile, or the end."""
        scanned = self.scanned
        match row:
            case {"stream": str() as stream_id} if len(row) == 1:
                is_id = _is_uuid(stream_id)
                self._begin_stream(stream_id, _uuid_bytes(stream_id) if is_id else b"")
                if not is_id:
                    self._find("format", f"{stream_id!r} is no id of a stream")
                elif scanned.last_stream_id is not None and stream_id <= scanned.last_stream_id:
                    self._find("format", "the streams are not in the order of their ids")
                scanned.streams += 1
                scanned.first_stream_id = scanned.first_stream_id or stream_id
                scanned.last_stream_id = stream_id
            case {"tile": position, "hashes": str()} if len(row) == 2 and _is_count(position):
                pass
            case {"end": True, "entries": entries, "streams": streams} if (
                len(row) == 3 and _is_count(entries) and _is_count(streams)
            ):
                scanned.end = (entries, streams)
            case _:
                self._find("format", "a line is neither an entry nor anything else that is known")

    def _find(self, rule: str, what: str) -> None:
        self._is_broken = True
        self.scanned.findings.append(Finding(rule, what, self._stream_id))

    def _line(self, row: list[Any]) -> _Line:
        if len(row) != len(_Line._fields) or is_odd(row):
            raise _Broken("format", None, "an entry is eleven values, all numbers integers")
        if self._stream_id is None:
            raise _Broken("format", None, "an entry stands before the first stream")
        return _Line(*row)

    def _preimage(self, line: _Line) -> bytes | None:
        """The bytes that the entry's hash is over; None when its columns cannot be such."""
        try:
            if type(line.payload) is str:
                payload = from_base64(line.payload)
            else:
                payload = orjson.dumps(line.payload, option=orjson.OPT_STRICT_INTEGER)
            if line.actor not in self._actors:
                self._actors[line.actor] = _uuid_bytes(line.actor)
            type_bytes = line.type_name.encode("ascii")
            key, request_hash = line.key, line.request_hash
            parts = [
                _HEAD.pack(
                    TAG,
                    self._stream_bytes,
                    line.version,
                    line.recorded_at,
                    line.schema_version,
                    self._actors[line.actor],
                    _digest(line.prev_hash),
                    len(type_bytes),
                ),
                type_bytes,
            ]
            for each in (key, request_hash):
                digest = b"" if each is None else _digest(each)
                parts += [_LENGTH.pack(len(digest)), digest]
            return b"".join([*parts, _LENGTH.pack(len(payload)), payload])
        except (*_UNREADABLE, AttributeError):
            return None

    def _check_chain(self, line: _Line, preimage: bytes | None) -> bytes:
        """The entry's hash."""
        if preimage is None:
            raise _Broken("L7", None, "a column is not what it should be")
        digest = hashlib.sha256(preimage).digest()
        if line.version != self._version + 1:
            what = f"it follows version {self._version}: entries are missing or out of their place"
            raise _Broken("L3", "version", what)
        if line.prev_hash != self._hash_hex:
            raise _Broken("L3", "prev_hash", "it is not the hash of the entry before")
        if not self._recorded_at <= line.recorded_at <= INTEGER_MAX:
            raise _Broken("L3", "recorded_at", "it is before that of the entry before")
        if digest.hex() != line.hash:
            self._suspect = digest.hex()
            what = "the hash is not that of the entry's contents"
            raise _Broken("L3", self._field_changed(line), what)
        if type(line.seq) is not int or not self._seq < line.seq < self._size:
            raise _Broken("sequence", "seq", "the numbers of a stream's entries do not ascend")
        if (line.key is None) != (line.request_hash is None):
            raise _Broken("L4", "request_hash", "key and request hash are no pair")
        if line.key is not None and line.key in self._keys:
            raise _Broken("L4", "idempotency_key", "the key has an entry already")
        return digest

    def _field_changed(self, line: _Line) -> str:
        """The column that was changed if another value of it makes the hash right."""
        for name in READINGS:
            if self._is_right_with(line._replace(type_name=name)):
                return "type"
        for version in range(1, 10):
            if self._is_right_with(line._replace(schema_version=version)):
                return "schema_version"
        for actor in self._actors:
            if self._is_right_with(line._replace(actor=actor)):
                return "actor"
        if self._is_right_with(line._replace(key=None, request_hash=None)):
            return "idempotency_key"
        return "contents or hash"

    def _is_right_with(self, line: _Line) -> bool:
        preimage = self._preimage(line)
        return preimage is not None and hashlib.sha256(preimage).hexdigest() == line.hash

    def _settle_suspect(self, line: _Line) -> None:
        """The entry after one whose hash is wrong tells whether its hash or its contents were."""
        if self._suspect is None:
            return
        at = len(self.scanned.findings) - 1
        finding = self.scanned.findings[at]
        if finding.field == "contents or hash":
            is_hash = line.prev_hash == self._suspect
            self.scanned.findings[at] = replace(finding, field="hash" if is_hash else "contents")
        self._suspect = None

    def _check_rules(self, line: _Line, error: Exception) -> None:
        if isinstance(error, RuleBroken):
            # The loop has tried already, and the state is no longer that from before.
            raise _Broken(error.args[0], "payload", error.args[1]) from error
        reading = READINGS.get(line.type_name)
        if reading is None:
            raise _Broken("L7", "type", f"there is no entry type {line.type_name}")
        if type(line.payload) is not dict:
            raise _Broken("L7", "payload", "the payload is not canonical JSON of an object")
        try:
            fields = reading.lifted(line.type_name, line.schema_version, line.payload)
        except (KeyError, TypeError) as error:
            raise _Broken("L7", "schema_version", "the payload is of no known schema") from error
        try:
            reading.rule(self._stream, fields, line.recorded_at)
        except (FieldsWrong, KeyError, TypeError) as error:
            what = "the payload has not the fields of its type"
            raise _Broken("L7", "payload", what) from error
        except RuleBroken as broken:
            raise _Broken(broken.args[0], "payload", broken.args[1]) from broken


def _rows(block: bytes) -> list[Any]:
    try:
        # The newlines stay, where strings may not have them: so every line is one value or more.
        rows = orjson.loads(b"[" + block[:-1].replace(b"\n", b"\n,") + b"]")
        if len(rows) == block.count(b"\n"):
            return list(rows)
    except orjson.JSONDecodeError:
        pass
    return list(_one_by_one(block))


def _one_by_one(block: bytes) -> Iterator[Any]:
    for line in block.split(b"\n")[:-1]:
        try:
            yield orjson.loads(line)
        except orjson.JSONDecodeError:
            yield None


def _digest(text: str) -> bytes:
    digest = bytes.fromhex(text)
    if len(digest) != _DIGEST_BYTES or digest.hex() != text:
        raise ValueError("a digest is 64 hexadecimal digits")
    return digest


def _uuid_bytes(text: str) -> bytes:
    uuid = UUID(text)
    if str(uuid) != text:
        raise ValueError(f"{text!r} is no id in canonical form")
    return uuid.bytes


def _is_uuid(text: str) -> bool:
    try:
        return len(_uuid_bytes(text)) > 0
    except ValueError:
        return False


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= INTEGER_MAX


def is_odd(value: Any) -> bool:
    """Whether there are other numbers in it than integers that every JSON reader gets right."""
    match value:
        case bool() | float():
            return True
        case int():
            return not -INTEGER_MAX <= value <= INTEGER_MAX
        case list():
            return any(map(is_odd, value))
        case dict():
            return any(map(is_odd, value.values()))
        case _:
            return False
