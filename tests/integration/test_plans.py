"""Each query uses the index that the head of its file names, on full tables and on empty ones."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest

from ledger.database import statement

ROOT: Final = Path(__file__).parents[2]
FILES: Final = sorted([*ROOT.glob("ledger/sql/*.sql"), *ROOT.glob("projections/sql/*.sql")])


def header(path: Path, field: str) -> str:
    found = re.search(rf"^-- {field}: (.*(?:\n--  .*)*)", path.read_text(), re.MULTILINE)
    assert found, path
    return found[1]


def index_of(path: Path) -> str:
    return header(path, "index").split()[0].rstrip(";:,")


# A table of one row is read whole, whatever its index.
ONE_ROW_INDEXES: Final = {"sequencer_pkey", "tree_pkey"}

# An INSERT finds no rows: the index that it names refuses doubles, which no plan shows.
SEARCHES: Final = [
    path
    for path in FILES
    if re.match(
        r"(--.*\n)*-- index: \w+_(pkey|idx|key)\b.*\n(--.*\n)*(SELECT|UPDATE|DELETE)\b",
        path.read_text(),
    )
    and index_of(path) not in ONE_ROW_INDEXES
]
LOCKING: Final = [path for path in SEARCHES if "FOR UPDATE" in path.read_text()]

OF_A_BATCH: Final = [path for path in SEARCHES if path.parts[-3] == "ledger"]

each_search = pytest.mark.parametrize("path", SEARCHES, ids=lambda path: path.stem)
each_of_a_batch = pytest.mark.parametrize("path", OF_A_BATCH, ids=lambda path: path.stem)

_FILL: Final = """
    INSERT INTO streams (
        stream_id, version, head_hash, capacity, booked, held, updated_at_us,
        venue_id, venue_capacity, name, starts_at_us
    )
    SELECT id(1, n), 20, sha256(''), 100, 20, 0, 0, id(5, 1), 100, 'A show', 0
    FROM generate_series(1, 2000) AS n;

    INSERT INTO ledger (
        stream_id, version, type, schema_version, payload, prev_hash, hash, recorded_at_us,
        idempotency_key, request_hash, actor
    )
    SELECT id(1, n / 20), n % 20 + 1, 'SeatsBooked', 1, '{}', sha256(''), sha256(''), 0,
        sha256(n::text::bytea), sha256(''), id(6, 1)
    FROM generate_series(1, 40000) AS n;

    INSERT INTO bookings (
        booking_id, stream_id, user_id, quantity, status, booked_by, booked_at_us,
        entry_version, entry_hash, changed_at_us, changed_version, changed_hash
    )
    SELECT id(2, n), id(1, n / 20), id(3, n / 2), 1, 'booked', id(6, 1), 0,
        1, sha256(''), 0, 1, sha256('')
    FROM generate_series(1, 40000) AS n;

    INSERT INTO users (user_id, name, email, created_at_us)
    SELECT id(3, n), 'A', 'a@b.c', 0 FROM generate_series(1, 20000) AS n;

    INSERT INTO venues (venue_id, name, capacity, created_at_us)
    SELECT id(5, n), 'A hall', 100, 0 FROM generate_series(1, 20000) AS n;

    INSERT INTO sequenced (stream_id, version)
    SELECT stream_id, version FROM streams;

    INSERT INTO sequence (seq, stream_id, version)
    SELECT row_number() OVER (), stream_id, version FROM ledger;

    INSERT INTO tiles (level, position, hashes)
    SELECT 0, n, sha256('') FROM generate_series(1, 20000) AS n;

    ANALYZE;
