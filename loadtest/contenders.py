"""Who takes part in the bench: how each is started, set up, addressed and audited."""

import json
import os
import subprocess
import sys
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, Literal
from uuid import uuid4

import httpx
import psycopg

from loadtest.audit import Check, gather, judge
from loadtest.empty_endpoint import SOLD_OUT_EVENT
from loadtest.replies import Reply
from loadtest.serving import HOST, Served, ServerFailed, serving
from loadtest.usual_tables import create_tables
from loadtest.usual_tuned import CLIENT_KEY

USERS: Final = 10_000
CAPACITY: Final = 1_000_000
"""Of each event that is to be booked: more than a run can sell."""

VENUE_CAPACITY: Final = 10_000_000

INSERT_USUAL_EVENT = "INSERT INTO usual.events (event_id, capacity, booked) VALUES (%s, %s, 0)"
READ_USUAL_BOOKINGS = """
SELECT event_id::text, booking_id::text, quantity FROM usual.bookings
WHERE event_id = ANY(%s::uuid[])
"""
READ_USUAL_COUNTERS = """
SELECT event_id::text, booked FROM usual.events WHERE event_id = ANY(%s::uuid[])
"""
COUNT_SOLD = """
SELECT
    (SELECT sum(booked) FROM streams WHERE stream_id = ANY(%(events)s::uuid[])),
    (SELECT count(*) FROM ledger
     WHERE stream_id = ANY(%(events)s::uuid[]) AND type = 'SeatsBooked')
"""


@dataclass(frozen=True, slots=True)
class Servers:
    """The servers that all contenders share."""

    postgres_url: str
    """Of a superuser, to the maintenance database."""
    flashticket_url: str
    """Of a superuser, to a database that FlashTicket has for itself."""
    redis_url: str
    data_dir: Path
    """For the keys of that database's log: with those of another it would sign nothing."""


class Contender(ABC):
    """Something that answers the calls of a booking API, with so many worker processes.

    `users` and `headers` are valid once `serve` has been entered.
    """

    kind: ClassVar[str]
    title: ClassVar[str]

    def __init__(self, servers: Servers, workers: int) -> None:
        self.servers = servers
        self.workers = workers
        self.users: Sequence[str] = [str(uuid4()) for _ in range(USERS)]
        self.headers: Mapping[str, str] = {}

    @property
    def name(self) -> str:
        """Kind and number of workers."""
        return f"{self.kind}:{self.workers}"

    @abstractmethod
    def serve(self) -> AbstractContextManager[Served]:
        """Run the server until the block ends."""

    @abstractmethod
    def open_events(self, port: int, count: int, capacity: int) -> list[str]:
        """Make new events, and return their ids."""

    @abstractmethod
    def audit(self, port: int, event_ids: Sequence[str], accepted: Sequence[Reply]) -> list[Check]:
        """Whether exactly what was answered is stored, for events made since the run began."""

    def audit_sale(
        self, port: int, event_id: str, accepted: Sequence[Reply], tickets: int
    ) -> list[Check]:
        """As `audit`, of an event that was to sell out: exactly so many tickets are gone."""
        sold = sum(reply.body["quantity"] for reply in accepted)
        return [
            Check("exactly as many were sold as there were", sold == tickets, f"{sold} tickets"),
            *self.audit(port, [event_id], accepted),
        ]

    def sell_out(self, port: int) -> tuple[str, list[Reply]]:
        """Make an event with nothing left; its id, and how its last ticket was sold."""
        event_id = self.open_events(port, 1, 1)[0]
        user_id = self.users[0]
        reply = httpx.post(
            f"http://{HOST}:{port}/v1/bookings",
            headers=dict(self.headers),
            json={"event_id": event_id, "user_id": user_id},
        )
        reply.raise_for_status()
        return event_id, [Reply(user_id, reply.status_code, reply.json())]


