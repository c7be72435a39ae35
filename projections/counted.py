"""Entries added up: what becomes of each projection's rows, however many entries it takes."""

from collections.abc import Callable
from operator import add
from typing import Final

from projections import apply
from projections.apply import Added, Amounts, Fields, Hall, Move, Order, Row

_SUMMED: Final[dict[str, Callable[[Move, Amounts], Added]]] = {
    "sales": apply.sales,
    "revenue": apply.revenue,
    "occupancy": apply.occupancy,
    "line_lengths": apply.line_lengths,
}


class Counted:
    """What the entries added so far come to."""

    def __init__(self) -> None:
        self.told: list[Row] = []
        """Rows of histories."""
        self._moved: dict[Move, Amounts] = {}
        self._reached: dict[str, tuple[int, int]] = {}
        self._capacities: dict[str, int] = {}

    def add(
        self,
        seq: int,
        type_name: str,
        stream_id: str,
        version: int,
        at: int,
        fields: Fields,
        order: Order | None,
        hall: Hall,
    ) -> None:
        """Add an entry that follows those of its stream; see `apply.moves` and its errors."""
        moved = self._moved
        for move, amounts in apply.moves(type_name, stream_id, at, fields, order, hall):
            before = moved.get(move)
            if before is not None:
                amounts = (
                    before[0] + amounts[0],
                    before[1] + amounts[1],
                    before[2] + amounts[2],
                )
            moved[move] = amounts
        self.told += apply.histories(seq, type_name, stream_id, version, at, fields, order)
        self._reached[stream_id] = (version, at)
        if "capacity" in fields:
            self._capacities[stream_id] = fields["capacity"]

    def sums(self) -> dict[str, list[Row]]:
        """What is to be added to which rows, by table: keys and amounts."""
        by_table = {}
        for table, applied in _SUMMED.items():
            rows: dict[Row, Row] = {}
            for moved in self._moved.items():
                added = applied(*moved)
                if added is not None:
                    key, amounts = added
                    before = rows.get(key)
                    rows[key] = amounts if before is None else tuple(map(add, before, amounts))
            by_table[table] = [(*key, *amounts) for key, amounts in rows.items()]
        return by_table

    def reached(self) -> list[Row]:
        """Events, with their last version, the time of that, and the capacity if it changed."""
        return [
            (stream_id, version, at, self._capacities.get(stream_id))
            for stream_id, (version, at) in self._reached.items()
        ]
