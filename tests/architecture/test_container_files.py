"""Dockerfile, compose file and workflow, as far as lint, schema and reading them can tell.

Nothing here starts a container: the health check alone is run, as a plain process.
"""

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from api.settings import Settings

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "Dockerfile"
COMPOSE = ROOT / "docker-compose.yml"
WORKFLOW = ROOT / ".github" / "workflows" / "ci.yml"

PINNED = re.compile(r"[\w./-]+:(?!latest\b)[\w.-]*\d[\w.-]*")


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions in order, comments gone and continued lines joined."""
    lines = [line for line in DOCKERFILE.read_text("utf-8").splitlines() if line[:1] != "#"]
    joined = "\n".join(lines).replace("\\\n", " ")
    found = [line.split(maxsplit=1) for line in joined.splitlines() if line.strip()]
    return [(word, argument) for word, argument in found]


def runtime_stage() -> list[tuple[str, str]]:
    all_stages = instructions()
    last_from = max(i for i, (word, _) in enumerate(all_stages) if word == "FROM")
    return all_stages[last_from:]


def runtime(word: str) -> str:
    (argument,) = (argument for each, argument in runtime_stage() if each == word)
    return argument


def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE.read_text("utf-8"))["services"]
    return found


def one_shots() -> set[str]:
    return {name for name, service in services().items() if service.get("restart") == "no"}


def workflow_steps() -> dict[str, list[dict[str, Any]]]:
    jobs = yaml.safe_load(WORKFLOW.read_text("utf-8"))["jobs"]
    return {name: job["steps"] for name, job in jobs.items()}


def check(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - the commands are the constants below
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_dockerfile_passes_hadolint_with_no_rule_ignored() -> None:
    assert "hadolint ignore" not in DOCKERFILE.read_text("utf-8")
    check(str(Path(sys.executable).with_name("hadolint")), "--no-color", str(DOCKERFILE))


@pytest.mark.parametrize(
    ("schema", "path"), [("compose-spec", COMPOSE), ("github-workflows", WORKFLOW)]
)
def test_the_file_fits_its_published_schema(schema: str, path: Path) -> None:
    check(sys.executable, "-m", "check_jsonschema", f"--builtin-schema=vendor.{schema}", str(path))


def test_the_image_runs_as_a_number_that_is_not_root() -> None:
    assert all(int(number) > 0 for number in runtime("USER").split(":"))


def test_the_image_starts_the_server_without_a_shell() -> None:
    assert json.loads(runtime("ENTRYPOINT")) + json.loads(runtime("CMD")) == [
        "flashticket",
        "serve",
    ]


def test_the_runtime_stage_installs_nothing() -> None:
    assert [word for word, _ in runtime_stage() if word == "RUN"] == []


def test_what_the_image_is_built_from_is_not_kept_out_by_dockerignore() -> None:
    allowed = {
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines()
        if line.startswith("!")
    }
    copied = {
        source
        for word, argument in instructions()
        if word == "COPY" and not argument.startswith("--from")
        for source in argument.split()[:-1]
    }
    assert copied == allowed
    assert [source for source in sorted(copied) if not (ROOT / source).exists()] == []


@contextmanager
def ready_server(status: int) -> Iterator[int]:
    """A server whose /readyz answers ``status`` and all else 404; yields its port."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/readyz" else 404)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base names it
            """Keep quiet."""

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def health_check(port: int) -> int:
    _, _, command = runtime("HEALTHCHECK").partition("CMD ")
    _python, *arguments = json.loads(command)
    return subprocess.run(  # noqa: S603 - the command is the Dockerfile's
        [sys.executable, *arguments],
        env={"FLASHTICKET_PORT": str(port), "http_proxy": "http://127.0.0.1:9"},
        stderr=subprocess.DEVNULL,
        check=False,
    ).returncode


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1)])
def test_the_health_check_says_what_readyz_says(status: int, code: int) -> None:
    with ready_server(status) as port:
        assert health_check(port) == code


def test_the_health_check_fails_where_nothing_listens() -> None:
    with ready_server(200) as port:
        pass
    assert health_check(port) == 1


def test_every_image_is_pinned_by_a_tag() -> None:
    images = [service["image"] for service in services().values()]
    images += [argument.split()[0] for word, argument in instructions() if word == "FROM"]
    assert [image for image in images if not PINNED.fullmatch(image)] == []


