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
from typing import Any, Final

import psycopg

from api.embedded import EmbeddedPostgres, EmbeddedValkey
from loadtest import cold_start, generators, growth, memory, tables
from loadtest.contenders import Bare, Contender, Empty, FlashTicket, Servers, Usual, UsualTuned
from loadtest.crowd import CROWDS, measure_crowd
from loadtest.exports.measuring import measure_exports
from loadtest.goals import Standing, standings
from loadtest.holding import HOLDING, measure_holding
from loadtest.holding import TITLE as HOLDING_TITLE
from loadtest.log_cost import measure_log_cost
from loadtest.machine import machine_facts
from loadtest.measure import measure, measure_bare_inserts
from loadtest.measurement import Measurement, medians
from loadtest.workloads import WORKLOADS

CONTENDERS: Final = (
    "usual:1",
    "usual-tuned:2",
    "empty:1",
    "bare:1",
    "flashticket:1",
    "flashticket:2",
)
KINDS: Final[Mapping[str, Callable[[Servers, int], Contender]]] = {
    each.kind: each for each in (Usual, UsualTuned, Empty, Bare, FlashTicket)
}
POOL_SIZES: Final = (2, 5, 10, 20)
"""Tried for the tuned usual design before the first round; the fastest on a hot event takes part.
"""

COLD_START: Final = "cold-start"
MEMORY: Final = "memory"
SOAK: Final = "soak"
EXPORTS: Final = "exports"
LOG: Final = "log"
GENERATORS: Final = "generators"

TITLES: Final[Mapping[str, str]] = {
    **{name: workload.title for name, workload in WORKLOADS.items()},
    HOLDING: HOLDING_TITLE,
    **{name: crowd.title for name, crowd in CROWDS.items()},
    growth.EVENTS: "bookings spread over so many events",
    growth.LEDGER_SIZE: "one hot event, with so many entries in the ledger already",
    growth.LONG_EVENT: "a thousand bookings of an event that has so many",
    MEMORY: "memory of the API process at 1,000 connections",
    COLD_START: "cold start, to the first answer",
    EXPORTS: "exports verified, beyond what a small one takes",
    LOG: "order, tree and signature of a backlog, and their share in the CPU time of a booking",
    SOAK: "memory of the API process at 1,000 connections, for long",
    GENERATORS: "load generators against bare ASGI",
}
"""All workloads."""

ON_DEMAND: Final = (SOAK, GENERATORS)
"""Measured only when asked for by name."""

BY_DEFAULT: Final = tuple(name for name in TITLES if name not in ON_DEMAND)
OPEN_CROWDS: Final = tuple(name for name, crowd in CROWDS.items() if crowd.rate_per_second)
IN_CROWDS: Final = ("bare", "flashticket")
"""Kinds that k6 visits: the others would keep it for minutes."""

RESULTS: Final = Path(__file__).parent / "results" / "bench.jsonl"

POOL_TRIAL_SECONDS: Final = 1.0
POSTGRES_SETTINGS: Final = {
    "max_connections": "300",
    "shared_buffers": "512MB",
    "max_wal_size": "4GB",
}
CREATE_DATABASE = "CREATE DATABASE flashticket"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is measured."""

    rounds: int = 3
    seconds: float = 3.0
    """Of one run."""
    ledger_sizes: Sequence[int] = (0, 100_000, 1_000_000, 10_000_000)
    """Entries in ledgers that are compared, in ascending order."""
    soak_seconds: float = 600.0
    events: int = 10_000
    """At most, that bookings are spread over."""
    starts: int = 10
    attempts: int = 10_000
    """Of a flash sale by the closed model."""
    memory_seconds: float = 15.0
    export_sizes: Sequence[int] = (100_000, 1_000_000)
    """Entries in exports that are verified."""
    holds: int = 10_000


@dataclass(frozen=True, slots=True)
class Bench:
    """What one call measured."""

    began_at: datetime
    machine: Mapping[str, str | int]
    pool_sizes: Mapping[str, int]
    """Connections a worker, by contender of the tuned usual design."""
    measurements: Sequence[Measurement]

    @property
    def ok(self) -> bool:
        """Every run was answered right and passed its audit."""
        return bool(self.measurements) and not any(each.faults for each in self.measurements)

    @property
    def medians(self) -> Mapping[tuple[str, str, int | None], Measurement]:
        """For each workload, contender and size, each figure's median over the rounds."""
        return medians(self.measurements)

    @property
    def standings(self) -> list[Standing]:
        """How the goals stand that can be told from what was measured."""
        return list(standings(self.medians))


