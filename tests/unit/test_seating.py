"""Labelled seats: the best ones side by side, named ones, and one live claim to each."""

from typing import Any

import pytest
from hypothesis import given as for_any
from hypothesis import strategies as st
from samples import ALICE, BOB
from story import given
from wishes import (
    EXPIRY,
    book,
    booking_id,
    cancel,
    category,
    confirm,
    hold,
    hold_id,
    release,
    schedule,
    seated,
)

from ledger.commands import Command, ScheduleEvent
from ledger.entries import HoldExpired, SeatsBooked, SeatsHeld
from ledger.records import SeatRow
from ledger.rejections import (
    CategoryNotFound,
    LimitPerUser,
    NotAdjacent,
    SeatNotFound,
    SeatTaken,
    SoldOut,
)
from ledger.seating import Layout


def seats(labels: str) -> tuple[str, ...]:
    return tuple(labels.split())


def layout(*rows: str) -> Layout:
    return Layout(tuple(SeatRow("", str(n), None, seats(row)) for n, row in enumerate(rows)))


def best(rows: list[str], taken: str, quantity: int) -> str | None:
    found = layout(*rows).best(None, frozenset(taken.split()), quantity)
    return None if found is None else " ".join(found)


# The best ones side by side


@pytest.mark.parametrize(
    ("taken", "quantity", "expected"),
    [
        pytest.param("", 1, "a", id="the first seat"),
        pytest.param("", 3, "a b c", id="the first seats"),
        pytest.param("", 6, "a b c d e f", id="the whole row"),
        pytest.param("", 7, None, id="no row is that long"),
        pytest.param("a", 2, "b c", id="the first that are free"),
        pytest.param("c", 3, "d e f", id="not on both sides of a taken one"),
        pytest.param("b", 3, "c d e", id="not in a gap that is too short"),
        pytest.param("c", 4, None, id="no four are side by side"),
        pytest.param("a b c d e f", 1, None, id="none is free"),
    ],
)
def test_the_first_free_seats_side_by_side_are_the_best(
    taken: str, quantity: int, expected: str | None
) -> None:
    assert best(["a b c d e f"], taken, quantity) == expected


@pytest.mark.parametrize(
    ("taken", "quantity", "expected"),
    [
        pytest.param("e", 2, "f g", id="a gap of two before one of four"),
        pytest.param("e", 4, "a b c d", id="the gap of four for four"),
        pytest.param("b", 1, "a", id="a gap of one for one"),
        pytest.param("d", 2, "a b", id="of two gaps of three none fits: both leave one alone"),
        pytest.param("b d", 1, "a", id="of two gaps that fit the first"),
    ],
)
def test_within_a_row_a_gap_that_they_fill_goes_before_a_longer_one(
    taken: str, quantity: int, expected: str
) -> None:
    assert best(["a b c d e f g"], taken, quantity) == expected


def test_no_seat_is_left_alone_while_a_longer_gap_of_the_row_avoids_it() -> None:
    assert best(["a b c X d e f g"], "X", 2) == "d e"


def test_no_seat_is_left_alone_while_a_later_row_avoids_it() -> None:
    assert best(["a b c", "d e f g", "h i"], "", 2) == "d e"


def test_a_better_row_goes_before_an_exact_fit_in_a_later_one() -> None:
    assert best(["a b c d", "e f"], "", 2) == "a b"


def test_a_seat_is_left_alone_where_nothing_else_is_left() -> None:
    assert best(["a b", "c d e", "f g h"], "a b", 2) == "c d"


def test_seats_of_two_rows_are_not_side_by_side() -> None:
    assert best(["a b", "c d"], "", 3) is None


ROWS = ["a b c d e f g", "h i j k", "l m n"]


@for_any(st.sets(st.sampled_from(" ".join(ROWS).split())), st.integers(1, 8))
def test_of_all_choices_the_best_is_the_first_that_leaves_no_seat_alone(
    taken: set[str], quantity: int
) -> None:
    """Held against trying every place in every row."""
    choices = []
    for number, row in enumerate(map(str.split, ROWS)):
        for start in range(len(row) - quantity + 1):
            chosen = row[start : start + quantity]
            if taken & set(chosen):
                continue
            before = "".join("x" if seat in taken else "." for seat in row[:start]).split("x")[-1]
            after = "".join("x" if seat in taken else "." for seat in row[start + quantity :])
            left = (len(before), len(after.split("x")[0]))
            choices.append((1 in left, number, left != (0, 0), start, " ".join(chosen)))
    expected = min(choices)[-1] if choices else None
    assert best(ROWS, " ".join(taken), quantity) == expected


