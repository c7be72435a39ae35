import subprocess
import sys

import pytest

from loadtest.memory import slope_per_minute
from loadtest.processes import ProcessTree, cpu_seconds_of_children

BUSY = "t = __import__('time'); n = t.process_time() + 0.1\nwhile t.process_time() < n: pass\n"
CHILD_THAT_ENDED = f"""
import subprocess, sys
subprocess.run([sys.executable, "-c", {BUSY!r}])
print("ended", flush=True)
sys.stdin.read()
"""
CHILD_THAT_RUNS = """
import subprocess, sys
memory = "import sys; held = bytearray(60_000_000); print('held', flush=True); sys.stdin.read()"
subprocess.run([sys.executable, "-c", memory])
"""


def start(program: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(  # noqa: S603 - the command is ours
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process


def test_the_time_of_a_child_that_has_ended_counts() -> None:
    with start(CHILD_THAT_ENDED) as process:
        assert ProcessTree(process.pid).cpu_seconds() >= 0.1
        process.communicate(b"")


def test_the_memory_of_every_process_is_told_the_largest_first() -> None:
    with start(CHILD_THAT_RUNS) as process:
        sizes = ProcessTree(process.pid).memory_bytes()
        process.communicate(b"")
    assert len(sizes) == 2
    assert sizes[0] > 60_000_000 > sizes[1]


def test_children_that_ended_are_told_apart_from_ourselves() -> None:
    before = cpu_seconds_of_children()
    subprocess.run([sys.executable, "-c", BUSY], check=True)  # noqa: S603 - the command is ours
    assert cpu_seconds_of_children() - before >= 0.1


def test_the_slope_is_of_the_later_half() -> None:
    settling = [(float(second), 100.0 * second) for second in range(10)]
    steady = [(float(second), 1000.0 + 2 * second) for second in range(10, 22)]
    assert slope_per_minute(settling + steady) == pytest.approx(120)


def test_one_sample_has_no_slope() -> None:
    assert slope_per_minute([(0.0, 1.0)]) == 0.0
