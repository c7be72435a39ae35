"""The client from the command line: every call by its name, and live counts."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from served import ROOT, Api, Served, environment, new_keys, served

from api.client.from_text import FUNCTIONS, NoSuchCall, call_of, usage_of
from api.embedded.ports import free_port


@pytest.fixture(scope="module")
def shop(module_database: str) -> Iterator[Served]:
    with served(module_database, None) as running:
        yield running


@pytest.fixture(scope="module")
def api(shop: Served, module_database: str) -> Iterator[Api]:
    with Api(shop.url, new_keys(module_database)) as clients:
        yield clients


@pytest.fixture
def key_file(api: Api, tmp_path: Path) -> Path:
    file = tmp_path / "key"
    file.write_text(api.keys["admin"] + "\n")
    return file


def flashticket(*arguments: object, **settings: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603  the arguments are those of these tests
        [sys.executable, "-m", "api", *map(str, arguments)],
        cwd=ROOT,
        env=environment(settings),
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def test_a_call_prints_its_answer_as_json(shop: Served, api: Api, key_file: Path) -> None:
    event_id, user_id = api.add_event(), api.add_user()
    done = flashticket(
        *("call", "book_seats", f"event_id={event_id}", f"user_id={user_id}", "quantity=2"),
        *("--url", shop.url, "--key-file", key_file),
    )
    assert done.returncode == 0, done.stderr
    booking = json.loads(done.stdout)
    assert booking == api.admin.get(f"/v1/bookings/{booking['booking_id']}").json()


def test_a_refusal_is_printed_and_ends_with_1(shop: Served, api: Api, key_file: Path) -> None:
    event_id, user_id = api.add_event(1), api.add_user()
    done = flashticket(
        *("call", "book_seats", f"event_id={event_id}", f"user_id={user_id}", "quantity=2"),
        *("--url", shop.url, "--key-file", key_file),
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert json.loads(done.stderr)["code"] == "sold-out"


def test_the_demos_key_and_address_are_those_of_the_settings(
    shop: Served, api: Api, tmp_path: Path
) -> None:
    (tmp_path / "demo-keys.json").write_text(json.dumps({"admin": api.keys["admin"]}))
    done = flashticket("call", "list_keys", "limit=1", data_dir=tmp_path, port=shop.port)
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["items"]) == 1


def test_nobody_there_ends_with_3(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    done = flashticket("call", "list_events", "--url", url, data_dir=tmp_path)
    assert done.returncode == 3


def test_live_counts_are_lines_of_json(shop: Served, api: Api) -> None:
    event_id = api.add_event(capacity=5)
    with subprocess.Popen(  # noqa: S603  the arguments are these
        [sys.executable, "-m", "api", "watch", event_id, "--url", shop.url],
        cwd=ROOT,
        env=environment({}) | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as watching:
        assert watching.stdout is not None
        assert json.loads(watching.stdout.readline())["available"] == 5
        assert api.book(event_id, api.add_user(), 2).status_code == 201
        assert json.loads(watching.stdout.readline())["available"] == 3
        os.kill(watching.pid, signal.SIGINT)
        watching.wait(10)


@pytest.mark.parametrize(
    "words",
    [
        ["book_everything"],
        ["book_seats"],
        ["book_seats", "event_id"],
        ["book_seats", "event_id=1", "user_id=2", "quantity=few"],
        ["list_events", "page=2"],
    ],
    ids=" ".join,
)
def test_what_makes_no_call_is_wrong_use(words: list[str]) -> None:
    with pytest.raises(NoSuchCall):
        call_of(words[0], words[1:])


def test_wrong_use_ends_with_2() -> None:
    assert flashticket("call", "book_everything").returncode == 2


def test_the_list_says_of_each_call_what_it_takes() -> None:
    done = flashticket("call")
    assert done.stdout.splitlines() == [usage_of(name) for name in FUNCTIONS]
    assert "read_event event_id=..." in done.stdout.splitlines()


def test_values_are_json_or_text() -> None:
    rows = '[{"row": "A", "seats": 12}]'
    given = [
        f"venue_id={UUID(int=1)}",
        "name=12 Angry Men",
        "starts_at=2030-05-01T19:30:00Z",
        f"seats={rows}",
    ]
    body = json.loads(call_of("schedule_event", [f"venue_id={UUID(int=1)}", *given]).content)
    assert (body["name"], body["seats"][0]["seats"]) == ("12 Angry Men", 12)