# What a layout knows


def test_a_layout_knows_its_seats() -> None:
    assert len(layout("a b", "c")) == 3
    assert "c" in layout("a b", "c")
    assert "d" not in layout("a b", "c")


def test_free_seats_are_counted_by_category_or_in_all() -> None:
    front, back = SeatRow("", "1", "front", ("a", "b")), SeatRow("", "2", "back", ("c", "d"))
    both = Layout((front, back))
    assert both.count_free("front", {"a", "c"}) == 1
    assert both.count_free(None, {"a", "c"}) == 2
    assert both.count_free("front", {"c"}) == 2


def test_rows_are_of_the_category_asked_for_or_all() -> None:
    front, back = SeatRow("", "1", "front", ("a",)), SeatRow("", "2", "back", ("b",))
    both = Layout((front, back))
    assert both.rows_of("back") == (back,)
    assert both.rows_of(None) == (front, back)
    assert both.best("back", (), 1) == ("b",)
    assert both.categories_of(("a", "b")) == {"front": 1, "back": 1}


# Booking and holding them


def booked_seats(labels: str, *, booking: int = 1, amount_cents: int = 0) -> SeatsBooked:
    named = seats(labels)
    return SeatsBooked(booking_id(booking), ALICE, len(named), None, named, amount_cents)


def test_named_seats_are_booked_as_named() -> None:
    given(seated("A1 A2 A3")).when(book(seats="A3 A1")).then(booked_seats("A3 A1"))


def test_seats_not_named_are_the_best_ones() -> None:
    given(seated("A1 A2 A3", "B1 B2")).when(book(3)).then(booked_seats("A1 A2 A3"))


def test_named_seats_are_held_as_named() -> None:
    given(seated("A1 A2")).when(hold(seats="A2")).then(
        SeatsHeld(hold_id(1), ALICE, 1, None, ("A2",), 0, EXPIRY, None)
    )


def test_the_best_seats_can_be_held() -> None:
    story = given(seated("A1 A2 A3"), book(seats="A1"))
    story.when(hold(2)).then(SeatsHeld(hold_id(1), ALICE, 2, None, ("A2", "A3"), 0, EXPIRY, None))


@pytest.mark.parametrize(
    "ask",
    [book(seats="A1 A2 A3", user=BOB, booking=2), hold(seats="A1 A2 A3", user=BOB, hold=2)],
    ids=["book", "hold"],
)
@pytest.mark.parametrize("claim", [book(seats="A2"), hold(seats="A2")], ids=["booked", "held"])
def test_of_named_seats_one_that_is_taken_refuses_all(ask: Command, claim: Command) -> None:
    story = given(seated("A1 A2 A3"), claim)
    story.when(ask).then(SeatTaken("A2"))
    assert story.state.booked + story.state.held == 1


def test_a_seat_that_is_not_there_cannot_be_had() -> None:
    given(seated("A1 A2")).when(book(seats="A1 Z9")).then(SeatNotFound("Z9"))


def test_where_there_are_no_seats_none_can_be_named() -> None:
    given(schedule()).when(book(seats="A1")).then(SeatNotFound("A1"))


def test_of_several_named_seats_the_first_that_cannot_be_had_is_told() -> None:
    story = given(seated("A1 A2 A3"), book(seats="A2 A3"))
    story.when(book(seats="A3 A2 Z9", booking=2)).then(SeatTaken("A3"))
    story.when(book(seats="Z9 A3", booking=2)).then(SeatNotFound("Z9"))


def test_a_taken_seat_is_told_before_sold_out() -> None:
    story = given(seated("A1 A2", capacity=1), book(seats="A1"))
    story.when(book(seats="A1 A2", booking=2)).then(SeatTaken("A1"))
    story.when(book(seats="A2", booking=2)).then(SoldOut(0))


def test_enough_seats_that_are_not_side_by_side_are_not_sold_out() -> None:
    story = given(seated("A1 A2 A3"), book(seats="A2"))
    story.when(book(2, booking=2)).then(NotAdjacent(2))


def test_fewer_seats_than_asked_for_are_sold_out_though_the_event_has_places() -> None:
    mixed = seated("A1 A2", capacity=10)  # eight more places have no seats
    story = given(mixed, book(seats="A1"))
    story.when(book(2, booking=2)).then(SoldOut(1, None))


def test_a_seat_given_back_can_be_had_again_by_the_same_user() -> None:
    story = given(seated("A1"), book(seats="A1"), cancel())
    story.when(book(seats="A1", booking=2)).then(booked_seats("A1", booking=2))


