"""Holds: kept, confirmed, released or expired, exactly one of the three ends, and when."""

import pytest
from samples import ACTOR, ALICE, BOB, EVENT, NOW, SECOND
from story import Story, given
from wishes import (
    EXPIRY,
    book,
    booking_id,
    call_off,
    close_sales,
    confirm,
    event_id,
    hold,
    hold_id,
    release,
    schedule,
    submission,
    tidy,
    user_id,
)

from ledger.commands import Command
from ledger.entries import HoldConfirmed, HoldExpired, HoldReleased, SeatsBooked, SeatsHeld
from ledger.records import Booking, BookingStatus, Hold, HoldStatus
from ledger.rejections import (
    EventIsCancelled,
    EventNotFound,
    HoldIsConfirmed,
    HoldIsExpired,
    HoldIsReleased,
    HoldNotFound,
    LimitPerUser,
    SalesClosed,
    SoldOut,
    UserNotFound,
)
from ledger.values import SYSTEM, HoldId, Instant

EXPIRED = HoldExpired(hold_id(1), ALICE, 2, EXPIRY)


def held(quantity: int = 1, *, number: int = 1, expires_at: Instant = EXPIRY) -> SeatsHeld:
    return SeatsHeld(hold_id(number), ALICE, quantity, None, (), 0, expires_at, None)


def booked(quantity: int = 1, *, number: int = 1) -> SeatsBooked:
    return SeatsBooked(booking_id(number), ALICE, quantity, None, (), 0)


def two_held() -> Story:
    """Two of ten places are held by Alice until EXPIRY."""
    return given(schedule(capacity=10), hold(2))


# Holding


def test_a_hold_lasts_as_long_as_the_event_says() -> None:
    given(schedule(hold_seconds=60)).when(hold()).then(held(expires_at=Instant(NOW + 60_000_000)))
    given(schedule(hold_seconds=1)).when(hold()).then(held(expires_at=Instant(NOW + 1_000_000)))


def test_held_places_count_against_the_capacity() -> None:
    story = given(schedule(capacity=5), hold(2))
    assert (story.state.booked, story.state.held, story.state.available) == (0, 2, 3)
    story.when(book(4)).then(SoldOut(3))
    story.when(hold(4, hold=2)).then(SoldOut(3))
    story.when(book(3)).then(booked(3))


def test_the_last_places_can_be_held_together() -> None:
    given(schedule(capacity=5), book(2)).when(hold(3)).then(held(3))


def test_more_places_than_there_are_cannot_be_held() -> None:
    given(schedule(capacity=5), book(2)).when(hold(4)).then(SoldOut(3))


def test_places_cannot_be_held_of_an_unknown_event_nor_by_an_unknown_user() -> None:
    given(schedule()).when(hold(event=event_id(9))).then(EventNotFound(event_id(9)))
    given(schedule()).when(hold(user=user_id(99))).then(UserNotFound(user_id(99)))


def test_places_cannot_be_held_while_sales_are_closed() -> None:
    opens = Instant(NOW + 1)
    given(schedule(sales_open_at=opens)).when(hold()).then(SalesClosed(opens, None))
    given(schedule(), close_sales()).when(hold()).then(SalesClosed(None, None))


def test_held_places_count_towards_the_limit_of_the_user() -> None:
    story = given(schedule(limit_per_user=3), hold(2))
    story.when(hold(2, hold=2)).then(LimitPerUser(3, 2))
    story.when(book(2)).then(LimitPerUser(3, 2))
    story.when(book(1)).then(booked(1))


# A microsecond before expiry, at it, and after


def test_a_hold_can_be_confirmed_up_to_a_microsecond_before_it_expires() -> None:
    two_held().at(EXPIRY - 1).when(confirm()).then(HoldConfirmed(hold_id(1), booking_id(1), ALICE))


@pytest.mark.parametrize("late", [0, 1, 86_400 * SECOND])
def test_a_hold_cannot_be_confirmed_from_the_instant_on_at_which_it_expires(late: int) -> None:
    story = two_held().at(EXPIRY + late)
    story.when(confirm()).then(EXPIRED, HoldIsExpired(hold_id(1), EXPIRY))
    story.when(confirm()).then(HoldIsExpired(hold_id(1), EXPIRY))


def test_a_hold_can_be_released_up_to_a_microsecond_before_it_expires() -> None:
    two_held().at(EXPIRY - 1).when(release()).then(HoldReleased(hold_id(1), ALICE))


@pytest.mark.parametrize("late", [0, 1])
def test_a_hold_cannot_be_released_from_the_instant_on_at_which_it_expires(late: int) -> None:
    story = two_held().at(EXPIRY + late)
    story.when(release()).then(EXPIRED, HoldIsExpired(hold_id(1), EXPIRY))
    story.when(release()).then(HoldIsExpired(hold_id(1), EXPIRY))


