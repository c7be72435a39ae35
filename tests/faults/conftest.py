"""Servers of their own, since these tests stop, kill and freeze them."""

from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from api.embedded import EmbeddedPostgres, EmbeddedServerError, EmbeddedValkey
from ledger.migrate import migrate


@pytest.fixture(scope="session")
def own_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(tmp_path_factory.mktemp("postgres")) as server:
        yield server


@pytest.fixture
def postgres(own_postgres: EmbeddedPostgres) -> Iterator[EmbeddedPostgres]:
    """PostgreSQL, to be treated badly: the next test finds it running again."""
    yield own_postgres
    try:
        _ = own_postgres.pid
    except EmbeddedServerError:
        own_postgres.start()
    else:
        own_postgres.resume()


@pytest.fixture
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedValkey]:
    """Valkey, to be treated badly."""
    with EmbeddedValkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture
def own_database(postgres: EmbeddedPostgres) -> str:
    """The URL of a migrated and otherwise empty database, as its owner."""
    name = f"test_{uuid4().hex}"
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    migrate(postgres.url(name))
    return postgres.url(name)
