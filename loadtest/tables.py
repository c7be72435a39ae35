"""Medians of the bench as tables, for people at a terminal and for the README."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from loadtest.measurement import Measurement

COLUMNS: Final[dict[str, tuple[str, Callable[[float], str]]]] = {
    "per_second": ("per s", lambda value: f"{value:,.0f}"),
    "per_cpu_second": ("per CPU s", lambda value: f"{value:,.0f}"),
    "attempts_per_second": ("attempts/s", lambda value: f"{value:,.0f}"),
    "sale_seconds": ("sale s", lambda value: f"{value:.2f}"),
    "accepted": ("booked", lambda value: f"{value:,.0f}"),
    "refused": ("refused", lambda value: f"{value:,.0f}"),
    "errors": ("errors", lambda value: f"{value:,.0f}"),
    "dropped": ("dropped", lambda value: f"{value:,.0f}"),
    "us_per_booking": ("µs each", lambda value: f"{value:.1f}"),
    "us_per_hold": ("µs a hold", lambda value: f"{value:.1f}"),
    "us_per_confirmation": ("µs to confirm", lambda value: f"{value:.1f}"),
    "over_booking": ("x booking", lambda value: f"{value:.2f}"),
    "over_smallest": ("x first", lambda value: f"{value:.3f}"),
    "p50_ms": ("p50 ms", lambda value: f"{value:.2f}"),
    "p95_ms": ("p95 ms", lambda value: f"{value:.2f}"),
    "p99_ms": ("p99 ms", lambda value: f"{value:.2f}"),
    "api_cpu_us": ("API µs", lambda value: f"{value:.0f}"),
    "postgres_cpu_us": ("PG µs", lambda value: f"{value:.0f}"),
    "log_cpu_us": ("log µs", lambda value: f"{value:.1f}"),
    "booking_cpu_us": ("booking µs", lambda value: f"{value:.1f}"),
    "log_cpu_share": ("share", lambda value: f"{value:.1%}"),
    "generator_cpu_us": ("k6 µs", lambda value: f"{value:.0f}"),
    "generator_cpu_share": ("generator", lambda value: f"{value:.0%}"),
    "idle_mb": ("idle MB", lambda value: f"{value:.1f}"),
    "memory_mb": ("most MB", lambda value: f"{value:.1f}"),
    "growth_mb_per_minute": ("MB/min", lambda value: f"{value:+.2f}"),
    "start_seconds": ("start s", lambda value: f"{value:.2f}"),
}
"""Of each figure its heading and how it reads. CPU time is for one answer."""

RATIOS_OF: Final = ("per_second", "sale_seconds")


def rows(medians: Sequence[Measurement], *, with_ratios: bool = True) -> Iterator[list[str]]:
    """The heading and a row for each contender and size; ratios over each yardstick last."""
    names = [name for name in COLUMNS if any(name in each.figures for each in medians)]
    ratio = next((name for name in RATIOS_OF if name in names), None)
    yardsticks = _yardsticks(medians, ratio) if ratio and with_ratios else []
    yield [
        "",
        *(COLUMNS[name][0] for name in names),
        *(f"x {each.contender}" for each in yardsticks),
    ]
    for each in medians:
        yield [
            label(each),
            *(_cell(each, name) for name in names),
            *(_ratio(each, other, ratio or "") for other in yardsticks),
        ]


def label(measured: Measurement) -> str:
    """The contender, and at which size."""
    if measured.size is None:
        return measured.contender
    return f"{measured.contender} at {measured.size:,}"


def _yardsticks(medians: Sequence[Measurement], figure: str) -> list[Measurement]:
    return [
        each
        for each in medians
        if each.kind != "flashticket" and each.figures.get(figure) and each.size is None
    ]


def _cell(measured: Measurement, name: str) -> str:
    value = measured.figures.get(name)
    return "" if value is None else COLUMNS[name][1](value)


def _ratio(one: Measurement, other: Measurement, figure: str) -> str:
    return f"{one.figures[figure] / other.figures[figure]:.3g}" if figure in one.figures else ""


def as_columns(table: Sequence[Sequence[str]]) -> Iterator[str]:
    """Aligned lines: the first column to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for first, *rest in table:
        cells = (f"{cell:>{width}}" for cell, width in zip(rest, widths[1:], strict=True))
        yield f"  {first:<{widths[0]}}  " + "  ".join(cells)
