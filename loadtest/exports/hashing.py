"""The floor: SHA-256 of the payloads in an export, one by one, and nothing else.

    python -m loadtest.exports.hashing FILE

prints how many it hashed and the CPU seconds that the hashing alone took.
"""

import hashlib
import json
import sys
import time
from pathlib import Path
from typing import Final

import zstandard

PAYLOADS_MAX: Final = 200_000


def main(path: Path) -> None:
    """Read first, hash then, so that nothing but the loop is measured."""
    payloads: list[bytes] = []
    with path.open("rb") as file:
        reader = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
        rest = b""
        while len(payloads) < PAYLOADS_MAX and (block := reader.read(1 << 20)):
            *lines, rest = (rest + block).split(b"\n")
            # The last value of an entry's line: the only one in braces.
            payloads += [line[line.index(b"{") : -1] for line in lines if line.startswith(b"[")]
    began = time.process_time()
    for payload in payloads:
        hashlib.sha256(payload).digest()
    seconds = time.process_time() - began
    json.dump({"entries": len(payloads), "cpu_seconds": seconds}, sys.stdout)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
