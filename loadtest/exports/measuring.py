"""How fast `flashticket verify-export` is, and how much memory it takes, beside two yardsticks."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from loadtest.contenders import Servers
from loadtest.exports.writing import write_export
from loadtest.measurement import Measurement
from loadtest.processes import ProcessTree, cpu_seconds_of_children

OF_EVENT: Final = 10_000
FEW_ENTRIES: Final = 1_000
"""Of an export that takes no longer than Python to start: what others take beyond it counts."""

REPLAYED_EVENTS: Final = 20_000
SAMPLE_SECONDS: Final = 0.02
HASH_LOOP: Final = "SHA-256 of payloads"
EVENTSOURCING: Final = "eventsourcing"


@dataclass(frozen=True, slots=True)
class _Run:
    entries: int
    seconds: float
    cpu_seconds: float
    memory_mb: float
    faults: Sequence[str]


def measure_exports(
    servers: Servers, name: str, sizes: Sequence[int], rounds: int
) -> Iterator[Measurement]:
    """Exports of so many entries, by one process and by two, each round beside the yardsticks.

    Rates are of what an export takes beyond one of `FEW_ENTRIES`: CPU seconds for a core, and time
    on the clock, which another library's replay of events on PostgreSQL is compared with.
    """
    with tempfile.TemporaryDirectory(prefix="flashticket-bench-") as folder:
        few = Path(folder, "few.ndjson.zst")
        write_export(few, FEW_ENTRIES, OF_EVENT)
        for size in sizes:
            path = Path(folder, "export.ndjson.zst")
            write_export(path, size, OF_EVENT)
            for _ in range(rounds):
                for processes in (1, 2):
                    start, run = _verify(few, processes), _verify(path, processes)
                    more = run.entries - start.entries
                    yield Measurement(
                        f"flashticket:{processes}",
                        name,
                        {
                            "per_second": more / (run.seconds - start.seconds),
                            "per_cpu_second": more / (run.cpu_seconds - start.cpu_seconds),
                            "memory_mb": run.memory_mb,
                        },
                        [*start.faults, *run.faults],
                        size,
                    )
                hashed = _told("loadtest.exports.hashing", str(path))
                rate = hashed["entries"] / hashed["cpu_seconds"]
                yield Measurement(HASH_LOOP, name, {"per_cpu_second": rate})
                replayed = _told(
                    "loadtest.exports.eventsourced", servers.postgres_url, str(REPLAYED_EVENTS)
                )
                rate = replayed["entries"] / replayed["seconds"]
                yield Measurement(EVENTSOURCING, name, {"per_second": rate})


def _verify(path: Path, processes: int) -> _Run:
    command = [sys.executable, "-m", "api", "verify-export", str(path), "--json"]
    before, began, memory_bytes = cpu_seconds_of_children(), time.perf_counter(), 0
    with subprocess.Popen(  # noqa: S603 - the command is ours
        [*command, "--processes", str(processes)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        tree = ProcessTree(process.pid)
        while process.poll() is None:
            memory_bytes = max(memory_bytes, sum(tree.memory_bytes()))
            time.sleep(SAMPLE_SECONDS)
        seconds = time.perf_counter() - began
        report = json.loads(process.stdout.read()) if process.stdout else {}
    return _Run(
        report.get("entries", 0),
        seconds,
        cpu_seconds_of_children() - before,
        memory_bytes / 1e6,
        [f"not verified: {each}" for each in report.get("findings", ["nothing said"])],
    )


def _told(module: str, *arguments: str) -> dict[str, Any]:
    ran = subprocess.run(  # noqa: S603 - the command is ours
        [sys.executable, "-m", module, *arguments], check=True, capture_output=True
    )
    told: dict[str, Any] = json.loads(ran.stdout)
    return told
