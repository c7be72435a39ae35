"""The global order: nothing is skipped, whatever commits late, fails or dies on the way."""

import asyncio
import multiprocessing
import random
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from copy import copy
from time import monotonic
from typing import TypeVar

import psycopg
import pytest
from samples import new_event_id
from streams import Stream, assert_all_sequenced, connected, in_ledger, sequenced

from ledger.database import Pool, StreamLocked, open_pool
from projections.sequencer import (
    _LIMIT_TRANSACTION,
    _LOCK_SEQUENCER,
    _LOCK_WAIT_MS,
    _STATEMENT_MS_MAX,
    Sequencer,
)

Result = TypeVar("Result")

ROLE = "flashticket_app"


def with_pool(url: str, work: Callable[[Pool], Awaitable[Result]]) -> Result:
    async def run() -> Result:
        async with open_pool(url, role=ROLE, size_max=4, name="sequencer") as pool:
            return await work(pool)

    return asyncio.run(run())


def sequence_what_is_found(url: str) -> int:
    """Numbers everything that comparing the streams with their marks finds."""

    async def work(pool: Pool) -> int:
        sequencer = Sequencer(pool)
        await sequencer.compare_a_page()
        return await sequencer.number()

    return with_pool(url, work)


def sequence_noticed(url: str, *streams: Stream) -> int:
    """Numbers what the streams named have new."""

    async def work(pool: Pool) -> int:
        sequencer = Sequencer(pool)
        sequencer.notice(stream.stream_id for stream in streams)
        return await sequencer.number()

    return with_pool(url, work)


def test_numbers_are_dense_from_zero_and_follow_each_streams_versions(database: str) -> None:
    streams = [Stream() for _ in range(5)]
    with connected(database) as connection:
        for _ in range(3):
            for stream in streams:
                stream.append(connection, 2)
            assert sequence_noticed(database, *streams) == 10

        assert_all_sequenced(connection)


def test_an_entry_gets_its_number_once(database: str) -> None:
    stream = Stream()
    with connected(database) as connection:
        stream.append(connection, 3)
        assert sequence_noticed(database, stream) == 3
        before = sequenced(connection)

        assert sequence_noticed(database, stream) == 0
        assert sequence_what_is_found(database) == 0

        assert sequenced(connection) == before


def test_a_stream_that_does_not_exist_is_no_obstacle(database: str) -> None:
    stream = Stream()
    with connected(database) as connection:
        stream.append(connection)

        async def work(pool: Pool) -> int:
            sequencer = Sequencer(pool)
            sequencer.notice([new_event_id(), stream.stream_id])
            return await sequencer.number()

        assert with_pool(database, work) == 1


