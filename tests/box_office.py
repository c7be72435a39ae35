"""A box office: submissions in, outcomes out, on a real database as the application runs them."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Final

import psycopg
from samples import ALICE, BOB

from ledger.attempts import Attempts
from ledger.batch import Done, Outcome
from ledger.commands import Submission
from ledger.database import Pool, open_pool
from ledger.handle import Locked, Patience
from ledger.values import UserId
from ledger.verify import Report, snapshot, verify

APP: Final = "flashticket_app"
PATIENT: Final = Patience(lock_wait_ms=5_000, statement_ms_max=10_000)


def measure_nothing(*, size: int, lock_wait: float, lock_hold: float) -> None:
    """For whoever wants measurements taken."""


@asynccontextmanager
async def open_app_pool(url: str, *, size: int = 4) -> AsyncIterator[Pool]:
    """Connections as the application's role, for as long as the block runs."""
    pool = open_pool(url, role=APP, size_max=size, name="test")
    await pool.open()
    try:
        yield pool
    finally:
        await pool.close()


async def carry_out(
    pool: Pool, submissions: Sequence[Submission], patience: Patience = PATIENT
) -> list[Outcome | Locked]:
    """The outcomes of one batch."""
    return await Attempts(pool, measure_nothing).run(submissions, patience)


def sell(url: str, *submissions: Submission) -> list[Done]:
    """Carry out ``submissions`` in one batch; all must succeed."""

    async def run() -> list[Outcome | Locked]:
        async with open_app_pool(url, size=1) as pool:
            return await carry_out(pool, submissions)

    outcomes = asyncio.run(run())
    done = [outcome for outcome in outcomes if isinstance(outcome, Done)]
    assert len(done) == len(outcomes), outcomes
    return done


def register(url: str, user_ids: Iterable[UserId] = (ALICE, BOB)) -> None:
    """Put users into the directory."""
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO users (user_id, name, email, created_at_us) VALUES (%s, 'A', 'a@b.c', 0)",
            [(user_id,) for user_id in user_ids],
        )


def verified(url: str) -> Report:
    """What `flashticket verify` finds, Redis aside."""
    with snapshot(url) as connection:
        return verify(connection, lambda _: None, lambda _: None)
