"""Several processes at once. Light to import, since each begins by importing it."""

import multiprocessing
from collections.abc import Callable, Sequence
from threading import Barrier
from typing import TYPE_CHECKING, Any, Final

from ledger.migrate import migrate

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