def test_what_nobody_was_told_of_is_found_page_by_page(
    database: str, choose: random.Random, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("projections.sequencer._PAGE_STREAMS", 3)
    streams = [Stream() for _ in range(10)]
    with connected(database) as connection:
        for stream in streams:
            stream.append(connection)
        sequence_noticed(database, *streams)
        for stream in choose.sample(streams, 4):
            stream.append(connection)

        async def work(pool: Pool) -> int:
            sequencer = Sequencer(pool)
            for _ in range(4):
                await sequencer.compare_a_page()
            return await sequencer.number()

        assert with_pool(database, work) == 4
        assert_all_sequenced(connection)


def test_comparing_begins_again_after_the_last_page(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("projections.sequencer._PAGE_STREAMS", 3)
    streams = [Stream() for _ in range(4)]
    with connected(database) as connection:
        for stream in streams:
            stream.append(connection)

        async def work(pool: Pool) -> list[int]:
            numbered = []
            sequencer = Sequencer(pool)
            for _ in range(2):
                for _ in range(3):
                    await sequencer.compare_a_page()
                numbered.append(await sequencer.number())
                for stream in streams:
                    stream.append(connection)
            return numbered

        assert with_pool(database, work) == [4, 4]


def test_a_long_backlog_is_numbered_in_parts(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("projections.sequencer._ENTRIES_MAX", 10)
    monkeypatch.setattr("projections.sequencer._STREAMS_MAX", 2)
    long, short, third = Stream(), Stream(), Stream()
    with connected(database) as connection:
        long.append(connection, 23)
        short.append(connection, 4)
        third.append(connection, 1)

        async def work(pool: Pool) -> list[int]:
            sequencer = Sequencer(pool)
            sequencer.notice([long.stream_id, short.stream_id, third.stream_id])
            numbered = []
            while sequencer.has_news:
                numbered.append(await sequencer.number())
            return numbered

        numbered = with_pool(database, work)

        assert len(numbered) > 2
        assert sum(numbered) == 28
        assert_all_sequenced(connection)


def test_a_transaction_held_open_delays_its_own_entries_and_no_others(database: str) -> None:
    """The error of tailing a sequence column: what commits late is behind the reader already."""
    held, other = Stream(), Stream()
    with connected(database) as holder, connected(database) as connection:
        with connection.transaction():
            held.append(connection, 2)
        sequence_noticed(database, held)
        with holder.transaction():
            held.append(holder, 3)
            for _ in range(5):
                other.append(connection, 10)
                assert sequence_noticed(database, held, other) == 10
            assert len(sequenced(connection)) == 52

        assert sequence_noticed(database, held) == 3
        assert sequenced(connection)[-3:] == [(held.stream_id, v) for v in (3, 4, 5)]
        assert_all_sequenced(connection)


def test_ten_thousand_rolled_back_entries_leave_no_gap(database: str) -> None:
    streams = [Stream() for _ in range(4)]
    with connected(database) as connection:
        for _ in range(5):
            for stream in streams:
                stream.append(connection)
                for abandoned in (copy(stream), Stream()):
                    with connection.transaction(force_rollback=True):
                        abandoned.append(connection, 250)
            sequence_what_is_found(database)

        assert len(sequenced(connection)) == 20
        assert_all_sequenced(connection)


def test_fifty_streams_that_commit_after_random_delays_are_all_sequenced(
    database: str, choose: random.Random
) -> None:
    with connected(database) as connection:
        # Within COMMIT itself, after the last statement: entries become visible in any order.
        connection.execute(
            "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN PERFORM pg_sleep(random() * 0.02); RETURN NULL; END $$"
        )
        connection.execute(
            "CREATE CONSTRAINT TRIGGER dawdle AFTER INSERT ON ledger DEFERRABLE INITIALLY DEFERRED"
            " FOR EACH ROW EXECUTE FUNCTION dawdle()"
        )
        streams = [Stream() for _ in range(50)]
        turns = [[stream for stream in streams[n::10] for _ in range(8)] for n in range(10)]
        for of_one_writer in turns:
            choose.shuffle(of_one_writer)
        writing = [threading.Thread(target=write, args=(database, turn)) for turn in turns]
        for thread in writing:
            thread.start()

        async def work(pool: Pool) -> None:
            sequencers = [Sequencer(pool) for _ in range(2)]
            while any(thread.is_alive() for thread in writing):
                for sequencer in sequencers:
                    sequencer.notice(stream.stream_id for stream in streams)
                await asyncio.gather(*[sequencer.number() for sequencer in sequencers])

        with_pool(database, work)
        for thread in writing:
            thread.join()
        sequence_noticed(database, *streams)

        assert len(in_ledger(connection)) == 50 * 8
        assert_all_sequenced(connection)


def write(url: str, turns: list[Stream]) -> None:
    with connected(url) as connection:
        for stream in turns:
            with connection.transaction():
                stream.append(connection)


def test_two_sequencers_at_once_give_one_order(database: str) -> None:
    streams = [Stream() for _ in range(20)]
    with connected(database) as connection:
        for stream in streams:
            stream.append(connection, 20)
        start = threading.Barrier(4)
        numbered: list[int] = []

        def run() -> None:
            start.wait()
            numbered.append(sequence_noticed(database, *streams))

        threads = [threading.Thread(target=run) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert sum(numbered) == 400
        assert_all_sequenced(connection)


def test_a_sequencer_whose_turn_does_not_come_says_so_and_forgets_nothing(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("projections.sequencer._LOCK_WAIT_MS", 20)
    stream = Stream()
    with connected(database) as connection, connected(database) as other:
        stream.append(connection)

        async def work(pool: Pool) -> None:
            sequencer = Sequencer(pool)
            sequencer.notice([stream.stream_id])
            with other.transaction():
                other.execute("SELECT FROM sequencer FOR UPDATE")
                with pytest.raises(StreamLocked):
                    await sequencer.number()
            assert sequencer.has_news
            assert await sequencer.number() == 1

        with_pool(database, work)
        assert_all_sequenced(connection)


@pytest.fixture
def number_forever(database: str) -> Iterator[Callable[[], multiprocessing.process.BaseProcess]]:
    """Starts a process that does nothing but find and number entries."""
    context = multiprocessing.get_context("spawn")
    running: list[multiprocessing.process.BaseProcess] = []

    def start() -> multiprocessing.process.BaseProcess:
        process = context.Process(target=_number_forever, args=(database,), daemon=True)
        process.start()
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.join()


def _number_forever(url: str) -> None:
    async def work(pool: Pool) -> None:
        sequencer = Sequencer(pool)
        while True:
            await sequencer.compare_a_page()
            await sequencer.number()

    with_pool(url, work)


def test_killed_at_any_point_another_goes_on_without_a_gap_or_a_double(
    database: str,
    choose: random.Random,
    number_forever: Callable[[], multiprocessing.process.BaseProcess],
) -> None:
    streams = [Stream() for _ in range(10)]
    with connected(database) as connection:
        for _ in range(5):
            process = number_forever()
            before = len(sequenced(connection))
            while len(sequenced(connection)) == before:
                choose.choice(streams).append(connection)
            for _ in range(choose.randrange(30)):
                choose.choice(streams).append(connection, choose.randrange(1, 30))
            process.kill()
            process.join()
        sequence_what_is_found(database)

        assert_all_sequenced(connection)


def test_another_takes_over_within_five_seconds_when_one_freezes_in_its_turn(
    database: str,
) -> None:
    stream = Stream()
    with connected(database) as connection, connected(database) as frozen:
        stream.append(connection)
        frozen.execute("BEGIN")
        psycopg.RawCursor(frozen).execute(
            _LIMIT_TRANSACTION, (str(_LOCK_WAIT_MS), str(_STATEMENT_MS_MAX))
        )
        psycopg.RawCursor(frozen).execute(_LOCK_SEQUENCER)
        frozen_at = monotonic()

        async def work(pool: Pool) -> None:
            sequencer = Sequencer(pool)
            sequencer.notice([stream.stream_id])
            while sequencer.has_news:
                with suppress(StreamLocked):
                    await sequencer.number()

        with_pool(database, work)

        assert monotonic() - frozen_at < 5
        assert_all_sequenced(connection)
        frozen.close()  # or leaving it would raise what it was told


def test_the_order_cannot_be_changed_by_the_application(database: str) -> None:
    stream = Stream()
    with connected(database) as connection:
        stream.append(connection)
        sequence_noticed(database, stream)
        connection.execute("SET ROLE flashticket_app")
        for change in (
            "UPDATE sequence SET seq = 7",
            "DELETE FROM sequence",
            "TRUNCATE sequence",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(change)
