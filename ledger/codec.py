"""Entries to bytes and back.

The payload is RFC 8785 canonical JSON of an entry's fields: integers within 2^53, text without
NUL or lone surrogates, ids as lower-case UUID text, times as integer microseconds, absent values
as null. Those very bytes are hashed and stored. Every type carries a schema version; what an old
version wrote is upcast here, by a pure function, when it is read.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, Final, get_args, get_origin, get_type_hints
from uuid import UUID

import orjson

from ledger.entries import Entry

INTEGER_MAX: Final = 2**53 - 1
"""RFC 8785 section 3.2.2.3: numbers are IEEE 754 doubles, exact up to here."""

Upcast = Callable[[dict[str, Any]], dict[str, Any]]
Reader = Callable[[Any], Any]


class UnreadablePayload(Exception):
    """Stored bytes that are no payload of the type and schema version they claim."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Kind:
    """How one entry type is written and read."""

    entry_class: type[Entry]
    schema_version: int
    readers: tuple[tuple[str, Reader], ...]
    names: frozenset[str]
    is_nested: bool
    """Whether there are records in its fields, as in an event's categories."""


def encode(entry: Entry) -> tuple[str, int, bytes]:
    """Type name, schema version and payload of ``entry``.

    Raises ValueError for a number or text that canonical JSON cannot carry: the door refuses
    those, so here it is a bug.
    """
    name = type(entry).__name__
    kind = _KINDS[name]
    fields = {field: getattr(entry, field) for field, _ in kind.readers}
    if kind.is_nested:
        fields = {field: _plain(value) for field, value in fields.items()}
    try:
        payload = orjson.dumps(fields, option=orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER)
    except orjson.JSONEncodeError as error:
        raise ValueError(f"{name} has no canonical JSON: {error}") from error
    # The escape of NUL; it may also be the text of one, behind a backslash that is escaped itself.
    if b"\\u0000" in payload and _has_nul(orjson.loads(payload)):
        raise ValueError(f"{name} contains NUL")
    return name, kind.schema_version, payload


def _plain(value: Any) -> Any:
    """``value`` with dictionaries, whose keys are sorted, for the dataclasses in it."""
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if dataclasses.is_dataclass(value):
        return {
            field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)
        }
    return value


def _has_nul(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_has_nul(item) for item in value.values())
    if isinstance(value, list):
        return any(_has_nul(item) for item in value)
    return isinstance(value, str) and "\0" in value


def decode(type_name: str, schema_version: int, payload: bytes) -> Entry:
    """The entry that ``payload`` is, upcast to today's schema.

    Raises `UnreadablePayload` for an unknown type or version, for bytes that are not canonical,
    and for fields that are missing, unknown or of the wrong type.
    """
    kind = _KINDS.get(type_name)
    if kind is None:
        raise UnreadablePayload(f"unknown entry type {type_name!r}")
    try:
        fields = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise UnreadablePayload(f"{type_name}: not JSON: {error}") from error
    if not isinstance(fields, dict) or _canonical(fields) != payload:
        raise UnreadablePayload(f"{type_name}: not canonical JSON")
    for version in range(schema_version, kind.schema_version):
        upcast = UPCASTS.get((type_name, version))
        if upcast is None:
            raise UnreadablePayload(f"{type_name}: unknown schema version {schema_version}")
        try:
            fields = upcast(fields)
        except (KeyError, TypeError, ValueError) as error:
            raise UnreadablePayload(f"{type_name}: not of schema {version}") from error
    if schema_version > kind.schema_version:
        raise UnreadablePayload(f"{type_name}: unknown schema version {schema_version}")
    if fields.keys() != kind.names:
        raise UnreadablePayload(f"{type_name}: fields are {sorted(fields)}")
    try:
        return kind.entry_class(*[read(fields[name]) for name, read in kind.readers])
    except ValueError as error:
        raise UnreadablePayload(f"{type_name}: {error}") from error


def _booking_without_seats(fields: dict[str, Any]) -> dict[str, Any]:
    return {**fields, "category": None, "seats": [], "amount_cents": 0}


