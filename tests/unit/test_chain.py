"""The hash chain: known answers, and that no field can be changed unseen."""

import hashlib
import json
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import pytest
from hypothesis import given as for_any
from hypothesis import strategies as st
from samples import ALICE, NOW, booked, recorded, scheduled

from ledger import chain
from ledger.values import ActorId, EventId, Instant

VECTORS: Final = json.loads((Path(__file__).parents[1] / "golden" / "chain.json").read_text())

IDS: Final = st.uuids()
DIGESTS: Final = st.binary(min_size=32, max_size=32)
COLUMNS: Final = st.fixed_dictionaries(
    {
        "stream_id": IDS,
        "version": st.integers(1, 2**63 - 1),
        "recorded_at": st.integers(-(2**63), 2**63 - 1),
        "schema_version": st.integers(1, 2**15 - 1),
        "actor": IDS,
        "prev_hash": DIGESTS,
        "type_name": st.text(st.characters(codec="ascii"), max_size=40),
        "idempotency_key": st.none() | DIGESTS,
        "request_hash": st.none() | DIGESTS,
        "payload": st.binary(max_size=200),
    }
)


def columns_of(vector: dict[str, Any]) -> dict[str, Any]:
    """The arguments of `chain.preimage` that a vector writes as JSON."""
    columns = dict(vector["columns"])
    for name in ("stream_id", "actor"):
        columns[name] = UUID(columns[name])
    for name in ("prev_hash", "idempotency_key", "request_hash"):
        columns[name] = None if columns[name] is None else bytes.fromhex(columns[name])
    columns["payload"] = columns["payload"].encode()
    return columns


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["about"])
def test_the_published_vectors_hold(vector: dict[str, Any]) -> None:
    preimage = chain.preimage(**columns_of(vector))
    assert preimage.hex() == vector["preimage"]
    assert chain.entry_hash(preimage).hex() == vector["hash"]


def parse(preimage: bytes) -> dict[str, Any]:
    """A preimage back to its columns, by the table in `chain` alone."""
    assert preimage[:20] == b"flashticket/entry/1\n"
    place = 20

    def take(size: int) -> bytes:
        nonlocal place
        taken = preimage[place : place + size]
        assert len(taken) == size
        place += size
        return taken

    def take_measured() -> bytes:
        return take(int.from_bytes(take(4), "big"))

    columns = {
        "stream_id": UUID(bytes=take(16)),
        "version": int.from_bytes(take(8), "big"),
        "recorded_at": int.from_bytes(take(8), "big", signed=True),
        "schema_version": int.from_bytes(take(2), "big"),
        "actor": UUID(bytes=take(16)),
        "prev_hash": take(32),
        "type_name": take_measured().decode("ascii"),
        "idempotency_key": take_measured() or None,
        "request_hash": take_measured() or None,
        "payload": take_measured(),
    }
    assert place == len(preimage)
    return columns


@for_any(COLUMNS)
def test_a_preimage_can_be_read_in_one_way_only(columns: dict[str, Any]) -> None:
    """So two entries that differ in anything have different preimages."""
    assert parse(chain.preimage(**columns)) == columns


def test_a_field_changed_changes_the_hash() -> None:
    entry = replace(
        recorded(booked(1), 7), idempotency_key=bytes(31) + b"k", request_hash=bytes(31) + b"r"
    )
    changed = {
        "stream_id": EventId(UUID(int=entry.stream_id.int ^ 1)),
        "version": entry.version + 1,
        "recorded_at": Instant(NOW + 1),
        "actor": ActorId(UUID(int=entry.actor.int ^ 1)),
        "idempotency_key": bytes(31) + b"l",
        "request_hash": bytes(31) + b"s",
        "type_name": "SeatsBookee",
        "schema_version": entry.schema_version + 1,
        "payload": entry.payload[:-1] + b" ",
        "prev_hash": bytes(31) + b"p",
    }
    without_key = {"idempotency_key": None, "request_hash": None}
    hashes = {chain.hash_of(entry), chain.hash_of(replace(entry, **without_key))}  # type: ignore[arg-type]
    for name, value in changed.items():
        hashes.add(chain.hash_of(replace(entry, **{name: value})))  # type: ignore[arg-type]
    assert len(hashes) == len(changed) + 2


def test_the_hash_does_not_cover_itself_and_covers_the_payload_and_not_the_entry() -> None:
    entry = recorded(booked(1))
    assert chain.hash_of(replace(entry, hash=bytes(32))) == entry.hash
    assert chain.hash_of(replace(entry, entry=scheduled())) == entry.hash


def test_the_hash_is_sha_256_of_the_preimage() -> None:
    assert chain.entry_hash(b"abc") == hashlib.sha256(b"abc").digest()


@pytest.mark.parametrize(
    "changed",
    [{"version": -1}, {"version": 2**64}, {"recorded_at": 2**63}, {"schema_version": 2**16}],
    ids=str,
)
def test_a_number_that_does_not_fit_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(struct.error):
        chain.hash_of(replace(recorded(booked(1, user_id=ALICE)), **changed))
