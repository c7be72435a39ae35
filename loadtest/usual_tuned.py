"""The yardstick: a booking API as it is usually written, and written well.

FastAPI, SQLAlchemy's async ORM over psycopg, one transaction a request: lock the event row with
SELECT ... FOR UPDATE, look at its counter, insert the booking, commit. The counter on the event row
spares it the COUNT(*) over all bookings that many such designs pay. Run it with any number of
uvicorn workers; `USUAL_DATABASE_URL` and `USUAL_POOL_SIZE` (connections a worker) come from the
environment.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID, uuid4

from fastapi import Depends, FastAPI, Header, HTTPException, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    MetaData,
    UniqueConstraint,
    create_engine,
    func,
    select,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.schema import CreateSchema

SCHEMA = "usual"
CLIENT_KEY = "usual-client-key"


class Base(DeclarativeBase):
    """Tables of the yardstick, in a schema of their own."""

    metadata = MetaData(schema=SCHEMA)


class Event(Base):
    """A show and its counter."""

    __tablename__ = "events"
    __table_args__ = (CheckConstraint("booked <= capacity", name="events_not_oversold"),)

    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    capacity: Mapped[int]
    booked: Mapped[int] = mapped_column(default=0)


class Booking(Base):
    """One accepted booking."""

    __tablename__ = "bookings"
    __table_args__ = (UniqueConstraint("idempotency_key", name="bookings_idempotency_key"),)

    booking_id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    event_id: Mapped[UUID] = mapped_column(ForeignKey(Event.event_id), index=True)
    user_id: Mapped[UUID]
    quantity: Mapped[int]
    idempotency_key: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class BookingBody(BaseModel):
    """The body of POST /v1/bookings."""

    model_config = ConfigDict(extra="forbid")

    event_id: UUID
    user_id: UUID
    quantity: int = Field(default=1, ge=1, le=1000)


class BookingAnswer(BaseModel):
    """The answer to an accepted booking."""

    booking_id: UUID
    event_id: UUID
    user_id: UUID
    quantity: int
    status: str


def create_tables(database_url: str) -> None:
    """Make the schema and its tables where they are missing."""
    engine = create_engine(_with_psycopg(database_url))
    with engine.begin() as connection:
        connection.execute(CreateSchema(SCHEMA, if_not_exists=True))
        Base.metadata.create_all(connection)
    engine.dispose()


def _with_psycopg(database_url: str) -> str:
    return database_url.replace("postgresql://", "postgresql+psycopg://", 1)


def engine_for(database_url: str, pool_size: int) -> AsyncEngine:
    """Make the engine; `pool_size` connections stay open and none beyond them."""
    return create_async_engine(
        _with_psycopg(database_url),
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


app = FastAPI(title="The usual design", lifespan=lifespan)


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
