"""Counting: exactly once, whoever counts, in whatever portions, and whoever is killed."""

import asyncio
import multiprocessing
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, get_args

import psycopg
import pytest
from counting import (
    COUNTED,
    PEOPLE,
    SEATED,
    SORTED,
    bytes_of,
    count,
    forget_all,
    number,
    position,
    sell_what_can_be,
    with_pool,
)
from served import count_entries

from ledger.commands import ChangeCapacity
from ledger.database import DatabaseUnavailable, Pool
from ledger.entries import Entry
from ledger.records import Booking, WaitingStatus
from ledger.state import State
from ledger.values import EPOCH, EventId, UserId
from ledger.verify import replay, snapshot
from projections import projector
from projections.figures import Figures, FiguresOf, Sold, Step
from projections.projector import Projector, Uncountable
from projections.tree import EntriesMissing


def test_the_evening_has_entries_of_every_type(sold: str) -> None:
    with psycopg.connect(sold) as connection:
        types = {name for (name,) in connection.execute("SELECT DISTINCT type FROM ledger")}
    assert types == {each.__name__ for each in get_args(Entry)}


def states(url: str) -> dict[EventId, State]:
    """Each event's state, folded by the rules that replay goes by."""
    with snapshot(url) as connection:
        return {stream.stream_id: stream.state for stream in replay(connection, None, None)}


def test_all_figures_are_those_of_the_state_that_the_entries_come_to(sold: str) -> None:
    count(sold)

    async def work(pool: Pool) -> None:
        figures = FiguresOf(pool)
        for event_id, state in states(sold).items():
            revenue = await figures.revenue(event_id)
            assert revenue is not None
            live = sum(each.booked - each.cancelled for each in revenue.items)
            assert live == state.booked
            cents = sum(each.booked_cents - each.cancelled_cents for each in revenue.items)
            assert cents == sum(map(_paid_for(state), state.bookings.values()))

            sales = await figures.sales(event_id, EPOCH, 10_000)
            assert sales is not None
            by_category: Counter[Any] = Counter()
            for minute in sales.items:
                for sold_then in minute.sold:
                    by_category[sold_then.category] += sold_then.booked - sold_then.cancelled
            assert by_category == {
                each.category: each.booked - each.cancelled for each in revenue.items
            }

            occupancy = await figures.occupancy(event_id)
            assert occupancy is not None
            assert state.terms is not None
            assert occupancy.capacity == state.terms.capacity
            assert sum(each.booked for each in occupancy.items) == state.booked
            assert sum(each.held for each in occupancy.items) == state.held

            line = await figures.line_lengths(event_id)
            assert line is not None
            waiting = [each for each in state.line.values() if each.status is WaitingStatus.WAITING]
            assert sum(each.waiting for each in line.items) == len(waiting)
            assert sum(each.places for each in line.items) == sum(w.quantity for w in waiting)

    with_pool(sold, work)


def _paid_for(state: State) -> Any:
    """What the live tickets of a booking cost, by the prices of the terms."""
    assert state.terms is not None
    prices = {each.name: each.price_cents for each in state.terms.categories}
    rows = () if state.layout is None else state.layout.rows
    category_of = {seat: row.category for row in rows for seat in row.seats}

    def paid(booking: Booking) -> int:
        names = [
            category_of[booking.seats[ticket - 1]] if booking.seats else booking.category
            for ticket in booking.live_tickets
        ]
        return sum(0 if name is None else prices[name] for name in names)

    return paid


def test_what_is_taken_of_a_section_are_the_claims_on_its_seats(sold: str) -> None:
    count(sold)
    state = states(sold)[SEATED]
    assert state.layout is not None
    claims = Counter(
        row.section for row in state.layout.rows for seat in row.seats if seat in state.claims
    )
    occupancy = with_pool(sold, lambda pool: FiguresOf(pool).occupancy(SEATED))
    assert occupancy is not None
    taken = {each.name: each.booked + each.held for each in occupancy.items}
    # Standing room is outside of any section, like the box.
    standing = state.booked + state.held - len(state.claims)
    assert taken == {"stalls": claims["stalls"], "balcony": claims["balcony"]} | {
        "": claims[""] + standing
    }
    assert {each.name: each.seats for each in occupancy.items} == {
        "stalls": 8,
        "balcony": 3,
        "": 1,
    }


