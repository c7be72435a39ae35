"""The servers that are treated badly: PostgreSQL, Valkey and the API, all of this run alone."""

import asyncio
import os
import signal
import struct
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import Final

import httpx
import psutil
import psycopg

import api
from api.embedded import EmbeddedPostgres, EmbeddedServerError, EmbeddedValkey
from api.embedded.ports import LOOPBACK, free_port
from loadtest.torture.disk import SmallDisk, small_disk
from loadtest.torture.line import Line, open_line

WORKERS: Final = 2
READY_SECONDS_MAX: Final = 60.0
_DATABASE: Final = "flashticket"
_ROOT: Final = Path(api.__path__[0]).parent
_CLOCK: Final = Path(__file__).parent / "clock"
_OFFSET: Final = struct.Struct("<q")
_LINES_SHOWN: Final = 40
_SETTINGS: Final = {"shared_buffers": "64MB", "max_wal_size": "256MB"}


class StageFailed(Exception):
    """A server that should serve does not; quotes what it logged."""


class Stage:
    """One PostgreSQL, one Valkey, one API of several workers; see `open_stage`."""

    def __init__(self, folder: Path, postgres: EmbeddedPostgres, valkey: EmbeddedValkey) -> None:
        self.folder = folder
        self.postgres = postgres
        self.valkey = valkey
        self.line: Line
        self.small_disk: SmallDisk | None = None
        self.port = free_port()
        self.keys: dict[str, str] = {}
        self._api: subprocess.Popen[bytes] | None = None
        self._clock = folder / "clock"
        self.set_clock(0)

    @property
    def url(self) -> str:
        """Where the API is."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def database_url(self) -> str:
        """The database itself, past the line that is cut."""
        return self.postgres.url(_DATABASE)

    @property
    def log_path(self) -> Path:
        """What the API logs."""
        return self.folder / "api.log"

    def set_clock(self, seconds: int) -> None:
        """The wall clocks of the API's processes are off by so much from now on."""
        # In place: they have it mapped.
        with self._clock.open("r+b" if self._clock.exists() else "wb") as file:
            file.write(_OFFSET.pack(seconds))

    def run(self, *arguments: str) -> str:
        """What a command of the product prints; raises `StageFailed`."""
        done = subprocess.run(  # noqa: S603 - our own command, no shell
            [sys.executable, "-m", "api", *arguments],
            cwd=_ROOT,
            env=self._environment(self.database_url),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise StageFailed(f"flashticket {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout.strip()

    def start_api(self) -> None:
        """Begin to serve; `await_ready` says when that is so."""
        with self.log_path.open("ab") as log:
            self._api = subprocess.Popen(
                [sys.executable, "-m", "api", "serve"],
                cwd=_ROOT,
                env=self._environment(self.line.url),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill_api(self) -> None:
        """SIGKILL all its processes at once."""
        if self._api is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._api.pid, signal.SIGKILL)
            self._api.wait()
            self._api = None

    def stop_api(self) -> int:
        """SIGTERM, as an operator does; its exit status."""
        if self._api is None:
            return 0
        self._api.terminate()
        try:
            return self._api.wait(15)
        except subprocess.TimeoutExpired:
            self.kill_api()
            return -1
        finally:
            self._api = None

    def workers(self) -> list[psutil.Process]:
        """The processes that serve."""
        if self._api is None:
            return []
        return [each for each in psutil.Process(self._api.pid).children() if _serves(each)]

    async def await_ready(self) -> None:
        """Return when all of it serves again; raises `StageFailed` after a minute."""
        give_up_at = monotonic() + READY_SECONDS_MAX
        in_a_row = 0
        said = ""
        async with httpx.AsyncClient(base_url=self.url, trust_env=False, timeout=3) as client:
            # Several times in a row: each worker has to answer.
            while in_a_row < 2 * WORKERS:
                if monotonic() > give_up_at:
                    raise StageFailed(f"the API is not ready: {said}\n{self.log_tail()}")
                try:
                    headers = {"Connection": "close"}
                    answer = await client.get("/readyz", headers=headers)
                    said = answer.text
                    is_ready = answer.status_code == 200 and '"redis":"up"' in answer.text
                except httpx.TransportError:
                    is_ready = False
                in_a_row = in_a_row + 1 if is_ready else 0
                if not is_ready:
                    await asyncio.sleep(0.05)

    def log_tail(self) -> str:
        """The end of what the API logged."""
        lines = self.log_path.read_text(errors="replace").splitlines()
        return "\n".join(lines[-_LINES_SHOWN:])

    def await_quiet(self, seconds_max: float = 15.0) -> list[str]:
        """Return when nothing writes and nothing is due any more; what is still due after that."""
        give_up_at = monotonic() + seconds_max
        quiet = 0
        due: list[str] = []
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            while quiet < 3:
                busy = connection.execute(_FIND_BUSY).fetchall()
                due = [row[0] for row in connection.execute(_FIND_DUE).fetchall()]
                quiet = 0 if busy or due else quiet + 1
                if monotonic() > give_up_at:
                    return due or [str(row) for row in busy]
                connection.execute("SELECT pg_sleep(0.05)")
        return []

    def _environment(self, database_url: str) -> dict[str, str]:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("FLASHTICKET_")}
        path = os.pathsep.join([str(_CLOCK), str(_ROOT)])
        return inherited | {
            "PYTHONPATH": path,
            "FLASHTICKET_TORTURE_CLOCK": str(self._clock),
            "FLASHTICKET_DATABASE_URL": database_url,
            "FLASHTICKET_REDIS_URL": self.valkey.url(),
            "FLASHTICKET_DATA_DIR": str(self.folder),
            "FLASHTICKET_HOST": LOOPBACK,
            "FLASHTICKET_PORT": str(self.port),
            "FLASHTICKET_WORKERS": str(WORKERS),
        }


def _serves(process: psutil.Process) -> bool:
    try:
        return "spawn_main" in " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return False  # killed a moment ago


_FIND_BUSY: Final = """
    SELECT pid, state, query FROM pg_stat_activity
    WHERE application_name = 'flashticket-writer' AND state <> 'idle'
"""
_FIND_DUE: Final = """
    SELECT 'hold ' || hold_id FROM holds
    WHERE status = 'held' AND expires_at_us <= extract(epoch FROM clock_timestamp()) * 1000000
    UNION ALL
    SELECT 'booking ' || booking_id FROM bookings JOIN streams USING (stream_id)
    WHERE streams.status = 'cancelled' AND bookings.status = 'booked'
    UNION ALL
    SELECT 'hold ' || hold_id FROM holds JOIN streams USING (stream_id)
    WHERE streams.status = 'cancelled' AND holds.status = 'held'
    UNION ALL
    SELECT 'place in line ' || waiting_id FROM waiting_list JOIN streams USING (stream_id)
    WHERE streams.status = 'cancelled' AND waiting_list.status = 'waiting'
"""


@asynccontextmanager
async def open_stage(folder: Path) -> AsyncIterator[Stage]:
    """Everything started in ``folder``, ready to be used and broken."""
    postgres = EmbeddedPostgres(folder / "postgres", settings=_SETTINGS)
    valkey = EmbeddedValkey(folder / "valkey")
    stage = Stage(folder, postgres, valkey)
    try:
        await asyncio.gather(asyncio.to_thread(postgres.start), asyncio.to_thread(valkey.start))
        with small_disk(_mount_point(postgres)) as stage.small_disk:
            _create_database(stage)
            stage.run("migrate")
            async with open_line(stage.database_url) as stage.line:
                stage.start_api()
                roles = ("client", "organizer")
                created = [
                    asyncio.to_thread(stage.run, "keys", "create", "--role", role) for role in roles
                ]
                stage.keys = dict(zip(roles, await asyncio.gather(*created), strict=True))
                await stage.await_ready()
                yield stage
                stage.stop_api()
    finally:
        stage.kill_api()
        for server in (postgres, valkey):
            with suppress(EmbeddedServerError):
                server.stop()


def _mount_point(postgres: EmbeddedPostgres) -> Path:
    """A directory in PostgreSQL's own, where it may go whoever it runs as."""
    cluster = postgres.data_dir / "cluster"
    path = cluster / "small"
    path.mkdir(mode=0o700)
    owner = cluster.stat()
    os.chown(path, owner.st_uid, owner.st_gid)
    return path


def _create_database(stage: Stage) -> None:
    with psycopg.connect(stage.postgres.url(), autocommit=True) as connection:
        if stage.small_disk is None:
            connection.execute("CREATE DATABASE flashticket")
            return
        # It works in its data directory, so this is the mount point whatever lies above.
        connection.execute("CREATE TABLESPACE small LOCATION '/proc/self/cwd/small'")
        connection.execute("CREATE DATABASE flashticket TABLESPACE small")
