"""Tables and bodies that both forms of the usual design share."""

from datetime import datetime
from uuid import UUID, uuid4

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    MetaData,
    UniqueConstraint,
    create_engine,
    func,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.schema import CreateSchema

SCHEMA = "usual"


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
    engine = create_engine(with_psycopg(database_url))
    with engine.begin() as connection:
        connection.execute(CreateSchema(SCHEMA, if_not_exists=True))
        Base.metadata.create_all(connection)
    engine.dispose()


def with_psycopg(database_url: str) -> str:
    """The URL as SQLAlchemy wants it for the driver that all contenders use."""
    return database_url.replace("postgresql://", "postgresql+psycopg://", 1)
