"""Entries added up: what becomes of each projection's rows, however many entries it takes."""

from collections.abc import Callable
from typing import Any, Final

from projections import apply
from projections.apply import Added, Happened, Row

_SUMMED: Final[tuple[tuple[str, Callable[[Happened], Added]], ...]] = (
    ("sales", apply.sales),
    ("revenue", apply.revenue),
    ("occupancy", apply.occupancy),
    ("line_lengths", apply.line_lengths),
)


class Counted:
    """What the entries added so far come to."""

    def __init__(self) -> None:
        self.sums: dict[str, dict[Row, list[int]]] = {name: {} for name, _ in _SUMMED}
        """By table: keys of rows, and what is to be added to them."""
        self.told: dict[tuple[Any, Any], Row] = {}
        """Rows of histories, by user and number."""
        self.progress: dict[str, tuple[int, int, int | None]] = {}
        """By event: its last version, the time of that, and its capacity if that changed."""
        self.last_at = 0

    def add(self, entry: Happened) -> None:
        """Add ``entry``, which follows those of its stream that were added before."""
        for name, applied in _SUMMED:
            sums = self.sums[name]
            for key, amounts in applied(entry):
                row = sums.get(key)
                if row is None:
                    sums[key] = list(amounts)
                else:
                    for n, amount in enumerate(amounts):
                        row[n] += amount
        for step in apply.histories(entry):
            self.told[step[0], step[1]] = step
        stream_id, version, at, capacity = apply.progress(entry)
        if capacity is None and stream_id in self.progress:
            capacity = self.progress[stream_id][2]
        self.progress[stream_id] = (version, at, capacity)
        self.last_at = at

    def rows(self, table: str) -> list[Row]:
        """The rows of a summed table: keys and amounts."""
        return [(*key, *amounts) for key, amounts in self.sums[table].items()]

    def progress_rows(self) -> list[Row]:
        return [(stream_id, *moved) for stream_id, moved in self.progress.items()]
