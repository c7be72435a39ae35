"""Every form an entry was ever written in is read for ever; tests/golden/README.md says how."""

import json
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import pytest
from made_of import ENTRY_CLASSES, sample

from ledger import codec
from ledger.chain import hash_of
from ledger.rows import recorded_from_row

FOLDER: Final = Path(__file__).parents[1] / "golden" / "entries"
FILES: Final = sorted(FOLDER.iterdir())

each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def read(path: Path) -> dict[str, Any]:
    golden: dict[str, Any] = json.loads(path.read_text())
    return golden


def row_of(golden: dict[str, Any]) -> tuple[Any, ...]:
    """The row as the database gives it, in the order of read_ledger.sql."""
    row = golden["row"]

    def digest(name: str) -> bytes | None:
        return None if row[name] is None else bytes.fromhex(row[name])

    return (
        UUID(row["stream_id"]),
        row["version"],
        row["recorded_at"],
        UUID(row["actor"]),
        digest("idempotency_key"),
        digest("request_hash"),
        row["type"],
        row["schema_version"],
        row["payload"].encode(),
        digest("prev_hash"),
        bytes.fromhex(golden["hash"]),
    )


@each_file
def test_what_was_written_once_is_still_read(path: Path) -> None:
    golden = read(path)
    recorded = recorded_from_row(row_of(golden))
    assert codec.encode(recorded.entry)[2].decode() == golden["reads_as"]


@each_file
def test_what_was_written_once_still_has_its_hash(path: Path) -> None:
    recorded = recorded_from_row(row_of(read(path)))
    assert hash_of(recorded) == recorded.hash


@each_file
def test_a_golden_file_is_named_by_what_it_holds(path: Path) -> None:
    row = read(path)["row"]
    assert path.name == f"{row['type']}.v{row['schema_version']}.json"


def test_every_schema_version_ever_written_of_every_type_has_its_golden_file() -> None:
    wanted = set()
    for entry_class in ENTRY_CLASSES:
        name, newest, _ = codec.encode(sample(entry_class))
        wanted |= {f"{name}.v{version}.json" for version in range(1, newest + 1)}
    missing = wanted - {path.name for path in FILES}
    assert not missing, f"see tests/golden/README.md to write {sorted(missing)}"
    assert {path.name for path in FILES} == wanted, "files of types that nothing can read"


def test_todays_form_is_written_as_its_golden_file_says() -> None:
    """A field added, renamed or retyped needs a new schema version."""
    for entry_class in ENTRY_CLASSES:
        name, newest, payload = codec.encode(sample(entry_class))
        assert payload.decode() == read(FOLDER / f"{name}.v{newest}.json")["row"]["payload"]
