"""What is said of a run under ten times the load."""

import pytest

from loadtest.overload import Measured, measure_overload


def measured(**changed: object) -> Measured:
    """A run in which everything held, but for what is changed."""
    good: dict[str, object] = {
        "usual_rates": [1_000.0, 900.0],
        "crowd_rates": [850.0, 900.0],
        "refused_rates": [500.0, 500.0],
        "health_seconds": [0.1, 0.9],
        "recovery_seconds": [0.01, 0.02],
        "memory_bytes": [100 * 2**20, 150 * 2**20],
    }
    run = Measured(**(good | changed))  # type: ignore[arg-type]
    run.tally.update({"201": 2_000, "503 overloaded": 900})
    return run


def test_a_run_in_which_everything_held_has_no_fault() -> None:
    assert [check for check in measured().checks() if not check.ok] == []


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"crowd_rates": [700.0, 600.0]}, "the work goes on"),
        ({"health_seconds": [0.1, 1.1]}, "health checks are answered"),
        ({"recovery_seconds": [2.0]}, "it is over at once"),
        ({"memory_bytes": [0, 2**30]}, "memory is bounded"),
        ({"lost": 1}, "everybody is answered"),
    ],
)
def test_what_did_not_hold_is_named(changed: dict[str, object], name: str) -> None:
    assert [check.name for check in measured(**changed).checks() if not check.ok] == [name]


def test_another_answer_than_a_booking_or_a_refusal_is_a_fault() -> None:
    run = measured()
    run.tally["503 unavailable"] += 1
    assert [check.name for check in run.checks() if not check.ok] == ["all are served or told so"]


@pytest.mark.slow
def test_a_short_run_is_audited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loadtest.overload.CROWD", 200)
    monkeypatch.setattr("loadtest.overload.USUAL", 20)
    checks = {check.name: check for check in measure_overload(1, 0.5)}
    timed = {"the work goes on", "health checks are answered", "it is over at once"}
    assert [check for name, check in checks.items() if name not in timed and not check.ok] == []
