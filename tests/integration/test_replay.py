"""`flashticket replay`: the state as of a version or a time, from the stored bytes."""

import json
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import psycopg
import pytest
from box_office import register, sell
from click.testing import CliRunner, Result
from samples import BOB, book, cancel, new_event_id, resize, schedule, submit

from api.cli import main
from ledger.values import BookingId, EventId

EVENT: Final = EventId(UUID(int=0x20))
FIRST: Final = BookingId(UUID(int=0x31))

# After each version: capacity, places booked, live bookings.
HISTORY: Final = [(5, 0, 0), (5, 2, 1), (5, 3, 2), (5, 1, 1), (6, 1, 1), (6, 4, 2)]


@pytest.fixture(scope="module")
def sold(module_database: str) -> str:
    """A database in which each entry of the event has a time of its own."""
    register(module_database)
    for submission in (
        submit(schedule(EVENT, capacity=5)),
        submit(book(2, event_id=EVENT, booking_id=FIRST)),
        submit(book(1, event_id=EVENT, user_id=BOB)),
        submit(cancel(FIRST, event_id=EVENT)),
        submit(resize(6, event_id=EVENT)),
        submit(book(3, event_id=EVENT)),
        submit(schedule()),
    ):
        sell(module_database, submission)
    return module_database


def run(database: str, *arguments: str) -> Result:
    return CliRunner().invoke(
        main, ["replay", *arguments], env={"FLASHTICKET_DATABASE_URL": database}
    )


def replayed(database: str, *arguments: str) -> dict[str, Any]:
    result = run(database, "--event", str(EVENT), *arguments)
    assert result.exit_code == 0, result.output
    state: dict[str, Any] = json.loads(result.output)
    assert state["event_id"] == str(EVENT)
    return state


def entries(database: str) -> list[tuple[int, int, bytes]]:
    with psycopg.connect(database) as connection:
        return connection.execute(
            "SELECT version, recorded_at_us, hash FROM ledger WHERE stream_id = %s ORDER BY 1",
            (EVENT,),
        ).fetchall()


def counts(state: dict[str, Any]) -> tuple[int, int, int]:
    assert state["held"] == 0
    assert state["available"] == state["capacity"] - state["booked"]
    return state["capacity"], state["booked"], state["bookings"]


def test_each_version_can_be_seen_again(sold: str) -> None:
    for version, _, entry_hash in entries(sold):
        state = replayed(sold, "--at-version", str(version))
        assert (state["version"], counts(state)) == (version, HISTORY[version - 1])
        assert state["hash"] == entry_hash.hex()


def test_without_a_version_or_with_one_to_come_it_is_the_state_now(sold: str) -> None:
    assert counts(replayed(sold)) == HISTORY[-1]
    assert replayed(sold, "--at-version", "1000") == replayed(sold)


def test_before_the_first_entry_there_is_nothing(sold: str) -> None:
    state = replayed(sold, "--at-version", "0")
    assert (state["version"], counts(state)) == (0, (0, 0, 0))


def moment(microseconds: int, offset: str = "+00:00") -> str:
    seconds, rest = divmod(microseconds, 1_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:06}{offset}"


def test_each_moment_can_be_seen_again_to_the_microsecond(sold: str) -> None:
    for version, recorded_at, _ in entries(sold):
        assert replayed(sold, "--at", moment(recorded_at))["version"] == version
        assert replayed(sold, "--at", moment(recorded_at - 1))["version"] == version - 1


def test_a_moment_is_meant_with_its_offset(sold: str) -> None:
    _, recorded_at, _ = entries(sold)[2]
    two_hours = 2 * 3600 * 1_000_000
    assert replayed(sold, "--at", moment(recorded_at + two_hours, "+02:00"))["version"] == 3
    assert replayed(sold, "--at", moment(recorded_at, "Z"))["version"] == 3


def test_all_events_are_printed_one_a_line(sold: str) -> None:
    result = run(sold)
    assert result.exit_code == 0
    states = [json.loads(line) for line in result.output.splitlines()]
    assert [state["version"] for state in states] == [6, 1]


@pytest.mark.parametrize(
    ("arguments", "exit_code"),
    [
        pytest.param(["--event", str(new_event_id())], 1, id="no such event"),
        pytest.param(["--at-version", "1"], 2, id="a version of no event"),
        pytest.param(["--event", str(EVENT), "--at", "2026-01-01T00:00:00"], 2, id="no offset"),
        pytest.param(["--event", str(EVENT), "--at", "yesterday"], 2, id="no time"),
        pytest.param(
            ["--event", str(EVENT), "--at-version", "1", "--at", "2026-01-01T00:00:00Z"],
            2,
            id="both",
        ),
        pytest.param(["--event", "one"], 2, id="no id"),
    ],
)
def test_wrong_use_has_its_exit_code_and_a_reason(
    sold: str, arguments: list[str], exit_code: int
) -> None:
    result = run(sold, *arguments)
    assert result.exit_code == exit_code
    assert result.stderr
    assert not result.stdout


def test_a_broken_entry_ends_it_with_the_rule_that_it_breaks(database: str) -> None:
    register(database)
    sell(database, submit(schedule(EVENT)), submit(book(event_id=EVENT)))
    with psycopg.connect(database) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("UPDATE ledger SET hash = sha256('') WHERE version = 2")
    result = run(database)
    assert result.exit_code == 1
    assert result.stderr.startswith("L3 at ")
