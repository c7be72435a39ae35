"""What runs of the bench measured, and the medians over them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Measurement:
    """One run: figures by name, which ends in the unit, and what was wrong with it.

    Times in milliseconds or, where the name says so, microseconds; CPU shares of one core.
    """

    contender: str
    workload: str
    figures: Mapping[str, float]
    faults: Sequence[str] = ()
    """The checks that did not hold: what was measured then counts for nothing."""
    size: int | None = None
    """How much there was of what the workload lets grow."""

    @property
    def kind(self) -> str:
        """The contender without its number of workers."""
        return self.contender.split(":")[0]


Medians = Mapping[tuple[str, str, int | None], Measurement]
"""By workload, contender and size."""


def medians(measurements: Iterable[Measurement]) -> dict[tuple[str, str, int | None], Measurement]:
    """For each workload, contender and size, each figure's median over the runs that have it."""
    runs: dict[tuple[str, str, int | None], list[Measurement]] = {}
    for each in measurements:
        runs.setdefault((each.workload, each.contender, each.size), []).append(each)
    return {key: _median_of(of_key) for key, of_key in runs.items()}


def _median_of(runs: Sequence[Measurement]) -> Measurement:
    names = dict.fromkeys(name for each in runs for name in each.figures)
    return Measurement(
        contender=runs[0].contender,
        workload=runs[0].workload,
        figures={
            name: median(each.figures[name] for each in runs if name in each.figures)
            for name in names
        },
        faults=[fault for each in runs for fault in each.faults],
        size=runs[0].size,
    )
