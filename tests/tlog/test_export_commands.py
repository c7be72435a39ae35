"""`flashticket export` and `verify-export` as auditors use them."""

import json
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result
from exporting import put, sign, story_of_every_type

from api.cli import main
from api.services import log_keys_of
from api.settings import Settings
from projections.log_keys import LogKeys

Run = Callable[..., Result]


@pytest.fixture
def run(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("FLASHTICKET_DATABASE_URL", database)
    monkeypatch.setenv("FLASHTICKET_LOG_KEY_DIR", str(tmp_path / "keys"))
    return lambda *arguments: CliRunner().invoke(main, [str(each) for each in arguments])


@pytest.fixture
def keys(run: Run) -> LogKeys:
    del run  # sets where they are
    return log_keys_of(Settings())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "ledger.ndjson.zst"


def test_everything_committed_is_signed_exported_and_holds(
    run: Run, database: str, file: Path
) -> None:
    entries = story_of_every_type().appended
    put(database, entries)

    exported = run("export", file)
    verified = run("verify-export", file)

    assert exported.exit_code == 0, exported.output
    assert f"{len(entries)} entries in 4 events" in exported.output
    assert verified.exit_code == 0, verified.output
    assert "Chain, tree, signature and L1 to L4 hold" in verified.output
    assert "key in the file itself" in verified.output


def test_a_trusted_key_and_an_older_checkpoint_are_taken_from_files(
    run: Run, database: str, file: Path, keys: LogKeys, tmp_path: Path
) -> None:
    entries = story_of_every_type().appended
    put(database, entries[:20])
    (tmp_path / "older").write_bytes(sign(database, keys))
    put(database, entries[20:])
    (tmp_path / "trusted").write_text("".join(f"{key}\n" for key in keys.verifying()))
    run("export", file)

    ran = run(
        "verify-export",
        file,
        "--previous",
        tmp_path / "older",
        "--key",
        tmp_path / "trusted",
        "--json",
    )

    assert ran.exit_code == 0, ran.output
    report = json.loads(ran.output.splitlines()[-1])
    assert report["holds"] is True
    assert (report["entries"], report["is_key_from_file"]) == (len(entries), False)


def test_a_changed_ledger_is_found_with_entry_field_and_rule(
    run: Run, database: str, file: Path
) -> None:
    put(database, story_of_every_type().appended)
    run("export", file.with_suffix(".before"))
    with psycopg.connect(database) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("UPDATE ledger SET schema_version = 7 WHERE version = 3")

    run("export", file)
    ran = run("verify-export", file, "--json")

    assert ran.exit_code == 1
    findings = json.loads(ran.output.splitlines()[-1])["findings"]
    assert {each["version"] for each in findings} == {3}
    assert any(each["rule"] == "L3" and each["field"] == "schema_version" for each in findings)
    assert "findings" in run("verify-export", file).output


def test_wrong_use_and_unreadable_files_have_their_exit_codes(
    run: Run, file: Path, tmp_path: Path
) -> None:
    file.write_text("something else\n")
    assert run("verify-export", file).exit_code == 1
    assert run("export", file).exit_code == 1
    assert run("verify-export", tmp_path / "nothing").exit_code == 2
    assert run("verify-export", file, "--key", "no key").exit_code == 2


def test_without_a_database_there_is_nothing_to_export(
    run: Run, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLASHTICKET_DATABASE_URL", "postgresql://localhost:1/none")
    assert run("export", file).exit_code == 3
