"""The limiter: how many requests a key or a user has left in the window that goes on.

All processes share one count in Redis and lease parts of it (`api.leases`), so that a request costs
a dictionary look-up and a subtraction: Redis is asked once for many requests. Leases together never
exceed the rate, so it is never exceeded; what one process leased and does not use, others miss.

A window begins with the first request after the last one ended. Without Redis each process has its
own even share of the rate, until the window is over.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from itertools import islice
from math import ceil
from time import monotonic
from typing import Final
from uuid import UUID

from api.leases import Leases
from api.rates import Rate, RateLimited
from projections.cache import CacheAway

_LEASES_OF_A_RATE: Final = 16
_SUBJECTS_MAX: Final = 100_000
_FORGOTTEN_AT_ONCE: Final = 2  # for each that is added: so they never grow, and nothing pauses


class _Window:
    """What a process may still give a subject in the window that goes on."""

    __slots__ = ("ends_at", "given", "is_last", "left", "low", "rate")

    def __init__(self, rate: Rate, ends_at: float) -> None:
        self.rate = rate
        self.ends_at = ends_at
        self.left = 0
        self.low = _lease_size(rate) // 2  # with so many left, more are asked for
        self.given = 0
        self.is_last = False  # whether no more can be had in this window

    def add(self, count: int) -> None:
        self.left += count
        self.given += count


class Limiter:
    """The rates of one kind of subjects, each known by its id."""

    def __init__(
        self,
        kind: str,
        leases: Leases,
        *,
        processes: int,
        clock: Callable[[], float] = monotonic,
        subjects_max: int = _SUBJECTS_MAX,
    ) -> None:
        """``kind`` tells these subjects from others in Redis; ``processes`` share a rate evenly
        while Redis is away. ``clock`` gives seconds that only grow.
        """
        self._kind = kind
        self._leases = leases
        self._processes = processes
        self._clock = clock
        self._subjects_max = subjects_max
        self._windows: OrderedDict[UUID, _Window] = OrderedDict()  # in the order they began
        self._asking: dict[UUID, asyncio.Task[None]] = {}

    def take(self, subject: UUID) -> bool:
        """Take one request from what is leased here; False if nothing is, and `acquire` may help.

        Raises `RateLimited` when there is nothing to be had until the window ends.
        """
        window = self._windows.get(subject)
        if window is None:
            return False
        if window.left > 0:
            now = self._clock()
            if now >= window.ends_at:
                return False
            window.left -= 1
            if window.left == window.low and not window.is_last:
                self._ask(subject, window.rate)
            return True
        return self._refuse(window)

    def _refuse(self, window: _Window) -> bool:
        seconds_left = window.ends_at - self._clock()
        if window.is_last and seconds_left > 0:
            raise RateLimited(window.rate, seconds_left)
        return False

    async def acquire(self, subject: UUID, rate: Rate) -> None:
        """Take one request, waiting for a lease if need be; raises `RateLimited`."""
        while not self.take(subject):
            await asyncio.shield(self._ask(subject, rate))

    def _ask(self, subject: UUID, rate: Rate) -> asyncio.Task[None]:
        task = self._asking.get(subject)
        if task is None:
            task = self._asking[subject] = asyncio.create_task(self._lease(subject, rate))
        return task

    async def _lease(self, subject: UUID, rate: Rate) -> None:
        try:
            asked_at = self._clock()
            try:
                leased = await self._leases.lease(
                    f"{self._kind}:{subject}", rate.requests, rate.seconds, _lease_size(rate)
                )
            except CacheAway:
                self._share_alone(self._window(subject, rate, asked_at + rate.seconds))
            else:
                # Counted from before Redis was asked: never beyond the end of its window.
                window = self._window(subject, rate, asked_at + leased.ends_in_seconds)
                window.add(leased.count)
                window.is_last = leased.remaining == 0
        finally:
            del self._asking[subject]

    def _share_alone(self, window: _Window) -> None:
        share = ceil(window.rate.requests / self._processes)
        window.add(max(0, share - window.given))
        window.is_last = True

    def _window(self, subject: UUID, rate: Rate, ends_at: float) -> _Window:
        """The window that goes on, or a new one until ``ends_at``."""
        now = self._clock()
        window = self._windows.get(subject)
        if window is None or now >= window.ends_at:
            window = self._windows[subject] = _Window(rate, ends_at)
            self._windows.move_to_end(subject)
            self._forget(now)
        return window

    def _forget(self, now: float) -> None:
        """Drop windows that ended, and of too many the oldest: what Redis counted still holds."""
        for subject, window in list(islice(self._windows.items(), _FORGOTTEN_AT_ONCE)):
            if now < window.ends_at and len(self._windows) <= self._subjects_max:
                return
            del self._windows[subject]


def _lease_size(rate: Rate) -> int:
    return max(1, rate.requests // _LEASES_OF_A_RATE)
