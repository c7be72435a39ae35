"""`flashticket verify` holds the log against the ledger: every row of it, and who signed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
from click.testing import CliRunner, Result
from exporting import ORIGIN, put, sign, story_of_every_type
from streams import Stream, connected

from api.cli import main
from ledger.replay import Violation
from ledger.verify import verify
from projections.log_keys import LogKeys
from projections.notes import Checkpoint, SigningKey, VerifierKey, signed
from projections.rebuild import rebuild
from projections.verify_log import verify_log

Connection = psycopg.Connection[Any]

ENTRIES: Final = 600
"""Three tiles of leaves, and one above them."""


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> LogKeys:
    return LogKeys(tmp_path_factory.mktemp("log") / "keys", ORIGIN)


@pytest.fixture(scope="module")
def numbered(module_database: str, keys: LogKeys) -> str:
    """A database with `ENTRIES` entries of three streams in the tree."""
    with connected(module_database) as connection:
        for _ in range(3):
            with connection.transaction():
                Stream().append(connection, ENTRIES // 3)
    sign(module_database, keys)
    return module_database


@contextmanager
def vandal(url: str) -> Iterator[Connection]:
    with psycopg.connect(url) as connection:
        connection.execute("SET LOCAL session_replication_role = replica")
        connection.execute("ALTER TABLE sequence DROP CONSTRAINT sequence_stream_id_version_key")
        connection.execute("ALTER TABLE sequence DROP CONSTRAINT sequence_pkey")
        yield connection
        connection.rollback()


def found(
    connection: Connection, keys: list[VerifierKey], previous: bytes | None = None
) -> list[Violation]:
    """What is wrong with the log; that these streams have no rows of their own is another thing."""
    with verify_log(connection, keys, previous) as (watch, violations):
        verify(connection, lambda _: None, lambda _: None, watch)
        return violations()


DAMAGES: Final = {
    "a number that was taken away": (
        "DELETE FROM sequence WHERE seq = 300",
        "sequence",
    ),
    "a number that was given twice": (
        "INSERT INTO sequence SELECT 300, stream_id, version FROM sequence WHERE seq = 9",
        "sequence",
    ),
    "a number of an entry that there is not": (
        "INSERT INTO sequence VALUES (600, gen_random_uuid(), 1)",
        "sequence",
    ),
    "a number that is too high": (
        "UPDATE sequence SET seq = 7000 WHERE seq = 300",
        "sequence",
    ),
    "two numbers that were exchanged": (
        "UPDATE sequence SET seq = 310 - seq + 300 WHERE seq IN (300, 310)",
        "sequence",
    ),
    "a count that runs ahead": ("UPDATE sequencer SET next_seq = 601", "sequence"),
    "a count that was set back": ("UPDATE sequencer SET next_seq = 599", "sequence"),
    "no count": ("DELETE FROM sequencer", "sequence"),
    "a mark that was set back": (
        "UPDATE sequenced SET version = version - 1",
        "sequence",
    ),
    "a mark that runs ahead": ("UPDATE sequenced SET version = version + 1", "sequence"),
    "a mark that was taken away": ("DELETE FROM sequenced", "sequence"),
    "a mark of a stream that there is not": (
        "INSERT INTO sequenced VALUES (gen_random_uuid(), 1)",
        "sequence",
    ),
    "a tile of leaves": (
        "UPDATE tiles SET hashes = sha256('') || substr(hashes, 33) WHERE level = 0",
        "tree",
    ),
    "a tile above": ("UPDATE tiles SET hashes = sha256('') WHERE level = 1", "tree"),
    "a tile that was taken away": ("DELETE FROM tiles WHERE position = 2", "tree"),
    "a tile too many": ("INSERT INTO tiles VALUES (3, 0, sha256(''))", "tree"),
    "a size that is not the checkpoint's": ("UPDATE tree SET size = 599", "tree"),
    "a checkpoint that was taken away": ("UPDATE tree SET checkpoint = NULL", "signature"),
    "a checkpoint with another size": (
        "UPDATE tree SET checkpoint = replace(checkpoint, E'\\n600\\n', E'\\n599\\n')",
        "signature",
    ),
    "something else for a checkpoint": ("UPDATE tree SET checkpoint = 'none'", "signature"),
}


def test_nothing_is_found_where_nothing_is_wrong(numbered: str, keys: LogKeys) -> None:
    with vandal(numbered) as connection:
        assert found(connection, keys.verifying()) == []
        assert found(connection, []) == []


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_to_the_log_is_found(numbered: str, keys: LogKeys, damage: str) -> None:
    statement, rule = DAMAGES[damage]
    with vandal(numbered) as connection:
        assert connection.execute(statement.encode()).rowcount > 0
        violations = found(connection, keys.verifying())
        assert rule in {each.rule for each in violations}, violations


def test_a_checkpoint_by_another_key_is_found(numbered: str, keys: LogKeys) -> None:
    with vandal(numbered) as connection:
        ((checkpoint,),) = connection.execute("SELECT checkpoint FROM tree")
        statement = Checkpoint.parse(checkpoint.partition("\n\n")[0] + "\n")
        forged = signed(statement, [SigningKey.generate(ORIGIN)])
        connection.execute("UPDATE tree SET checkpoint = %s", (forged,))
        assert [each.rule for each in found(connection, keys.verifying())] == ["signature"]


def test_a_log_that_lags_behind_is_not_wrong(database: str, tmp_path: Path) -> None:
    """Entries without a number, and numbers that are not in the tree yet, only wait."""
    keys = LogKeys(tmp_path / "keys", ORIGIN)
    stream = Stream()
    with connected(database) as connection:
        stream.append(connection, 5)
        sign(database, keys)
        stream.append(connection, 5)
        Stream().append(connection, 2)
    with vandal(database) as connection:
        assert found(connection, keys.verifying()) == []
        connection.execute(
            "INSERT INTO sequence SELECT 4 + row_number() OVER (), stream_id, version FROM ledger"
            " WHERE stream_id = %s AND version > 5 ORDER BY version",
            (stream.stream_id,),
        )
        connection.execute("UPDATE sequencer SET next_seq = 10")
        connection.execute("UPDATE sequenced SET version = 10")
        assert found(connection, keys.verifying()) == []


Run = Callable[..., Result]


@pytest.fixture
def run(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("FLASHTICKET_DATABASE_URL", database)
    monkeypatch.setenv("FLASHTICKET_LOG_KEY_DIR", str(tmp_path / "keys"))
    monkeypatch.setenv("FLASHTICKET_LOG_ORIGIN", ORIGIN)
    return lambda *arguments: CliRunner().invoke(main, ["verify", *map(str, arguments)])


def test_the_command_holds_the_ledger_against_a_checkpoint_that_somebody_kept(
    run: Run, database: str, tmp_path: Path
) -> None:
    own = LogKeys(tmp_path / "keys", ORIGIN)
    entries = story_of_every_type().appended
    put(database, entries)
    kept, key = tmp_path / "kept", tmp_path / "key"
    kept.write_bytes(sign(database, own))
    rebuild(database, None, lambda _: None)
    key.write_text(f"{own.verifying()[0]}\n")

    holds = run("--previous", kept, "--key", key)

    assert holds.exit_code == 0, holds.output
    assert "41 entries in 4 events: " in holds.output
    assert "L1 to L7 and the log hold" in holds.output

    stranger = SigningKey.generate(ORIGIN)
    kept.write_text(signed(Checkpoint(ORIGIN, 41, bytes(32)), [stranger]))
    assert run("--previous", kept).exit_code == 1
    other = run("--previous", kept, "--key", str(stranger.verifier))
    assert other.exit_code == 1
    assert "signature" in other.output


def test_the_command_says_when_no_key_is_there_to_check_the_signature(
    run: Run, database: str, tmp_path: Path
) -> None:
    put(database, story_of_every_type().appended)
    sign(database, LogKeys(tmp_path / "elsewhere", ORIGIN))
    rebuild(database, None, lambda _: None)

    ran = run()

    assert ran.exit_code == 0, ran.output
    assert "signature was not checked" in ran.output


def test_a_number_of_things_is_put_into_words(run: Run, database: str) -> None:
    with connected(database) as connection:
        Stream().append(connection)
    rebuild(database, None, lambda _: None)
    assert "1 entry in 1 event: 0 bookings, 0 tickets booked" in run().output
