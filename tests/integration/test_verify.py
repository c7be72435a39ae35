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
from ledger.commands import BookSeats, CancelBooking, CheckIn, HoldSeats, JoinWaitingList
from ledger.entries import Entry
from ledger.records import Category, Quota, SeatRow
from ledger.values import BookingId, EventId, HoldId, Instant, WaitingId
from ledger.verify import Report, snapshot, verify

# The entries of a stream in the middle are damaged, so that others are read before and after it.
WHOLE: Final = EventId(UUID(int=0x10))
DAMAGED: Final = EventId(UUID(int=0x20))
RICH: Final = EventId(UUID(int=0x30))
FIRST, SECOND, THIRD = (BookingId(UUID(int=n)) for n in (0x31, 0x32, 0x33))


@pytest.fixture(scope="module")
def sold(module_database: str) -> str:
    """A database with a stream of six entries to be damaged, and one with rows in every table."""
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
    seats_of = BookingId(UUID(int=0x34))
    sell(
        module_database,
        submit(
            schedule(
                RICH,
                capacity=5,
                sales_open_at=Instant(0),
                sales_close_at=Instant(NOW * 2),
                limit_per_user=4,
                limit_per_order=3,
                hold_seconds=3_600,
                categories=(Category("front", 500, 2), Category("back", 300, None)),
                quotas=(Quota("all", 5, ("front", "back")),),
                seat_rows=(
                    SeatRow("left", "1", "front", ("A1", "A2")),
                    SeatRow("left", "2", "back", ("B1", "B2", "B3")),
                ),
            )
        ),
        submit(BookSeats(RICH, seats_of, ALICE, 2, None, ("A1", "A2"))),
        submit(HoldSeats(RICH, HoldId(UUID(int=0x41)), BOB, 1, "back", ("B1",))),
        submit(JoinWaitingList(RICH, WaitingId(UUID(int=0x51)), BOB, 2, "front")),
        submit(CancelBooking(RICH, seats_of, None, (1,))),
        submit(CheckIn(RICH, seats_of, 2, 1)),
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
            sql.SQL(value),
            DAMAGED,
            sql.SQL(where),
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
    assert report == Report(entries=14, streams=3, bookings=5, tickets=6, violations=[])


# Entries changed

ENTRY_COLUMNS: Final = {
    "stream_id": ("'00000000-0000-0000-0000-000000000021'", "L3", 4),
    "version": ("30", "L3", 4),
    "type": ("'CapacityChanged'", "L7", 3),
    "schema_version": ("schema_version + 1", "L7", 3),
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
    ("version", "found_by", "found_at"),
    [
        pytest.param(1, "L3", 2, id="the first"),
        pytest.param(3, "L3", 4, id="one in the middle"),
        pytest.param(6, "L6", 6, id="the last, which only the stream row still knows of"),
    ],
)
def test_a_deleted_entry_is_found(
    vandal: psycopg.Connection[Any], version: int, found_by: str, found_at: int
) -> None:
    vandal.execute("DELETE FROM ledger WHERE stream_id = %s AND version = %s", (DAMAGED, version))
    assert first_violation(vandal) == (found_by, found_at)


def test_a_deleted_stream_is_found_by_the_rows_it_left(vandal: psycopg.Connection[Any]) -> None:
    vandal.execute("DELETE FROM ledger WHERE stream_id = %s", (DAMAGED,))
    violations = verified(vandal).violations
    assert violations
    assert {(each.rule, each.stream_id) for each in violations} == {("L5", DAMAGED)}


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
        pytest.param(booked(-5), "L2", id="fewer than no places booked"),
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
    assert first_violation(vandal) == ("L6", 7)


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
    assert first_violation(vandal) == ("L1", 1)


# Rows changed that are derived from entries

DERIVED: Final = (
    "streams",
    "bookings",
    "holds",
    "waiting_list",
    "seat_rows",
    "seat_claims",
    "allotments",
)

BY_TYPE: Final = {
    "uuid": "gen_random_uuid()",
    "bigint": "coalesce({}, 0) + 1",
    "integer": "coalesce({}, 0) + 1",
    "bytea": "sha256('damage')",
    "text": "coalesce({}, '') || 'x'",
}
"""Another value of a column, by its type."""

SPECIAL: Final = {
    ("streams", "status"): "'closed'",
    ("streams", "categories"): "jsonb_set(categories, '{0,price_cents}', '7')",
    ("streams", "quotas"): "'[]'",
    ("bookings", "status"): "'cancelled'",
    ("bookings", "seats"): """'["A1"]'""",
    ("bookings", "cancelled_tickets"): "'[]'",
    ("bookings", "check_ins"): "'[]'",
    ("holds", "status"): "'released'",
    ("holds", "seats"): "'[]'",
    ("waiting_list", "status"): "'left'",
    ("allotments", "kind"): "'category'",
    ("seat_rows", "seats"): """'["B1"]'""",
    ("seat_rows", "position"): "-1 - position",  # only the order counts
}


@pytest.mark.parametrize("table", DERIVED)
def test_a_change_of_any_column_of_a_derived_row_is_found(
    vandal: psycopg.Connection[Any], table: str
) -> None:
    columns = vandal.execute(
        "SELECT column_name, data_type FROM information_schema.columns"
        " WHERE table_schema = 'public' AND table_name = %s",
        (table,),
    ).fetchall()
    for column, data_type in columns:
        other = SPECIAL.get((table, column)) or BY_TYPE[data_type].format(column)
        with vandal.transaction(force_rollback=True):
            change_last(vandal, table, column, other)
            found = [each.rule for each in verified(vandal).violations if each.stream_id == RICH]
        assert found in (["L5"], ["L6"]), column


def change_last(connection: psycopg.Connection[Any], table: str, column: str, value: str) -> None:
    """Set a column of the last row of a table that is the rich stream's to an SQL expression."""
    cursor = connection.execute(
        sql.SQL(
            "UPDATE {table} SET {column} = {value}"
            " WHERE ctid = (SELECT max(ctid) FROM {table} WHERE stream_id = {stream})"
        ).format(
            table=sql.Identifier(table),
            column=sql.Identifier(column),
            value=sql.SQL(value),
            stream=RICH,
        )
    )
    assert cursor.rowcount == 1


@pytest.mark.parametrize(
    "value", ["null", "1", '"x"', "[7]", "[[]]", "{}", '{"a": 1}', '[{"a": 1}]']
)
def test_a_value_that_cannot_even_be_read_is_found(
    vandal: psycopg.Connection[Any], value: str
) -> None:
    columns = vandal.execute(
        "SELECT table_name, column_name FROM information_schema.columns"
        " WHERE table_schema = 'public' AND data_type = 'jsonb' AND table_name = ANY(%s)",
        (list(DERIVED),),
    ).fetchall()
    assert columns
    for table, column in columns:
        with vandal.transaction(force_rollback=True):
            change_last(vandal, table, column, f"'{value}'")
            found = {each.rule for each in verified(vandal).violations if each.stream_id == RICH}
        assert found == {"L6"}, (table, column)


@pytest.mark.parametrize("table", ["streams", "bookings", "holds", "waiting_list"])
def test_a_status_that_there_is_not_is_found(vandal: psycopg.Connection[Any], table: str) -> None:
    change_last(vandal, table, "status", "'sold'")
    assert {(each.rule, each.stream_id) for each in verified(vandal).violations} == {("L6", RICH)}


@pytest.mark.parametrize("table", DERIVED)
def test_a_deleted_derived_row_is_found(vandal: psycopg.Connection[Any], table: str) -> None:
    vandal.execute(
        sql.SQL("DELETE FROM {} WHERE stream_id = {}").format(sql.Identifier(table), RICH)
    )
    (only,) = verified(vandal).violations
    assert (only.rule, only.stream_id) == ("L6", RICH)


OWN_KEYS: Final = {
    "bookings": "booking_id",
    "holds": "hold_id",
    "waiting_list": "waiting_id",
    "seat_claims": "seat",
    "seat_rows": "position",
    "allotments": "name",
}


@pytest.mark.parametrize("table", OWN_KEYS)
def test_a_derived_row_more_is_found(vandal: psycopg.Connection[Any], table: str) -> None:
    of, key = sql.Identifier(table), OWN_KEYS[table]
    kind = "uuid" if key.endswith("_id") else "integer" if key == "position" else "text"
    other = sql.SQL(BY_TYPE[kind].format(key) + (" + 1" if key == "position" else ""))
    vandal.execute(sql.SQL("CREATE TEMPORARY TABLE planted AS TABLE {}").format(of))
    vandal.execute("DELETE FROM planted WHERE stream_id <> %s", (RICH,))
    vandal.execute(sql.SQL("UPDATE planted SET {} = {}").format(sql.Identifier(key), other))
    vandal.execute(sql.SQL("INSERT INTO {} TABLE planted ON CONFLICT DO NOTHING").format(of))
    (only,) = verified(vandal).violations
    assert (only.rule, only.stream_id) == ("L5", RICH)


@pytest.mark.parametrize("table", DERIVED)
@pytest.mark.parametrize("stream_id", [UUID(int=1), UUID(int=0x11), UUID(int=2**128 - 1)], ids=str)
def test_rows_of_a_stream_without_entries_are_found(
    vandal: psycopg.Connection[Any], table: str, stream_id: UUID
) -> None:
    of = sql.Identifier(table)
    vandal.execute(sql.SQL("CREATE TEMPORARY TABLE planted AS TABLE {}").format(of))
    vandal.execute("DELETE FROM planted WHERE stream_id <> %s", (RICH,))
    vandal.execute("UPDATE planted SET stream_id = %s", (stream_id,))
    vandal.execute(sql.SQL("INSERT INTO {} TABLE planted").format(of))
    (only,) = verified(vandal).violations
    assert (only.rule, only.stream_id) == ("L5", stream_id)


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
        ("L3", RICH, 2),
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