def run_bench(
    extent: Extent,
    *,
    contenders: Sequence[str] = CONTENDERS,
    workloads: Sequence[str] = BY_DEFAULT,
    pool_sizes: Sequence[int] = POOL_SIZES,
    results_path: Path = RESULTS,
    say: Say = lambda _: None,
) -> Bench:
    """Measure each contender (`kind:workers`) under each workload and append a line of JSON.

    `say` is told of every measurement as it is made. Starts and stops PostgreSQL, Valkey and the
    contenders by itself, in a temporary directory. ValueError for a name that is not known;
    `loadtest.serving.ServerFailed` for a contender that does not run.
    """
    began_at = datetime.now(UTC)
    named = [_kind_and_workers(name) for name in contenders]
    if unknown := set(workloads) - TITLES.keys():
        raise ValueError(f"no workload is called {' or '.join(sorted(unknown))}")
    with (
        tempfile.TemporaryDirectory(prefix="flashticket-bench-") as folder,
        EmbeddedPostgres(Path(folder, "postgres"), settings=POSTGRES_SETTINGS) as postgres,
        EmbeddedValkey(Path(folder, "valkey")) as valkey,
    ):
        with psycopg.connect(postgres.url(), autocommit=True) as connection:
            connection.execute(CREATE_DATABASE)
        servers = Servers(
            postgres.url(), postgres.url("flashticket"), valkey.url(), Path(folder, "data")
        )
        in_turns = [name for name in workloads if name in {*WORKLOADS, *CROWDS, HOLDING}]
        entered = [
            _best_tuned(servers, workers, pool_sizes, min(extent.seconds, POOL_TRIAL_SECONDS), say)
            if kind is UsualTuned
            else kind(servers, workers)
            for kind, workers in (named if in_turns else [])
        ]
        measurements: list[Measurement] = []
        bench = Bench(
            began_at,
            machine_facts(postgres.url()),
            {each.name: each.pool_size for each in entered if isinstance(each, UsualTuned)},
            measurements,
        )
        try:
            for measurement in _all(servers, entered, in_turns, workloads, extent, say):
                say(_line(measurement))
                measurements.append(measurement)
        finally:
            # A quarter of an hour's measurements are not lost with what ends the last of them.
            results_path.parent.mkdir(parents=True, exist_ok=True)
            with results_path.open("a", encoding="utf-8") as results:
                results.write(as_json_line(bench))
    return bench


def _kind_and_workers(name: str) -> tuple[Callable[[Servers, int], Contender], int]:
    kind, _, workers = name.partition(":")
    if kind not in KINDS or not workers.isdecimal() or int(workers) == 0:
        raise ValueError(f"no contender is called {name}: kind:workers, of {', '.join(KINDS)}")
    return KINDS[kind], int(workers)


def _best_tuned(
    servers: Servers, workers_max: int, pool_sizes: Sequence[int], seconds: float, say: Say
) -> UsualTuned:
    """The tuned yardstick as it is fastest on one hot event: it must not be crippled."""
    fastest: tuple[float, UsualTuned] | None = None
    for workers in range(1, workers_max + 1):
        for pool_size in pool_sizes:
            contender = UsualTuned(servers, workers, pool_size)
            with contender.serve() as served:
                trial = measure(contender, served, "hot", WORKLOADS["hot"], seconds)
            rate = trial.figures["per_second"]
            say(f"{contender.name} with {pool_size} connections a worker: {rate:,.0f}/s")
            if fastest is None or rate > fastest[0]:
                fastest = rate, contender
    if fastest is None:
        raise ValueError("the tuned usual design needs at least one pool size")
    return fastest[1]


