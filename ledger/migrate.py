"""Migrations: numbered SQL files, applied once each, in order, never edited once landed."""

import hashlib
from dataclasses import dataclass
from importlib import resources
from time import monotonic, sleep

import psycopg

_LOCK_KEY = 0x464C415348544B54  # "FLASHTKT": nobody else's advisory lock
_LOCK_WAIT_MS = 300
_PAUSE_SECONDS = 0.2
_PATIENCE_SECONDS = 120.0


class MigrationsChanged(Exception):
    """A migration that was applied is not the file that is here now, or is not here at all."""


@dataclass(frozen=True, slots=True)
class Migration:
    name: str
    text: bytes

    @property
    def checksum(self) -> str:
        """SHA-256 of the file, hexadecimal."""
        return hashlib.sha256(self.text).hexdigest()


def migrations() -> list[Migration]:
    """All migrations of this version, in order."""
    folder = resources.files("ledger") / "migrations"
    return [
        Migration(file.name, file.read_bytes())
        for file in sorted(folder.iterdir(), key=lambda file: file.name)
        if file.name.endswith(".sql")
    ]


def migrate(url: str) -> list[str]:
    """Bring the database at ``url`` up to this version; the names of what was applied.

    Safe to run again and from several processes at once: all runs but one wait, then find nothing
    to do. Safe while bookings go on: a table that cannot be had within `_LOCK_WAIT_MS` is given
    free again for all who queued behind, and asked for once more. All or nothing: one transaction.
    Raises `MigrationsChanged` before touching anything, and psycopg.Error when a statement fails or
    a table is in use for longer than `_PATIENCE_SECONDS`.
    """
    give_up_at = monotonic() + _PATIENCE_SECONDS
    with psycopg.connect(url, autocommit=True) as connection:
        while True:
            try:
                return _migrate(connection)
            except psycopg.errors.LockNotAvailable:
                if monotonic() > give_up_at:
                    raise
                sleep(_PAUSE_SECONDS)


def _migrate(connection: psycopg.Connection) -> list[str]:
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK_KEY,))
        connection.execute("SELECT set_config('lock_timeout', %s, true)", (str(_LOCK_WAIT_MS),))
        connection.execute(
            "CREATE TABLE IF NOT EXISTS migrations ("
            " name text CONSTRAINT migrations_pkey PRIMARY KEY,"
            " checksum text NOT NULL,"
            " applied_at timestamptz NOT NULL DEFAULT now())"
        )
        waiting = _waiting(connection)
        for migration in waiting:
            connection.execute(migration.text)
            connection.execute(
                "INSERT INTO migrations (name, checksum) VALUES (%s, %s)",
                (migration.name, migration.checksum),
            )
        if waiting:
            connection.execute("GRANT SELECT ON migrations TO flashticket_app")
        return [migration.name for migration in waiting]


def _waiting(connection: psycopg.Connection) -> list[Migration]:
    rows = connection.execute("SELECT name, checksum FROM migrations").fetchall()
    applied: dict[str, str] = dict(rows)
    known = {migration.name: migration for migration in migrations()}
    for name, checksum in applied.items():
        if name not in known:
            raise MigrationsChanged(f"{name} was applied by a newer version than this one")
        if known[name].checksum != checksum:
            raise MigrationsChanged(f"{name} was edited after it was applied here")
    return [migration for name, migration in known.items() if name not in applied]
