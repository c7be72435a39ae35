"""An application that may send to this machine, and endpoints for it."""

from collections.abc import Iterator

import httpx
import pytest
from receiver import DEVELOPMENT, Receiver, open_receiver
from served import PLAIN, Api, Served, new_keys, served

from api.client import Client


@pytest.fixture(scope="module")
def shop(module_database: str) -> Iterator[Served]:
    with served(module_database, None, **DEVELOPMENT) as running:
        yield running


@pytest.fixture(scope="module")
def api(shop: Served, module_database: str) -> Iterator[Api]:
    with Api(shop.url, new_keys(module_database)) as clients:
        yield clients


@pytest.fixture(scope="module")
def organizer(api: Api) -> Iterator[Client]:
    plain = httpx.Client(trust_env=False, verify=PLAIN)
    with Client(api.url, api.keys["organizer"], http=plain) as client:
        yield client


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with open_receiver() as listening:
        yield listening


@pytest.fixture
def other_receiver() -> Iterator[Receiver]:
    with open_receiver() as listening:
        yield listening
