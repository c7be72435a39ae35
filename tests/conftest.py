"""Real servers for all tests, a fresh database for each, and how much random tests try.

The servers are those named by FLASHTICKET_TEST_DATABASE_URL, whose user must be a superuser, and
FLASHTICKET_TEST_REDIS_URL; without these, embedded ones. Random tests are quick unless pytest gets
``--hypothesis-profile=full``; a failure prints how to see the same run again.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest
from hypothesis import settings
from psycopg import sql
from redis import Redis

from api.embedded import Servers
from ledger.migrate import migrate

settings.register_profile("quick", max_examples=20, deadline=None, print_blob=True)
settings.register_profile("full", max_examples=500, deadline=None, print_blob=True)
settings.load_profile("quick")

_SLOW_PARTS: Final = {
    "access",
    "browser",
    "client",
    "embedded",
    "faults",
    "fuzz",
    "live",
    "loadtest",
    "observability",
    "projections",
    "tlog",
    "webhooks",
    "test_availability.py",
    "test_command_line.py",
    "test_migrate.py",
    "test_odd_values.py",
    "test_operations.py",
    "test_rebuild.py",
    "test_refusals.py",
    "test_shutdown.py",
    "test_time_travel.py",
    "test_while_it_sells.py",
}
"""What the quick tier leaves out: it has the rules, the ledger's tables, the calls and races."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if _SLOW_PARTS & {item.path.parent.name, item.path.name}:
            item.add_marker("slow")


# One for each process that tests are spread over.
_REDIS_DATABASE: Final = 15 - int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))


@dataclass(frozen=True)
class RealServers:
    """Where tests find PostgreSQL, as a superuser, and Redis."""

    postgres_url: str
    redis_url: str

    def database_url(self, name: str) -> str:
        return urlsplit(self.postgres_url)._replace(path=f"/{name}").geturl()

    @contextmanager
    def fresh_database(self, template: str) -> Iterator[str]:
        """The name of a copy of a database, dropped in the end whoever is still connected."""
        name = f"test_{uuid4().hex}"
        self._execute("CREATE DATABASE {} TEMPLATE {}", name, template)
        try:
            yield name
        finally:
            self._execute("DROP DATABASE {} WITH (FORCE)", name)

    def _execute(self, statement: str, *names: str) -> None:
        with psycopg.connect(self.postgres_url, autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServers]:
    """Running servers; tests change their contents only through the fixtures below."""
    postgres_url = os.environ.get("FLASHTICKET_TEST_DATABASE_URL")
    redis_url = os.environ.get("FLASHTICKET_TEST_REDIS_URL")
    if postgres_url and redis_url:
        yield RealServers(postgres_url, redis_url)
        return
    with Servers(tmp_path_factory.mktemp("servers")) as embedded:
        yield RealServers(
            postgres_url or embedded.postgres.url(), redis_url or embedded.valkey.url()
        )


@pytest.fixture(scope="session")
def migrated(servers: RealServers) -> Iterator[str]:
    """The name of a migrated and otherwise empty database, to be copied and not connected to."""
    with servers.fresh_database("template1") as name:
        migrate(servers.database_url(name))
        yield name


@pytest.fixture
def empty_database(servers: RealServers) -> Iterator[str]:
    """The URL of a database without tables, as its owner."""
    with servers.fresh_database("template1") as name:
        yield servers.database_url(name)


@pytest.fixture
def database(servers: RealServers, migrated: str) -> Iterator[str]:
    """The URL of a migrated and otherwise empty database, as its owner and a superuser.

    The application works on it as the role ``flashticket_app``.
    """
    with servers.fresh_database(migrated) as name:
        yield servers.database_url(name)


@pytest.fixture(scope="module")
def module_database(servers: RealServers, migrated: str) -> Iterator[str]:
    """`database`, shared by the tests of a module that do not get into each other's way."""
    with servers.fresh_database(migrated) as name:
        yield servers.database_url(name)


@pytest.fixture
def redis_url(servers: RealServers) -> Iterator[str]:
    """The URL of an empty logical database of Redis."""
    url = urlsplit(servers.redis_url)._replace(path=f"/{_REDIS_DATABASE}").geturl()
    with Redis.from_url(url) as redis:
        redis.flushdb()
        yield url
        redis.flushdb()
