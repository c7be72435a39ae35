"""The projector: counts what is sequenced, exactly once.

Entries are taken in the order of their numbers. What they add to the projections is written in one
transaction with the number that comes next, so whoever goes on after a crash begins exactly where
the last commit ended. The lock of that number's row makes processes take turns, as sequencers do; a
process that freezes in its turn loses the transaction after a while, and can then no longer commit.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from time import monotonic
from typing import Any, Final, TypeVar

import orjson

from ledger.database import (
    Connection,
    DatabaseUnavailable,
    Pool,
    StreamLocked,
    statement,
    translate_errors,
)
from projections.apply import NO_HALL, Fields, Hall, Order, Row, hall_of, order_named
from projections.counted import Counted
from projections.lean_rules import READINGS
from projections.tree import EntriesMissing

T = TypeVar("T")

_log = logging.getLogger(__name__)

_LIMIT_TRANSACTION: Final = statement("ledger", "limit_transaction")
_READ_BACKLOG: Final = statement("projections", "read_backlog")
_LOCK_PROJECTOR: Final = statement("projections", "lock_projector")
_READ_UNCOUNTED: Final = statement("projections", "read_uncounted")
_READ_ORDERS: Final = statement("projections", "read_orders")
_READ_HALL: Final = statement("projections", "read_hall")
_ADD: Final = {
    table: statement("projections", f"add_{table}")
    for table in ("sales", "revenue", "occupancy", "line_lengths")
}
_ADD_HISTORIES: Final = statement("projections", "add_histories")
_MOVE_PROJECTED: Final = statement("projections", "move_projected")
_MOVE_PROJECTOR: Final = statement("projections", "move_projector")

_ENTRIES_MAX: Final = 2_000
_IN_A_ROW_MAX: Final = 250
_HALLS_MAX: Final = 16
_LOCK_WAIT_MS: Final = 1_000
_STATEMENT_MS_MAX: Final = 3_000
_PAUSE_SECONDS: Final = 0.25
_PAUSE_AFTER_FAILURE_SECONDS: Final = 1.0


class Uncountable(Exception):
    """An entry cannot be read, or what it is about is not there: `verify` says what is wrong."""


class Halls:
    """The halls of the events that sold seats last."""

    def __init__(self) -> None:
        self._halls: OrderedDict[str, Hall] = OrderedDict()

    async def get(self, connection: Connection, stream_id: str) -> Hall:
        hall = self._halls.get(stream_id)
        if hall is None:
            cursor = await connection.execute(_READ_HALL, (stream_id,), prepare=True, binary=True)
            rows = await cursor.fetchall()
            categories = rows[0][0] if rows else ()
            hall = self._halls[stream_id] = hall_of((row[1:] for row in rows), categories)
            if len(self._halls) > _HALLS_MAX:
                self._halls.popitem(last=False)
        self._halls.move_to_end(stream_id)
        return hall


class Projector:
    """Counts for as long as it is kept going; see `keep_counting`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._halls = Halls()
        self._waited_seconds = 0.0
        self._asked_at = monotonic()

    @property
    def lag_seconds(self) -> float:
        """For how long the oldest numbered entry that is not counted has waited; 0 with none."""
        if self._waited_seconds == 0:
            return 0.0
        return self._waited_seconds + monotonic() - self._asked_at

    async def keep_counting(self) -> None:
        """Count every `_PAUSE_SECONDS`, and at once again while there is more; until cancelled."""
        while True:
            pause = _PAUSE_AFTER_FAILURE_SECONDS
            try:
                pause = 0.0 if await self.advance() == _ENTRIES_MAX else _PAUSE_SECONDS
            except (DatabaseUnavailable, StreamLocked) as error:
                _log.warning("counting has to wait: %s", error)
            except (Uncountable, EntriesMissing) as error:
                _log.error("counting cannot go on: %s", error)
            except Exception:  # noqa: BLE001  whatever it is, the next try may be better
                _log.exception("counting failed")
            await asyncio.sleep(pause)

    async def advance(self) -> int:
        """Count what is numbered, as much as one transaction takes; how many entries that were.

        None while another process counts. Raises `ledger.database.DatabaseUnavailable`,
        `projections.tree.EntriesMissing` and `Uncountable`; nothing is counted then.
        """
        with translate_errors():
            async with self._pool.connection() as connection:
                cursor = await connection.execute(_READ_BACKLOG, prepare=True, binary=True)
                ((behind, waited_us),) = await cursor.fetchall()
                self._waited_seconds, self._asked_at = max(0, waited_us) / 1e6, monotonic()
                return await count(connection, self._halls) if behind else 0


