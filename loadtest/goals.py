"""What the bench is held against: the speeds that the project has set itself."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from loadtest.measure import BARE_INSERT, Measurement

Medians = Mapping[tuple[str, str], Measurement]
"""By workload and contender."""


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure of FlashTicket, over the same figure of a yardstick where there is one."""

    text: str
    workload: str
    figure: Literal["per_second", "p50_ms", "p99_ms"]
    bound: float
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
    reached: bool
    between: str


GOALS: Final = (
    Goal("one hot event: bookings/s over the usual design", "hot", "per_second", 20, "usual"),
    Goal("one hot event: bookings/s over the empty endpoint", "hot", "per_second", 1, "empty"),
    Goal("one hot event: bookings/s over bare ASGI", "hot", "per_second", 0.25, "bare"),
    Goal(
        "1,000 events: bookings/s over one hot event",
        "many",
        "per_second",
        0.8,
        "flashticket",
        yardstick_workload="hot",
    ),
    Goal("sold out: refusals/s over bare ASGI", "sold-out", "per_second", 0.5, "bare"),
    Goal("availability: reads/s over bare ASGI", "reads", "per_second", 0.5, "bare"),
    Goal("lone booking: p50 over a bare INSERT with commit", "lone", "p50_ms", 3, BARE_INSERT),
    Goal("lone booking: p99 in ms", "lone", "p99_ms", 15),
)


def standings(medians: Medians) -> Iterator[Standing]:
    """Each goal whose figures were measured, with how it stands."""
    for goal in GOALS:
        own = _best(medians, goal, "flashticket", goal.workload)
        if own is None:
            continue
        value, between = getattr(own, goal.figure), own.contender
        if goal.yardstick is not None:
            other = _best(medians, goal, goal.yardstick, goal.yardstick_workload or goal.workload)
            if other is None:
                continue
            value /= getattr(other, goal.figure)
            between += f" / {other.contender}"
        rate = goal.figure == "per_second"
        reached = value >= goal.bound if rate else value <= goal.bound
        yield Standing(goal.text, value, goal.bound, reached, between)


def _best(medians: Medians, goal: Goal, kind: str, workload: str) -> Measurement | None:
    of_kind = [
        each
        for (of_workload, contender), each in medians.items()
        if of_workload == workload and contender.split(":")[0] == kind
    ]
    if not of_kind:
        return None
    rate = goal.figure == "per_second"
    return (max if rate else min)(of_kind, key=lambda each: float(getattr(each, goal.figure)))
