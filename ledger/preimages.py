"""Preimages read back: what an entry says, from the very bytes that were hashed. Pure."""

import struct
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from ledger.chain import TAG
from ledger.values import ActorId, EventId, Instant

_FIXED: Final = struct.Struct(">16sQqH16s32s")
_LENGTH: Final = struct.Struct(">I")
_DIGEST_BYTES: Final = 32


class UnreadablePreimage(Exception):
    """Bytes that `ledger.chain.preimage` never gives."""


@dataclass(frozen=True, slots=True)
class Preimage:
    """An entry's columns, its hash aside; the payload as it was stored."""

    stream_id: EventId
    version: int
    recorded_at: Instant
    schema_version: int
    actor: ActorId
    prev_hash: bytes
    type_name: str
    idempotency_key: bytes | None
    request_hash: bytes | None
    payload: bytes


def read_preimage(preimage: bytes) -> Preimage:
    """The entry of which these are the bytes; raises `UnreadablePreimage`."""
    if not preimage.startswith(TAG):
        raise UnreadablePreimage("the bytes do not begin with the tag of an entry")
    try:
        stream_id, version, recorded_at, schema_version, actor, prev_hash = _FIXED.unpack_from(
            preimage, len(TAG)
        )
        position = len(TAG) + _FIXED.size
        fields = []
        for _ in range(4):
            (length,) = _LENGTH.unpack_from(preimage, position)
            position += _LENGTH.size
            fields.append(preimage[position : position + length])
            position += length
        type_name = fields[0].decode("ascii")
    except (struct.error, UnicodeDecodeError) as error:
        raise UnreadablePreimage("the bytes end or break off within a field") from error
    if position != len(preimage):
        raise UnreadablePreimage("the lengths of the fields do not add up to that of the bytes")
    _, key, request_hash, payload = fields
    if {len(key), len(request_hash)} not in ({0}, {_DIGEST_BYTES}):
        raise UnreadablePreimage("idempotency key and request hash are no pair of digests")
    return Preimage(
        stream_id=EventId(UUID(bytes=stream_id)),
        version=version,
        recorded_at=recorded_at,
        schema_version=schema_version,
        actor=ActorId(UUID(bytes=actor)),
        prev_hash=prev_hash,
        type_name=type_name,
        idempotency_key=key or None,
        request_hash=request_hash or None,
        payload=payload,
    )
