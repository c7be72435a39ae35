"""The picture of a bench: throughput and latency beside the contenders, and growth. SVG, by hand:
it needs no library, and a change of it can be read as a change of text.
"""

import math
from collections.abc import Callable, Sequence
from typing import Final
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from loadtest import tables
from loadtest.measurement import Measurement, Medians

WIDTH: Final = 900
PANEL_TOP: Final = 84
ROW: Final = 26
BAR: Final = 16
GROWTH_HEIGHT: Final = 170
INK: Final = "#1f2328"
PALE: Final = "#d0d7de"
OURS: Final = "#0969da"
THEIRS: Final = "#6e7781"
FONT: Final = "system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif"

TITLES: Final = {
    "usual": "usual design",
    "usual-tuned": "usual design, tuned",
    "empty": "empty FastAPI endpoint",
    "bare": "bare ASGI",
    "flashticket": "FlashTicket",
}


def draw(medians: Medians, caption: str) -> str:
    """The picture of what was measured; panels without figures are left out."""
    # A logarithm has no place for what answered nothing.
    hot = [
        each
        for each in medians.values()
        if each.workload == "hot" and min(each.figures["per_second"], each.figures["p99_ms"]) > 0
    ]
    grown = [
        (title, lines)
        for title, workload in (
            ("entries in the ledger", "ledger-size"),
            ("events that the bookings are spread over", "events"),
        )
        if len(lines := _grown(medians, workload)) > 1
    ]
    bars_height = ROW * len(hot) + 40 if hot else 0
    height = PANEL_TOP + bars_height + (GROWTH_HEIGHT + 70 if grown else 0) + 16
    svg = Element(
        "svg",
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {WIDTH} {height}",
        width=str(WIDTH),
        height=str(height),
        role="img",
    )
    svg.set("font-family", FONT)
    SubElement(svg, "title").text = "FlashTicket's speed beside its contenders"
    SubElement(svg, "rect", width=str(WIDTH), height=str(height), rx="8", fill="#ffffff")
    _text(svg, 24, 34, "One hot event: 128 connections, every booking its own request", size=17)
    _text(svg, 24, 54, caption, size=11, fill=THEIRS)
    if hot:
        rates = [(each, each.figures["per_second"]) for each in hot]
        waits = [(each, each.figures["p99_ms"]) for each in hot]
        _bars(svg, 24, 216, 190, "bookings a second (log scale)", rates, lambda v: f"{v:,.0f}")
        _bars(svg, 520, 0, 280, "99 of 100 answered within (log scale)", waits, _milliseconds)
    for number, (title, lines) in enumerate(grown):
        _growth(svg, 24 + number * 445, PANEL_TOP + bars_height + 30, title, lines)
    indent(svg)
    return tostring(svg, encoding="unicode") + "\n"


def _grown(medians: Medians, workload: str) -> list[Measurement]:
    found = [each for each in medians.values() if each.workload == workload]
    return sorted(found, key=lambda each: each.size or 0)


def name_of(measured: Measurement) -> str:
    """The contender as a reader knows it, with its processes where there are several."""
    _, _, workers = measured.contender.partition(":")
    title = TITLES.get(measured.kind, measured.contender)
    return title if workers in ("", "1") else f"{title}, {workers} processes"


def _milliseconds(value: float) -> str:
    return f"{value:,.0f} ms" if value >= 10 else f"{value:.1f} ms"


def _bars(
    svg: Element,
    left: float,
    names_width: float,
    width: float,
    title: str,
    values: Sequence[tuple[Measurement, float]],
    readable: Callable[[float], str],
) -> None:
    """A bar each, in proportion to the logarithm above the decade of the least."""
    start = left + names_width
    _text(svg, start, PANEL_TOP, title, size=12, fill=THEIRS)
    floor = 10 ** math.floor(math.log10(min(value for _, value in values) * 0.9))
    span = math.log10(max(value for _, value in values) / floor)
    for row, (measured, value) in enumerate(values):
        middle = PANEL_TOP + 24 + row * ROW
        ours = measured.kind == "flashticket"
        if names_width:
            _text(svg, start - 10, middle + 4, name_of(measured), size=13, anchor="end", bold=ours)
        length = max(2.0, width * math.log10(value / floor) / span)
        SubElement(
            svg,
            "rect",
            x=f"{start:.1f}",
            y=f"{middle - BAR / 2:.1f}",
            width=f"{length:.1f}",
            height=str(BAR),
            rx="2",
            fill=OURS if ours else THEIRS,
        )
        _text(svg, start + length + 6, middle + 4, readable(value), size=12, bold=ours)


def _growth(
    svg: Element, left: float, top: float, title: str, points: Sequence[Measurement]
) -> None:
    """Time per booking against size: the line of a system that does not slow down is flat."""
    _text(svg, left, top, f"µs a booking, by {title}", size=13)
    width, plot_top = 380.0, top + 16
    most = max(each.figures["us_per_booking"] for each in points) * 1.25
    bottom = plot_top + GROWTH_HEIGHT - 20
    SubElement(
        svg,
        "path",
        d=f"M{left:.1f},{plot_top:.1f} V{bottom:.1f} H{left + width:.1f}",
        stroke=PALE,
        fill="none",
    )
    places = []
    for number, each in enumerate(points):
        x = left + 34 + (width - 80) * number / (len(points) - 1)
        y = bottom - (bottom - plot_top) * each.figures["us_per_booking"] / most
        places.append(f"{x:.1f},{y:.1f}")
        _text(svg, x, bottom + 16, f"{each.size or 0:,}", size=11, anchor="middle", fill=THEIRS)
        told = tables.COLUMNS["us_per_booking"][1](each.figures["us_per_booking"])
        _text(svg, x, y - 9, told, size=12, anchor="middle")
        SubElement(svg, "circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r="3.5", fill=OURS)
    line = SubElement(svg, "polyline", points=" ".join(places), stroke=OURS, fill="none")
    line.set("stroke-width", "2")


def _text(
    parent: Element,
    x: float,
    y: float,
    text: str,
    *,
    size: int,
    fill: str = INK,
    anchor: str = "start",
    bold: bool = False,
) -> None:
    element = SubElement(parent, "text", x=f"{x:.1f}", y=f"{y:.1f}", fill=fill)
    element.set("font-size", str(size))
    element.set("text-anchor", anchor)
    if bold:
        element.set("font-weight", "600")
    element.text = text
