"""The application in a process of its own, as operators run it, and clients of each role."""

import asyncio
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPResponse
from pathlib import Path
from typing import Any, BinaryIO, Final, Self

import httpx
import psycopg

from api.demo import create_key
from api.embedded.ports import free_port
from api.keys import Role
from api.verification import verify_database
from ledger.replay import Violation

PLAIN: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Never used, all being plain HTTP; without it every client reads the certificates of the world."""

ROOT: Final = Path(__file__).parents[1]
HOST: Final = "127.0.0.1"
APP_ROLE: Final = "flashticket_app"
START_SECONDS_MAX: Final = 90.0  # of a machine that is busy with other things
LOG_SECONDS_MAX: Final = 5.0
STOP_SECONDS_MAX: Final = 10.0
"""From SIGTERM to the end of the process, as the contract promises."""


def environment(settings: Mapping[str, object]) -> dict[str, str]:
    """The environment of a process with these settings and no others."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("FLASHTICKET_")}
    return inherited | {f"FLASHTICKET_{k.upper()}": str(v) for k, v in settings.items()}


@dataclass
class Served:
    """A running ``flashticket serve``."""

    process: subprocess.Popen[Any]
    port: int
    log_path: Path
    tls: ssl.SSLContext | None = None
    """What trusts its certificate, if it has one."""

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://{HOST}:{self.port}"

    @property
    def log(self) -> list[dict[str, Any]]:
        """What it logged; raises ValueError for a line that is not JSON."""
        lines = self.log_path.read_text().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def logged(self, **fields: object) -> dict[str, Any]:
        """The first line with these fields, which may still be on its way: answers go first."""
        deadline = time.monotonic() + LOG_SECONDS_MAX
        while True:
            for line in self.log:
                if fields.items() <= line.items():
                    return line
            assert time.monotonic() < deadline, f"no line has {fields}"
            time.sleep(0.01)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Its exit status after the signal; raises subprocess.TimeoutExpired after 10 s."""
        self.process.send_signal(number)
        return self.process.wait(STOP_SECONDS_MAX)

    def await_path(self, path: str, status: int = 200, *, containing: str = "") -> None:
        """Return once ``path`` answers ``status``, and ``containing`` is in what it says."""
        deadline = time.monotonic() + START_SECONDS_MAX
        verify = self.tls or PLAIN
        with httpx.Client(base_url=self.url, trust_env=False, verify=verify) as client:
            while True:
                try:
                    answer = client.get(path)
                    if answer.status_code == status and containing in answer.text:
                        return
                except httpx.TransportError:
                    if self.process.poll() is not None:
                        raise
                if time.monotonic() > deadline:
                    raise AssertionError(f"{path} does not answer: {self.log_path.read_text()}")
                time.sleep(0.02)


def open_log(folder: str) -> BinaryIO:
    return (Path(folder) / "log").open("wb")


@contextmanager
def served(
    database_url: str,
    redis_url: str | None,
    *,
    port: int | None = None,
    await_path: str = "/readyz",
    tls: ssl.SSLContext | None = None,
    code: Path = ROOT,
    **settings: object,
) -> Iterator[Served]:
    """Serve on these servers until the block ends, which the process must survive and end well.

    ``code`` is the folder of the version to run.
    """
    port = port or free_port()
    urls = {"database_url": database_url} | ({"redis_url": redis_url} if redis_url else {})
    with tempfile.TemporaryDirectory(prefix="served-") as folder, open_log(folder) as log:
        keys = {"data_dir": folder, "ticket_key_file": f"{folder}/ticket-key.pem"}
        process = subprocess.Popen(
            [sys.executable, "-m", "api", "serve"],
            cwd=code,
            env=environment({"host": HOST, "port": port, **urls, **keys, **settings}),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        running = Served(process, port, Path(log.name), tls)
        try:
            running.await_path(await_path)
            yield running
            if process.poll() is None:
                assert running.stop() == 0, running.log_path.read_text()
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@dataclass
class Api:
    """What clients of one application do, with a key of each role and with none."""

    url: str
    keys: dict[str, str]
    hooks: list[Any] = field(default_factory=list)
    tls: ssl.SSLContext | None = None

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.nobody = stack.enter_context(self.with_key(None))
            self.client = stack.enter_context(self.with_key(self.keys["client"]))
            self.organizer = stack.enter_context(self.with_key(self.keys["organizer"]))
            self.auditor = stack.enter_context(self.with_key(self.keys["auditor"]))
            self.admin = stack.enter_context(self.with_key(self.keys["admin"]))
            self._close = stack.pop_all().close
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def with_key(self, key: str | None) -> httpx.Client:
        """A client that sends ``key``; the caller closes it."""
        return httpx.Client(
            base_url=self.url,
            headers={} if key is None else {"Authorization": f"Bearer {key}"},
            timeout=10,
            trust_env=False,
            verify=self.tls or PLAIN,
            limits=httpx.Limits(max_connections=200, max_keepalive_connections=200),
            event_hooks={"response": self.hooks},
        )

    def add_venue(self, capacity: int) -> str:
        answer = self.organizer.post("/v1/venues", json={"name": "Hall", "capacity": capacity})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["venue_id"])

    def add_event(self, capacity: int = 10, **terms: object) -> str:
        """The id of an event in a venue of its own, which has room for twice as many."""
        answer = self.organizer.post(
            "/v1/events",
            json={
                "venue_id": self.add_venue(2 * capacity),
                "name": "Show",
                "starts_at": "2030-01-01T20:00:00Z",
                "capacity": capacity,
                **terms,
            },
        )
        assert answer.status_code == 201, answer.text
        return str(answer.json()["event_id"])

    def add_user(self) -> str:
        return self.add_users(1)[0]

    def add_users(self, count: int) -> list[str]:
        ids = []
        for n in range(count):
            body = {"name": f"User {n}", "email": f"user{n}@example.org"}
            answer = self.organizer.post("/v1/users", json=body)
            assert answer.status_code == 201, answer.text
            ids.append(str(answer.json()["user_id"]))
        return ids

    def book(
        self, event_id: str, user_id: str, quantity: int = 1, *, key: str | None = None
    ) -> httpx.Response:
        return self.client.post(
            "/v1/bookings",
            json={"event_id": event_id, "user_id": user_id, "quantity": quantity},
            headers={} if key is None else {"Idempotency-Key": key},
        )

    def cancel(self, booking_id: str) -> httpx.Response:
        return self.client.post(f"/v1/bookings/{booking_id}/cancel")

    def availability(self, event_id: str) -> dict[str, Any]:
        answer = self.nobody.get(f"/v1/events/{event_id}/availability")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


def new_keys(database_url: str) -> dict[str, str]:
    """A new key of each role."""

    async def create() -> dict[str, str]:
        return {
            str(role): await create_key(database_url, role=APP_ROLE, key_role=role) for role in Role
        }

    return asyncio.run(create())


def violations(database_url: str, redis_url: str | None = None) -> list[Violation]:
    """What `flashticket verify` finds wrong."""
    return verify_database(database_url, redis_url).violations


def count_entries(database_url: str) -> int:
    """How many entries the ledger has."""
    with psycopg.connect(database_url) as connection:
        row = connection.execute("SELECT count(*) FROM ledger").fetchone()
        assert row is not None
        return int(row[0])


@dataclass(frozen=True)
class Reply:
    """One answer to a `volley`."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def request(method: str, path: str, body: object = None, **headers: str | None) -> bytes:
    """An HTTP request as bytes; header names in snake case, None leaves one out."""
    content = b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "host: test", f"content-length: {len(content)}"]
    lines += ["content-type: application/json"] if content else []
    lines += [f"{k.replace('_', '-')}: {v}" for k, v in headers.items() if v is not None]
    return "\r\n".join([*lines, "", ""]).encode() + content


def volley(port: int, requests: Sequence[bytes], *, seconds_max: float = 10) -> list[Reply]:
    """Answers to ``requests``, each on a connection that stood open before the first was sent.

    They leave within about a millisecond, so they are in the server together.
    """
    with ExitStack() as stack:
        sockets = [
            stack.enter_context(closing(socket.create_connection((HOST, port), seconds_max)))
            for _ in requests
        ]
        for connection, content in zip(sockets, requests, strict=True):
            connection.sendall(content)
        return [read_reply(connection) for connection in sockets]


def read_reply(connection: socket.socket) -> Reply:
    """The next answer on a connection."""
    with HTTPResponse(connection) as response:
        response.begin()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Reply(response.status, headers, response.read())
