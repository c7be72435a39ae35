"""What the log costs: numbering, tree and signature, of a ledger that has none of it yet.

A ledger of many entries is copied and its log taken away; making it again is then all that
`flashticket export` does the first time and not the second. Its CPU time, that of PostgreSQL
included, is held against that of a booking as it was measured with everything on.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from loadtest.contenders import Servers
from loadtest.growth import FilledFlashTicket
from loadtest.measure import measure
from loadtest.measurement import Measurement
from loadtest.processes import ProcessTree, cpu_seconds_of_children, postgres_tree
from loadtest.workloads import WORKLOADS

BACKLOG: Final = 150_000

DROP_COPY: Final = "DROP DATABASE IF EXISTS flashticket_log"
COPY: Final = "CREATE DATABASE flashticket_log TEMPLATE {}"
TAKE_LOG_AWAY: Final = """
SET session_replication_role = replica;
TRUNCATE sequence, sequenced, tiles;
UPDATE sequencer SET next_seq = 0;
UPDATE tree SET size = 0, checkpoint = NULL;
"""
COUNT_ENTRIES: Final = "SELECT count(*) FROM ledger"


@dataclass(frozen=True, slots=True)
class _Used:
    seconds: float
    cpu_seconds: float


def measure_log_cost(
    servers: Servers, name: str, rounds: int, seconds: float
) -> Iterator[Measurement]:
    """Book for so long on a ledger of `BACKLOG` entries, then make the log of all of them."""
    contender = FilledFlashTicket(servers, BACKLOG)
    for _ in range(rounds):
        with contender.serve() as served:
            booked = measure(contender, served, "hot", WORKLOADS["hot"], seconds)
        filled = urlsplit(contender.servers.flashticket_url)
        copied = filled._replace(path="/flashticket_log").geturl()
        with psycopg.connect(servers.postgres_url, autocommit=True) as connection:
            connection.execute(DROP_COPY)
            connection.execute(sql.SQL(COPY).format(sql.Identifier(filled.path[1:])))
        with psycopg.connect(copied) as connection:
            connection.execute(TAKE_LOG_AWAY)
            ((entries,),) = connection.execute(COUNT_ENTRIES)
        postgres = postgres_tree(servers.postgres_url)
        with tempfile.TemporaryDirectory(prefix="flashticket-bench-") as folder:
            settings = contender.settings | {
                "FLASHTICKET_DATABASE_URL": copied,
                "FLASHTICKET_DATA_DIR": folder,
            }
            first = _export(settings, Path(folder, "first"), postgres)
            second = _export(settings, Path(folder, "second"), postgres)
        log_cpu_us = (first.cpu_seconds - second.cpu_seconds) / entries * 1e6
        booking_cpu_us = booked.figures["api_cpu_us"] + booked.figures["postgres_cpu_us"]
        yield Measurement(
            contender.name,
            name,
            {
                "per_second": entries / (first.seconds - second.seconds),
                "log_cpu_us": log_cpu_us,
                "booking_cpu_us": booking_cpu_us,
                "log_cpu_share": log_cpu_us / booking_cpu_us,
            },
            booked.faults,
        )


def _export(settings: Mapping[str, str], path: Path, postgres: ProcessTree) -> _Used:
    before = cpu_seconds_of_children() + postgres.cpu_seconds()
    began = time.perf_counter()
    subprocess.run(  # noqa: S603 - the command is ours
        [sys.executable, "-m", "api", "export", str(path)],
        env=os.environ | settings,
        check=True,
        capture_output=True,
    )
    seconds = time.perf_counter() - began
    return _Used(seconds, cpu_seconds_of_children() + postgres.cpu_seconds() - before)
