from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from xml.etree.ElementTree import Element, fromstring

import pytest

from loadtest import picture
from loadtest.bench import KINDS, RESULTS, Bench, as_json_line
from loadtest.measurement import Measurement
from loadtest.published import (
    BEGIN,
    DETAILS,
    END,
    PICTURE,
    README,
    ROOT,
    NoPlace,
    caption,
    details,
    filled,
    latest,
    publish,
    summary,
)

SVG = "{http://www.w3.org/2000/svg}"


def hot(contender: str, per_second: float, p99_ms: float = 20.0) -> Measurement:
    return Measurement(contender, "hot", {"per_second": per_second, "p99_ms": p99_ms})


def at(size: int, us_per_booking: float, workload: str = "ledger-size") -> Measurement:
    figures = {"us_per_booking": us_per_booking, "over_smallest": us_per_booking / 100}
    return Measurement("flashticket:1", workload, figures, size=size)


def line(*measurements: Measurement, day: int = 1, commit: str = "abc") -> str:
    began_at = datetime(2026, 1, day, tzinfo=UTC)
    return as_json_line(Bench(began_at, {"cores": 2, "commit": commit}, {}, measurements))


def test_of_each_workload_the_newest_line_that_has_it_counts() -> None:
    bench = latest(
        [
            line(hot("bare:1", 100), at(0, 100.0)),
            line(hot("bare:1", 200), hot("flashticket:1", 50), day=2, commit="def"),
        ]
    )
    assert bench is not None
    assert [(each.workload, each.contender) for each in bench.measurements] == [
        ("hot", "bare:1"),
        ("hot", "flashticket:1"),
        ("ledger-size", "flashticket:1"),
    ]
    assert bench.measurements[0].figures["per_second"] == 200
    assert "2026-01-02, commit def" in caption(bench)


def test_a_workload_with_a_failed_audit_counts_for_nothing() -> None:
    wrong = replace(hot("bare:1", 900), faults=["too many"])
    bench = latest(
        [
            line(hot("bare:1", 100), at(0, 100.0)),
            line(wrong, hot("flashticket:1", 900), at(0, 90.0), day=2),
        ]
    )
    assert bench is not None
    assert [dict(each.figures) for each in bench.measurements] == [
        hot("bare:1", 100).figures,
        at(0, 90.0).figures,
    ]
    assert latest([line(wrong)]) is None


def test_the_summary_says_of_each_goal_whether_it_is_reached() -> None:
    bench = latest([line(hot("bare:1", 1000), hot("empty:1", 400), hot("flashticket:1", 300))])
    rows = [row for row in summary(bench).splitlines() if row.startswith("| one hot event")]
    assert rows == [
        "| one hot event: bookings/s over the empty endpoint | at least 1 | 0.75 | **missed** |",
        "| one hot event: bookings/s over bare ASGI | at least 0.25 | 0.3 | reached |",
    ]


def test_the_details_have_a_row_for_each_contender_and_size() -> None:
    bench = latest([line(hot("bare:1", 1000), at(0, 100.0), at(1000, 110.0))])
    rows = [row for row in details(bench).splitlines() if row.startswith("| flashticket")]
    assert rows == [
        "| flashticket:1 at 0 | 100.0 | 1.000 |",
        "| flashticket:1 at 1,000 | 110.0 | 1.100 |",
    ]


def test_only_the_place_between_the_comments_is_replaced() -> None:
    document = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    assert filled(document, "new\n") == f"before\n{BEGIN}\nnew\n{END}\nafter\n"
    with pytest.raises(NoPlace):
        filled("nothing here", "new\n")


def test_publishing_twice_changes_nothing_more(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    for name in (README, DETAILS):
        (tmp_path / name).write_text(f"# A title\n\n{BEGIN}\n{END}\n")
    results = tmp_path / "bench.jsonl"
    results.write_text(line(hot("bare:1", 1000), hot("flashticket:1", 300)))
    written = publish(tmp_path, results)
    assert [path.relative_to(tmp_path).as_posix() for path in written] == [
        README,
        DETAILS,
        PICTURE,
    ]
    before = [path.read_text() for path in written]
    publish(tmp_path, results)
    assert [path.read_text() for path in written] == before
    assert f"]({PICTURE})" in before[0]


def test_what_is_published_here_was_written_from_the_results() -> None:
    # Later lines may wait: who measures for themselves need not publish it.
    lines = RESULTS.read_text().splitlines() if RESULTS.exists() else []
    published = {name: (ROOT / name).read_text() for name in (README, DETAILS)}
    if (ROOT / PICTURE).exists():
        published[PICTURE] = (ROOT / PICTURE).read_text()
    candidates = [as_published(published, latest(lines[:n])) for n in range(len(lines) + 1)]
    assert published in candidates, "run flashticket bench --draw"


def as_published(documents: dict[str, str], bench: Bench | None) -> dict[str, str]:
    blocks = {README: summary(bench), DETAILS: details(bench)}
    made = {name: filled(documents[name], block) for name, block in blocks.items()}
    if bench is not None:
        made[PICTURE] = picture.draw(bench.medians, caption(bench))
    return made


def drawn(*measurements: Measurement) -> Element:
    bench = latest([line(*measurements)])
    assert bench is not None
    return fromstring(picture.draw(bench.medians, "on a machine"))  # noqa: S314 - drawn here


def texts(svg: Element) -> list[str]:
    return [element.text or "" for element in svg.iter(f"{SVG}text")]


def test_the_picture_names_every_contender_with_its_figures() -> None:
    svg = drawn(
        hot("usual:1", 150, 1900.0), hot("usual-tuned:2", 400), hot("flashticket:2", 7000, 31.0)
    )
    shown = texts(svg)
    assert {"usual design", "usual design, tuned, 2 processes", "FlashTicket, 2 processes"} <= {
        *shown
    }
    assert {"150", "7,000", "1,900 ms", "31 ms", "on a machine"} <= {*shown}


def test_a_contender_that_answered_nothing_has_no_bar() -> None:
    shown = texts(drawn(hot("usual:1", 0, 0.0), hot("flashticket:1", 6000)))
    assert "usual design" not in shown
    assert "FlashTicket" in shown


def test_a_longer_bar_is_more() -> None:
    svg = drawn(hot("usual:1", 150), hot("flashticket:1", 6000))
    bars = [each for each in svg.iter(f"{SVG}rect") if each.get("height") == str(picture.BAR)]
    usual, ours = [float(each.get("width", "0")) for each in bars[:2]]
    assert ours > usual > 0


def test_the_picture_shows_growth_in_the_order_of_size() -> None:
    svg = drawn(at(10_000, 110.0), at(0, 100.0))
    shown = texts(svg)
    assert shown.index("0") < shown.index("10,000")
    assert {"100.0", "110.0"} <= {*shown}
    (line_of_growth,) = svg.iter(f"{SVG}polyline")
    first, second = (
        tuple(map(float, point.split(","))) for point in line_of_growth.get("points", "").split()
    )
    assert first[0] < second[0]
    assert first[1] > second[1], "more time is further up"


def test_every_kind_of_contender_has_a_name_in_the_picture() -> None:
    assert KINDS.keys() == picture.TITLES.keys()