def test_a_seat_of_a_released_hold_can_be_had_again() -> None:
    story = given(seated("A1"), hold(seats="A1", user=BOB), release())
    story.when(book(seats="A1")).then(booked_seats("A1"))


def test_a_seat_of_an_expired_hold_can_be_had_at_the_instant_of_expiry_and_not_before() -> None:
    story = given(seated("A1"), hold(seats="A1", user=BOB))
    story.at(EXPIRY - 1).when(book(seats="A1")).then(SeatTaken("A1"))
    story.at(EXPIRY).when(book(seats="A1")).then(
        HoldExpired(hold_id(1), BOB, 1, EXPIRY), booked_seats("A1")
    )


def test_confirming_a_hold_keeps_its_seats_taken() -> None:
    story = given(seated("A1 A2"), hold(seats="A1 A2"), confirm(booking=1))
    assert story.state.bookings[booking_id(1)].seats == ("A1", "A2")
    assert story.state.claims == {"A1": booking_id(1), "A2": booking_id(1)}
    story.when(book(seats="A2", booking=2)).then(SeatTaken("A2"))


def test_a_cancelled_ticket_gives_back_its_own_seat_and_no_other() -> None:
    story = given(seated("A1 A2 A3"), book(seats="A1 A2 A3"), cancel(tickets=(2,)))
    assert story.state.claims == {"A1": booking_id(1), "A3": booking_id(1)}
    story.when(book(seats="A2", booking=2)).then(booked_seats("A2", booking=2))


def test_the_limit_counts_seats() -> None:
    story = given(seated("A1 A2 A3", limit_per_user=2))
    story.when(book(seats="A1 A2 A3")).then(LimitPerUser(2, 0))


# Seats of categories


def two_prices(**terms: Any) -> ScheduleEvent:
    priced = (category("front", price_cents=900), category("back", price_cents=400))
    return seated("A1 A2", "B1 B2", of=("front", "back"), categories=priced, **terms)


def test_the_best_seats_of_a_category_are_chosen_among_its_own() -> None:
    given(two_prices()).when(book(2, category="back")).then(
        SeatsBooked(booking_id(1), ALICE, 2, "back", ("B1", "B2"), 800)
    )


def test_named_seats_are_paid_by_the_category_of_each() -> None:
    given(two_prices()).when(book(seats="A2 B1")).then(
        SeatsBooked(booking_id(1), ALICE, 2, None, ("A2", "B1"), 1_300)
    )


def test_named_seats_count_towards_the_capacity_of_their_category() -> None:
    story = given(two_prices(), book(seats="A1 B1"))
    assert story.state.taken_by_category == {"front": 1, "back": 1}


def test_a_cancelled_seat_frees_a_place_of_its_own_category() -> None:
    story = given(two_prices(), book(seats="A1 B1 B2"), cancel(tickets=(2,)))
    assert story.state.taken_by_category == {"front": 1, "back": 1}
    assert story.state.bookings[booking_id(1)].amount_cents == 1_700


def test_the_best_seats_are_not_chosen_across_categories() -> None:
    given(two_prices()).when(book(2)).then(CategoryNotFound(None))


def test_a_category_whose_seats_are_gone_leaves_the_other_sellable() -> None:
    story = given(two_prices(), book(2, category="front"))
    story.when(book(category="front", booking=2)).then(SoldOut(0, "front"))
    story.when(book(category="back", booking=2)).then(
        SeatsBooked(booking_id(2), ALICE, 1, "back", ("B1",), 400)
    )


def test_places_of_a_category_without_seats_are_sold_by_number_beside_the_seats() -> None:
    mixed = seated(
        "A1 A2",
        of=("front",),
        capacity=5,
        categories=(category("front", price_cents=900), category("standing", price_cents=400)),
    )
    story = given(mixed)
    story.when(book(3, category="standing")).then(
        SeatsBooked(booking_id(1), ALICE, 3, "standing", (), 1_200)
    )
    story.when(book(2, category="front", booking=2)).then(
        SeatsBooked(booking_id(2), ALICE, 2, "front", ("A1", "A2"), 1_800)
    )


def test_a_named_seat_must_be_of_the_category_named_with_it() -> None:
    story = given(two_prices())
    story.when(book(seats="A1", category="front")).then(
        SeatsBooked(booking_id(1), ALICE, 1, "front", ("A1",), 900)
    )
    story.when(book(seats="B1 A2", category="back", booking=2)).then(SeatNotFound("A2"))
