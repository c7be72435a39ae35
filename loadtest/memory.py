"""What an API process needs of memory under load, and whether that grows."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from statistics import linear_regression
from typing import Final

from loadtest.audit import Check
from loadtest.contenders import CAPACITY, FlashTicket, Servers
from loadtest.generator import generate
from loadtest.measure import faults_of, plan_of, settle
from loadtest.measurement import Measurement
from loadtest.workloads import Workload

SAMPLE_SECONDS: Final = 1.0
SETTLING_SHARE: Final = 0.5
"""Of the run, whose memory is not looked at for the slope: caches fill, and arenas."""

CONNECTED: Final = Workload("1,000 connections book on 20 events", "book", 20, 1000)


def measure_memory(servers: Servers, name: str, seconds: float) -> Measurement:
    """Book over 1,000 connections for so long, and watch the one process that serves them."""
    contender = FlashTicket(servers, workers=1)
    with contender.serve() as served, ThreadPoolExecutor(1) as pool:
        event_ids = contender.open_events(served.port, CONNECTED.events, CAPACITY)
        settle(servers.postgres_url)
        idle = served.processes.memory_bytes()[0]
        plan = plan_of(contender, served, CONNECTED, seconds, event_ids, None)
        load = pool.submit(generate, plan)
        began, samples = time.monotonic(), [(0.0, idle)]
        while not load.done():
            time.sleep(SAMPLE_SECONDS)
            samples.append((time.monotonic() - began, served.processes.memory_bytes()[0]))
        outcome = load.result()
        checks = [
            Check("every answer is a booking", set(outcome.tally) == {"201"}, f"{outcome.tally}"),
            *contender.audit_counts(event_ids, outcome.tally.get("201", 0)),
        ]
    return Measurement(
        contender.name,
        name,
        {
            "per_second": outcome.rate("201"),
            "idle_mb": idle / 1e6,
            "memory_mb": max(size for _, size in samples) / 1e6,
            "growth_mb_per_minute": slope_per_minute(samples) / 1e6,
        },
        faults_of(checks),
    )


def slope_per_minute(samples: Sequence[tuple[float, float]]) -> float:
    """How much a size grows a minute by the later samples (seconds, size); 0 for fewer than two."""
    later = samples[int(len(samples) * SETTLING_SHARE) :]
    if len(later) < 2:
        return 0.0
    seconds, sizes = zip(*later, strict=True)
    return linear_regression(seconds, sizes).slope * 60
