"""Dashboard and alert rules ask for metrics that there are, and say what they mean."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import yaml
from served import PLAIN, served

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = ROOT / "docs" / "observability"
RULES: Final[list[dict[str, Any]]] = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"][
    0
]["rules"]
DASHBOARD: Final[dict[str, Any]] = json.loads(
    (FOLDER / "grafana" / "dashboards" / "flashticket.json").read_text()
)
PANELS: Final = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
NAME: Final = re.compile(r"\bflashticket_[a-z_]+\b")
LABEL: Final = re.compile(r'\b(\w+)\s*(?:=~|!~|!=|=)\s*"')


def expressions() -> Iterator[str]:
    yield from (rule["expr"] for rule in RULES)
    for panel in PANELS:
        yield from (target["expr"] for target in panel["targets"])
    yield from (each["query"]["query"] for each in DASHBOARD["templating"]["list"])


@pytest.fixture(scope="module")
def exposed(module_database: str) -> str:
    """What a server says of itself that nobody has asked for anything yet."""
    with served(module_database, None) as running:
        return httpx.get(f"{running.url}/metrics", trust_env=False, verify=PLAIN).text


def names_in(exposed: str) -> set[str]:
    """Names of series, as queries say them. A metric with labels is only known by its type."""
    names = set()
    for name, kind in re.findall(r"^# TYPE (\w+) (\w+)$", exposed, re.MULTILINE):
        if kind == "histogram":
            names |= {f"{name}_bucket", f"{name}_count", f"{name}_sum"}
        else:
            names.add(name)
    return names


def test_every_metric_that_is_asked_for_is_there(exposed: str) -> None:
    asked = {name for expression in expressions() for name in NAME.findall(expression)}
    assert len(asked) > 15
    assert asked - names_in(exposed) == set()


def test_the_dashboard_shows_every_metric_of_ours(exposed: str) -> None:
    shown = {name for panel in PANELS for t in panel["targets"] for name in NAME.findall(t["expr"])}
    shown = {re.sub(r"_(bucket|count|sum)$", "", name) for name in shown}
    ours = re.findall(r"^# TYPE (flashticket_\w+) \w+$", exposed, re.MULTILINE)
    assert {name for name in ours if not name.endswith("_created")} - shown == set()


def test_labels_that_are_asked_for_are_known() -> None:
    labels = {label for expression in expressions() for label in LABEL.findall(expression)}
    assert labels <= {"job", "instance", "call", "status", "command", "outcome"}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_says_how_urgent_it_is_and_what_happened(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert rule["annotations"]["summary"]
    assert f"| {rule['alert']} |" in (FOLDER / "README.md").read_text()


def test_panels_have_titles_of_their_own_and_do_not_overlap() -> None:
    assert len({panel["title"] for panel in PANELS}) == len(PANELS)
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells


def test_grafana_is_told_of_the_source_that_the_panels_use() -> None:
    provisioned = FOLDER / "grafana" / "provisioning"
    source = yaml.safe_load((provisioned / "datasources" / "prometheus.yml").read_text())
    (uid,) = {each["uid"] for each in source["datasources"]}
    used = {target["datasource"]["uid"] for panel in PANELS for target in panel["targets"]}
    assert used == {uid}
    files = yaml.safe_load((provisioned / "dashboards" / "files.yml").read_text())
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    folder = files["providers"][0]["options"]["path"]
    assert f"./docs/observability/grafana/dashboards:{folder}:ro" in services["grafana"]["volumes"]
