"""The usual design as far as tuning takes it, still one transaction a request.

FastAPI, SQLAlchemy's async ORM over psycopg: lock the event row with SELECT ... FOR UPDATE, look at
its counter, insert the booking, commit. The counter on the event row spares it the sum over all
bookings that `usual_design` pays. Run it with any number of uvicorn workers; `USUAL_DATABASE_URL`
and `USUAL_POOL_SIZE` (connections a worker) come from the environment.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any
from uuid import UUID, uuid4

from fastapi import Depends, FastAPI, Header, HTTPException, Request
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)

from loadtest.usual_tables import Booking, BookingAnswer, BookingBody, Event, with_psycopg

CLIENT_KEY = "usual-client-key"


def engine_for(database_url: str, pool_size: int) -> AsyncEngine:
    """Make the engine; `pool_size` connections stay open and none beyond them."""
    return create_async_engine(
        with_psycopg(database_url),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=60,
    )


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Keep one pool for as long as the worker lives."""
    engine = engine_for(os.environ["USUAL_DATABASE_URL"], int(os.environ["USUAL_POOL_SIZE"]))
    app.state.sessions = async_sessionmaker(engine, expire_on_commit=False)
    yield
    await engine.dispose()


app = FastAPI(title="The usual design, tuned", lifespan=lifespan)


async def session_of(request: Request) -> AsyncIterator[AsyncSession]:
    """One session a request."""
    async with request.app.state.sessions() as session:
        yield session


async def client_only(authorization: Annotated[str, Header()] = "") -> None:
    """Refuse whoever has not the client's key."""
    if authorization != f"Bearer {CLIENT_KEY}":
        raise HTTPException(401)


Session = Annotated[AsyncSession, Depends(session_of)]


@app.post("/v1/bookings", status_code=201, dependencies=[Depends(client_only)])
async def book(
    body: BookingBody,
    session: Session,
    idempotency_key: Annotated[str | None, Header()] = None,
) -> BookingAnswer:
    """Book in one transaction of its own."""
    event = await session.get(Event, body.event_id, with_for_update=True)
    if event is None:
        raise HTTPException(404, {"code": "event-not-found"})
    if event.booked + body.quantity > event.capacity:
        raise HTTPException(409, {"code": "sold-out"})
    event.booked += body.quantity
    booking = Booking(**body.model_dump(), booking_id=uuid4(), idempotency_key=idempotency_key)
    session.add(booking)
    try:
        await session.commit()
    except IntegrityError:
        await session.rollback()
        first = await session.scalar(
            select(Booking).where(Booking.idempotency_key == idempotency_key)
        )
        if first is None:
            raise
        booking = first
    return BookingAnswer(
        booking_id=booking.booking_id,
        event_id=booking.event_id,
        user_id=booking.user_id,
        quantity=booking.quantity,
        status="booked",
    )


@app.get("/v1/events/{event_id}/availability")
async def availability(event_id: UUID, session: Session) -> dict[str, Any]:
    """Read the counter."""
    event = await session.get(Event, event_id)
    if event is None:
        raise HTTPException(404, {"code": "event-not-found"})
    return {
        "capacity": event.capacity,
        "booked": event.booked,
        "available": event.capacity - event.booked,
    }
