"""What each command does, what refuses it, and which refusal comes first."""

import pytest
from given import given
from samples import (
    ALICE,
    BOB,
    EVENT,
    NOW,
    book,
    booked,
    cancel,
    cancelled,
    granted,
    new_booking_id,
    resize,
    resized,
    schedule,
    scheduled,
)

from ledger.rejections import (
    BookingNotFound,
    CapacityAboveVenue,
    CapacityBelowSold,
    EventNotFound,
    LimitPerUser,
    SalesClosed,
    SoldOut,
)
from ledger.values import Instant

LATER = Instant(NOW + 1)
EARLIER = Instant(NOW - 1)


# Scheduling


def test_an_event_may_sell_all_of_its_venue() -> None:
    terms = {"capacity": 1_000, "venue_capacity": 1_000}
    given().when(schedule(**terms)).then(scheduled(**terms))  # type: ignore[arg-type]


def test_an_event_may_not_sell_one_place_more_than_its_venue_has() -> None:
    wish = schedule(capacity=1_001, venue_capacity=1_000)
    given().when(wish).then(CapacityAboveVenue(1_001, 1_000))


def test_an_event_keeps_the_terms_it_was_scheduled_with() -> None:
    terms = {"name": "Ödön", "sales_open_at": EARLIER, "sales_close_at": LATER, "limit_per_user": 4}
    given().when(schedule(**terms)).then(scheduled(**terms))  # type: ignore[arg-type]


# Booking


def test_a_booking_takes_the_places_asked_for() -> None:
    wish = book(3, user_id=BOB)
    given(scheduled()).when(wish).then(granted(wish))


@pytest.mark.parametrize("available", [1, 2, 7])
def test_the_last_places_can_be_booked_together(available: int) -> None:
    wish = book(available)
    history = given(scheduled(capacity=10), booked(10 - available))
    history.when(wish).then(granted(wish))


@pytest.mark.parametrize("available", [0, 1, 7])
def test_one_place_more_than_there_are_is_sold_out_and_takes_none(available: int) -> None:
    history = given(scheduled(capacity=8), booked(8 - available))
    history.when(book(available + 1)).then(SoldOut(available))


def test_an_event_without_places_is_sold_out_from_the_start() -> None:
    given(scheduled(capacity=0)).when(book()).then(SoldOut(0))


def test_cancelled_places_can_be_booked_again() -> None:
    first = booked(2)
    wish = book(2)
    history = given(scheduled(capacity=2), first, cancelled(first))
    history.when(wish).then(granted(wish))


def test_places_added_can_be_booked_and_no_more() -> None:
    history = given(scheduled(capacity=2), booked(2), resized(3))
    wish = book()
    history.when(wish).then(granted(wish))
    history.when(book(2)).then(SoldOut(1))


def test_places_taken_away_cannot_be_booked() -> None:
    given(scheduled(capacity=5), booked(2), resized(2)).when(book()).then(SoldOut(0))


# When sales are open


@pytest.mark.parametrize(
    ("opens_at", "closes_at"),
    [
        pytest.param(None, None, id="always"),
        pytest.param(NOW, None, id="from this instant on"),
        pytest.param(EARLIER, None, id="since a microsecond"),
        pytest.param(None, LATER, id="for a microsecond more"),
        pytest.param(NOW, LATER, id="for this microsecond only"),
    ],
)
def test_sales_are_open_from_the_opening_instant_up_to_the_closing(
    opens_at: Instant | None, closes_at: Instant | None
) -> None:
    wish = book()
    history = given(scheduled(sales_open_at=opens_at, sales_close_at=closes_at))
    history.when(wish).then(granted(wish))


@pytest.mark.parametrize(
    ("opens_at", "closes_at"),
    [
        pytest.param(LATER, None, id="a microsecond too early"),
        pytest.param(None, NOW, id="at the closing instant"),
        pytest.param(None, EARLIER, id="a microsecond after it"),
        pytest.param(NOW, NOW, id="never open"),
        pytest.param(LATER, EARLIER, id="closing before opening"),
    ],
)
def test_sales_are_closed_before_the_opening_instant_and_from_the_closing_on(
    opens_at: Instant | None, closes_at: Instant | None
) -> None:
    history = given(scheduled(sales_open_at=opens_at, sales_close_at=closes_at))
    history.when(book()).then(SalesClosed(opens_at, closes_at))


