"""Migrations: once, in order, all or nothing, whoever else migrates at the time."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from racing import migrate_here, race
from schema import CHECKED_IN, schema_of

import ledger.migrate
from api.embedded import EmbeddedPostgres
from ledger.migrate import Migration, MigrationsChanged, migrate, migrations

NAMES = [migration.name for migration in migrations()]


def test_the_schema_is_the_one_checked_in(schema: str) -> None:
    """A migration shows here what it changed; schema.py says how to renew the file."""
    assert schema == CHECKED_IN.read_text()


@pytest.fixture(scope="module")
def schema(module_database: str) -> str:
    """What all migrations make of an empty database."""
    return schema_of(module_database)


def test_a_second_run_finds_nothing_to_do(empty_database: str, schema: str) -> None:
    assert migrate(empty_database) == NAMES
    assert migrate(empty_database) == []
    assert schema_of(empty_database) == schema


@pytest.mark.parametrize("count", range(1, len(NAMES)))
def test_a_database_left_by_an_earlier_version_comes_to_the_same_schema(
    empty_database: str, schema: str, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    with monkeypatch.context() as earlier:
        earlier.setattr(ledger.migrate, "migrations", lambda: migrations()[:count])
        assert migrate(empty_database) == NAMES[:count]
    assert migrate(empty_database) == NAMES[count:]
    assert schema_of(empty_database) == schema


def test_a_table_in_use_is_waited_for_without_holding_up_its_other_readers(
    empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as earlier:
        earlier.setattr(ledger.migrate, "migrations", lambda: migrations()[:2])
        migrate(empty_database)
    # Whoever comes while a change of the table waits for its lock queues up behind that.
    reader_waits = "SELECT 1 FROM pg_locks WHERE relation = 'streams'::regclass AND NOT granted"
    with (
        psycopg.connect(empty_database) as long_reader,
        psycopg.connect(empty_database, autocommit=True) as other_reader,
        ThreadPoolExecutor() as threads,
    ):
        long_reader.execute("SELECT FROM streams")
        migrating = threads.submit(migrate, empty_database)
        while other_reader.execute(reader_waits).fetchone() is None:
            assert not migrating.done()
        other_reader.execute("SET statement_timeout = '10s'")
        other_reader.execute("SELECT FROM streams")
        assert not migrating.done()
        long_reader.rollback()
        assert migrating.result(timeout=30) == NAMES[2:]


def test_of_eight_processes_at_once_one_migrates_and_all_succeed(
    empty_database: str, schema: str
) -> None:
    answers = race(migrate_here, [(empty_database,)] * 8)
    assert sorted(answers, key=len) == [*[[]] * 7, NAMES]
    assert schema_of(empty_database) == schema


@pytest.fixture
def new_server(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    """A server on which nobody has migrated yet, so that it has no role of ours."""
    with EmbeddedPostgres(tmp_path / "postgres") as server:
        yield server


def create_databases(server: EmbeddedPostgres, owner: str | None, *names: str) -> None:
    with psycopg.connect(server.url(), autocommit=True) as connection:
        if owner is not None:
            create = sql.SQL("CREATE ROLE {} LOGIN CREATEROLE PASSWORD {}")
            connection.execute(create.format(sql.Identifier(owner), server.password))
        for name in names:
            create = sql.SQL("CREATE DATABASE {} OWNER {}")
            role = sql.SQL("DEFAULT") if owner is None else sql.Identifier(owner)
            connection.execute(create.format(sql.Identifier(name), role))


def test_databases_of_one_server_can_be_migrated_at_once(
    new_server: EmbeddedPostgres, schema: str
) -> None:
    """The role belongs to them all, and only one can make it."""
    names = ["one", "two", "three", "four"]
    create_databases(new_server, None, *names)
    answers = race(migrate_here, [(new_server.url(name),) for name in names * 2])
    assert sorted(answers, key=len) == [*[[]] * 4, *[NAMES] * 4]
    for name in names:
        assert schema_of(new_server.url(name)) == schema


def test_the_owner_of_a_database_can_migrate_it_without_being_superuser(
    new_server: EmbeddedPostgres, schema: str
) -> None:
    create_databases(new_server, "keeper", "kept")
    url = new_server.url("kept").replace("//postgres:", "//keeper:")
    assert migrate(url) == NAMES
    with psycopg.connect(url) as connection:
        connection.execute("SET ROLE flashticket_app")
        connection.execute("SELECT count(*) FROM ledger")
    assert schema_of(url) == schema


def test_a_migration_edited_after_it_was_applied_is_refused(database: str) -> None:
    with psycopg.connect(database) as connection:
        connection.execute(
            "UPDATE migrations SET checksum = repeat('0', 64) WHERE name = %s", (NAMES[0],)
        )
    with pytest.raises(MigrationsChanged, match=f"{NAMES[0]} was edited"):
        migrate(database)


def test_a_database_of_a_newer_version_is_refused(database: str) -> None:
    with psycopg.connect(database) as connection:
        connection.execute("INSERT INTO migrations (name, checksum) VALUES ('9999_next.sql', '')")
    with pytest.raises(MigrationsChanged, match=r"9999_next\.sql was applied by a newer version"):
        migrate(database)


def test_a_refused_migration_leaves_everything_as_it_was(
    database: str, schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = Migration("9999_next.sql", b"CREATE TABLE next ()")
    monkeypatch.setattr(ledger.migrate, "migrations", lambda: [*migrations()[1:], more])
    with pytest.raises(MigrationsChanged):
        migrate(database)
    assert schema_of(database) == schema


def test_a_migration_that_fails_leaves_nothing_of_those_before_it(
    empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = Migration("9999_next.sql", b"CREATE TABLE next (); SELECT 1 / 0")
    monkeypatch.setattr(ledger.migrate, "migrations", lambda: [*migrations(), broken])
    with pytest.raises(psycopg.errors.DivisionByZero):
        migrate(empty_database)
    with psycopg.connect(empty_database) as connection:
        tables = connection.execute(
            "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        )
        assert tables.fetchone() == (0,)


@pytest.mark.parametrize("migration", migrations()[3:], ids=lambda migration: migration.name)
def test_a_migration_does_no_work_per_row_of_a_table_that_was_there_before(
    migration: Migration,
) -> None:
    """Its locks are held until it commits, and the sale waits: docs/upgrades.md."""
    text = re.sub(r"--[^\n]*", "", migration.text.decode())
    made_here = set(re.findall(r"CREATE TABLE (\w+)", text))
    per_row = [
        *re.findall(r"CREATE (?:UNIQUE )?INDEX \w+ ON (\w+)", text),
        *re.findall(r"UPDATE (\w+)\s+SET", text),
        *re.findall(r"DELETE FROM (\w+)", text),
        *re.findall(r"ALTER TABLE (\w+)\s[^;]*\bADD COLUMN \w+ [^,;]*DEFAULT \w+\(", text),
        *re.findall(r"ALTER TABLE (\w+)\s[^;]*\bSET NOT NULL", text),
        *re.findall(r"ALTER TABLE (\w+)\s[^;]*\bADD CONSTRAINT (?:(?!NOT VALID)[^;])*;", text),
    ]
    assert set(per_row) <= made_here


def test_every_migration_has_a_number_of_its_own() -> None:
    numbers = [re.match(r"(\d{4})_[a-z_]+\.sql", name) for name in NAMES]
    assert all(numbers)
    assert len({number[1] for number in numbers if number}) == len(NAMES)
