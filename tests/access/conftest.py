"""One application of two workers for all that is about both of them, on a Redis of its own."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from issuer import AUDIENCE, local_issuer
from pair import USER_RATE, WINDOW_SECONDS, Pair
from served import Api, new_keys, served

from api.embedded import EmbeddedValkey

if TYPE_CHECKING:
    from tests.conftest import RealServers


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
