"""PyPI aics-tlog, which speaks the formats of the log: a monitor that shares no code with it.

It needs Python 3.12, where it comes with the extra ``test``. On an older one it is used if another
interpreter here has it; where none has, there is no test of it.
"""

import subprocess
import sys
from shutil import which
from typing import Final

AUDIT: Final = """
import sys
from aics_tlog import (
    HttpTileReader, VerifiedTileReader, audit_tiles, inclusion_proof_from_tiles, leaf_hash,
    parse_note, parse_vkey, verify_checkpoint, verify_inclusion,
)
url, key = sys.argv[1:]
reader = HttpTileReader([url])
checked = verify_checkpoint(parse_note(reader.read_checkpoint()), parse_vkey(key))
assert checked.ok, checked
size, root = checked.size, checked.root
audit_tiles(reader, size, root)
tiles = VerifiedTileReader(reader, size, root)
for index in {0, size // 2, size - 1}:
    proof = inclusion_proof_from_tiles(tiles, index, size)
    assert verify_inclusion(leaf_hash(tiles.entry(index)), index, size, proof, root)
print(size)
"""


def _has_it(python: str) -> bool:
    ran = subprocess.run(  # noqa: S603  interpreters of this machine
        [python, "-c", "import aics_tlog"], capture_output=True, check=False
    )
    return ran.returncode == 0


def _interpreters() -> list[str]:
    others = [which(f"python3.{minor}") for minor in (12, 13, 14)]
    return [sys.executable, *(each for each in others if each is not None)]


PYTHON: Final = next(filter(_has_it, _interpreters()), None)
"""An interpreter that has the library."""


def audited(python: str, url: str, key: str) -> int:
    """The size of the log at ``url``, every tile, bundle and signature of which is right."""
    ran = subprocess.run(  # noqa: S603  interpreters of this machine
        [python, "-c", AUDIT, f"{url}/tlog/", key], capture_output=True, check=False, text=True
    )
    assert ran.returncode == 0, ran.stderr
    return int(ran.stdout)