def test_sweeping_expires_nothing_before_its_time() -> None:
    story = two_held().at(EXPIRY - 1)
    story.when(tidy()).then_nothing()
    assert story.state.held == 2


@pytest.mark.parametrize("late", [0, 1])
def test_sweeping_expires_what_is_over_once(late: int) -> None:
    story = two_held().at(EXPIRY + late)
    story.when(tidy()).then(EXPIRED)
    story.when(tidy()).then_nothing()
    assert (story.state.held, story.state.available) == (0, 10)


def test_held_places_can_be_had_at_the_instant_of_expiry_and_not_before() -> None:
    story = given(schedule(capacity=2), hold(2))
    story.at(EXPIRY - 1).when(book(2)).then(SoldOut(0))
    story.at(EXPIRY).when(book(2)).then(EXPIRED, booked(2))


def test_whoever_comes_by_expires_a_hold_whatever_becomes_of_their_wish() -> None:
    two_held().at(EXPIRY).when(book(11)).then(EXPIRED, SoldOut(10))


def test_an_expired_hold_no_longer_counts_towards_the_limit() -> None:
    story = given(schedule(limit_per_user=2), hold(2)).at(EXPIRY)
    story.when(hold(2, hold=2)).then(
        EXPIRED, held(2, number=2, expires_at=Instant(EXPIRY + 60 * SECOND))
    )


def test_expiry_is_written_by_the_system_with_what_was_held_and_until_when() -> None:
    story = two_held().at(EXPIRY + 5)
    told = story.when(tidy())
    told.then(HoldExpired(hold_id(1), ALICE, 2, EXPIRY))
    (expired,) = told.appended
    assert (expired.actor, expired.recorded_at) == (SYSTEM, EXPIRY + 5)
    assert expired.idempotency_key is None
    assert story.state.holds[hold_id(1)].status is HoldStatus.EXPIRED


def test_the_longest_overdue_expires_first_and_of_the_same_time_the_first_that_was_made() -> None:
    story = given(schedule(hold_seconds=60), hold(hold=3))
    story.at(NOW + 1).when(hold(hold=1)).then(held(number=1, expires_at=Instant(EXPIRY + 1)))
    story.when(hold(hold=2)).then(held(number=2, expires_at=Instant(EXPIRY + 1)))
    story.at(NOW + 2).when(hold(hold=0)).then(held(number=0, expires_at=Instant(EXPIRY + 2)))
    story.at(EXPIRY + 1).when(tidy()).then(
        HoldExpired(hold_id(3), ALICE, 1, EXPIRY),
        HoldExpired(hold_id(1), ALICE, 1, Instant(EXPIRY + 1)),
        HoldExpired(hold_id(2), ALICE, 1, Instant(EXPIRY + 1)),
    )
    assert story.state.held == 1


def test_time_that_ran_back_revives_no_hold() -> None:
    """The clock of a database that took over may be behind; a stream's time is not."""
    story = given(schedule(), hold(2)).at(EXPIRY)
    story.when(book()).then(EXPIRED, booked())
    story.at(NOW).when(confirm(booking=2)).then(HoldIsExpired(hold_id(1), EXPIRY))


def test_a_hold_is_over_by_the_time_of_its_stream_even_where_the_clock_is_behind() -> None:
    story = two_held().at(EXPIRY - 1)
    story.when(book()).then(booked())
    story.at(NOW).when(confirm(booking=2)).then(HoldConfirmed(hold_id(1), booking_id(2), ALICE))
    assert story.appended[-1].recorded_at == EXPIRY - 1


# Confirming


def test_confirming_moves_held_places_to_booked_once() -> None:
    story = two_held()
    story.when(confirm()).then(HoldConfirmed(hold_id(1), booking_id(1), ALICE))
    assert (story.state.booked, story.state.held, story.state.available) == (2, 0, 8)
    story.when(confirm(booking=2)).then_nothing()
    assert (story.state.booked, story.state.held) == (2, 0)
    assert list(story.state.bookings) == [booking_id(1)]


def test_a_confirmed_hold_is_a_booking_with_all_that_was_held() -> None:
    story = two_held()
    done = story.when(confirm()).done
    booking, (part,) = story.state.bookings[booking_id(1)], done.parts
    assert part.subject == booking
    assert (booking.user_id, booking.quantity) == (ALICE, 2)
    assert (booking.status, booking.hold_id) == (BookingStatus.BOOKED, hold_id(1))
    assert booking.booked_by == ACTOR
    assert booking.entry == booking.changed == story.state.holds[hold_id(1)].changed
    assert story.state.tickets_by_user == {ALICE: 2}


