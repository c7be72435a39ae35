"""Races about seats, holds, limits, lines and carts: between processes over HTTP, and between
transactions that one lock held up until all of them stood before it."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from random import Random
from typing import Any, Final

import psycopg
import pytest
from box_office import carry_out, open_app_pool, register, sell, verified
from clock import Clock
from crowd import Crowd, tally
from samples import ALICE, NOW, SECOND
from wishes import (
    EXPIRY,
    book,
    confirm,
    event_id,
    hold,
    hold_id,
    release,
    schedule,
    seated,
    submission,
    tidy,
    user_id,
)

from ledger.batch import Done, Outcome, Refused
from ledger.commands import Command
from ledger.database import Pool
from ledger.handle import Locked, Patience
from ledger.rejections import HoldIsConfirmed, HoldIsExpired, HoldIsReleased, SeatTaken
from ledger.values import EventId

SECONDS_MAX: Final = 20.0


# Over HTTP, between two processes


@pytest.fixture(scope="module")
def users(session_crowd: Crowd) -> list[str]:
    return session_crowd.api.add_users(100)


def ask(crowd: Crowd, what: str, event_id: str, user_id: str, **wish: object) -> bytes:
    return crowd.post(f"/v1/{what}", {"event_id": event_id, "user_id": user_id, **wish})


def test_of_two_hundred_buyers_of_one_seat_one_gets_it(crowd: Crowd, users: list[str]) -> None:
    event_id = crowd.api.add_event(3, seats=["a", "b", "c"])
    asked = [ask(crowd, "bookings", event_id, users[n % 100], seats=["b"]) for n in range(200)]
    replies = crowd.send(asked)
    assert tally(replies) == {"201": 1, "seat-taken": 199}
    assert crowd.api.availability(event_id)["booked"] == 1


def test_of_buyers_and_holders_of_one_seat_one_gets_it(crowd: Crowd, users: list[str]) -> None:
    for _ in range(5):
        event_id = crowd.api.add_event(2, seats=["a", "b"])
        asked = [
            ask(crowd, ("bookings", "holds")[n % 2], event_id, users[n], seats=["a"])
            for n in range(40)
        ]
        assert tally(crowd.send(asked)) == {"201": 1, "seat-taken": 39}


def test_the_best_seats_asked_for_at_once_are_side_by_side_and_nobody_elses(
    crowd: Crowd, users: list[str]
) -> None:
    rows = [{"row": str(n), "seats": 10} for n in range(10)]
    event_id = crowd.api.add_event(100, seats=rows)
    asked = [ask(crowd, "bookings", event_id, users[n], quantity=2 + n % 3) for n in range(40)]
    Random(7).shuffle(asked)  # noqa: S311  no secret
    replies = crowd.send(asked)
    assert tally(replies).keys() <= {"201", "not-adjacent", "sold-out"}
    given_out = [reply.json()["seats"] for reply in replies if reply.status == 201]
    taken = Counter(seat for seats in given_out for seat in seats)
    assert max(taken.values()) == 1
    for seats in given_out:
        row, first = seats[0].split("-")
        assert seats == [f"{row}-{int(first) + n}" for n in range(len(seats))]
    assert crowd.api.availability(event_id)["booked"] == taken.total()


def test_twenty_requests_of_one_user_with_a_limit_of_four_give_exactly_four(
    crowd: Crowd, users: list[str]
) -> None:
    for _ in range(5):
        event_id = crowd.api.add_event(100, limit_per_user=4)
        asked = [ask(crowd, ("bookings", "holds")[n % 2], event_id, users[0]) for n in range(20)]
        assert tally(crowd.send(asked)) == {"201": 4, "limit-per-user": 16}
        counts = crowd.api.availability(event_id)
        assert counts["booked"] + counts["held"] == 4


def test_a_quota_shared_by_categories_is_never_overdrawn(crowd: Crowd, users: list[str]) -> None:
    event_id = crowd.api.add_event(
        100,
        categories=[{"name": "full"}, {"name": "reduced"}, {"name": "free", "capacity": 3}],
        quotas=[{"name": "cheap", "capacity": 10, "categories": ["reduced", "free"]}],
    )
    names = ["full", "reduced", "free"]
    asked = [ask(crowd, "bookings", event_id, users[n], category=names[n % 3]) for n in range(90)]
    replies = crowd.send(asked)
    sold = Counter(reply.json()["category"] for reply in replies if reply.status == 201)
    assert sold["full"] == 30
    assert sold["reduced"] + sold["free"] == 10
    assert sold["free"] <= 3


def test_a_freed_place_with_a_hundred_waiting_and_a_hundred_buying_goes_to_the_first_in_line(
    crowd: Crowd, users: list[str]
) -> None:
    event_id = crowd.api.add_event(1)
    booking_id = crowd.api.book(event_id, users[0]).json()["booking_id"]
    line = f"/v1/events/{event_id}/waiting-list"
    joined = crowd.send([crowd.post(line, {"user_id": user}) for user in users])
    assert tally(joined) == {"201": 100}
    places = sorted((reply.json() for reply in joined), key=lambda each: each["entry"]["version"])

    asked = [crowd.book(event_id, user) for user in users]
    asked.insert(50, crowd.cancel(booking_id))
    replies = crowd.send(asked)
    assert tally(replies) == {"200": 1, "sold-out": 100}

    first, *others = [crowd.api.admin.get(f"{line}/{each['waiting_id']}").json() for each in places]
    assert first["status"] == "offered"
    assert {each["status"] for each in others} == {"waiting"}
    owner = crowd.api.admin.get(f"/v1/holds/{first['hold_id']}").json()
    assert (owner["user_id"], owner["status"]) == (places[0]["user_id"], "held")
    counts = crowd.api.availability(event_id)
    assert (counts["booked"], counts["held"], counts["available"]) == (0, 1, 0)


def test_places_freed_while_people_join_are_offered_in_the_order_of_joining(
    crowd: Crowd, users: list[str]
) -> None:
    event_id = crowd.api.add_event(10)
    bookings = [crowd.api.book(event_id, users[n]).json()["booking_id"] for n in range(10)]
    line = f"/v1/events/{event_id}/waiting-list"
    asked = [crowd.post(line, {"user_id": user}) for user in users[10:60]]
    asked += [crowd.cancel(booking_id) for booking_id in bookings]
    Random(7).shuffle(asked)  # noqa: S311  no secret
    joined = [reply.json() for reply in crowd.send(asked) if "waiting_id" in reply.json()]
    joined.sort(key=lambda each: each["entry"]["version"])
    now = [crowd.api.admin.get(f"{line}/{each['waiting_id']}").json() for each in joined]
    offers = [each["status"] == "offered" for each in now]
    assert offers == sorted(offers, reverse=True), "nobody is served before who joined earlier"
    assert crowd.api.availability(event_id)["held"] == sum(offers)


def test_of_two_doors_one_admits_a_ticket_and_the_other_hears_when(
    crowd: Crowd, users: list[str]
) -> None:
    booking_id = crowd.api.book(crowd.api.add_event(), users[0]).json()["booking_id"]
    tickets = crowd.api.admin.get(f"/v1/bookings/{booking_id}/tickets").json()["items"]
    replies = crowd.send([crowd.post("/v1/check-ins", {"code": tickets[0]["code"]})] * 20)
    assert tally(replies) == {"201": 1, "already-checked-in": 19}
    assert len({reply.json()["checked_in_at"] for reply in replies}) == 1


def test_bookings_given_to_one_user_at_once_stay_within_the_limit(
    crowd: Crowd, users: list[str]
) -> None:
    event_id = crowd.api.add_event(50, limit_per_user=4)
    bookings = [crowd.api.book(event_id, users[n]).json()["booking_id"] for n in range(1, 21)]
    body = {"to_user_id": users[0]}
    asked = [crowd.post(f"/v1/bookings/{each}/transfer", body) for each in bookings]
    asked += [crowd.book(event_id, users[0])] * 5
    replies = crowd.send(asked)
    accepted = sum(reply.status < 400 for reply in replies)
    assert accepted == 4
    assert tally(replies)["limit-per-user"] == 21


def test_carts_in_opposite_orders_never_deadlock(crowd: Crowd, users: list[str]) -> None:
    for _ in range(5):
        one, other = crowd.api.add_event(30), crowd.api.add_event(20)

        def cart(user: str, *event_ids: str) -> bytes:
            items = [{"event_id": each} for each in event_ids]
            return crowd.post("/v1/carts", {"user_id": user, "items": items})

        asked = [cart(users[n], *((one, other) if n % 2 else (other, one))) for n in range(60)]
        replies = crowd.send(asked)
        assert tally(replies) == {"201": 20, "sold-out": 40}
        assert crowd.api.availability(one)["booked"] == 20
        assert crowd.api.availability(other)["booked"] == 20


def test_no_hold_outlives_its_time_by_two_seconds_with_no_traffic(
    crowd: Crowd, crowd_database: str, users: list[str]
) -> None:
    """Both processes sweep; measured by the times of the entries, each written once."""
    event_ids = [crowd.api.add_event(40, hold_seconds=1) for _ in range(5)]
    asked = [ask(crowd, "holds", event_ids[n % 5], users[n]) for n in range(100)]
    assert tally(crowd.send(asked)) == {"201": 100}
    overdue = _when_expired(crowd_database, event_ids, 100)
    assert max(overdue) <= 2 * SECOND
    assert min(overdue) >= 0
    assert {crowd.api.availability(each)["held"] for each in event_ids} == {0}


def _when_expired(database: str, event_ids: Sequence[str], count: int) -> list[int]:
    """By how many microseconds each hold outlived its time, once ``count`` of them are over."""
    deadline = time.monotonic() + SECONDS_MAX
    with psycopg.connect(database, autocommit=True) as connection:
        while True:
            rows = connection.execute(
                "SELECT recorded_at_us - (convert_from(payload, 'UTF8')::jsonb"
                " ->> 'expires_at')::bigint FROM ledger"
                " WHERE type = 'HoldExpired' AND stream_id = ANY(%s::uuid[])",
                (list(event_ids),),
            ).fetchall()
            if len(rows) == count:
                return [late for (late,) in rows]
            assert time.monotonic() < deadline, f"{len(rows)} of {count} holds are over"
            time.sleep(0.05)


# Between transactions


WAITING: Final = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


@asynccontextmanager
async def holding_up(database: str, event: EventId, count: int) -> AsyncIterator[Callable[[], Any]]:
    """The stream's lock is ours in this block; what it gives waits until ``count`` others wait."""
    async with await psycopg.AsyncConnection.connect(database) as connection:
        await connection.execute("SELECT FROM streams WHERE stream_id = %s FOR UPDATE", (event,))
        async with await psycopg.AsyncConnection.connect(database, autocommit=True) as watcher:

            async def all_wait() -> None:
                deadline = time.monotonic() + SECONDS_MAX
                while True:
                    cursor = await watcher.execute(WAITING)
                    row = await cursor.fetchone()
                    if row == (count,):
                        return
                    assert time.monotonic() < deadline, f"{row} of {count} wait"
                    await asyncio.sleep(0.005)

            yield all_wait


