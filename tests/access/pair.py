"""An application of two workers, with what tests of access do to it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx
from issuer import LocalIssuer
from served import Api, Reply, Served, request, volley

from api.embedded import EmbeddedValkey

T = TypeVar("T")

USER_RATE = 20
AWAY_SECONDS = 1.1
"""For a second, a worker does not ask a Redis that was late."""
WINDOW_SECONDS = 4  # long enough to send all within one, on a machine that is busy


@dataclass
class Pair:
    """An application of two workers, and clients of it."""

    served: Served
    api: Api
    database_url: str
    valkey: EmbeddedValkey
    issuer: LocalIssuer

    def key(self, role: str = "client", **terms: object) -> dict[str, Any]:
        """A new key as an admin gets it, with its id."""
        answer = self.api.admin.post("/v1/keys", json={"role": role, **terms})
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def client(self, role: str = "client", **terms: object) -> httpx.Client:
        """A client with a new key; the caller closes it."""
        return self.api.with_key(self.key(role, **terms)["key"])

    def counts(self, event_id: str) -> dict[str, int]:
        """An event's counts as they are now: availability may be a moment old."""
        counts: dict[str, int] = self.api.nobody.get(f"/v1/events/{event_id}").json()
        return counts

    def steadily(self, attempt: Callable[[], T]) -> T:
        """What ``attempt`` came to when Redis answered in time throughout: on a machine that is
        busy it may be late, and then workers share a rate without it, as another test shows.
        """
        for _ in range(10):
            before = self._times_away()
            result = attempt()
            if self._times_away() == before:
                return result
            time.sleep(AWAY_SECONDS)
        raise AssertionError("Redis was late ten times")

    def _times_away(self) -> str:
        lines = self.api.nobody.get("/metrics").text.splitlines()
        return next(line for line in lines if line.startswith("flashticket_cache_away_total"))

    def volley(self, key: str, count: int, path: str = "/v1/tickets/key") -> list[Reply]:
        """Answers to ``count`` requests at once, from either worker as chance has it."""
        return volley(
            self.served.port, [request("GET", path, authorization=f"Bearer {key}")] * count
        )

    def answers_of_both(self, key: str) -> dict[str, set[int]]:
        """The statuses that each of the two workers answers with ``key``, by worker: 200 and 422
        from a read and a booking that is none, where the key is valid.
        """
        authorization = f"Bearer {key}"
        asked = [
            request("GET", "/v1/tickets/key", authorization=authorization),
            request("POST", "/v1/bookings", {}, authorization=authorization),
        ]
        statuses: dict[str, set[int]] = {}
        for _ in range(50):
            for reply in volley(self.served.port, asked * 5):
                worker = reply.headers["x-request-id"].partition("-")[0]
                statuses.setdefault(worker, set()).add(reply.status)
            if len(statuses) == 2:
                return statuses
        log = self.served.log_path.read_text()
        raise AssertionError(f"one worker has answered 500 times, the other never: {log}")
