import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import psycopg
import pytest

from loadtest import growth
from loadtest.bench import (
    TITLES,
    Bench,
    Extent,
    as_json_line,
    as_text,
    from_json_line,
    run_bench,
)
from loadtest.contenders import Servers, Usual, UsualTuned
from loadtest.goals import GOALS
from loadtest.measure import measure
from loadtest.measurement import Measurement
from loadtest.serving import Served
from loadtest.tables import COLUMNS
from loadtest.workloads import WORKLOADS, Workload


def run(
    contender: str, per_second: float, workload: str = "hot", *, size: int | None = None
) -> Measurement:
    figures = {"per_second": per_second, "p50_ms": 1.0, "p99_ms": 3.0}
    return Measurement(contender, workload, figures, [], size)


def figure(name: str, value: float, workload: str, *, size: int | None = None) -> Measurement:
    return Measurement("flashticket:1", workload, {name: value}, [], size)


def bench(*measurements: Measurement) -> Bench:
    return Bench(datetime.now(UTC), {"cores": 2}, {}, measurements)


def test_a_median_is_taken_of_each_figure_by_itself() -> None:
    runs = bench(
        Measurement("bare:1", "hot", {"per_second": 300, "p50_ms": 1.0}),
        Measurement("bare:1", "hot", {"per_second": 100, "p50_ms": 9.0}),
        Measurement("bare:1", "hot", {"per_second": 200, "p50_ms": 5.0}),
    )
    assert runs.medians["hot", "bare:1", None].figures == {"per_second": 200, "p50_ms": 5.0}


def test_sizes_have_medians_of_their_own() -> None:
    runs = bench(
        figure("us_per_booking", 100, "events", size=1),
        figure("us_per_booking", 110, "events", size=10),
    )
    assert {key[2] for key in runs.medians} == {1, 10}


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
        run("usual:1", 50),
        run("usual:2", 100),
        run("usual-tuned:1", 300),
        run("flashticket:1", 3000),
        run("flashticket:2", 4000),
    ).standings
    (over_usual,) = standings
    assert (over_usual.value, over_usual.bound, over_usual.reached) == (40.0, 40, True)
    assert over_usual.between == "flashticket:2 / usual:2"


@pytest.mark.parametrize(("p99_ms", "reached"), [(14.9, True), (15.1, False)])
def test_a_time_is_a_goal_to_stay_under(p99_ms: float, reached: bool) -> None:
    (standing,) = bench(figure("p99_ms", p99_ms, "lone")).standings
    assert standing.reached is reached


def test_many_events_are_compared_with_one() -> None:
    standings = bench(
        run("flashticket:1", 1000), run("flashticket:1", 940, workload="many")
    ).standings
    (spread,) = standings
    assert (spread.value, spread.reached) == (0.94, False)


def test_growth_is_judged_at_the_largest_size() -> None:
    (standing,) = bench(
        figure("over_smallest", 1.0, "ledger-size", size=0),
        figure("over_smallest", 1.2, "ledger-size", size=10_000_000),
        figure("over_smallest", 1.05, "ledger-size", size=1_000_000),
    ).standings
    assert (standing.value, standing.reached) == (1.2, False)
    assert standing.between == "flashticket:1 at 10,000,000"


def test_one_error_misses_the_goal_of_none() -> None:
    (clean,) = bench(figure("errors", 0, "flash-sale")).standings
    (dirty,) = bench(figure("errors", 1, "flash-sale")).standings
    assert (clean.reached, dirty.reached) == (True, False)


def test_every_goal_is_about_a_workload_and_a_figure_that_is_shown() -> None:
    assert {goal.workload for goal in GOALS} <= TITLES.keys()
    assert {goal.figure for goal in GOALS} <= COLUMNS.keys()


def test_the_text_shows_each_contender_over_each_yardstick() -> None:
    lines = as_text(bench(run("bare:1", 400), run("flashticket:1", 100))).splitlines()
    (row,) = [line.split() for line in lines if line.strip().startswith("flashticket:1")]
    assert row == ["flashticket:1", "100", "1.00", "3.00", "0.25"]


def test_a_line_of_results_is_json_with_machine_medians_and_goals() -> None:
    measured = bench(run("bare:1", 400), run("flashticket:1", 100))
    line = as_json_line(measured)
    assert line.count("\n") == 1
    content = json.loads(line)
    assert content["ok"] is True
    assert content["machine"] == {"cores": 2}
    assert [each["contender"] for each in content["medians"]] == ["bare:1", "flashticket:1"]
    assert [each["value"] for each in content["goals"]] == [0.25]


def test_a_line_of_results_can_be_read_again() -> None:
    measured = bench(run("bare:1", 400), figure("us_per_booking", 3.5, "events", size=10))
    again = from_json_line(as_json_line(measured))
    assert again.measurements == list(measured.measurements)
    assert again.machine == measured.machine


