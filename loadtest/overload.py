"""Ten times the load: does the work go on, and is it over when the crowd has left?

In turns, a load that one process takes well and then a crowd: ten times as many connections as it
has room for commands, each of which asks again as soon as it is answered, whatever the answer. All
of it in one run on one machine, so that the ratio of the two says something even where the rates
do not. Ends in the audit of what was sold.
"""

import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from statistics import median
from typing import Final
from uuid import uuid4

import psycopg

from api.embedded import EmbeddedPostgres, EmbeddedValkey
from loadtest.audit import Check
from loadtest.bench import CREATE_DATABASE, POSTGRES_SETTINGS
from loadtest.contenders import CAPACITY, FlashTicket, Servers
from loadtest.generator import Outcome, Plan, generate
from loadtest.serving import HOST, Served
from loadtest.workloads import BOOKING

ROOM: Final = 500
USUAL: Final = 256
CROWD: Final = 10 * ROOM
SHARE_MIN: Final = 0.8
HEALTH_SECONDS_MAX: Final = 1.0
MEMORY_BYTES_MAX: Final = 200 * 2**20
"""More than after the usual load."""
RECOVERY_SECONDS_MAX: Final = 1.0
WARMUP_SECONDS: Final = 1.0
HEALTH_PAUSE_SECONDS: Final = 0.1
HEALTH_PATIENCE_SECONDS: Final = 30.0

Say = Callable[[str], None]


class _FlashTicket(FlashTicket):
    """One process with little room."""

    @property
    def settings(self) -> dict[str, str]:
        return super().settings | {"FLASHTICKET_PENDING_MAX": str(ROOM)}


@dataclass(slots=True)
class Measured:
    """What was seen, round by round."""

    usual_rates: list[float] = field(default_factory=list)
    crowd_rates: list[float] = field(default_factory=list)
    refused_rates: list[float] = field(default_factory=list)
    health_seconds: list[float] = field(default_factory=list)
    recovery_seconds: list[float] = field(default_factory=list)
    memory_bytes: list[int] = field(default_factory=list)
    tally: Counter[str] = field(default_factory=Counter)
    lost: int = 0

    def checks(self) -> list[Check]:
        """What has to hold."""
        # Of the same round: what else a machine does meanwhile changes from round to round.
        pairs = zip(self.crowd_rates, self.usual_rates, strict=True)
        share = median(crowd / usual for crowd, usual in pairs)
        grown = max(self.memory_bytes) - min(self.memory_bytes)
        told = {"201", "503 overloaded"}
        return [
            Check(
                "the work goes on",
                share >= SHARE_MIN,
                f"a share of {share:.2f} of the usual rate",
            ),
            Check("everybody is answered", self.lost == 0, f"{self.lost} were not"),
            Check("all are served or told so", set(self.tally) <= told, f"{dict(self.tally)}"),
            Check(
                "health checks are answered",
                max(self.health_seconds) < HEALTH_SECONDS_MAX,
                f"the slowest of {len(self.health_seconds)} took {max(self.health_seconds):.2f} s",
            ),
            Check(
                "it is over at once",
                max(self.recovery_seconds) < RECOVERY_SECONDS_MAX,
                f"a booking right after took {max(self.recovery_seconds):.2f} s",
            ),
            Check("memory is bounded", grown < MEMORY_BYTES_MAX, f"{grown / 2**20:.0f} MiB more"),
        ]


def measure_overload(rounds: int, seconds: float, say: Say = lambda _: None) -> list[Check]:
    """What holds under ten times the load, on servers of its own."""
    with (
        tempfile.TemporaryDirectory(prefix="flashticket-overload-") as folder,
        EmbeddedPostgres(Path(folder, "postgres"), settings=POSTGRES_SETTINGS) as postgres,
        EmbeddedValkey(Path(folder, "valkey")) as valkey,
    ):
        with psycopg.connect(postgres.url(), autocommit=True) as connection:
            connection.execute(CREATE_DATABASE)
        contender = _FlashTicket(
            Servers(
                postgres.url(), postgres.url("flashticket"), valkey.url(), Path(folder, "data")
            ),
            workers=1,
        )
        with contender.serve() as served:
            (event_id,) = contender.open_events(served.port, 1, CAPACITY)
            measured = Measured()
            for _ in range(rounds):
                _measure_round(contender, served, event_id, seconds, measured, say)
            return [
                *measured.checks(),
                *contender.audit_counts([event_id], measured.tally["201"]),
            ]


def _measure_round(
    contender: FlashTicket,
    served: Served,
    event_id: str,
    seconds: float,
    measured: Measured,
    say: Say,
) -> None:
    def load(connections: int) -> Outcome:
        outcome = generate(_plan(contender, served, event_id, connections, seconds))
        measured.tally.update(outcome.tally)
        measured.lost += outcome.lost
        measured.memory_bytes.append(served.processes.memory_bytes()[0])
        return outcome

    usual = load(USUAL).rate("201")
    with _asking_for_health(served.port, measured.health_seconds):
        crowd = load(CROWD)
    began = time.monotonic()
    after = generate(_plan(contender, served, event_id, 1, seconds, requests=1))
    measured.recovery_seconds.append(after.latency_max)
    measured.tally.update(after.tally)
    measured.usual_rates.append(usual)
    measured.crowd_rates.append(crowd.rate("201"))
    measured.refused_rates.append(crowd.rate("503 overloaded"))
    say(
        f"{USUAL} connections: {usual:.0f} bookings/s; {CROWD}: {crowd.rate('201'):.0f} bookings/s "
        f"and {crowd.rate('503 overloaded'):.0f} refusals/s, all answered within "
        f"{crowd.latency_max:.1f} s; {time.monotonic() - began:.1f} s later one more is booked"
    )


def _plan(
    contender: FlashTicket,
    served: Served,
    event_id: str,
    connections: int,
    seconds: float,
    requests: int | None = None,
) -> Plan:
    return Plan(
        host=HOST,
        port=served.port,
        method="POST",
        path="/v1/bookings",
        connections=connections,
        seconds=seconds,
        warmup_seconds=0.0 if requests else WARMUP_SECONDS,
        requests=requests,
        headers=dict(contender.headers),
        body=BOOKING,
        events=[event_id],
        users=list(contender.users),
        key_prefix=f"{uuid4()}-",
    )


@contextmanager
def _asking_for_health(port: int, seconds: list[float]) -> Iterator[None]:
    """Ask `/healthz` again and again, each time on a new connection."""
    is_over = threading.Event()

    def ask() -> None:
        while not is_over.wait(HEALTH_PAUSE_SECONDS):
            began = time.monotonic()
            connection = HTTPConnection(HOST, port, timeout=HEALTH_PATIENCE_SECONDS)
            try:
                connection.request("GET", "/healthz")
                is_well = connection.getresponse().status == 200
            except (OSError, HTTPException):
                is_well = False
            finally:
                connection.close()
            took = time.monotonic() - began
            seconds.append(took if is_well else HEALTH_PATIENCE_SECONDS)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
