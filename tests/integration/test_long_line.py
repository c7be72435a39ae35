"""A waiting list longer than one transaction looks at stays fair."""

import asyncio
from typing import Final

import psycopg
from box_office import carry_out, open_app_pool, register, sell, verified
from samples import submit
from wishes import book, cancel, join, leave, open_sales, schedule, user_id

from ledger.batch import Refused
from ledger.commands import Submission
from ledger.rejections import PlacesLeft
from ledger.store import LINE_MAX

BUYER: Final = user_id(0)


async def ask(database: str, submission: Submission) -> None:
    async with open_app_pool(database, size=1) as pool:
        (outcome,) = await carry_out(pool, [submission])
    assert isinstance(outcome, Refused)
    assert outcome.rejection == PlacesLeft(1)


def test_nobody_far_back_is_offered_a_place_before_those_between(database: str) -> None:
    # None of those looked at can use one place, which the next two, further back, could.
    in_line = LINE_MAX + 2
    register(database, [user_id(n) for n in range(in_line + 1)])
    sell(database, submit(schedule(capacity=3, venue_capacity=3)))
    sell(database, submit(book(3, user=BUYER)))
    pairs = [join(2, waiting=n, user=user_id(n)) for n in range(1, LINE_MAX + 1)]
    sell(database, *[submit(each) for each in pairs])
    singles = [join(1, waiting=n, user=user_id(n)) for n in (LINE_MAX + 1, in_line)]
    sell(database, *[submit(each) for each in singles])
    sell(database, submit(cancel(1, quantity=1)))

    # Asking again brings this user's place in line to the lock; the place left may be booked.
    asyncio.run(ask(database, submit(join(1, waiting=in_line + 1, user=user_id(in_line)))))

    with psycopg.connect(database) as connection:
        offered = connection.execute("SELECT user_id FROM holds").fetchall()
    assert offered == []

    # When somebody of the front has left, the next transaction sees one place further.
    sell(database, submit(leave(1)))
    sell(database, submit(open_sales()))
    with psycopg.connect(database) as connection:
        offered = connection.execute("SELECT user_id FROM holds").fetchall()
    assert offered == [(user_id(LINE_MAX + 1),)]
    assert verified(database).violations == []
