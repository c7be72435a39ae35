"""What becomes of a booking: cancelled in part or whole, given away, checked in, called off."""

from dataclasses import replace

import pytest
from samples import ACTOR, ALICE, BOB, EVENT, NOW
from story import CAROL, Story, and_then, given
from wishes import (
    EXPIRY,
    annul,
    book,
    booking_id,
    call_off,
    cancel,
    check_in,
    event_id,
    hold,
    hold_id,
    join,
    schedule,
    submission,
    tidy,
    transfer,
    user_id,
    waiting_id,
)

from ledger.commands import Command
from ledger.due import CANCELLED_AT_A_TIME
from ledger.entries import (
    BookingCancelled,
    BookingTransferred,
    CheckInAnnulled,
    EventCancelled,
    HoldExpired,
    HoldReleased,
    SeatsBooked,
    SeatsHeld,
    TicketCheckedIn,
    WaitingListLeft,
)
from ledger.records import BookingStatus, HoldStatus, WaitingStatus
from ledger.rejections import (
    AlreadyCheckedIn,
    BookingIsCancelled,
    BookingNotFound,
    EventIsCancelled,
    EventNotFound,
    LimitPerUser,
    NotCheckedIn,
    SoldOut,
    TicketNotFound,
    TicketOutdated,
    UserNotFound,
)
from ledger.values import Instant


def gone(*tickets: int, user: object = ALICE) -> BookingCancelled:
    return BookingCancelled(booking_id(1), user, len(tickets), tickets)  # type: ignore[arg-type]


def five() -> Story:
    """Alice has five of ten places."""
    return given(schedule(capacity=10), book(5))


# Cancelling, partly too


def test_two_of_five_tickets_can_be_cancelled_the_last_ones_first() -> None:
    story = five()
    story.when(cancel(quantity=2)).then(gone(4, 5))
    booking = story.state.bookings[booking_id(1)]
    assert (booking.status, booking.live_quantity) == (BookingStatus.BOOKED, 3)
    assert booking.live_tickets == (1, 2, 3)
    assert (story.state.booked, story.state.available) == (3, 7)
    assert story.state.tickets_by_user == {ALICE: 3}


def test_tickets_can_be_cancelled_by_number() -> None:
    story = five()
    story.when(cancel(tickets=(2, 3))).then(gone(2, 3))
    assert story.state.bookings[booking_id(1)].live_tickets == (1, 4, 5)


def test_cancelling_the_rest_ends_the_booking() -> None:
    story = and_then(five(), cancel(tickets=(2,)))
    story.when(cancel()).then(gone(1, 3, 4, 5))
    assert story.state.bookings[booking_id(1)].status is BookingStatus.CANCELLED
    assert story.state.booked == 0


@pytest.mark.parametrize(
    "all_of_them", [cancel(), cancel(quantity=5), cancel(tickets=(1, 2, 3, 4, 5))]
)
def test_all_tickets_can_be_cancelled_in_any_way(all_of_them: Command) -> None:
    story = five()
    story.when(all_of_them).then(gone(1, 2, 3, 4, 5))
    assert story.state.bookings[booking_id(1)].status is BookingStatus.CANCELLED


def test_cancelling_twice_changes_nothing() -> None:
    story = and_then(five(), cancel())
    story.when(cancel()).then_nothing()
    story.when(cancel(tickets=(1, 2))).then_nothing()


def test_of_numbered_tickets_those_cancelled_before_are_left_out() -> None:
    story = and_then(five(), cancel(tickets=(2,)))
    story.when(cancel(tickets=(1, 2, 3))).then(gone(1, 3))
    story.when(cancel(tickets=(1, 2, 3))).then_nothing()


@pytest.mark.parametrize("tickets", [(6,), (0,), (1, 6), (6, 7)])
def test_a_ticket_that_is_not_there_cannot_be_cancelled_and_no_other_is(
    tickets: tuple[int, ...],
) -> None:
    story = five()
    missing = next(ticket for ticket in tickets if ticket not in range(1, 6))
    story.when(cancel(tickets=tickets)).then(TicketNotFound(missing))


def test_more_tickets_than_are_left_cannot_be_cancelled() -> None:
    story = five()
    story.when(cancel(quantity=6)).then(TicketNotFound(6))
    and_then(story, cancel(tickets=(1, 2)))
    story.when(cancel(quantity=4)).then(TicketNotFound(4))
    story.when(cancel(quantity=3)).then(gone(3, 4, 5))


