"""One server program on one data directory: locked, started, paused, stopped, killed.

Every server runs in a session of its own, so that a Ctrl-C in the terminal reaches only the process
that started it, which then stops it in order. If that process is killed instead, the server goes on
alone; the next `start` on the same data finds it by its working directory, stops it and starts
anew. It is stopped and not adopted, since its port and settings may be others than the ones asked.
"""

import contextlib
import fcntl
import os
import secrets
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Final, Self

import psutil

from api.embedded.account import Account, identity
from api.embedded.ports import free_port, is_free

START_SECONDS_MAX: Final = 60.0  # crash recovery replays the write-ahead log first
STOP_SECONDS_MAX: Final = 30.0
_KILL_SECONDS_MAX: Final = 10.0
_POLL_SECONDS: Final = 0.01
_PORT_ATTEMPTS: Final = 5
_LOG_LINES: Final = 20


class EmbeddedServerError(Exception):
    """An embedded server can't be started or stopped. Gives the reason, quotes the log."""


class EmbeddedServer(ABC):
    """A server of its own on 127.0.0.1, for development and tests.

    All it keeps is below `data_dir`, which is made when it is missing. With `port=None` the first
    start takes a free port. The port and the password stay the same over every stop and start of
    the object; the password stays for as long as `data_dir` does.
    """

    name: ClassVar[str]
    program_names: ClassVar[frozenset[str]]
    """What `ps` calls the program: only these are ever taken for a leftover of an earlier run."""
    stop_signal: ClassVar[signal.Signals]

    def __init__(self, data_dir: Path, *, port: int | None = None) -> None:
        self.data_dir = data_dir.resolve()
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: int | None = None

    @abstractmethod
    def url(self) -> str:
        """Where clients connect, password included."""

    @property
    def port(self) -> int:
        """The TCP port on 127.0.0.1. EmbeddedServerError before the first start chose one."""
        if self._port is None:
            raise EmbeddedServerError(f"{self.name} was never started: it has no port yet")
        return self._port

    @property
    def pid(self) -> int:
        """The main process. EmbeddedServerError when the server does not run."""
        if self._process is None or self._process.poll() is not None:
            raise EmbeddedServerError(f"{self.name} does not run")
        return self._process.pid

    @property
    def password(self) -> str:
        """The generated password, kept in a file of mode 0600 in `data_dir`."""
        return self._password_path.read_text()

    def start(self) -> None:
        """Return when the server answers.

        EmbeddedServerError when another process runs one on the same data, when the port is taken,
        and with the end of the server's log when it gives up or is not ready in 60 s.
        """
        if self._process is not None and self._process.poll() is None:
            raise EmbeddedServerError(f"{self.name} runs already on {self.data_dir}")
        self._release()
        try:
            self._acquire()
            self._stop_leftovers()
            self._prepare()
            self._launch()
        except OSError as error:
            self._release()
            raise EmbeddedServerError(f"{self.name} can't start: {error}") from error
        except BaseException:
            self._release()
            raise

    def stop(self) -> None:
        """Shut down in order: clients are disconnected, what they committed is on disk.

        Does nothing when the server does not run. EmbeddedServerError when it had to be killed.
        """
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            self.resume()
            process.send_signal(self.stop_signal)
            try:
                process.wait(STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired as error:
                self.kill()
                raise EmbeddedServerError(
                    f"{self.name} did not stop in {STOP_SECONDS_MAX:.0f} s and was killed"
                    + self._log_tail()
                ) from error
        self._release()

    def kill(self) -> None:
        """SIGKILL the server and all its children at once, as a crash would, and reap it."""
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            _kill(_freeze(psutil.Process(process.pid)))
            process.wait(_KILL_SECONDS_MAX)
        self._release()

    def pause(self) -> None:
        """Stop every process of the server where it is: the port accepts, nothing answers."""
        _freeze(psutil.Process(self.pid))

    def resume(self) -> None:
        """Let a paused server go on."""
        _thaw(psutil.Process(self.pid))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    # What a server of a certain kind adds.

    @property
    def _working_dir(self) -> Path:
        """Where the server works; nothing else of ours does."""
        return self.data_dir

    @property
    def _account(self) -> Account | None:
        """Whom the server runs as; None for the caller."""
        return None

    @abstractmethod
    def _prepare(self) -> None:
        """Make what has to be on disk before the server can start."""

    @abstractmethod
    def _command(self) -> Sequence[str]:
        """The program and its arguments. No secrets: every local user can read these."""

    @abstractmethod
    def _is_ready(self, pid: int, /) -> bool:
        """Whether the process `pid` takes connections on our port by now."""

    # The lock: held by this process alone and let go by the kernel however it ends.

    def _acquire(self) -> None:
        self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = os.open(self.data_dir / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise EmbeddedServerError(
                f"{self.name} runs already on {self.data_dir}, started by another process"
            ) from error

    def _release(self) -> None:
        self._process = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _stop_leftovers(self) -> None:
        """Stop what an owner that was killed left running on this data."""
        leftovers = [
            process
            for process in psutil.process_iter(["name"])
            if process.info["name"] in self.program_names and _works_in(process, self._working_dir)
        ]
        pids = {process.pid for process in leftovers}
        for process in leftovers:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()
                # Not to the children, to whom the signal means something else.
                if process.ppid() not in pids:
                    process.send_signal(self.stop_signal)
        if not _wait_until(lambda: not any(map(_lives, leftovers)), STOP_SECONDS_MAX):
            _kill(leftovers)

    # Starting.

    def _launch(self) -> None:
        if self._port is not None:
            self._spawn()
            return
        for attempt in range(1, _PORT_ATTEMPTS + 1):
            port = self._port = free_port()
            try:
                self._spawn()
            except BaseException as error:
                self._port = None
                lost_the_port = isinstance(error, EmbeddedServerError) and not is_free(port)
                if not lost_the_port or attempt == _PORT_ATTEMPTS:
                    raise
            else:
                return

    def _spawn(self) -> None:
        with self._log_path.open("wb") as log:
            process = subprocess.Popen(  # noqa: S603 - our own command, no shell
                self._command(),
                cwd=self._working_dir,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **identity(self._account),
            )
        try:
            self._await_ready(process)
        except BaseException:
            if process.poll() is None:
                _kill(_freeze(psutil.Process(process.pid)))
                process.wait(_KILL_SECONDS_MAX)
            raise
        self._process = process

    def _await_ready(self, process: subprocess.Popen[bytes]) -> None:
        done = _wait_until(
            lambda: process.poll() is not None or self._is_ready(process.pid), START_SECONDS_MAX
        )
        if process.poll() is not None:
            trouble = f"ended with status {process.returncode}"
        elif not done:
            trouble = f"was not ready in {START_SECONDS_MAX:.0f} s"
        else:
            return
        raise EmbeddedServerError(f"{self.name} on port {self.port} {trouble}{self._log_tail()}")

    # Files beside the server's own.

    @property
    def _log_path(self) -> Path:
        return self.data_dir / "log"

    @property
    def _password_path(self) -> Path:
        return self.data_dir / "password"

    def _make_password(self) -> None:
        if self._password_path.exists():
            return
        # Hexadecimal: needs no quoting in a URL or a configuration file.
        self._write_private(self._password_path, secrets.token_hex(24))

    def _write_private(self, path: Path, text: str) -> None:
        """Write a file that only its owner can read, whole or not at all."""
        unfinished = path.with_name(path.name + ".new")
        unfinished.unlink(missing_ok=True)
        file = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(file, "w") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        unfinished.replace(path)

    def _log_tail(self) -> str:
        lines = self._log_path.read_text(errors="replace").splitlines()[-_LOG_LINES:]
        return "".join(f"\n    {line}" for line in [f"{self._log_path} ends:", *lines])


def environment() -> dict[str, str]:
    """What the servers see of ours: no settings, no secrets, no locale, no time zone."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    return kept | {"LC_ALL": "C", "TZ": "UTC"}


def _freeze(root: psutil.Process) -> list[psutil.Process]:
    """SIGSTOP a process and all it started; return them.

    The root comes first and can start no more, so a second look finds what it was just starting.
    """
    frozen: list[psutil.Process] = []
    while new := [
        process for process in [root, *root.children(recursive=True)] if process not in frozen
    ]:
        for process in new:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()
        frozen += new
    return frozen


def _thaw(root: psutil.Process) -> None:
    for process in [*root.children(recursive=True), root]:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.resume()


def _kill(processes: Sequence[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    _wait_until(lambda: not any(map(_lives, processes)), _KILL_SECONDS_MAX)


def _lives(process: psutil.Process) -> bool:
    try:
        # A zombie holds no file, port or memory, and where nobody reaps orphans it stays for ever.
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _works_in(process: psutil.Process, directory: Path) -> bool:
    try:
        # The link leads to the directory itself; the path that it shows may, for a process in a
        # container, mean another one here.
        link = Path(f"/proc/{process.pid}/cwd")
        return directory.samefile(link if link.is_symlink() else process.cwd())
    except (OSError, psutil.Error):
        return False


def _wait_until(condition: Callable[[], bool], seconds_max: float) -> bool:
    deadline = time.monotonic() + seconds_max
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True
