"""An endpoint that takes webhooks, remembers them, and answers as it is told."""

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import monotonic
from typing import Any

from served import HOST

SECONDS_MAX = 30.0

DEVELOPMENT = {"webhook_private_targets": True, "webhook_seconds_max": 1}
"""Settings of an application that may send to this machine."""


@dataclass(frozen=True)
class Received:
    """One message, and what it was answered."""

    headers: dict[str, str]
    body: bytes
    status: int

    @property
    def message(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found

    @property
    def place(self) -> tuple[str, int]:
        """Event and version of the entry."""
        data = self.message["data"]
        return data["event_id"], data["version"]


@dataclass
class Receiver:
    """Answers 200 unless ``answer`` says otherwise: a status, or a status and headers."""

    port: int = 0
    received: list[Received] = field(default_factory=list)
    answer: Callable[[dict[str, Any]], int | tuple[int, dict[str, str]]] = lambda _: 200
    changed: threading.Condition = field(default_factory=threading.Condition)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}/hook"

    def taken(self) -> list[tuple[str, int]]:
        """Events and versions of what was answered with 2xx, in the order of arrival."""
        with self.changed:
            return [each.place for each in self.received if each.status < 300]

    def until(self, is_enough: Callable[[list[Received]], Any]) -> list[Received]:
        """What was received once that is enough."""
        deadline = monotonic() + SECONDS_MAX
        with self.changed:
            while not is_enough(self.received):
                left = deadline - monotonic()
                assert left > 0, f"only {[each.place for each in self.received]} came"
                self.changed.wait(left)
            return list(self.received)

    def until_taken(self, places: Sequence[tuple[str, int]]) -> list[Received]:
        """What was received once each of these was taken."""
        return self.until(
            lambda got: set(places) <= {each.place for each in got if each.status < 300}
        )


@contextmanager
def open_receiver() -> Iterator[Receiver]:
    """A receiver that listens while the block runs."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            answer = receiver.answer(json.loads(body))
            status, headers = answer if isinstance(answer, tuple) else (answer, {})
            with receiver.changed:
                sent = {name.lower(): value for name, value in self.headers.items()}
                receiver.received.append(Received(sent, body, status))
                receiver.changed.notify_all()
            self.send_response(status)
            for name, value in {"Content-Length": "0", **headers}.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  its name
            """Nothing: pytest shows what matters."""

    with ThreadingHTTPServer((HOST, 0), Handler) as server:
        server.daemon_threads = True
        receiver.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()