def test_who_is_inside_keeps_the_ticket_while_others_are_left_to_cancel() -> None:
    story = and_then(five(), check_in(ticket=5), check_in(ticket=1))
    story.when(cancel(quantity=2)).then(gone(3, 4))
    story.when(cancel(quantity=2)).then(gone(2, 5))


def test_a_cancelled_ticket_is_no_longer_checked_in() -> None:
    story = and_then(five(), check_in(ticket=2), check_in(ticket=3), cancel(tickets=(2,)))
    assert story.state.bookings[booking_id(1)].check_ins == ((3, NOW),)


def test_a_booking_that_is_not_there_cannot_be_cancelled() -> None:
    five().when(cancel(9)).then(BookingNotFound(booking_id(9)))
    five().when(cancel(event=event_id(9))).then(EventNotFound(event_id(9)))


def test_cancelled_places_can_be_booked_again_by_the_same_user_with_a_new_key() -> None:
    story = given(schedule(capacity=2))
    story.batch(submission(book(2), key="first"))
    story.batch(submission(cancel()))
    again = story.batch(submission(book(2, booking=2), key="second"))
    again.then(SeatsBooked(booking_id(2), ALICE, 2, None, (), 0))
    replayed = story.batch(submission(book(2, booking=3), key="first"))
    assert replayed.done.replayed
    assert replayed.appended == []


def test_cancelling_some_tickets_with_a_key_twice_cancels_them_once() -> None:
    story = five()
    story.batch(submission(cancel(quantity=2), key="k")).then(gone(4, 5))
    again = story.batch(submission(cancel(quantity=2), key="k"))
    assert (again.appended, again.done.replayed) == ([], True)


# Giving a booking away


def test_a_booking_can_be_given_away_at_sold_out_and_no_count_changes() -> None:
    story = given(schedule(capacity=2), book(2))
    story.when(book(booking=2, user=BOB)).then(SoldOut(0))
    story.when(transfer(to=BOB)).then(BookingTransferred(booking_id(1), ALICE, BOB))
    assert (story.state.booked, story.state.held, story.state.available) == (2, 0, 0)
    assert story.state.tickets_by_user == {ALICE: 0, BOB: 2}
    booking = story.state.bookings[booking_id(1)]
    assert (booking.user_id, booking.generation) == (BOB, 2)
    assert booking.booked_by == ACTOR


def test_the_recipients_limit_holds_for_what_they_have_and_get() -> None:
    limited = schedule(limit_per_user=4)
    story = given(limited, book(3), book(2, booking=2, user=BOB))
    story.when(transfer(to=BOB)).then(LimitPerUser(4, 2))
    and_then(story, cancel(tickets=(1,)))
    story.when(transfer(to=BOB)).then(BookingTransferred(booking_id(1), ALICE, BOB))


def test_holds_of_the_recipient_count_too() -> None:
    story = given(schedule(limit_per_user=4), book(3), hold(2, user=BOB))
    story.when(transfer(to=BOB)).then(LimitPerUser(4, 2))


def test_given_to_who_has_it_already_nothing_changes() -> None:
    five().when(transfer(to=ALICE)).then_nothing()


def test_who_gave_a_booking_away_meanwhile_neither_cancels_nor_gives_it_again() -> None:
    story = five()
    late = replace(cancel(), of_user=ALICE), replace(transfer(to=CAROL), of_user=ALICE)
    and_then(story, replace(transfer(to=BOB), of_user=ALICE))
    for command in late:
        story.when(command).then(BookingNotFound(booking_id(1)))
    story.when(replace(cancel(quantity=1), of_user=BOB)).then(
        BookingCancelled(booking_id(1), BOB, 1, (5,))
    )


def test_a_booking_can_be_given_away_again_and_back() -> None:
    story = and_then(five(), transfer(to=BOB), transfer(to=ALICE))
    assert story.state.bookings[booking_id(1)].generation == 3
    assert story.state.tickets_by_user == {ALICE: 5, BOB: 0}


def test_only_live_tickets_go_along() -> None:
    story = and_then(five(), cancel(quantity=2), transfer(to=BOB))
    assert story.state.tickets_by_user == {ALICE: 0, BOB: 3}


def test_a_cancelled_booking_cannot_be_given_away() -> None:
    and_then(five(), cancel()).when(transfer(to=BOB)).then(BookingIsCancelled(booking_id(1)))


