"""One run of the bench: one workload against one running contender, and the audit after it."""

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from uuid import uuid4

import psycopg

from loadtest.audit import Check
from loadtest.contenders import CAPACITY, Contender
from loadtest.generator import Outcome, Plan, generate
from loadtest.measurement import Measurement
from loadtest.processes import postgres_tree
from loadtest.quantile import quantile
from loadtest.replies import Reply, read_accepted
from loadtest.serving import Served
from loadtest.workloads import Workload

REQUESTS_SECONDS_MAX: Final = 60.0
"""For a workload that ends after a number of requests."""

BARE_INSERT: Final = "bare INSERT"

CREATE_BARE_TABLE = """
CREATE TABLE IF NOT EXISTS bare_inserts (id uuid PRIMARY KEY, payload bytea NOT NULL)
"""
INSERT_BARE = "INSERT INTO bare_inserts (id, payload) VALUES (%s, %s)"


def measure(
    contender: Contender,
    served: Served,
    name: str,
    workload: Workload,
    seconds: float,
    *,
    size: int | None = None,
) -> Measurement:
    """Run one workload on events of its own, and audit what was stored."""
    told: list[Reply] = []
    if workload.action == "refused":
        event_id, told = contender.sell_out(served.port)
        event_ids = [event_id]
    else:
        event_ids = contender.open_events(served.port, workload.events, CAPACITY)
    settle(contender.servers.postgres_url)
    with bodies_file() as bodies:
        plan = plan_of(contender, served, workload, seconds, event_ids, bodies)
        outcome, figures = generate_and_watch(contender, served, plan)
        told += read_accepted(bodies)
    checks = [
        only_right_answers(workload, outcome),
        *contender.audit(served.port, event_ids, told),
    ]
    figures = {"per_second": outcome.rate(workload.outcome)} | figures
    return Measurement(contender.name, name, figures, faults_of(checks), size)


def plan_of(
    contender: Contender,
    served: Served,
    workload: Workload,
    seconds: float,
    event_ids: Sequence[str],
    bodies: Path | None,
) -> Plan:
    """The workload as requests to a running contender."""
    return workload.plan(
        served.port,
        REQUESTS_SECONDS_MAX if workload.requests else seconds,
        event_ids=event_ids,
        users=contender.users,
        headers=contender.headers,
        key_prefix=f"{uuid4()}-",
        bodies_file=None if bodies is None else str(bodies),
    )


def generate_and_watch(
    contender: Contender, served: Served, plan: Plan
) -> tuple[Outcome, dict[str, float]]:
    """Send the load, and what it cost whom: CPU time is that of the whole run, over all answers."""
    postgres = postgres_tree(contender.servers.postgres_url)
    api_before, postgres_before = served.processes.cpu_seconds(), postgres.cpu_seconds()
    outcome = generate(plan)
    api_cpu = served.processes.cpu_seconds() - api_before
    postgres_cpu = postgres.cpu_seconds() - postgres_before
    answers = max(1, sum(outcome.tally.values()))
    return outcome, {
        "p50_ms": outcome.latency_p50 * 1000,
        "p95_ms": outcome.latency_p95 * 1000,
        "p99_ms": outcome.latency_p99 * 1000,
        "api_cpu_us": api_cpu / answers * 1e6,
        "postgres_cpu_us": postgres_cpu / answers * 1e6,
        "generator_cpu_share": outcome.cpu_share,
    }


def measure_bare_inserts(postgres_url: str, name: str, inserts: int) -> Measurement:
    """So many single INSERTs with commit, one after the other: the floor of a booking."""
    settle(postgres_url)
    seconds: list[float] = []
    payload = bytes(300)
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(CREATE_BARE_TABLE)
        for _ in range(inserts):
            began = time.perf_counter()
            connection.execute(INSERT_BARE, (uuid4(), payload), prepare=True)
            seconds.append(time.perf_counter() - began)
    ordered = sorted(seconds)
    figures = {
        "per_second": len(seconds) / sum(seconds),
        "p50_ms": quantile(ordered, 0.5) * 1000,
        "p95_ms": quantile(ordered, 0.95) * 1000,
        "p99_ms": quantile(ordered, 0.99) * 1000,
    }
    return Measurement(BARE_INSERT, name, figures)


def settle(postgres_url: str) -> None:
    """Write out what the run before left behind, so that this one does not pay for it."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CHECKPOINT")


@contextmanager
def bodies_file() -> Iterator[Path]:
    """A file for the bodies of what was accepted, for as long as the audit needs it."""
    with tempfile.NamedTemporaryFile(prefix="flashticket-bench-") as file:
        yield Path(file.name)


def only_right_answers(workload: Workload, outcome: Outcome) -> Check:
    """Nothing was answered but what the workload asks for."""
    answers = outcome.tally | ({"no answer": outcome.lost} if outcome.lost else {})
    detail = ", ".join(f"{count} x {answer}" for answer, count in sorted(answers.items()))
    return Check("every answer is the right one", answers.keys() == {workload.outcome}, detail)


def faults_of(checks: Sequence[Check]) -> list[str]:
    """The checks that did not hold."""
    return [f"{check.name}: {check.detail}" for check in checks if not check.ok]
