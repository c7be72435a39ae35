"""What one entry adds, projection by projection."""

from collections.abc import Callable
from typing import Any

import pytest

from projections.apply import (
    MINUTE_US,
    Added,
    Amounts,
    Hall,
    Move,
    Order,
    Row,
    histories,
    line_lengths,
    moves,
    occupancy,
    revenue,
    sales,
)

AT = 7 * MINUTE_US + 12
HALL = Hall(
    {"A1": ("stalls", "front"), "A2": ("stalls", "front"), "C1": ("balcony", "back")},
    {"front": 500, "back": 200},
)
SEATED = Order(3, None, ["A1", "A2", "C1"], 1_200)
STANDING = Order(3, "front", [], 1_500)
WAITED = Order(2, None, [], 0)

Apply = Callable[[Move, Amounts], Added]
Happened = tuple[str, dict[str, Any], Order | None]


def added(applied: Apply, entry: Happened) -> list[tuple[Row, Row]]:
    """What an entry adds to a projection, row by row."""
    type_name, fields, order = entry
    found = [applied(*moved) for moved in moves(type_name, "event", AT, fields, order, HALL)]
    return [each for each in found if each is not None]


def told(entry: Happened) -> list[Row]:
    type_name, fields, order = entry
    return list(histories(9, type_name, "event", 3, AT, fields, order))


def booked(**fields: Any) -> Happened:
    defaults = {"quantity": 2, "category": "front", "seats": [], "amount_cents": 1_000}
    ids = {"booking_id": "booking", "user_id": "ada"}
    return "SeatsBooked", {**ids, **defaults, **fields}, None


def held(order: Order | None = None, **fields: Any) -> Happened:
    defaults = {"quantity": 2, "category": "front", "seats": [], "amount_cents": 1_000}
    ids = {"hold_id": "hold", "user_id": "ada", "waiting_id": "w" if order else None}
    return "SeatsHeld", {**ids, **defaults, **fields}, order


CONFIRMED: Happened = (
    "HoldConfirmed",
    {"hold_id": "hold", "booking_id": "booking", "user_id": "ada"},
    STANDING,
)
GIVEN: Happened = (
    "BookingTransferred",
    {"booking_id": "booking", "from_user_id": "ada", "to_user_id": "bob"},
    None,
)


def test_a_booking_is_sold_in_its_minute_and_category() -> None:
    assert added(sales, booked()) == [(("event", 7 * MINUTE_US, "front"), (2, 0, 1_000, 0))]
    assert added(revenue, booked()) == [(("event", "front"), (2, 0, 1_000, 0))]
    assert added(occupancy, booked()) == [(("event", ""), (0, 2, 0))]
    assert added(line_lengths, booked()) == []


def test_a_booking_without_a_category_is_of_none() -> None:
    entry = booked(category=None, amount_cents=0)
    assert added(revenue, entry) == [(("event", ""), (2, 0, 0, 0))]


def test_seats_are_counted_by_their_own_sections_categories_and_prices() -> None:
    entry = booked(quantity=3, category=None, seats=["A1", "C1", "A2"], amount_cents=1_200)
    assert added(revenue, entry) == [
        (("event", "front"), (2, 0, 1_000, 0)),
        (("event", "back"), (1, 0, 200, 0)),
    ]
    assert added(occupancy, entry) == [
        (("event", "stalls"), (0, 2, 0)),
        (("event", "balcony"), (0, 1, 0)),
    ]


@pytest.mark.parametrize(
    ("order", "tickets", "expected"),
    [
        (STANDING, [1, 2, 3], [(("event", "front"), (0, 3, 0, 1_500))]),
        (STANDING, [2], [(("event", "front"), (0, 1, 0, 500))]),
        (SEATED, [3], [(("event", "back"), (0, 1, 0, 200))]),
        (SEATED, [1, 2], [(("event", "front"), (0, 2, 0, 1_000))]),
    ],
)
def test_a_cancellation_gives_back_what_its_tickets_cost(
    order: Order, tickets: list[int], expected: object
) -> None:
    fields = {"booking_id": "b", "user_id": "ada", "quantity": len(tickets), "tickets": tickets}
    cancelled: Happened = ("BookingCancelled", fields, order)
    assert added(revenue, cancelled) == expected
    assert [amounts[1] for _, amounts in added(occupancy, cancelled)] == [-len(tickets)]


