"""When a call is sent again, and after how long."""

from dataclasses import dataclass
from random import SystemRandom
from typing import Final

import httpx

from api.client.answers import ApiProblem, NotOurs
from api.client.call import Call

_RANDOM: Final = SystemRandom()
_NOTHING_WAS_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_STATUSES_OF_PROXIES: Final = ("502", "503", "504")


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a call is sent at most, and how the waits between grow.

    The waits are random up to a bound that doubles, so that clients which failed together do not
    come back together. `Retry-After` is waited for in any case, unless it is longer than
    ``retry_after_seconds_max``: then the call is given up.
    """

    attempts_max: int = 6
    first_wait_seconds_max: float = 0.1
    wait_seconds_max: float = 3.0
    retry_after_seconds_max: float = 10.0

    def wait_seconds(self, call: Call[object], error: Exception, attempt: int) -> float | None:
        """How long to wait after the ``attempt``-th failed; None to give up."""
        if attempt >= self.attempts_max or not _may_repeat(call, error):
            return None
        bound = min(self.first_wait_seconds_max * 2 ** (attempt - 1), self.wait_seconds_max)
        asked = (isinstance(error, ApiProblem) and error.retry_after_seconds) or 0.0
        if asked > self.retry_after_seconds_max:
            return None
        return asked + _RANDOM.uniform(0, bound)


def _may_repeat(call: Call[object], error: Exception) -> bool:
    match error:
        case ApiProblem(code="overloaded" | "rate-limited"):
            return True  # nothing was done
        case ApiProblem(status=503):
            return call.is_repeatable
        case NotOurs():
            return call.is_repeatable and str(error).startswith(_STATUSES_OF_PROXIES)
        case httpx.TransportError():
            return call.is_repeatable or isinstance(error, _NOTHING_WAS_SENT)
        case _:
            return False
