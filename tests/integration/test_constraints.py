"""Each named constraint refuses what it is there for; one without a case here fails."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

import psycopg
import pytest
from psycopg import sql

ONE, OTHER = UUID(int=1), UUID(int=2)
DIGEST, SHORT = bytes(32), bytes(31)

ROWS: Final[Mapping[str, Mapping[str, Any]]] = {
    "streams": {
        "stream_id": ONE,
        "version": 1,
        "head_hash": DIGEST,
        "capacity": 10,
        "booked": 3,
        "held": 2,
        "updated_at_us": 0,
        "venue_id": ONE,
        "venue_capacity": 20,
        "name": "A show",
        "starts_at_us": 0,
        "limit_per_user": 1,
    },
    "ledger": {
        "stream_id": ONE,
        "version": 1,
        "type": "SeatsBooked",
        "schema_version": 1,
        "payload": b"{}",
        "prev_hash": DIGEST,
        "hash": DIGEST,
        "recorded_at_us": 0,
        "idempotency_key": DIGEST,
        "request_hash": DIGEST,
        "actor": ONE,
    },
    "bookings": {
        "booking_id": ONE,
        "stream_id": ONE,
        "user_id": ONE,
        "quantity": 1,
        "status": "booked",
        "booked_by": ONE,
        "booked_at_us": 0,
        "entry_version": 1,
        "entry_hash": DIGEST,
        "changed_at_us": 0,
        "changed_version": 1,
        "changed_hash": DIGEST,
    },
    "holds": {
        "hold_id": ONE,
        "stream_id": ONE,
        "user_id": ONE,
        "quantity": 1,
        "status": "held",
        "held_by": ONE,
        "expires_at_us": 0,
        "entry_version": 1,
        "entry_hash": DIGEST,
        "entry_at_us": 0,
        "changed_version": 1,
        "changed_hash": DIGEST,
        "changed_at_us": 0,
        "seats": "[]",
        "amount_cents": 0,
    },
    "waiting_list": {
        "waiting_id": ONE,
        "stream_id": ONE,
        "user_id": ONE,
        "quantity": 1,
        "status": "waiting",
        "joined_by": ONE,
        "entry_version": 1,
        "entry_hash": DIGEST,
        "entry_at_us": 0,
        "changed_version": 1,
        "changed_hash": DIGEST,
        "changed_at_us": 0,
    },
    "seat_rows": {
        "stream_id": ONE,
        "position": 0,
        "section": "left",
        "row_label": "1",
        "seats": "[]",
    },
    "seat_claims": {"stream_id": ONE, "seat": "A1", "claimed_by": ONE},
    "allotments": {
        "stream_id": ONE,
        "kind": "category",
        "name": "front",
        "capacity": 2,
        "taken": 2,
    },
    "venues": {"venue_id": ONE, "name": "A hall", "capacity": 1, "created_at_us": 0},
    "users": {"user_id": ONE, "name": "A", "email": "a@b.c", "created_at_us": 0},
    "api_keys": {"key_id": ONE, "key_hash": DIGEST, "role": "client", "created_at_us": 0},
    "erased_users": {"user_id": ONE, "erased_at_us": 0},
    "migrations": {"name": "0000_none.sql", "checksum": ""},
    "sequence": {"seq": 0, "stream_id": ONE, "version": 1},
    "sequenced": {"stream_id": ONE, "version": 1},
    "sequencer": {"next_seq": 1},
    "tiles": {"level": 0, "position": 0, "hashes": DIGEST},
    "tree": {"size": 0},
    "witnessed": {"size": 0, "cosigned_at_us": 0, "asked_at_us": 0},
    "projector": {"next_seq": 0, "recorded_at_us": 0},
    "projected": {"stream_id": ONE, "version": 1, "recorded_at_us": 0, "capacity": 1},
    "sales": {
        "stream_id": ONE,
        "minute_us": 0,
        "category": "front",
        "booked": 1,
        "cancelled": 0,
        "booked_cents": 1,
        "cancelled_cents": 0,
    },
    "revenue": {
        "stream_id": ONE,
        "category": "front",
        "booked": 1,
        "cancelled": 0,
        "booked_cents": 1,
        "cancelled_cents": 0,
    },
    "occupancy": {"stream_id": ONE, "section": "left", "seats": 1, "booked": 0, "held": 0},
    "line_lengths": {"stream_id": ONE, "category": "front", "waiting": 1, "places": 1},
    "histories": {
        "user_id": ONE,
        "seq": 0,
        "stream_id": ONE,
        "version": 1,
        "recorded_at_us": 0,
        "what": "booked",
        "subject_id": ONE,
    },
    "refusals": {"stream_id": ONE, "reason": "sold-out", "refused": 1},
    "webhooks": {
        "webhook_id": ONE,
        "url": "https://example.org",
        "types": ["SeatsBooked"],
        "secret": bytes(24),
        "registered_by": ONE,
        "registered_at_us": 0,
        "next_seq": 0,
    },
    "deliveries": {"webhook_id": ONE, "seq": 0, "stream_id": ONE, "version": 1},
}
"""A row of each table that every constraint allows."""

_NEW_KEY: Final = {"key_id": OTHER, "key_hash": bytes([2]) * 32}

REFUSED: Final[Mapping[str, list[tuple[str, Mapping[str, Any]]]]] = {
    "streams_pkey": [("streams", {})],
    "streams_version_positive": [("streams", {"version": 0})],
    "streams_head_hash_length": [("streams", {"head_hash": SHORT})],
    "streams_booked_not_negative": [("streams", {"booked": -1})],
    "streams_held_not_negative": [("streams", {"held": -1})],
    "streams_booked_held_within_capacity": [
        ("streams", {"booked": 9}),
        ("streams", {"held": 8}),
        ("streams", {"capacity": 4}),
    ],
    "streams_capacity_within_venue": [("streams", {"capacity": 21})],
    "streams_limit_per_user_positive": [("streams", {"limit_per_user": 0})],
    "ledger_pkey": [("ledger", {"idempotency_key": None, "request_hash": None})],
    "ledger_version_positive": [("ledger", {"version": 0})],
    "ledger_schema_version_positive": [("ledger", {"schema_version": 0})],
    "ledger_hash_length": [("ledger", {"hash": SHORT})],
    "ledger_prev_hash_length": [("ledger", {"prev_hash": SHORT})],
    "ledger_idempotency_key_length": [("ledger", {"idempotency_key": SHORT})],
    "ledger_idempotency_key_key": [("ledger", {"version": 2})],
    "ledger_request_hash_with_key": [
        ("ledger", {"request_hash": SHORT}),
        ("ledger", {"request_hash": None}),
        ("ledger", {"idempotency_key": None}),
    ],
    "bookings_pkey": [("bookings", {})],
    "bookings_quantity_positive": [("bookings", {"quantity": 0})],
    "bookings_status_known": [("bookings", {"status": "sold"})],
    "streams_status_known": [("streams", {"status": "sold"})],
    "streams_in_line_not_negative": [("streams", {"in_line": -1})],
    "holds_pkey": [("holds", {})],
    "holds_quantity_positive": [("holds", {"quantity": 0})],
    "holds_status_known": [("holds", {"status": "kept"})],
    "holds_booking_when_confirmed": [
        ("holds", {"booking_id": ONE}),
        ("holds", {"status": "confirmed"}),
    ],
    "waiting_list_pkey": [("waiting_list", {})],
    "waiting_list_quantity_positive": [("waiting_list", {"quantity": 0})],
    "waiting_list_status_known": [("waiting_list", {"status": "gone"})],
    "waiting_list_hold_when_offered": [
        ("waiting_list", {"hold_id": ONE}),
        ("waiting_list", {"status": "offered"}),
    ],
    "seat_rows_pkey": [("seat_rows", {})],
    "seat_claims_pkey": [("seat_claims", {"claimed_by": OTHER})],
    "allotments_pkey": [("allotments", {})],
    "allotments_kind_known": [("allotments", {"kind": "price"})],
    "allotments_taken_not_negative": [("allotments", {"taken": -1})],
    "allotments_taken_within_capacity": [("allotments", {"taken": 3})],
    "venues_pkey": [("venues", {})],
    "venues_capacity_positive": [("venues", {"capacity": 0})],
    "users_pkey": [("users", {})],
    "api_keys_pkey": [("api_keys", {"key_hash": bytes([1]) * 32})],
    "api_keys_key_hash_key": [("api_keys", {"key_id": OTHER})],
    "api_keys_key_hash_length": [("api_keys", {"key_hash": SHORT})],
    "api_keys_role_known": [("api_keys", {"role": "owner"})],
    "api_keys_user_of_client": [("api_keys", {**_NEW_KEY, "role": "admin", "user_id": ONE})],
    "api_keys_rate_whole": [
        ("api_keys", {**_NEW_KEY, "rate_requests": 1}),
        ("api_keys", {**_NEW_KEY, "rate_seconds": 1}),
    ],
    "api_keys_rate_positive": [
        ("api_keys", {**_NEW_KEY, "rate_requests": 0, "rate_seconds": 1}),
        ("api_keys", {**_NEW_KEY, "rate_requests": 1, "rate_seconds": 0}),
    ],
    "erased_users_pkey": [("erased_users", {})],
    "migrations_pkey": [("migrations", {})],
    "sequence_pkey": [("sequence", {"version": 2})],
    "sequence_stream_id_version_key": [("sequence", {"seq": 1})],
    "sequence_seq_not_negative": [("sequence", {"seq": -1})],
    "sequenced_pkey": [("sequenced", {})],
    "sequencer_pkey": [("sequencer", {})],
    "sequencer_is_only": [("sequencer", {"is_only": False})],
    "tiles_pkey": [("tiles", {})],
    "tiles_hashes_whole": [("tiles", {"hashes": bytes(33)})],
    "tiles_hashes_at_most_256": [
        ("tiles", {"hashes": b""}),
        ("tiles", {"hashes": DIGEST * 257}),
    ],
    "tree_pkey": [("tree", {})],
    "tree_is_only": [("tree", {"is_only": False})],
    "witnessed_pkey": [("witnessed", {})],
    "witnessed_is_only": [("witnessed", {"is_only": False})],
    "projector_pkey": [("projector", {})],
    "projector_is_only": [("projector", {"is_only": False})],
    "projected_pkey": [("projected", {})],
    "sales_pkey": [("sales", {})],
    "revenue_pkey": [("revenue", {})],
    "occupancy_pkey": [("occupancy", {})],
    "line_lengths_pkey": [("line_lengths", {})],
    "histories_pkey": [("histories", {})],
    "refusals_pkey": [("refusals", {})],
    "webhooks_pkey": [("webhooks", {})],
    "webhooks_secret_length": [
        ("webhooks", {"webhook_id": OTHER, "secret": bytes(23)}),
        ("webhooks", {"webhook_id": OTHER, "secret": bytes(65)}),
    ],
    "webhooks_next_seq_not_negative": [("webhooks", {"webhook_id": OTHER, "next_seq": -1})],
    "webhooks_disabled_with_reason": [
        ("webhooks", {"webhook_id": OTHER, "disabled_at_us": 0}),
        ("webhooks", {"webhook_id": OTHER, "disabled_because": "gone"}),
    ],
    "deliveries_pkey": [("deliveries", {})],
    "deliveries_webhook_id_fkey": [("deliveries", {"webhook_id": OTHER})],
    "deliveries_attempts_not_negative": [("deliveries", {"seq": 1, "attempts": -1})],
}
"""By constraint: tables, and how a second row differs from that of `ROWS` to be refused."""

IMPLIED: Final = {"streams_capacity_not_negative"}
"""Constraints that say alone what others say together, and so are never the one that refuses."""

CASES = [(name, table, row) for name, cases in REFUSED.items() for table, row in cases]


def insert(connection: psycopg.Connection, table: str, row: Mapping[str, Any]) -> None:
    connection.execute(
        sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
            sql.Identifier(table),
            sql.SQL(", ").join(map(sql.Identifier, row)),
            sql.SQL(", ").join(map(sql.Placeholder, row)),
        ),
        dict(row),
    )


@pytest.fixture(scope="module")
def with_rows(module_database: str) -> str:
    """A database with one row in each table."""
    with psycopg.connect(module_database) as connection:
        for table in ("sequencer", "tree", "witnessed", "projector"):
            connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))
        for table, row in ROWS.items():
            insert(connection, table, row)
    return module_database


@pytest.mark.parametrize(("name", "table", "changes"), CASES, ids=lambda value: str(value))
def test_what_a_constraint_is_there_for_is_refused_in_its_name(
    with_rows: str, name: str, table: str, changes: Mapping[str, Any]
) -> None:
    with psycopg.connect(with_rows) as connection:
        with pytest.raises(psycopg.IntegrityError) as caught:
            insert(connection, table, {**ROWS[table], **changes})
        connection.rollback()
    assert caught.value.diag.constraint_name == name


def test_every_constraint_has_a_case_and_a_name_of_its_own(with_rows: str) -> None:
    with psycopg.connect(with_rows) as connection:
        constraints = connection.execute(
            "SELECT conname FROM pg_constraint"
            " WHERE connamespace = 'public'::regnamespace AND contype <> 'n'"
        )
        uniques = connection.execute(
            "SELECT relname FROM pg_index INNER JOIN pg_class ON pg_class.oid = indexrelid"
            " WHERE relnamespace = 'public'::regnamespace AND indisunique"
        )
        names = {name for (name,) in [*constraints.fetchall(), *uniques.fetchall()]}
    assert names == set(REFUSED) | IMPLIED


def test_a_capacity_below_nothing_is_refused_by_itself_too(with_rows: str) -> None:
    with psycopg.connect(with_rows) as connection:
        connection.execute(
            "ALTER TABLE streams DROP CONSTRAINT streams_booked_held_within_capacity"
        )
        with pytest.raises(psycopg.errors.CheckViolation) as caught:
            insert(connection, "streams", {**ROWS["streams"], "capacity": -1})
        connection.rollback()
    assert caught.value.diag.constraint_name == "streams_capacity_not_negative"


def test_every_key_of_a_table_of_streams_carries_the_stream(with_rows: str) -> None:
    """So that the tables can be distributed by it. The order over all streams is in one piece, and
    so is the outbox that follows it."""
    with psycopg.connect(with_rows) as connection:
        uniques = connection.execute(
            """
            SELECT indexrelid::regclass::text, EXISTS (
                SELECT FROM pg_attribute
                WHERE attrelid = indrelid AND attnum = ANY(indkey) AND attname = 'stream_id'
            )
            FROM pg_index
            INNER JOIN pg_attribute ON attrelid = indrelid AND attname = 'stream_id'
            INNER JOIN pg_class ON pg_class.oid = indrelid
            WHERE relnamespace = 'public'::regnamespace AND indisunique
            """
        ).fetchall()
    assert uniques
    assert {name for name, has_stream in uniques if not has_stream} == {
        "sequence_pkey",
        "webhooks_pkey",
        "deliveries_pkey",
    }


def test_a_column_that_an_entry_needs_cannot_be_left_out(with_rows: str) -> None:
    for column in set(ROWS["ledger"]) - {"idempotency_key", "request_hash"}:
        with psycopg.connect(with_rows) as connection:
            with pytest.raises(psycopg.errors.NotNullViolation) as caught:
                insert(connection, "ledger", {**ROWS["ledger"], column: None})
            connection.rollback()
        assert caught.value.diag.column_name == column
