"""Reference data that decisions look up: venues, users and API keys."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from ledger.attempts import OutcomeUnknown
from ledger.database import (
    Connection,
    DatabaseUnavailable,
    NoConnection,
    Pool,
    Row,
    fetch,
    statement,
    translate_errors,
)
from ledger.values import ActorId, Instant, UserId, VenueId

_INSERT_VENUE: Final = statement("ledger", "insert_venue")
_INSERT_USER: Final = statement("ledger", "insert_user")
_ERASE_USER: Final = statement("ledger", "erase_user")
_COPY_USERS: Final = statement("ledger", "copy_users")
_INSERT_API_KEY: Final = statement("ledger", "insert_api_key")
_FIND_API_KEYS: Final = statement("ledger", "find_api_keys")
_LIST_API_KEYS: Final = statement("ledger", "list_api_keys")
_REVOKE_API_KEY: Final = statement("ledger", "revoke_api_key")


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
    """An API key as people see it; its text is not kept.

    ``scopes`` name the only calls it is for, if not None. A key with a ``user_id`` acts for that
    user alone. At most ``rate_requests`` are answered in each window of ``rate_seconds``.
    """

    key_id: ActorId
    name: str
    role: str
    scopes: tuple[str, ...] | None
    user_id: UserId | None
    rate_requests: int | None
    rate_seconds: int | None
    created_at: Instant
    expires_at: Instant | None
    revoked_at: Instant | None = None


@dataclass(frozen=True, slots=True)
class ValidKey:
    """A key that is valid, and for how many microseconds more; None for no end."""

    key_id: ActorId
    role: str
    scopes: tuple[str, ...] | None
    user_id: UserId | None
    rate_requests: int | None
    rate_seconds: int | None
    valid_us: int | None


async def _write(pool: Pool, query: bytes, *parameters: Any) -> list[Row]:
    """What a statement that writes returns.

    Raises `OutcomeUnknown` where a lost connection leaves open whether it was carried out, and
    `DatabaseUnavailable` where it was not.
    """
    try:
        return await fetch(pool, query, *parameters)
    except NoConnection:
        raise
    except DatabaseUnavailable as error:
        raise OutcomeUnknown("the connection was lost while something was written") from error


async def add_venue(pool: Pool, venue: Venue) -> None:
    """Add ``venue``; raises as `_write` does."""
    await _write(pool, _INSERT_VENUE, venue.venue_id, venue.name, venue.capacity, venue.created_at)


async def add_user(pool: Pool, user: User) -> None:
    """Add ``user``; raises as `_write` does."""
    await _write(pool, _INSERT_USER, user.user_id, user.name, user.email, user.created_at)


async def erase_user(pool: Pool, user_id: UserId, at: Instant) -> bool:
    """Take away all that is known of a user but the id; False where there is nothing to take.

    A booking that is being decided meanwhile may still be made, one that comes later is refused.
    Raises as `_write` does.
    """
    return bool(await _write(pool, _ERASE_USER, user_id, at))


async def import_users(connection: Connection, users: AsyncIterator[User]) -> int:
    """Add ``users`` in constant memory, all or none; how many there were.

    Raises `OutcomeUnknown` when the connection is lost meanwhile.
    """
    count = 0
    try:
        with translate_errors():
            async with (
                connection.transaction(),
                connection.cursor() as cursor,
                cursor.copy(_COPY_USERS) as copy,
            ):
                async for user in users:
                    await copy.write_row((user.user_id, user.name, user.email, user.created_at))
                    count += 1
    except DatabaseUnavailable as error:
        raise OutcomeUnknown("the connection was lost while users were written") from error
    return count


async def add_key(pool: Pool, key: Key, key_hash: bytes) -> None:
    """Add ``key``, known by the SHA-256 of its text; raises as `_write` does."""
    await _write(
        pool,
        _INSERT_API_KEY,
        key.key_id,
        key_hash,
        key.name,
        key.role,
        None if key.scopes is None else list(key.scopes),
        key.user_id,
        key.rate_requests,
        key.rate_seconds,
        key.created_at,
        key.expires_at,
    )


async def find_keys(pool: Pool, key_hashes: Sequence[bytes]) -> dict[bytes, ValidKey]:
    """Those of the keys with ``key_hashes`` that are valid now, by the database's clock.

    Raises `DatabaseUnavailable`.
    """
    rows = await fetch(pool, _FIND_API_KEYS, list(key_hashes))
    return {
        key_hash: ValidKey(key_id, role, _tuple(scopes), *rest)
        for key_hash, key_id, role, scopes, *rest in rows
    }


async def list_keys(pool: Pool, after: UUID, limit: int) -> list[Key]:
    """A page of all keys in order of creation; raises `DatabaseUnavailable`."""
    return [_key(row) for row in await fetch(pool, _LIST_API_KEYS, after, limit)]


async def revoke_key(pool: Pool, key_id: ActorId) -> Key | None:
    """The key, revoked now or before; None if there is none. Raises as `_write` does."""
    rows = await _write(pool, _REVOKE_API_KEY, key_id)
    return _key(rows[0]) if rows else None


def _key(row: Row) -> Key:
    key_id, name, role, scopes, *rest = row
    return Key(key_id, name, role, _tuple(scopes), *rest)


def _tuple(scopes: list[str] | None) -> tuple[str, ...] | None:
    return None if scopes is None else tuple(scopes)
