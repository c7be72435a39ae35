"""Ids and instants: the values that commands, entries and state are made of."""

from typing import NewType
from uuid import UUID

EventId = NewType("EventId", UUID)
VenueId = NewType("VenueId", UUID)
UserId = NewType("UserId", UUID)
BookingId = NewType("BookingId", UUID)
HoldId = NewType("HoldId", UUID)
WaitingId = NewType("WaitingId", UUID)
ActorId = NewType("ActorId", UUID)

Instant = NewType("Instant", int)
"""Microseconds since 1970-01-01T00:00:00Z, as stored, hashed and compared."""

EPOCH = Instant(0)

SYSTEM = ActorId(UUID(int=0))
"""The actor of what no key asked for, such as the expiry of a hold."""

QUANTITY_MAX = 10_000
"""Tickets in one order."""

SEATS_MAX = 100_000
"""Labelled seats of one event."""

HOLD_SECONDS_DEFAULT = 300

CAPACITY_MAX = 10_000_000
"""Places of one venue."""
