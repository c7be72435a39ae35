"""The bench: every contender under the same loads, side by side in one call, on durable servers.

Rounds go through all contenders in turn, so that a machine that slows down slows all of them, and
medians over the rounds are compared. Accepted bookings are counted apart from refusals. Every run
ends in an audit of what was stored: a fast wrong run fails.
"""

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Final

import psycopg

from api.embedded import EmbeddedPostgres, EmbeddedValkey
from loadtest.contenders import Bare, Contender, Empty, FlashTicket, Servers, Usual
from loadtest.goals import Standing, standings
from loadtest.machine import machine_facts
from loadtest.measure import Measurement, measure, measure_bare_inserts
from loadtest.workloads import WORKLOADS, Workload

CONTENDERS: Final = ("usual:1", "usual:2", "empty:1", "bare:1", "flashticket:1", "flashticket:2")
KINDS: Final[Mapping[str, Callable[[Servers, int], Contender]]] = {
    each.kind: each for each in (Usual, Empty, Bare, FlashTicket)
}
POOL_SIZES: Final = (1, 2, 5, 10, 20, 40)
"""Tried for the usual design before the first round; the fastest on one hot event takes part."""

RESULTS: Final = Path(__file__).parent / "results" / "bench.jsonl"

POOL_TRIAL_SECONDS: Final = 2.0
POSTGRES_SETTINGS: Final = {
    "max_connections": "300",
    "shared_buffers": "512MB",
    "max_wal_size": "4GB",
}
CREATE_DATABASE = "CREATE DATABASE flashticket"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Bench:
    """What one call measured."""

    began_at: datetime
    machine: Mapping[str, str | int]
    pool_sizes: Mapping[str, int]
    """Connections a worker, by contender of the usual design."""
    measurements: Sequence[Measurement]

    @property
    def ok(self) -> bool:
        """Every run was answered right and passed its audit."""
        return bool(self.measurements) and not any(each.faults for each in self.measurements)

    @property
    def medians(self) -> dict[tuple[str, str], Measurement]:
        """For each workload and contender, each figure's median over the rounds."""
        runs: dict[tuple[str, str], list[Measurement]] = {}
        for each in self.measurements:
            runs.setdefault((each.workload, each.contender), []).append(each)
        return {key: _median_of(rounds) for key, rounds in runs.items()}

    @property
    def standings(self) -> list[Standing]:
        """How the goals stand that can be told from what was measured."""
        return list(standings(self.medians))


def _median_of(rounds: Sequence[Measurement]) -> Measurement:
    return Measurement(
        contender=rounds[0].contender,
        workload=rounds[0].workload,
        per_second=median(each.per_second for each in rounds),
        p50_ms=median(each.p50_ms for each in rounds),
        p95_ms=median(each.p95_ms for each in rounds),
        p99_ms=median(each.p99_ms for each in rounds),
        generator_cpu_share=median(each.generator_cpu_share for each in rounds),
        faults=[fault for each in rounds for fault in each.faults],
    )


def run_bench(
    *,
    rounds: int = 3,
    seconds: float = 4.0,
    contenders: Sequence[str] = CONTENDERS,
    workloads: Sequence[str] = tuple(WORKLOADS),
    pool_sizes: Sequence[int] = POOL_SIZES,
    results_path: Path = RESULTS,
    say: Say = lambda _: None,
) -> Bench:
    """Measure each contender (`kind:workers`) under each workload and append a line of JSON.

    `seconds` is the measured time of one run; `say` is told of every measurement as it is made.
    Starts and stops PostgreSQL, Valkey and the contenders by itself, in a temporary directory.
    ValueError for a name that is not known; `loadtest.serving.ServerFailed` for a contender that
    does not run.
    """
    began_at = datetime.now(UTC)
    named = [_kind_and_workers(name) for name in contenders]
    if unknown := set(workloads) - WORKLOADS.keys():
        raise ValueError(f"no workload is called {' or '.join(sorted(unknown))}")
    chosen = {name: WORKLOADS[name] for name in workloads}
    with (
        tempfile.TemporaryDirectory(prefix="flashticket-bench-") as folder,
        EmbeddedPostgres(Path(folder, "postgres"), settings=POSTGRES_SETTINGS) as postgres,
        EmbeddedValkey(Path(folder, "valkey")) as valkey,
    ):
        with psycopg.connect(postgres.url(), autocommit=True) as connection:
            connection.execute(CREATE_DATABASE)
        servers = Servers(postgres.url(), postgres.url("flashticket"), valkey.url())
        entered = [
            _best_pool(servers, workers, pool_sizes, min(seconds, POOL_TRIAL_SECONDS), say)
            if kind is Usual
            else kind(servers, workers)
            for kind, workers in named
        ]
        measurements: list[Measurement] = []
        for number in range(1, rounds + 1):
            say(f"round {number} of {rounds}")
            for measurement in _round(entered, chosen, seconds):
                say(_line(measurement))
                measurements.append(measurement)
        bench = Bench(
            began_at,
            machine_facts(postgres.url()),
            {each.name: each.pool_size for each in entered if isinstance(each, Usual)},
            measurements,
        )
    results_path.parent.mkdir(parents=True, exist_ok=True)
    with results_path.open("a", encoding="utf-8") as results:
        results.write(as_json_line(bench))
    return bench


