"""schemathesis on the whole OpenAPI page: every call, every check, links followed; no failures."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from served import Api, new_keys, served, violations

CONFIG = Path(__file__).with_name("schemathesis.toml")
HOOKS = Path(__file__).with_name("schemathesis_hooks.py")
EXAMPLES = os.environ.get("FLASHTICKET_TEST_EXAMPLES")


@pytest.mark.slow
def test_what_the_page_says_holds_for_every_call(
    database: str, redis_url: str, tmp_path: Path
) -> None:
    keys = new_keys(database)
    with served(database, redis_url, webhooks_sent=False) as running, Api(running.url, keys) as api:
        event_id, user_id = api.add_event(1), api.add_user()
        assert api.book(event_id, user_id).status_code == 201  # something to follow links from
        page = api.nobody.get("/openapi.json").json()
        calls = sum(len(operations) for operations in page["paths"].values())
        report_path = tmp_path / "report.json"
        asked = ["--max-examples", EXAMPLES or "12", *([] if EXAMPLES else ["--seed", "1"])]
        done = subprocess.run(  # noqa: S603 - the command is of constants
            [
                *(sys.executable, "-m", "schemathesis.cli", "--no-color"),
                *("--config-file", str(CONFIG), "run", f"{running.url}/openapi.json"),
                *("--header", f"Authorization: Bearer {keys['admin']}", "--checks", "all"),
                *asked,
                *("--report-json-path", str(report_path)),
            ],
            cwd=tmp_path,  # where it keeps notes
            env=os.environ | {"SCHEMATHESIS_HOOKS": HOOKS.stem, "PYTHONPATH": str(HOOKS.parent)},
            text=True,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        report = json.loads(report_path.read_text())
        assert report["operations"]["tested"] == calls
        phases = {name: phase["status"] for name, phase in report["phases"].items()}
        names = ("examples", "coverage", "fuzzing", "stateful")
        assert phases == dict.fromkeys(names, "success"), phases
        assert [line for line in running.log if line.get("status") == 500] == []
    assert violations(database, redis_url) == []
