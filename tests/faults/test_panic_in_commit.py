"""PostgreSQL panics in a COMMIT: what became of that is not known before it is back."""

import asyncio

import psycopg
import pytest
from box_office import carry_out, open_app_pool, register, sell, verified
from samples import book, schedule, submit

from api.embedded import EmbeddedPostgres
from ledger.attempts import OutcomeUnknown
from ledger.database import is_outage
from loadtest.torture.disk import forbid_writing_to


@pytest.mark.slow
def test_a_commit_that_ends_in_a_panic_is_called_unknown(
    postgres: EmbeddedPostgres, own_database: str
) -> None:
    register(own_database)
    sell(own_database, submit(schedule()), submit(book()))

    async def sell_one_more() -> None:
        async with open_app_pool(own_database, size=1) as pool:
            forbid_writing_to(postgres.pid)
            with pytest.raises(OutcomeUnknown):
                await carry_out(pool, [submit(book())])

    asyncio.run(sell_one_more())
    postgres.kill()
    postgres.start()
    assert verified(own_database).violations == []


@pytest.mark.slow
def test_an_error_that_ends_the_session_is_an_outage_whatever_its_code(
    postgres: EmbeddedPostgres, own_database: str
) -> None:
    # What the server says before it is gone is "internal error". Read as a bug of ours it would be
    # tried again, although the log that could not be written whole may hold the commit.
    with psycopg.connect(own_database) as connection:
        forbid_writing_to(postgres.pid)
        with pytest.raises(psycopg.Error) as panic:
            connection.execute("SELECT pg_logical_emit_message(true, '', ''); COMMIT")
    assert is_outage(panic.value)
    postgres.kill()