def _all(
    servers: Servers,
    contenders: Sequence[Contender],
    in_turns: Sequence[str],
    workloads: Sequence[str],
    extent: Extent,
    say: Say,
) -> Iterator[Measurement]:
    for number in range(1, extent.rounds + 1 if in_turns else 1):
        say(f"round {number} of {extent.rounds}")
        # Of an open model one sale is enough: its rate is given, and nothing is compared with it.
        repeated = [name for name in in_turns if number == 1 or name not in OPEN_CROWDS]
        yield from _round(servers, contenders, repeated, extent)
    if growth.EVENTS in workloads:
        yield from growth.measure_events(servers, extent.events, extent.seconds)
    if growth.LEDGER_SIZE in workloads or growth.LONG_EVENT in workloads:
        say(f"filling a ledger with {extent.ledger_sizes[-1]:,} entries")
        yield from growth.measure_growth(
            servers, extent.ledger_sizes, workloads, extent.rounds, extent.seconds
        )
    if MEMORY in workloads:
        yield memory.measure_memory(servers, MEMORY, extent.memory_seconds)
    if SOAK in workloads:
        yield memory.measure_memory(servers, SOAK, extent.soak_seconds)
    if COLD_START in workloads:
        yield from cold_start.measure_cold_starts(servers, COLD_START, extent.starts)
    if LOG in workloads:
        yield from measure_log_cost(servers, LOG, extent.rounds, extent.seconds)
    if EXPORTS in workloads:
        yield from measure_exports(servers, EXPORTS, extent.export_sizes, extent.rounds)
    if GENERATORS in workloads:
        yield from generators.measure_generators(servers, GENERATORS, extent.rounds, extent.seconds)


def _round(
    servers: Servers, contenders: Sequence[Contender], workloads: Sequence[str], extent: Extent
) -> Iterator[Measurement]:
    for contender in contenders:
        with contender.serve() as served:
            for name in workloads:
                if name in WORKLOADS:
                    yield measure(contender, served, name, WORKLOADS[name], extent.seconds)
                elif name == HOLDING:
                    if contender.kind == FlashTicket.kind:
                        yield measure_holding(contender, served, extent.holds)
                elif contender.kind in IN_CROWDS:
                    yield measure_crowd(contender, served, name, extent.attempts)
    if "lone" in workloads:
        inserts = WORKLOADS["lone"].requests or 1000
        yield measure_bare_inserts(servers.postgres_url, "lone", inserts)


def _line(measurement: Measurement) -> str:
    heads, row = tables.rows([measurement], with_ratios=False)
    cells = (f"{cell} {head}" for head, cell in zip(heads, row, strict=True) if head)
    failed = "".join(f"\n    FAILED {fault}" for fault in measurement.faults)
    return f"  {measurement.workload:15} {row[0]:26} {', '.join(cells)}{failed}"


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


def from_json_line(line: str) -> Bench:
    """What `as_json_line` wrote."""
    content: dict[str, Any] = json.loads(line)
    return Bench(
        datetime.fromisoformat(content["began_at"]),
        content["machine"],
        content["pool_sizes"],
        [Measurement(**each) for each in content["measurements"]],
    )


def as_text(bench: Bench) -> str:
    """Medians, ratios and goals for people."""
    lines = [f"{name:12} {fact}" for name, fact in bench.machine.items()]
    lines += [f"{name:12} {size} connections a worker" for name, size in bench.pool_sizes.items()]
    measured = bench.medians.values()
    for name in dict.fromkeys(each.workload for each in measured):
        of_workload = [each for each in measured if each.workload == name]
        table = list(tables.rows(of_workload))
        lines += ["", f"{TITLES[name]} (medians)", *tables.as_columns(table)]
    lines += ["", "goals"]
    for standing in bench.standings:
        mark = "reached" if standing.reached else "missed "
        bound = "at least" if standing.better == "more" else "at most"
        lines.append(
            f"  {mark}  {standing.text}: {standing.value:.3g} ({bound} {standing.bound:g};"
            f" {standing.between})"
        )
    failed = sum(bool(each.faults) for each in bench.measurements)
    lines += ["", f"{len(bench.measurements) - failed} passed, {failed} failed"]
    return "\n".join(lines)
