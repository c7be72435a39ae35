"""RFC 3339 outside, integer microseconds inside."""

import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from ledger.values import Instant

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def now() -> Instant:
    """This machine's time. What is decided in the ledger goes by the database's."""
    return Instant(time.time_ns() // 1000)


def instant_of(moment: datetime) -> Instant:
    """Exact microseconds of an aware time."""
    return Instant((moment - _EPOCH) // _MICROSECOND)


def time_of(instant: Instant) -> datetime:
    """The same instant as an aware UTC time."""
    return _EPOCH + timedelta(microseconds=instant)


def rfc3339(instant: Instant) -> str:
    """In UTC with microseconds, as in ``2026-11-25T13:20:00.000000Z``."""
    seconds, microseconds = divmod(instant, 1_000_000)
    return f"{_to_the_second(seconds)}.{microseconds:06d}Z"


@lru_cache(maxsize=256)  # answers of one second share it
def _to_the_second(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
