"""A standby of an embedded PostgreSQL: a copy that follows it and can take its place."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

from api.embedded.ports import LOOPBACK
from api.embedded.postgres import SUPERUSER, EmbeddedPostgres


class EmbeddedStandby(EmbeddedPostgres):
    """A PostgreSQL server that follows ``primary``, which must run at the first start.

    It answers queries and writes nothing until `pg_promote()` makes it a primary. ``name`` is what
    the primary's `synchronous_standby_names` call it. Its password is the primary's.
    """

    name: ClassVar[str] = "PostgreSQL standby"

    def __init__(
        self,
        data_dir: Path,
        primary: EmbeddedPostgres,
        *,
        name: str = "standby",
        settings: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        # The standby introduces itself by the name of its cluster.
        super().__init__(data_dir, settings={**settings, "cluster_name": name})
        self._primary = primary

    def _make_password(self) -> None:
        if not self._password_path.exists():
            self._write_private(self._password_path, self._primary.password)

    def _making(self, directory: Path) -> Sequence[str]:
        return (
            "pg_basebackup",
            f"--pgdata={directory}",
            f"--host={LOOPBACK}",
            f"--port={self._primary.port}",
            f"--username={SUPERUSER}",
            "--no-password",
            "--checkpoint=fast",
            "--wal-method=stream",
            "--write-recovery-conf",
        )

    def _making_environment(self) -> dict[str, str]:
        # Not among the arguments, which every local user can read.
        return {"PGPASSWORD": self.password}
