"""Every kind of damage is found, and the report names the rule and the first entry that breaks it.

The damage is done by a superuser with triggers and checks off, and taken back after each test.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

import psycopg
import pytest
from box_office import register, sell
from psycopg import sql
from samples import (
    ALICE,
    BOB,
    NOW,
    book,
    booked,
    cancel,
    cancelled,
    recorded,
    resize,
    resized,
    schedule,
    scheduled,
    submit,
)

from ledger import chain
from ledger.entries import Entry
from ledger.values import BookingId, EventId
from ledger.verify import Report, snapshot, verify

# Of the two streams the second in order is damaged, so that the first must have been read over.
WHOLE: Final = EventId(UUID(int=0x10))
DAMAGED: Final = EventId(UUID(int=0x20))
FIRST, SECOND, THIRD = (BookingId(UUID(int=n)) for n in (0x31, 0x32, 0x33))


@pytest.fixture(scope="module")
def sold(module_database: str) -> str:
    """A database with two streams; the one to be damaged has six entries and three bookings."""
    register(module_database)
    sell(module_database, submit(schedule(WHOLE)), submit(book(event_id=WHOLE)))
    sell(
        module_database,
        submit(schedule(DAMAGED, capacity=5)),
        submit(book(2, event_id=DAMAGED, booking_id=FIRST), key="k"),
        submit(book(1, event_id=DAMAGED, booking_id=SECOND, user_id=BOB)),
        submit(cancel(FIRST, event_id=DAMAGED)),
        submit(resize(6, event_id=DAMAGED)),
        submit(book(3, event_id=DAMAGED, booking_id=THIRD)),
    )
    return module_database


@pytest.fixture
def vandal(sold: str) -> Iterator[psycopg.Connection[Any]]:
    """A superuser's transaction in which nothing is forbidden and which is rolled back."""
    with psycopg.connect(sold) as connection:
        connection.execute("SET LOCAL session_replication_role = replica")
        connection.execute(
            """
            DO $$
            DECLARE named record;
            BEGIN
                FOR named IN SELECT conrelid::regclass AS owner, conname FROM pg_constraint
                    WHERE contype = 'c' AND connamespace = 'public'::regnamespace
                LOOP
                    EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', named.owner, named.conname);
                END LOOP;
            END
            $$
            """
        )
        yield connection
        connection.rollback()


def verified(connection: psycopg.Connection[Any]) -> Report:
    return verify(connection, lambda _: None, lambda _: None)


def first_violation(connection: psycopg.Connection[Any]) -> tuple[str, int | None]:
    """Rule and version of the first violation, which is one of the damaged stream."""
    first = verified(connection).violations[0]
    assert first.stream_id == DAMAGED, first
    return first.rule, first.version


def change(
    connection: psycopg.Connection[Any], table: str, column: str, value: str, where: str
) -> None:
    """Set a column to an SQL expression; exactly one row must change."""
    cursor = connection.execute(
        sql.SQL("UPDATE {} SET {} = {} WHERE stream_id = {} AND {}").format(
            sql.Identifier(table),
            sql.Identifier(column),
            sql.SQL(value),  # type: ignore[arg-type]
            DAMAGED,
            sql.SQL(where),  # type: ignore[arg-type]
        )
    )
    assert cursor.rowcount == 1


def columns_of(connection: psycopg.Connection[Any], table: str) -> set[str]:
    rows = connection.execute(
        "SELECT column_name FROM information_schema.columns"
        " WHERE table_schema = 'public' AND table_name = %s",
        (table,),
    )
    return {name for (name,) in rows}


def test_nothing_is_found_where_nothing_is_wrong(sold: str) -> None:
    with snapshot(sold) as connection:
        report = verified(connection)
    assert report == Report(entries=8, streams=2, bookings=4, tickets=5, violations=[])


# Entries changed

ENTRY_COLUMNS: Final = {
    "stream_id": ("'00000000-0000-0000-0000-000000000021'", "L3", 4),
    "version": ("30", "L3", 4),
    "type": ("'CapacityChanged'", "L7", 3),
    "schema_version": ("2", "L7", 3),
    "payload": ("replace(convert_from(payload, 'UTF8'), ':1', ':2')::bytea", "L3", 3),
    "prev_hash": ("sha256('')", "L3", 3),
    "hash": ("sha256('')", "L3", 3),
    "recorded_at_us": ("recorded_at_us + 1", "L3", 3),
    "idempotency_key": ("sha256('other')", "L3", 3),
    "request_hash": ("sha256('other')", "L3", 3),
    "actor": ("gen_random_uuid()", "L3", 3),
}


