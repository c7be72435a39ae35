"""A rebuild makes what is there, byte for byte, while people buy, and can be killed."""

import multiprocessing
import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final

import psycopg
import pytest
from box_office import verified
from counting import (
    COUNTED,
    Evening,
    bytes_of,
    count,
    do_everything_once,
    forget_all,
    number,
    open_the_doors,
    sell_what_can_be,
)
from served import Api, new_keys, served, violations

from projections import rebuild as rebuilding
from projections.rebuild import NeverFree, RebuildRunning, rebuild

INLINE: Final = {
    "streams": "stream_id",
    "bookings": "stream_id, booking_id",
    "holds": "stream_id, hold_id",
    "waiting_list": "stream_id, waiting_id",
    "seat_rows": "stream_id, position",
    "seat_claims": "stream_id, seat",
    "allotments": "stream_id, kind, name",
}
DERIVED: Final = INLINE | COUNTED

_SHAPE: Final = """
    SELECT relname, relkind::text, relowner::regrole::text, relacl::text, reloptions::text,
        (
            SELECT array_agg((attname, format_type(atttypid, atttypmod), attnotnull, attstorage,
                pg_get_expr(adbin, adrelid))::text ORDER BY attnum)
            FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
            WHERE attrelid = pg_class.oid AND attnum > 0
        ),
        (
            SELECT array_agg(conname || ' ' || pg_get_constraintdef(oid) ORDER BY conname)
            FROM pg_constraint WHERE conrelid = pg_class.oid
        ),
        CASE relkind WHEN 'i' THEN pg_get_indexdef(oid) END
    FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1
"""


def shape_of(url: str) -> list[tuple[object, ...]]:
    """Every table and index: columns, constraints, options, owner and privileges."""
    with psycopg.connect(url) as connection:
        return connection.execute(_SHAPE).fetchall()


def schemas(url: str) -> set[str]:
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_|^information_schema$'"
        )
        return {name for (name,) in rows}


def ruin(url: str) -> None:
    """Change something in every derived table, but the projector's place."""
    with psycopg.connect(url) as connection:
        connection.execute("SET LOCAL session_replication_role = replica")
        for table in DERIVED.keys() - {"projector"}:
            connection.execute(f"DELETE FROM {table} WHERE random() < 0.5".encode())  # noqa: S608


