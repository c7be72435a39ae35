"""What `flashticket export` does around an export."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Final

import psycopg

from api.services import log_keys_of
from api.settings import Settings
from api.witness_requests import open_asking
from ledger.database import Pool, open_pool
from projections.export import Exported, export
from projections.tlog import TransparencyLog
from projections.witnesses import Witness, parse_witnesses
from projections.witnessing import Witnessing

_COSIGNED_SECONDS_MAX: Final = 3.0
_COSIGNED_POLL_SECONDS: Final = 0.1


def export_to(
    path: Path, url: str, settings: Settings, progress: Callable[[int], None]
) -> Exported:
    """Bring the log up to date, have it signed and cosigned, and export it to ``path``.

    Raises as `projections.export.export` and `TransparencyLog.catch_up` do.
    """
    keys = log_keys_of(settings)

    async def catch_up() -> None:
        pool = open_pool(url, role=settings.database_role or None, size_max=1, name="export")
        async with pool:
            await TransparencyLog(pool, keys).catch_up_with_all()
            if witnesses := parse_witnesses(settings.log_witnesses):
                await _try_to_have_cosigned(pool, witnesses)

    asyncio.run(catch_up())
    with psycopg.connect(url, autocommit=True) as connection:
        return export(connection, path, keys.verifying(), progress)


async def _try_to_have_cosigned(pool: Pool, witnesses: list[Witness]) -> None:
    give_up_at = monotonic() + _COSIGNED_SECONDS_MAX
    async with open_asking() as ask:
        witnessing = Witnessing(pool, witnesses, ask)
        while not await witnessing.ask_all() and monotonic() < give_up_at:  # noqa: ASYNC110
            await asyncio.sleep(_COSIGNED_POLL_SECONDS)