async def let_go_together(
    pool: Pool,
    database: str,
    event: EventId,
    wishes: Sequence[Command | tuple[Command, ...]],
    then: Callable[[], None] = lambda: None,
) -> list[Outcome | Locked]:
    """Outcomes of ``wishes``, each in a transaction of its own; all stood before the lock."""
    patience = Patience(lock_wait_ms=20_000, statement_ms_max=30_000)
    sent = [submission(*(wish if isinstance(wish, tuple) else (wish,))) for wish in wishes]
    async with holding_up(database, event, len(sent)) as all_wait:
        running = [asyncio.create_task(carry_out(pool, [each], patience)) for each in sent]
        await all_wait()
        then()
    return [outcome for each in running for outcome in await each]


def ends_of(database: str, event: EventId) -> dict[str, list[str]]:
    """What ended each hold, by its id."""
    with psycopg.connect(database) as connection:
        rows = connection.execute(
            "SELECT convert_from(payload, 'UTF8')::jsonb ->> 'hold_id', type FROM ledger"
            " WHERE stream_id = %s AND type IN ('HoldConfirmed', 'HoldReleased', 'HoldExpired')",
            (event,),
        ).fetchall()
    ends: dict[str, list[str]] = {}
    for held, kind in rows:
        ends.setdefault(held, []).append(kind)
    return ends


