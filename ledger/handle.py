"""One attempt at a batch: lock, load, decide, append, commit."""

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Protocol

import psycopg
from uuid_utils.compat import uuid7

from ledger import store
from ledger.batch import Done, Outcome, decide_batch
from ledger.commands import Submission
from ledger.database import Connection, is_outage, translate_errors, waited_for_standbys
from ledger.entries import Recorded


@dataclass(frozen=True, slots=True)
class Patience:
    """How long an attempt waits for a lock, and whether it leaves locked streams out instead."""

    lock_wait_ms: int
    statement_ms_max: int
    skip_locked: bool = False


class CommitUnknown(Exception):
    """The connection was lost during COMMIT: ``recorded`` is in the ledger, or nothing of it is."""

    def __init__(self, recorded: Recorded, outcomes: "list[Outcome | Locked]") -> None:
        super().__init__("the connection was lost during COMMIT")
        self.recorded = recorded
        self.outcomes = outcomes


@dataclass(frozen=True, slots=True)
class Locked:
    """No outcome yet: the stream was locked by somebody else, and the batch went on without it."""


LOCKED = Locked()


class Timings(Protocol):
    """Takes what an attempt measured, in seconds."""

    def __call__(self, *, size: int, lock_wait: float, lock_hold: float) -> None: ...


async def handle(
    connection: Connection,
    submissions: Sequence[Submission],
    patience: Patience,
    measure: Timings,
) -> list[Outcome | Locked]:
    """Outcomes of ``submissions`` in their order, all durable (L5) or none written.

    Raises `StreamLocked` when a lock takes longer than ``patience`` allows, `DatabaseUnavailable`
    when nothing was written, `CommitUnknown` when that cannot be told from here, and
    psycopg.Error for a broken constraint, which no correct decision breaks.
    """
    started = perf_counter()
    with translate_errors():
        loaded, locked_elsewhere = await store.lock_and_load(
            connection,
            submissions,
            lock_wait_ms=patience.lock_wait_ms,
            statement_ms_max=patience.statement_ms_max,
            skip_locked=patience.skip_locked,
        )
        locked = perf_counter()
        ours = [each for each in submissions if not each.event_ids & locked_elsewhere]
        decided = decide_batch(loaded, ours, uuid7)
        in_turn = iter(decided.outcomes)
        outcomes = [
            LOCKED if each.event_ids & locked_elsewhere else next(in_turn) for each in submissions
        ]
        if decided.appended:
            try:
                with waited_for_standbys(connection):
                    await store.append_and_commit(connection, decided)
            except psycopg.Error as error:
                if is_outage(error):
                    raise CommitUnknown(decided.appended[0], outcomes) from error
                raise
        else:
            # What held already is told of as done, like what is written here.
            is_told = any(isinstance(outcome, Done) for outcome in decided.outcomes)
            with waited_for_standbys(connection):
                await store.commit(connection, await_standbys=is_told)
    measure(size=len(ours), lock_wait=locked - started, lock_hold=perf_counter() - locked)
    return outcomes
