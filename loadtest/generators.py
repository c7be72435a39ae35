"""Whether the built-in load generator is light: it beside wrk, against a server that does nothing.

wrk, where it is installed, sends one and the same request and looks at no answer; the built-in
generator makes each request anew, tallies every answer and keeps the bodies for the audit.
"""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from loadtest.contenders import Bare, Servers
from loadtest.measure import measure
from loadtest.measurement import Measurement
from loadtest.processes import cpu_seconds_of_children
from loadtest.serving import Served
from loadtest.workloads import WORKLOADS

SCRIPT: Final = """
wrk.method = "POST"
wrk.body = '{"event_id":"00000000-0000-0000-0000-000000000001",\
"user_id":"00000000-0000-0000-0000-000000000002"}'
wrk.headers["Content-Type"] = "application/json"
"""
_REQUESTS: Final = re.compile(r"(\d+) requests in")


def measure_generators(
    servers: Servers, name: str, rounds: int, seconds: float
) -> Iterator[Measurement]:
    """Requests a second of each, and its own CPU time for each."""
    contender = Bare(servers, workers=1)
    wrk = shutil.which("wrk")
    with contender.serve() as served:
        for _ in range(rounds):
            built_in = measure(contender, served, name, WORKLOADS["hot"], seconds)
            rate, share = built_in.figures["per_second"], built_in.figures["generator_cpu_share"]
            figures = {"per_second": rate, "generator_cpu_us": share / max(rate, 1e-9) * 1e6}
            yield Measurement("built-in", name, figures, built_in.faults)
            if wrk is not None:
                yield Measurement("wrk", name, _send_with(wrk, served, seconds))


def _send_with(wrk: str, served: Served, seconds: float) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="flashticket-bench-") as folder:
        script = Path(folder, "book.lua")
        script.write_text(SCRIPT)
        before = cpu_seconds_of_children()
        command = [wrk, "-t1", f"-c{WORKLOADS['hot'].connections}", f"-d{max(1, round(seconds))}s"]
        said = subprocess.run(  # noqa: S603 - the command is ours
            [*command, f"-s{script}", f"{served.base_url}/v1/bookings"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    found = _REQUESTS.search(said)
    requests = int(found[1]) if found else 0
    cpu = cpu_seconds_of_children() - before
    return {
        "per_second": requests / max(1, round(seconds)),
        "generator_cpu_us": cpu / max(requests, 1) * 1e6,
    }
