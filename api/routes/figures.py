"""Figures: what organizers see of their sales, counted from the ledger soon after each entry."""

from typing import Annotated, Any, Final, TypeVar
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel

from api import bodies, figure_bodies, figures
from api.access import allowed
from api.documents import problems
from api.keys import Principal
from api.paging import LIMIT_MAX
from api.problems import Problem
from api.services import Services, services_of
from api.times import instant_of
from ledger.values import EPOCH, EventId, Instant, UserId
from projections.figures import Figures

router = APIRouter(prefix="/v1", tags=["figures"])

_BEFORE_FIRST_SEQ: Final = -1
_BIGINT_MAX: Final = 2**63 - 1
_MINUTES: Final = 1_440
_STEPS: Final = 100

_UNCHANGED: Final[dict[int | str, dict[str, Any]]] = {
    304: {"description": "The version named by If-None-Match is still the latest that is counted"}
}

Found = TypeVar("Found", bound=Figures[Any])


@router.get(
    "/events/{event_id}/sales",
    response_model=figure_bodies.Sales,
    responses=_UNCHANGED | problems("event-not-found", call="read_sales"),
)
async def read_sales(
    event_id: UUID,
    request: Request,
    after: Annotated[
        bodies.Time | None, Query(description="Only minutes that begin after this time.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=LIMIT_MAX, description="Minutes to answer.")] = _MINUTES,
    _: Principal = Depends(allowed("read_sales")),
    services: Services = Depends(services_of),
) -> Response:
    """Tickets booked and cancelled and their prices, by minute and category if there were any."""
    since = Instant(EPOCH - 1) if after is None else instant_of(after)
    found = _of(event_id, await services.figures.sales(EventId(event_id), since, limit))
    return _answer(request, found, figures.sales_body(EventId(event_id), found, limit))


@router.get(
    "/events/{event_id}/revenue",
    response_model=figure_bodies.Revenue,
    responses=_UNCHANGED | problems("event-not-found", call="read_revenue"),
)
async def read_revenue(
    event_id: UUID,
    request: Request,
    _: Principal = Depends(allowed("read_revenue")),
    services: Services = Depends(services_of),
) -> Response:
    """What was taken and given back, by category."""
    found = _of(event_id, await services.figures.revenue(EventId(event_id)))
    return _answer(request, found, figures.revenue_body(EventId(event_id), found))


@router.get(
    "/events/{event_id}/occupancy",
    response_model=figure_bodies.SectionOccupancy,
    responses=_UNCHANGED | problems("event-not-found", call="read_occupancy"),
)
async def read_occupancy(
    event_id: UUID,
    request: Request,
    _: Principal = Depends(allowed("read_occupancy")),
    services: Services = Depends(services_of),
) -> Response:
    """How full each section is."""
    found = _of(event_id, await services.figures.occupancy(EventId(event_id)))
    return _answer(request, found, figures.occupancy_body(EventId(event_id), found))


@router.get(
    "/events/{event_id}/waiting-list",
    response_model=figure_bodies.Line,
    responses=_UNCHANGED | problems("event-not-found", call="read_line"),
)
async def read_line(
    event_id: UUID,
    request: Request,
    _: Principal = Depends(allowed("read_line")),
    services: Services = Depends(services_of),
) -> Response:
    """How many wait in line, and for how many places, by category."""
    found = _of(event_id, await services.figures.line_lengths(EventId(event_id)))
    return _answer(request, found, figures.line_body(EventId(event_id), found))


@router.get(
    "/events/{event_id}/refusals",
    responses=problems("event-not-found", call="read_refusals"),
)
async def read_refusals(
    event_id: UUID,
    _: Principal = Depends(allowed("read_refusals")),
    services: Services = Depends(services_of),
) -> figure_bodies.Refusals:
    """How often wishes for the event were refused, by reason.

    Counted by the processes that refuse and not in the ledger: one that is killed takes up to a
    second of it along.
    """
    found = _of(event_id, await services.figures.refusals(EventId(event_id)))
    return figures.refusals_body(EventId(event_id), found)


@router.get("/users/{user_id}/history", responses=problems("user-not-found", call="read_history"))
async def read_history(
    user_id: UUID,
    after: Annotated[
        int,
        Query(
            ge=_BEFORE_FIRST_SEQ, le=_BIGINT_MAX, description="Begin after the step of this `seq`."
        ),
    ] = _BEFORE_FIRST_SEQ,
    limit: Annotated[int, Query(ge=1, le=LIMIT_MAX, description="Steps on a page.")] = _STEPS,
    _: Principal = Depends(allowed("read_history")),
    services: Services = Depends(services_of),
) -> figure_bodies.History:
    """What happened to a user, in order: booked, held, waited for, given away, cancelled."""
    found = await services.figures.history(UserId(user_id), after, limit)
    if found is None:
        raise Problem("user-not-found", f"There is no user {user_id}.")
    return figures.history_body(UserId(user_id), found, limit)


def _of(event_id: UUID, found: Found | None) -> Found:
    if found is None:
        raise Problem("event-not-found", f"There is no event {event_id}.")
    return found


def _answer(request: Request, found: Figures[Any], body: BaseModel) -> Response:
    """``body``, or that it has not changed: of a version there is one answer."""
    headers = {"ETag": f'"{found.version}"', "Cache-Control": "no-cache"}
    if headers["ETag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(body.model_dump_json(), headers=headers, media_type="application/json")
