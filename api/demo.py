"""What a seed makes: a venue, an event and users, and keys to try them with."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from uuid_utils.compat import uuid7

from api.keys import Role, hash_of
from api.new_keys import KeyTerms, make_key
from api.times import now
from ledger import directory
from ledger.batch import Done
from ledger.combiner import Limits
from ledger.commands import ScheduleEvent, Submission
from ledger.database import Pool, open_pool, translate_errors
from ledger.heads import Heads
from ledger.values import SYSTEM, EventId, Instant, UserId, VenueId
from ledger.writer import open_writer

_DAYS_AHEAD: Final = 90
_DAY: Final = 86_400_000_000


class SeedFailed(Exception):
    """What was asked for can't be scheduled."""


@dataclass(frozen=True, slots=True)
class Seeded:
    """Ids of what a seed made."""

    venue_id: VenueId
    event_id: EventId
    user_ids: list[UserId]


async def seed(url: str, *, role: str | None, users: int, capacity: int) -> Seeded:
    """One venue of ``capacity``, one event that sells all of it, and ``users`` users."""
    venue = directory.Venue(VenueId(uuid7()), "Demo Hall", capacity, now())
    event_id = EventId(uuid7())
    people = [
        directory.User(UserId(uuid7()), f"User {n}", f"user{n}@example.org", now())
        for n in range(1, users + 1)
    ]

    async def each() -> AsyncIterator[directory.User]:
        for person in people:
            yield person

    async with open_writer(
        url,
        role=role,
        limits=Limits(batches_in_flight_max=1, streams_aside_max=1),
        heads=Heads(0),
        measure=lambda **_: None,
        publish=lambda *_: None,
    ) as writer:
        with translate_errors():
            await directory.add_venue(writer.pool, venue)
            async with writer.pool.connection() as connection:
                await directory.import_users(connection, each())
        command = ScheduleEvent(
            event_id=event_id,
            venue_id=venue.venue_id,
            venue_capacity=capacity,
            name="Demo Night",
            starts_at=Instant(now() + _DAYS_AHEAD * _DAY),
            capacity=capacity,
            sales_open_at=None,
            sales_close_at=None,
            limit_per_user=None,
        )
        outcome = await writer.submit(Submission((command,), SYSTEM))
        if not isinstance(outcome, Done):
            raise SeedFailed(f"the demo event could not be scheduled: {outcome}")
    return Seeded(venue.venue_id, event_id, [person.user_id for person in people])


async def create_key(url: str, *, role: str | None, key_role: Role) -> str:
    """A new API key; only its hash is stored."""
    async with _pool(url, role) as pool:
        _, text = await make_key(pool, KeyTerms(key_role))
    return text


async def demo_keys(url: str, *, role: str | None, kept: dict[str, str]) -> dict[str, str]:
    """A key by role: those of ``kept`` that the database knows, new ones for the rest."""
    keys: dict[str, str] = {}
    async with _pool(url, role) as pool:
        valid = await directory.find_keys(pool, [hash_of(key) for key in kept.values()])
        for key_role in Role:
            key = kept.get(key_role)
            if key is None or hash_of(key) not in valid:
                _, key = await make_key(pool, KeyTerms(key_role, name="demo"))
            keys[key_role] = key
    return keys


async def has_events(url: str, *, role: str | None) -> bool:
    """Whether anything was ever scheduled here."""
    async with _pool(url, role) as pool:
        with translate_errors():
            async with pool.connection() as connection:
                cursor = await connection.execute("SELECT EXISTS (SELECT FROM streams)")
                row = await cursor.fetchone()
                return row is not None and bool(row[0])


def _pool(url: str, role: str | None) -> Pool:
    return open_pool(url, role=role, size_max=1, name="command")
