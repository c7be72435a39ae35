"""The hash chain of a stream.

An entry's hash is SHA-256 (FIPS 180-4) over its *preimage*: a domain tag and every column of its
row, so that no field can be changed unseen. Fixed-size fields come first, each field that can
vary in size carries its length as a 32-bit number, and all numbers are big-endian:

====================  =====================================================
"flashticket/entry/1\\n"  domain tag, 20 bytes
stream_id             16 bytes
version               unsigned 64 bits
recorded_at           signed 64 bits, microseconds since 1970 UTC
schema_version        unsigned 16 bits
actor                 16 bytes
prev_hash             32 bytes; the genesis hash for version 1
type                  length, then ASCII
idempotency_key       length (0 for none, else 32), then bytes
request_hash          length (0 for none, else 32), then bytes
payload               length, then RFC 8785 canonical JSON
====================  =====================================================
"""

import hashlib
import struct
from typing import Final
from uuid import UUID

from ledger.entries import Recorded

TAG: Final = b"flashticket/entry/1\n"

GENESIS: Final = bytes(32)
"""What the first entry of every stream gives as ``prev_hash``."""

_FIXED = struct.Struct(">16sQqH16s32s")
_LENGTH = struct.Struct(">I")


def preimage(
    *,
    stream_id: UUID,
    version: int,
    recorded_at: int,
    schema_version: int,
    actor: UUID,
    prev_hash: bytes,
    type_name: str,
    idempotency_key: bytes | None,
    request_hash: bytes | None,
    payload: bytes,
) -> bytes:
    """The bytes that an entry's hash is taken over.

    Raises struct.error for a number out of its range: rows from the database are bounded by its
    constraints.
    """
    type_bytes = type_name.encode("ascii")
    key = idempotency_key or b""
    request = request_hash or b""
    pack = _LENGTH.pack
    return b"".join(
        (
            TAG,
            _FIXED.pack(
                stream_id.bytes, version, recorded_at, schema_version, actor.bytes, prev_hash
            ),
            pack(len(type_bytes)),
            type_bytes,
            pack(len(key)),
            key,
            pack(len(request)),
            request,
            pack(len(payload)),
            payload,
        )
    )


def entry_hash(preimage_bytes: bytes) -> bytes:
    """SHA-256 of a preimage, 32 bytes."""
    return hashlib.sha256(preimage_bytes).digest()


def hash_of(recorded: Recorded) -> bytes:
    """The hash that ``recorded`` should carry: that of all its other columns."""
    return entry_hash(
        preimage(
            stream_id=recorded.stream_id,
            version=recorded.version,
            recorded_at=recorded.recorded_at,
            schema_version=recorded.schema_version,
            actor=recorded.actor,
            prev_hash=recorded.prev_hash,
            type_name=recorded.type_name,
            idempotency_key=recorded.idempotency_key,
            request_hash=recorded.request_hash,
            payload=recorded.payload,
        )
    )