async def count(connection: Connection, halls: Halls, *, end: int | None = None) -> int:
    """Count up to `_ENTRIES_MAX` entries in a transaction of their own; how many there were.

    None while another counts, and none from the number ``end`` on. ``halls`` is of earlier calls.
    """
    async with connection.transaction():
        async with connection.pipeline():
            await connection.execute(
                _LIMIT_TRANSACTION, (str(_LOCK_WAIT_MS), str(_STATEMENT_MS_MAX)), prepare=True
            )
            locking = await connection.execute(_LOCK_PROJECTOR, prepare=True, binary=True)
            locked = await locking.fetchall()
        if not locked:
            return 0
        next_seq = locked[0][0]
        entries_max = _ENTRIES_MAX if end is None else min(_ENTRIES_MAX, end - next_seq)
        cursor = await connection.execute(
            _READ_UNCOUNTED, (next_seq, entries_max), prepare=True, binary=True
        )
        rows = await cursor.fetchall()
        if rows:
            counted = await _counted(connection, halls, rows)
            await _write(connection, counted, next_seq=next_seq + len(rows), last_at=rows[-1][3])
        return len(rows)


async def _counted(connection: Connection, halls: Halls, rows: Sequence[Row]) -> Counted:
    """What the entries in rows of read_uncounted come to."""
    read = [_read(*row) async for row in _in_turns(rows)]
    named = [
        (stream_id, order_id)
        for _, type_name, stream_id, _, _, fields in read
        if (order_id := order_named(type_name, fields)) is not None
    ]
    orders = await _orders(connection, named) if named else {}
    counted = Counted()
    async for seq, type_name, stream_id, version, at, fields in _in_turns(read):
        order_id = order_named(type_name, fields)
        order = None if order_id is None else orders.get(order_id)
        if order_id is not None and order is None:
            raise Uncountable(f"entry {seq} is about {order_id}, which is not there")
        is_seated = fields.get("seats") or (order is not None and order.seats)
        hall = await halls.get(connection, stream_id) if is_seated else NO_HALL
        try:
            counted.add(seq, type_name, stream_id, version, at, fields, order, hall)
        except KeyError as error:
            raise Uncountable(f"entry {seq} is about {error}, which is not there") from error
    return counted


def _read(
    seq: int,
    stream_id: str,
    version: int,
    at: int,
    type_name: str | None,
    schema_version: int,
    payload: bytes,
) -> tuple[int, str, str, int, int, Fields]:
    if type_name is None:
        raise EntriesMissing(f"entry {seq} is not in the ledger")
    try:
        fields = READINGS[type_name].lifted(type_name, schema_version, orjson.loads(payload))
    except (KeyError, TypeError, ValueError) as error:
        raise Uncountable(f"entry {seq} cannot be read") from error
    return seq, type_name, stream_id, version, at, fields


async def _orders(connection: Connection, named: Sequence[tuple[str, str]]) -> dict[str, Order]:
    columns = [list(column) for column in zip(*named, strict=True)]
    cursor = await connection.execute(_READ_ORDERS, columns, prepare=True)
    return {order_id: Order(*rest) for order_id, *rest in await cursor.fetchall()}


async def _in_turns(items: Iterable[T]) -> AsyncIterator[T]:
    """``items``, with turns in between for whoever else waits in this process."""
    for n, item in enumerate(items, 1):
        yield item
        if n % _IN_A_ROW_MAX == 0:
            await asyncio.sleep(0)


async def _write(connection: Connection, counted: Counted, *, next_seq: int, last_at: int) -> None:
    async with connection.pipeline():
        for table, rows in counted.sums().items():
            await _add(connection, _ADD[table], rows, list)
        await _add(connection, _ADD_HISTORIES, counted.told, _as_literal)
        await _add(connection, _MOVE_PROJECTED, counted.reached(), _as_literal)
        await connection.execute(_MOVE_PROJECTOR, (next_seq, last_at), prepare=True)


async def _add(
    connection: Connection,
    query: bytes,
    rows: Sequence[Row],
    as_array: Callable[[Sequence[Any]], object],
) -> None:
    if rows:
        columns = [as_array(column) for column in zip(*rows, strict=True)]
        await connection.execute(query, columns, prepare=True)


def _as_literal(column: Sequence[Any]) -> object:
    """An array of ids, numbers or words as PostgreSQL reads it: nothing that needs quoting.

    psycopg would look at each of a thousand elements anew, which takes longer than counting them.
    """
    return "{" + ",".join(["NULL" if each is None else str(each) for each in column]) + "}"
