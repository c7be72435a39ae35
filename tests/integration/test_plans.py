"""Each query uses the index that the head of its file names, on full tables and on empty ones."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psycopg
import pytest

from ledger.database import statement

if TYPE_CHECKING:
    from tests.conftest import RealServers

ROOT: Final = Path(__file__).parents[2]
FILES: Final = sorted([*ROOT.glob("ledger/sql/*.sql"), *ROOT.glob("projections/sql/*.sql")])


def header(path: Path, field: str) -> str:
    found = re.search(rf"^-- {field}: (.*(?:\n--  .*)*)", path.read_text(), re.MULTILINE)
    assert found, path
    return found[1]


def indexes_of(path: Path) -> list[str]:
    """The indexes that the head of a file names."""
    return list(re.findall(r"\b\w+_(?:pkey|idx|key)\b", header(path, "index")))


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
    and not ONE_ROW_INDEXES.issuperset(indexes_of(path))
]
LOCKING: Final = [path for path in SEARCHES if "FOR UPDATE" in path.read_text()]

OF_A_BATCH: Final = [path for path in SEARCHES if path.parts[-3] == "ledger"]

OTHERS: Final = [path for path in SEARCHES if path not in OF_A_BATCH]

each_other = pytest.mark.parametrize("path", OTHERS, ids=lambda path: path.stem)
each_of_a_batch = pytest.mark.parametrize("path", OF_A_BATCH, ids=lambda path: path.stem)

_FILL: Final = """
    INSERT INTO streams (
        stream_id, version, head_hash, capacity, booked, held, updated_at_us,
        venue_id, venue_capacity, name, starts_at_us
    )
    SELECT id(1, n), 20, sha256(''), 100, 20, 0, 0, id(5, 1), 100, 'A show', 0
    FROM generate_series(1, 5000) AS n;

    INSERT INTO ledger (
        stream_id, version, type, schema_version, payload, prev_hash, hash, recorded_at_us,
        idempotency_key, request_hash, actor
    )
    SELECT id(1, n / 20), n % 20 + 1, 'SeatsBooked', 1, '{}', sha256(''), sha256(''), 0,
        sha256(n::text::bytea), sha256(''), id(6, 1)
    FROM generate_series(1, 20000) AS n;

    INSERT INTO bookings (
        booking_id, stream_id, user_id, quantity, status, booked_by, booked_at_us,
        entry_version, entry_hash, changed_at_us, changed_version, changed_hash
    )
    SELECT id(2, n), id(1, n / 20), id(3, n / 2), 1, 'booked', id(6, 1), 0,
        1, sha256(''), 0, 1, sha256('')
    FROM generate_series(1, 20000) AS n;

    INSERT INTO users (user_id, name, email, created_at_us)
    SELECT id(3, n), 'A', 'a@b.c', 0 FROM generate_series(1, 20000) AS n;

    INSERT INTO erased_users (user_id, erased_at_us)
    SELECT id(9, n), 0 FROM generate_series(1, 20000) AS n;

    INSERT INTO venues (venue_id, name, capacity, created_at_us)
    SELECT id(5, n), 'A hall', 100, 0 FROM generate_series(1, 20000) AS n;

    INSERT INTO holds (
        hold_id, stream_id, user_id, quantity, status, held_by, expires_at_us, entry_version,
        entry_hash, entry_at_us, changed_version, changed_hash, changed_at_us, seats, amount_cents
    )
    SELECT id(7, n), id(1, n / 20), id(3, n / 2), 1,
        CASE n % 10 WHEN 0 THEN 'held' ELSE 'expired' END, id(6, 1),
        CASE n % 1000 WHEN 0 THEN 0 ELSE 1 << 60 END, 1, sha256(''), 0, 1, sha256(''), 0, '[]', 0
    FROM generate_series(1, 20000) AS n;

    INSERT INTO waiting_list (
        waiting_id, stream_id, user_id, quantity, status, joined_by, entry_version, entry_hash,
        entry_at_us, changed_version, changed_hash, changed_at_us
    )
    SELECT id(8, n), id(1, n / 20), id(3, n / 2), 1, 'waiting', id(6, 1), n, sha256(''),
        0, 1, sha256(''), 0
    FROM generate_series(1, 20000) AS n;

    INSERT INTO seat_rows (stream_id, position, section, row_label, seats)
    SELECT id(1, n / 20), n % 20, 'left', n::text, '[]' FROM generate_series(1, 20000) AS n;

    INSERT INTO seat_claims (stream_id, seat, claimed_by)
    SELECT id(1, n / 20), n::text, id(2, n) FROM generate_series(1, 20000) AS n;

    INSERT INTO allotments (stream_id, kind, name, taken)
    SELECT id(1, n / 20), 'category', n::text, 0 FROM generate_series(1, 20000) AS n;

    INSERT INTO sequenced (stream_id, version)
    SELECT stream_id, version FROM streams;

    INSERT INTO sequence (seq, stream_id, version)
    SELECT row_number() OVER (), stream_id, version FROM ledger;

    INSERT INTO webhooks (
        webhook_id, url, types, secret, registered_by, registered_at_us, next_seq
    )
    SELECT id(9, n), 'https://example.org/', '{}', sha256(''), id(6, 1), 0, 0
    FROM generate_series(1, 5000) AS n;

    INSERT INTO deliveries (webhook_id, seq, stream_id, version, delivered_at_us)
    SELECT id(9, n % 100 + 1), n, id(1, n / 20), n % 20 + 1, CASE WHEN n % 10 > 0 THEN 0 END
    FROM generate_series(1, 20000) AS n;

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


