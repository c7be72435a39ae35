import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from loadtest.bench import Bench, as_json_line, as_text, run_bench
from loadtest.contenders import Servers, Usual
from loadtest.measure import Measurement, measure
from loadtest.workloads import WORKLOADS, Workload

RUN = Measurement("bare:1", "hot", 100.0, 1.0, 2.0, 3.0, 0.5, [])


def run(contender: str, per_second: float, **changes: object) -> Measurement:
    return replace(RUN, contender=contender, per_second=per_second, **changes)  # type: ignore[arg-type]  # each test names a field rightly


def bench(*measurements: Measurement) -> Bench:
    return Bench(datetime.now(UTC), {"cores": 2}, {}, measurements)


def test_a_median_is_taken_of_each_figure_by_itself() -> None:
    runs = bench(
        run("bare:1", 300, p50_ms=1.0),
        run("bare:1", 100, p50_ms=9.0),
        run("bare:1", 200, p50_ms=5.0),
    )
    assert runs.medians["hot", "bare:1"] == run("bare:1", 200, p50_ms=5.0)


def test_one_fault_in_one_round_fails_the_bench() -> None:
    right = run("usual:1", 100)
    assert bench(right).ok
    wrong = bench(right, replace(right, faults=["the counters say so many: 3 tickets"]), right)
    assert not wrong.ok
    assert as_text(wrong).endswith("2 passed, 1 failed")


def test_a_bench_that_measured_nothing_is_not_ok() -> None:
    assert not bench().ok


def test_goals_compare_the_best_of_each_kind() -> None:
    standings = bench(
        run("usual:1", 100),
        run("usual:2", 200),
        run("flashticket:1", 3000),
        run("flashticket:2", 4000),
    ).standings
    (over_usual,) = standings
    assert (over_usual.value, over_usual.bound, over_usual.reached) == (20.0, 20, True)
    assert over_usual.between == "flashticket:2 / usual:2"


def test_a_time_is_a_goal_to_stay_under() -> None:
    def p99_reached(p99_ms: float) -> bool:
        (standing,) = bench(run("flashticket:1", 9, workload="lone", p99_ms=p99_ms)).standings
        return standing.reached

    assert p99_reached(14.9)
    assert not p99_reached(15.1)


def test_many_events_are_compared_with_one() -> None:
    standings = bench(
        run("flashticket:1", 1000), run("flashticket:1", 790, workload="many")
    ).standings
    (spread,) = standings
    assert (spread.value, spread.reached) == (0.79, False)


def test_the_text_shows_each_contender_over_each_yardstick() -> None:
    lines = as_text(bench(run("bare:1", 400), run("flashticket:1", 100))).splitlines()
    (row,) = [line.split() for line in lines if line.strip().startswith("flashticket:1")]
    assert row == ["flashticket:1", "100", "1.00", "2.00", "3.00", "50%", "0.25"]


def test_a_line_of_results_is_json_with_machine_medians_and_goals() -> None:
    line = as_json_line(bench(run("bare:1", 400), run("flashticket:1", 100)))
    assert line.count("\n") == 1
    content = json.loads(line)
    assert content["ok"] is True
    assert content["machine"] == {"cores": 2}
    assert [each["contender"] for each in content["medians"]] == ["bare:1", "flashticket:1"]
    assert [each["value"] for each in content["goals"]] == [0.25]


SHORT = Workload("a few bookings", "book", connections=4, requests=40)


@pytest.fixture
def usual(empty_database: str) -> Usual:
    servers = Servers(empty_database, empty_database, "redis://unused")
    return Usual(servers, workers=1, pool_size=4)


def test_a_run_of_the_usual_design_passes_its_audit(usual: Usual) -> None:
    with usual.serve() as port:
        for workload in (SHORT, replace(SHORT, action="refused"), replace(SHORT, action="read")):
            assert measure(usual, port, "short", workload, 1).faults == []


BOOKING_NOBODY_WAS_TOLD_OF = """
CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO usual.bookings (booking_id, event_id, user_id, quantity)
    VALUES (gen_random_uuid(), NEW.event_id, NEW.user_id, 1);
    RETURN NULL;
END $$;
CREATE TRIGGER spoiled AFTER INSERT ON usual.bookings FOR EACH ROW
WHEN (NEW.idempotency_key LIKE '%000000007') EXECUTE FUNCTION spoil();
"""
COUNTED_TWICE = """
CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.booked := NEW.booked + 1;
    RETURN NEW;
END $$;
CREATE TRIGGER spoiled BEFORE UPDATE ON usual.events FOR EACH ROW
WHEN (NEW.booked = 7) EXECUTE FUNCTION spoil();
"""


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (
            BOOKING_NOBODY_WAS_TOLD_OF,
            "the stored bookings are those answered: 41 stored, 40 answered",
        ),
        (COUNTED_TWICE, "the counters say so many: 41 tickets"),
    ],
)
def test_a_fast_wrong_run_fails(usual: Usual, empty_database: str, spoil: str, fault: str) -> None:
    with usual.serve() as port, psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute(spoil.encode())
        measured = measure(usual, port, "short", SHORT, 1)
        connection.execute("DROP FUNCTION spoil CASCADE")
    assert fault in measured.faults


@pytest.mark.slow
def test_a_bench_starts_everything_itself_and_appends_a_line(tmp_path: Path) -> None:
    results = tmp_path / "results" / "bench.jsonl"
    said: list[str] = []
    results.parent.mkdir()
    results.write_text("{}\n")
    done = run_bench(
        rounds=1,
        seconds=0.2,
        contenders=["usual:1", "empty:1", "bare:2"],
        workloads=["hot", "sold-out", "reads"],
        pool_sizes=[2, 4],
        results_path=results,
        say=said.append,
    )
    assert done.ok, said
    assert set(done.medians) == {
        (workload, contender)
        for workload in ("hot", "sold-out", "reads")
        for contender in ("usual:1", "empty:1", "bare:2")
    }
    before, line = results.read_text().splitlines()
    assert before == "{}"
    assert json.loads(line)["pool_sizes"].keys() == {"usual:1"}


@pytest.mark.parametrize("name", ["usual", "unusual:1", "bare:0", "bare:x"])
def test_an_unknown_contender_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=name):
        run_bench(contenders=[name], results_path=tmp_path / "none")


def test_an_unknown_workload_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no workload is called cold"):
        run_bench(workloads=["cold", *WORKLOADS], results_path=tmp_path / "none")
