"""A clock that tests set. PostgreSQL stays real, and so does every statement that asks it the time.

A database with such a clock finds another ``clock_timestamp()`` before its own, on connections made
from then on, and so do all processes that work on it.
"""

from typing import Final, Self

import psycopg

from ledger.values import Instant

_INSTALL: Final = """
CREATE SCHEMA test_clock;
CREATE UNLOGGED TABLE test_clock.reading (us bigint NOT NULL);
INSERT INTO test_clock.reading VALUES (0);
CREATE FUNCTION test_clock.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS $$
    SELECT timestamptz '1970-01-01 00:00:00Z' + us * interval '1 microsecond'
    FROM test_clock.reading
$$;
GRANT USAGE ON SCHEMA test_clock TO PUBLIC;
GRANT SELECT ON test_clock.reading TO PUBLIC;
DO $$
BEGIN
    EXECUTE format(
        'ALTER DATABASE %I SET search_path = test_clock, public, pg_catalog', current_database()
    );
END
$$;
"""


class Clock:
    """The time that the database at ``url`` tells, whose URL must be a superuser's."""

    def __init__(self, url: str, now: Instant) -> None:
        self._connection = psycopg.connect(url, autocommit=True)
        self._connection.execute(_INSTALL)
        self.set(now)

    def set(self, now: int) -> None:
        """From now on it is ``now``, in microseconds since 1970."""
        self._connection.execute("UPDATE test_clock.reading SET us = %s", (now,))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()
