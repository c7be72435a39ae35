"""The rules by Prometheus' own tool: they can be read, and fire when they should and else not."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

FOLDER = Path(__file__).parents[2] / "docs" / "observability"


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "config", "prometheus.yml"),
        ("check", "rules", "alerts.yml"),
        ("test", "rules", "alerts_test.yml"),
    ],
    ids=" ".join,
)
def test_promtool_finds_nothing(arguments: tuple[str, ...]) -> None:
    check(*arguments)


def test_every_query_of_the_dashboard_can_be_read(tmp_path: Path) -> None:
    """As rules that would record what they give: the tool reads no dashboards."""
    panels = json.loads((FOLDER / "grafana/dashboards/flashticket.json").read_text())["panels"]
    queries = [target["expr"] for panel in panels for target in panel.get("targets", ())]
    rules = [
        {"record": f"query_{n}", "expr": query.replace("$__rate_interval", "1m")}
        for n, query in enumerate(queries)
    ]
    assert len(rules) > 20
    file = tmp_path / "dashboard.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    check("check", "rules", str(file))


def check(*arguments: str) -> None:
    promtool = shutil.which("promtool")
    assert promtool
    done = subprocess.run(  # noqa: S603  of a tool found on the path
        [promtool, *arguments], cwd=FOLDER, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
