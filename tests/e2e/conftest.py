"""One application for all of these tests; its answers are held against its own OpenAPI page."""

from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from documented import Documented
from redis import Redis
from served import Api, Served, new_keys, served

if TYPE_CHECKING:
    from tests.conftest import RealServers

_REDIS_DATABASE = 14


@pytest.fixture(scope="session")
def shop_database(servers: "RealServers", migrated: str) -> Iterator[str]:
    with servers.fresh_database(migrated) as name:
        yield servers.database_url(name)


@pytest.fixture(scope="session")
def shop_redis(servers: "RealServers") -> Iterator[str]:
    url = urlsplit(servers.redis_url)._replace(path=f"/{_REDIS_DATABASE}").geturl()
    with Redis.from_url(url) as redis:
        redis.flushdb()
        yield url
        redis.flushdb()


@pytest.fixture(scope="session")
def shop(shop_database: str, shop_redis: str) -> Iterator[Served]:
    """An application that may have answered no 500 by the time that all tests are through."""
    with served(shop_database, shop_redis) as running:
        yield running
        assert [line for line in running.log if line.get("status") == 500] == []


@pytest.fixture(scope="session")
def api(shop: Served, shop_database: str) -> Iterator[Api]:
    """Clients of the application; an answer that its page does not describe fails the test."""
    documented = Documented.of(shop.url)
    with Api(shop.url, new_keys(shop_database), [documented.check]) as clients:
        yield clients
