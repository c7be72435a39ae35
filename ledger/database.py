"""Connections to PostgreSQL, statements from files, and what its errors mean.

No session state beyond the role: everything else is set per transaction, so that connections may
come from a pool in transaction mode. Errors are told apart by SQLSTATE, never by message.
"""

import asyncio
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from typing import Any, Final, TypeVar

import psycopg
from psycopg import sql
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout

T = TypeVar("T")

Row = tuple[Any, ...]
Connection = psycopg.AsyncConnection[Row]
Pool = AsyncConnectionPool[Connection]

CONNECT_SECONDS_MAX: Final = 0.7
"""How long anything waits for a connection before it answers that the database is away."""

ANSWER_SECONDS_MAX: Final = 1.5
"""How long a query may take before who asked is told that the database does not answer."""

_RECONNECT_SECONDS_MAX: Final = 0.5  # then the next request for a connection tries at once


class DatabaseUnavailable(Exception):
    """PostgreSQL cannot be reached or stopped serving; nothing is known to have been written."""


class NoConnection(DatabaseUnavailable):
    """No connection could be had in time: trying again at once would only wait once more."""


class StreamLocked(Exception):
    """A capacity stream row stayed locked by somebody else for longer than the wait allowed."""


class NotDurable(Exception):
    """The server would acknowledge a commit that a crash can lose."""


def statement(package: str, name: str) -> bytes:
    """The SQL statement in file ``name``.sql of a package's ``sql`` folder."""
    return (resources.files(package) / "sql" / f"{name}.sql").read_bytes()


FIND_UNDURABLE_SETTINGS: Final = statement("ledger", "find_undurable_settings")


def open_pool(url: str, *, role: str | None, size_max: int, name: str) -> Pool:
    """A pool that is not yet open, in autocommit mode, acting as ``role``.

    A connection that cannot be had within `CONNECT_SECONDS_MAX` seconds raises; see
    `translate_errors`.
    """

    async def configure(connection: Connection) -> None:
        if role is not None:
            await connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)).as_bytes())

    return AsyncConnectionPool(
        url,
        connection_class=Connection,
        kwargs={
            "autocommit": True,
            "cursor_factory": psycopg.AsyncRawCursor,
            "connect_timeout": 2,
            "application_name": f"flashticket-{name}",
        },
        configure=configure,
        min_size=min(2, size_max),
        max_size=size_max,
        timeout=CONNECT_SECONDS_MAX,
        reconnect_timeout=_RECONNECT_SECONDS_MAX,
        name=name,
        open=False,
    )


async def fetch(pool: Pool, query: bytes, *parameters: Any) -> list[Row]:
    """What one statement returns on a connection of ``pool``.

    Raises `DatabaseUnavailable` when it takes longer than `in_time` allows.
    """
    return await in_time(_fetch(pool, query, parameters))


async def _fetch(pool: Pool, query: bytes, parameters: Sequence[Any]) -> list[Row]:
    with translate_errors():
        async with pool.connection() as connection:
            cursor = await connection.execute(query, parameters, prepare=True, binary=True)
            return await cursor.fetchall() if cursor.description else []


async def in_time(work: Coroutine[Any, Any, T]) -> T:
    """The result of ``work``; raises `DatabaseUnavailable` after `ANSWER_SECONDS_MAX` seconds.

    The work goes on all the same: psycopg takes ten seconds to give up a query that a frozen
    server has, and whoever asks is to be told within two.
    """
    task = asyncio.create_task(work)
    _running.add(task)
    task.add_done_callback(_finish)
    done, _ = await asyncio.wait({task}, timeout=ANSWER_SECONDS_MAX)
    if not done:
        raise DatabaseUnavailable("the database does not answer")
    return task.result()


_running: Final[set[asyncio.Task[Any]]] = set()


def _finish(task: asyncio.Task[Any]) -> None:
    _running.discard(task)
    if not task.cancelled():
        task.exception()  # who asked may be gone, or was told something else long ago


@contextmanager
def translate_errors() -> Iterator[None]:
    """Raise `DatabaseUnavailable` or `StreamLocked`, chained, for what psycopg says in its words.

    Other errors of the database, such as a broken constraint, are bugs and pass through.
    """
    try:
        yield
    except (PoolTimeout, PoolClosed) as error:
        raise NoConnection("no connection to the database could be had") from error
    except psycopg.errors.LockNotAvailable as error:
        raise StreamLocked("the stream row is locked by somebody else") from error
    except psycopg.Error as error:
        if is_outage(error):
            raise DatabaseUnavailable("the database stopped serving") from error
        raise


def is_outage(error: psycopg.Error) -> bool:
    """Whether ``error`` says that the server is gone, going or out of means, not that we erred."""
    if error.sqlstate is None:
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    if error.diag.severity_nonlocalized in {"FATAL", "PANIC"}:
        return True  # the session is over, and a COMMIT may have been carried out or not
    return error.sqlstate[:2] in {
        "08",  # connection exception
        "53",  # insufficient resources: disk full, too many connections
        "57",  # operator intervention: shutdown, crash, cancelled
        "58",  # system error: an I/O error outside PostgreSQL
    } or error.sqlstate in {
        "25P03",  # idle in transaction for too long
        "25006",  # read only: a standby that was not promoted, or a primary that no longer is
    }


class GaveUpWaiting(psycopg.OperationalError):
    """A commit was told to wait no longer for a synchronous standby, which may not have it."""


@contextmanager
def waited_for_standbys(connection: Connection) -> Iterator[None]:
    """Raise `GaveUpWaiting` where a commit in the block did not wait for its synchronous standbys.

    A session that is cancelled while it waits commits here, says so in a warning, and reports
    success. Nobody may be told of such a commit: it is lost if this server is.
    """
    severities: list[str | None] = []

    def note(notice: psycopg.errors.Diagnostic) -> None:
        severities.append(notice.severity_nonlocalized)  # now: it is gone when this returns

    connection.add_notice_handler(note)
    try:
        yield
    finally:
        connection.remove_notice_handler(note)
    if "WARNING" in severities:
        raise GaveUpWaiting("a commit did not wait for its synchronous standbys")


async def require_durable(connection: Connection) -> None:
    """Raise `NotDurable` unless a commit here survives a crash (L5)."""
    cursor = await connection.execute(FIND_UNDURABLE_SETTINGS)
    settings = [name for (name,) in await cursor.fetchall()]
    if settings:
        names = ", ".join(settings)
        raise NotDurable(f"PostgreSQL has not set {names} to on: a crash would lose bookings")