def _kind_and_workers(name: str) -> tuple[Callable[[Servers, int], Contender], int]:
    kind, _, workers = name.partition(":")
    if kind not in KINDS or not workers.isdecimal() or int(workers) == 0:
        raise ValueError(f"no contender is called {name}: kind:workers, of {', '.join(KINDS)}")
    return KINDS[kind], int(workers)


def _best_pool(
    servers: Servers, workers: int, pool_sizes: Sequence[int], seconds: float, say: Say
) -> Usual:
    """The yardstick with the pool that is fastest on one hot event: it must not be crippled."""
    fastest: tuple[float, Usual] | None = None
    for pool_size in pool_sizes:
        contender = Usual(servers, workers, pool_size)
        with contender.serve() as port:
            trial = measure(contender, port, "hot", WORKLOADS["hot"], seconds)
        say(f"{contender.name} with {pool_size} connections a worker: {trial.per_second:,.0f}/s")
        if fastest is None or trial.per_second > fastest[0]:
            fastest = trial.per_second, contender
    if fastest is None:
        raise ValueError("the usual design needs at least one pool size")
    return fastest[1]


def _round(
    contenders: Sequence[Contender], workloads: Mapping[str, Workload], seconds: float
) -> Iterator[Measurement]:
    for contender in contenders:
        with contender.serve() as port:
            for name, workload in workloads.items():
                yield measure(contender, port, name, workload, seconds)
    if "lone" in workloads:
        servers = contenders[0].servers
        yield measure_bare_inserts(servers.postgres_url, "lone", workloads["lone"])


def _line(measurement: Measurement) -> str:
    faults = "".join(f"\n    FAILED {fault}" for fault in measurement.faults)
    return (
        f"  {measurement.contender:14} {measurement.workload:9}"
        f" {measurement.per_second:10,.0f}/s  p50 {measurement.p50_ms:8.2f} ms"
        f"  p99 {measurement.p99_ms:8.2f} ms"
        f"  generator {measurement.generator_cpu_share:4.0%} of a core{faults}"
    )


def as_json_line(bench: Bench) -> str:
    """One line that holds all that was measured."""
    content = {
        "began_at": bench.began_at.isoformat(timespec="seconds"),
        "ok": bench.ok,
        "machine": bench.machine,
        "pool_sizes": bench.pool_sizes,
        "medians": [asdict(each) for each in bench.medians.values()],
        "goals": [asdict(each) for each in bench.standings],
        "measurements": [asdict(each) for each in bench.measurements],
    }
    return json.dumps(content) + "\n"


def as_text(bench: Bench) -> str:
    """Medians, ratios and goals for people."""
    lines = [f"{name:12} {fact}" for name, fact in bench.machine.items()]
    lines += [f"{name:12} {size} connections a worker" for name, size in bench.pool_sizes.items()]
    medians = bench.medians
    for name in dict.fromkeys(workload for workload, _ in medians):
        of_workload = [each for (workload, _), each in medians.items() if workload == name]
        lines += ["", f"{WORKLOADS[name].title} (median of the rounds)", *_table(of_workload)]
    lines += ["", "goals"]
    for standing in bench.standings:
        mark = "reached" if standing.reached else "missed "
        lines.append(
            f"  {mark}  {standing.text}: {standing.value:.3g} (goal {standing.bound:g};"
            f" {standing.between})"
        )
    failed = sum(bool(each.faults) for each in bench.measurements)
    lines += ["", f"{len(bench.measurements) - failed} passed, {failed} failed"]
    return "\n".join(lines)


def _table(medians: Sequence[Measurement]) -> Iterator[str]:
    yardsticks = [each for each in medians if each.contender.split(":")[0] != FlashTicket.kind]
    head = "".join(f"{'x ' + each.contender:>14}" for each in yardsticks)
    yield f"  {'':14}{'per s':>10}{'p50 ms':>9}{'p95 ms':>9}{'p99 ms':>9}{'generator':>11}{head}"
    for each in medians:
        ratios = "".join(f"{each.per_second / other.per_second:14.3g}" for other in yardsticks)
        yield (
            f"  {each.contender:14}{each.per_second:10,.0f}{each.p50_ms:9.2f}{each.p95_ms:9.2f}"
            f"{each.p99_ms:9.2f}{each.generator_cpu_share:11.0%}{ratios}"
            + ("  FAILED" if each.faults else "")
        )
