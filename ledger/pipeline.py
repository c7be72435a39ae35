"""Statements sent together in one round trip, on libpq's pipeline mode.

psycopg's own pipeline asks a cursor, an adapter and the event loop anew for every statement; a
batch has a dozen of fixed types, and meanwhile its streams are locked. So a batch's statements are
packed first, then handed to libpq in one go, and their answers read as they come: see
docs/decisions/0046. https://www.postgresql.org/docs/current/libpq-pipeline-mode.html
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from weakref import WeakKeyDictionary

import psycopg
from psycopg.adapt import Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus, Format
from psycopg.pq.abc import PGconn, PGresult

from ledger.arrays import TYPES, ColumnType, pack_array
from ledger.database import Connection, Row, statement

_prepared: Final[WeakKeyDictionary[Connection, set[bytes]]] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class Parameter:
    kind: ColumnType
    is_array: bool

    @property
    def oid(self) -> int:
        return self.kind.array_oid if self.is_array else self.kind.oid

    def pack(self, value: Any) -> bytes:
        return pack_array(self.kind, value) if self.is_array else self.kind.pack(value)[4:]


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement, prepared under its name at its first use on a connection."""

    name: bytes
    query: bytes
    parameters: tuple[Parameter, ...]
    oids: tuple[int, ...]
    formats: tuple[Format, ...]

    @classmethod
    def bare(cls, query: str, types: str = "") -> "Statement":
        """One that needs no file: BEGIN, COMMIT. For ``types`` see `of`."""
        return cls._named(query, query.encode(), types)

    @classmethod
    def of(cls, name: str, types: str = "") -> "Statement":
        """The statement in file ``name``.sql.

        ``types`` are those of its parameters in order, as in ``uuid text[]``.
        """
        return cls._named(name, statement("ledger", name), types)

    @classmethod
    def over(cls, name: str, types: str) -> "Statement":
        """As `of`, for a statement over many rows, of which ``types`` are those of the columns."""
        return cls.of(name, " ".join(f"{each}[]" for each in types.split()))

    @classmethod
    def _named(cls, name: str, query: bytes, types: str) -> "Statement":
        parameters = tuple(
            Parameter(TYPES[each.removesuffix("[]")], each.endswith("[]")) for each in types.split()
        )
        return cls(
            name=f"flashticket {name}".encode(),
            query=query,
            parameters=parameters,
            oids=tuple(each.oid for each in parameters),
            formats=(Format.BINARY,) * len(parameters),
        )


@dataclass(slots=True)
class Answer:
    """What a statement returned, once its pipeline was run."""

    rows: Sequence[Row] = ()


class Pipeline:
    """Statements to run on a connection in order, all in one round trip."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sent: list[tuple[Statement, list[bytes], Answer]] = []
        self._error: psycopg.Error | None = None

    def send(self, statement: Statement, *values: Any) -> Answer:
        """Add ``statement`` with the values of its parameters; lists, of None too, for arrays."""
        packed = [
            parameter.pack(value)
            for parameter, value in zip(statement.parameters, values, strict=True)
        ]
        answer = Answer()
        self._sent.append((statement, packed, answer))
        return answer

    def send_rows(self, statement: Statement, rows: Iterable[Row]) -> None:
        """Add ``statement``, each of its parameters a column of ``rows``, unless there are none."""
        columns = list(zip(*rows, strict=True))
        if columns:
            self.send(statement, *columns)

    async def run(self) -> None:
        """Send all that was added and wait for what it returns.

        Raises psycopg.Error for the first statement that failed; those behind it were not run. A
        connection lost, or left before all answers are there, is closed.
        """
        pgconn = self._connection.pgconn
        try:
            await self._exchange(pgconn)
        except BaseException as lost:
            # What is still on its way would be taken for the answers of the next transaction.
            pgconn.finish()
            if isinstance(lost, psycopg.OperationalError) and self._error is not None:
                raise self._error from lost  # it says why the server hung up
            raise
        if self._error is not None:
            raise self._error

    async def _exchange(self, pgconn: PGconn) -> None:
        prepared = _prepared.setdefault(self._connection, set())
        pgconn.enter_pipeline_mode()
        preparing = self._send_all(pgconn, prepared)
        while pgconn.flush():
            await _ready(pgconn.socket, to_write=True)
            # Or the server, waiting for us to read, would not read either.
            pgconn.consume_input()
        transformer = Transformer(self._connection)
        for each, _, answer in self._sent:
            if each.name in preparing:
                preparing.remove(each.name)
                result = await _result(pgconn)
                if result.status == ExecStatus.COMMAND_OK:
                    prepared.add(each.name)
                else:
                    self._error = self._error or _error(result)
            result = await _result(pgconn)
            if result.status == ExecStatus.TUPLES_OK:
                transformer.set_pgresult(result)
                answer.rows = transformer.load_rows(0, result.ntuples, tuple)
            elif result.status != ExecStatus.COMMAND_OK:
                self._error = self._error or _error(result)
        await _result(pgconn, of_sync=True)
        pgconn.exit_pipeline_mode()
        self._sent.clear()

    def _send_all(self, pgconn: PGconn, prepared: set[bytes]) -> set[bytes]:
        """Hand all to libpq; returns the names of statements that are prepared on the way."""
        preparing: set[bytes] = set()
        for each, packed, _ in self._sent:
            if each.name not in prepared and each.name not in preparing:
                pgconn.send_prepare(each.name, each.query, each.oids)
                preparing.add(each.name)
            pgconn.send_query_prepared(each.name, packed, each.formats, Format.BINARY)
        pgconn.pipeline_sync()
        return preparing


async def _result(pgconn: PGconn, *, of_sync: bool = False) -> PGresult:
    """The next result; unless it is that of the sync, a null result follows and is taken too."""
    while True:
        while pgconn.is_busy():
            await _ready(pgconn.socket)
            pgconn.consume_input()
        result = pgconn.get_result()
        if result is None:
            raise psycopg.OperationalError("the connection was lost")
        if of_sync is (result.status == ExecStatus.PIPELINE_SYNC):
            break
    if not of_sync:
        pgconn.get_result()
    return result


def _error(result: PGresult) -> psycopg.Error | None:
    if result.status == ExecStatus.PIPELINE_ABORTED:
        return None
    return error_from_result(result)


async def _ready(socket: int, *, to_write: bool = False) -> None:
    """Return when there is something to read or, with ``to_write``, room to write."""
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    loop.add_reader(socket, _wake, ready)
    if to_write:
        loop.add_writer(socket, _wake, ready)
    try:
        await ready
    finally:
        loop.remove_reader(socket)
        if to_write:
            loop.remove_writer(socket)


def _wake(ready: "asyncio.Future[None]") -> None:
    if not ready.done():
        ready.set_result(None)