SHORT = Workload("a few bookings", "book", connections=4, requests=40)


@pytest.fixture(params=[Usual, UsualTuned])
def usual(empty_database: str, request: pytest.FixtureRequest) -> Usual:
    made: Usual = request.param(
        Servers(empty_database, empty_database, "redis://unused", Path("unused")), workers=1
    )
    return made


@pytest.fixture
def tuned(empty_database: str) -> Iterator[tuple[UsualTuned, Served]]:
    contender = UsualTuned(
        Servers(empty_database, empty_database, "redis://unused", Path("unused")), workers=1
    )
    with contender.serve() as served:
        yield contender, served


def test_a_run_of_the_usual_design_passes_its_audit(usual: Usual) -> None:
    with usual.serve() as served:
        for workload in (SHORT, replace(SHORT, action="refused"), replace(SHORT, action="read")):
            assert measure(usual, served, "short", workload, 1).faults == []


def test_a_run_tells_what_it_cost_the_server_and_the_database(
    tuned: tuple[UsualTuned, Served],
) -> None:
    measured = measure(*tuned, "short", replace(SHORT, requests=400), 1)
    assert measured.figures["api_cpu_us"] > 0
    assert measured.figures["postgres_cpu_us"] > 0


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
def test_a_fast_wrong_run_fails(
    tuned: tuple[UsualTuned, Served], empty_database: str, spoil: str, fault: str
) -> None:
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute(spoil.encode())
        measured = measure(*tuned, "short", SHORT, 1)
        connection.execute("DROP FUNCTION spoil CASCADE")
    assert fault in measured.faults


@pytest.mark.slow
def test_a_bench_starts_everything_itself_and_appends_a_line(tmp_path: Path) -> None:
    results = tmp_path / "results" / "bench.jsonl"
    said: list[str] = []
    results.parent.mkdir()
    results.write_text("{}\n")
    done = run_bench(
        Extent(rounds=1, seconds=0.2),
        contenders=["usual-tuned:1", "empty:1", "bare:2"],
        workloads=["hot", "sold-out", "reads"],
        pool_sizes=[2, 4],
        results_path=results,
        say=said.append,
    )
    assert done.ok, said
    assert set(done.medians) == {
        (workload, contender, None)
        for workload in ("hot", "sold-out", "reads")
        for contender in ("usual-tuned:1", "empty:1", "bare:2")
    }
    before, line = results.read_text().splitlines()
    assert before == "{}"
    assert json.loads(line)["pool_sizes"].keys() == {"usual-tuned:1"}


@pytest.mark.slow
def test_every_kind_of_workload_is_measured_and_passes_its_audit(tmp_path: Path) -> None:
    said: list[str] = []
    # Of k6's two the shorter: `test_flash_sale` has the open model, and `test_exports` exports.
    workloads = TITLES.keys() - {"flash-sale-open", "soak", "exports"}
    done = run_bench(
        Extent(
            rounds=1,
            seconds=0.2,
            ledger_sizes=(0, 2000),
            events=50,
            starts=1,
            attempts=1500,
            memory_seconds=1.0,
            holds=200,
        ),
        contenders=["bare:1", "flashticket:1"],
        workloads=sorted(workloads),
        results_path=tmp_path / "bench.jsonl",
        say=said.append,
    )
    assert done.ok, said
    assert {each.workload for each in done.measurements} == workloads
    sizes = {each.size for each in done.measurements if each.workload == "ledger-size"}
    assert sizes == {0, 2000}
    judged = {standing.text for standing in done.standings}
    assert judged == {
        goal.text
        for goal in GOALS
        if goal.yardstick not in ("usual", "empty") and goal.workload in workloads
    }


@pytest.mark.slow
def test_what_was_measured_before_a_failure_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> NoReturn:
        raise OSError("disk full")

    monkeypatch.setattr(growth, "measure_events", fail)
    with pytest.raises(OSError, match="disk full"):
        run_bench(
            Extent(rounds=1, seconds=0.2),
            contenders=["bare:1"],
            workloads=["hot", "events"],
            results_path=tmp_path / "bench.jsonl",
        )
    kept = from_json_line((tmp_path / "bench.jsonl").read_text())
    assert [each.workload for each in kept.measurements] == ["hot"]


@pytest.mark.parametrize("name", ["usual", "unusual:1", "bare:0", "bare:x"])
def test_an_unknown_contender_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=name):
        run_bench(Extent(), contenders=[name], results_path=tmp_path / "none")


def test_an_unknown_workload_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no workload is called warm"):
        run_bench(Extent(), workloads=["warm", *WORKLOADS], results_path=tmp_path / "none")
