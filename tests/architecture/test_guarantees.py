"""docs/guarantees.md names tests: each of them exists."""

import ast
import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
NAME: Final = re.compile(r"`(test_\w+)`")
FILE: Final = re.compile(r"`(tests/[\w/]+\.py)`")
DOCUMENTS: Final = ("guarantees.md", "torture.md", "failover.md")


def names_of_tests() -> set[str]:
    return {
        node.name
        for path in (ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def test_each_test_that_a_guarantee_names_exists() -> None:
    named = {
        name
        for document in DOCUMENTS
        for name in NAME.findall((ROOT / "docs" / document).read_text("utf-8"))
    }
    assert len(named) > 50
    assert sorted(named - names_of_tests()) == []


def test_each_file_of_tests_that_a_guarantee_names_exists() -> None:
    for document in DOCUMENTS:
        for path in FILE.findall((ROOT / "docs" / document).read_text("utf-8")):
            assert (ROOT / path).exists(), path


def test_each_promise_says_which_tests_show_it_and_what_is_not_promised() -> None:
    text = (ROOT / "docs" / "guarantees.md").read_text("utf-8")
    sections = re.split(r"^## ", text, flags=re.MULTILINE)
    for number in range(1, 8):
        (section,) = [each for each in sections if each.startswith(f"L{number} ")]
        assert NAME.search(section), number
        assert re.search(r"^Faults considered: ", section, re.MULTILINE), number