def test_of_confirming_releasing_and_expiring_at_one_moment_exactly_one_ends_a_hold(
    database: str,
) -> None:
    """The clock passes the expiry while the three stand before the lock, or it just does not."""
    register(database, [ALICE])
    chance = Random(7)  # noqa: S311  no secret
    winners = Counter[str]()

    async def race() -> None:
        with Clock(database, NOW) as clock:
            async with open_app_pool(database, size=6) as pool:
                for number in range(1, 13):
                    clock.set(NOW)
                    event = event_id(number)
                    await carry_out(pool, [submission(schedule(event))])
                    await carry_out(pool, [submission(hold(hold=number, event=event))])
                    wishes: list[Command] = [
                        confirm(number, booking=number, event=event),
                        release(number, event=event),
                        tidy(event),
                        confirm(number, booking=number + 100, event=event),
                    ]
                    chance.shuffle(wishes)
                    moment = EXPIRY if number % 2 else EXPIRY - 1
                    outcomes = await let_go_together(
                        pool, database, event, wishes, partial(clock.set, moment)
                    )
                    (end,) = ends_of(database, event)[str(hold_id(number))]
                    winners[end] += 1
                    assert (end == "HoldExpired") == bool(number % 2)
                    for wish, outcome in zip(wishes, outcomes, strict=True):
                        _check_answer(end, wish, outcome)

    asyncio.run(race())
    assert winners["HoldExpired"] == 6
    assert winners.keys() == {"HoldExpired", "HoldConfirmed", "HoldReleased"}
    assert verified(database).violations == []