class WebOnly(Contender):
    """An endpoint of `empty_endpoint`: a web layer and nothing behind it."""

    app: ClassVar[str]

    def serve(self) -> AbstractContextManager[Served]:
        """Run it under uvicorn."""
        return _uvicorn(f"loadtest.empty_endpoint:{self.app}", self.workers, {})

    def open_events(self, port: int, count: int, capacity: int) -> list[str]:
        """Any id is as good as another."""
        del port, capacity
        return [str(uuid4()) for _ in range(count)]

    def sell_out(self, port: int) -> tuple[str, list[Reply]]:
        """Name the one that the endpoint calls sold out."""
        del port
        return str(SOLD_OUT_EVENT), []

    def audit(self, port: int, event_ids: Sequence[str], accepted: Sequence[Reply]) -> list[Check]:
        """Nothing is stored, so nothing can be wrong."""
        del port, event_ids, accepted
        return []

    def audit_sale(
        self, port: int, event_id: str, accepted: Sequence[Reply], tickets: int
    ) -> list[Check]:
        """It never runs out."""
        del port, event_id, accepted, tickets
        return []


class Empty(WebOnly):
    """FastAPI that parses and answers the bodies of a booking."""

    kind = "empty"
    title = "empty FastAPI endpoint"
    app = "app"


class Bare(WebOnly):
    """ASGI that answers bytes."""

    kind = "bare"
    title = "bare ASGI"
    app = "bare"


class Usual(Contender):
    """The usual design as it is usually written."""

    kind = "usual"
    title = "usual design"
    app: ClassVar[str] = "loadtest.usual_design:app"

    def serve(self) -> AbstractContextManager[Served]:
        """Run it under uvicorn, on tables that are made when they are missing."""
        create_tables(self.servers.postgres_url)
        return _uvicorn(self.app, self.workers, self._environment)

    def open_events(self, port: int, count: int, capacity: int) -> list[str]:
        """Insert their rows."""
        del port
        event_ids = [str(uuid4()) for _ in range(count)]
        with psycopg.connect(self.servers.postgres_url) as connection:
            rows = [(event_id, capacity) for event_id in event_ids]
            connection.cursor().executemany(INSERT_USUAL_EVENT, rows)
        return event_ids

    def audit(self, port: int, event_ids: Sequence[str], accepted: Sequence[Reply]) -> list[Check]:
        """The bookings must be what was answered."""
        del port
        with psycopg.connect(self.servers.postgres_url) as connection:
            rows = connection.execute(READ_USUAL_BOOKINGS, [list(event_ids)]).fetchall()
        told = {
            (reply.body["event_id"], reply.body["booking_id"], reply.body["quantity"])
            for reply in accepted
        }
        return [
            Check(
                "the stored bookings are those answered",
                set(rows) == told and len(accepted) == len(told),
                f"{len(rows)} stored, {len(accepted)} answered",
            )
        ]

    @property
    def _environment(self) -> dict[str, str]:
        return {"USUAL_DATABASE_URL": self.servers.postgres_url}


class UsualTuned(Usual):
    """The usual design with a counter, asynchronous, and the pool that serves it best."""

    kind = "usual-tuned"
    title = "usual design, tuned"
    app = "loadtest.usual_tuned:app"

    def __init__(self, servers: Servers, workers: int, pool_size: int = 5) -> None:
        super().__init__(servers, workers)
        self.pool_size = pool_size
        self.headers = {"Authorization": f"Bearer {CLIENT_KEY}"}

    def audit(self, port: int, event_ids: Sequence[str], accepted: Sequence[Reply]) -> list[Check]:
        """Bookings and counters must be what was answered."""
        with psycopg.connect(self.servers.postgres_url) as connection:
            counters = connection.execute(READ_USUAL_COUNTERS, [list(event_ids)]).fetchall()
        sold: Counter[str] = Counter()
        for reply in accepted:
            sold[reply.body["event_id"]] += reply.body["quantity"]
        return [
            *super().audit(port, event_ids, accepted),
            Check(
                "the counters say so many",
                all(count == sold[event_id] for event_id, count in counters),
                f"{sum(count for _, count in counters)} tickets",
            ),
        ]

    @property
    def _environment(self) -> dict[str, str]:
        return super()._environment | {"USUAL_POOL_SIZE": str(self.pool_size)}


