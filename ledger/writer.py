"""The way in: a submission goes to the combiner, its outcome comes back durable."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from ledger.attempts import Attempts
from ledger.batch import Done, Head, Outcome, Refused
from ledger.combiner import Combiner, Limits
from ledger.commands import BookSeats, Submission
from ledger.database import Pool, open_pool
from ledger.handle import Timings
from ledger.heads import Heads
from ledger.values import EventId

Publish = Callable[[dict[EventId, Head], float], None]
"""Takes new heads, and the `time.monotonic` after which they were committed."""


class Writer:
    """Submits commands; see `open_writer`."""

    def __init__(self, combiner: Combiner, pool: Pool, heads: Heads) -> None:
        self._combiner = combiner
        self._heads = heads
        self.pool = pool

    @property
    def unanswered(self) -> int:
        """Submissions taken that have no outcome yet."""
        return self._combiner.unanswered

    def submit(self, submission: Submission) -> asyncio.Future[Outcome]:
        """The outcome of ``submission``, durable; `Failed` holds what went wrong.

        Raises `Overloaded` or `Closing` when it was not taken; once taken it is carried out.
        """
        command = submission.commands[0]
        if (
            isinstance(command, BookSeats)
            and not command.seats  # of which "taken" says more than "sold out"
            and len(submission.commands) == 1
            and submission.idempotency_key is None
        ):
            # With a key the answer may be that of an earlier booking, which only the ledger knows.
            refusal = self._heads.refuse(command)
            if refusal is not None:
                refused: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
                refused.set_result(refusal)
                return refused
        return self._combiner.submit(submission)


@asynccontextmanager
async def open_writer(
    url: str,
    *,
    role: str | None,
    limits: Limits,
    heads: Heads,
    measure: Timings,
    publish: Publish,
) -> AsyncIterator[Writer]:
    """A writer on a pool of its own. Leaving waits until all that was taken has its outcome.

    ``publish`` is told the new heads after every batch that changed any. A database that is away
    does not prevent opening: submissions then fail until it is back.
    """

    def observe(outcomes: Sequence[Outcome], since: float) -> None:
        moved: dict[EventId, Head] = {}
        for outcome in outcomes:
            if isinstance(outcome, Done):
                for part in outcome.parts:
                    moved[part.stream_id] = part.head
            elif isinstance(outcome, Refused) and outcome.head is not None:
                heads.remember(outcome.stream_id, outcome.head, since)
        for stream_id, head in moved.items():
            heads.remember(stream_id, head, since)
        if moved:
            publish(moved, since)

    pool = open_pool(url, role=role, size_max=limits.connections_max, name="writer")
    await pool.open(wait=False)
    try:
        async with Combiner(Attempts(pool, measure).run, limits, observe) as combiner:
            yield Writer(combiner, pool, heads)
    finally:
        await pool.close()