def test_every_service_that_stays_up_has_a_health_check() -> None:
    assert {"postgres", "redis", "api"} <= set(services()) - one_shots()
    built_with_one = "HEALTHCHECK" in dict(runtime_stage())
    without = [
        name
        for name, service in services().items()
        if name not in one_shots()
        and not service.get("healthcheck", {}).get("test")
        and not (built_with_one and "build" in service)
    ]
    assert without == []


def test_no_service_can_gain_privileges_or_write_outside_its_volumes() -> None:
    for name, service in services().items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert "cap_add" not in service, name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        user = service.get("user", runtime("USER") if "build" in service else "")
        assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user), name


def test_every_port_is_published_on_the_loopback_address_alone() -> None:
    ports = [port for service in services().values() for port in service.get("ports", [])]
    assert len(ports) == 5
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


def test_the_database_is_durable_and_kept_in_a_named_volume() -> None:
    postgres = services()["postgres"]
    for setting in ("fsync", "synchronous_commit", "full_page_writes"):
        assert f"{setting}=on" in postgres["command"]
    assert "=off" not in " ".join(postgres["command"])
    volume, target = postgres["volumes"][0].split(":")
    assert volume in yaml.safe_load(COMPOSE.read_text("utf-8"))["volumes"]
    # From 18 on the image keeps its data below this directory, no longer in data/.
    assert target == "/var/lib/postgresql"


def test_the_api_waits_for_what_it_needs() -> None:
    waits = {name: how["condition"] for name, how in services()["api"]["depends_on"].items()}
    assert waits == {
        "login": "service_completed_successfully",
        "postgres": "service_healthy",
        "redis": "service_healthy",
    }


def test_what_is_not_needed_to_sell_starts_on_request_only() -> None:
    on_request = {
        name: service["profiles"] for name, service in services().items() if "profiles" in service
    }
    assert on_request == {
        "k6": ["loadtest"],
        "sale": ["loadtest"],
        "prometheus": ["observability"],
        "grafana": ["observability"],
    }


def test_what_is_mounted_from_the_checkout_is_there_and_read_only() -> None:
    mounts = [
        volume
        for service in services().values()
        for volume in service.get("volumes", [])
        if volume.startswith("./")
    ]
    assert len(mounts) == 5
    for mount in mounts:
        source, _, mode = mount.split(":")
        assert (ROOT / source).exists(), source
        assert mode == "ro"


def test_every_variable_that_compose_reads_has_a_default_or_is_demanded() -> None:
    read = re.findall(r"(?<!\$)\$(?:\{[^}]*\}|\w+)", COMPOSE.read_text("utf-8"))
    assert read
    assert [each for each in read if not re.fullmatch(r"\$\{[A-Z_]+:[-?][^}]+\}", each)] == []


def test_every_flashticket_variable_is_a_setting() -> None:
    prefix = Settings.model_config["env_prefix"]
    known = {f"{prefix}{name}".upper() for name in Settings.model_fields}
    used = {
        variable
        for path in (DOCKERFILE, COMPOSE, WORKFLOW)
        for variable in re.findall(r"FLASHTICKET_[A-Z_]+", path.read_text("utf-8"))
    }
    assert used
    assert sorted(used - known) == []


def test_the_workflow_runs_the_two_commands_of_the_readme() -> None:
    runs = {
        name: [s["run"] for s in steps if "run" in s] for name, steps in workflow_steps().items()
    }
    assert runs["proof"] == [
        "./run_tests.sh --quick --${{ matrix.servers }}",
        "./run_tests.sh --${{ matrix.servers }}",
    ]
    assert runs["start"][0].startswith("./run.sh ")


def test_the_workflow_may_read_the_code_and_nothing_else() -> None:
    assert yaml.safe_load(WORKFLOW.read_text("utf-8"))["permissions"] == {"contents": "read"}


def test_every_action_is_githubs_own_and_pinned() -> None:
    uses = [s["uses"] for steps in workflow_steps().values() for s in steps if "uses" in s]
    assert uses
    assert [each for each in uses if not re.fullmatch(r"actions/[\w-]+@v\d+", each)] == []