def _check_answer(end: str, wish: Command, outcome: Outcome | Locked) -> None:
    """Nobody is told of an end that the hold did not have."""
    refusals = {
        "HoldExpired": HoldIsExpired,
        "HoldConfirmed": HoldIsConfirmed,
        "HoldReleased": HoldIsReleased,
    }
    asked = {"ConfirmHold": "HoldConfirmed", "ReleaseHold": "HoldReleased", "TidyEvent": end}
    if asked[type(wish).__name__] == end:
        assert isinstance(outcome, Done), outcome
    else:
        assert isinstance(outcome, Refused), outcome
        assert isinstance(outcome.rejection, refusals[end])


def test_a_hold_has_one_end_while_the_clock_runs_past_its_expiry(database: str) -> None:
    """Nothing is lined up here: six connections race, and time with them."""
    register(database, [ALICE])
    rounds = 12

    async def race() -> None:
        with Clock(database, NOW) as clock:
            async with open_app_pool(database, size=6) as pool:
                sold = [submission(schedule(event_id(n), hold_seconds=1)) for n in range(rounds)]
                await carry_out(pool, sold)
                holds = [submission(hold(hold=n, event=event_id(n))) for n in range(rounds)]
                await carry_out(pool, holds)
                over = NOW + SECOND
                for number in range(rounds):
                    event = event_id(number)
                    clock.set(over - 1)
                    tries = [
                        carry_out(pool, [submission(confirm(number, booking=number, event=event))]),
                        carry_out(pool, [submission(release(number, event=event))]),
                        carry_out(pool, [submission(tidy(event))]),
                        asyncio.to_thread(clock.set, over),
                        carry_out(pool, [submission(tidy(event))]),
                    ]
                    chance.shuffle(tries)
                    await asyncio.gather(*tries)
                    await carry_out(pool, [submission(tidy(event))])

    chance = Random(11)  # noqa: S311  no secret
    asyncio.run(race())
    for number in range(rounds):
        assert len(ends_of(database, event_id(number))[str(hold_id(number))]) == 1
    assert verified(database).violations == []


def test_of_transactions_that_want_one_seat_one_has_it(database: str) -> None:
    users = [user_id(n) for n in range(8)]
    register(database, users)
    event = event_id(1)
    sell(database, submission(seated("A1 A2 A3", event=event)))
    wishes: list[Command] = [
        book(seats="A2", booking=n, user=user, event=event)
        if n % 2
        else hold(seats="A2 A3", hold=n, user=user, event=event)
        for n, user in enumerate(users)
    ]

    async def race() -> list[Outcome | Locked]:
        async with open_app_pool(database, size=8) as pool:
            return await let_go_together(pool, database, event, wishes)

    outcomes = asyncio.run(race())
    assert sum(isinstance(each, Done) for each in outcomes) == 1
    refusals = [each.rejection for each in outcomes if isinstance(each, Refused)]
    assert set(refusals) <= {SeatTaken("A2"), SeatTaken("A3")}
    assert verified(database).violations == []


def test_transactions_over_the_same_events_in_opposite_orders_never_deadlock(
    database: str,
) -> None:
    register(database, [ALICE])
    one, other = event_id(1), event_id(2)
    sell(database, submission(schedule(one)), submission(schedule(other, capacity=4)))
    carts = [
        (book(booking=n, event=one), book(booking=n + 100, event=other))[:: 1 if n % 2 else -1]
        for n in range(8)
    ]

    async def race() -> list[Outcome | Locked]:
        async with open_app_pool(database, size=8) as pool:
            # Held up at one event, whoever locked the other first would stand in others' way.
            return await let_go_together(pool, database, one, carts)

    outcomes = asyncio.run(race())
    assert sum(isinstance(each, Done) for each in outcomes) == 4
    assert sum(isinstance(each, Refused) for each in outcomes) == 4
    with psycopg.connect(database) as connection:
        row = connection.execute(
            "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        ).fetchone()
    assert row == (0,)
    assert verified(database).violations == []
