"""Venues and users."""

import sys
from collections.abc import AsyncIterator
from typing import Final
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from pydantic import TypeAdapter, ValidationError
from uuid_utils.compat import uuid7

from api import bodies
from api.access import allowed
from api.documents import problems
from api.keys import Principal
from api.ndjson import NDJSON, lines
from api.paging import Cursor, Limit, next_cursor, position
from api.problems import Problem
from api.services import Services, services_of
from api.times import now
from api.validation import validation_problem
from api.views import user_body, venue_body
from ledger import directory
from ledger.database import translate_errors
from ledger.values import UserId, VenueId

router = APIRouter(prefix="/v1", tags=["venues and users"])

_USER_IN: Final = TypeAdapter(bodies.UserIn)


@router.post("/venues", status_code=201, responses=problems(call="add_venue"))
async def add_venue(
    body: bodies.VenueIn,
    _: Principal = Depends(allowed("add_venue")),
    services: Services = Depends(services_of),
) -> bodies.Venue:
    """Add a venue, whose capacity bounds its events."""
    venue = directory.Venue(VenueId(uuid7()), body.name, body.capacity, now())
    await directory.add_venue(services.queries.pool, venue)
    return venue_body(venue)


@router.get("/venues", responses=problems(call="list_venues"))
async def list_venues(
    limit: Limit = 100,
    cursor: Cursor = None,
    _: Principal = Depends(allowed("list_venues")),
    services: Services = Depends(services_of),
) -> bodies.VenuePage:
    """All venues in order of creation."""
    venues = await services.queries.venues(position(cursor), limit)
    return bodies.VenuePage(
        items=[venue_body(venue) for venue in venues],
        next_cursor=next_cursor(venues, limit, lambda venue: venue.venue_id),
    )


@router.get("/venues/{venue_id}", responses=problems("venue-not-found", call="read_venue"))
async def read_venue(
    venue_id: UUID,
    _: Principal = Depends(allowed("read_venue")),
    services: Services = Depends(services_of),
) -> bodies.Venue:
    """One venue."""
    venue = await services.queries.venue(VenueId(venue_id))
    if venue is None:
        raise Problem("venue-not-found", f"There is no venue {venue_id}.")
    return venue_body(venue)


@router.post("/users", status_code=201, responses=problems(call="add_user"))
async def add_user(
    body: bodies.UserIn,
    _: Principal = Depends(allowed("add_user")),
    services: Services = Depends(services_of),
) -> bodies.User:
    """Register a user. Name and address stay out of the ledger."""
    user = directory.User(UserId(uuid7()), body.name, body.email, now())
    await directory.add_user(services.queries.pool, user)
    return user_body(user)


@router.post(
    "/users/import",
    status_code=201,
    max_body_size=sys.maxsize,  # instead of the application's, which ends other bodies at 64 KiB
    responses=problems("unsupported-media-type", call="import_users"),
    openapi_extra={
        "requestBody": {
            "content": {NDJSON: {"schema": {"type": "string"}}},
            "description": "One user a line, as for POST /v1/users.",
        }
    },
)
async def import_users(
    request: Request,
    _: Principal = Depends(allowed("import_users")),
    services: Services = Depends(services_of),
) -> bodies.Imported:
    """Register many users, all or none: NDJSON, of any length, one user a line."""
    content_type = request.headers.get("content-type", NDJSON)
    if content_type.partition(";")[0].strip().lower() not in {NDJSON, "application/ndjson"}:
        raise Problem("unsupported-media-type", f"Users are imported as {NDJSON}.")
    first: UUID | None = None
    last: UUID | None = None

    async def users() -> AsyncIterator[directory.User]:
        nonlocal first, last
        started = now()
        async for number, line in lines(request.stream()):
            try:
                user = _USER_IN.validate_json(line)
            except ValidationError as error:
                raise validation_problem(error.errors(), "body", f"line {number}") from None
            last = uuid7()
            first = first or last
            yield directory.User(UserId(last), user.name, user.email, started)

    with translate_errors():
        async with services.queries.pool.connection() as connection:
            imported = await directory.import_users(connection, users())
    return bodies.Imported(imported=imported, first_user_id=first, last_user_id=last)


@router.get("/users", responses=problems(call="list_users"))
async def list_users(
    limit: Limit = 100,
    cursor: Cursor = None,
    _: Principal = Depends(allowed("list_users")),
    services: Services = Depends(services_of),
) -> bodies.UserPage:
    """All users in order of registration."""
    users = await services.queries.users(position(cursor), limit)
    return bodies.UserPage(
        items=[user_body(user) for user in users],
        next_cursor=next_cursor(users, limit, lambda user: user.user_id),
    )


# Only ids, or /users/import would be taken for one and not say which methods it has.
@router.get(
    "/users/{user_id:uuid}", responses=problems("user-erased", "user-not-found", call="read_user")
)
async def read_user(
    user_id: UUID,
    _: Principal = Depends(allowed("read_user")),
    services: Services = Depends(services_of),
) -> bodies.User:
    """One user."""
    user = await services.queries.user(UserId(user_id))
    if user is None:
        await require_known(services, UserId(user_id))
        raise Problem("user-erased", f"User {user_id} was erased.")
    return user_body(user)


async def require_known(services: Services, user_id: UserId) -> None:
    """Raise the `Problem` of an id that no user has or ever had."""
    queries = services.queries
    if await queries.user(user_id) is None and not await queries.is_erased(user_id):
        raise Problem("user-not-found", f"There is no user {user_id}.")