def test_a_booking_that_is_not_there_cannot_be_given_away() -> None:
    five().when(transfer(9, to=BOB)).then(BookingNotFound(booking_id(9)))


def test_a_booking_cannot_be_given_to_an_unknown_user() -> None:
    five().when(transfer(to=user_id(99))).then(UserNotFound(user_id(99)))


# At the door


def test_a_ticket_is_checked_in_once_and_a_second_time_tells_when_the_first_was() -> None:
    story = five().at(NOW + 7)
    story.when(check_in(ticket=2)).then(TicketCheckedIn(booking_id(1), 2))
    story.at(NOW + 9).when(check_in(ticket=2)).then(AlreadyCheckedIn(2, Instant(NOW + 7)))
    story.when(check_in(ticket=3)).then(TicketCheckedIn(booking_id(1), 3))
    assert story.state.bookings[booking_id(1)].check_ins == ((2, NOW + 7), (3, NOW + 9))


def test_an_annulled_check_in_admits_again() -> None:
    story = and_then(five(), check_in(ticket=2), check_in(ticket=3))
    story.when(annul(ticket=2)).then(CheckInAnnulled(booking_id(1), 2))
    assert story.state.bookings[booking_id(1)].check_ins == ((3, NOW),)
    story.when(annul(ticket=2)).then(NotCheckedIn(2))
    story.at(NOW + 5).when(check_in(ticket=2)).then(TicketCheckedIn(booking_id(1), 2))
    story.when(check_in(ticket=2)).then(AlreadyCheckedIn(2, Instant(NOW + 5)))


@pytest.mark.parametrize("ticket", [0, 6])
def test_a_ticket_that_is_not_there_is_not_admitted(ticket: int) -> None:
    five().when(check_in(ticket=ticket)).then(TicketNotFound(ticket))
    five().when(annul(ticket=ticket)).then(NotCheckedIn(ticket))


def test_a_cancelled_ticket_is_not_admitted_and_the_others_are() -> None:
    story = and_then(five(), cancel(tickets=(2,)))
    story.when(check_in(ticket=2)).then(TicketNotFound(2))
    story.when(check_in(ticket=1)).then(TicketCheckedIn(booking_id(1), 1))


def test_a_cancelled_booking_is_not_admitted() -> None:
    story = and_then(five(), check_in(), cancel())
    story.when(check_in()).then(BookingIsCancelled(booking_id(1)))
    story.when(annul()).then(BookingIsCancelled(booking_id(1)))


def test_a_booking_that_is_not_there_is_not_admitted() -> None:
    five().when(check_in(9)).then(BookingNotFound(booking_id(9)))
    five().when(annul(9)).then(BookingNotFound(booking_id(9)))


def test_a_code_from_before_the_booking_was_given_away_is_not_admitted() -> None:
    story = and_then(five(), transfer(to=BOB))
    story.when(check_in(generation=1)).then(TicketOutdated(1))
    story.when(check_in(generation=2)).then(TicketCheckedIn(booking_id(1), 1))
    and_then(story, transfer(to=ALICE))
    story.when(check_in(ticket=2, generation=2)).then(TicketOutdated(2))
    story.when(check_in(ticket=2, generation=4)).then(TicketOutdated(2))


def test_nobody_is_admitted_to_a_cancelled_event() -> None:
    and_then(five(), call_off()).when(check_in()).then(EventIsCancelled(EVENT))


def test_a_ticket_of_an_unknown_event_is_not_admitted() -> None:
    given().when(check_in()).then(EventNotFound(EVENT))
    given().when(annul()).then(EventNotFound(EVENT))


# Calling an event off


def test_all_bookings_and_holds_of_a_cancelled_event_are_ended_by_entries() -> None:
    story = given(
        schedule(capacity=10), book(2), book(3, booking=2, user=BOB), cancel(2, quantity=1), hold()
    )
    story.when(call_off()).then(EventCancelled())
    story.when(tidy()).then(
        gone(1, 2),
        BookingCancelled(booking_id(2), BOB, 2, (1, 2)),
        HoldReleased(hold_id(1), ALICE),
    )
    assert (story.state.booked, story.state.held) == (0, 0)
    assert {each.status for each in story.state.bookings.values()} == {BookingStatus.CANCELLED}
    assert story.state.holds[hold_id(1)].status is HoldStatus.RELEASED
    story.when(tidy()).then_nothing()


