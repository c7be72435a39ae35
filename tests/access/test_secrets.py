"""Passwords and keys: on no command line, in no log, no error, and no environment but yours."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import httpx
import psutil
import pytest
from click.testing import CliRunner
from served import ROOT, Served, environment, served

from api.cli import main
from api.embedded.ports import free_port

NOBODY_THERE = "postgresql://somebody:hunter2@127.0.0.1:1/nothing"


@dataclass
class Up:
    """A running `flashticket up` of two workers, and the secrets that it made."""

    served: Served
    passwords: set[str]
    keys: dict[str, str]

    @property
    def processes(self) -> list[psutil.Process]:
        root = psutil.Process(self.served.process.pid)
        return [root, *root.children(recursive=True)]


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    data, logs = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("logs")
    port = free_port()
    settings = {"data_dir": data, "port": port, "workers": 2, "log_requests": "all"}
    with (logs / "out").open("wb") as out, (logs / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "api", "up", "--users", "1", "--capacity", "1"],
            cwd=ROOT,
            env=environment(settings),
            stdout=out,
            stderr=log,
            start_new_session=True,
        )
    running = Served(process, port, logs / "log")
    try:
        running.await_path("/readyz")
        passwords = {path.read_text() for path in data.glob("*/password")}
        assert len(passwords) == 2
        yield Up(running, passwords, json.loads((data / "demo-keys.json").read_text()))
        running.stop(signal.SIGINT)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def test_no_command_line_has_a_secret(up: Up) -> None:
    lines = [" ".join(process.cmdline()) for process in up.processes]
    assert len(lines) > 5, "workers, PostgreSQL and Valkey are among them"
    for line in lines:
        assert not any(secret in line for secret in up.passwords | {*up.keys.values()}), line


def test_no_environment_has_a_secret_that_the_caller_did_not_put_there(up: Up) -> None:
    for process in up.processes:
        held = Path(f"/proc/{process.pid}/environ").read_text(errors="replace")
        assert not any(secret in held for secret in up.passwords | {*up.keys.values()}), process


def test_files_with_secrets_are_their_owners_alone(up: Up) -> None:
    data = Path(up.processes[0].environ()["FLASHTICKET_DATA_DIR"])
    names = ["servers.json", "demo-keys.json", "ticket-key.pem", "valkey/valkey.conf"]
    for path in [
        *map(data.joinpath, names),
        *data.glob("*/password"),
        *data.glob("log-keys/*.key"),
    ]:
        assert path.stat().st_mode & 0o077 == 0, path


def test_no_log_has_a_secret_whatever_goes_wrong(up: Up) -> None:
    made_up = f"ft_admin_{uuid4()}"
    with httpx.Client(base_url=up.served.url, trust_env=False, timeout=10) as client:
        for key in (*up.keys.values(), made_up):
            headers = {"Authorization": f"Bearer {key}", "X-Request-ID": f"k-{uuid4()}"}
            for path in ("/v1/users", "/v1/keys", f"/v1/bookings/{uuid4()}"):
                client.get(path, headers=headers)
            client.post("/v1/bookings", headers=headers, content=key)
            client.post("/v1/keys", headers=headers, json={"role": key, key: key})
        admin = {"Authorization": f"Bearer {up.keys['admin']}"}
        new_key = client.post("/v1/keys", headers=admin, json={"role": "client"}).json()["key"]
        (postgres,) = {
            process.ppid() for process in up.processes if process.name() == "postgres"
        } - {up.served.process.pid, 1}
        psutil.Process(postgres).kill()
        deadline = time.monotonic() + 10
        status = 200
        while status != 503:  # its sessions end a moment after it
            last = f"last-{uuid4()}"
            status = client.get("/v1/users", headers=admin | {"X-Request-ID": last}).status_code
            assert time.monotonic() < deadline
    while last not in (log := up.served.log_path.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    for secret in up.passwords | {*up.keys.values(), made_up, new_key}:
        assert secret not in log


@pytest.mark.parametrize(
    "password", ["hunter%2", "hunter2/x", "hun@ter2", "hunter2[x", "hunter2]"], ids=str
)
@pytest.mark.parametrize("scheme", ["postgresql", "redis"])
def test_a_url_that_cannot_be_read_is_refused_and_not_quoted(scheme: str, password: str) -> None:
    name = {"postgresql": "FLASHTICKET_DATABASE_URL", "redis": "FLASHTICKET_REDIS_URL"}[scheme]
    urls = {"FLASHTICKET_DATABASE_URL": NOBODY_THERE}
    urls[name] = f"{scheme}://user:{password}@127.0.0.1:1/0"
    answer = CliRunner().invoke(main, ["keys", "list"], env=urls)
    assert answer.exit_code in {2, 3}
    assert not any(part in answer.output for part in (password, "hunter2", "ter2", "%2 "))


def test_a_server_that_is_away_is_named_without_its_password() -> None:
    for command in (["keys", "list"], ["verify"], ["migrate"]):
        answer = CliRunner().invoke(main, command, env={"FLASHTICKET_DATABASE_URL": NOBODY_THERE})
        assert answer.exit_code == 3
        assert "hunter2" not in answer.output
    with served(NOBODY_THERE, "redis://:hunter2@127.0.0.1:1/0", await_path="/healthz") as running:
        with httpx.Client(base_url=running.url, trust_env=False) as client:
            assert "hunter2" not in client.get("/readyz").text
        log = running.log_path.read_text()
    assert "hunter2" not in log