@pytest.fixture(scope="module")
def empty(servers: "RealServers", migrated: str) -> Iterator[psycopg.Connection]:
    """A connection to tables as they are when the first event is opened."""
    with (
        servers.fresh_database(migrated) as name,
        psycopg.connect(servers.database_url(name), autocommit=True) as connection,
    ):
        yield connection


def plan_for_any_values(connection: psycopg.Connection, path: Path) -> list[dict[str, Any]]:
    """All nodes of the plan that a connection comes to keep, made with a batch's settings."""
    with connection.transaction():
        limit = statement("ledger", "limit_transaction").decode()
        psycopg.RawCursor(connection).execute(limit, ("200", "5000"))
        return explained(connection, b"EXPLAIN (GENERIC_PLAN, FORMAT JSON) " + path.read_bytes())


VALUES: Final = {
    "uuid": "id(1, 700)",
    "uuid[]": "ARRAY[id(1, 700), id(1, 701), id(3, 1500)]",
    "bigint": "100",
    "bigint[]": "ARRAY[100, 101]",
    "smallint[]": "ARRAY[0, 0]",
    "integer": "100",
    "boolean": "false",
    "text": "'A1'",
    "text[]": "ARRAY['A1', 'A2']",
    "bytea[]": "ARRAY[sha256('1'), sha256('2')]",
}
"""A value of each type of parameter, such as is asked for."""


def plan_for_some_values(connection: psycopg.Connection, path: Path) -> list[dict[str, Any]]:
    """All nodes of the plan made for values of the usual sort."""
    with connection.transaction(force_rollback=True):
        connection.execute("SET LOCAL plan_cache_mode = force_custom_plan")
        connection.execute(b"PREPARE asked AS " + path.read_bytes())
        try:
            row = connection.execute(
                "SELECT parameter_types::text[] FROM pg_prepared_statements WHERE name = 'asked'"
            ).fetchone()
            assert row is not None
            values = ", ".join(VALUES[each] for each in row[0])
            call = f"({values})" if values else ""
            return explained(connection, f"EXPLAIN (FORMAT JSON) EXECUTE asked{call}".encode())
        finally:
            connection.execute("DEALLOCATE asked")


def explained(connection: psycopg.Connection, question: bytes) -> list[dict[str, Any]]:
    (row,) = connection.execute(question).fetchall()
    return list(nodes_of(row[0][0]["Plan"]))


def names_in(plan: list[dict[str, Any]]) -> set[str]:
    """The indexes that a plan uses."""
    return {node["Index Name"] for node in plan if "Index Name" in node}


def nodes_of(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes_of(child)


@each_other
def test_a_query_on_full_tables_finds_its_rows_by_the_index_it_names(
    full: psycopg.Connection, path: Path
) -> None:
    """The first that it names; for what it joins to them a table of this size may be read whole."""
    assert indexes_of(path)[0] in names_in(plan_for_some_values(full, path))


@each_of_a_batch
def test_a_query_of_a_batch_uses_every_index_it_names(full: psycopg.Connection, path: Path) -> None:
    assert names_in(plan_for_any_values(full, path)).issuperset(indexes_of(path))


@each_of_a_batch
def test_no_query_of_a_batch_reads_a_whole_table(full: psycopg.Connection, path: Path) -> None:
    assert "Seq Scan" not in {node["Node Type"] for node in plan_for_any_values(full, path)}


@each_of_a_batch
def test_a_plan_made_while_the_tables_are_empty_will_still_do_when_they_are_full(
    empty: psycopg.Connection, path: Path
) -> None:
    """A connection keeps its plans, from the opening to a sold-out stadium."""
    plan = plan_for_any_values(empty, path)
    assert names_in(plan).issuperset(indexes_of(path))
    assert "Seq Scan" not in {node["Node Type"] for node in plan}


@pytest.mark.parametrize("path", LOCKING, ids=lambda path: path.stem)
def test_the_streams_of_a_batch_are_locked_in_the_order_of_their_ids(
    full: psycopg.Connection, path: Path
) -> None:
    lock, *below = plan_for_any_values(full, path)
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
        full.execute(
            "UPDATE streams SET version = version + 1, booked = booked + 1, status = status"
        )
        row = full.execute(
            "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_xact_user_tables"
            " WHERE relname = 'streams'"
        ).fetchone()
    assert row == (5000, 5000)
