"""The client for asyncio."""

from asyncio import sleep
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self, TypeVar
from uuid import UUID

import httpx

from api.bodies import Availability
from api.client.answers import ApiProblem, NoAnswer, NotOurs, problem_in, result_of
from api.client.call import Call, PageOf
from api.client.feed import SILENCE_SECONDS_MAX, FeedReader
from api.client.patience import Patience

T = TypeVar("T")


class AsyncClient:
    """Sends calls to the API at ``url`` with a key, if it has one; to be used as an asynchronous
    context manager.

    Safe to share between tasks. ``http`` may be given for settings of its own (proxies,
    certificates) and is closed with the client.
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        patience: Patience | None = None,
        timeout_seconds: float = 10.0,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        self._http = http or httpx.AsyncClient()
        self._http.base_url = httpx.URL(url)
        self._http.timeout = httpx.Timeout(timeout_seconds)
        if key is not None:
            self._http.headers["Authorization"] = f"Bearer {key}"
        self._patience = patience or Patience()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._http.aclose()

    async def send(self, call: Call[T]) -> T:
        """The result of ``call``, which is sent again while that is safe and may help.

        Raises `ApiProblem` when it is refused, `NoAnswer` when nobody answers and `NotOurs` when
        somebody else does.
        """
        attempt = 0
        while True:
            attempt += 1
            try:
                return result_of(call, await self._answer(call))
            except (ApiProblem, NotOurs, httpx.TransportError) as error:
                wait = self._patience.wait_seconds(call, error, attempt)
                if wait is None:
                    if isinstance(error, httpx.TransportError):
                        raise NoAnswer(f"{call.method} {call.path}: {error}") from error
                    raise
            await sleep(wait)

    async def every(self, call: Call[PageOf[T]]) -> AsyncIterator[T]:
        """The items of a list, page after page; raises as `send`."""
        while True:
            page = await self.send(call)
            for item in page.items:
                yield item
            if page.next_cursor is None:
                return
            call = call.after(page.next_cursor)

    async def watch(self, event_id: UUID | str) -> AsyncIterator[Availability]:
        """How many places an event has left, now and whenever that changes, for ever.

        A connection that ends is opened again, and no version is told twice. Raises as `send` when
        that does not succeed.
        """
        reader = FeedReader(event_id)
        call = Call("GET", reader.path, bytes, is_repeatable=True)
        attempt = 0
        while True:
            try:
                async with self._http.stream(
                    "GET", reader.path, headers=reader.headers(), timeout=SILENCE_SECONDS_MAX
                ) as answer:
                    if not answer.is_success:
                        await answer.aread()
                        raise problem_in(answer)
                    async for line in answer.aiter_lines():
                        told = reader.take(line)
                        if told is not None:
                            attempt = 0
                            yield told
                error: Exception = httpx.ReadError("the feed ended")
            except (ApiProblem, NotOurs, httpx.TransportError) as caught:
                error = caught
            attempt += 1
            wait = self._patience.wait_seconds(call, error, attempt)
            if wait is None:
                if isinstance(error, httpx.TransportError):
                    raise NoAnswer(f"GET {reader.path}: {error}") from error
                raise error
            await sleep(wait)

    async def _answer(self, call: Call[T]) -> httpx.Response:
        headers = dict(call.headers)
        if call.content_type is not None:
            headers["Content-Type"] = call.content_type
        return await self._http.request(
            call.method,
            call.path,
            content=call.content,
            params=dict(call.parameters),
            headers=headers,
        )
