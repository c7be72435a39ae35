"""What `flashticket verify-receipt` reads and prints."""

from collections.abc import Iterable
from pathlib import Path

import click

from api.times import rfc3339
from ledger.chain import entry_hash
from ledger.preimages import UnreadablePreimage, read_preimage
from projections.notes import COSIGNATURE, Checkpoint, NoteInvalid, VerifierKey
from projections.receipts import Receipt


def verifier_keys(given: Iterable[str], *, option: str = "--key") -> list[VerifierKey]:
    """The keys given, each as itself or as a file of keys; a click usage error for others."""
    keys = []
    for each in given:
        path = Path(each)
        lines = path.read_text().split("\n") if path.is_file() else [each]
        try:
            keys += [VerifierKey.parse(line.strip()) for line in lines if line.strip()]
        except NoteInvalid as error:
            raise click.UsageError(f"{option} {each}: {error}") from error
    return keys


def witness_keys(given: Iterable[str]) -> list[VerifierKey]:
    """The keys of witnesses given, as `verifier_keys`; a click usage error for a log's key."""
    keys = verifier_keys(given, option="--witness")
    for key in keys:
        if key.kind != COSIGNATURE:
            raise click.UsageError(f"--witness {key}: this is a log's key, not a witness's")
    return keys


def receipt_as_text(receipt: Receipt, checkpoint: Checkpoint) -> str:
    """What a receipt that holds says, in words and in the entry's own fields."""
    holds = (
        f"The receipt holds: this is entry {receipt.seq} of the {checkpoint.size} "
        f"that {checkpoint.origin} has signed for."
    )
    try:
        entry = read_preimage(receipt.entry)
    except UnreadablePreimage as error:
        return f"{holds}\nWhat it says cannot be read: {error}"
    return "\n".join(
        [
            holds,
            f"type         {entry.type_name} (schema {entry.schema_version})",
            f"event        {entry.stream_id}",
            f"version      {entry.version}",
            f"recorded at  {rfc3339(entry.recorded_at)}",
            f"actor        {entry.actor}",
            f"contents     {entry.payload.decode(errors='replace')}",
            f"hash         {entry_hash(receipt.entry).hex()}",
        ]
    )
