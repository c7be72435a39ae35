"""The tree in the database: the ledger's entries in their order, whoever adds them and when."""

import asyncio
import hashlib
import random
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import psycopg
import pytest
from streams import Connection, Stream, connected

from ledger import chain
from ledger.database import Pool, open_pool
from projections.log_keys import LogKeys
from projections.merkle import leaf_hash, root_by_inclusion, root_of, verify_consistency
from projections.notes import Checkpoint, open_checkpoint
from projections.tiles import WIDTH, Place
from projections.tlog import TransparencyLog
from projections.tree import EntriesMissing, Tree

Result = TypeVar("Result")

ORIGIN = "tickets.example/log"


@pytest.fixture
def keys(tmp_path: Path) -> LogKeys:
    return LogKeys(tmp_path / "keys", ORIGIN)


def with_pool(url: str, work: Callable[[Pool], Awaitable[Result]]) -> Result:
    async def run() -> Result:
        async with open_pool(url, role="flashticket_app", size_max=4, name="tlog") as pool:
            return await work(pool)

    return asyncio.run(run())


def catch_up(url: str, keys: LogKeys) -> None:
    async def work(pool: Pool) -> None:
        log = TransparencyLog(pool, keys)
        await log.catch_up()

    with_pool(url, work)


def entries_in_order(connection: Connection) -> list[bytes]:
    """The preimages of the numbered entries, made in Python."""
    rows = connection.execute(
        "SELECT stream_id, version, recorded_at_us, schema_version, actor, prev_hash, type,"
        " idempotency_key, request_hash, payload"
        " FROM sequence JOIN ledger USING (stream_id, version) ORDER BY seq"
    ).fetchall()
    return [preimage_of(row) for row in rows]


def preimage_of(row: tuple[Any, ...]) -> bytes:
    stream_id, version, recorded_at, schema_version, actor, prev_hash, type_name = row[:7]
    idempotency_key, request_hash, payload = row[7:]
    return chain.preimage(
        stream_id=stream_id,
        version=version,
        recorded_at=recorded_at,
        schema_version=schema_version,
        actor=actor,
        prev_hash=prev_hash,
        type_name=type_name,
        idempotency_key=idempotency_key,
        request_hash=request_hash,
        payload=payload,
    )


def checkpoint_of(connection: Connection, keys: LogKeys) -> Checkpoint:
    """The checkpoint as it stands, verified."""
    row = connection.execute("SELECT checkpoint, size FROM tree").fetchone()
    assert row is not None
    checkpoint = open_checkpoint(row[0].encode(), keys.verifying())
    assert (checkpoint.origin, checkpoint.size) == (ORIGIN, row[1])
    return checkpoint


def assert_tree_is_that_of_the_ledger(connection: Connection, keys: LogKeys) -> None:
    entries = entries_in_order(connection)
    checkpoint = checkpoint_of(connection, keys)
    assert checkpoint.size == len(entries)
    assert checkpoint.root == root_of([leaf_hash(entry) for entry in entries])


def test_the_database_makes_the_same_bytes_of_an_entry_as_python(
    database: str, choose: random.Random
) -> None:
    with connected(database) as connection:
        for version in range(1, 201):
            has_key = choose.random() < 0.5
            connection.execute(
                "INSERT INTO ledger (stream_id, version, type, schema_version, payload, prev_hash,"
                " hash, recorded_at_us, idempotency_key, request_hash, actor)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                (
                    UUID(int=choose.getrandbits(128)),
                    choose.choice([version, 2**63 - version]),
                    "T" * choose.randrange(1, 300),
                    choose.randrange(1, 2**15),
                    choose.randbytes(choose.choice([0, 1, 200, 7_000])),
                    choose.randbytes(32),
                    choose.randbytes(32),
                    choose.randrange(-(2**63), 2**63),
                    choose.randbytes(32) if has_key else None,
                    choose.randbytes(32) if has_key else None,
                    UUID(int=choose.getrandbits(128)),
                ),
            )
        rows = connection.execute(
            "SELECT stream_id, version, recorded_at_us, schema_version, actor, prev_hash, type,"
            " idempotency_key, request_hash, payload, entry_preimage(ledger) FROM ledger"
        ).fetchall()

    assert len(rows) == 200
    for *row, preimage in rows:
        assert preimage == preimage_of(tuple(row))


