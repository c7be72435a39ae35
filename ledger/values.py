"""Ids and instants: the values that commands, entries and state are made of."""

from typing import NewType
from uuid import UUID

EventId = NewType("EventId", UUID)
VenueId = NewType("VenueId", UUID)
UserId = NewType("UserId", UUID)
BookingId = NewType("BookingId", UUID)
ActorId = NewType("ActorId", UUID)

Instant = NewType("Instant", int)
"""Microseconds since 1970-01-01T00:00:00Z, as stored, hashed and compared."""

EPOCH = Instant(0)

QUANTITY_MAX = 10_000
"""Tickets in one order."""

CAPACITY_MAX = 10_000_000
"""Places of one venue."""
