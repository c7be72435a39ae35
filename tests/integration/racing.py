"""What several processes do at once."""

import asyncio
import multiprocessing
import random
from collections.abc import Callable, Sequence
from threading import Barrier
from typing import TYPE_CHECKING, Any, Final

from box_office import carry_out, open_app_pool
from samples import book, cancel, submit

from ledger.batch import Done
from ledger.migrate import migrate
from ledger.values import EventId

if TYPE_CHECKING:
    from queue import Queue

_SECONDS_MAX: Final = 60


def race(work: Callable[..., Any], arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
    """What ``work`` returned for each of ``arguments``, in processes that begin at one moment.

    An error in any of them is raised here, as what it said.
    """
    spawn = multiprocessing.get_context("spawn")
    barrier, answers = spawn.Barrier(len(arguments)), spawn.Queue()
    processes = [
        spawn.Process(target=_run, args=(place, barrier, answers, work, each))
        for place, each in enumerate(arguments)
    ]
    for process in processes:
        process.start()
    try:
        results = dict(answers.get(timeout=_SECONDS_MAX) for _ in processes)
    finally:
        for process in processes:
            process.join(1)
            process.kill()
            process.join()
    for answer in results.values():
        if isinstance(answer, RuntimeError):
            raise answer
    return [results[place] for place in range(len(processes))]


def _run(
    place: int,
    barrier: Barrier,
    answers: "Queue[tuple[int, Any]]",
    work: Callable[..., Any],
    arguments: tuple[Any, ...],
) -> None:
    barrier.wait(_SECONDS_MAX)
    try:
        answer = work(*arguments)
    except Exception as error:  # noqa: BLE001  whatever it is, the test is to see it
        answer = RuntimeError(repr(error))
    answers.put((place, answer))


def migrate_here(url: str) -> list[str]:
    """`ledger.migrate.migrate`, under a name that a new process can import."""
    return migrate(url)


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
