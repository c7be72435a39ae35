"""Events: schedule, list, change, and how many places are left."""

from typing import Final
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Request, Response
from starlette.types import Receive, Scope, Send
from uuid_utils.compat import uuid7

from api import bodies
from api.access import allowed
from api.asgi import header, respond_with
from api.direct import Asked, Later, Reply
from api.documents import problems
from api.keys import Principal
from api.moments import AskedMoment
from api.offers import offer_of
from api.paging import Cursor, Limit, next_cursor, position
from api.problems import Problem
from api.routes.past import past_head
from api.routing import DirectRoute
from api.seat_maps import RenderedMap
from api.services import Services, already_done, services_of
from api.times import instant_of
from api.views import availability_fields, category_counts_body, event_body
from ledger.batch import Head
from ledger.commands import (
    CancelEvent,
    ChangeCapacity,
    CloseEvent,
    OpenEvent,
    ScheduleEvent,
    Submission,
)
from ledger.values import EventId, VenueId

router = APIRouter(prefix="/v1/events", tags=["events"])

_CACHE_CONTROL: Final = (b"cache-control", b"no-cache")  # ask again, with the ETag


@router.post(
    "",
    status_code=201,
    responses=problems("capacity-above-venue", "venue-not-found", call="schedule_event"),
)
async def schedule_event(
    body: bodies.EventIn,
    principal: Principal = Depends(allowed("schedule_event")),
    services: Services = Depends(services_of),
) -> bodies.Event:
    """Open an event at a venue."""
    venue = await services.queries.venue(VenueId(body.venue_id))
    if venue is None:
        raise Problem("venue-not-found", f"There is no venue {body.venue_id}.")
    opens_at, closes_at = body.sales_open_at, body.sales_close_at
    if opens_at is not None and closes_at is not None and closes_at <= opens_at:
        raise Problem(
            "validation",
            "Sales would close before they open.",
            errors=[{"at": ["body", "sales_close_at"], "why": "not after sales_open_at"}],
        )
    event_id = EventId(uuid7())
    offer = offer_of(body)
    command = ScheduleEvent(
        event_id=event_id,
        venue_id=venue.venue_id,
        venue_capacity=venue.capacity,
        name=body.name,
        starts_at=instant_of(body.starts_at),
        capacity=offer.capacity or venue.capacity,
        sales_open_at=None if opens_at is None else instant_of(opens_at),
        sales_close_at=None if closes_at is None else instant_of(closes_at),
        limit_per_user=body.limit_per_user,
        limit_per_order=body.limit_per_order,
        hold_seconds=body.hold_seconds,
        categories=offer.categories,
        quotas=offer.quotas,
        seat_rows=offer.seat_rows,
    )
    return await _change(services, principal, command)


@router.get("", responses=problems())
async def list_events(
    limit: Limit = 100, cursor: Cursor = None, services: Services = Depends(services_of)
) -> bodies.EventPage:
    """All events in order of creation."""
    events = await services.queries.events(position(cursor), limit)
    return bodies.EventPage(
        items=[event_body(event) for event in events],
        next_cursor=next_cursor(events, limit, lambda event: event.stream_id),
    )


@router.get("/{event_id}", responses=problems("event-not-found"))
async def read_event(event_id: UUID, services: Services = Depends(services_of)) -> bodies.Event:
    """An event with its counts."""
    return await _event(services, EventId(event_id))


@router.patch(
    "/{event_id}",
    responses=problems(
        "capacity-above-seats",
        "capacity-above-venue",
        "capacity-below-sold",
        "event-not-found",
        call="change_event",
    ),
)
async def change_event(
    event_id: UUID,
    body: bodies.EventPatch,
    principal: Principal = Depends(allowed("change_event")),
    services: Services = Depends(services_of),
) -> bodies.Event:
    """Change an event's capacity: more is sellable at once, less never below what is taken."""
    event = await _event(services, EventId(event_id))
    if event.seat_count and not event.categories and body.capacity > event.seat_count:
        detail = f"Each place is a seat, and there are {event.seat_count}."
        raise Problem("capacity-above-seats", detail, seats=event.seat_count)
    return await _change(services, principal, ChangeCapacity(EventId(event_id), body.capacity))


@router.post(
    "/{event_id}/open",
    responses=problems("event-cancelled", "event-not-found", call="open_event"),
)
async def open_event(
    event_id: UUID,
    principal: Principal = Depends(allowed("open_event")),
    services: Services = Depends(services_of),
) -> bodies.Event:
    """Let sales go on, within the sale window."""
    return await _change(services, principal, OpenEvent(EventId(event_id)))