def _cancellation_of_all(fields: dict[str, Any]) -> dict[str, Any]:
    return {**fields, "tickets": list(range(1, fields["quantity"] + 1))}


def _event_of_one_kind_of_place(fields: dict[str, Any]) -> dict[str, Any]:
    return {
        **fields,
        "limit_per_order": None,
        "hold_seconds": 300,
        "categories": [],
        "quotas": [],
        "seat_rows": [],
    }


UPCASTS: Final[dict[tuple[str, int], Upcast]] = {
    ("SeatsBooked", 1): _booking_without_seats,
    ("BookingCancelled", 1): _cancellation_of_all,
    ("EventScheduled", 1): _event_of_one_kind_of_place,
}
"""(type, schema version) to the function that lifts its fields to the next version."""

_SCHEMA_VERSIONS: Final[dict[str, int]] = {
    "SeatsBooked": 2,
    "BookingCancelled": 2,
    "EventScheduled": 2,
}
"""Today's schema version of the types that have changed since their first."""


def _canonical(fields: dict[str, Any]) -> bytes:
    # orjson escapes exactly as RFC 8785 section 3.2.2.2 asks, and our keys are ASCII, for which
    # its order by code point is the RFC's order by UTF-16 unit.
    return orjson.dumps(fields, option=orjson.OPT_SORT_KEYS)


def _read_uuid(value: Any) -> UUID:
    if type(value) is not str:
        raise ValueError(f"{value!r} is not an id")
    uuid = UUID(value)
    if str(uuid) != value:
        raise ValueError(f"{value!r} is not an id in canonical form")
    return uuid


def _read_int(value: Any) -> int:
    if type(value) is not int or not -INTEGER_MAX <= value <= INTEGER_MAX:
        raise ValueError(f"{value!r} is not an integer within 2^53")
    return value


def _read_str(value: Any) -> str:
    if type(value) is not str or "\0" in value:
        raise ValueError(f"{value!r} is not text without NUL")
    return value


_READERS: Final[dict[object, Reader]] = {UUID: _read_uuid, int: _read_int, str: _read_str}


def _reader(hint: Any) -> Reader:
    if dataclasses.is_dataclass(hint):
        return _dataclass_reader(hint)
    members = [member for member in get_args(hint) if member not in {type(None), ...}]
    if get_origin(hint) is tuple:
        read_item = _reader(members[0])
        return lambda value: tuple(read_item(item) for item in _read_list(value))
    if members:
        read = _reader(members[0])
        return lambda value: None if value is None else read(value)
    return _READERS[getattr(hint, "__supertype__", hint)]


def _dataclass_reader(nested: Any) -> Reader:
    hints = get_type_hints(nested)
    readers = {field.name: _reader(hints[field.name]) for field in dataclasses.fields(nested)}

    def read(value: Any) -> Any:
        if type(value) is not dict or value.keys() != readers.keys():
            raise ValueError(f"{value!r} is no {nested.__name__}")
        return nested(**{name: each(value[name]) for name, each in readers.items()})

    return read


def _read_list(value: Any) -> list[Any]:
    if type(value) is not list:
        raise ValueError(f"{value!r} is no list")
    return value


def _has_dataclass(hint: Any) -> bool:
    return dataclasses.is_dataclass(hint) or any(map(_has_dataclass, get_args(hint)))


def _kind(entry_class: type[Entry]) -> _Kind:
    hints = get_type_hints(entry_class)
    readers = tuple(
        (field.name, _reader(hints[field.name])) for field in dataclasses.fields(entry_class)
    )
    return _Kind(
        entry_class=entry_class,
        schema_version=_SCHEMA_VERSIONS.get(entry_class.__name__, 1),
        readers=readers,
        names=frozenset(name for name, _ in readers),
        is_nested=any(_has_dataclass(hint) for hint in hints.values()),
    )


_KINDS: Final[dict[str, _Kind]] = {
    entry_class.__name__: _kind(entry_class) for entry_class in get_args(Entry)
}