def test_confirming_again_is_answered_with_the_booking_that_is_there() -> None:
    story = two_held()
    first = story.when(confirm()).done.parts[0].subject
    again = story.when(confirm(booking=2)).done.parts[0]
    assert isinstance(first, Booking)
    assert (again.subject, again.recorded) == (first, None)


def test_a_confirmed_hold_does_not_expire() -> None:
    story = two_held()
    story.when(confirm())
    story.at(EXPIRY).when(tidy()).then_nothing()
    story.when(confirm(booking=2)).then_nothing()
    assert story.state.booked == 2


def test_a_confirmed_hold_cannot_be_released() -> None:
    given(schedule(), hold(), confirm()).when(release()).then(HoldIsConfirmed(hold_id(1)))


def test_a_hold_can_be_confirmed_after_sales_have_closed() -> None:
    story = given(schedule(sales_close_at=Instant(NOW + 1)), hold()).at(NOW + 1)
    story.when(confirm()).then(HoldConfirmed(hold_id(1), booking_id(1), ALICE))
    story = given(schedule(), hold(), close_sales())
    story.when(confirm()).then(HoldConfirmed(hold_id(1), booking_id(1), ALICE))


def test_no_hold_of_a_cancelled_event_can_be_confirmed() -> None:
    given(schedule(), hold(), call_off()).when(confirm()).then(EventIsCancelled(EVENT))


def test_a_hold_that_is_not_there_cannot_be_confirmed_nor_released() -> None:
    story = given(schedule(), hold())
    story.when(confirm(7)).then(HoldNotFound(hold_id(7)))
    story.when(release(7)).then(HoldNotFound(hold_id(7)))


def test_no_hold_of_an_unknown_event_can_be_confirmed_or_released() -> None:
    given().when(confirm()).then(EventNotFound(EVENT))
    given().when(release()).then(EventNotFound(EVENT))


# Releasing


def test_releasing_gives_the_places_back_once() -> None:
    story = two_held()
    story.when(release()).then(HoldReleased(hold_id(1), ALICE))
    assert (story.state.held, story.state.available) == (0, 10)
    assert story.state.tickets_by_user == {ALICE: 0}
    story.when(release()).then_nothing()
    assert story.state.available == 10


def test_a_released_hold_cannot_be_confirmed() -> None:
    given(schedule(), hold(), release()).when(confirm()).then(HoldIsReleased(hold_id(1)))


def test_a_released_hold_does_not_expire() -> None:
    given(schedule(), hold(), release()).at(EXPIRY).when(tidy()).then_nothing()


def test_released_places_can_be_had_by_the_next_in_the_same_batch() -> None:
    story = given(schedule(capacity=2), hold(2))
    story.batch(submission(release()), submission(book(2, user=BOB))).then(
        HoldReleased(hold_id(1), ALICE), SeatsBooked(booking_id(1), BOB, 2, None, (), 0)
    )


def test_a_hold_can_be_released_while_its_event_is_closed_or_cancelled() -> None:
    for end in (close_sales(), call_off()):
        given(schedule(), hold(), end).when(release()).then(HoldReleased(hold_id(1), ALICE))


# Exactly one of them ends a hold


ENDS: dict[str, tuple[Command, HoldStatus]] = {
    "confirm": (confirm(), HoldStatus.CONFIRMED),
    "release": (release(), HoldStatus.RELEASED),
}


@pytest.mark.parametrize("first", ENDS)
@pytest.mark.parametrize("second", ENDS)
def test_of_confirming_and_releasing_the_first_in_a_batch_wins(first: str, second: str) -> None:
    story = two_held()
    told = story.batch(submission(ENDS[first][0]), submission(ENDS[second][0]))
    assert len(told.appended) == 1
    assert story.state.holds[hold_id(1)].status is ENDS[first][1]


@pytest.mark.parametrize("end", ENDS)
def test_expiry_wins_over_all_that_come_with_it_in_a_batch(end: str) -> None:
    story = two_held().at(EXPIRY)
    wish = submission(ENDS[end][0])
    story.batch(wish, submission(tidy()), wish).then(
        EXPIRED, HoldIsExpired(hold_id(1), EXPIRY), HoldIsExpired(hold_id(1), EXPIRY)
    )


# Keys


def test_a_hold_made_with_a_key_is_answered_again_as_it_was_made() -> None:
    story = given(schedule())
    first = story.batch(submission(hold(2), key="k")).done
    story.batch(submission(release()))
    again = story.batch(submission(hold(2, hold=2), key="k")).done
    assert again.replayed
    assert again.parts[0].subject == first.parts[0].subject
    assert isinstance(again.parts[0].subject, Hold)
    assert again.parts[0].subject.status is HoldStatus.HELD
    assert HoldId(hold_id(2)) not in story.state.holds
