"""What the bench is held against: the speeds that the project has set itself."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from loadtest.measure import BARE_INSERT
from loadtest.measurement import Measurement, Medians


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure of FlashTicket, over the same figure of a yardstick where there is one."""

    text: str
    workload: str
    figure: str
    bound: float
    better: Literal["more", "less"] = "more"
    yardstick: str | None = None
    """The kind of contender to compare with: the best of that kind."""
    yardstick_workload: str | None = None
    """Where it is not the same."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How near a goal is. `bound` is the least allowed for a rate and the most for a time."""

    text: str
    value: float
    bound: float
    better: Literal["more", "less"]
    reached: bool
    between: str


GOALS: Final = (
    Goal(
        "one hot event: bookings/s over the usual design", "hot", "per_second", 40, "more", "usual"
    ),
    Goal(
        "one hot event: bookings/s over the empty endpoint", "hot", "per_second", 1, "more", "empty"
    ),
    Goal("one hot event: bookings/s over bare ASGI", "hot", "per_second", 0.25, "more", "bare"),
    Goal(
        "1,000 events: bookings/s over one hot event",
        "many",
        "per_second",
        0.95,
        yardstick="flashticket",
        yardstick_workload="hot",
    ),
    Goal("sold out: refusals/s over bare ASGI", "sold-out", "per_second", 0.5, "more", "bare"),
    Goal(
        "sold out, no keys: refusals/s over bare ASGI",
        "sold-out-keyless",
        "per_second",
        0.5,
        "more",
        "bare",
    ),
    Goal("availability: reads/s over bare ASGI", "reads", "per_second", 0.5, "more", "bare"),
    Goal("lone booking: p50 over a bare INSERT", "lone", "p50_ms", 3, "less", BARE_INSERT),
    Goal("lone booking: p99 in ms", "lone", "p99_ms", 15, "less"),
    Goal(
        "hold and confirm: time over a booking's", "hold-and-confirm", "over_booking", 2.2, "less"
    ),
    Goal("flash sale: k6's time over bare ASGI", "flash-sale", "sale_seconds", 1.5, "less", "bare"),
    Goal("flash sale: p99 in ms", "flash-sale", "p99_ms", 1000, "less"),
    Goal("flash sale: errors", "flash-sale", "errors", 0, "less"),
    Goal("flash sale at a set rate: p99 in ms", "flash-sale-open", "p99_ms", 1000, "less"),
    Goal("flash sale at a set rate: errors", "flash-sale-open", "errors", 0, "less"),
    Goal(
        "a full ledger: time per booking over an empty one's",
        "ledger-size",
        "over_smallest",
        1.1,
        "less",
    ),
    Goal(
        "an event with many bookings: time per booking over a new one's",
        "long-event",
        "over_smallest",
        1.1,
        "less",
    ),
    Goal("1,000 connections: MB of the API process", "memory", "memory_mb", 150, "less"),
    Goal("soak at 1,000 connections: MB of the API process", "soak", "memory_mb", 150, "less"),
    Goal("soak: MB more a minute", "soak", "growth_mb_per_minute", 0.5, "less"),
    Goal("the log: entries/s of a backlog", "log", "per_second", 10_000),
    Goal("the log: its part of a booking's CPU time", "log", "log_cpu_share", 0.1, "less"),
    Goal("verifying an export: entries per CPU second", "exports", "per_cpu_second", 250_000),
    Goal(
        "verifying an export: entries per CPU second over hashing the payloads alone",
        "exports",
        "per_cpu_second",
        0.2,
        yardstick="SHA-256 of payloads",
    ),
    Goal(
        "verifying an export: entries/s over the replay of eventsourcing",
        "exports",
        "per_second",
        10,
        yardstick="eventsourcing",
    ),
    Goal("verifying an export: MB of all processes", "exports", "memory_mb", 250, "less"),
    Goal("cold start: seconds to the first answer", "cold-start", "start_seconds", 1.5, "less"),
)


def standings(medians: Medians) -> Iterator[Standing]:
    """Each goal whose figures were measured, with how it stands."""
    for goal in GOALS:
        own = _best(medians, goal, "flashticket", goal.workload)
        if own is None:
            continue
        value, between = own.figures[goal.figure], own.contender
        if own.size is not None:
            between += f" at {own.size:,}"
        if goal.yardstick is not None:
            other = _best(medians, goal, goal.yardstick, goal.yardstick_workload or goal.workload)
            if other is None or not other.figures[goal.figure]:
                continue  # nothing is so many times nothing
            value /= other.figures[goal.figure]
            between += f" / {other.contender}"
        reached = value >= goal.bound if goal.better == "more" else value <= goal.bound
        yield Standing(goal.text, value, goal.bound, goal.better, reached, between)


def _best(medians: Medians, goal: Goal, kind: str, workload: str) -> Measurement | None:
    """Of the contenders of a kind the best by the goal's figure, at the largest size there is."""
    of_kind = [
        each
        for each in medians.values()
        if each.workload == workload and each.kind == kind and goal.figure in each.figures
    ]
    largest = max((each.size or 0 for each in of_kind), default=0)
    of_kind = [each for each in of_kind if (each.size or 0) == largest]
    best = max if goal.better == "more" else min
    return best(of_kind, key=lambda each: each.figures[goal.figure], default=None)
