"""Prometheus metrics: what an operator looks at first."""

from functools import cache
from typing import Final

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)

_FAST: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

REQUESTS = Counter(
    "flashticket_requests", "Requests answered, by call and status.", ("call", "status")
)
REQUEST_SECONDS = Histogram(
    "flashticket_request_seconds", "Time from the request to its answer.", ("call",), buckets=_FAST
)
COMMANDS = Counter("flashticket_commands", "Commands by kind and outcome.", ("command", "outcome"))
BATCH_SIZE = Histogram(
    "flashticket_batch_size",
    "Commands that shared one transaction.",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024),
)
LOCK_WAIT_SECONDS = Histogram(
    "flashticket_lock_wait_seconds", "Time to lock a batch's streams and load.", buckets=_FAST
)
LOCK_HOLD_SECONDS = Histogram(
    "flashticket_lock_hold_seconds", "Time from the lock to the end of COMMIT.", buckets=_FAST
)
UNANSWERED = Gauge(
    "flashticket_unanswered",
    "Commands taken that have no outcome yet.",
    multiprocess_mode="livesum",
)
POOL_CONNECTIONS = Gauge(
    "flashticket_pool_connections",
    "Database connections, by pool and whether idle.",
    ("pool", "state"),
    multiprocess_mode="livesum",
)
POOL_WAITING = Gauge(
    "flashticket_pool_waiting",
    "Requests waiting for a connection.",
    ("pool",),
    multiprocess_mode="livesum",
)
LOG_LAG_SECONDS = Gauge(
    "flashticket_log_lag_seconds",
    "For how long the oldest entry without a checkpoint has waited for one.",
    multiprocess_mode="livemax",
)
PROJECTION_LAG_SECONDS = Gauge(
    "flashticket_projection_lag_seconds",
    "For how long the oldest numbered entry that the figures do not count yet has waited.",
    multiprocess_mode="livemax",
)
LOG_FORKED = Gauge(
    "flashticket_log_forked",
    "Whether nothing is signed because the database does not continue what was: 1 or 0.",
    multiprocess_mode="livemax",
)
WITNESS_ANSWERS = Counter(
    "flashticket_witness_answers",
    "Cosignatures asked for: cosigned, away, refused, or ahead of this database.",
    ("witness", "outcome"),
)
LIVE_LISTENERS = Gauge(
    "flashticket_live_listeners", "Open live feeds.", multiprocess_mode="livesum"
)
LIVE_DROPPED = Counter(
    "flashticket_live_dropped", "Live feeds given up because their reader did not read."
)
REFUSED = Counter("flashticket_refused", "Requests refused because too many were waiting.")
CUT_OFF = Counter(
    "flashticket_cut_off", "Connections cut off for slowness, in sending or reading.", ("at",)
)
CACHE_AWAY = Counter("flashticket_cache_away", "Times that Redis did not answer.")
WEBHOOK_ATTEMPTS = Counter(
    "flashticket_webhook_attempts", "Messages sent to webhooks, by outcome.", ("outcome",)
)
WEBHOOK_RETRIES = Counter(
    "flashticket_webhook_retries", "Messages sent to webhooks that had failed before."
)
WEBHOOK_SECONDS = Histogram(
    "flashticket_webhook_seconds", "Time that an endpoint took to take a message.", buckets=_FAST
)
WEBHOOK_LAG_SECONDS = Gauge(
    "flashticket_webhook_lag_seconds",
    "Age of the oldest entry that a webhook in use still has to be sent.",
    multiprocess_mode="livemax",
)
WEBHOOKS_DISABLED = Counter(
    "flashticket_webhooks_disabled", "Times that a webhook was given up as dead."
)


@cache  # calls and statuses are few; looking a child up by its labels takes longer than counting
def _of_request(call: str, status: int) -> tuple[Counter, Histogram]:
    return REQUESTS.labels(call, str(status)), REQUEST_SECONDS.labels(call)


def count_request(call: str, status: int, seconds: float) -> None:
    """Takes a request that was answered."""
    counter, histogram = _of_request(call, status)
    counter.inc()
    histogram.observe(seconds)


@cache
def _of_command(command: str, outcome: str) -> Counter:
    return COMMANDS.labels(command, outcome)


def count_command(command: str, outcome: str) -> None:
    """Takes a command that has its outcome."""
    _of_command(command, outcome).inc()


def count_witness_answer(witness: str, outcome: str) -> None:
    """Takes an answer of a witness, or that there was none."""
    WITNESS_ANSWERS.labels(witness, outcome).inc()


def measure_batch(*, size: int, lock_wait: float, lock_hold: float) -> None:
    """Takes the timings of one attempt, in seconds."""
    BATCH_SIZE.observe(size)
    LOCK_WAIT_SECONDS.observe(lock_wait)
    LOCK_HOLD_SECONDS.observe(lock_hold)


def exposition(*, of_all_workers: bool) -> tuple[bytes, str]:
    """The metrics in Prometheus text form, and its content type."""
    registry = REGISTRY
    if of_all_workers:
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry), CONTENT_TYPE_LATEST