class FlashTicket(Contender):
    """This project, as `flashticket serve` runs it."""

    kind = "flashticket"
    title = "FlashTicket"

    def __init__(self, servers: Servers, workers: int) -> None:
        super().__init__(servers, workers)
        self.venue_id = ""
        self._organizer: Mapping[str, str] = {}

    def serve(self) -> AbstractContextManager[Served]:
        """Run it, the first time on a database that it migrates and seeds."""
        if not self.venue_id:
            self.prepare()
        return serving(
            lambda _: ("api", "serve"), lambda port: self.settings | _address(port), "/readyz"
        )

    def prepare(self) -> None:
        """Migrate the database and make a venue, users and keys."""
        _flashticket(self.settings, "migrate")
        seed = ("seed", "--users", str(USERS), "--capacity", str(VENUE_CAPACITY), "--json")
        made = json.loads(_flashticket(self.settings, *seed))
        self.venue_id, self.users = made["venue_id"], made["user_ids"]
        self._organizer = self._new_key("organizer")
        self.headers = self._new_key("client")

    def open_events(self, port: int, count: int, capacity: int) -> list[str]:
        """Make them over HTTP, as an organizer would."""
        event = {
            "venue_id": self.venue_id,
            "name": "Bench",
            "starts_at": "2100-01-01T20:00:00Z",
            "capacity": capacity,
        }
        with self._api(port) as api:
            return [_made(api.post("/v1/events", json=event))["event_id"] for _ in range(count)]

    def audit(self, port: int, event_ids: Sequence[str], accepted: Sequence[Reply]) -> list[Check]:
        """The whole audit of a flash sale, over all events of the run."""
        evidence = gather(
            accepted,
            event_ids,
            database_url=self.servers.flashticket_url,
            redis_url=self.servers.redis_url,
            base_url=f"http://{HOST}:{port}",
        )
        expected = Counter(dict.fromkeys(event_ids, 0))
        for reply in accepted:
            expected[reply.body["event_id"]] += reply.body["quantity"]
        return judge(evidence, expected, once_per_user=False)

    def audit_counts(self, event_ids: Sequence[str], accepted: int) -> list[Check]:
        """Rows and ledger say that so many were sold, for runs whose replies nobody kept."""
        with psycopg.connect(self.servers.flashticket_url) as connection:
            counted = connection.execute(COUNT_SOLD, {"events": list(event_ids)}).fetchone()
        detail = f"{counted} of {accepted}"
        return [Check("rows and ledger say so many", counted == (accepted, accepted), detail)]

    @property
    def settings(self) -> dict[str, str]:
        """The environment of its commands."""
        return {
            "FLASHTICKET_DATABASE_URL": self.servers.flashticket_url,
            "FLASHTICKET_REDIS_URL": self.servers.redis_url,
            "FLASHTICKET_DATA_DIR": str(self.servers.data_dir),
            "FLASHTICKET_WORKERS": str(self.workers),
        }

    def _new_key(self, role: Literal["organizer", "client"]) -> dict[str, str]:
        key = _flashticket(self.settings, "keys", "create", "--role", role)
        return {"Authorization": f"Bearer {key.strip()}"}

    def _api(self, port: int) -> httpx.Client:
        return httpx.Client(
            base_url=f"http://{HOST}:{port}",
            headers=dict(self._organizer),
            trust_env=False,
            timeout=60,
        )


def _uvicorn(
    app: str, workers: int, environment: Mapping[str, str]
) -> AbstractContextManager[Served]:
    arguments = ["uvicorn", app, "--host", HOST, "--no-access-log", "--log-level", "warning"]
    return serving(
        lambda port: [*arguments, "--port", str(port), "--workers", str(workers)],
        lambda _: environment,
        "/",
    )


def _flashticket(settings: Mapping[str, str], *arguments: str) -> str:
    ended = subprocess.run(  # noqa: S603 - the command is ours
        [sys.executable, "-m", "api", *arguments],
        env=os.environ | settings,
        capture_output=True,
        check=False,
        text=True,
    )
    if ended.returncode:
        raise ServerFailed(
            f"flashticket {arguments[0]}: exit code {ended.returncode}\n{ended.stderr}"
        )
    return ended.stdout


def _address(port: int) -> dict[str, str]:
    return {"FLASHTICKET_HOST": HOST, "FLASHTICKET_PORT": str(port)}


def _made(answer: httpx.Response) -> dict[str, Any]:
    answer.raise_for_status()
    body: dict[str, Any] = answer.json()
    return body