@pytest.mark.parametrize("column", ENTRY_COLUMNS)
def test_a_changed_column_of_an_entry_is_found(
    vandal: psycopg.Connection[Any], column: str
) -> None:
    value, rule, version = ENTRY_COLUMNS[column]
    change(vandal, "ledger", column, value, "version = 3")
    assert first_violation(vandal) == (rule, version)


def test_every_column_of_an_entry_is_changed_above(vandal: psycopg.Connection[Any]) -> None:
    assert columns_of(vandal, "ledger") == set(ENTRY_COLUMNS)


@pytest.mark.parametrize("column", ["idempotency_key", "request_hash"])
def test_a_column_taken_from_an_entry_with_a_key_is_found(
    vandal: psycopg.Connection[Any], column: str
) -> None:
    change(vandal, "ledger", column, "NULL", "version = 2")
    assert first_violation(vandal) == ("L3", 2)


@pytest.mark.parametrize(
    "payload",
    ["''", "'{}'", "payload || ' '", r"'\xff'", "convert_to('[1]', 'UTF8')", "payload || payload"],
)
def test_a_payload_that_is_none_is_found(vandal: psycopg.Connection[Any], payload: str) -> None:
    change(vandal, "ledger", "payload", payload, "version = 3")
    assert first_violation(vandal) == ("L7", 3)


@pytest.mark.parametrize(
    ("version", "found_at"),
    [
        pytest.param(1, 2, id="the first"),
        pytest.param(3, 4, id="one in the middle"),
        pytest.param(6, None, id="the last, which only the stream row still knows of"),
    ],
)
def test_a_deleted_entry_is_found(
    vandal: psycopg.Connection[Any], version: int, found_at: int | None
) -> None:
    vandal.execute("DELETE FROM ledger WHERE stream_id = %s AND version = %s", (DAMAGED, version))
    assert first_violation(vandal) == ("L6" if found_at is None else "L3", found_at)


def test_a_deleted_stream_is_found_by_the_rows_it_left(vandal: psycopg.Connection[Any]) -> None:
    vandal.execute("DELETE FROM ledger WHERE stream_id = %s", (DAMAGED,))
    violations = verified(vandal).violations
    assert [(each.rule, each.stream_id) for each in violations] == [("L6", DAMAGED)] * 2


def test_two_entries_that_changed_places_are_found(vandal: psycopg.Connection[Any]) -> None:
    for old, new in ((2, 20), (3, 2), (20, 3)):
        change(vandal, "ledger", "version", str(new), f"version = {old}")
    assert first_violation(vandal) == ("L3", 2)


def test_the_gap_closed_after_a_deleted_entry_is_found(vandal: psycopg.Connection[Any]) -> None:
    vandal.execute("DELETE FROM ledger WHERE stream_id = %s AND version = 3", (DAMAGED,))
    for old in (4, 5, 6):
        change(vandal, "ledger", "version", str(old - 1), f"version = {old}")
    assert first_violation(vandal) == ("L3", 3)


# Entries added, as well forged as can be


def forge(connection: psycopg.Connection[Any], entry: Entry, **columns: Any) -> int:
    """Append ``entry`` with a right hash to the damaged stream; its version."""
    last = connection.execute(
        "SELECT version, hash, recorded_at_us FROM ledger WHERE stream_id = %s"
        " ORDER BY version DESC LIMIT 1",
        (DAMAGED,),
    ).fetchone()
    version, prev_hash, at = (0, chain.GENESIS, NOW) if last is None else last
    forged = recorded(entry, version + 1, stream_id=DAMAGED, prev_hash=prev_hash, at=at)
    forged = replace(forged, **columns)
    forged = replace(forged, hash=chain.hash_of(forged))
    connection.execute(
        "INSERT INTO ledger (stream_id, version, type, schema_version, payload, prev_hash, hash,"
        " recorded_at_us, idempotency_key, request_hash, actor)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            forged.stream_id,
            forged.version,
            forged.type_name,
            forged.schema_version,
            forged.payload,
            forged.prev_hash,
            forged.hash,
            forged.recorded_at,
            forged.idempotency_key,
            forged.request_hash,
            forged.actor,
        ),
    )
    return forged.version


CANCELLED, BOOKED = booked(2, booking_id=FIRST), booked(1, booking_id=SECOND, user_id=BOB)


