"""The flash sale of k6 against contenders: how much longer than against a server that does nothing.

Closed model: 1,000 virtual users make 10,000 attempts, each beginning the next when one is
answered. Open model: attempts come at a rate however slow the answers are, and those for which no
virtual user is free are counted as dropped.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Final

from loadtest.audit import Check
from loadtest.contenders import Contender
from loadtest.flash_sale import FlashSale, figures, send_crowd
from loadtest.measure import faults_of, settle
from loadtest.measurement import Measurement
from loadtest.processes import cpu_seconds_of_children, postgres_tree
from loadtest.serving import Served

PLACES: Final = 1000


@dataclass(frozen=True, slots=True)
class Crowd:
    """How many buyers come, and how."""

    title: str
    rate_per_second: int | None = None


CROWDS: Final = {
    "flash-sale": Crowd("flash sale by k6, 1,000 virtual users, 10,000 attempts"),
    "flash-sale-open": Crowd("flash sale by k6, 1,200 attempts a second come what may", 1200),
}
RAMP_SECONDS: Final = 2
HOLD_SECONDS: Final = 6


def measure_crowd(
    contender: Contender, served: Served, name: str, attempts_max: int
) -> Measurement:
    """Let k6 hold one sale, and audit it; by the closed model with so many attempts."""
    crowd = CROWDS[name]
    (event_id,) = contender.open_events(served.port, 1, PLACES)
    settle(contender.servers.postgres_url)
    sale = FlashSale(
        base_url=served.base_url,
        client_key=contender.headers.get("Authorization", "").removeprefix("Bearer "),
        event_id=event_id,
        users=contender.users if crowd.rate_per_second else contender.users[:attempts_max],
        capacity=PLACES,
        rate_per_second=crowd.rate_per_second,
        ramp_seconds=RAMP_SECONDS,
        hold_seconds=HOLD_SECONDS,
    )
    postgres = postgres_tree(contender.servers.postgres_url)
    api_before, postgres_before = served.processes.cpu_seconds(), postgres.cpu_seconds()
    k6_before = cpu_seconds_of_children()
    seen = send_crowd(sale, quiet=True)
    k6_cpu = cpu_seconds_of_children() - k6_before
    sold = {name: float(value) for name, value in figures(seen).items()}
    attempts = max(1.0, sold["attempts"])
    accepted = [reply for reply in seen.replies if reply.accepted]
    odd = Counter(
        f"{reply.status} {reply.body.get('code', '')}"
        for reply in seen.replies
        if not (reply.accepted or reply.refused)
    )
    checks = [
        Check("every answer is a booking or a refusal", not odd, f"{dict(odd)}"),
        *contender.audit_sale(served.port, event_id, accepted, PLACES),
    ]
    return Measurement(
        contender.name,
        name,
        {
            "sale_seconds": sold["sale_seconds"],
            "attempts_per_second": attempts / max(sold["sale_seconds"], 1e-9),
            "accepted": sold["booked"],
            "refused": sold["sold_out"],
            "errors": sold["errors"],
            "dropped": sold["dropped_iterations"],
            "p50_ms": sold["wait_p50_ms"],
            "p95_ms": sold["wait_p95_ms"],
            "p99_ms": sold["wait_p99_ms"],
            "api_cpu_us": (served.processes.cpu_seconds() - api_before) / attempts * 1e6,
            "postgres_cpu_us": (postgres.cpu_seconds() - postgres_before) / attempts * 1e6,
            "generator_cpu_us": k6_cpu / attempts * 1e6,
        },
        faults_of(checks),
    )
