"""What one entry adds, projection by projection."""

from typing import Any

import pytest

from projections.apply import (
    MINUTE_US,
    Hall,
    Happened,
    Order,
    happened,
    histories,
    line_lengths,
    occupancy,
    progress,
    revenue,
    sales,
)

AT = 7 * MINUTE_US + 12
HALL = Hall(
    {"A1": ("stalls", "front"), "A2": ("stalls", "front"), "C1": ("balcony", "back")},
    {"front": 500, "back": 200},
)


def entry(type_name: str, order: Order | None = None, **fields: Any) -> Happened:
    return happened(9, "event", 3, AT, type_name, fields, order, HALL)


def booked(**fields: Any) -> Happened:
    defaults = {"quantity": 2, "category": "front", "seats": [], "amount_cents": 1_000}
    return entry("SeatsBooked", booking_id="booking", user_id="ada", **{**defaults, **fields})


SEATED = Order(3, None, ["A1", "A2", "C1"], 1_200)
STANDING = Order(3, "front", [], 1_500)


def test_a_booking_is_sold_in_its_minute_and_category() -> None:
    assert sales(booked()) == [(("event", 7 * MINUTE_US, "front"), (2, 0, 1_000, 0))]
    assert revenue(booked()) == [(("event", "front"), (2, 0, 1_000, 0))]
    assert occupancy(booked()) == [(("event", ""), (0, 2, 0))]


def test_a_booking_without_a_category_is_of_none() -> None:
    assert revenue(booked(category=None, amount_cents=0)) == [(("event", ""), (2, 0, 0, 0))]


def test_seats_are_counted_by_their_own_sections_categories_and_prices() -> None:
    entry = booked(quantity=3, category=None, seats=["A1", "C1", "A2"], amount_cents=1_200)
    assert revenue(entry) == [
        (("event", "front"), (2, 0, 1_000, 0)),
        (("event", "back"), (1, 0, 200, 0)),
    ]
    assert occupancy(entry) == [
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
    cancelled = entry(
        "BookingCancelled",
        order,
        booking_id="b",
        user_id="ada",
        quantity=len(tickets),
        tickets=tickets,
    )
    assert revenue(cancelled) == expected
    assert sum(amounts[1] for _, amounts in occupancy(cancelled)) == -len(tickets)


def test_a_hold_is_taken_but_sold_only_when_it_is_confirmed() -> None:
    held = entry(
        "SeatsHeld",
        hold_id="h",
        user_id="ada",
        quantity=3,
        category="front",
        seats=[],
        amount_cents=1_500,
        waiting_id=None,
    )
    assert (sales(held), occupancy(held)) == ([], [(("event", ""), (0, 0, 3))])
    confirmed = entry("HoldConfirmed", STANDING, hold_id="h", booking_id="b", user_id="ada")
    assert revenue(confirmed) == [(("event", "front"), (3, 0, 1_500, 0))]
    assert occupancy(confirmed) == [(("event", ""), (0, 3, -3))]
    for ended in ("HoldReleased", "HoldExpired"):
        over = entry(ended, STANDING, hold_id="h", user_id="ada")
        assert (revenue(over), occupancy(over)) == ([], [(("event", ""), (0, 0, -3))])


def test_an_offer_shortens_the_line_by_what_was_waited_for() -> None:
    joined = entry("WaitingListJoined", waiting_id="w", user_id="ada", quantity=2, category=None)
    assert line_lengths(joined) == [(("event", ""), (1, 2))]
    waited = Order(2, None, [], 0)
    offered = entry(
        "SeatsHeld",
        waited,
        hold_id="h",
        user_id="ada",
        quantity=2,
        category=None,
        seats=["A1", "A2"],
        amount_cents=1_000,
        waiting_id="w",
    )
    assert line_lengths(offered) == [(("event", ""), (-1, -2))]
    assert occupancy(offered) == [(("event", "stalls"), (0, 0, 2))]
    left = entry("WaitingListLeft", waited, waiting_id="w", user_id="ada")
    assert line_lengths(left) == [(("event", ""), (-1, -2))]
    assert [row[5] for row in histories(offered)] == ["offered"]


def test_a_transfer_is_told_to_both() -> None:
    given = entry("BookingTransferred", booking_id="b", from_user_id="ada", to_user_id="bob")
    assert histories(given) == (
        ("ada", 9, "event", 3, AT, "given", "b", None),
        ("bob", 9, "event", 3, AT, "received", "b", None),
    )
    assert (sales(given), occupancy(given), line_lengths(given)) == ([], (), ())


def test_what_goes_on_with_an_order_is_told_with_its_quantity() -> None:
    confirmed = entry("HoldConfirmed", STANDING, hold_id="h", booking_id="b", user_id="ada")
    assert histories(confirmed) == (("ada", 9, "event", 3, AT, "confirmed", "b", 3),)
    assert histories(booked()) == (("ada", 9, "event", 3, AT, "booked", "booking", 2),)


def test_the_seats_of_a_section_are_those_it_was_scheduled_with() -> None:
    rows = [
        {"section": "stalls", "row": "1", "category": None, "seats": ["A1", "A2"]},
        {"section": "stalls", "row": "2", "category": None, "seats": ["B1"]},
    ]
    scheduled = entry("EventScheduled", capacity=5, seat_rows=rows)
    assert occupancy(scheduled) == [
        (("event", "stalls"), (2, 0, 0)),
        (("event", "stalls"), (1, 0, 0)),
    ]
    assert progress(scheduled) == ("event", 3, AT, 5)
    assert progress(booked()) == ("event", 3, AT, None)


def test_check_ins_change_no_figure() -> None:
    inside = entry("TicketCheckedIn", booking_id="b", ticket=1)
    for applied in (sales, revenue, occupancy, line_lengths, histories):
        assert list(applied(inside)) == []
