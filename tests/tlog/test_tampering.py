"""Nothing that is done to a ledger passes, and what is found is where it was done.

A superuser tampers at random, each kind `TIMES` times, in a transaction that is rolled back; the
verifiers are those of `flashticket verify` and `flashticket verify-export`, both with a checkpoint
from before. The ledger has every type of entry, many times over, and something is done to each of
these histories at a time: both have to name every place.
"""

import random
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import psycopg
import pytest
from exporting import ORIGIN, preimage_of, sign, story_of_every_type
from tampering import CHANGES, rechained, streams_of
from vandalism import (
    COLUMNS,
    TYPES,
    Place,
    Streams,
    Tamper,
    Tampered,
    change_a_field,
    cut_off,
    delete,
    duplicate,
    insert,
    move,
    renumber,
    rewrite,
    swap,
)

from ledger.batch import Stream
from ledger.replay import Broken, Violation, fold
from ledger.rows import (
    Row,
    allotment_rows,
    booking_row,
    claim_rows,
    hold_row,
    seat_row_rows,
    stream_row,
    waiting_row,
)
from ledger.values import EventId
from ledger.verify import verify
from projections import rebuild
from projections.export import export
from projections.lean_scan import Finding
from projections.log_keys import LogKeys
from projections.merkle import leaf_hash, root_of
from projections.notes import Checkpoint, signed
from projections.tiles import grow
from projections.verify_export import verify_export
from projections.verify_log import verify_log

if TYPE_CHECKING:
    from tests.conftest import RealServers

TIMES: Final = 500
AT_A_TIME: Final = 25

Connection = psycopg.Connection[Any]


@dataclass(frozen=True)
class Scene:
    """Ledgers side by side, each with entries of every type, all of them signed for."""

    url: str
    ledgers: list[Streams]
    numbers: dict[Place, int]
    keys: LogKeys
    before: bytes
    """The checkpoint that somebody kept."""

    def each(self) -> Iterator[tuple[Streams, dict[Place, int]]]:
        """The ledgers, with the numbers of their entries."""
        for ledger in self.ledgers:
            yield ledger, {place: n for place, n in self.numbers.items() if place[0] in ledger}

    @property
    def streams(self) -> Streams:
        return {stream_id: rows for each in self.ledgers for stream_id, rows in each.items()}


@contextmanager
def scene(servers: "RealServers", migrated: str, folder: Path, ledgers: int) -> Iterator[Scene]:
    keys = LogKeys(folder / "keys", ORIGIN)
    original = streams_of(story_of_every_type().appended)
    copies = [copy_of(original, n) for n in range(ledgers)]
    with servers.fresh_database(migrated) as name:
        url = servers.database_url(name)
        with psycopg.connect(url) as connection:
            add_rows(connection, [row for each in copies for rows in each.values() for row in rows])
        rebuild.rebuild(url, None, lambda _: None)
        before = sign(url, keys)
        with psycopg.connect(url) as connection:
            numbered = connection.execute("SELECT stream_id, version, seq FROM sequence").fetchall()
        numbers = {(EventId(stream_id), version): seq for stream_id, version, seq in numbered}
        assert len(numbers) == sum(len(rows) for each in copies for rows in each.values())
        yield Scene(url, copies, numbers, keys, before)


def copy_of(original: Streams, number: int) -> Streams:
    """The same histories in streams with other ids."""
    copied: Streams = {}
    for stream_id, rows in original.items():
        another = EventId(UUID(int=stream_id.int + (number << 64)))
        copied[another] = rechained([(another, *row[1:]) for row in rows])
    return copied


@pytest.fixture(scope="module")
def alone(
    servers: "RealServers", migrated: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scene]:
    with scene(servers, migrated, tmp_path_factory.mktemp("alone"), 1) as made:
        yield made


@pytest.fixture(scope="module")
def many(
    servers: "RealServers", migrated: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scene]:
    with scene(servers, migrated, tmp_path_factory.mktemp("many"), AT_A_TIME) as made:
        yield made


@contextmanager
def vandal(scene: Scene) -> Iterator[Connection]:
    """A superuser's transaction in which nothing is forbidden, and which is rolled back."""
    with psycopg.connect(scene.url) as connection:
        connection.execute("SET LOCAL session_replication_role = replica")
        connection.execute("SET LOCAL synchronize_seqscans = off")
        checks = connection.execute(
            "SELECT conrelid::regclass::text, conname FROM pg_constraint"
            " WHERE contype IN ('c', 'u') AND connamespace = 'public'::regnamespace"
        ).fetchall()
        for table, name in checks:
            connection.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"'.encode())
        connection.execute("DROP INDEX ledger_idempotency_key_key")
        yield connection
        connection.rollback()


