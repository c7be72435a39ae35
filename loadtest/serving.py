"""Servers under load, each a process of its own: started on a free port, awaited, stopped."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

from loadtest.processes import ProcessTree

HOST = "127.0.0.1"
START_SECONDS_MAX = 30.0
STOP_SECONDS_MAX = 15.0
LOG_BYTES_SHOWN = 4000
POLL_SECONDS = 0.01


class ServerFailed(Exception):
    """A server could not be set up, started or stopped. Says what it said."""


@dataclass(frozen=True, slots=True)
class Served:
    """A server that runs."""

    port: int
    processes: ProcessTree
    start_seconds: float
    """From its command to its first answer."""

    @property
    def base_url(self) -> str:
        """Where it answers."""
        return f"http://{HOST}:{self.port}"


def free_port() -> int:
    """A port nobody listens on. Another process may take it before the caller does."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(
    module_and_arguments: Callable[[int], Sequence[str]],
    environment: Callable[[int], Mapping[str, str]],
    ready_path: str,
) -> Iterator[Served]:
    """Run `python -m ...` until the block ends and yield it, once `ready_path` answers.

    Any answer below 500 counts as ready. ServerFailed when it gives up, is not ready in 30 s or
    does not stop within 15 s of SIGTERM.
    """
    port = free_port()
    began = time.monotonic()
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(  # noqa: S603 - the command is ours
            [sys.executable, "-m", *module_and_arguments(port)],
            env=os.environ | environment(port),
            stdout=log,
            stderr=subprocess.STDOUT,
            # Ctrl-C reaches us alone, and we stop the server in order.
            start_new_session=True,
        )

        def said() -> str:
            log.seek(max(0, log.seek(0, os.SEEK_END) - LOG_BYTES_SHOWN))
            return log.read().decode(errors="replace")

        try:
            if not _becomes_ready(process, f"http://{HOST}:{port}{ready_path}"):
                raise ServerFailed(f"the server is not ready:\n{said()}")
            yield Served(port, ProcessTree(process.pid), time.monotonic() - began)
            if process.poll() is not None:
                raise ServerFailed(f"the server ended by itself:\n{said()}")
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired as error:
                raise ServerFailed(f"the server does not stop:\n{said()}") from error
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _becomes_ready(process: subprocess.Popen[bytes], url: str) -> bool:
    give_up_at = time.monotonic() + START_SECONDS_MAX
    with httpx.Client(trust_env=False) as client:
        while process.poll() is None and time.monotonic() < give_up_at:
            try:
                if client.get(url).status_code < 500:
                    return True
            except httpx.TransportError:
                time.sleep(POLL_SECONDS)
    return False
