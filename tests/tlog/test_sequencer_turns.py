"""Whose turn it is to number: late, frozen and killed sequencers, in processes as they are run."""

import asyncio
import re
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from time import monotonic
from typing import TYPE_CHECKING

import psycopg
import pytest
from log_client import LogClient
from samples import NOW
from served import Api, Served, count_entries, new_keys, request, served, violations, volley
from streams import Stream, assert_all_sequenced, connected, sequenced

from ledger.database import open_pool
from ledger.values import Instant
from projections.notes import VerifierKey
from projections.sequencer import (
    _ADVANCE_SEQUENCER,
    _LIMIT_TRANSACTION,
    _LOCK_SEQUENCER,
    _LOCK_WAIT_MS,
    _MARK_SEQUENCED,
    _NUMBER_ENTRIES,
    Sequencer,
)

if TYPE_CHECKING:
    from tests.conftest import RealServers

HOUR_US = 3_600_000_000


def test_a_sequencer_that_wakes_after_its_turn_writes_nothing(database: str) -> None:
    stream = Stream()
    with connected(database) as connection:
        stream.append(connection, 3)
        late = psycopg.connect(database, autocommit=True)
        cursor = psycopg.RawCursor(late)
        cursor.execute("BEGIN")
        cursor.execute(_LIMIT_TRANSACTION, (str(_LOCK_WAIT_MS), "50"))
        cursor.execute(_LOCK_SEQUENCER)
        # Its turn is over when the server says so: it never learns until it goes on.
        while connection.execute(
            "SELECT FROM pg_stat_activity WHERE pid = %s", (late.info.backend_pid,)
        ).fetchone():
            pass
        number(database, stream)
        order = sequenced(connection)
        assert len(order) == 3

        with pytest.raises(psycopg.errors.IdleInTransactionSessionTimeout):
            number_late(cursor, stream)

        late.close()
        assert sequenced(connection) == order
        assert_all_sequenced(connection)


def number_late(cursor: psycopg.RawCursor, stream: Stream) -> None:
    cursor.execute(_NUMBER_ENTRIES, ([stream.stream_id], 100))
    for step in (_MARK_SEQUENCED, _ADVANCE_SEQUENCER, b"COMMIT"):
        cursor.execute(step)


def number(url: str, *streams: Stream) -> None:
    async def run() -> None:
        async with open_pool(url, role="flashticket_app", size_max=1, name="turns") as pool:
            sequencer = Sequencer(pool)
            sequencer.notice(stream.stream_id for stream in streams)
            await sequencer.number()

    asyncio.run(run())


def test_entries_of_a_transaction_that_was_open_for_an_hour_are_numbered_when_it_commits(
    database: str,
) -> None:
    """Nothing is remembered of how old a transaction is: an hour is many turns and many ids."""
    held, others = Stream(at=Instant(NOW - HOUR_US)), [Stream() for _ in range(4)]
    turns = 150

    async def take_turns() -> None:
        async with open_pool(database, role="flashticket_app", size_max=1, name="turns") as pool:
            sequencer = Sequencer(pool)
            for turn in range(turns):
                others[turn % 4].append(connection)
                sequencer.notice([held.stream_id, *(each.stream_id for each in others)])
                assert await sequencer.number() == 1
                await sequencer.compare_a_page()

    with connected(database) as holder, connected(database) as connection:
        held.append(holder)  # scheduled, and committed
        with holder.transaction():
            held.append(holder, 5)
            before = connection.execute("SELECT pg_current_xact_id()::text::bigint").fetchone()
            for _ in range(2_000):
                connection.execute("SELECT pg_current_xact_id()")
            connection.execute("VACUUM sequence, ledger, sequenced, sequencer")
            number(database, held)
            asyncio.run(take_turns())
            after = connection.execute("SELECT pg_current_xact_id()::text::bigint").fetchone()
        number(database, held)

        assert before is not None
        assert after is not None
        assert after[0] - before[0] > 2_000
        assert sequenced(connection)[-5:] == [(held.stream_id, n) for n in range(2, 7)]
        assert len(sequenced(connection)) == 6 + turns
        assert_all_sequenced(connection)


# Two processes that serve, on one database and with the same keys.


@pytest.fixture(scope="module")
def pair(
    servers: "RealServers", migrated: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Served, Served, Api]]:
    """The database's URL, two processes, and clients of the second."""
    with ExitStack() as stack:
        database = servers.database_url(stack.enter_context(servers.fresh_database(migrated)))
        keys = {"log_key_dir": tmp_path_factory.mktemp("keys")}
        first = stack.enter_context(served(database, None, **keys))
        second = stack.enter_context(served(database, None, **keys))
        yield database, first, second, stack.enter_context(Api(second.url, new_keys(database)))


def book_at(shop: Served, api: Api, event_id: str, user_id: str, count: int) -> None:
    body = {"event_id": event_id, "user_id": user_id}
    wish = request("POST", "/v1/bookings", body, authorization=f"Bearer {api.keys['client']}")
    assert {reply.status for reply in volley(shop.port, [wish] * count)} == {201}


def lag_seconds(api: Api) -> float:
    found = re.search(r"^flashticket_log_lag_seconds (\S+)$", api.nobody.get("/metrics").text, re.M)
    assert found
    return float(found[1])


def test_the_lag_is_a_metric_that_grows_while_nobody_can_number_and_is_none_afterwards(
    pair: tuple[str, Served, Served, Api],
) -> None:
    database, *_, api = pair
    event_id, (user_id,) = api.add_event(10), api.add_users(1)
    with connected(database) as other:
        with other.transaction():
            other.execute("SELECT FROM sequencer FOR UPDATE")
            assert api.book(event_id, user_id).status_code == 201
            while lag_seconds(api) < 1.5:
                pass
        while lag_seconds(api) > 0:
            pass
        assert_all_sequenced(other)


def test_when_the_process_whose_turn_it_was_freezes_or_dies_the_other_takes_over_in_five_seconds(
    pair: tuple[str, Served, Served, Api],
) -> None:
    database, first, second, api = pair
    event_id, (user_id,) = api.add_event(1_000), api.add_users(1)
    log = LogClient(api.nobody, VerifierKey.parse(api.nobody.get("/tlog/keys").text.strip()))
    for blow in (signal.SIGSTOP, signal.SIGKILL):
        book_at(first, api, event_id, user_id, 40)  # numbered by the first, or not any more
        first.process.send_signal(blow)
        struck_at = monotonic()
        log.checkpoint_of(count_entries(database))
        assert monotonic() - struck_at < 5

        book_at(second, api, event_id, user_id, 10)
        log.checkpoint_of(count_entries(database))
        if blow is signal.SIGSTOP:
            first.process.send_signal(signal.SIGCONT)
    first.process.wait()

    with connected(database) as connection:
        assert_all_sequenced(connection)
    assert violations(database) == []
