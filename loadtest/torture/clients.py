"""Clients that ask over HTTP and write down every word of it."""

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from time import time
from typing import Any, Final, Self

import httpx

from loadtest.torture.history import NEVER_SENT, Call, History

ANSWER_SECONDS_MAX: Final = 10.0
_NOT_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


class Caller:
    """Makes calls with the key of a role and keeps their history."""

    def __init__(self, url: str, keys: Mapping[str, str]) -> None:
        self.history = History()
        self.is_out_of_reach = False
        """Whether the last one who tried found nobody to ask."""
        self._keys = keys
        self._http = httpx.AsyncClient(
            base_url=url,
            trust_env=False,
            timeout=ANSWER_SECONDS_MAX,
            limits=httpx.Limits(max_connections=200, keepalive_expiry=30),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def call(
        self,
        command: str,
        method: str,
        path: str,
        *,
        event_ids: Iterable[str],
        asked: Mapping[str, Any],
        body: object = None,
        role: str = "client",
        key: str | None = None,
        hang_up_after: float | None = None,
    ) -> Call:
        """Ask once. ``asked`` is for the history, ``body`` is what is sent."""
        call = self.history.begin(command, event_ids, asked, key, time())
        headers = {"Authorization": f"Bearer {self._keys[role]}"}
        if key is not None:
            headers["Idempotency-Key"] = key
        try:
            async with asyncio.timeout(hang_up_after):
                answer = await self._http.request(method, path, json=body, headers=headers)
        except _NOT_SENT:
            call.status = NEVER_SENT
        except (httpx.TransportError, TimeoutError):
            pass  # it may have been carried out
        else:
            call.status = answer.status_code
            call.replayed = answer.headers.get("Idempotency-Replayed") == "true"
            with suppress(ValueError):
                call.body = answer.json()
        self.is_out_of_reach = call.status == NEVER_SENT
        if call.status:
            call.answered_at = time()
        return call
