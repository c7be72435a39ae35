"""Categories, quotas, limits, sale windows and capacities: what an event sells, to whom, when."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from samples import ALICE, BOB, EVENT, NOW, SECOND
from story import CAROL, Story, given
from wishes import (
    EXPIRY,
    book,
    booking_id,
    call_off,
    cancel,
    category,
    close_sales,
    confirm,
    event_id,
    hold,
    hold_id,
    join,
    open_sales,
    quota,
    release,
    resize,
    schedule,
    seated,
    submission,
    tidy,
    transfer,
    waiting_id,
)

from api.times import instant_of
from ledger.commands import Command, ScheduleEvent
from ledger.entries import (
    CapacityChanged,
    EventCancelled,
    EventClosed,
    EventOpened,
    EventScheduled,
    SeatsBooked,
    SeatsHeld,
    WaitingListJoined,
)
from ledger.records import EventStatus, SeatRow
from ledger.rejections import (
    CapacityAboveVenue,
    CapacityBelowSold,
    CategoryNotFound,
    EventIsCancelled,
    EventNotFound,
    LimitPerOrder,
    LimitPerUser,
    SalesClosed,
    SoldOut,
)
from ledger.values import Instant


def booked(
    quantity: int, name: str | None = None, *, booking: int = 1, cents: int = 0
) -> SeatsBooked:
    return SeatsBooked(booking_id(booking), ALICE, quantity, name, (), cents)


# Scheduling


def test_an_event_is_scheduled_with_all_its_terms() -> None:
    wish = schedule(
        venue_capacity=20,
        capacity=20,
        name="Ödön",
        sales_open_at=NOW,
        sales_close_at=EXPIRY,
        limit_per_user=4,
        limit_per_order=3,
        hold_seconds=90,
        categories=(category("full", 12, 2_500), category("reduced", None, 1_500)),
        quotas=(quota("all", 15, "full", "reduced"),),
        seat_rows=(SeatRow("A", "1", "full", ("A-1-1", "A-1-2")),),
    )
    story = given()
    story.when(wish).then(
        EventScheduled(
            venue_id=wish.venue_id,
            venue_capacity=20,
            name="Ödön",
            starts_at=wish.starts_at,
            capacity=20,
            sales_open_at=NOW,
            sales_close_at=EXPIRY,
            limit_per_user=4,
            limit_per_order=3,
            hold_seconds=90,
            categories=wish.categories,
            quotas=wish.quotas,
            seat_rows=wish.seat_rows,
        )
    )
    terms = story.stream().terms
    assert (terms.capacity, terms.seat_count, terms.status) == (20, 2, EventStatus.OPEN)
    assert (terms.limit_per_order, terms.hold_seconds, terms.name) == (3, 90, "Ödön")
    assert (terms.categories, terms.quotas) == (wish.categories, wish.quotas)
    assert (terms.venue_id, terms.venue_capacity) == (wish.venue_id, 20)
    assert (terms.starts_at, terms.limit_per_user) == (wish.starts_at, 4)
    assert (terms.sales_open_at, terms.sales_close_at) == (NOW, EXPIRY)


def test_an_event_may_sell_all_of_its_venue_and_no_place_more() -> None:
    story = given()
    story.when(schedule(capacity=1_001, venue_capacity=1_000)).then(
        CapacityAboveVenue(1_001, 1_000)
    )
    assert story.when(schedule(capacity=1_000, venue_capacity=1_000)).done


def test_an_event_without_labelled_seats_has_no_layout() -> None:
    assert given(schedule()).state.layout is None


# Categories and quotas


def two_prices(**terms: Any) -> ScheduleEvent:
    categories = (category("full", 3, 2_500), category("reduced", 2, 1_500))
    return schedule(**{"capacity": 10, "categories": categories, **terms})


def test_each_category_has_its_own_price() -> None:
    story = given(two_prices())
    story.when(book(2, category="full")).then(booked(2, "full", cents=5_000))
    story.when(book(2, category="reduced", booking=2)).then(
        booked(2, "reduced", booking=2, cents=3_000)
    )


def test_a_hold_keeps_its_category_and_price() -> None:
    story = given(two_prices())
    story.when(hold(2, category="reduced")).then(
        SeatsHeld(hold_id(1), ALICE, 2, "reduced", (), 3_000, EXPIRY, None)
    )
    story.when(confirm())
    booking = story.state.bookings[booking_id(1)]
    assert (booking.category, booking.amount_cents) == ("reduced", 3_000)
    assert story.state.taken_by_category == {"reduced": 2}


def test_an_exhausted_category_leaves_the_others_sellable() -> None:
    story = given(two_prices(), book(2, category="reduced"))
    story.when(book(category="reduced", booking=2)).then(SoldOut(0, "reduced"))
    story.when(book(3, category="full", booking=3)).then(booked(3, "full", booking=3, cents=7_500))


def test_a_category_is_sold_to_its_last_place_and_not_beyond() -> None:
    story = given(two_prices(), book(category="full"))
    story.when(book(3, category="full", booking=2)).then(SoldOut(2, "full"))
    story.when(book(2, category="full", booking=2)).then(booked(2, "full", booking=2, cents=5_000))


def test_held_places_count_against_their_category() -> None:
    story = given(two_prices(), hold(2, category="reduced"))
    story.when(book(category="reduced")).then(SoldOut(0, "reduced"))


@pytest.mark.parametrize(
    ("taken", "given_back"),
    [
        pytest.param(hold(2, category="reduced"), release(), id="released"),
        pytest.param(book(2, category="reduced"), cancel(), id="cancelled"),
        pytest.param(hold(2, category="reduced"), tidy(), id="expired"),
    ],
)
def test_what_is_given_back_can_be_had_of_its_category_again(
    taken: Command, given_back: Command
) -> None:
    story = given(two_prices(), taken).at(EXPIRY)
    assert story.when(given_back).appended
    assert story.state.taken_by_category == {"reduced": 0}
    story.when(book(2, category="reduced", booking=2)).then(
        booked(2, "reduced", booking=2, cents=3_000)
    )


def test_cancelling_some_tickets_frees_as_many_of_the_category() -> None:
    story = given(two_prices(), book(3, category="full"), cancel(quantity=1))
    assert story.state.taken_by_category == {"full": 2}
    story.when(book(2, category="full", booking=2)).then(SoldOut(1, "full"))


def test_where_there_are_several_categories_one_must_be_named() -> None:
    story = given(two_prices())
    story.when(book()).then(CategoryNotFound(None))
    story.when(hold()).then(CategoryNotFound(None))
    story.when(book(category="")).then(CategoryNotFound(""))


def test_a_category_that_is_not_there_cannot_be_had() -> None:
    given(two_prices()).when(book(category="free")).then(CategoryNotFound("free"))
    given(schedule()).when(book(category="full")).then(CategoryNotFound("full"))


def test_the_only_category_need_not_be_named() -> None:
    only = schedule(categories=(category("full", 3, 2_500),))
    given(only).when(book(2)).then(booked(2, "full", cents=5_000))
    given(only).when(book(4)).then(SoldOut(3, "full"))


def test_a_category_without_capacity_is_bounded_by_the_event() -> None:
    story = given(schedule(capacity=4, categories=(category("full"), category("reduced"))))
    story.when(book(5, category="full")).then(SoldOut(4))
    story.when(book(4, category="full")).then(booked(4, "full", cents=400))


def test_the_events_capacity_bounds_its_categories_together() -> None:
    story = given(two_prices(capacity=4), book(3, category="full"))
    story.when(book(2, category="reduced", booking=2)).then(SoldOut(1))


def standing(**terms: Any) -> ScheduleEvent:
    """Of 5 standing places at most 2 reduced or free ones, and at most 1 free."""
    return schedule(
        **{
            "capacity": 10,
            "categories": (
                category("full", None, 300),
                category("reduced", None, 200),
                category("free", 1, 0),
            ),
            "quotas": (
                quota("standing", 5, "full", "reduced", "free"),
                quota("cheap", 2, "reduced", "free"),
            ),
            **terms,
        }
    )


def test_a_quota_is_shared_by_its_categories() -> None:
    story = given(standing(), book(category="reduced"), book(category="free", booking=2))
    story.when(book(category="reduced", booking=3)).then(SoldOut(0, "cheap"))
    story.when(book(4, category="full", booking=3)).then(SoldOut(3, "standing"))
    story.when(book(3, category="full", booking=3)).then(booked(3, "full", booking=3, cents=900))


def test_a_category_has_its_own_capacity_within_a_quota() -> None:
    given(standing()).when(book(2, category="free")).then(SoldOut(1, "free"))


def test_a_quota_is_taken_to_its_last_place() -> None:
    given(standing()).when(book(2, category="reduced")).then(booked(2, "reduced", cents=400))
    given(standing()).when(book(3, category="reduced")).then(SoldOut(2, "cheap"))


def test_held_places_count_against_a_quota_until_they_are_given_back() -> None:
    story = given(standing(), hold(2, category="reduced"))
    story.when(book(category="free")).then(SoldOut(0, "cheap"))
    story.when(release())
    story.when(book(category="free")).then(booked(1, "free"))


def test_named_seats_of_two_categories_count_against_what_both_share() -> None:
    priced = (category("front", None, 900), category("back", None, 400))
    wish = seated(
        "A1 A2",
        "B1 B2",
        of=("front", "back"),
        categories=priced,
        quotas=(quota("first", 2, "front", "back"),),
    )
    given(wish).when(book(seats="A1 A2 B1")).then(SoldOut(2, "first"))


# Limits per user and per order


def test_an_order_may_have_as_many_as_its_limit_and_no_more() -> None:
    story = given(schedule(limit_per_order=3))
    story.when(book(4)).then(LimitPerOrder(3))
    story.when(hold(4)).then(LimitPerOrder(3))
    story.when(book(3)).then(booked(3))
    story.when(book(3, booking=2)).then(booked(3, booking=2))


def test_the_limit_per_order_is_told_before_sold_out() -> None:
    given(schedule(capacity=1, limit_per_order=3)).when(book(4)).then(LimitPerOrder(3))


def test_bookings_and_holds_count_together_towards_the_limit_per_user() -> None:
    story = given(schedule(limit_per_user=4), book(1), hold(2))
    story.when(book(2, booking=2)).then(LimitPerUser(4, 3))
    story.when(hold(2, hold=2)).then(LimitPerUser(4, 3))
    story.when(hold(1, hold=2)).then(SeatsHeld(hold_id(2), ALICE, 1, None, (), 0, EXPIRY, None))
    story.when(book(booking=2)).then(LimitPerUser(4, 4))


def test_confirming_a_hold_counts_its_tickets_once() -> None:
    story = given(schedule(limit_per_user=4), hold(3), confirm())
    story.when(book(2, booking=2)).then(LimitPerUser(4, 3))
    story.when(book(1, booking=2)).then(booked(1, booking=2))


def test_tickets_cancelled_or_given_away_no_longer_count() -> None:
    story = given(schedule(limit_per_user=4), book(4), cancel(quantity=1))
    story.when(book(2, booking=2)).then(LimitPerUser(4, 3))
    story.when(transfer(to=BOB))
    story.when(book(4, booking=2)).then(booked(4, booking=2))


def test_the_limit_is_per_user() -> None:
    story = given(schedule(limit_per_user=4), book(4))
    assert story.when(book(4, user=BOB, booking=2)).appended


def test_the_limit_is_per_event() -> None:
    story = given(schedule(limit_per_user=1), schedule(event_id(2), limit_per_user=1), book())
    assert story.when(book(booking=2, event=event_id(2))).appended


def test_twenty_tickets_asked_for_in_one_batch_stay_within_the_limit() -> None:
    story = given(schedule(limit_per_user=4, capacity=100))
    wishes: list[Command] = [book(booking=n) if n % 2 else hold(hold=n) for n in range(20)]
    told = story.batch(*map(submission, wishes))
    assert len(told.appended) == 4
    assert story.state.tickets_by_user == {ALICE: 4}


# When sales are open


def test_a_second_before_opening_sales_are_closed() -> None:
    opens = Instant(NOW + 10 * SECOND)
    story = given(schedule(sales_open_at=opens))
    story.at(opens - SECOND).when(book()).then(SalesClosed(opens, None))
    story.at(opens - 1).when(book()).then(SalesClosed(opens, None))
    story.at(opens).when(book()).then(booked(1))


def test_sales_end_at_the_closing_instant() -> None:
    closes = Instant(NOW + 10 * SECOND)
    story = given(schedule(sales_close_at=closes))
    story.at(closes - 1).when(book()).then(booked(1))
    story.at(closes).when(book(booking=2)).then(SalesClosed(None, closes))
    story.at(closes).when(hold()).then(SalesClosed(None, closes))
    story.at(closes).when(join()).then(SalesClosed(None, closes))


def at(text: str) -> Instant:
    return instant_of(datetime.fromisoformat(text))


def test_the_hour_that_comes_twice_is_two_hours() -> None:
    """Berlin, 25 October 2026: after 02:59 summer time follows 02:00 winter time."""
    first, second = at("2026-10-25T02:30:00+02:00"), at("2026-10-25T02:30:00+01:00")
    assert second - first == 3_600 * SECOND
    berlin = datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"))
    assert instant_of(berlin) == first
    assert instant_of(berlin.replace(fold=1)) == second

    story = given(schedule(sales_open_at=first, sales_close_at=second), at=first - 1)
    closed = SalesClosed(first, second)
    story.when(book()).then(closed)
    story.at(first).when(book()).then(booked(1))
    story.at(second - 1).when(book(booking=2)).then(booked(1, booking=2))
    story.at(second).when(book(booking=3)).then(closed)


def test_the_hour_that_is_left_out_takes_no_time() -> None:
    """Berlin, 29 March 2026: after 01:59 winter time follows 03:00 summer time."""
    opens, closes = at("2026-03-29T01:59:59+01:00"), at("2026-03-29T03:00:00+02:00")
    assert closes - opens == SECOND
    story = given(schedule(sales_open_at=opens, sales_close_at=closes), at=opens)
    story.when(book()).then(booked(1))
    story.at(closes).when(book(booking=2)).then(SalesClosed(opens, closes))


@pytest.mark.parametrize(
    "text",
    [
        "2026-06-01T00:30:00+05:45",
        "2026-05-31T18:45:00Z",
        "2026-05-31T18:45:00.000000+00:00",
        "2026-05-31T11:45:00-07:00",
        "2026-06-01T07:30:00+12:45",
    ],
)
def test_one_instant_is_the_same_with_any_offset(text: str) -> None:
    assert at(text) == instant_of(datetime(2026, 5, 31, 18, 45, tzinfo=UTC))


# Opening, closing and cancelling an event


def test_a_closed_event_sells_nothing_until_it_is_opened_again() -> None:
    story = given(schedule(), hold())
    story.when(close_sales()).then(EventClosed())
    story.when(book()).then(SalesClosed(None, None))
    story.when(hold(hold=2)).then(SalesClosed(None, None))
    story.when(join()).then(SalesClosed(None, None))
    story.when(close_sales()).then_nothing()
    story.when(open_sales()).then(EventOpened())
    story.when(open_sales()).then_nothing()
    story.when(book()).then(booked(1))


def test_an_open_event_still_keeps_its_sale_window() -> None:
    story = given(schedule(sales_close_at=NOW), close_sales(), open_sales())
    story.when(book()).then(SalesClosed(None, NOW))


def test_a_closed_event_can_be_changed_and_its_bookings_too() -> None:
    story = given(schedule(), book(2), close_sales())
    story.when(resize(20)).then(CapacityChanged(20))
    assert story.when(transfer(to=BOB)).appended
    assert story.when(cancel()).appended


def test_a_cancelled_event_is_cancelled_for_good() -> None:
    story = given(schedule())
    story.when(call_off()).then(EventCancelled())
    story.when(call_off()).then_nothing()
    for wish in (open_sales(), close_sales(), resize(20), book(), hold(), join()):
        story.when(wish).then(EventIsCancelled(EVENT))


def test_a_closed_event_can_be_cancelled() -> None:
    given(schedule(), close_sales()).when(call_off()).then(EventCancelled())


@pytest.mark.parametrize(
    "wish", [open_sales(), close_sales(), call_off(), resize(1), tidy(), join(), book()]
)
def test_nothing_can_be_done_about_an_unknown_event(wish: Command) -> None:
    given().when(wish).then(EventNotFound(EVENT))


# Capacity


def test_places_added_after_it_sold_out_can_be_booked_at_once() -> None:
    story = given(schedule(capacity=2), book(2))
    story.when(book(booking=2)).then(SoldOut(0))
    story.when(resize(3)).then(CapacityChanged(3))
    story.when(book(booking=2)).then(booked(1, booking=2))


def taken() -> Story:
    """Three booked and two held of nine."""
    return given(schedule(capacity=9), book(3), hold(2))


def test_the_capacity_may_go_down_to_what_is_booked_and_held() -> None:
    taken().when(resize(5)).then(CapacityChanged(5))


def test_the_capacity_may_not_go_below_what_is_booked_and_held_and_nothing_changes() -> None:
    story = taken()
    before = story.stream().version
    story.when(resize(4)).then(CapacityBelowSold(4, booked=3, held=2))
    assert (story.stream().version, story.stream().terms.capacity) == (before, 9)


def test_a_venues_capacity_bounds_its_event() -> None:
    story = given(schedule(capacity=5, venue_capacity=8))
    story.when(resize(9)).then(CapacityAboveVenue(9, 8))
    story.when(resize(8)).then(CapacityChanged(8))


def test_the_same_capacity_again_changes_nothing() -> None:
    given(schedule(capacity=5)).when(resize(5)).then_nothing()


def test_places_added_go_to_those_in_line_first() -> None:
    story = given(schedule(capacity=2), book(2), join(user=BOB), join(2, waiting=2, user=CAROL))
    told = story.when(resize(4))
    assert [type(each.entry).__name__ for each in told.appended] == ["CapacityChanged", "SeatsHeld"]
    assert story.state.available == 1
    story.when(resize(5))
    assert (story.state.held, story.state.available) == (3, 0)


def test_who_waits_for_a_category_is_not_served_by_another() -> None:
    story = given(two_prices(), book(2, category="reduced"), join(category="reduced", user=BOB))
    assert story.state.line[waiting_id(1)].category == "reduced"
    story.when(book(3, category="full", booking=2)).then(booked(3, "full", booking=2, cents=7_500))
    told = story.when(cancel(2))
    assert len(told.appended) == 1


def test_who_is_at_the_limit_may_wait_but_joins_no_line_of_an_order_too_large() -> None:
    story = given(schedule(capacity=1, limit_per_user=1, limit_per_order=2), book())
    story.when(join()).then(WaitingListJoined(waiting_id(1), ALICE, 1, None))
    story.when(join(3, user=BOB)).then(LimitPerOrder(2))