@router.post(
    "/{event_id}/close",
    responses=problems("event-cancelled", "event-not-found", call="close_event"),
)
async def close_event(
    event_id: UUID,
    principal: Principal = Depends(allowed("close_event")),
    services: Services = Depends(services_of),
) -> bodies.Event:
    """Stop sales until the event is opened again; holds may still be confirmed."""
    return await _change(services, principal, CloseEvent(EventId(event_id)))


@router.post("/{event_id}/cancel", responses=problems("event-not-found", call="cancel_event"))
async def cancel_event(
    event_id: UUID,
    principal: Principal = Depends(allowed("cancel_event")),
    services: Services = Depends(services_of),
) -> bodies.Event:
    """Call the event off for good. Its bookings and holds are cancelled in batches that follow."""
    return await _change(services, principal, CancelEvent(EventId(event_id)))


@router.get(
    "/{event_id}/seats",
    response_model=bodies.SeatMap,
    responses={
        **problems("event-not-found"),
        304: {"description": "The version named by If-None-Match is still the latest"},
    },
)
async def read_seats(
    event_id: UUID, request: Request, services: Services = Depends(services_of)
) -> Response:
    """All labelled seats and which are free, best row first."""
    seats = await services.seat_maps.get(EventId(event_id))
    if seats is None:
        event = await _event(services, EventId(event_id))
        none = bodies.SeatMap(event_id=event_id, rows=[], version=event.version, as_of=event.as_of)
        seats = RenderedMap(event.version, none.model_dump_json().encode())
    headers = {"ETag": f'"{seats.version}"', "Cache-Control": "no-cache"}
    if headers["ETag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(seats.body, headers=headers, media_type="application/json")


@router.get("/{event_id}/categories", responses=problems("event-not-found"))
async def read_categories(
    event_id: UUID, services: Services = Depends(services_of)
) -> bodies.CategoryCounts:
    """Categories with their prices, and how many places of each are left."""
    counts = await services.queries.categories(EventId(event_id))
    if counts is None:
        raise Problem("event-not-found", f"There is no event {event_id}.")
    return category_counts_body(EventId(event_id), counts)


async def _change(
    services: Services,
    principal: Principal,
    command: ScheduleEvent | ChangeCapacity | OpenEvent | CloseEvent | CancelEvent,
) -> bodies.Event:
    await services.carry_out(Submission((command,), principal.key_id))
    with already_done():
        return await _event(services, command.event_id)


async def _event(services: Services, event_id: EventId) -> bodies.Event:
    event = await services.queries.event(event_id)
    if event is None:
        raise Problem("event-not-found", f"There is no event {event_id}.")
    return event_body(event)


def begin_availability(services: Services, asked: Asked) -> Later[Head | None]:
    """GET /v1/events/{event_id}/availability, as of now."""
    event_id = _event_id(asked.path_id)

    def answer(head: Head | None) -> Reply:
        return _availability(event_id, head, asked.header(b"if-none-match"))

    return Later(services.availability.ask(event_id), answer)


async def answer_availability(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001  an ASGI application
    """GET /v1/events/{event_id}/availability, as of any moment."""
    services: Services = scope["app"].state.services
    event_id = _event_id(scope["path_params"]["event_id"])
    head = await past_head(scope, services, event_id) if scope["query_string"] else None
    if head is None:
        head = await services.availability.get(event_id)
    await respond_with(send, _availability(event_id, head, header(scope, b"if-none-match")))


def _event_id(text: str) -> EventId:
    try:
        return EventId(UUID(text))
    except ValueError:
        raise Problem("event-not-found", "An event's id is a UUID.") from None


def _availability(event_id: EventId, head: Head | None, known: str | None) -> Reply:
    if head is None:
        raise Problem("event-not-found", f"There is no event {event_id}.")
    etag = f'"{head.version}"'
    headers = ((b"etag", etag.encode()), _CACHE_CONTROL)
    if etag in (known or ""):
        return Reply(304, b"", headers=headers)
    return Reply(200, orjson.dumps(availability_fields(event_id, head)), headers=headers)


async def read_availability(event_id: UUID, moment: AskedMoment) -> None:
    """How many places are left, as of a version that never goes back. Cheap to ask often.

    With a moment, how many were left then, for organizers and auditors: counted from the entries
    alone, and `as_of` the time of the last of them.
    """


def availability_route() -> DirectRoute:
    """The documented route of `begin_availability` and, with a moment, `answer_availability`."""
    return DirectRoute(
        "/v1/events/{event_id}/availability",
        read_availability,
        call=begin_availability,
        method="GET",
        handler=answer_availability,
        tags=["events"],
        response_model=bodies.Availability,
        responses={
            **problems("event-not-found", "forbidden", "not-yet-recorded", "unauthenticated"),
            304: {"description": "The version named by If-None-Match is still the latest"},
        },
    )