def test_time_alone_opens_and_closes_sales() -> None:
    history = given(scheduled(sales_open_at=NOW, sales_close_at=Instant(NOW + 2)))
    wish = book()
    history.at(NOW - 1).when(wish).then(SalesClosed(NOW, Instant(NOW + 2)))
    history.at(NOW).when(wish).then(granted(wish))
    history.at(NOW + 1).when(wish).then(granted(wish))
    history.at(NOW + 2).when(wish).then(SalesClosed(NOW, Instant(NOW + 2)))


# The limit per user


def test_a_user_may_book_up_to_the_limit_at_once() -> None:
    wish = book(4)
    given(scheduled(limit_per_user=4)).when(wish).then(granted(wish))


def test_a_user_may_book_up_to_the_limit_by_and_by() -> None:
    wish = book(1)
    history = given(scheduled(limit_per_user=4), booked(1), booked(2))
    history.when(wish).then(granted(wish))


def test_one_ticket_above_the_limit_is_refused() -> None:
    history = given(scheduled(limit_per_user=4), booked(3))
    history.when(book(2)).then(LimitPerUser(limit=4, already=3))


def test_the_tickets_of_others_do_not_count_towards_the_limit() -> None:
    wish = book(2, user_id=BOB)
    history = given(scheduled(limit_per_user=2), booked(2, user_id=ALICE))
    history.when(wish).then(granted(wish))


def test_cancelled_tickets_no_longer_count_towards_the_limit() -> None:
    first = booked(2)
    wish = book(2)
    history = given(scheduled(limit_per_user=2), first, cancelled(first))
    history.when(wish).then(granted(wish))


# Which refusal of a booking comes first


def test_an_unknown_event_is_refused_before_anything_else() -> None:
    given().when(book(10_000)).then(EventNotFound(EVENT))


def test_closed_sales_are_named_before_sold_out_and_the_limit() -> None:
    history = given(scheduled(capacity=1, limit_per_user=1, sales_close_at=NOW), booked(1))
    history.when(book(2)).then(SalesClosed(None, NOW))


def test_sold_out_is_named_before_the_limit() -> None:
    history = given(scheduled(capacity=1, limit_per_user=1), booked(1))
    history.when(book(1)).then(SoldOut(0))


# Cancelling


def test_cancelling_gives_back_what_was_booked() -> None:
    booking = booked(3, user_id=BOB)
    history = given(scheduled(), booking)
    history.when(cancel(booking.booking_id)).then(cancelled(booking))


def test_cancelling_twice_changes_nothing_more() -> None:
    booking = booked(3)
    history = given(scheduled(), booking, cancelled(booking))
    history.when(cancel(booking.booking_id)).then_nothing()


def test_a_booking_can_be_cancelled_after_sales_have_closed() -> None:
    booking = booked()
    history = given(scheduled(sales_close_at=NOW), booking).at(NOW + 1)
    history.when(cancel(booking.booking_id)).then(cancelled(booking))


def test_a_booking_that_was_never_made_cannot_be_cancelled() -> None:
    booking_id = new_booking_id()
    given(scheduled(), booked()).when(cancel(booking_id)).then(BookingNotFound(booking_id))


def test_nothing_can_be_cancelled_of_an_unknown_event() -> None:
    given().when(cancel(new_booking_id())).then(EventNotFound(EVENT))


# Changing the capacity


def test_the_capacity_may_go_down_to_exactly_what_is_taken() -> None:
    given(scheduled(capacity=9), booked(4)).when(resize(4)).then(resized(4))


def test_the_capacity_may_not_go_one_below_what_is_taken() -> None:
    history = given(scheduled(capacity=9), booked(4))
    history.when(resize(3)).then(CapacityBelowSold(capacity=3, booked=4, held=0))


def test_the_capacity_may_go_down_to_nothing_when_nothing_is_taken() -> None:
    booking = booked(4)
    given(scheduled(), booking, cancelled(booking)).when(resize(0)).then(resized(0))


def test_the_capacity_may_go_up_to_the_venue_and_no_further() -> None:
    history = given(scheduled(capacity=5, venue_capacity=8))
    history.when(resize(8)).then(resized(8))
    history.when(resize(9)).then(CapacityAboveVenue(9, 8))


def test_the_same_capacity_again_changes_nothing() -> None:
    given(scheduled(capacity=5)).when(resize(5)).then_nothing()
    given(scheduled(capacity=5), resized(6)).when(resize(6)).then_nothing()


def test_the_capacity_of_an_unknown_event_cannot_be_changed() -> None:
    given().when(resize(1)).then(EventNotFound(EVENT))
