"""Everything but the ledger can be lost and made again from it."""

from typing import Any, Final
from uuid import UUID

import psycopg
import pytest
from box_office import register, sell, verified
from redis import Redis
from samples import BOB, book, cancel, resize, schedule, submit

from ledger.replay import Broken
from ledger.values import BookingId, EventId
from projections.rebuild import rebuild

EVENT: Final = EventId(UUID(int=0x20))
FIRST: Final = BookingId(UUID(int=0x31))

DERIVED: Final = ("streams", "bookings")


@pytest.fixture
def sold(database: str) -> str:
    """A database with two events and some of everything that can happen to a booking."""
    register(database)
    sell(
        database,
        submit(schedule(EventId(UUID(int=0x10)))),
        submit(schedule(EVENT, capacity=5, limit_per_user=4)),
        submit(book(2, event_id=EVENT, booking_id=FIRST), key="k"),
        submit(book(1, event_id=EVENT, user_id=BOB)),
        submit(cancel(FIRST, event_id=EVENT)),
        submit(resize(6, event_id=EVENT)),
        submit(book(3, event_id=EVENT)),
    )
    return database


def rows_of(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """All rows derived from the ledger."""
    with psycopg.connect(url) as connection:
        return {
            "streams": connection.execute("SELECT * FROM streams ORDER BY 1, 2").fetchall(),
            "bookings": connection.execute("SELECT * FROM bookings ORDER BY 1, 2").fetchall(),
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
        "TRUNCATE streams, bookings",
    ],
)
def test_rows_that_were_damaged_are_as_they_were_after_a_rebuild(sold: str, damage: str) -> None:
    before = rows_of(sold)
    execute(sold, damage)
    assert verified(sold).violations
    assert rebuild(sold, None, lambda _: None) == 2
    assert verified(sold).violations == []
    assert rows_of(sold) == before


def test_a_rebuild_of_what_is_whole_changes_nothing(sold: str) -> None:
    before = rows_of(sold)
    rebuild(sold, None, lambda _: None)
    assert rows_of(sold) == before


def test_bookings_go_on_after_a_rebuild(sold: str) -> None:
    execute(sold, "TRUNCATE streams, bookings")
    rebuild(sold, None, lambda _: None)
    sell(sold, submit(book(2, event_id=EVENT, user_id=BOB)))
    assert verified(sold).violations == []


def test_an_empty_ledger_rebuilds_to_nothing(database: str) -> None:
    assert rebuild(database, None, lambda _: None) == 0
    assert rows_of(database) == {table: [] for table in DERIVED}


def test_what_redis_kept_is_forgotten(sold: str, redis_url: str) -> None:
    with Redis.from_url(redis_url) as redis:
        redis.set(f"{{flashticket}}:head:{EVENT}", "99 6 0 0 0")
        redis.set("other", "kept")
        rebuild(sold, redis_url, lambda _: None)
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


def test_progress_counts_every_entry(sold: str) -> None:
    told: list[int] = []
    rebuild(sold, None, told.append)
    assert sum(told) == verified(sold).entries