def test_a_history_has_every_entry_that_names_the_user_once_and_in_order(sold: str) -> None:
    count(sold)
    with psycopg.connect(sold) as connection:
        named = connection.execute(
            "SELECT seq, (convert_from(payload, 'UTF8')::jsonb) FROM sequence"
            " JOIN ledger USING (stream_id, version) ORDER BY seq"
        ).fetchall()
    for user_id in PEOPLE:
        expected = [
            seq
            for seq, fields in named
            if str(user_id)
            in {fields.get(each) for each in ("user_id", "from_user_id", "to_user_id")}
        ]
        history = with_pool(sold, partial(_history, user_id=user_id))
        assert history is not None
        assert [step.seq for step in history.items] == expected
        assert expected
        assert history.version == len(named)


async def _history(pool: Pool, user_id: UserId) -> Figures[Step] | None:
    return await FiguresOf(pool).history(user_id, -1, 9_999)


def test_portions_make_no_difference(sold: str, monkeypatch: pytest.MonkeyPatch) -> None:
    count(sold)
    at_once = bytes_of(sold, COUNTED)
    for portion in (1_000, 17, 1):
        monkeypatch.setattr(projector, "_ENTRIES_MAX", portion)
        forget_all(sold)
        assert count(sold) == count_entries(sold)
        assert bytes_of(sold, COUNTED) == at_once


def _count_forever(url: str, portion: int) -> None:
    projector._ENTRIES_MAX = portion  # type: ignore[misc]

    async def work(pool: Pool) -> None:
        counting = Projector(pool)
        while True:
            await counting.advance()

    with_pool(url, work)


@contextmanager
def counting_process(url: str, portion: int) -> Iterator[None]:
    """A process that does nothing but count, killed (SIGKILL) at the end of the block."""
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_count_forever, args=(url, portion), daemon=True)
    process.start()
    try:
        yield
    finally:
        process.kill()
        process.join()


