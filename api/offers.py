"""What an event offers: categories, quotas and seats, from a body to the form commands take."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from api.bodies import EventIn, SeatRowIn
from api.problems import Problem
from ledger.records import Category, Quota, SeatRow
from ledger.values import SEATS_MAX


@dataclass(frozen=True, slots=True)
class Offer:
    """``capacity`` is None where the venue's is meant."""

    capacity: int | None
    categories: tuple[Category, ...]
    quotas: tuple[Quota, ...]
    seat_rows: tuple[SeatRow, ...]


def offer_of(event: EventIn) -> Offer:
    """The offer that a body makes; raises the `Problem` of one that contradicts itself."""
    names = [category.name for category in event.categories]
    _require(len(set(names)) == len(names), "categories", "two have the same name")
    quotas = tuple(Quota(each.name, each.capacity, tuple(each.categories)) for each in event.quotas)
    quota_names = [quota.name for quota in quotas]
    _require(len(set(quota_names)) == len(quotas), "quotas", "two have the same name")
    for quota in quotas:
        known = set(quota.categories) <= set(names)
        _require(known, "quotas", f"{quota.name} is of a category that is not there")
        _require(
            len(set(quota.categories)) == len(quota.categories),
            "quotas",
            f"{quota.name} names a category twice",
        )
    seat_rows = tuple(_rows(event.seats))
    for row in seat_rows:
        _require(
            row.category in names if names else row.category is None,
            "seats",
            "each row needs one of the event's categories, none where it has none",
        )
    seats = [seat for row in seat_rows for seat in row.seats]
    _require(len(set(seats)) == len(seats), "seats", "two have the same label")
    _require(len(seats) <= SEATS_MAX, "seats", f"there are more than {SEATS_MAX}")
    seats_of = Counter(row.category for row in seat_rows for _ in row.seats)
    all_have_seats = bool(seats) and set(names) <= seats_of.keys()
    if all_have_seats:
        fits = event.capacity is None or event.capacity <= len(seats)
        _require(fits, "capacity", f"there are only {len(seats)} seats")
    capacity = event.capacity or (len(seats) if all_have_seats else None)
    categories = tuple(
        Category(each.name, each.price_cents, _bounded(each.capacity, seats_of[each.name]))
        for each in event.categories
    )
    return Offer(capacity, categories, quotas, seat_rows)


def _bounded(capacity: int | None, seats: int) -> int | None:
    """A category's capacity: where it has seats, no more than those."""
    if not seats:
        return capacity
    return seats if capacity is None else min(capacity, seats)


def _rows(seats: list[SeatRowIn] | list[str]) -> Iterable[SeatRow]:
    labels = [seat for seat in seats if isinstance(seat, str)]
    if labels:
        yield SeatRow("", "", None, tuple(labels))
    for row in seats:
        if isinstance(row, SeatRowIn):
            own = (
                [str(n) for n in range(1, row.seats + 1)]
                if isinstance(row.seats, int)
                else row.seats
            )
            place = [part for part in (row.section, row.row) if part]
            yield SeatRow(
                row.section,
                row.row,
                row.category,
                tuple("-".join([*place, label]) for label in own),
            )


def _require(holds: bool, field: str, why: str) -> None:
    if not holds:
        raise Problem(
            "validation", f"body.{field}: {why}", errors=[{"at": ["body", field], "why": why}]
        )
