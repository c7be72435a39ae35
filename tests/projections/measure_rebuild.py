"""Measures a rebuild of a generated ledger on an embedded PostgreSQL.

    PYTHONPATH=tests:tests/projections python tests/projections/measure_rebuild.py

prints entries per second, and the processor time of both Python and PostgreSQL per entry, which
says more where others use the machine too.
"""

import argparse
import os
import resource
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import psutil
from generated import fill

from api.embedded import EmbeddedPostgres
from ledger.migrate import migrate
from projections.rebuild import rebuild


def own_cpu() -> float:
    """Processor time of this process and of those it has waited for, in seconds."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def server_cpu(pid: int) -> float:
    """Processor time of a server with all that it has forked, in seconds."""
    server = psutil.Process(pid)
    used = server.cpu_times()
    total = used.user + used.system + used.children_user + used.children_system
    for child in server.children():
        used = child.cpu_times()
        total += used.user + used.system
    return float(total)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=200)
    parser.add_argument("--entries", type=int, default=5_000, help="of each event")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    asked = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedPostgres(Path(folder) / "postgres") as server,
    ):
        migrate(server.url())
        fill(server.url(), events=asked.events, entries_each=asked.entries)
        own, servers, began = own_cpu(), server_cpu(server.pid), perf_counter()
        made = rebuild(server.url(), None, lambda _: None, processes=asked.processes)
        seconds = perf_counter() - began
        own, servers = own_cpu() - own, server_cpu(server.pid) - servers
        sys.stdout.write(
            f"{made.entries:,} entries in {seconds:.1f} s: {made.entries / seconds:,.0f}/s;"
            f" {1e6 * own / made.entries:.1f} us of Python and"
            f" {1e6 * servers / made.entries:.1f} us of PostgreSQL per entry;"
            f" others waited {1000 * made.waited_seconds:.0f} ms\n"
        )


if __name__ == "__main__":
    main()
