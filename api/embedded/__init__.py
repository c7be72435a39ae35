"""PostgreSQL and Valkey from pip wheels: servers for development and tests, not for production.

    with Servers(Path(".data")) as servers:
        servers.postgres.url("postgres")
        servers.valkey.url()

They listen on 127.0.0.1 only and want a generated password. PostgreSQL is as durable as it gets
(fsync, synchronous_commit); its data is found again by the next start. Valkey is a cache and starts
empty. Both end with the block. When the process is killed they go on alone, until the next start on
the same directory stops them and starts its own.

This package needs the extra `embedded` and imports nothing else of the project.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from api.embedded.postgres import EmbeddedPostgres
from api.embedded.server import EmbeddedServer, EmbeddedServerError
from api.embedded.valkey import EmbeddedValkey

__all__ = ["EmbeddedPostgres", "EmbeddedServerError", "EmbeddedValkey", "Servers"]


class Servers:
    """Both servers, with their data in `data_dir/postgres` and `data_dir/valkey`.

    Entering starts them side by side and leaves neither running if one fails (EmbeddedServerError).
    """

    def __init__(self, data_dir: Path) -> None:
        self.postgres = EmbeddedPostgres(data_dir / "postgres")
        self.valkey = EmbeddedValkey(data_dir / "valkey")

    def __enter__(self) -> Self:
        both: tuple[EmbeddedServer, ...] = (self.postgres, self.valkey)
        try:
            with ThreadPoolExecutor(len(both)) as pool:
                for start in [pool.submit(server.start) for server in both]:
                    start.result()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        # The cache last: the last answers of PostgreSQL's clients may still go there.
        try:
            self.postgres.stop()
        finally:
            self.valkey.stop()
