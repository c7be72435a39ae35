"""The loads of the bench, the same for every contender."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from loadtest.generator import Plan
from loadtest.serving import HOST

WARMUP_SECONDS_MAX: Final = 1.0

BOOKING: Final = '{"event_id":"{event}","user_id":"{user}"}'


@dataclass(frozen=True, slots=True)
class Workload:
    """What clients do: `book` on so many events, be `refused` by one that is sold out, or `read`.

    With `requests` the run ends after so many, else after the time that the caller gives.
    """

    title: str
    action: Literal["book", "refused", "read"]
    events: int = 1
    connections: int = 128
    requests: int | None = None
    has_keys: bool = True
    """Whether bookings carry an idempotency key, without which some can be refused from memory."""

    @property
    def outcome(self) -> str:
        """The only answer that is right, as the generator tallies it."""
        return {"book": "201", "refused": "409 sold-out", "read": "200"}[self.action]

    def plan(
        self,
        port: int,
        seconds: float,
        *,
        event_ids: Sequence[str],
        users: Sequence[str],
        headers: Mapping[str, str],
        key_prefix: str,
        bodies_file: str | None,
    ) -> Plan:
        """Turn the workload into requests to one server."""
        reading = self.action == "read"
        return Plan(
            host=HOST,
            port=port,
            method="GET" if reading else "POST",
            path="/v1/events/{event}/availability" if reading else "/v1/bookings",
            connections=self.connections,
            seconds=seconds,
            warmup_seconds=0.0 if self.requests else min(seconds, WARMUP_SECONDS_MAX),
            requests=self.requests,
            headers=dict(headers),
            body="" if reading else BOOKING,
            events=list(event_ids),
            users=list(users),
            key_prefix=key_prefix if self.has_keys and not reading else None,
            bodies_file=bodies_file,
        )


WORKLOADS: Final[Mapping[str, Workload]] = {
    "hot": Workload("one hot event, bookings", "book"),
    "many": Workload("1,000 events, bookings", "book", events=1000),
    "sold-out": Workload("sold out, refusals", "refused"),
    "sold-out-keyless": Workload("sold out, refusals without keys", "refused", has_keys=False),
    "reads": Workload("availability, reads", "read"),
    "lone": Workload("lone bookings, idle system", "book", connections=1, requests=1000),
}