def test_a_hold_is_taken_but_sold_only_when_it_is_confirmed() -> None:
    assert (added(sales, held()), added(occupancy, held())) == ([], [(("event", ""), (0, 0, 2))])
    assert added(revenue, CONFIRMED) == [(("event", "front"), (3, 0, 1_500, 0))]
    assert added(occupancy, CONFIRMED) == [(("event", ""), (0, 3, -3))]


@pytest.mark.parametrize("type_name", ["HoldReleased", "HoldExpired"])
def test_a_hold_that_ends_gives_its_places_back(type_name: str) -> None:
    entry: Happened = (type_name, {"hold_id": "hold", "user_id": "ada"}, STANDING)
    assert (added(sales, entry), added(occupancy, entry)) == ([], [(("event", ""), (0, 0, -3))])


def test_an_offer_shortens_the_line_by_what_was_waited_for() -> None:
    wish = {"waiting_id": "w", "user_id": "ada", "quantity": 2, "category": None}
    assert added(line_lengths, ("WaitingListJoined", wish, None)) == [(("event", ""), (1, 2))]
    offer = held(WAITED, category=None, seats=["A1", "A2"])
    assert added(line_lengths, offer) == [(("event", ""), (-1, -2))]
    assert added(occupancy, offer) == [(("event", "stalls"), (0, 0, 2))]
    assert [row[5] for row in told(offer)] == ["offered"]
    left: Happened = ("WaitingListLeft", {"waiting_id": "w", "user_id": "ada"}, WAITED)
    assert added(line_lengths, left) == [(("event", ""), (-1, -2))]


def test_moves_alike_may_be_added_up_before_they_are_applied() -> None:
    ((move, (count, places, cents)),) = moves("SeatsBooked", "event", AT, booked()[1], None, HALL)
    for applied in (sales, revenue, occupancy):
        one = applied(move, (count, places, cents))
        three = applied(move, (3 * count, 3 * places, 3 * cents))
        assert one is not None
        assert three == (one[0], tuple(3 * amount for amount in one[1]))


def test_a_transfer_is_told_to_both_and_changes_no_figure() -> None:
    assert told(GIVEN) == [
        ("ada", 9, "event", 3, AT, "given", "booking", None),
        ("bob", 9, "event", 3, AT, "received", "booking", None),
    ]
    assert moves("BookingTransferred", "event", AT, GIVEN[1], None, HALL) == ()


def test_what_goes_on_with_an_order_is_told_with_its_quantity() -> None:
    assert told(CONFIRMED) == [("ada", 9, "event", 3, AT, "confirmed", "booking", 3)]
    assert told(booked()) == [("ada", 9, "event", 3, AT, "booked", "booking", 2)]


def test_the_seats_of_a_section_are_those_it_was_scheduled_with() -> None:
    rows = [
        {"section": "stalls", "row": "1", "category": None, "seats": ["A1", "A2"]},
        {"section": "balcony", "row": "2", "category": None, "seats": ["C1"]},
    ]
    scheduled: Happened = ("EventScheduled", {"capacity": 5, "seat_rows": rows}, None)
    assert added(occupancy, scheduled) == [
        (("event", "stalls"), (2, 0, 0)),
        (("event", "balcony"), (1, 0, 0)),
    ]
    assert (added(sales, scheduled), told(scheduled)) == ([], [])


def test_check_ins_change_no_figure() -> None:
    inside: Happened = ("TicketCheckedIn", {"booking_id": "b", "ticket": 1}, None)
    assert moves(inside[0], "event", AT, inside[1], None, HALL) == ()
    assert told(inside) == []


def test_an_entry_without_what_it_is_about_is_refused() -> None:
    with pytest.raises(KeyError):
        moves("HoldConfirmed", "event", AT, CONFIRMED[1], None, HALL)
    with pytest.raises(KeyError):
        added(sales, booked(seats=["nowhere"], quantity=1))
