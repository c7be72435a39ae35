"""For operators: alive, ready, metrics; and the page behind every problem's type."""

import os
from typing import Any

from fastapi import APIRouter, Depends, Response
from fastapi.responses import PlainTextResponse

from api import metrics
from api.documents import problems
from api.problems import KINDS, Problem
from api.services import Services, services_of
from ledger.database import NotDurable, in_time, require_durable, translate_errors
from ledger.migrate import migrations
from projections.cache import CacheAway

router = APIRouter(tags=["operations"])


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """Whether the process is alive: 200 whenever it can answer at all."""
    return {"status": "alive"}


@router.get("/readyz", responses=problems())
async def readyz(services: Services = Depends(services_of)) -> dict[str, str]:
    """Whether bookings can be taken now. Redis away makes things slower, not unready."""
    try:
        await in_time(_require_ready(services))
    except NotDurable as error:
        raise Problem("unavailable", str(error)) from error
    return {"status": "ready", "database": "up", "redis": await _redis_state(services)}


async def _require_ready(services: Services) -> None:
    with translate_errors():
        async with services.queries.pool.connection() as connection:
            await require_durable(connection)
            cursor = await connection.execute("SELECT to_regclass('migrations') IS NOT NULL")
            row = await cursor.fetchone()
            applied = 0
            if row is not None and row[0]:
                cursor = await connection.execute("SELECT count(*) FROM migrations")
                row = await cursor.fetchone()
                applied = 0 if row is None else row[0]
    if applied < len(migrations()):
        raise Problem("unavailable", "The database is not migrated: run `flashticket migrate`.")


async def _redis_state(services: Services) -> str:
    if services.cache is None:
        return "not set"
    try:
        await services.cache.ping()
    except CacheAway:
        return "away"
    return "up"


@router.get("/metrics", response_class=PlainTextResponse)
async def read_metrics() -> Response:
    """Prometheus text format, over all workers."""
    body, content_type = metrics.exposition(of_all_workers="PROMETHEUS_MULTIPROC_DIR" in os.environ)
    return Response(body, media_type=content_type)


@router.get("/problems/{code}", responses=problems("not-found"))
async def read_problem(code: str) -> dict[str, Any]:
    """What a problem's `type` means and what to do about it."""
    kind = KINDS.get(code)
    if kind is None:
        raise Problem("not-found", "There is no problem of that code.")
    return {"code": code, "status": kind.status, "title": kind.title, "remedy": kind.remedy}
