"""An application of two workers, with what tests of access do to it."""

from dataclasses import dataclass

import httpx
from issuer import LocalIssuer
from served import Api, Reply, Served, request, volley

from api.embedded import EmbeddedValkey

USER_RATE = 20
WINDOW_SECONDS = 4  # long enough to send all within one, on a machine that is busy


@dataclass
class Pair:
    """An application of two workers, and clients of it."""

    served: Served
    api: Api
    database_url: str
    valkey: EmbeddedValkey
    issuer: LocalIssuer

    def key(self, role: str = "client", **terms: object) -> dict[str, str]:
        """A new key as an admin gets it, with its id."""
        answer = self.api.admin.post("/v1/keys", json={"role": role, **terms})
        assert answer.status_code == 201, answer.text
        made: dict[str, str] = answer.json()
        return made

    def client(self, role: str = "client", **terms: object) -> httpx.Client:
        """A client with a new key; the caller closes it."""
        return self.api.with_key(self.key(role, **terms)["key"])

    def counts(self, event_id: str) -> dict[str, int]:
        """An event's counts as they are now: availability may be a moment old."""
        counts: dict[str, int] = self.api.nobody.get(f"/v1/events/{event_id}").json()
        return counts

    def volley(self, key: str, count: int, path: str = "/v1/tickets/key") -> list[Reply]:
        """Answers to ``count`` requests at once, from either worker as chance has it."""
        return volley(
            self.served.port, [request("GET", path, authorization=f"Bearer {key}")] * count
        )

    def answers_of_both(self, key: str) -> dict[str, set[int]]:
        """The statuses that each of the two workers answers with ``key``, by worker."""
        statuses: dict[str, set[int]] = {}
        for _ in range(50):
            for reply in self.volley(key, 10):
                worker = reply.headers["x-request-id"].partition("-")[0]
                statuses.setdefault(worker, set()).add(reply.status)
            if len(statuses) == 2:
                return statuses
        log = self.served.log_path.read_text()
        raise AssertionError(f"one worker has answered 500 times, the other never: {log}")
