"""Rounds of torture: sales that go on while servers break, each with an audit of every answer.

`flashticket torture --seed N --rounds 1` plays the round of a seed again.
"""

import asyncio
from collections.abc import Iterator
from typing import LiteralString

import httpx
import psycopg
import pytest
from click.testing import CliRunner

from api.cli import main
from loadtest.torture.faults import FAULTS
from loadtest.torture.rounds import Theatre, open_theatre

ROUNDS = 30
YEAR_SECONDS = 365 * 86_400


def run(database_url: str, statement: LiteralString) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(statement)


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def theatre(runner: asyncio.Runner) -> Iterator[Theatre]:
    opening = open_theatre()
    try:
        yield runner.run(opening.__aenter__())
    finally:
        runner.run(opening.__aexit__(None, None, None))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(ROUNDS))
def test_every_answer_of_a_round_is_borne_out_by_the_ledger(
    runner: asyncio.Runner, theatre: Theatre, seed: int
) -> None:
    played = runner.run(theatre.play(seed))
    assert played.findings == (), f"{played}; again: flashticket torture --rounds 1 --seed {seed}"
    assert played.ok > 0


def test_the_rounds_of_a_full_run_have_every_fault() -> None:
    assert {seed % len(FAULTS) for seed in range(ROUNDS)} == set(range(len(FAULTS)))


@pytest.mark.slow
def test_a_disk_that_is_full_takes_nothing_more_until_there_is_room(
    runner: asyncio.Runner, theatre: Theatre
) -> None:
    stage = theatre.stage
    fill = "CREATE TABLE filler AS SELECT repeat('x', 1000) FROM generate_series(1, 10000)"
    # Where we may not mount one, the fault is the other, of test_panic_in_commit.py.
    if stage.small_disk is not None:
        with stage.small_disk.full(), pytest.raises(psycopg.errors.DiskFull):
            run(stage.database_url, fill)
    run(stage.database_url, fill)
    run(stage.database_url, "DROP TABLE filler")
    runner.run(stage.await_ready())


@pytest.mark.slow
def test_the_clock_of_the_api_jumps_while_it_runs(runner: asyncio.Runner, theatre: Theatre) -> None:
    stage = theatre.stage

    async def year() -> int:
        headers = {"Authorization": f"Bearer {stage.keys['organizer']}"}
        body = {"name": "Hall", "capacity": 1}
        async with httpx.AsyncClient(
            base_url=stage.url, headers=headers, trust_env=False
        ) as client:
            answer = await client.post("/v1/venues", json=body)
        assert answer.status_code == 201, answer.text
        return int(answer.json()["created_at"][:4])

    this_year = runner.run(year())
    stage.set_clock(-10 * YEAR_SECONDS)
    assert runner.run(year()) < this_year
    stage.set_clock(0)
    assert runner.run(year()) == this_year


@pytest.mark.slow
def test_the_command_plays_a_round_and_sums_it_up() -> None:
    result = CliRunner().invoke(main, ["torture", "--rounds", "1", "--seed", "5"])
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[-1].startswith("1 rounds, ")
    assert result.output.splitlines()[-1].endswith(" 0 findings")
