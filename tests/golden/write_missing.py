"""Writes the golden files of entry types and schema versions that have none yet; changes none."""

import json
import sys
from pathlib import Path
from typing import Any, Final

from made_of import ENTRY_CLASSES, sample
from samples import recorded

from ledger.entries import Recorded

HERE: Final = Path(__file__).parent


def as_golden(entry: Recorded) -> dict[str, Any]:
    return {
        "row": {
            "stream_id": str(entry.stream_id),
            "version": entry.version,
            "recorded_at": entry.recorded_at,
            "actor": str(entry.actor),
            "idempotency_key": None,
            "request_hash": None,
            "type": entry.type_name,
            "schema_version": entry.schema_version,
            "payload": entry.payload.decode(),
            "prev_hash": entry.prev_hash.hex(),
        },
        "hash": entry.hash.hex(),
        "reads_as": entry.payload.decode(),
    }


def write_missing() -> None:
    for entry_class in ENTRY_CLASSES:
        entry = recorded(sample(entry_class), version=2, prev_hash=bytes(range(32)))
        path = HERE / "entries" / f"{entry.type_name}.v{entry.schema_version}.json"
        if not path.exists():
            path.write_text(json.dumps(as_golden(entry), indent=2) + "\n")
            sys.stdout.write(f"wrote {path.name}\n")


if __name__ == "__main__":
    write_missing()
