"""Newline-delimited JSON: one value a line, read in constant memory."""

from collections.abc import AsyncIterator
from typing import Final

from api.problems import Problem

NDJSON: Final = "application/x-ndjson"
LINE_BYTES_MAX: Final = 64 * 1024


async def lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[tuple[int, bytes]]:
    """Number and bytes of every line that is not blank; raises the `Problem` of one too long."""
    number = 0
    rest = b""
    async for chunk in chunks:
        *complete, rest = (rest + chunk).split(b"\n")
        for line in complete:
            number += 1
            _require_short(number, line)
            if line.strip():
                yield number, line
        _require_short(number + 1, rest)
    if rest.strip():
        yield number + 1, rest


def _require_short(number: int, line: bytes) -> None:
    if len(line) > LINE_BYTES_MAX:
        detail = f"Line {number} is longer than {LINE_BYTES_MAX} bytes."
        raise Problem("payload-too-large", detail)
