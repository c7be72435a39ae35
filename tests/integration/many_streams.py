"""A process that books on many streams at once."""

import asyncio
import random

from box_office import carry_out, open_app_pool
from samples import book, cancel, submit

from ledger.batch import Done
from ledger.values import EventId


def book_in_any_order(url: str, event_ids: list[EventId], rounds: int, seed: int) -> int:
    """Book one place each of half the events in one batch, three batches at a time, and give all
    back in the next round, so that no event sells out; how many places were booked.
    """
    chance = random.Random(seed)  # noqa: S311  an order to try, no secret

    def some_of_them() -> list[EventId]:
        return chance.sample(event_ids, len(event_ids) // 2)

    async def run() -> int:
        booked = 0
        async with open_app_pool(url, size=3) as pool:
            for _ in range(rounds):
                batches = [[book(event_id=each) for each in some_of_them()] for _ in range(3)]
                answers = await asyncio.gather(
                    *[carry_out(pool, [submit(wish) for wish in batch]) for batch in batches]
                )
                booked += sum(isinstance(one, Done) for each in answers for one in each)
                for batch in batches:
                    chance.shuffle(batch)
                await asyncio.gather(
                    *[
                        carry_out(
                            pool,
                            [submit(cancel(w.booking_id, event_id=w.event_id)) for w in batch],
                        )
                        for batch in batches
                    ]
                )
        return booked

    return asyncio.run(run())