@pytest.mark.parametrize("processes", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_rebuild_comes_to_what_the_writer_and_the_projector_wrote_byte_for_byte(
    sold: str, monkeypatch: pytest.MonkeyPatch, processes: int
) -> None:
    count(sold)
    with psycopg.connect(sold) as connection:
        connection.execute("GRANT SELECT ON sales TO PUBLIC")
    before, shape = bytes_of(sold, DERIVED), shape_of(sold)
    assert all(before.values())
    ruin(sold)
    monkeypatch.setattr(rebuilding, "_PART_ENTRIES_MAX", 100)
    rebuild(sold, None, lambda _: None, processes=processes)
    assert bytes_of(sold, DERIVED) == before
    assert shape_of(sold) == shape
    assert schemas(sold) == {"public"}
    assert verified(sold).violations == []


def test_entries_that_have_no_number_yet_are_rebuilt_and_not_counted(
    sold: str, choose: random.Random
) -> None:
    count(sold)
    assert sell_what_can_be(sold, Evening(choose).batches(5)) > 0
    before = bytes_of(sold, DERIVED)
    rebuild(sold, None, lambda _: None)
    assert bytes_of(sold, DERIVED) == before
    assert_counted_as_from_the_beginning(sold)


def test_what_comes_while_it_works_is_folded_onto_what_it_made(
    database: str, choose: random.Random, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Entries of every kind, after the snapshot and before the swap, some of them numbered."""
    make_all, evening = rebuilding._make_all, Evening(choose)
    open_the_doors(database)
    sell_what_can_be(database, evening.batches(15))
    number(database)

    def make_all_and_sell(*arguments: object) -> object:
        made = make_all(*arguments)  # type: ignore[arg-type]
        assert sell_what_can_be(database, evening.batches(15)) > 15
        do_everything_once(database)
        number(database)
        assert sell_what_can_be(database, evening.batches(5)) > 0
        return made

    monkeypatch.setattr(rebuilding, "_make_all", make_all_and_sell)
    monkeypatch.setattr("projections.catch_up._ENTRIES_OF_A_STREAM_MAX", 7)
    rebuild(database, None, lambda _: None)
    assert verified(database).violations == []
    assert_counted_as_from_the_beginning(database)


def assert_counted_as_from_the_beginning(url: str) -> None:
    number(url)
    count(url)
    counted = bytes_of(url, COUNTED)
    forget_all(url)
    count(url)
    assert bytes_of(url, COUNTED) == counted


def test_bookings_and_reads_go_on_while_it_works(database: str) -> None:
    with served(database, None) as running, Api(running.url, new_keys(database)) as api:
        event_ids, user_id = [api.add_event(1_000_000) for _ in range(2)], api.add_user()
        is_over = threading.Event()
        statuses: list[int] = []

        def use(turn: int) -> None:
            while not is_over.is_set():
                turn += 1
                event_id = event_ids[turn % 2]
                booked = api.book(event_id, user_id)
                statuses.append(booked.status_code)
                statuses.append(api.nobody.get(f"/v1/events/{event_id}").status_code)
                if booked.status_code == 201 and turn % 3 == 0:
                    statuses.append(api.cancel(booked.json()["booking_id"]).status_code)
                revenue = api.organizer.get(f"/v1/events/{event_id}/revenue")
                statuses.append(revenue.status_code)

        with ThreadPoolExecutor(3) as threads:
            using = [threads.submit(use, turn) for turn in range(3)]
            try:
                for _ in range(3):
                    rebuild(database, None, lambda _: None)
            finally:
                is_over.set()
        for each in using:
            each.result()
        # Where the machine is too busy for the swap to be short, somebody may be told to try again.
        assert set(statuses) <= {200, 201, 503}
        assert statuses.count(503) * 20 < len(statuses)
        assert violations(database) == []
    assert_counted_as_from_the_beginning(database)


@contextmanager
def rebuilding_process(url: str, place: str) -> Iterator[None]:
    """A process that rebuilds and is killed (SIGKILL) when it has come to ``place``."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_rebuild_up_to, args=(url, place, there), daemon=True)
    process.start()
    try:
        assert here.poll(30)
        yield
    finally:
        process.kill()
        process.join()


def _rebuild_up_to(url: str, place: str, came: "multiprocessing.connection.Connection") -> None:
    def stop(*_: object, **__: object) -> object:
        came.send(place)
        threading.Event().wait()
        return None

    setattr(rebuilding, place, stop)
    rebuild(url, None, lambda _: None)


@pytest.mark.parametrize("place", ["_make_all", "_follow_and_swap"])
def test_a_killed_rebuild_leaves_what_was_there_and_the_next_one_goes_through(
    sold: str, place: str
) -> None:
    count(sold)
    before = bytes_of(sold, DERIVED)
    with rebuilding_process(sold, place):
        assert bytes_of(sold, DERIVED) == before
        with pytest.raises(RebuildRunning):
            rebuild(sold, None, lambda _: None)
    assert schemas(sold) == {"public", "rebuilding", "replaced"}
    assert bytes_of(sold, DERIVED) == before
    ruin(sold)
    while True:
        try:  # until the server has noticed that the process is gone
            rebuild(sold, None, lambda _: None)
            break
        except RebuildRunning:
            continue
    assert bytes_of(sold, DERIVED) == before
    assert schemas(sold) == {"public"}


def test_a_reader_that_does_not_end_is_not_waited_for_with_everybody_behind(
    sold: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuilding, "_LOCK_WAIT_MS", 20)
    monkeypatch.setattr(rebuilding, "_SWAPS_MAX", 3)
    before = bytes_of(sold, INLINE)
    with psycopg.connect(sold) as reader:
        reader.execute("SELECT count(*) FROM bookings")
        with pytest.raises(NeverFree):
            rebuild(sold, None, lambda _: None)
        assert bytes_of(sold, INLINE) == before
    assert schemas(sold) == {"public"}
    rebuild(sold, None, lambda _: None)
    assert bytes_of(sold, INLINE) == before
