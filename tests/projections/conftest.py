"""Random workloads that can be repeated, and an evening of sales that is done only once."""

import os
import random
import secrets
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from counting import Evening, do_everything_once, number, open_the_doors, sell_what_can_be

if TYPE_CHECKING:
    from tests.conftest import RealServers


@pytest.fixture(scope="session")
def choose() -> random.Random:
    """Random choices; the seed is printed, and is taken from FLASHTICKET_TEST_SEED if set."""
    seed = int(os.environ.get("FLASHTICKET_TEST_SEED") or secrets.randbits(32))
    sys.stdout.write(f"To repeat this run: FLASHTICKET_TEST_SEED={seed}\n")
    return random.Random(seed)  # noqa: S311  a workload, not a secret


@pytest.fixture(scope="session")
def an_evening(servers: "RealServers", migrated: str, choose: random.Random) -> Iterator[str]:
    """The name of a database with numbered entries of every type and none counted, to be copied."""
    with servers.fresh_database(migrated) as name:
        url = servers.database_url(name)
        open_the_doors(url)
        evening = Evening(choose)
        sell_what_can_be(url, evening.batches(60) + evening.call_off())
        do_everything_once(url)
        number(url)
        yield name


@pytest.fixture
def sold(servers: "RealServers", an_evening: str) -> Iterator[str]:
    """The URL of a database after an evening of sales."""
    with servers.fresh_database(an_evening) as name:
        yield servers.database_url(name)