@pytest.mark.parametrize(
    ("entry", "rule"),
    [
        pytest.param(booked(3), "L1", id="more booked than is left"),
        pytest.param(booked(-5), "L1", id="more given back than is taken"),
        pytest.param(resized(3), "L1", id="a capacity below what is taken"),
        pytest.param(resized(10_000), "L1", id="a capacity above the venue's"),
        pytest.param(BOOKED, "L2", id="a booking made again"),
        pytest.param(CANCELLED, "L2", id="a cancelled booking made again"),
        pytest.param(cancelled(CANCELLED), "L2", id="a cancellation again"),
        pytest.param(cancelled(booked()), "L2", id="a cancellation of nothing"),
        pytest.param(cancelled(replace(BOOKED, quantity=3)), "L2", id="more cancelled than booked"),
        pytest.param(cancelled(replace(BOOKED, user_id=ALICE)), "L2", id="another's cancelled"),
        pytest.param(scheduled(), "L2", id="an event scheduled again"),
    ],
)
def test_a_forged_entry_that_breaks_a_rule_is_found(
    vandal: psycopg.Connection[Any], entry: Entry, rule: str
) -> None:
    forge(vandal, entry)
    assert first_violation(vandal) == (rule, 7)


def test_a_forged_entry_that_breaks_no_rule_is_found_by_the_rows_it_did_not_move(
    vandal: psycopg.Connection[Any],
) -> None:
    forge(vandal, booked())
    assert first_violation(vandal) == ("L6", None)


def test_an_entry_older_than_the_one_before_is_found(vandal: psycopg.Connection[Any]) -> None:
    forge(vandal, booked(), recorded_at=0)
    assert first_violation(vandal) == ("L3", 7)


def test_a_forged_entry_with_a_key_that_was_used_is_found(
    vandal: psycopg.Connection[Any],
) -> None:
    vandal.execute("DROP INDEX ledger_idempotency_key_key")
    (used,) = vandal.execute(
        "SELECT idempotency_key FROM ledger WHERE version = 2 AND stream_id = %s", (DAMAGED,)
    ).fetchall()
    forge(vandal, booked(), idempotency_key=used[0], request_hash=bytes(32))
    assert first_violation(vandal) == ("L4", 7)


def test_an_entry_appended_twice_is_found(vandal: psycopg.Connection[Any]) -> None:
    vandal.execute("ALTER TABLE ledger DROP CONSTRAINT ledger_pkey")
    vandal.execute("DROP INDEX ledger_idempotency_key_key")
    vandal.execute(
        "INSERT INTO ledger SELECT * FROM ledger WHERE stream_id = %s AND version = 3", (DAMAGED,)
    )
    assert first_violation(vandal) == ("L3", 3)


def test_a_stream_that_does_not_begin_with_its_terms_is_found(
    vandal: psycopg.Connection[Any],
) -> None:
    vandal.execute("DELETE FROM ledger WHERE stream_id = %s", (DAMAGED,))
    forge(vandal, booked())
    assert first_violation(vandal) == ("L3", 1)


# Rows changed that are derived from entries

STREAM_COLUMNS: Final = {
    "stream_id": "'00000000-0000-0000-0000-000000000021'",
    "version": "7",
    "head_hash": "sha256('')",
    "capacity": "7",
    "booked": "5",
    "held": "1",
    "updated_at_us": "updated_at_us + 1",
    "venue_id": "gen_random_uuid()",
    "venue_capacity": "venue_capacity + 1",
    "name": "'Another show'",
    "starts_at_us": "starts_at_us + 1",
    "sales_open_at_us": "0",
    "sales_close_at_us": "0",
    "limit_per_user": "1",
}


@pytest.mark.parametrize("column", STREAM_COLUMNS)
def test_a_changed_column_of_a_stream_row_is_found(
    vandal: psycopg.Connection[Any], column: str
) -> None:
    change(vandal, "streams", column, STREAM_COLUMNS[column], "true")
    assert first_violation(vandal) == ("L6", None)


def test_every_column_of_a_stream_row_is_changed_above(vandal: psycopg.Connection[Any]) -> None:
    assert columns_of(vandal, "streams") == set(STREAM_COLUMNS)


def test_a_deleted_stream_row_is_found(vandal: psycopg.Connection[Any]) -> None:
    vandal.execute("DELETE FROM streams WHERE stream_id = %s", (DAMAGED,))
    assert first_violation(vandal) == ("L6", None)


