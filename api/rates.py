"""A rate: how many requests there may be in each window of time."""

import re
from dataclasses import dataclass
from math import ceil
from typing import Final, Self

_UNITS: Final = {"s": 1, "m": 60, "h": 3600}
_TEXT: Final = re.compile(r"([1-9]\d{0,6})/([1-9]\d{0,3})?([smh])", re.ASCII)
_SECONDS_MAX: Final = 86_400


@dataclass(frozen=True, slots=True)
class Rate:
    """At most ``requests`` in each window of ``seconds``."""

    requests: int
    seconds: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """The rate that ``text`` says, such as ``100/s``, ``600/m`` or ``5000/10s``.

        Raises ValueError.
        """
        found = _TEXT.fullmatch(text)
        if found is None:
            raise ValueError("must be a rate such as 100/s, 600/m, 1000/h or 5000/10s")
        requests, count, unit = found.groups()
        seconds = int(count or 1) * _UNITS[unit]
        if seconds > _SECONDS_MAX:
            raise ValueError("must have a window of a day at most")
        return cls(int(requests), seconds)

    def __str__(self) -> str:
        for unit, seconds in reversed(_UNITS.items()):
            if self.seconds % seconds == 0:
                count = self.seconds // seconds
                return f"{self.requests}/{count if count > 1 else ''}{unit}"
        raise AssertionError("every number of seconds is a multiple of one")


class RateLimited(Exception):
    """A subject has used up its rate."""

    def __init__(self, rate: Rate, seconds_left: float) -> None:
        super().__init__(f"more than {rate}")
        self.rate = rate
        self.retry_after_seconds = max(1, ceil(seconds_left))
