"""A sale that goes on while things break, and the audit of what its buyers were told."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import uuid4

import httpx
import psycopg
from served import Api, violations

ANSWER_SECONDS_MAX = 2.0
"""In which every request is answered, whatever is broken, as the contract promises."""

PAUSE_SECONDS = 0.02
_PATIENCE_SECONDS = 30.0


@dataclass(frozen=True)
class Told:
    """One answer: what was asked under which key, how it went, how long it took."""

    key: str
    status: int
    code: str
    retry_after: str | None
    booking_id: str | None
    seconds: float
    at: float

    @classmethod
    def of(cls, key: str, answer: httpx.Response, seconds: float) -> "Told":
        is_problem = answer.status_code >= 400
        return cls(
            key,
            answer.status_code,
            answer.json()["code"] if is_problem else "",
            answer.headers.get("retry-after"),
            None if is_problem else answer.json()["booking_id"],
            seconds,
            time.monotonic(),
        )


@dataclass
class Sale:
    """Buyers who each book one ticket after the other, and repeat until they have an answer."""

    api: Api
    event_id: str
    user_id: str
    told: list[Told] = field(default_factory=list)
    is_over: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def going_on(self, buyers: int) -> Iterator[None]:
        """Sell while the block runs; every buyer then gets the answer to the last request."""
        with ThreadPoolExecutor(buyers) as threads:
            buying: list[Future[None]] = [threads.submit(self._buy) for _ in range(buyers)]
            try:
                yield
            finally:
                self.is_over.set()
        for each in buying:
            each.result()

    def _buy(self) -> None:
        while not self.is_over.is_set():
            key = f"key-{uuid4()}"
            give_up_at = time.monotonic() + _PATIENCE_SECONDS
            while self.ask(key).status == 503:
                assert time.monotonic() < give_up_at, "never served again"
                time.sleep(PAUSE_SECONDS)

    def ask(self, key: str) -> Told:
        """Try to book one ticket, once."""
        began = time.monotonic()
        answer = self.api.book(self.event_id, self.user_id, key=key)
        told = Told.of(key, answer, time.monotonic() - began)
        self.told.append(told)
        return told

    def await_count(self, more: int, which: Callable[[Told], bool]) -> None:
        """Return once ``more`` answers of that kind came since the call."""
        seen = len(self.told)
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while sum(map(which, self.told[seen:])) < more:
            assert time.monotonic() < deadline, self.tally()
            time.sleep(0.01)

    def tally(self) -> Counter[tuple[int, str]]:
        return Counter((told.status, told.code) for told in self.told)

    def audit(self, database: str, *, seconds_max: float = ANSWER_SECONDS_MAX) -> None:
        """Every answer came in time and was true; every key is one booking, and nothing else is."""
        assert self.tally().keys() <= {(201, ""), (503, "unavailable")}
        assert {told.retry_after for told in self.told if told.status == 503} <= {"1"}
        slowest = max(self.told, key=lambda told: told.seconds)
        assert slowest.seconds < seconds_max, slowest
        booked = {told.key: told.booking_id for told in self.told if told.status == 201}
        assert booked.keys() == {told.key for told in self.told}
        with psycopg.connect(database) as connection:
            rows = connection.execute(
                "SELECT booking_id::text FROM bookings WHERE stream_id = %s", (self.event_id,)
            ).fetchall()
        assert sorted(booking_id for (booking_id,) in rows) == sorted(map(str, booked.values()))
        assert violations(database) == []


def is_booked(told: Told) -> bool:
    return told.status == 201


def is_unavailable(told: Told) -> bool:
    return told.status == 503
