"""What the README and docs/speed.md say about speed, written from the results and never by hand.

Each of them has a place between two comments for it; `publish` fills both and draws the picture.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from loadtest import tables
from loadtest.bench import TITLES, Bench, from_json_line
from loadtest.goals import GOALS
from loadtest.measurement import Measurement
from loadtest.picture import draw

ROOT: Final = Path(__file__).parents[1]
README: Final = "README.md"
DETAILS: Final = "docs/speed.md"
PICTURE: Final = "docs/speed.svg"

BEGIN: Final = "<!-- written by flashticket bench --draw -->"
END: Final = "<!-- until here -->"
_PLACE: Final = re.compile(re.escape(BEGIN) + ".*?" + re.escape(END), re.DOTALL)

NOTHING_YET: Final = "Not measured yet."


class NoPlace(Exception):
    """A document has no place for what was measured."""


def latest(lines: Sequence[str]) -> Bench | None:
    """The newest measurements of each workload of which every audit held."""
    by_workload: dict[str, list[Measurement]] = {}
    newest: Bench | None = None
    for line in lines:
        bench = from_json_line(line)
        for workload in dict.fromkeys(each.workload for each in bench.measurements):
            measured = [each for each in bench.measurements if each.workload == workload]
            if not any(each.faults for each in measured):
                by_workload[workload] = measured
                newest = bench
    if newest is None:
        return None
    return Bench(
        newest.began_at,
        newest.machine,
        newest.pool_sizes,
        [each for name in TITLES for each in by_workload.get(name, [])],
    )


def publish(root: Path, results: Path) -> list[Path]:
    """Draw the picture and fill the places; the files written. NoPlace for one that has none."""
    bench = latest(results.read_text("utf-8").splitlines()) if results.exists() else None
    written = [root / README, root / DETAILS]
    for path, block in zip(written, (summary(bench), details(bench)), strict=True):
        path.write_text(filled(path.read_text("utf-8"), block), "utf-8")
    if bench is not None:
        picture = root / PICTURE
        picture.write_text(draw(bench.medians, caption(bench)), "utf-8")
        written.append(picture)
    return written


def filled(document: str, block: str) -> str:
    """The document with the block in its place."""
    if not _PLACE.search(document):
        raise NoPlace(f"there is no line {BEGIN}")
    return _PLACE.sub(lambda _: f"{BEGIN}\n{block}{END}", document)


def caption(bench: Bench) -> str:
    """On what it was measured, when, and of which code."""
    facts = bench.machine
    return (
        f"{facts.get('processor', '?')}, {facts.get('cores', '?')} cores ·"
        f" PostgreSQL {facts.get('postgresql', '?')}, {facts.get('durability', '?')} ·"
        f" {bench.began_at:%Y-%m-%d}, commit {facts.get('commit', '?')}"
    )


def summary(bench: Bench | None) -> str:
    """For the README: the picture, and how each goal stands."""
    if bench is None:
        return f"{NOTHING_YET}\n"
    lines = [f"![Throughput, latency and growth]({PICTURE})", "", *_goals(bench)]
    return "\n".join(["", *lines, "", f"{caption(bench)}.", ""])


def _goals(bench: Bench) -> Iterator[str]:
    yield "| what | goal | measured | |"
    yield "|---|---|---|---|"
    standings = {each.text: each for each in bench.standings}
    for goal in GOALS:
        standing = standings.get(goal.text)
        if standing is not None:
            bound = "at least" if standing.better == "more" else "at most"
            mark = "reached" if standing.reached else "**missed**"
            yield f"| {goal.text} | {bound} {goal.bound:g} | {standing.value:.3g} | {mark} |"


def details(bench: Bench | None) -> str:
    """For docs/speed.md: the medians of every workload."""
    if bench is None:
        return f"{NOTHING_YET}\n"
    lines = [f"{caption(bench)}. Medians of the rounds; CPU time in µs for one answer."]
    medians = list(bench.medians.values())
    for name, title in TITLES.items():
        of_workload = [each for each in medians if each.workload == name]
        if of_workload:
            lines += ["", f"**{title[0].upper()}{title[1:]}** (`{name}`)", "", *_table(of_workload)]
    return "\n".join(["", *lines, ""])


def _table(medians: Sequence[Measurement]) -> Iterator[str]:
    head, *rows = tables.rows(medians)
    yield "| " + " | ".join(head) + " |"
    yield "|---" + "|--:" * (len(head) - 1) + "|"
    for row in rows:
        yield "| " + " | ".join(row) + " |"
