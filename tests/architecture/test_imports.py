"""Who may import whom: the contracts of pyproject.toml, and what they have no words for."""

import ast
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from importlinter.cli import lint_imports

ROOT: Final = Path(__file__).parents[2]
CONTRACTS: Final[list[dict[str, Any]]] = tomllib.loads((ROOT / "pyproject.toml").read_text())[
    "tool"
]["importlinter"]["contracts"]
PURE: Final[list[str]] = next(
    contract["source_modules"] for contract in CONTRACTS if "pure" in contract["name"]
)


def imported_by(path: Path) -> Iterator[str]:
    """The modules that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide who is meant"
            assert node.module is not None
            yield node.module
            if node.module in {"ledger", "projections", "api", "loadtest"}:
                yield from (f"{node.module}.{name.name}" for name in node.names)


def file_of(module: str) -> Path:
    return ROOT / Path(*module.split(".")).with_suffix(".py")


def test_the_contracts_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert lint_imports(no_cache=True) == 0


@pytest.mark.parametrize("module", PURE)
def test_a_pure_module_imports_the_standard_library_and_other_pure_ones_only(module: str) -> None:
    allowed = sys.stdlib_module_names | set(PURE)
    others = {
        name
        for name in imported_by(file_of(module))
        if name not in allowed and name.partition(".")[0] not in sys.stdlib_module_names
    }
    assert not others


@pytest.mark.parametrize("module", PURE)
def test_a_pure_module_asks_no_clock_no_chance_and_no_environment(module: str) -> None:
    impure = {"asyncio", "datetime", "io", "locale", "os", "pathlib", "random", "secrets"}
    impure |= {"socket", "subprocess", "sys", "threading", "time"}
    assert not impure & {name.partition(".")[0] for name in imported_by(file_of(module))}


def test_the_embedded_servers_import_nothing_else_of_the_project() -> None:
    for path in (ROOT / "api" / "embedded").glob("*.py"):
        ours = {
            name
            for name in imported_by(path)
            if name.partition(".")[0] in {"ledger", "projections", "api", "loadtest"}
        }
        assert all(f"{name}.".startswith("api.embedded.") for name in ours), path


def test_nothing_imports_the_command_line_or_the_tests() -> None:
    for package in ("ledger", "projections", "api", "loadtest"):
        for path in (ROOT / package).rglob("*.py"):
            names = set(imported_by(path))
            assert not {name for name in names if name.partition(".")[0] == "tests"}, path
            if path.name not in {"cli.py", "__main__.py"}:
                assert "api.cli" not in names, path
