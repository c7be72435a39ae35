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
    results = dict(answers.get(timeout=_SECONDS_MAX) for _ in processes)
    for process in processes:
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
    """Book one place each of half the events in one batch, again and again; how many were booked.

    Cancelled at once in the next batch, so that no event sells out.
    """
    chance = random.Random(seed)  # noqa: S311  an order to try, no secret

    async def run() -> int:
        booked = 0
        async with open_app_pool(url, size=1) as pool:
            for _ in range(rounds):
                wishes = [
                    book(event_id=event_id)
                    for event_id in chance.sample(event_ids, len(event_ids) // 2)
                ]
                outcomes = await carry_out(pool, [submit(wish) for wish in wishes])
                booked += sum(isinstance(outcome, Done) for outcome in outcomes)
                chance.shuffle(wishes)
                await carry_out(
                    pool,
                    [submit(cancel(w.booking_id, event_id=w.event_id)) for w in wishes],
                )
        return booked

    return asyncio.run(run())