def carry_out(connection: Connection, ledger: Streams, tampered: Tampered) -> None:
    for stream_id, rows in tampered.streams.items():
        if rows != ledger.get(stream_id):
            connection.execute("DELETE FROM ledger WHERE stream_id = %s", (stream_id,))
            add_rows(connection, rows)
    if tampered.numbers:
        with connection.cursor() as cursor:
            places = [(*place, seq) for place, seq in tampered.numbers.items()]
            cursor.executemany(
                "DELETE FROM sequence WHERE stream_id = %s AND version = %s",
                [each[:2] for each in places],
            )
            cursor.executemany(
                "INSERT INTO sequence (stream_id, version, seq) VALUES (%s, %s, %s)", places
            )


def add_rows(connection: Connection, rows: Iterable[Row]) -> None:
    copy_rows(connection, f"ledger ({', '.join(COLUMNS)})", rows)


def copy_rows(connection: Connection, table: str, rows: Iterable[Row]) -> None:
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY {table} FROM STDIN".encode()) as copy,
    ):
        for row in rows:
            copy.write_row(row)


def violations(connection: Connection, scene: Scene, *, has_kept: bool = True) -> list[Violation]:
    before = scene.before if has_kept else None
    with verify_log(connection, scene.keys.verifying(), before) as (watch, found):
        report = verify(connection, lambda _: None, lambda _: None, watch)
        return report.violations + found()


def findings(
    connection: Connection, scene: Scene, file: Path, *, has_kept: bool = True
) -> list[Finding]:
    before = scene.before if has_kept else None
    file.unlink(missing_ok=True)
    keys = scene.keys.verifying()
    export(connection, file, keys, lambda _: None)
    return verify_export(file, keys=keys, previous=before).findings


@pytest.mark.parametrize("ledgers", ["alone", "many"])
def test_nothing_is_found_where_nothing_was_done(
    request: pytest.FixtureRequest, tmp_path: Path, ledgers: str
) -> None:
    scene = request.getfixturevalue(ledgers)
    with vandal(scene) as connection:
        assert violations(connection, scene) == []
        assert findings(connection, scene, tmp_path / "export") == []


@pytest.mark.parametrize(
    "tamper",
    [change_a_field, renumber, delete, insert, swap, duplicate, cut_off, move, rewrite],
)
def test_what_is_done_to_entries_is_found_where_it_was_done(
    many: Scene, choose: random.Random, tmp_path: Path, tamper: Tamper
) -> None:
    tried: set[tuple[str, ...]] = set()
    with vandal(many) as connection:
        for first in range(0, TIMES, AT_A_TIME):
            done = [
                (ledger, tamper(choose, ledger, numbers, first + n))
                for n, (ledger, numbers) in enumerate(many.each())
            ]
            assert_found(connection, many, done, tmp_path)
            tried.update(tampered.tried for _, tampered in done)
    assert tried == everything_to_try(tamper)


def assert_found(
    connection: Connection, scene: Scene, done: list[tuple[Streams, Tampered]], folder: Path
) -> None:
    with connection.transaction(force_rollback=True):
        for ledger, tampered in done:
            carry_out(connection, ledger, tampered)
        by_database = violations(connection, scene)
        by_file = findings(connection, scene, folder / "export")
    named = {(each.stream_id, each.version) for each in by_database}
    in_file = {(each.stream_id, each.version) for each in by_file}
    numbers_in_file = {each.seq for each in by_file}
    for _, tampered in done:
        for stream_id, version in tampered.places:
            place = (stream_id, version)
            assert place in named, (tampered.tried, place, by_database)
            assert (str(stream_id), version) in in_file or (
                scene.numbers.get(place, -1) in numbers_in_file
            ), (tampered.tried, place, by_file)


def everything_to_try(tamper: Tamper) -> set[tuple[str, ...]]:
    """Every type of entry, and of what is changed every column as well."""
    if tamper is change_a_field:
        return {(name, column) for name in TYPES for column in COLUMNS}
    if tamper is rewrite:
        return {(each.__name__,) for each in CHANGES}
    return {(name,) for name in TYPES}


def test_a_history_made_anew_and_signed_by_the_log_itself_is_found_by_who_kept_a_checkpoint(
    alone: Scene, choose: random.Random, tmp_path: Path
) -> None:
    """All rules hold, all that is derived agrees, and order, tiles and signature are right."""
    (ledger,) = alone.ledgers
    with vandal(alone) as connection:
        for n in range(TIMES):
            is_made = False
            while not is_made:
                # Some that replay could not be derived, as with two quotas of one name.
                with suppress(psycopg.DataError, psycopg.IntegrityError):
                    anew = another_valid_history(choose, ledger, alone, n)
                    assert_only_inconsistent(connection, alone, anew, tmp_path, is_first=not n % 50)
                    is_made = True


