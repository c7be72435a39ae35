"""The flash sale as a command: seed, serve, sell, audit."""

import asyncio

from api.demo import create_key, seed
from api.keys import Role
from api.settings import Settings
from ledger.migrate import migrate
from loadtest.flash_sale import FlashSale, FlashSaleError, run_flash_sale
from loadtest.report import Report
from loadtest.serving import ServerFailed, serving


class SaleFailed(Exception):
    """The sale could not be held."""


def hold_sale(settings: Settings, *, users: int, capacity: int, vus: int) -> Report:
    """One sale of a new event to new users, on a server of its own, and the audit of it.

    Raises `SaleFailed` when that could not be done to the end.
    """
    if settings.database_url is None or settings.redis_url is None:
        raise SaleFailed("The sale needs a database and Redis: set both URLs or neither.")
    database_url, redis_url = settings.database_url, settings.redis_url
    role = settings.database_role or None
    migrate(settings.migrate_url or database_url)
    made = asyncio.run(seed(database_url, role=role, users=users, capacity=capacity))
    key = asyncio.run(create_key(database_url, role=role, key_role=Role.CLIENT))
    urls = {"FLASHTICKET_DATABASE_URL": database_url, "FLASHTICKET_REDIS_URL": redis_url}
    try:
        with serving(
            lambda _: ("api", "serve"),
            lambda port: urls | {"FLASHTICKET_HOST": "127.0.0.1", "FLASHTICKET_PORT": str(port)},
            "/readyz",
        ) as served:
            return run_flash_sale(
                FlashSale(
                    base_url=served.base_url,
                    client_key=key,
                    event_id=str(made.event_id),
                    users=[str(user_id) for user_id in made.user_ids],
                    capacity=capacity,
                    vus=vus,
                ),
                database_url=database_url,
                redis_url=redis_url,
            )
    except (FlashSaleError, ServerFailed) as error:
        raise SaleFailed(str(error)) from error