def test_killed_at_any_point_every_entry_is_counted_exactly_once(
    sold: str, choose: random.Random
) -> None:
    count(sold)
    never_killed = bytes_of(sold, COUNTED)
    forget_all(sold)
    entries, kills = count_entries(sold), 0
    while position(sold) < entries // 2:
        until = position(sold) + choose.randrange(entries // 6, entries // 3)
        with counting_process(sold, choose.randrange(1, 5)):
            while position(sold) < until:
                pass
        kills += 1
        assert position(sold) < entries, "it was killed midway"
    assert kills >= 2
    count(sold)
    assert bytes_of(sold, COUNTED) == never_killed


def test_what_fails_between_effect_and_position_leaves_neither(
    sold: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(projector, "_ENTRIES_MAX", 50)

    before = bytes_of(sold, COUNTED)
    fail = b"SELECT 1 / ($1::bigint - $1), $2::bigint"
    monkeypatch.setattr(projector, "_MOVE_PROJECTOR", fail)
    with pytest.raises(psycopg.errors.DivisionByZero):
        with_pool(sold, lambda pool: Projector(pool).advance())
    assert bytes_of(sold, COUNTED) == before


def test_many_count_at_once_and_every_entry_once(
    sold: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    count(sold)
    by_one = bytes_of(sold, COUNTED)
    forget_all(sold)
    monkeypatch.setattr(projector, "_ENTRIES_MAX", 5)

    async def work(pool: Pool) -> int:
        counting = [Projector(pool) for _ in range(4)]
        counted = 0
        while counted < count_entries(sold):
            counted += sum(await asyncio.gather(*[each.advance() for each in counting]))
        return counted

    assert with_pool(sold, work, size=4) == count_entries(sold)
    assert bytes_of(sold, COUNTED) == by_one


def test_a_process_frozen_in_its_turn_loses_it_and_writes_nothing_afterwards(
    sold: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    count(sold)
    never_frozen = bytes_of(sold, COUNTED)
    forget_all(sold)
    monkeypatch.setattr(projector, "_STATEMENT_MS_MAX", 200)

    async def work(pool: Pool) -> None:
        counted, is_frozen, may_go_on = projector._counted, asyncio.Event(), asyncio.Event()

        async def frozen(*rows: Any) -> Any:
            monkeypatch.setattr(projector, "_counted", counted)
            is_frozen.set()
            await may_go_on.wait()
            return await counted(*rows)

        monkeypatch.setattr(projector, "_counted", frozen)
        in_its_turn = asyncio.create_task(Projector(pool).advance())
        await is_frozen.wait()
        other = Projector(pool)
        assert await other.advance() == 0, "it has the turn still"
        while await other.advance() == 0:
            pass
        may_go_on.set()
        with pytest.raises(DatabaseUnavailable):
            await in_its_turn
        while await other.advance():
            pass

    with_pool(sold, work, size=2)
    assert bytes_of(sold, COUNTED) == never_frozen


def test_figures_tell_how_far_they_are_counted(sold: str) -> None:
    count(sold)

    def revenue() -> Figures[Sold] | None:
        return with_pool(sold, lambda pool: FiguresOf(pool).revenue(SORTED))

    latest, asked_at = version(sold), clock(sold)
    counted = revenue()
    assert counted is not None
    assert counted.version == latest
    assert counted.as_of >= asked_at, "nothing followed, so it is true now"

    assert sell_what_can_be(sold, [[ChangeCapacity(SORTED, 50)]]) == 1
    number(sold)
    behind = revenue()
    assert behind is not None
    assert behind.version == latest < version(sold)
    assert behind.as_of < asked_at, "when the last entry that is counted was recorded"

    count(sold)
    caught_up = revenue()
    assert caught_up is not None
    assert caught_up.version == version(sold)


def version(url: str) -> int:
    """The version that the event is at."""
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT version FROM streams WHERE stream_id = %s", (SORTED,)
        ).fetchone()
        assert row is not None
        return int(row[0])


def clock(url: str) -> int:
    """The database's time, in microseconds."""
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT (extract(EPOCH FROM now()) * 1000000)::bigint").fetchone()
        assert row is not None
        return int(row[0])


def test_the_lag_is_the_age_of_the_oldest_entry_that_is_not_counted(
    sold: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(projector, "_ENTRIES_MAX", 10)
    with psycopg.connect(sold) as connection:
        rows = connection.execute("SELECT recorded_at_us FROM ledger ORDER BY 1").fetchall()

    async def work(pool: Pool) -> None:
        counting = Projector(pool)
        assert counting.lag_seconds == 0, "it has not asked yet"
        now = clock(sold)
        await counting.advance()
        assert counting.lag_seconds >= (now - rows[0][0]) / 1e6
        while await counting.advance():
            pass
        assert counting.lag_seconds == 0

    with_pool(sold, work)


@pytest.mark.parametrize(
    ("damage", "error"),
    [
        ("UPDATE ledger SET payload = 'x' WHERE type = 'SeatsBooked'", Uncountable),
        ("UPDATE ledger SET type = 'Nothing' WHERE type = 'SeatsBooked'", Uncountable),
        ("DELETE FROM ledger WHERE type = 'SeatsBooked'", EntriesMissing),
        ("DELETE FROM bookings", Uncountable),
    ],
)
def test_a_damaged_ledger_stops_the_count_at_a_whole_entry(
    sold: str, damage: str, error: type[Exception]
) -> None:
    with psycopg.connect(sold) as connection:
        connection.execute("SET LOCAL session_replication_role = replica")
        connection.execute(damage.encode())
    before = bytes_of(sold, COUNTED)
    with pytest.raises(error):
        count(sold)
    assert bytes_of(sold, COUNTED) == before
