"""Bookings of an event, now or as they were; and what else answers about the past.

For organizers and auditors: nothing of it is secret that was public then, but a look far back costs
what thousands of looks at today do.
"""

from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from starlette.types import Scope

from api import bodies
from api.access import allowed, principal_of
from api.asgi import header
from api.documents import problems
from api.keys import Principal, Role
from api.moments import AskedMoment, moment_in, moment_of_event, still_to_come_as_problem
from api.paging import next_cursor
from api.problems import Problem
from api.services import Services, services_of
from api.times import rfc3339
from api.views import booking_fields, json_response
from ledger.batch import Head
from ledger.records import Booking
from ledger.values import EventId, UserId
from projections.past import AsOf, AtVersion, Moment

router = APIRouter(prefix="/v1", tags=["events"])

_PAGE_BOOKINGS: Final = 100
_PAGE_BOOKINGS_MAX: Final = 1_000
_BIGINT_MAX: Final = 2**63 - 1


@router.get(
    "/events/{event_id}/bookings",
    response_model=bodies.BookingsOfEvent,
    responses=problems("event-not-found", "not-yet-recorded", call="list_bookings_of_event"),
)
async def list_bookings_of_event(
    event_id: UUID,
    # First, or who may not ask would be told what is wrong with the moment.
    _: Annotated[Principal, Depends(allowed("list_bookings_of_event"))],
    moment: AskedMoment,
    after: Annotated[
        int, Query(ge=0, le=_BIGINT_MAX, description="`next_after` of the page before.")
    ] = 0,
    limit: Annotated[
        int, Query(ge=1, le=_PAGE_BOOKINGS_MAX, description="Bookings on a page.")
    ] = _PAGE_BOOKINGS,
    services: Services = Depends(services_of),
) -> Response:
    """An event's bookings in the order they were made, as they stand or stood.

    For the pages that follow, give the `version` of the first as `at_version`.
    """
    as_of = await moment_of_event(services, EventId(event_id), moment)
    begun = await services.past.bookings_begun(as_of, after, limit)
    return json_response(
        {
            "event_id": event_id,
            **_as_of_fields(as_of),
            "items": [booking_fields(booking) for _, booking in begun],
            "next_after": begun[-1][0] if len(begun) == limit else None,
        }
    )


async def past_booking_fields(
    services: Services, principal: Principal, booking: Booking, moment: Moment
) -> dict[str, Any]:
    """A booking as it stood, as `bodies.BookingAsOf` describes it; raises the `Problem`, also where
    it was somebody else's then.
    """
    as_of = await moment_of_event(services, booking.stream_id, moment)
    stood = await services.past.bookings(as_of, [booking.booking_id])
    if not stood:
        detail = f"Booking {booking.booking_id} was made later, by version {booking.entry.version}."
        raise Problem("booking-not-found", detail)
    if not principal.may_see(stood[0].booked_by, stood[0].user_id):
        raise Problem("booking-not-found", f"There is no booking {booking.booking_id}.")
    return booking_fields(stood[0]) | _as_of_fields(as_of)


async def past_bookings_of_user(
    services: Services,
    principal: Principal,
    user_id: UserId,
    moment: Moment,
    after: UUID,
    limit: int,
) -> dict[str, Any]:
    """What a user had, as `bodies.BookingsAsOf` describes it; raises the `Problem`."""
    if Role.CLIENT in principal.roles:
        raise Problem("forbidden", "The past of all bookings is for organizers and auditors.")
    if isinstance(moment, AtVersion):
        raise Problem(
            "validation",
            "Each event counts its own versions: ask for a time or a seq.",
            errors=[{"at": ["query", "at_version"], "why": "not about one event"}],
        )
    limit = min(limit, _PAGE_BOOKINGS)
    with still_to_come_as_problem():
        had, last = await services.past.bookings_had(user_id, moment, after, limit)
    return {
        "items": [booking_fields(booking) | _as_of_fields(as_of) for as_of, booking in had],
        "next_cursor": None if last is None else next_cursor([last], 1, lambda each: each),
    }


async def past_head(scope: Scope, services: Services, event_id: EventId) -> Head | None:
    """An event's counts at the moment that a request asks for; None when it asks for now.

    Raises the `Problem` of who may not ask, and of a moment that there was not.
    """
    moment = moment_in(scope["query_string"])
    if moment is None:
        return None
    authorization = header(scope, b"authorization")
    await principal_of(services.access, authorization, "list_bookings_of_event")
    return await services.past.head(await moment_of_event(services, event_id, moment))


def _as_of_fields(as_of: AsOf) -> dict[str, Any]:
    return {"version": as_of.version, "as_of": rfc3339(as_of.recorded_at)}