BOOKING_COLUMNS: Final = {
    "booking_id": ("gen_random_uuid()", "L5", 3),
    "stream_id": ("'00000000-0000-0000-0000-000000000021'", "L6", 3),
    "user_id": ("gen_random_uuid()", "L6", 3),
    "quantity": ("2", "L6", 3),
    "status": ("'cancelled'", "L6", 3),
    "booked_by": ("gen_random_uuid()", "L6", 3),
    "booked_at_us": ("booked_at_us + 1", "L6", 3),
    "entry_version": ("4", "L6", 3),
    "entry_hash": ("sha256('')", "L6", 3),
    "changed_at_us": ("changed_at_us + 1", "L6", 3),
    "changed_version": ("4", "L6", 3),
    "changed_hash": ("sha256('')", "L6", 3),
}


@pytest.mark.parametrize("column", BOOKING_COLUMNS)
def test_a_changed_column_of_a_booking_is_found(
    vandal: psycopg.Connection[Any], column: str
) -> None:
    value, rule, version = BOOKING_COLUMNS[column]
    change(vandal, "bookings", column, value, f"booking_id = '{SECOND}'")
    assert first_violation(vandal) == (rule, version)


def test_every_column_of_a_booking_is_changed_above(vandal: psycopg.Connection[Any]) -> None:
    assert columns_of(vandal, "bookings") == set(BOOKING_COLUMNS)


def test_a_cancelled_booking_brought_back_is_found(vandal: psycopg.Connection[Any]) -> None:
    change(vandal, "bookings", "status", "'booked'", f"booking_id = '{FIRST}'")
    assert first_violation(vandal) == ("L6", 4)


def test_a_deleted_booking_is_found(vandal: psycopg.Connection[Any]) -> None:
    vandal.execute("DELETE FROM bookings WHERE booking_id = %s", (SECOND,))
    assert first_violation(vandal) == ("L6", 3)


@pytest.mark.parametrize("booking_id", [UUID(int=0), UUID(int=2**128 - 1)], ids=str)
def test_a_booking_without_an_entry_is_found(
    vandal: psycopg.Connection[Any], booking_id: UUID
) -> None:
    vandal.execute("CREATE TEMPORARY TABLE planted AS TABLE bookings")
    vandal.execute("DELETE FROM planted WHERE booking_id <> %s", (SECOND,))
    vandal.execute("UPDATE planted SET booking_id = %s", (booking_id,))
    vandal.execute("INSERT INTO bookings TABLE planted")
    rule, _ = first_violation(vandal)
    assert rule == "L5"


@pytest.mark.parametrize("table", ["streams", "bookings"])
@pytest.mark.parametrize("stream_id", [UUID(int=1), UUID(int=0x11), UUID(int=2**128 - 1)], ids=str)
def test_rows_of_a_stream_without_entries_are_found(
    vandal: psycopg.Connection[Any], table: str, stream_id: UUID
) -> None:
    of = sql.Identifier(table)
    vandal.execute(sql.SQL("CREATE TEMPORARY TABLE planted AS TABLE {}").format(of))
    vandal.execute("DELETE FROM planted WHERE stream_id <> %s", (WHOLE,))
    vandal.execute("UPDATE planted SET stream_id = %s", (stream_id,))
    vandal.execute(sql.SQL("INSERT INTO {} TABLE planted").format(of))
    (only,) = verified(vandal).violations
    assert (only.rule, only.stream_id) == ("L6", stream_id)


# The whole


def test_damage_to_one_stream_does_not_hide_damage_to_another(
    vandal: psycopg.Connection[Any],
) -> None:
    vandal.execute("UPDATE ledger SET hash = sha256('') WHERE version = 2")
    vandal.execute("DELETE FROM bookings WHERE booking_id = %s", (THIRD,))
    violations = verified(vandal).violations
    assert [(each.rule, each.stream_id, each.version) for each in violations] == [
        ("L3", WHOLE, 2),
        ("L3", DAMAGED, 2),
    ]


@pytest.mark.parametrize("setting", ["synchronous_commit"])
def test_a_server_that_may_lose_what_it_confirmed_is_found(sold: str, setting: str) -> None:
    with snapshot(sold) as connection:
        connection.execute(sql.SQL("SET LOCAL {} = off").format(sql.Identifier(setting)))
        (only,) = verified(connection).violations
    assert only.rule == "L5"
    assert setting in only.what


def test_nothing_is_found_in_a_database_that_was_never_used(database: str) -> None:
    with snapshot(database) as connection:
        assert verified(connection) == Report()


def test_bookings_made_meanwhile_are_no_damage(sold: str) -> None:
    """One snapshot is read, whatever is committed between its tables."""
    with snapshot(sold) as connection:
        before = verified(connection)
        sell(sold, submit(schedule()), submit(book()))
        assert verified(connection) == before
    with snapshot(sold) as connection:
        assert verified(connection).violations == []