def test_an_event_that_goes_on_is_not_tidied_away() -> None:
    story = given(schedule(), book(2), hold())
    story.when(tidy()).then_nothing()
    assert (story.state.booked, story.state.held) == (2, 1)


def test_an_expired_hold_of_a_cancelled_event_expires() -> None:
    story = given(schedule(), hold(), call_off()).at(EXPIRY)
    story.when(tidy()).then(HoldExpired(hold_id(1), ALICE, 1, EXPIRY))


def test_nobody_in_line_is_offered_a_place_of_a_cancelled_event_and_nobody_stays_in_it() -> None:
    story = given(schedule(capacity=1), book(), join(user=BOB), call_off())
    story.when(tidy()).then(gone(1), WaitingListLeft(waiting_id(1), BOB))
    assert story.state.line[waiting_id(1)].status is WaitingStatus.LEFT
    assert story.state.in_line == 0


def test_bookings_of_a_cancelled_event_are_cancelled_some_at_a_time() -> None:
    count = CANCELLED_AT_A_TIME + 3
    story = Story()
    story.batch(submission(schedule(capacity=1_000)))
    story.batch(
        *[submission(book(booking=n)) for n in range(count)],
        submission(hold()),
        submission(call_off()),
    )
    for left in (4, 0):
        told = story.when(tidy())
        assert len(told.appended) == (CANCELLED_AT_A_TIME if left else 4)
        assert story.state.booked + story.state.held == left
    story.when(tidy()).then_nothing()


# Carts


OTHER = event_id(2)


def two_events() -> Story:
    return given(schedule(capacity=2), schedule(OTHER, capacity=1))


def in_cart(event: object = EVENT, *, booking: int, quantity: int = 1) -> Command:
    return replace(book(quantity, booking=booking), event_id=event)  # type: ignore[arg-type]


def test_a_cart_books_places_of_several_events() -> None:
    story = two_events()
    done = story.when(in_cart(booking=1), in_cart(OTHER, booking=2)).done
    assert [part.stream_id for part in done.parts] == [EVENT, OTHER]
    assert (story.stream(EVENT).state.booked, story.stream(OTHER).state.booked) == (1, 1)


@pytest.mark.parametrize("order", [0, 1])
def test_a_cart_with_one_event_sold_out_books_nothing(order: int) -> None:
    story = two_events()
    wishes = [in_cart(booking=1), in_cart(OTHER, booking=2, quantity=2)]
    told = story.when(*(reversed(wishes) if order else wishes))
    told.then(SoldOut(1))
    assert (story.stream(EVENT).state.booked, story.stream(OTHER).state.booked) == (0, 0)


def test_a_refused_cart_names_the_event_it_was_refused_for() -> None:
    told = two_events().when(in_cart(booking=1), in_cart(OTHER, booking=2, quantity=2))
    assert [each.stream_id for each in told.outcomes] == [OTHER]  # type: ignore[union-attr]


def test_a_cart_repeated_with_its_key_is_answered_as_before_and_books_once() -> None:
    story = two_events()
    first = story.batch(submission(in_cart(booking=1), in_cart(OTHER, booking=2), key="k")).done
    again = story.batch(submission(in_cart(booking=3), in_cart(OTHER, booking=4), key="k"))
    assert again.appended == []
    assert again.done.replayed
    assert [part.subject for part in again.done.parts] == [part.subject for part in first.parts]
    assert [part.recorded for part in again.done.parts] == [part.recorded for part in first.parts]


def test_an_expired_hold_makes_room_for_a_cart() -> None:
    story = and_then(two_events(), replace(hold(), event_id=OTHER)).at(EXPIRY)
    told = story.when(in_cart(booking=1), in_cart(OTHER, booking=2))
    assert [type(each.entry) for each in told.appended] == [HoldExpired, SeatsBooked, SeatsBooked]


def test_what_is_given_back_with_a_cart_is_offered_in_its_own_event() -> None:
    story = and_then(
        two_events(),
        in_cart(OTHER, booking=1),
        replace(join(user=BOB), event_id=OTHER),
    )
    story.when(in_cart(booking=2), replace(cancel(1), event_id=OTHER))
    assert [type(each.entry) for each in story.appended[-3:]] == [
        SeatsBooked,
        BookingCancelled,
        SeatsHeld,
    ]
