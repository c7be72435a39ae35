"""The ledger can only grow: by privileges for the application, by a trigger for everybody."""

import psycopg
import pytest
from box_office import APP, register, sell
from psycopg import sql
from samples import book, schedule, submit

TABLES = (
    "streams",
    "ledger",
    "bookings",
    "venues",
    "users",
    "erased_users",
    "api_keys",
    "migrations",
    "sequence",
    "sequenced",
    "sequencer",
    "tiles",
    "tree",
    "witnessed",
    "holds",
    "waiting_list",
    "seat_rows",
    "seat_claims",
    "allotments",
    "projector",
    "projected",
    "sales",
    "revenue",
    "occupancy",
    "line_lengths",
    "histories",
    "refusals",
    "webhooks",
    "deliveries",
)
MAY_BE_DELETED = {
    "seat_claims",  # a seat given back is claimed by nothing
    "users",  # one who asks to be erased
    "webhooks",  # one that nobody wants any more
    "deliveries",  # those that were taken long ago
}


@pytest.fixture(scope="module")
def sold(module_database: str) -> str:
    """A database with an event and a booking."""
    register(module_database)
    sell(module_database, submit(schedule()), submit(book()))
    return module_database


def refused(url: str, role: str | None, statement: str) -> psycopg.Error:
    """The error with which PostgreSQL refuses a statement; nothing of it stays."""
    with psycopg.connect(url) as connection:
        if role is not None:
            connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))
        try:
            connection.execute(statement.encode())
        except psycopg.Error as error:
            return error
        finally:
            connection.rollback()
    pytest.fail(f"not refused: {statement}")


CHANGES = [
    "UPDATE ledger SET payload = ''",
    "UPDATE ledger SET hash = hash",
    "DELETE FROM ledger",
    "DELETE FROM ledger WHERE false",
    "TRUNCATE ledger",
    "TRUNCATE ledger, streams, bookings",
    "MERGE INTO ledger USING streams ON false WHEN MATCHED THEN DELETE",
    "INSERT INTO ledger TABLE ledger ON CONFLICT (stream_id, version) DO UPDATE SET hash = ''",
]


@pytest.mark.parametrize("statement", CHANGES)
def test_the_application_cannot_change_an_entry(sold: str, statement: str) -> None:
    error = refused(sold, APP, statement)
    assert isinstance(error, psycopg.errors.InsufficientPrivilege)
    assert "permission denied" in str(error)


@pytest.mark.parametrize("statement", CHANGES)
def test_even_the_owner_is_stopped_by_the_trigger(sold: str, statement: str) -> None:
    error = refused(sold, None, statement)
    assert isinstance(error, psycopg.errors.InsufficientPrivilege)
    assert "append-only" in str(error)


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE ledger DISABLE TRIGGER ledger_append_only",
        "ALTER TABLE ledger DISABLE TRIGGER ALL",
        "DROP TRIGGER ledger_append_only ON ledger",
        "ALTER TABLE ledger RENAME TO old_ledger",
        "DROP TABLE ledger",
        "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS ''",
        "DROP FUNCTION refuse_change() CASCADE",
        "SET session_replication_role = replica",
        "ALTER TABLE streams DROP CONSTRAINT streams_booked_held_within_capacity",
        "CREATE TABLE public.mine (a integer)",
        "CREATE RULE mine AS ON UPDATE TO ledger DO INSTEAD NOTHING",
        "ALTER ROLE flashticket_app SUPERUSER",
    ],
)
def test_the_application_cannot_lift_what_holds_it(sold: str, statement: str) -> None:
    assert isinstance(refused(sold, APP, statement), psycopg.errors.InsufficientPrivilege)


@pytest.mark.parametrize(
    "statement",
    [
        *map("DELETE FROM {}".format, sorted({*TABLES} - MAY_BE_DELETED)),
        *map("TRUNCATE {} CASCADE".format, TABLES),
        "INSERT INTO migrations (name, checksum) VALUES ('', '')",
        "UPDATE migrations SET checksum = ''",
        "UPDATE api_keys SET role = 'admin'",
    ],
)
def test_the_application_deletes_nothing_and_gives_itself_nothing(
    sold: str, statement: str
) -> None:
    assert isinstance(refused(sold, APP, statement), psycopg.errors.InsufficientPrivilege)


def test_the_application_cannot_grant_itself_what_it_lacks(sold: str) -> None:
    with psycopg.connect(sold) as connection:
        connection.execute("SET ROLE flashticket_app")
        connection.execute("GRANT ALL ON ledger TO flashticket_app")  # no error: a warning
        may = connection.execute("SELECT has_table_privilege('ledger', 'UPDATE, DELETE, TRUNCATE')")
        assert may.fetchone() == (False,)
        connection.rollback()


def test_the_application_owns_nothing_and_belongs_to_no_other_role(sold: str) -> None:
    with psycopg.connect(sold) as connection:
        owned = connection.execute(
            "SELECT count(*) FROM pg_shdepend WHERE deptype = 'o' AND refobjid = %s::regrole",
            (APP,),
        )
        assert owned.fetchone() == (0,)
        belongs = connection.execute(
            "SELECT count(*) FROM pg_auth_members WHERE member = %s::regrole", (APP,)
        )
        assert belongs.fetchone() == (0,)


def test_every_table_is_named_above(sold: str) -> None:
    with psycopg.connect(sold) as connection:
        rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        assert {name for (name,) in rows} == set(TABLES)
