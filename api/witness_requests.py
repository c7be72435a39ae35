"""Questions to witnesses over HTTP."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from projections.witnesses import ANSWER_BYTES_MAX, Witness
from projections.witnessing import Ask, WitnessAway

_SECONDS_MAX: Final = 2.0


@asynccontextmanager
async def open_asking() -> AsyncIterator[Ask]:
    """What asks witnesses, on connections that are kept open while the block runs."""
    import httpx  # most logs have no witness, and start without it

    async with httpx.AsyncClient(timeout=_SECONDS_MAX, follow_redirects=False) as http:

        async def ask(witness: Witness, body: bytes) -> tuple[int, bytes]:
            try:
                async with http.stream(
                    "POST", f"{witness.url}/add-checkpoint", content=body
                ) as got:
                    content = b""
                    async for part in got.aiter_raw():
                        content += part
                        if len(content) > ANSWER_BYTES_MAX:
                            break
                    return got.status_code, content
            except httpx.HTTPError as error:
                raise WitnessAway(str(error) or type(error).__name__) from error

        yield ask
