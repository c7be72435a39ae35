"""Labelled seats: where they are, what they belong to, and which are the best side by side."""

from collections import Counter
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field

from ledger.records import SeatRow


@dataclass(slots=True)
class Layout:
    """An event's seats in rows, best row first, as the organizer listed them."""

    rows: tuple[SeatRow, ...]
    _category_of: dict[str, str | None] = field(init=False)

    def __post_init__(self) -> None:
        self._category_of = {seat: row.category for row in self.rows for seat in row.seats}

    def __contains__(self, seat: str) -> bool:
        return seat in self._category_of

    def has(self, seat: str, category: str | None) -> bool:
        """Whether there is such a seat, of ``category`` where that is not None."""
        return seat in self and category in {None, self._category_of[seat]}

    def __len__(self) -> int:
        return len(self._category_of)

    def categories_of(self, seats: Iterable[str]) -> dict[str | None, int]:
        """How many of ``seats`` are of each category."""
        return Counter(self._category_of[seat] for seat in seats)

    def rows_of(self, category: str | None) -> tuple[SeatRow, ...]:
        """The rows whose seats are of ``category``; all rows for None."""
        if category is None:
            return self.rows
        return tuple(row for row in self.rows if row.category == category)

    def count_free(self, category: str | None, taken: Container[str]) -> int:
        """How many seats of ``category``, or of all for None, are not taken."""
        return sum(seat not in taken for row in self.rows_of(category) for seat in row.seats)

    def best(
        self, category: str | None, taken: Container[str], quantity: int
    ) -> tuple[str, ...] | None:
        """The best ``quantity`` free seats side by side, None if no row has that many.

        The first row that has them wins, unless every choice in it leaves a single seat alone
        between taken ones or the aisle: then a later row without that is preferred. Within a row
        a gap that they fill goes before a longer one, which so stays whole for more people.
        """
        fallback: tuple[str, ...] | None = None
        for row in self.rows_of(category):
            runs = _free_runs(row.seats, taken)
            for run in sorted(runs, key=lambda run: len(run) != quantity):
                spare = len(run) - quantity
                if spare < 0:
                    continue
                if spare != 1:
                    return tuple(run[:quantity])
                fallback = fallback or tuple(run[:quantity])
        return fallback


def _free_runs(seats: Sequence[str], taken: Container[str]) -> list[list[str]]:
    runs: list[list[str]] = [[]]
    for seat in seats:
        if seat in taken:
            runs.append([])
        else:
            runs[-1].append(seat)
    return [run for run in runs if run]
