"""What happens when an attempt at a batch fails: again, apart, or looked up.

* A lost connection before COMMIT: nothing was written, so once more on another connection.
* A lost connection during COMMIT: looked up in the ledger before anything is answered (L5).
* A deadlock or serialization failure: once more.
* A command that breaks the transaction: the batch is halved until that command stands alone and
  is the only one to fail.
"""

import logging
from collections.abc import Sequence

import psycopg

from ledger import store
from ledger.batch import Failed, Outcome
from ledger.commands import Submission
from ledger.database import (
    DatabaseUnavailable,
    NoConnection,
    Pool,
    StreamLocked,
    translate_errors,
)
from ledger.handle import CommitUnknown, Locked, Patience, Timings, handle

_log = logging.getLogger(__name__)

_TRIES = 3


class OutcomeUnknown(DatabaseUnavailable):
    """The connection was lost during COMMIT and the ledger could not be asked what became of it."""


class Attempts:
    """Runs batches on connections of a pool and survives what can be survived."""

    def __init__(self, pool: Pool, measure: Timings) -> None:
        self._pool = pool
        self._measure = measure

    async def run(
        self, submissions: Sequence[Submission], patience: Patience
    ) -> list[Outcome | Locked]:
        """Outcomes of ``submissions``, durable.

        Raises `StreamLocked` as `handle` does, `DatabaseUnavailable` when nothing was written and
        `OutcomeUnknown` when something may have been.
        """
        for tries_left in reversed(range(_TRIES)):
            try:
                with translate_errors():
                    async with self._pool.connection() as connection:
                        return await handle(connection, submissions, patience, self._measure)
            except CommitUnknown as unknown:
                if await self._took_place(unknown, patience):
                    return unknown.outcomes
                if not tries_left:
                    raise DatabaseUnavailable("the commit did not take place") from unknown
            except (NoConnection, StreamLocked):
                raise
            except DatabaseUnavailable:
                if not tries_left:
                    raise
                await self._pool.check()  # after a restart the other idle connections are dead too
            except (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure):
                if not tries_left:
                    raise
            except Exception as error:  # noqa: BLE001  whatever it is, only its command may fail
                return await self._bisect(submissions, patience, error)
        raise AssertionError("unreachable: the last try returns or raises")

    async def _took_place(self, unknown: CommitUnknown, patience: Patience) -> bool:
        try:
            with translate_errors():
                async with self._pool.connection() as connection:
                    return await store.was_committed(
                        connection,
                        unknown.recorded,
                        lock_wait_ms=patience.lock_wait_ms,
                        statement_ms_max=patience.statement_ms_max,
                    )
        except (DatabaseUnavailable, StreamLocked) as error:
            raise OutcomeUnknown(
                "the connection was lost during COMMIT and the outcome is not known"
            ) from error

    async def _bisect(
        self, submissions: Sequence[Submission], patience: Patience, error: Exception
    ) -> list[Outcome | Locked]:
        if len(submissions) == 1:
            _log.error("a command failed", exc_info=error, extra={"command": repr(submissions[0])})
            return [Failed(error)]
        middle = len(submissions) // 2
        outcomes: list[Outcome | Locked] = []
        for half in (submissions[:middle], submissions[middle:]):
            try:
                outcomes += await self.run(half, patience)
            except (DatabaseUnavailable, StreamLocked) as failure:
                # The other half may have been committed: this one fails by itself.
                outcomes += [Failed(failure)] * len(half)
        return outcomes
