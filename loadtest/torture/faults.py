"""What goes wrong: each fault strikes a stage and heals it again.

None of them replaces anything of the product or of the servers: processes are killed and stopped by
signals, lines are cut, disks are full, memory forgets, clocks are wrong.
"""

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from time import monotonic
from typing import Any, Final

import psutil
import psycopg
import redis

from api.embedded import EmbeddedServerError
from loadtest.torture.disk import forbid_writing_to
from loadtest.torture.line import Cut
from loadtest.torture.stage import READY_SECONDS_MAX, Stage

Fault = Callable[[Stage, random.Random], Awaitable[None]]

_CUTS: Final = 6
_TERMINATE: Final = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE application_name LIKE 'flashticket-%' AND random() < 0.7
"""
_CANCEL: Final = _TERMINATE.replace("terminate", "cancel")
_SLOW_DISK_US: Final = 100_000
_HOUR: Final = 3_600
_CLOCK_JUMPS: Final = (-25 * _HOUR, -2, 3, 7 * 24 * _HOUR)


async def kill_a_worker(stage: Stage, chance: random.Random) -> None:
    """SIGKILL one process that serves; its parent starts another."""
    workers = stage.workers()
    if workers:
        _signal(chance.choice(workers), signal.SIGKILL)
    await _wait(chance, 0.5, 1.5)


async def freeze_a_worker(stage: Stage, chance: random.Random) -> None:
    """SIGSTOP one process that serves, in the middle of whatever it does."""
    workers = stage.workers()
    if not workers:
        return
    frozen = chance.choice(workers)
    _signal(frozen, signal.SIGSTOP)
    try:
        await _wait(chance, 0.3, 3.0)
    finally:
        _signal(frozen, signal.SIGCONT)


async def kill_the_api(stage: Stage, chance: random.Random) -> None:
    """SIGKILL all of the API and start it anew."""
    stage.kill_api()
    await _wait(chance, 0, 0.3)
    stage.start_api()
    await stage.await_ready()


async def kill_postgres(stage: Stage, chance: random.Random) -> None:
    """SIGKILL every process of PostgreSQL; it recovers from its log."""
    await asyncio.to_thread(stage.postgres.kill)
    await _wait(chance, 0, 1.0)
    await asyncio.to_thread(stage.postgres.start)


async def kill_a_backend(stage: Stage, chance: random.Random) -> None:
    """SIGKILL one process of PostgreSQL: it ends all others and recovers by itself."""
    with await _connected(stage) as connection:
        found = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE application_name = 'flashticket-writer'"
        ).fetchall()
    if found:
        with suppress(psutil.NoSuchProcess):
            psutil.Process(chance.choice(found)[0]).kill()
    await _wait(chance, 0.5, 1.5)


async def restart_postgres(stage: Stage, chance: random.Random) -> None:
    """Stop PostgreSQL in order, as for an upgrade, and start it again."""
    with suppress(EmbeddedServerError):  # that had to be killed, which is a fault as well
        await asyncio.to_thread(stage.postgres.stop)
    await _wait(chance, 0, 0.5)
    await asyncio.to_thread(stage.postgres.start)


async def freeze_postgres(stage: Stage, chance: random.Random) -> None:
    """SIGSTOP all of PostgreSQL: connections stay, nothing answers."""
    stage.postgres.pause()
    try:
        await _wait(chance, 0.3, 3.0)
    finally:
        stage.postgres.resume()


async def end_sessions(stage: Stage, chance: random.Random) -> None:
    """Let PostgreSQL end the API's sessions, and cancel what others are doing, again and again."""
    for _ in range(_CUTS):
        with await _connected(stage) as connection:
            connection.execute(chance.choice((_TERMINATE, _CANCEL)))
        await _wait(chance, 0, 0.2)


async def cut_in_commit(stage: Stage, chance: random.Random) -> None:
    """Cut the line to PostgreSQL around a COMMIT: before it, on its way, before its answer."""
    moments = (Cut.BEFORE_COMMIT, Cut.DURING_COMMIT, Cut.DURING_COMMIT, Cut.AFTER_COMMIT)
    for _ in range(2 * _CUTS):
        stage.line.cut(chance.choice(moments))
        await _wait(chance, 0.02, 0.2)
    stage.line.cut(None)


async def cut_anywhere(stage: Stage, chance: random.Random) -> None:
    """Cut the line before the lock or the first row; then all connections at once."""
    for _ in range(_CUTS):
        stage.line.cut(chance.choice((Cut.BEFORE_LOCK, Cut.BEFORE_APPEND)))
        await _wait(chance, 0.02, 0.2)
    stage.line.cut(None)
    await stage.line.hang_up()


async def lose_the_line_in_commit(stage: Stage, chance: random.Random) -> None:
    """Cut the line around a COMMIT, and let nobody through to ask what became of it."""
    stage.line.cut(chance.choice((Cut.DURING_COMMIT, Cut.AFTER_COMMIT)), for_good=True)
    await _wait(chance, 0.3, 0.6)
    await stage.line.hang_up()
    await _wait(chance, 0.1, 1.5)
    stage.line.mend()


