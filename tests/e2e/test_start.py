"""What `flashticket serve` does before its first answer."""

import json
import subprocess
import sys

import pytest

START = """
import gc, json, sys
import api.cli
gc.disable()  # as the command does
import api.serve
api.serve.app()
print(json.dumps({
    "collects": gc.isenabled(),
    "packages": sorted({name.split(".")[0] for name in sys.modules}),
    "modules": sorted(sys.modules),
}))
"""


@pytest.fixture(scope="module")
def started() -> dict[str, list[str]]:
    ended = subprocess.run(  # noqa: S603 - the command is ours
        [sys.executable, "-c", START],
        env={"FLASHTICKET_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"},
        capture_output=True,
        check=True,
    )
    told: dict[str, list[str]] = json.loads(ended.stdout)
    return told


def test_cycles_are_collected_again_once_the_application_is_made(
    started: dict[str, list[str]],
) -> None:
    assert started["collects"]


def test_serving_imports_nothing_of_load_tests_or_embedded_servers(
    started: dict[str, list[str]],
) -> None:
    assert not {"loadtest", "sqlalchemy", "httpx", "psutil"} & set(started["packages"])
    assert "api.embedded" not in started["modules"]
