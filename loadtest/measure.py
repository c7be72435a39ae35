"""One run of the bench: one workload against one running contender, and the audit after it."""

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4

import psycopg

from loadtest.audit import Check
from loadtest.contenders import CAPACITY, Contender
from loadtest.generator import Outcome, generate
from loadtest.quantile import quantile
from loadtest.replies import Reply, read_accepted
from loadtest.workloads import Workload

LONE_SECONDS_MAX: Final = 60.0
"""For a workload that ends after a number of requests."""

BARE_INSERT: Final = "bare INSERT"

CREATE_BARE_TABLE = """
CREATE TABLE IF NOT EXISTS bare_inserts (id uuid PRIMARY KEY, payload bytea NOT NULL)
"""
INSERT_BARE = "INSERT INTO bare_inserts (id, payload) VALUES (%s, %s)"


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one run measured. Times in milliseconds; CPU shares of one core."""

    contender: str
    workload: str
    per_second: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    generator_cpu_share: float
    faults: Sequence[str]
    """The checks that did not hold: what was measured then counts for nothing."""


def measure(
    contender: Contender, port: int, name: str, workload: Workload, seconds: float
) -> Measurement:
    """Run one workload on events of its own, and audit what was stored."""
    _settle(contender.servers.postgres_url)
    told: list[Reply] = []
    if workload.action == "refused":
        event_id, told = contender.sell_out(port)
        event_ids = [event_id]
    else:
        event_ids = contender.open_events(port, workload.events, CAPACITY)
    with _bodies_file() as bodies_file:
        outcome = generate(
            workload.plan(
                port,
                LONE_SECONDS_MAX if workload.requests else seconds,
                event_ids=event_ids,
                users=contender.users,
                headers=contender.headers,
                key_prefix=f"{uuid4()}-",
                bodies_file=str(bodies_file),
            )
        )
        told += read_accepted(bodies_file)
    checks = [_only_right_answers(workload, outcome), *contender.audit(port, event_ids, told)]
    return Measurement(
        contender=contender.name,
        workload=name,
        per_second=outcome.rate(workload.outcome),
        p50_ms=outcome.latency_p50 * 1000,
        p95_ms=outcome.latency_p95 * 1000,
        p99_ms=outcome.latency_p99 * 1000,
        generator_cpu_share=outcome.cpu_share,
        faults=[f"{check.name}: {check.detail}" for check in checks if not check.ok],
    )


def measure_bare_inserts(postgres_url: str, name: str, workload: Workload) -> Measurement:
    """As many single INSERTs with commit as the workload has requests: the floor of a booking."""
    _settle(postgres_url)
    seconds: list[float] = []
    payload = bytes(300)
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(CREATE_BARE_TABLE)
        for _ in range(workload.requests or 1000):
            began = time.perf_counter()
            connection.execute(INSERT_BARE, (uuid4(), payload), prepare=True)
            seconds.append(time.perf_counter() - began)
    ordered = sorted(seconds)
    return Measurement(
        contender=BARE_INSERT,
        workload=name,
        per_second=len(seconds) / sum(seconds),
        p50_ms=quantile(ordered, 0.5) * 1000,
        p95_ms=quantile(ordered, 0.95) * 1000,
        p99_ms=quantile(ordered, 0.99) * 1000,
        generator_cpu_share=0.0,
        faults=[],
    )


def _settle(postgres_url: str) -> None:
    """Write out what the run before left behind, so that this one does not pay for it."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CHECKPOINT")


@contextmanager
def _bodies_file() -> Iterator[Path]:
    with tempfile.NamedTemporaryFile(prefix="flashticket-bench-") as file:
        yield Path(file.name)


def _only_right_answers(workload: Workload, outcome: Outcome) -> Check:
    answers = outcome.tally | ({"no answer": outcome.lost} if outcome.lost else {})
    detail = ", ".join(f"{count} x {answer}" for answer, count in sorted(answers.items()))
    return Check("every answer is the right one", answers.keys() == {workload.outcome}, detail)
