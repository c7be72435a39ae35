"""One request to one webhook, signed; see https://www.standardwebhooks.com."""

import asyncio
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Self

import httpcore
from standardwebhooks import Webhook as Signer

from api.webhooks.cloud_events import CONTENT_TYPE
from api.webhooks.targets import TargetRefused, Targets, TargetUnknown

CONNECTIONS_MAX: Final = 4

_ANSWER_BYTES_MAX: Final = 64 * 1024
_RETRY_AFTER_SECONDS_MAX: Final = 3600


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; without an ``error`` the message was taken."""

    status: int | None = None
    error: str | None = None
    retry_after_seconds: int = 0

    @property
    def is_gone(self) -> bool:
        """The endpoint says that nothing should be sent to it any more."""
        return self.status == 410


class Courier:
    """Sends to one URL; to be used as an asynchronous context manager.

    Connections and the thread that resolves the name are its own, so that an endpoint that is dead
    or slow holds up nobody else.
    """

    def __init__(self, url: str, secret: bytes, targets: Targets, *, seconds_max: float) -> None:
        self._url = url
        self._targets = targets
        self._seconds_max = seconds_max
        self._signer = Signer(secret)
        self._resolver = ThreadPoolExecutor(1, "webhook-name")
        self._http = httpcore.AsyncConnectionPool(
            max_connections=CONNECTIONS_MAX,
            keepalive_expiry=30,
            network_backend=_Guarded(targets, self._resolver),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._http.aclose()
        self._resolver.shutdown(wait=False, cancel_futures=True)

    async def send(self, message_id: str, body: bytes) -> Answer:
        """What came of sending the message once, within the time allowed."""
        refusal = self._targets.refusal(self._url)
        if refusal is not None:
            return Answer(error=f"The URL {refusal}.")
        sent_at = datetime.now(UTC)
        headers: dict[bytes | str, bytes | str] = {
            "Content-Type": CONTENT_TYPE,
            "User-Agent": "FlashTicket-Webhooks/1",
            "webhook-id": message_id,
            "webhook-timestamp": str(int(sent_at.timestamp())),
            "webhook-signature": self._signer.sign(message_id, sent_at, body.decode()),
        }
        try:
            async with asyncio.timeout(self._seconds_max):
                return await self._exchange(headers, body)
        except TimeoutError:
            return Answer(error=f"No answer within {self._seconds_max:g} s.")
        except (TargetRefused, TargetUnknown) as error:
            return Answer(error=f"{error}.")
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException) as error:
            return Answer(error=f"No answer: {type(error).__name__}.")

    async def _exchange(self, headers: Mapping[bytes | str, bytes | str], body: bytes) -> Answer:
        limits = {"timeout": {"connect": self._seconds_max / 2}}  # of two addresses one may be dead
        async with self._http.stream(
            "POST", self._url, headers=headers, content=body, extensions=limits
        ) as answer:
            # What it says is of no interest, but a connection can only be used again once it is
            # read, and an endpoint that goes on and on is hung up on.
            size = 0
            async for part in answer.aiter_stream():
                size += len(part)
                if size > _ANSWER_BYTES_MAX:
                    break
        if 200 <= answer.status < 300:
            return Answer(answer.status)
        if 300 <= answer.status < 400:
            return Answer(answer.status, f"Answered {answer.status}: redirects are not followed.")
        return Answer(answer.status, f"Answered {answer.status}.", _retry_after(answer.headers))


class _Guarded(httpcore.AsyncNetworkBackend):
    """Connects to addresses that were looked at."""

    def __init__(self, targets: Targets, resolver: ThreadPoolExecutor) -> None:
        self._targets = targets
        self._resolver = resolver
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  the signature is httpcore's
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        failure: Exception = TargetUnknown(f"{host} has no address")
        for address in await self._targets.addresses(host, port, self._resolver):
            try:
                return await self._network.connect_tcp(
                    address, port, timeout, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    async def sleep(self, seconds: float) -> None:
        await self._network.sleep(seconds)


def _retry_after(headers: list[tuple[bytes, bytes]]) -> int:
    for name, value in headers:
        if name.lower() == b"retry-after" and value.isdigit() and len(value) < 10:
            return min(int(value), _RETRY_AFTER_SECONDS_MAX)
    return 0
