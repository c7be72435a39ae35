"""Refusals from memory: what was refused under the lock need not be refused there again."""

import asyncio
import time
from contextlib import AbstractAsyncContextManager
from uuid import UUID

from uuid_utils.compat import uuid7

from ledger import directory
from ledger.batch import Done, Refused
from ledger.combiner import Limits
from ledger.commands import BookSeats, CancelBooking, ScheduleEvent, Submission
from ledger.heads import Heads
from ledger.rejections import SoldOut
from ledger.values import SYSTEM, BookingId, EventId, Instant, UserId, VenueId
from ledger.writer import Writer, open_writer

LONG = 3600.0
TRUST = 1.0


def test_a_refusal_under_the_lock_is_remembered_by_a_process_that_sold_nothing(
    database: str,
) -> None:
    batches: list[int] = []

    async def sell_here_and_ask_there() -> None:
        async with _writer(database, []) as seller, _writer(database, batches) as other:
            user_id = UserId(uuid7())
            await directory.add_user(seller.pool, directory.User(user_id, "A", "a@b", Instant(0)))
            event_id = EventId(uuid7())
            await seller.submit(Submission((_event(event_id),), SYSTEM))
            assert isinstance(await seller.submit(_order(event_id, user_id)), Done)
            for _ in range(5):
                refused = await other.submit(_order(event_id, user_id))
                assert isinstance(refused, Refused)
                assert refused.rejection == SoldOut(0)

    asyncio.run(sell_here_and_ask_there())
    assert batches == [1], "only the first of five refusals took the lock"


def test_a_process_that_stood_still_after_its_commit_does_not_refuse_by_what_is_long_over(
    database: str,
) -> None:
    async def sell_here_and_free_there() -> None:
        async with (
            _writer(database, [], trust=TRUST, stall=2 * TRUST) as seller,
            _writer(database, []) as other,
        ):
            user_id = UserId(uuid7())
            await directory.add_user(seller.pool, directory.User(user_id, "A", "a@b", Instant(0)))
            event_id = EventId(uuid7())
            await other.submit(Submission((_event(event_id),), SYSTEM))
            order = _order(event_id, user_id)
            assert isinstance(await seller.submit(order), Done)
            (booked,) = order.commands
            assert isinstance(booked, BookSeats)
            cancel = CancelBooking(event_id, booked.booking_id)
            assert isinstance(await other.submit(Submission((cancel,), SYSTEM)), Done)
            assert isinstance(await seller.submit(_order(event_id, user_id)), Done)

    asyncio.run(sell_here_and_free_there())


def _writer(
    url: str, batches: list[int], *, trust: float = LONG, stall: float = 0
) -> AbstractAsyncContextManager[Writer]:
    def measure(*, size: int, lock_wait: float, lock_hold: float) -> None:
        del lock_wait, lock_hold
        batches.append(size)
        time.sleep(stall)  # all of the process stands still, between the commit and what follows

    return open_writer(
        url,
        role="flashticket_app",
        limits=Limits(),
        heads=Heads(trust),
        measure=measure,
        publish=lambda heads, since: None,  # noqa: ARG005
    )


def _event(event_id: EventId) -> ScheduleEvent:
    venue_id = VenueId(UUID(int=1))
    return ScheduleEvent(event_id, venue_id, 1, "Show", Instant(0), 1, None, None, None)


def _order(event_id: EventId, user_id: UserId) -> Submission:
    return Submission((BookSeats(event_id, BookingId(uuid7()), user_id, 1),), SYSTEM)
