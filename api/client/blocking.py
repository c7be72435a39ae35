"""The client that waits."""

from collections.abc import Iterator
from time import sleep
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


class Client:
    """Sends calls to the API at ``url`` with a key, if it has one; to be used as a context manager.

    Safe to share between threads. ``http`` may be given for settings of its own (proxies,
    certificates) and is closed with the client.
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        patience: Patience | None = None,
        timeout_seconds: float = 10.0,
        http: httpx.Client | None = None,
    ) -> None:
        self._http = http or httpx.Client()
        self._http.base_url = httpx.URL(url)
        self._http.timeout = httpx.Timeout(timeout_seconds)
        if key is not None:
            self._http.headers["Authorization"] = f"Bearer {key}"
        self._patience = patience or Patience()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._http.close()

    def send(self, call: Call[T]) -> T:
        """The result of ``call``, which is sent again while that is safe and may help.

        Raises `ApiProblem` when it is refused, `NoAnswer` when nobody answers and `NotOurs` when
        somebody else does.
        """
        attempt = 0
        while True:
            attempt += 1
            try:
                return result_of(call, self._answer(call))
            except (ApiProblem, NotOurs, httpx.TransportError) as error:
                wait = self._patience.wait_seconds(call, error, attempt)
                if wait is None:
                    if isinstance(error, httpx.TransportError):
                        raise NoAnswer(f"{call.method} {call.path}: {error}") from error
                    raise
            sleep(wait)

    def every(self, call: Call[PageOf[T]]) -> Iterator[T]:
        """The items of a list, page after page; raises as `send`."""
        while True:
            page = self.send(call)
            yield from page.items
            if page.next_cursor is None:
                return
            call = call.after(page.next_cursor)

    def watch(self, event_id: UUID | str) -> Iterator[Availability]:
        """How many places an event has left, now and whenever that changes, for ever.

        A connection that ends is opened again, and no version is told twice. Raises as `send` when
        that does not succeed.
        """
        reader = FeedReader(event_id)
        call = Call("GET", reader.path, bytes, is_repeatable=True)
        attempt = 0
        while True:
            try:
                with self._http.stream(
                    "GET", reader.path, headers=reader.headers(), timeout=SILENCE_SECONDS_MAX
                ) as answer:
                    if not answer.is_success:
                        answer.read()
                        raise problem_in(answer)
                    for line in answer.iter_lines():
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
            sleep(wait)

    def _answer(self, call: Call[T]) -> httpx.Response:
        headers = dict(call.headers)
        if call.content_type is not None:
            headers["Content-Type"] = call.content_type
        return self._http.request(
            call.method,
            call.path,
            content=call.content,
            params=dict(call.parameters),
            headers=headers,
        )
