"""Everything but the ledger can be lost and made again from it."""

from typing import Any, Final
from uuid import UUID

import psycopg
import pytest
from box_office import register, sell, verified
from psycopg import sql
from redis import Redis
from samples import BOB, book, cancel, resize, schedule, submit

from ledger.commands import BookSeats, HoldSeats, JoinWaitingList
from ledger.records import Category, Quota, SeatRow
from ledger.replay import Broken
from ledger.values import BookingId, EventId, HoldId, WaitingId
from projections.rebuild import rebuild

EVENT: Final = EventId(UUID(int=0x20))
FIRST: Final = BookingId(UUID(int=0x31))

DERIVED: Final = (
    "streams",
    "bookings",
    "holds",
    "waiting_list",
    "seat_rows",
    "seat_claims",
    "allotments",
)


@pytest.fixture(scope="module")
def whole(module_database: str) -> str:
    """As `sold`, for tests that leave it as it was."""
    fill(module_database)
    return module_database


@pytest.fixture
def sold(database: str) -> str:
    """A database with two events and some of everything that leaves rows behind."""
    fill(database)
    return database


def fill(database: str) -> None:
    register(database)
    seats = SeatRow("", "1", "front", ("A1", "A2", "A3"))
    sell(
        database,
        submit(
            schedule(
                EventId(UUID(int=0x10)),
                capacity=3,
                categories=(Category("front", 500, 3),),
                quotas=(Quota("all", 3, ("front",)),),
                seat_rows=(seats,),
            )
        ),
        submit(BookSeats(EventId(UUID(int=0x10)), BookingId(UUID(int=0x32)), BOB, 2)),
        submit(HoldSeats(EventId(UUID(int=0x10)), HoldId(UUID(int=0x41)), BOB, 1)),
        submit(JoinWaitingList(EventId(UUID(int=0x10)), WaitingId(UUID(int=0x51)), BOB, 1)),
        submit(schedule(EVENT, capacity=5, limit_per_user=4)),
        submit(book(2, event_id=EVENT, booking_id=FIRST), key="k"),
        submit(book(1, event_id=EVENT, user_id=BOB)),
        submit(cancel(FIRST, event_id=EVENT)),
        submit(resize(6, event_id=EVENT)),
        submit(book(3, event_id=EVENT)),
    )


def rows_of(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """All rows derived from the ledger."""
    with psycopg.connect(url) as connection:
        return {
            table: connection.execute(
                sql.SQL("SELECT * FROM {} ORDER BY 1, 2, 3").format(sql.Identifier(table))
            ).fetchall()
            for table in DERIVED
        }


def execute(url: str, statement: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("SET LOCAL session_replication_role = replica")
        connection.execute(statement.encode())


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM streams",
        "DELETE FROM bookings",
        "UPDATE streams SET booked = 0",
        "UPDATE bookings SET status = 'cancelled'",
        "UPDATE bookings SET quantity = quantity + 1",
        "UPDATE bookings SET seats = '[]'",
        "DELETE FROM holds",
        "UPDATE holds SET expires_at_us = 0",
        "DELETE FROM waiting_list",
        "DELETE FROM seat_rows",
        "DELETE FROM seat_claims WHERE seat = 'A1'",
        "UPDATE allotments SET taken = 0",
        "TRUNCATE streams, bookings, holds, waiting_list, seat_rows, seat_claims, allotments",
    ],
)
def test_rows_that_were_damaged_are_as_they_were_after_a_rebuild(whole: str, damage: str) -> None:
    before = rows_of(whole)
    execute(whole, damage)
    assert verified(whole).violations
    assert rebuild(whole, None, lambda _: None).streams == 2
    assert verified(whole).violations == []
    assert rows_of(whole) == before


def test_there_are_rows_in_every_table_to_be_rebuilt(whole: str) -> None:
    assert all(rows_of(whole).values())


def test_a_rebuild_of_what_is_whole_changes_nothing(whole: str) -> None:
    before = rows_of(whole)
    rebuild(whole, None, lambda _: None)
    assert rows_of(whole) == before


def test_bookings_go_on_after_a_rebuild(sold: str) -> None:
    execute(sold, "TRUNCATE streams, bookings")
    rebuild(sold, None, lambda _: None)
    sell(sold, submit(book(2, event_id=EVENT, user_id=BOB)))
    assert verified(sold).violations == []


def test_an_empty_ledger_rebuilds_to_nothing(database: str) -> None:
    assert rebuild(database, None, lambda _: None).streams == 0
    assert rows_of(database) == {table: [] for table in DERIVED}


def test_what_redis_kept_is_forgotten(whole: str, redis_url: str) -> None:
    with Redis.from_url(redis_url) as redis:
        redis.set(f"{{flashticket}}:head:{EVENT}", "99 6 0 0 0")
        redis.set("other", "kept")
        rebuild(whole, redis_url, lambda _: None)
        assert redis.get(f"{{flashticket}}:head:{EVENT}") is None
        assert redis.get("other") == b"kept"


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE ledger SET hash = sha256('') WHERE version = 6",
        "UPDATE ledger SET payload = '{}' WHERE version = 6",
        "DELETE FROM ledger WHERE version = 2",
    ],
)
def test_a_broken_ledger_is_not_rebuilt_from_and_everything_stays_as_it_was(
    sold: str, redis_url: str, damage: str
) -> None:
    execute(sold, damage)
    execute(sold, "UPDATE bookings SET quantity = quantity + 1")
    before = rows_of(sold)
    with Redis.from_url(redis_url) as redis:
        redis.set(f"{{flashticket}}:head:{EVENT}", "1 1 1 1 1")
        with pytest.raises(Broken):
            rebuild(sold, redis_url, lambda _: None)
        assert redis.get(f"{{flashticket}}:head:{EVENT}") == b"1 1 1 1 1"
    assert rows_of(sold) == before


def test_progress_counts_every_entry(whole: str) -> None:
    told: list[int] = []
    rebuild(whole, None, told.append)
    assert sum(told) == verified(whole).entries