"""

_ID: Final = """
    CREATE FUNCTION id(kind integer, n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS
    'SELECT (lpad(to_hex(kind), 8, ''0'') || lpad(to_hex(n), 24, ''0''))::uuid'
"""


@pytest.fixture(scope="module")
def full(module_database: str) -> Iterator[psycopg.Connection]:
    """A connection to tables of some ten thousand rows."""
    with psycopg.connect(module_database, autocommit=True) as connection:
        connection.execute(_ID)
        connection.execute(_FILL)
        yield connection


@pytest.fixture
def empty(database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


def plan_of(connection: psycopg.Connection, path: Path) -> list[dict[str, Any]]:
    """All nodes of the plan that serves whatever values are asked for.

    Made with the settings of a batch where a file of the ledger is one of a batch's.
    """
    with connection.transaction():
        if path in OF_A_BATCH:
            limit = statement("ledger", "limit_transaction").decode()
            cursor = psycopg.RawCursor(connection)
            cursor.execute(limit, ("200", "5000"))
        question = b"EXPLAIN (GENERIC_PLAN, FORMAT JSON) " + path.read_bytes()
        (row,) = connection.execute(question).fetchall()
    plans = row[0] if isinstance(row[0], list) else json.loads(row[0])
    return list(nodes_of(plans[0]["Plan"]))


def nodes_of(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes_of(child)


@each_search
def test_a_query_on_full_tables_uses_the_index_it_names(
    full: psycopg.Connection, path: Path
) -> None:
    plan = plan_of(full, path)
    assert index_of(path) in {node.get("Index Name") for node in plan}


@each_of_a_batch
def test_no_query_of_a_batch_reads_a_whole_table(full: psycopg.Connection, path: Path) -> None:
    assert "Seq Scan" not in {node["Node Type"] for node in plan_of(full, path)}


@each_of_a_batch
def test_a_plan_made_while_the_tables_are_empty_will_still_do_when_they_are_full(
    empty: psycopg.Connection, path: Path
) -> None:
    """A connection keeps its plans, from the opening to a sold-out stadium."""
    plan = plan_of(empty, path)
    assert index_of(path) in {node.get("Index Name") for node in plan}
    assert "Seq Scan" not in {node["Node Type"] for node in plan}


@pytest.mark.parametrize("path", LOCKING, ids=lambda path: path.stem)
def test_the_streams_of_a_batch_are_locked_in_the_order_of_their_ids(
    full: psycopg.Connection, path: Path
) -> None:
    lock, *below = plan_of(full, path)
    assert lock["Node Type"] == "LockRows"
    if "ANY" in path.read_text():
        ordered = [node for node in below if node["Node Type"] in {"Sort", "Index Scan"}]
        assert ordered[0].get("Sort Key", ["streams.stream_id"])[0].endswith("stream_id")


def test_the_queries_are_found() -> None:
    assert {"update_streams", "find_keys", "list_events"} <= {path.stem for path in SEARCHES}
    assert {path.stem for path in LOCKING} >= {"lock_stream", "lock_streams", "lock_free_streams"}
    assert all("FOR UPDATE" in header(path, "locks") for path in LOCKING)


def test_updating_a_stream_row_touches_no_index(full: psycopg.Connection) -> None:
    """A HOT update: no column in any index changes, and there is room on the page."""
    with full.transaction(force_rollback=True):
        full.execute("UPDATE streams SET version = version + 1, booked = booked + 1")
        row = full.execute(
            "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_xact_user_tables"
            " WHERE relname = 'streams'"
        ).fetchone()
    assert row == (2000, 2000)


def test_a_number_of_streams_as_large_as_a_batch_is_found_by_index(
    full: psycopg.Connection,
) -> None:
    """The plan made for the values at hand, before the general one takes over."""
    ids = [row[0] for row in full.execute("SELECT stream_id FROM streams LIMIT 512")]
    with full.transaction():
        cursor = psycopg.RawCursor(full)
        cursor.execute(statement("ledger", "limit_transaction").decode(), ("200", "5000"))
        question = "EXPLAIN (FORMAT JSON) " + statement("ledger", "lock_streams").decode()
        cursor.execute(question, (ids,))
        (row,) = cursor.fetchall()
    nodes = list(nodes_of(row[0][0]["Plan"]))
    assert "streams_pkey" in {node.get("Index Name") for node in nodes}
