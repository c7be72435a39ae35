"""Statements in one round trip: what they return, and what a failure leaves behind."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
import pytest

from ledger.database import Connection
from ledger.pipeline import Pipeline, Statement


@asynccontextmanager
async def connected(database: str) -> AsyncIterator[Connection]:
    connection = await psycopg.AsyncConnection.connect(database, autocommit=True)
    async with connection:
        yield connection


def test_each_statement_has_its_own_answer(module_database: str) -> None:
    async def run() -> list[object]:
        async with connected(module_database) as connection:
            pipeline = Pipeline(connection)
            one = pipeline.send(Statement.bare("SELECT $1 + 1", "int8"), 41)
            none = pipeline.send(Statement.bare("SELECT 1 WHERE false"))
            two = pipeline.send(Statement.bare("SELECT unnest($1)", "text[]"), ["a", None, "ü"])
            await pipeline.run()
            return [one.rows, none.rows, two.rows]

    assert asyncio.run(run()) == [[(42,)], [], [("a",), (None,), ("ü",)]]


def test_of_several_that_fail_the_first_is_told_and_those_behind_it_do_not_run(
    module_database: str,
) -> None:
    async def run() -> tuple[str | None, list[object]]:
        async with connected(module_database) as connection:
            pipeline = Pipeline(connection)
            pipeline.send(Statement.bare("BEGIN"))
            pipeline.send(Statement.bare("SELECT 1 / $1", "int4"), 0)
            behind = pipeline.send(Statement.bare("SELECT no_such_function()"))
            with pytest.raises(psycopg.Error) as failure:
                await pipeline.run()
            await connection.execute("ROLLBACK")
            again = Pipeline(connection)
            answer = again.send(Statement.bare("SELECT 1 / $1", "int4"), 1)
            await again.run()
            return failure.value.sqlstate, [behind.rows, answer.rows]

    assert asyncio.run(run()) == ("22012", [(), [(1,)]])


def test_more_than_a_socket_holds_goes_through_in_both_directions(module_database: str) -> None:
    # Each side would wait for the other to read, were only one direction looked after.
    large = ["x" * 1_000_000] * 4

    async def run() -> list[object]:
        async with connected(module_database) as connection:
            pipeline = Pipeline(connection)
            answers = [
                pipeline.send(Statement.bare("SELECT unnest($1)", "text[]"), large)
                for _ in range(4)
            ]
            await asyncio.wait_for(pipeline.run(), 30)
            return [answer.rows for answer in answers]

    assert asyncio.run(run()) == [[(each,) for each in large]] * 4


def test_a_run_that_is_left_closes_its_connection(module_database: str) -> None:
    # The answers still on their way would be taken for those of whoever has it next.
    async def run() -> bool:
        async with (
            connected(module_database) as holder,
            connected(module_database) as connection,
        ):
            await holder.execute("SELECT pg_advisory_lock(7)")
            pipeline = Pipeline(connection)
            pipeline.send(Statement.bare("SELECT pg_advisory_lock($1)", "int8"), 7)
            running = asyncio.create_task(pipeline.run())
            async with asyncio.timeout(10):
                while True:
                    cursor = await holder.execute(
                        "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
                    )
                    if await cursor.fetchone():
                        break
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            return connection.closed

    assert asyncio.run(run())


def test_what_cannot_be_packed_leaves_the_connection_as_it_was(module_database: str) -> None:
    async def run() -> list[object]:
        async with connected(module_database) as connection:
            pipeline = Pipeline(connection)
            pipeline.send(Statement.bare("BEGIN"))
            with pytest.raises(struct.error):
                pipeline.send(Statement.bare("SELECT $1", "int4"), 2**40)
            cursor = await connection.execute("SELECT 1")
            return list(await cursor.fetchall())

    assert asyncio.run(run()) == [(1,)]
