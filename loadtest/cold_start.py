"""How long `flashticket serve` takes from the command to its first answer, on servers that run."""

import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Final

from loadtest.contenders import FlashTicket, Servers
from loadtest.measurement import Measurement

IMPORT_FASTAPI: Final = "import fastapi"


def measure_cold_starts(servers: Servers, name: str, starts: int) -> Iterator[Measurement]:
    """So many starts, and as many of a Python that imports FastAPI and ends, for scale."""
    contender = FlashTicket(servers, workers=1)
    for _ in range(starts):
        with contender.serve() as served:
            yield Measurement(contender.name, name, {"start_seconds": served.start_seconds})
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import fastapi"], check=True)
        seconds = time.perf_counter() - began
        yield Measurement(IMPORT_FASTAPI, name, {"start_seconds": seconds})
