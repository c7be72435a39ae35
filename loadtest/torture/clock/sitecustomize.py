"""A wall clock that can be set while a program runs, for a Python that finds this on its path.

The program's `time.time` and `time.time_ns` are off by the seconds in the file that
FLASHTICKET_TORTURE_CLOCK names: eight bytes, a signed integer, little-endian. What asks the kernel
without Python, such as ids made in Rust, keeps the machine's time. Monotonic time does not jump.
"""

import mmap
import os
import struct
import time

_SECONDS = struct.Struct("<q")

with open(os.environ["FLASHTICKET_TORTURE_CLOCK"], "rb") as _file:  # noqa: PTH123  before pathlib
    _offset = mmap.mmap(_file.fileno(), _SECONDS.size, prot=mmap.PROT_READ)
_time, _time_ns = time.time, time.time_ns


def _shift() -> int:
    (seconds,) = _SECONDS.unpack(_offset[: _SECONDS.size])
    return int(seconds)


def _shifted() -> float:
    return _time() + _shift()


def _shifted_ns() -> int:
    return _time_ns() + _shift() * 1_000_000_000


time.time, time.time_ns = _shifted, _shifted_ns
