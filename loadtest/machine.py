"""What a measurement was taken on, since a rate without its machine says nothing."""

import os
import platform
import subprocess
from pathlib import Path

import psycopg

READ_DURABILITY = """
SELECT current_setting('server_version'), current_setting('fsync'),
       current_setting('synchronous_commit'), current_setting('full_page_writes')
"""


def machine_facts(database_url: str) -> dict[str, str | int]:
    """Processor, cores, memory, versions, and how durable the database is set."""
    with psycopg.connect(database_url) as connection:
        row = connection.execute(READ_DURABILITY).fetchone()
    version, fsync, synchronous_commit, full_page_writes = row or ("?",) * 4
    return {
        "processor": _from_proc("cpuinfo", "model name") or platform.machine(),
        "cores": os.cpu_count() or 0,
        "memory": _from_proc("meminfo", "MemTotal"),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "postgresql": version,
        "durability": f"fsync={fsync} synchronous_commit={synchronous_commit} "
        f"full_page_writes={full_page_writes}",
        "commit": commit(),
    }


def commit() -> str:
    """The git commit of this code, marked when files have changed since; "unknown" elsewhere."""
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],  # noqa: S607 - whichever git
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return described.stdout.strip()


def _from_proc(file: str, name: str) -> str:
    try:
        lines = Path("/proc", file).read_text().splitlines()
    except OSError:
        return ""
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(name)), "")
