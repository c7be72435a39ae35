"""One application of two workers for all that is about both of them, on a Redis of its own."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import pytest
from certificates import Certificate, Encrypted, new_certificate, tls_front
from issuer import AUDIENCE, local_issuer
from pair import USER_RATE, WINDOW_SECONDS, Pair
from served import Api, Served, new_keys, served

from api.embedded import EmbeddedValkey

if TYPE_CHECKING:
    from tests.conftest import RealServers

ORIGIN: Final = "https://shop.example"
"""Whose pages may call the application with certificates, and no other's."""


@pytest.fixture(scope="session")
def pair(
    servers: "RealServers", migrated: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pair]:
    with (
        servers.fresh_database(migrated) as name,
        EmbeddedValkey(tmp_path_factory.mktemp("valkey")) as valkey,
        local_issuer() as issuer,
        served(
            servers.database_url(name),
            valkey.url(),
            workers=2,
            user_rate=f"{USER_RATE}/{WINDOW_SECONDS}s",
            oidc_issuer=issuer.url,
            oidc_audience=AUDIENCE,
        ) as running,
        Api(running.url, new_keys(servers.database_url(name))) as api,
    ):
        yield Pair(running, api, servers.database_url(name), valkey, issuer)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return new_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="session")
def behind_tls(
    servers: "RealServers", migrated: str, certificate: Certificate
) -> Iterator[Encrypted]:
    redis = urlsplit(servers.redis_url)
    with (
        servers.fresh_database(migrated) as name,
        tls_front(
            certificate, urlsplit(servers.postgres_url).port or 5432, postgres=True
        ) as database_port,
        tls_front(certificate, redis.port or 6379) as redis_port,
    ):
        yield Encrypted(
            certificate, servers.database_url(name), database_port, redis_port, redis.password
        )


@pytest.fixture(scope="session")
def secured(behind_tls: Encrypted) -> Iterator[Served]:
    certificate = behind_tls.certificate
    with served(
        behind_tls.database_url(certificate.chain),
        behind_tls.redis_url(certificate.chain),
        tls=certificate.client_context(),
        tls_certificate_file=certificate.chain,
        tls_key_file=certificate.key,
        allowed_origins=ORIGIN,
    ) as running:
        yield running


@pytest.fixture(scope="session")
def secured_api(secured: Served, behind_tls: Encrypted) -> Iterator[Api]:
    with Api(secured.url, new_keys(behind_tls.plain_database_url), tls=secured.tls) as clients:
        yield clients
