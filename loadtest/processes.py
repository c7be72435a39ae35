"""What processes use: CPU time and memory of one and all that it started."""

import resource
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import psutil
import psycopg


@dataclass(frozen=True, slots=True)
class ProcessTree:
    """A process and its descendants."""

    root: int

    def cpu_seconds(self) -> float:
        """Used so far, by those that have ended and been waited for as well."""
        total = 0.0
        for process in self._processes():
            with suppress(psutil.NoSuchProcess):
                total += sum(process.cpu_times()[:4])
        return total

    def memory_bytes(self) -> list[int]:
        """Resident memory of each process that runs, the largest first."""
        sizes = []
        for process in self._processes():
            with suppress(psutil.NoSuchProcess):
                sizes.append(int(process.memory_info().rss))
        return sorted(sizes, reverse=True)

    def _processes(self) -> Iterator[psutil.Process]:
        root = psutil.Process(self.root)
        yield root
        yield from root.children(recursive=True)


def cpu_seconds_of_children() -> float:
    """CPU time of all processes that this one started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def postgres_tree(url: str) -> ProcessTree:
    """The PostgreSQL server at ``url``, which must run on this machine."""
    with psycopg.connect(url) as connection:
        return ProcessTree(psutil.Process(connection.info.backend_pid).ppid())
