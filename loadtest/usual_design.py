"""The yardstick: a booking API as it is usually written.

FastAPI, a plain function as endpoint (so it runs in the thread pool), a SQLAlchemy session a
request on an engine with default settings (5 connections and 10 more), and in one transaction:
SELECT ... FOR UPDATE of the event row, the sum over its bookings, an INSERT, COMMIT. No keys, no
idempotency and no history: it does less than FlashTicket. `usual_tuned` is the same, made fast.
`USUAL_DATABASE_URL` comes from the environment.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from fastapi import FastAPI, HTTPException, Request
from sqlalchemy import create_engine, func, select
from sqlalchemy.orm import Session, sessionmaker

from loadtest.usual_tables import Booking, BookingAnswer, BookingBody, Event, with_psycopg


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """One engine for each worker, with the pool that SQLAlchemy gives to who asks for nothing."""
    engine = create_engine(with_psycopg(os.environ["USUAL_DATABASE_URL"]))
    # Attributes do not expire, which spares it a SELECT after COMMIT.
    app.state.sessions = sessionmaker(engine, expire_on_commit=False)
    yield
    engine.dispose()


app = FastAPI(title="The usual design", lifespan=lifespan)


def new_session(request: Request) -> Session:
    """One session a request, opened and closed in the endpoint's own thread.

    As a dependency that yields it would be closed in another turn of the thread pool, for which
    there is no thread left when all of them wait for a connection.
    """
    sessions: sessionmaker[Session] = request.app.state.sessions
    return sessions()


def booked_tickets(session: Session, event_id: UUID) -> int:
    """How many tickets of an event are booked, counted."""
    counted = select(func.coalesce(func.sum(Booking.quantity), 0))
    return session.scalar(counted.where(Booking.event_id == event_id)) or 0


@app.post("/v1/bookings", status_code=201)
def book(body: BookingBody, request: Request) -> BookingAnswer:
    """Book in one transaction of its own."""
    with new_session(request) as session:
        found = select(Event).where(Event.event_id == body.event_id)
        event = session.scalar(found.with_for_update())
        if event is None:
            raise HTTPException(404, {"code": "event-not-found"})
        if booked_tickets(session, event.event_id) + body.quantity > event.capacity:
            raise HTTPException(409, {"code": "sold-out"})
        booking = Booking(**body.model_dump())
        session.add(booking)
        session.commit()
    return BookingAnswer(
        booking_id=booking.booking_id,
        event_id=booking.event_id,
        user_id=booking.user_id,
        quantity=booking.quantity,
        status="booked",
    )


@app.get("/v1/events/{event_id}/availability")
def availability(event_id: UUID, request: Request) -> dict[str, Any]:
    """Count what is left."""
    with new_session(request) as session:
        event = session.get(Event, event_id)
        if event is None:
            raise HTTPException(404, {"code": "event-not-found"})
        booked = booked_tickets(session, event_id)
    return {"capacity": event.capacity, "booked": booked, "available": event.capacity - booked}