async def lock_an_event(stage: Stage, chance: random.Random) -> None:
    """Keep the rows of some events locked, as a stuck session does."""
    with (
        await _connected(stage) as connection,
        suppress(psycopg.errors.LockNotAvailable),
        connection.transaction(),
    ):
        connection.execute("SET LOCAL lock_timeout = '2s'")
        connection.execute("SELECT FROM streams WHERE random() < 0.4 ORDER BY stream_id FOR UPDATE")
        await _wait(chance, 0.3, 2.0)


async def slow_the_disk(stage: Stage, chance: random.Random) -> None:
    """Let every flush of PostgreSQL's log begin a tenth of a second late, with all locks held."""
    await _set(stage, commit_delay=str(_SLOW_DISK_US), commit_siblings="0")
    try:
        await _wait(chance, 0.5, 2.0)
    finally:
        await _set(stage, commit_delay=None, commit_siblings=None)


async def fill_the_disk(stage: Stage, chance: random.Random) -> None:
    """Leave no room for another byte in the tables; where we may not mount, none in the log."""
    if stage.small_disk is None:
        await leave_no_room_for_the_log(stage, chance)
        return
    with stage.small_disk.full():
        await _wait(chance, 0.5, 1.5)


async def leave_no_room_for_the_log(stage: Stage, chance: random.Random) -> None:
    """Forbid PostgreSQL to write another byte: it panics, and starts again once it may."""
    await asyncio.to_thread(forbid_writing_to, stage.postgres.pid)
    await _wait(chance, 0.5, 1.5)
    await asyncio.to_thread(stage.postgres.kill)
    await asyncio.to_thread(stage.postgres.start)


async def kill_valkey(stage: Stage, chance: random.Random) -> None:
    """SIGKILL Valkey; it comes back empty."""
    await asyncio.to_thread(stage.valkey.kill)
    await _wait(chance, 0, 1.0)
    await asyncio.to_thread(stage.valkey.start)


async def freeze_valkey(stage: Stage, chance: random.Random) -> None:
    """SIGSTOP Valkey for a while."""
    stage.valkey.pause()
    try:
        await _wait(chance, 0.2, 2.0)
    finally:
        stage.valkey.resume()


async def flush_valkey(stage: Stage, chance: random.Random) -> None:
    """FLUSHALL, again and again."""
    with redis.Redis.from_url(stage.valkey.url()) as client:
        for _ in range(_CUTS):
            client.flushall()
            await _wait(chance, 0, 0.3)


async def restore_an_old_snapshot(stage: Stage, chance: random.Random) -> None:
    """Save Valkey, go on, kill it and start it with what it had saved."""
    with redis.Redis.from_url(stage.valkey.url()) as client:
        client.save()
    await _wait(chance, 0.1, 1.0)
    await asyncio.to_thread(stage.valkey.kill)
    await asyncio.to_thread(stage.valkey.start)
    (stage.valkey.data_dir / "dump.rdb").unlink(missing_ok=True)


async def jump_the_clock(stage: Stage, chance: random.Random) -> None:
    """Let the wall clocks of the API's processes jump back and forth while they run."""
    try:
        for _ in range(3):
            stage.set_clock(chance.choice(_CLOCK_JUMPS))
            await _wait(chance, 0.2, 0.6)
    finally:
        stage.set_clock(0)


FAULTS: Final[tuple[Fault, ...]] = (
    cut_in_commit,
    kill_postgres,
    kill_a_worker,
    freeze_a_worker,
    lose_the_line_in_commit,
    flush_valkey,
    kill_a_backend,
    fill_the_disk,
    jump_the_clock,
    freeze_postgres,
    restore_an_old_snapshot,
    kill_the_api,
    slow_the_disk,
    end_sessions,
    leave_no_room_for_the_log,
    lock_an_event,
    kill_valkey,
    cut_anywhere,
    freeze_valkey,
    restart_postgres,
)


async def _wait(chance: random.Random, least: float, most: float) -> None:
    await asyncio.sleep(chance.uniform(least, most))


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    with suppress(psutil.NoSuchProcess):
        process.send_signal(number)


async def _connected(stage: Stage) -> psycopg.Connection[tuple[Any, ...]]:
    """A connection to the database itself, once it takes any: it may recover from another fault."""
    give_up_at = monotonic() + READY_SECONDS_MAX
    while True:
        try:
            return psycopg.connect(stage.database_url, autocommit=True)
        except psycopg.OperationalError:
            if monotonic() > give_up_at:
                raise
        await asyncio.sleep(0.05)


async def _set(stage: Stage, **settings: str | None) -> None:
    with await _connected(stage) as connection:
        for name, value in settings.items():
            connection.execute(
                psycopg.sql.SQL("ALTER SYSTEM SET {} = {}").format(
                    psycopg.sql.Identifier(name), psycopg.sql.Literal(value)
                )
                if value is not None
                else psycopg.sql.SQL("ALTER SYSTEM RESET {}").format(psycopg.sql.Identifier(name))
            )
        connection.execute("SELECT pg_reload_conf()")
