"""The command `flashticket`: what it prints and its exit status, 0 to 3."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, LiteralString
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest
from box_office import register, sell
from click.testing import CliRunner, Result
from samples import EVENT, book, cancel, new_booking_id, schedule, submit
from served import ROOT, Api, Served, environment

from api.cli import main
from api.embedded.ports import free_port

if TYPE_CHECKING:
    from tests.conftest import RealServers

HOLDS, FAILED, WRONG_USE, OUT_OF_REACH = range(4)
NOBODY_THERE = "postgresql://nobody:secret@127.0.0.1:1/nothing"
UP_SECONDS_MAX = 60.0


def flashticket(*arguments: str, **settings: object) -> Result:
    """The command, with these settings and no others."""
    others = dict.fromkeys(name for name in os.environ if name.startswith("FLASHTICKET_"))
    named = {f"FLASHTICKET_{name.upper()}": str(value) for name, value in settings.items()}
    return CliRunner().invoke(main, arguments, env=others | named)


@pytest.fixture(scope="module")
def sold(shop_database: str, api: Api) -> tuple[str, str]:
    """An event with a booking of two, cancelled, and one of three; and its database."""
    event_id, user_id = api.add_event(10), api.add_user()
    api.cancel(api.book(event_id, user_id, 2).json()["booking_id"])
    api.book(event_id, user_id, 3)
    return event_id, shop_database


def test_migrate_names_what_it_applied_and_then_has_nothing_to_do(empty_database: str) -> None:
    first = flashticket("migrate", database_url=empty_database)
    assert first.exit_code == HOLDS
    assert first.stdout.splitlines()[:2] == [
        "applied 0001_ledger.sql",
        "applied 0002_directory.sql",
    ]
    again = flashticket("migrate", database_url=empty_database)
    assert (again.exit_code, again.stdout) == (HOLDS, "nothing to do\n")


def test_migrate_refuses_a_database_of_another_version(database: str) -> None:
    with psycopg.connect(database) as connection:
        connection.execute("INSERT INTO migrations (name, checksum) VALUES ('9999_later.sql', 'x')")
    refused = flashticket("migrate", database_url=database)
    assert refused.exit_code == FAILED
    assert "9999_later.sql" in refused.stderr


@pytest.mark.parametrize("command", ["verify", "replay", "rebuild"])
def test_without_migrations_the_command_says_what_to_do(empty_database: str, command: str) -> None:
    refused = flashticket(command, database_url=empty_database)
    assert refused.exit_code == WRONG_USE
    assert "flashticket migrate" in refused.stderr


def test_seed_prints_the_ids_of_what_it_made(shop_database: str, api: Api) -> None:
    made = flashticket("seed", "--users=3", "--capacity=7", "--json", database_url=shop_database)
    assert made.exit_code == HOLDS
    ids = json.loads(made.stdout)
    assert ids.keys() == {"venue_id", "event_id", "user_ids"}
    assert len(set(ids["user_ids"])) == 3
    assert api.availability(ids["event_id"])["available"] == 7
    assert api.book(ids["event_id"], ids["user_ids"][-1], 7).status_code == 201
    plain = flashticket("seed", "--users=0", "--capacity=1", database_url=shop_database)
    assert re.fullmatch(r"venue [0-9a-f-]{36}\nevent [0-9a-f-]{36}\nusers 0\n", plain.stdout)


def test_a_new_key_is_printed_alone_and_works_at_once(shop_database: str, api: Api) -> None:
    made = flashticket("keys", "create", "--role", "client", database_url=shop_database)
    assert made.exit_code == HOLDS
    key = made.stdout.removesuffix("\n")
    assert re.fullmatch(r"ft_client_[\w-]{43}", key)
    with api.with_key(key) as client:
        answer = client.post(
            "/v1/bookings", json={"event_id": api.add_event(1), "user_id": api.add_user()}
        )
    assert answer.status_code == 201
    with psycopg.connect(shop_database) as connection:
        stored = connection.execute(
            "SELECT string_agg(api_keys::text, ' ') FROM api_keys"
        ).fetchone()
    assert key not in str(stored)


def test_verify_says_what_it_read_and_that_it_holds(sold: tuple[str, str], shop_redis: str) -> None:
    _, database = sold
    plain = flashticket("verify", database_url=database, redis_url=shop_redis)
    assert plain.exit_code == HOLDS, plain.output
    assert plain.stdout.endswith("L1 to L7 and the log hold\n")
    report = json.loads(flashticket("verify", "--json", database_url=database).stdout)
    assert (report["holds"], report["violations"]) == (True, [])
    assert report["entries"] >= 4
    assert report["tickets"] >= 3


@pytest.fixture(scope="module")
def closed(servers: "RealServers", module_database: str) -> tuple[str, str]:
    """An event as `sold`, and the name of its database, to which nobody is connected."""
    register(module_database)
    first = new_booking_id()
    for command in (schedule(), book(2, booking_id=first), cancel(first), book(3)):
        sell(module_database, submit(command))
    name = urlsplit(module_database).path.removeprefix("/")
    assert servers.database_url(name) == module_database
    return str(EVENT), name


@pytest.fixture
def copied(servers: "RealServers", closed: tuple[str, str]) -> Iterator[str]:
    """The URL of a copy of the database of `closed`, as a superuser who may break it."""
    with servers.fresh_database(closed[1]) as copy:
        yield servers.database_url(copy)


@pytest.fixture
def tampered(copied: str) -> str:
    """A ledger whose third entry was given another time by somebody who may."""
    assert flashticket("verify", database_url=copied).exit_code == HOLDS
    with psycopg.connect(copied) as connection:
        connection.execute("ALTER TABLE ledger DISABLE TRIGGER ledger_append_only")
        connection.execute(
            "UPDATE ledger SET recorded_at_us = recorded_at_us + 1 WHERE version > 2"
        )
    return copied


def test_verify_names_the_first_entry_that_breaks_a_rule(
    tampered: str, closed: tuple[str, str]
) -> None:
    event_id, _ = closed
    broken = flashticket("verify", database_url=tampered)
    assert broken.exit_code == FAILED
    assert f"L3 event {event_id} version 3: " in broken.stdout
    assert broken.stdout.endswith("1 violation\n")
    as_json = flashticket("verify", "--json", database_url=tampered)
    assert as_json.exit_code == FAILED
    report = json.loads(as_json.stdout)
    (violation,) = report["violations"]
    assert not report["holds"]
    assert (violation["rule"], violation["event_id"], violation["version"]) == ("L3", event_id, 3)


def test_a_broken_ledger_is_neither_replayed_past_the_break_nor_rebuilt(
    tampered: str, closed: tuple[str, str]
) -> None:
    event = ("--event", closed[0])
    before = flashticket("replay", *event, "--at-version=2", database_url=tampered)
    assert (before.exit_code, json.loads(before.stdout)["booked"]) == (HOLDS, 2)
    past = flashticket("replay", *event, database_url=tampered)
    assert past.exit_code == FAILED
    assert "L3" in past.stderr
    rebuilt = flashticket("rebuild", database_url=tampered)
    assert rebuilt.exit_code == FAILED
    assert rebuilt.stderr.startswith("Nothing was changed")


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE streams SET booked = 0",
        "UPDATE streams SET version = 3",
        "DELETE FROM bookings WHERE entry_version = 4",
        "UPDATE bookings SET quantity = 1",
        "UPDATE bookings SET status = 'booked'",
        "TRUNCATE bookings",
        "DELETE FROM streams",
    ],
)
def test_rebuild_mends_what_is_derived(copied: str, redis_url: str, damage: LiteralString) -> None:
    with psycopg.connect(copied) as connection:
        connection.execute(damage)
    urls = {"database_url": copied, "redis_url": redis_url}
    assert flashticket("verify", **urls).exit_code == FAILED
    rebuilt = flashticket("rebuild", **urls)
    assert rebuilt.exit_code == HOLDS
    assert rebuilt.stdout.startswith("1 streams of 4 entries rebuilt; others waited ")
    assert flashticket("verify", **urls).exit_code == HOLDS


def test_replay_shows_the_state_after_each_version(sold: tuple[str, str]) -> None:
    event_id, database = sold

    def booked_at(*arguments: str) -> tuple[int, int]:
        shown = flashticket("replay", "--event", event_id, *arguments, database_url=database)
        assert shown.exit_code == HOLDS, shown.output
        state = json.loads(shown.stdout)
        assert state["event_id"] == event_id
        return state["version"], state["booked"]

    assert [booked_at(f"--at-version={n}") for n in (1, 2, 3, 4, 99)] == [
        (1, 0),
        (2, 2),
        (3, 0),
        (4, 3),
        (4, 3),
    ]
    assert booked_at() == (4, 3)


def test_replay_shows_the_state_at_a_time(sold: tuple[str, str]) -> None:
    event_id, database = sold

    def state_at(time: str) -> dict[str, object]:
        shown = flashticket("replay", "--event", event_id, "--at", time, database_url=database)
        assert shown.exit_code == HOLDS, shown.output
        state: dict[str, object] = json.loads(shown.stdout)
        return state

    first, second = (
        json.loads(
            flashticket(
                "replay", "--event", event_id, f"--at-version={n}", database_url=database
            ).stdout
        )
        for n in (2, 4)
    )
    assert state_at(first["as_of"]) == first
    assert state_at(second["as_of"]) == second
    assert state_at("2000-01-01T00:00:00+01:00")["version"] == 0
    assert state_at("2200-01-01T00:00:00Z") == second


def test_replay_without_an_event_shows_all(sold: tuple[str, str], api: Api) -> None:
    event_id, database = sold
    shown = flashticket("replay", database_url=database).stdout.splitlines()
    ids = [json.loads(line)["event_id"] for line in shown]
    assert event_id in ids
    assert len(set(ids)) == len(ids)
    assert set(ids) == {
        item["event_id"] for item in api.nobody.get("/v1/events?limit=10000").json()["items"]
    }


def test_replay_of_an_unknown_event_fails(shop_database: str) -> None:
    unknown = flashticket("replay", "--event", str(uuid4()), database_url=shop_database)
    assert (unknown.exit_code, unknown.stdout) == (FAILED, "")


@pytest.mark.parametrize(
    "arguments",
    [
        ["nothing"],
        ["--nothing"],
        ["keys", "create"],
        ["keys", "create", "--role", "king"],
        ["seed", "--users", "-1"],
        ["seed", "--capacity", "0"],
        ["seed", "--capacity", "10000001"],
        ["seed", "--users", "many"],
        ["replay", "--event", "nothing"],
        ["replay", "--at-version", "1"],
        ["replay", "--event", str(UUID(int=1)), "--at-version", "-1"],
        [
            "replay",
            "--event",
            str(UUID(int=1)),
            "--at-version",
            "1",
            "--at",
            "2030-01-01T00:00:00Z",
        ],
        ["replay", "--at", "tomorrow"],
        ["replay", "--at", "2030-01-01T00:00:00"],
        ["verify", "everything"],
        ["flash-sale", "--users", "0"],
        ["bench", "--rounds", "0"],
    ],
)
def test_wrong_use_is_told_apart(arguments: list[str]) -> None:
    refused = flashticket(*arguments, database_url=NOBODY_THERE)
    assert refused.exit_code == WRONG_USE
    assert refused.stdout == ""
    assert "Usage:" in refused.stderr


@pytest.mark.parametrize(
    "setting",
    [
        {"port": "many"},
        {"workers": 0},
        {"log_level": "LOUD"},
        {"database_url": "mysql://x:secret@y/z"},
        {"redis_url": "http://x:secret@y/z"},
    ],
)
def test_a_setting_that_is_none_is_wrong_use_and_not_repeated(setting: dict[str, object]) -> None:
    refused = flashticket("verify", **{"database_url": NOBODY_THERE} | setting)
    assert refused.exit_code == WRONG_USE
    assert next(iter(setting)) in refused.stderr
    assert "secret" not in refused.stderr


@pytest.mark.parametrize(
    "command",
    [
        ["migrate"],
        ["seed", "--users=1"],
        ["keys", "create", "--role=admin"],
        ["verify"],
        ["replay"],
        ["rebuild"],
    ],
)
def test_a_database_out_of_reach_is_told_apart(command: list[str]) -> None:
    refused = flashticket(*command, database_url=NOBODY_THERE)
    assert refused.exit_code == OUT_OF_REACH
    assert refused.stdout == ""
    assert refused.stderr
    assert "secret" not in refused.stderr


def test_without_any_server_the_command_says_what_to_do(tmp_path: Path) -> None:
    for command in (["serve"], ["verify"], ["seed"], ["keys", "create", "--role=admin"]):
        refused = flashticket(*command, data_dir=tmp_path / "nothing")
        assert refused.exit_code == OUT_OF_REACH
        assert "flashticket up" in refused.stderr
    assert not (tmp_path / "nothing").exists()


@contextmanager
def up(data_dir: Path, port: int) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """A running ``flashticket up`` with what it printed until it was ready; ends with Ctrl-C."""
    with (data_dir.parent / "up.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "api", "up", "--users=20", "--capacity=10"],
            cwd=ROOT,
            env=environment({"data_dir": data_dir, "port": port}),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )
        assert process.stdout is not None
        with process.stdout:
            try:
                printed: list[str] = []
                while "Ctrl-C" not in "".join(printed[-1:]):
                    line = process.stdout.readline()
                    assert line, Path(log.name).read_text()
                    printed.append(line)
                yield process, printed
                process.send_signal(signal.SIGINT)
                assert process.wait(UP_SECONDS_MAX) == 0
            finally:
                if process.poll() is None:
                    process.terminate()
                    process.wait()


def demo_keys(printed: list[str]) -> dict[str, str]:
    return dict(re.findall(r"^(client|organizer|auditor|admin) +(\S+)$", "".join(printed), re.M))


@pytest.mark.slow
def test_up_starts_everything_ctrl_c_stops_it_and_the_next_start_finds_it_again(
    tmp_path: Path,
) -> None:
    data_dir, port = tmp_path / "data", free_port()
    with up(data_dir, port) as (process, printed):
        keys = demo_keys(printed)
        assert keys.keys() == {"client", "organizer", "auditor", "admin"}
        assert f"http://127.0.0.1:{port}\n" in "".join(printed)
        Served(process, port, tmp_path / "up.log").await_path("/readyz")
        with Api(f"http://127.0.0.1:{port}", keys) as api:
            (event,) = api.nobody.get("/v1/events").json()["items"]
            users = api.organizer.get("/v1/users").json()["items"]
            assert (event["capacity"], len(users)) == (10, 20)
            booking = api.book(event["event_id"], users[0]["user_id"], 4).json()
        # Another command, on the same data, works with the servers that run.
        beside = flashticket("verify", "--json", data_dir=data_dir)
        assert json.loads(beside.stdout)["tickets"] == 4

    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False)
    assert not (data_dir / "servers.json").exists()
    # With nothing running, a command starts the servers for itself, on the same data.
    alone = flashticket("verify", "--json", data_dir=data_dir)
    assert json.loads(alone.stdout)["tickets"] == 4

    began = time.monotonic()
    with up(data_dir, port) as (process, printed):
        assert demo_keys(printed) == keys
        Served(process, port, tmp_path / "up.log").await_path("/readyz")
        assert time.monotonic() - began < UP_SECONDS_MAX
        with Api(f"http://127.0.0.1:{port}", keys) as api:
            assert api.client.get(f"/v1/bookings/{booking['booking_id']}").json() == booking
            assert len(api.nobody.get("/v1/events").json()["items"]) == 1
    assert (data_dir / "demo-keys.json").stat().st_mode & 0o077 == 0
