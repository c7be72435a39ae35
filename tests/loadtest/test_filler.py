"""A filled ledger must be one that the product itself could have written."""

import asyncio
from pathlib import Path

import psycopg
import pytest

from api.demo import Seeded, seed
from api.verification import verify_database
from ledger.database import open_pool
from loadtest.filler import FREE_PLACES, fill
from projections.log_keys import LogKeys
from projections.projector import Projector
from projections.tlog import TransparencyLog

EVENTS, ENTRIES_EACH = 3, 700
"""Enough for full tiles and one that is not."""

READ_COUNTED_OF_EVENTS = [
    "SELECT * FROM sales WHERE stream_id = ANY(%s::uuid[]) ORDER BY stream_id, minute_us",
    "SELECT * FROM revenue WHERE stream_id = ANY(%s::uuid[]) ORDER BY stream_id",
    "SELECT * FROM occupancy WHERE stream_id = ANY(%s::uuid[]) ORDER BY stream_id",
    "SELECT * FROM histories WHERE stream_id = ANY(%s::uuid[]) ORDER BY seq",
    "SELECT * FROM projected WHERE stream_id = ANY(%s::uuid[]) ORDER BY stream_id",
]
FORGET_COUNTS = """
TRUNCATE sales, revenue, occupancy, histories, projected;
UPDATE projector SET next_seq = 0
"""


@pytest.fixture(scope="module")
def filled(module_database: str) -> tuple[str, Seeded, list[str]]:
    made = asyncio.run(seed(module_database, role=None, users=7, capacity=1_000_000))
    event_ids = fill(
        module_database,
        venue_id=str(made.venue_id),
        users=list(map(str, made.user_ids)),
        streams=EVENTS,
        entries_each=ENTRIES_EACH,
        processes=2,
    )
    return module_database, made, event_ids


def test_a_filled_ledger_keeps_every_rule_and_goes_on(
    filled: tuple[str, Seeded, list[str]], tmp_path: Path
) -> None:
    url, _, _ = filled
    keys = LogKeys(tmp_path / "keys", "filled.example/log")

    async def catch_up() -> int:
        async with open_pool(url, role="flashticket_app", size_max=2, name="test") as pool:
            await TransparencyLog(pool, keys).catch_up_with_all()
            return await Projector(pool).advance()

    assert asyncio.run(catch_up()) == 1, "the seed's event is all that was not counted"
    report = verify_database(url, None, keys=keys.verifying())
    assert report.violations == []
    # The seed's own event beside them.
    assert (report.streams, report.entries) == (EVENTS + 1, EVENTS * ENTRIES_EACH + 1)
    assert report.bookings == EVENTS * (ENTRIES_EACH - 1)


def test_what_is_counted_is_what_the_projector_counts(
    filled: tuple[str, Seeded, list[str]],
) -> None:
    url, _, event_ids = filled

    def counted() -> list[list[tuple[object, ...]]]:
        with psycopg.connect(url) as connection:
            return [
                connection.execute(read, [event_ids]).fetchall() for read in READ_COUNTED_OF_EVENTS
            ]

    async def count() -> None:
        async with open_pool(url, role="flashticket_app", size_max=1, name="test") as pool:
            projector = Projector(pool)
            while await projector.advance():
                pass

    before = counted()
    with psycopg.connect(url) as connection:
        connection.execute(FORGET_COUNTS)
    asyncio.run(count())
    assert all(before)
    assert counted() == before


def test_the_keys_of_the_tables_are_there_again(
    filled: tuple[str, Seeded, list[str]], database: str
) -> None:
    def indexes(url: str) -> list[tuple[str, ...]]:
        with psycopg.connect(url) as connection:
            return connection.execute(
                "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1"
            ).fetchall()

    assert indexes(filled[0]) == indexes(database)


def test_filled_events_have_places_left(filled: tuple[str, Seeded, list[str]]) -> None:
    url, _, event_ids = filled
    with psycopg.connect(url) as connection:
        left = connection.execute(
            "SELECT DISTINCT capacity - booked FROM streams WHERE stream_id = ANY(%s::uuid[])",
            [event_ids],
        ).fetchall()
    assert left == [(FREE_PLACES,)]