def test_a_log_set_back_to_any_older_state_is_found_by_who_kept_a_checkpoint(
    alone: Scene, tmp_path: Path
) -> None:
    """The tail of the whole log is cut off, as by restoring a backup, and all agrees with it."""
    (ledger,) = alone.ledgers
    with vandal(alone) as connection:
        for size in range(1, len(alone.numbers)):
            older = {
                stream_id: [row for row in rows if alone.numbers[stream_id, row[1]] < size]
                for stream_id, rows in ledger.items()
            }
            found = assert_only_inconsistent(connection, alone, older, tmp_path, is_first=size == 9)
            assert [each.seq for each in found] == [size]


def another_valid_history(choose: random.Random, ledger: Streams, scene: Scene, n: int) -> Streams:
    while True:
        streams = rewrite(choose, ledger, scene.numbers, n).streams
        try:
            for stream_id, rows in streams.items():
                if rows is not ledger[stream_id]:
                    fold(stream_id, rows)
        except (Broken, IndexError, KeyError):
            n = choose.randrange(TIMES)
            continue
        return streams


def assert_only_inconsistent(
    connection: Connection, scene: Scene, streams: Streams, folder: Path, *, is_first: bool
) -> list[Finding]:
    with connection.transaction(force_rollback=True):
        make_anew(connection, scene, streams)
        assert {each.rule for each in violations(connection, scene)} == {"consistency"}
        found = findings(connection, scene, folder / "export")
        assert {each.rule for each in found} == {"consistency"}
        if is_first:
            assert violations(connection, scene, has_kept=False) == []
            assert findings(connection, scene, folder / "export", has_kept=False) == []
    return found


def make_anew(connection: Connection, scene: Scene, streams: Streams) -> None:
    """Write another history, and everything that follows from it, as if it had been so."""
    for stream_id, rows in streams.items():
        if rows != scene.streams[stream_id]:
            for table in ("ledger", *DERIVED):
                statement = f"DELETE FROM {table} WHERE stream_id = %s"  # noqa: S608  names of ours
                connection.execute(statement.encode(), (stream_id,))
            add_rows(connection, rows)
            if rows:
                stream = fold(stream_id, rows)
                for table, rows_of in DERIVED.items():
                    copy_rows(connection, COPIED[table], rows_of(stream))
    every = {(row[0], row[1]): row for rows in streams.values() for row in rows}
    last = len(scene.numbers)
    order = sorted(every, key=lambda place: (scene.numbers.get(place, last), place))
    leaves = b"".join(leaf_hash(preimage_of(every[place])) for place in order)
    tiles = grow(0, {}, leaves)
    root = root_of([leaves[at : at + 32] for at in range(0, len(leaves), 32)])
    checkpoint = signed(Checkpoint(ORIGIN, len(order), root), scene.keys.signing())
    marks = [(stream_id, len(rows)) for stream_id, rows in streams.items() if rows]
    connection.execute("DELETE FROM sequence")
    connection.execute("DELETE FROM sequenced")
    connection.execute("DELETE FROM tiles")
    numbered = [(seq, *place) for seq, place in enumerate(order)]
    copy_rows(connection, "sequence (seq, stream_id, version)", numbered)
    copy_rows(connection, "sequenced (stream_id, version)", marks)
    stored = [(place.level, place.position, hashes) for place, hashes in tiles.items()]
    copy_rows(connection, "tiles (level, position, hashes)", stored)
    connection.execute("UPDATE sequencer SET next_seq = %s", (len(order),))
    connection.execute("UPDATE tree SET size = %s, checkpoint = %s", (len(order), checkpoint))


DERIVED: Final[dict[str, Callable[[Stream], Iterable[Row]]]] = {
    "streams": lambda stream: [stream_row(stream)],
    "bookings": lambda stream: map(booking_row, stream.state.bookings.values()),
    "holds": lambda stream: map(hold_row, stream.state.holds.values()),
    "waiting_list": lambda stream: map(waiting_row, stream.state.line.values()),
    "seat_claims": claim_rows,
    "seat_rows": seat_row_rows,
    "allotments": allotment_rows,
}
COPIED: Final = {
    found[2]: found[1]
    for path in Path(rebuild.__file__).parent.glob("sql/copy_*.sql")
    if (found := re.search(r"COPY ((\w+) \([^)]*\)) FROM", path.read_text()))
}
"""The columns that the rows above are of, by table."""
