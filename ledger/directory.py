"""Reference data that decisions look up: venues, users and API keys."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from ledger.database import Connection, Pool, fetch, statement
from ledger.values import ActorId, Instant, UserId, VenueId

_INSERT_VENUE: Final = statement("ledger", "insert_venue")
_INSERT_USER: Final = statement("ledger", "insert_user")
_ERASE_USER: Final = statement("ledger", "erase_user")
_COPY_USERS: Final = statement("ledger", "copy_users")
_INSERT_KEY: Final = statement("ledger", "insert_key")
_LIST_KEYS: Final = statement("ledger", "list_keys")


@dataclass(frozen=True, slots=True)
class Venue:
    venue_id: VenueId
    name: str
    capacity: int
    created_at: Instant


@dataclass(frozen=True, slots=True)
class User:
    user_id: UserId
    name: str
    email: str
    created_at: Instant


@dataclass(frozen=True, slots=True)
class Key:
    """An API key as stored: ``key_hash`` is the SHA-256 of its text."""

    key_id: ActorId
    key_hash: bytes
    role: str
    created_at: Instant


async def add_venue(pool: Pool, venue: Venue) -> None:
    """Add ``venue``; raises `DatabaseUnavailable`."""
    await fetch(pool, _INSERT_VENUE, venue.venue_id, venue.name, venue.capacity, venue.created_at)


async def add_user(pool: Pool, user: User) -> None:
    """Add ``user``; raises `DatabaseUnavailable`."""
    await fetch(pool, _INSERT_USER, user.user_id, user.name, user.email, user.created_at)


async def erase_user(pool: Pool, user_id: UserId, at: Instant) -> bool:
    """Take away all that is known of a user but the id; False where there is nothing to take.

    A booking that is being decided meanwhile may still be made, one that comes later is refused.
    Raises `DatabaseUnavailable`.
    """
    return bool(await fetch(pool, _ERASE_USER, user_id, at))


async def import_users(connection: Connection, users: AsyncIterator[User]) -> int:
    """Add ``users`` in constant memory, all or none; how many there were."""
    count = 0
    async with (
        connection.transaction(),
        connection.cursor() as cursor,
        cursor.copy(_COPY_USERS) as copy,
    ):
        async for user in users:
            await copy.write_row((user.user_id, user.name, user.email, user.created_at))
            count += 1
    return count


async def add_key(pool: Pool, key: Key) -> None:
    """Add ``key``; raises `DatabaseUnavailable`."""
    await fetch(pool, _INSERT_KEY, key.key_id, key.key_hash, key.role, key.created_at)


async def list_keys(pool: Pool) -> dict[bytes, tuple[UUID, str]]:
    """Key id and role of every key, by the key's hash; raises `DatabaseUnavailable`."""
    return {key_hash: (key_id, role) for key_hash, key_id, role in await fetch(pool, _LIST_KEYS)}
