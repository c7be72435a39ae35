"""One application of two workers for all races: each race is fought between processes as well."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from crowd import Crowd
from served import Api, new_keys, served, violations

if TYPE_CHECKING:
    from tests.conftest import RealServers


@pytest.fixture(scope="session")
def crowd_database(servers: "RealServers", migrated: str) -> Iterator[str]:
    with servers.fresh_database(migrated) as name:
        yield servers.database_url(name)


@pytest.fixture(scope="session")
def session_crowd(crowd_database: str) -> Iterator[Crowd]:
    """An application that may have answered no 500 by the time that all races are over."""
    keys = new_keys(crowd_database)
    with served(crowd_database, None, workers=2) as running, Api(running.url, keys) as api:
        yield Crowd(running, api)
        assert [line for line in running.log if line.get("status") == 500] == []


@pytest.fixture
def crowd(session_crowd: Crowd, crowd_database: str) -> Iterator[Crowd]:
    """After the race, the whole ledger must hold."""
    yield session_crowd
    assert violations(crowd_database) == []