def test_a_log_without_entries_has_a_checkpoint_of_the_empty_tree(
    database: str, keys: LogKeys
) -> None:
    catch_up(database, keys)
    with connected(database) as connection:
        checkpoint = checkpoint_of(connection, keys)

    assert (checkpoint.size, checkpoint.root) == (0, hashlib.sha256(b"").digest())


def test_the_tree_is_that_of_the_ledger_at_every_size(database: str, keys: LogKeys) -> None:
    streams = [Stream() for _ in range(3)]
    with connected(database) as connection:
        for count in (1, 1, 83, 84, 86, 1, 170, 513):
            for stream in streams:
                stream.append(connection, count)
            catch_up(database, keys)
            assert_tree_is_that_of_the_ledger(connection, keys)


def test_a_long_backlog_is_added_in_parts(
    database: str, keys: LogKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("projections.tree._ENTRIES_MAX", 100)
    with connected(database) as connection:
        Stream().append(connection, 1_050)
        catch_up(database, keys)
        assert_tree_is_that_of_the_ledger(connection, keys)


def test_a_later_checkpoint_proves_that_it_extends_every_earlier_one(
    database: str, keys: LogKeys, choose: random.Random
) -> None:
    stream = Stream()
    checkpoints = []
    with connected(database) as connection:
        for _ in range(12):
            stream.append(connection, choose.choice([1, 2, 30, 255, 256, 257]))
            catch_up(database, keys)
            checkpoints.append(checkpoint_of(connection, keys))
        entries = entries_in_order(connection)

    async def work(pool: Pool) -> None:
        tree = Tree(pool)
        for new in checkpoints:
            for old in checkpoints:
                if old.size <= new.size:
                    proof = await tree.consistency(old.size, new.size)
                    verify_consistency(old.size, old.root, new.size, new.root, proof)
            for seq in choose.sample(range(new.size), min(new.size, 20)):
                proof = await tree.inclusion(seq, new.size)
                leaf = leaf_hash(entries[seq])
                assert root_by_inclusion(leaf, seq, new.size, proof) == new.root

    with_pool(database, work)


def test_bundles_hold_the_entries_whose_hashes_the_tiles_hold(database: str, keys: LogKeys) -> None:
    with connected(database) as connection:
        Stream().append(connection, 300)
        catch_up(database, keys)
        entries = entries_in_order(connection)

    async def work(pool: Pool) -> None:
        tree = Tree(pool)
        for position, width in ((0, WIDTH), (1, 44), (0, 17)):
            bundle = await tree.bundle(position, width)
            assert bundle == entries[position * WIDTH :][:width]
            tile = await tree.tile(Place(0, position), width)
            assert tile == b"".join(map(leaf_hash, bundle))
        assert await tree.bundle(1, 45) is None
        assert await tree.bundle(2, 1) is None
        assert await tree.tile(Place(0, 1), 45) is None
        assert await tree.tile(Place(1, 0), 2) is None
        assert await tree.tile(Place(1, 0), 1) == root_of(list(map(leaf_hash, entries[:256])))

    with_pool(database, work)


def test_processes_that_grow_one_tree_at_once_agree(database: str, keys: LogKeys) -> None:
    streams = [Stream() for _ in range(8)]
    with connected(database) as connection:
        for _ in range(5):
            for stream in streams:
                stream.append(connection, 40)
            start = threading.Barrier(4)

            def grow(start: threading.Barrier = start) -> None:
                start.wait()
                catch_up(database, keys)

            threads = [threading.Thread(target=grow) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert_tree_is_that_of_the_ledger(connection, keys)


def test_nothing_more_is_signed_once_a_numbered_entry_is_gone(database: str, keys: LogKeys) -> None:
    stream = Stream()
    with connected(database) as connection:
        stream.append(connection, 5)
        catch_up(database, keys)
        before = checkpoint_of(connection, keys)
        stream.append(connection, 5)

        async def number(pool: Pool) -> None:
            log = TransparencyLog(pool, keys)
            log.notice([stream.stream_id])
            await log._sequencer.number()

        with_pool(database, number)
        with connection.transaction():
            connection.execute("SET LOCAL session_replication_role = replica")
            connection.execute("DELETE FROM ledger WHERE version = 7")

        with pytest.raises(EntriesMissing, match="1 are not there"):
            catch_up(database, keys)
        assert checkpoint_of(connection, keys) == before


def test_a_new_key_signs_what_there_is_without_waiting_for_news(
    database: str, keys: LogKeys
) -> None:
    (old,) = keys.signing()
    with connected(database) as connection:
        Stream().append(connection)

        async def work(pool: Pool) -> None:
            log = TransparencyLog(pool, keys)
            await log.catch_up()
            new = keys.add()
            await log.catch_up()
            for key in (old.verifier, new):
                open_checkpoint(note(connection), [key])
            keys.retire(old.verifier.key_id)
            await log.catch_up()
            assert note(connection).count("\N{EM DASH}".encode()) == 1
            open_checkpoint(note(connection), [new])

        with_pool(database, work)


def note(connection: Connection) -> bytes:
    row = connection.execute("SELECT checkpoint FROM tree").fetchone()
    assert row is not None
    return bytes(row[0].encode())


def test_news_is_in_a_checkpoint_within_a_second(database: str, keys: LogKeys) -> None:
    streams = [Stream() for _ in range(4)]
    with connected(database) as connection:

        async def work(pool: Pool) -> list[float]:
            lags = []
            async with TransparencyLog(pool, keys) as log:
                for n, stream in enumerate(streams, start=1):
                    stream.append(connection)
                    log.notice([stream.stream_id])
                    while (await Tree(pool).progress()).size < n:
                        lags.append(log.lag_seconds)
            return lags

        lags = with_pool(database, work)

        assert 0 < max(lags) < 1
        assert_tree_is_that_of_the_ledger(connection, keys)


def test_what_another_process_committed_and_told_nobody_is_found_within_five_seconds(
    database: str, keys: LogKeys
) -> None:
    with connected(database) as connection:

        async def work(pool: Pool) -> None:
            async with TransparencyLog(pool, keys), asyncio.timeout(5):
                Stream().append(connection, 3)
                while (await Tree(pool).progress()).size < 3:
                    pass

        with_pool(database, work)


def test_leaving_brings_the_log_up_to_date(database: str, keys: LogKeys) -> None:
    stream = Stream()
    with connected(database) as connection:

        async def work(pool: Pool) -> None:
            async with TransparencyLog(pool, keys) as log:
                stream.append(connection, 10)
                log.notice([stream.stream_id])

        with_pool(database, work)
        assert checkpoint_of(connection, keys).size == 10


def test_the_lag_grows_while_nothing_can_be_signed(database: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    unusable = LogKeys(tmp_path / "file" / "keys", ORIGIN)
    stream = Stream()
    with connected(database) as connection:

        async def work(pool: Pool) -> None:
            async with TransparencyLog(pool, unusable) as log:
                assert log.lag_seconds == 0
                stream.append(connection)
                log.notice([stream.stream_id])
                while log.lag_seconds < 1.2:
                    assert (await Tree(pool).progress()).size == 0
                (tmp_path / "file").unlink()
                while log.lag_seconds > 0:
                    await Tree(pool).progress()

        with_pool(database, work)
        assert_tree_is_that_of_the_ledger(connection, unusable)


def test_a_connection_lost_within_a_transaction_leaves_the_last_tree_or_the_next(
    database: str, keys: LogKeys, choose: random.Random
) -> None:
    stream = Stream()
    with connected(database) as connection, connected(database) as killer:

        async def work(pool: Pool) -> None:
            log = TransparencyLog(pool, keys)
            for _ in range(20):
                stream.append(connection, choose.randrange(1, 300))
                log.notice([stream.stream_id])
                running = asyncio.create_task(log.catch_up())
                await asyncio.sleep(choose.random() * 0.02)
                killer.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE application_name = 'flashticket-tlog' AND datname = current_database()"
                )
                await asyncio.wait([running])
                running.exception()
                checkpoint = open_checkpoint(note(connection), keys.verifying())
                leaves = [leaf_hash(entry) for entry in entries_in_order(connection)]
                assert checkpoint.root == root_of(leaves[: checkpoint.size])

        catch_up(database, keys)
        with_pool(database, work)
        catch_up(database, keys)
        assert_tree_is_that_of_the_ledger(connection, keys)


def test_tiles_cannot_be_removed_by_the_application(database: str) -> None:
    with connected(database) as connection:
        connection.execute("SET ROLE flashticket_app")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DELETE FROM tiles")
