"""The waiting list: the first in line who fits gets the places, for a while, then the next."""

import pytest
from samples import ACTOR, ALICE, BOB, EVENT, NOW, SECOND
from story import CAROL, DAVE, Story, and_then, given
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
    leave,
    offer_id,
    open_sales,
    quota,
    release,
    resize,
    schedule,
    seated,
    submission,
    tidy,
    transfer,
    user_id,
    waiting_id,
)

from ledger.commands import Command
from ledger.entries import (
    BookingCancelled,
    BookingTransferred,
    CapacityChanged,
    Entry,
    EventOpened,
    HoldConfirmed,
    HoldExpired,
    HoldReleased,
    SeatsHeld,
    WaitingListJoined,
    WaitingListLeft,
)
from ledger.records import HoldStatus, WaitingStatus
from ledger.rejections import (
    CategoryNotFound,
    EventIsCancelled,
    EventNotFound,
    HoldIsExpired,
    LimitPerOrder,
    LimitPerUser,
    NotWaiting,
    PlacesLeft,
    SalesClosed,
    SoldOut,
    UserNotFound,
)
from ledger.values import SYSTEM, Instant, UserId


def joined(number: int, user: UserId, quantity: int = 1) -> WaitingListJoined:
    return WaitingListJoined(waiting_id(number), user, quantity, None)


def offered(
    number: int,
    user: UserId,
    quantity: int = 1,
    *,
    waiting: int,
    at: int = NOW,
    seats: str = "",
    category: str | None = None,
    cents: int = 0,
) -> SeatsHeld:
    """The n-th offer, made ``at`` a time to who waits as ``waiting``."""
    return SeatsHeld(
        hold_id=offer_id(number),
        user_id=user,
        quantity=quantity,
        category=category,
        seats=tuple(seats.split()),
        amount_cents=cents,
        expires_at=Instant(at + 60 * SECOND),
        waiting_id=waiting_id(waiting),
    )


def given_back(quantity: int, booking: int = 1, user: UserId = ALICE) -> BookingCancelled:
    return BookingCancelled(booking_id(booking), user, quantity, tuple(range(1, quantity + 1)))


def sold_out(*line: Command, capacity: int = 2) -> Story:
    """Alice has all places; ``line`` came after."""
    return given(schedule(capacity=capacity), book(capacity), *line)


# Joining and leaving


def test_who_finds_an_event_sold_out_may_wait() -> None:
    story = sold_out()
    story.when(join(user=BOB)).then(joined(1, BOB))
    assert story.state.in_line == 1
    assert story.state.line[waiting_id(1)].joined_by == ACTOR


def test_nobody_waits_while_there_are_places() -> None:
    given(schedule(capacity=3), book()).when(join(2, user=BOB)).then(PlacesLeft(2))


def test_who_wants_more_than_is_left_may_wait() -> None:
    given(schedule(capacity=3), book(2)).when(join(2, user=BOB)).then(joined(1, BOB, 2))


def test_who_finds_no_seats_side_by_side_may_wait() -> None:
    story = given(seated("A1 A2 A3"), book(seats="A2"))
    story.when(join(2, user=BOB)).then(joined(1, BOB, 2))


def test_waiting_is_for_places_of_one_category() -> None:
    priced = schedule(categories=(category("full", 1), category("reduced", 1)))
    story = given(priced, book(category="full"))
    story.when(join(user=BOB)).then(CategoryNotFound(None))
    story.when(join(user=BOB, category="free")).then(CategoryNotFound("free"))
    story.when(join(user=BOB, category="reduced")).then(PlacesLeft(9))
    story.when(join(user=BOB, category="full")).then(
        WaitingListJoined(waiting_id(1), BOB, 1, "full")
    )


def test_joining_twice_keeps_the_first_place_in_line() -> None:
    story = sold_out(join(user=BOB))
    again = story.when(join(2, user=BOB, waiting=2))
    again.then_nothing()
    assert again.done.parts[0].subject == story.state.line[waiting_id(1)]
    assert story.state.in_line == 1


def test_a_user_may_wait_once_for_each_category() -> None:
    priced = schedule(capacity=2, categories=(category("full", 1), category("reduced", 1)))
    story = given(priced, book(category="full"), book(category="reduced", booking=2))
    and_then(story, join(category="full", user=BOB))
    story.when(join(category="reduced", user=BOB, waiting=2)).then(
        WaitingListJoined(waiting_id(2), BOB, 1, "reduced")
    )


def test_joining_twice_for_a_category_keeps_the_first_place_in_line() -> None:
    priced = schedule(categories=(category("full", 1), category("reduced", 1)))
    story = given(priced, book(category="full"), join(category="full", user=BOB))
    story.when(join(category="full", user=BOB, waiting=2)).then_nothing()


def test_who_is_at_the_limit_while_places_are_left_is_told_the_limit() -> None:
    story = given(schedule(capacity=3, limit_per_user=1), book(user=BOB))
    story.when(join(user=BOB)).then(LimitPerUser(1, 1))


def test_nobody_can_wait_while_sales_are_closed_nor_for_a_cancelled_event() -> None:
    and_then(sold_out(), close_sales()).when(join()).then(SalesClosed(None, None))
    and_then(sold_out(), call_off()).when(join()).then(EventIsCancelled(EVENT))
    opens = Instant(NOW + 1)
    given(schedule(capacity=0, sales_open_at=opens)).when(join()).then(SalesClosed(opens, None))


def test_an_unknown_user_cannot_wait_and_nobody_for_an_unknown_event() -> None:
    sold_out().when(join(user=user_id(99))).then(UserNotFound(user_id(99)))
    sold_out().when(join(event=event_id(9))).then(EventNotFound(event_id(9)))


def test_nobody_waits_for_more_than_an_order_may_have() -> None:
    story = given(schedule(capacity=1, limit_per_order=1), book())
    story.when(join(2, user=BOB)).then(LimitPerOrder(1))


def test_who_leaves_is_no_longer_in_line() -> None:
    story = sold_out(join(user=BOB), join(user=CAROL, waiting=2))
    story.when(leave(1)).then(WaitingListLeft(waiting_id(1), BOB))
    story.when(leave(1)).then_nothing()
    assert story.state.in_line == 1
    story.when(cancel(quantity=1)).then(
        BookingCancelled(booking_id(1), ALICE, 1, (2,)), offered(1, CAROL, waiting=2)
    )


def test_who_left_may_join_again_at_the_end() -> None:
    story = sold_out(
        join(user=BOB), join(user=CAROL, waiting=2), leave(1), join(user=BOB, waiting=3)
    )
    story.when(cancel(quantity=1)).then(
        BookingCancelled(booking_id(1), ALICE, 1, (2,)), offered(1, CAROL, waiting=2)
    )


def test_who_does_not_wait_cannot_leave() -> None:
    story = sold_out(join(user=BOB))
    story.when(leave(7)).then(NotWaiting(waiting_id(7)))
    and_then(story, cancel())
    story.when(leave(1)).then(NotWaiting(waiting_id(1)))
    given().when(leave()).then(EventNotFound(EVENT))


# The first in line who fits


def test_a_freed_place_is_offered_to_the_first_in_line_in_the_same_batch() -> None:
    story = sold_out(join(user=BOB), join(user=CAROL, waiting=2))
    told = story.when(cancel(quantity=1))
    told.then(BookingCancelled(booking_id(1), ALICE, 1, (2,)), offered(1, BOB, waiting=1))
    offer = told.appended[1]
    assert (offer.actor, offer.idempotency_key) == (SYSTEM, None)
    assert story.state.available == 0
    waiting = story.state.line[waiting_id(1)]
    assert (waiting.status, waiting.hold_id) == (WaitingStatus.OFFERED, offer_id(1))
    assert story.state.in_line == 1


def test_an_offer_is_a_hold_of_who_waited_and_of_the_key_that_joined() -> None:
    story = and_then(sold_out(join(user=BOB)), cancel())
    offer = story.state.holds[offer_id(1)]
    assert (offer.user_id, offer.held_by, offer.waiting_id) == (BOB, ACTOR, waiting_id(1))
    story.when(confirm(offer_id(1), booking=2)).then(HoldConfirmed(offer_id(1), booking_id(2), BOB))


def test_a_buyer_behind_in_the_same_batch_does_not_get_what_is_offered() -> None:
    story = sold_out(join(user=BOB))
    story.batch(
        submission(book(booking=2, user=CAROL)),
        submission(cancel(quantity=1)),
        submission(book(booking=3, user=CAROL)),
        submission(hold(user=DAVE)),
    ).then(
        BookingCancelled(booking_id(1), ALICE, 1, (2,)),
        offered(1, BOB, waiting=1),
        SoldOut(0),
        SoldOut(0),
        SoldOut(0),
    )


def test_one_freed_place_with_a_hundred_waiting_and_buying_goes_to_the_first_in_line() -> None:
    line: list[Command] = [join(waiting=n, user=user_id(10 + n)) for n in range(50)]
    story = sold_out(*line, capacity=1)
    buyers = [submission(book(booking=100 + n, user=user_id(10 + n))) for n in range(50)]
    told = story.batch(*buyers[:25], submission(cancel()), *buyers[25:])
    assert [each.entry for each in told.appended] == [
        given_back(1),
        offered(1, user_id(10), waiting=0),
    ]
    assert story.state.in_line == 49


def test_places_are_offered_in_order_to_as_many_as_they_serve() -> None:
    story = sold_out(
        join(2, user=BOB),
        join(1, user=CAROL, waiting=2),
        join(2, user=DAVE, waiting=3),
        capacity=4,
    )
    story.when(cancel()).then(
        given_back(4), offered(1, BOB, 2, waiting=1), offered(2, CAROL, 1, waiting=2)
    )
    assert story.state.available == 1


def test_who_wants_more_than_came_free_is_passed_over_and_stays_first() -> None:
    story = sold_out(join(2, user=BOB), join(1, user=CAROL, waiting=2), capacity=3)
    story.when(cancel(tickets=(1,))).then(
        BookingCancelled(booking_id(1), ALICE, 1, (1,)), offered(1, CAROL, waiting=2)
    )
    story.when(cancel(tickets=(2, 3))).then(
        BookingCancelled(booking_id(1), ALICE, 2, (2, 3)), offered(2, BOB, 2, waiting=1)
    )


def test_places_added_up_serve_who_was_passed_over() -> None:
    story = sold_out(join(2, user=BOB), capacity=3)
    story.when(cancel(tickets=(1,))).then(BookingCancelled(booking_id(1), ALICE, 1, (1,)))
    story.when(cancel(tickets=(2,))).then(
        BookingCancelled(booking_id(1), ALICE, 1, (2,)), offered(1, BOB, 2, waiting=1)
    )


def test_who_is_at_the_limit_is_passed_over_until_that_changes() -> None:
    limited = schedule(capacity=3, limit_per_user=1)
    story = given(
        limited,
        book(user=BOB),
        book(booking=2, user=CAROL),
        book(booking=3, user=DAVE),
        join(user=BOB),
        join(user=ALICE, waiting=2),
    )
    story.when(cancel(3)).then(given_back(1, 3, DAVE), offered(1, ALICE, waiting=2))
    story.when(cancel(1)).then(given_back(1, 1, BOB), offered(2, BOB, waiting=1))


def test_the_line_of_an_exhausted_category_waits_for_that_category() -> None:
    priced = schedule(
        capacity=10,
        categories=(category("full", 1, 300), category("reduced", 1, 200)),
        quotas=(quota("all", 2, "full", "reduced"),),
    )
    story = given(
        priced,
        book(category="full"),
        book(category="reduced", booking=2),
        join(category="full", user=BOB),
        join(category="reduced", user=CAROL, waiting=2),
    )
    story.when(cancel(2)).then(
        given_back(1, 2), offered(1, CAROL, waiting=2, category="reduced", cents=200)
    )
    story.when(cancel(1)).then(
        given_back(1, 1), offered(2, BOB, waiting=1, category="full", cents=300)
    )


def test_the_best_seats_that_came_free_are_offered() -> None:
    story = given(seated("A1 A2 A3 A4"), book(4), join(2, user=BOB))
    story.when(cancel(tickets=(2,))).then(BookingCancelled(booking_id(1), ALICE, 1, (2,)))
    story.when(cancel(tickets=(4,))).then(BookingCancelled(booking_id(1), ALICE, 1, (4,)))
    story.when(cancel(tickets=(3,))).then(
        BookingCancelled(booking_id(1), ALICE, 1, (3,)),
        offered(1, BOB, 2, waiting=1, seats="A2 A3"),
    )


@pytest.mark.parametrize(
    ("history", "freeing", "entry"),
    [
        pytest.param([book(2)], cancel(), given_back(2), id="cancelled"),
        pytest.param([hold(2)], release(), HoldReleased(hold_id(1), ALICE), id="released"),
        pytest.param([book(2)], resize(4), CapacityChanged(4), id="added"),
    ],
)
def test_places_are_offered_however_they_came_free(
    history: list[Command], freeing: Command, entry: Entry
) -> None:
    story = given(schedule(capacity=2), *history, join(2, user=BOB))
    story.when(freeing).then(entry, offered(1, BOB, 2, waiting=1))


def test_places_of_an_expired_hold_are_offered_before_the_command_that_came_by() -> None:
    story = given(schedule(capacity=2), hold(2), join(2, user=BOB)).at(EXPIRY)
    story.when(book(user=CAROL)).then(
        HoldExpired(hold_id(1), ALICE, 2, EXPIRY),
        offered(1, BOB, 2, waiting=1, at=EXPIRY),
        SoldOut(0),
    )


def test_a_transfer_frees_nothing() -> None:
    story = sold_out(join(user=BOB))
    story.when(transfer(to=CAROL)).then(BookingTransferred(booking_id(1), ALICE, CAROL))


def test_who_joins_gets_no_place_that_is_not_there() -> None:
    story = given(schedule(capacity=3), book(2), join(2, user=BOB))
    story.when(join(user=CAROL, waiting=2)).then(PlacesLeft(1))


# An offer that is not taken


def test_an_offer_that_expires_goes_to_the_next_in_line() -> None:
    story = sold_out(join(user=BOB), join(user=CAROL, waiting=2), capacity=1)
    story.when(cancel()).then(given_back(1), offered(1, BOB, waiting=1))
    story.at(EXPIRY - 1).when(tidy()).then_nothing()
    story.at(EXPIRY).when(tidy()).then(
        HoldExpired(offer_id(1), BOB, 1, EXPIRY), offered(2, CAROL, waiting=2, at=EXPIRY)
    )
    story.when(confirm(offer_id(1), booking=2)).then(HoldIsExpired(offer_id(1), EXPIRY))
    story.when(confirm(offer_id(2), booking=2)).then(
        HoldConfirmed(offer_id(2), booking_id(2), CAROL)
    )


def test_who_let_an_offer_expire_is_not_in_line_any_more() -> None:
    story = and_then(sold_out(join(user=BOB), capacity=1), cancel()).at(EXPIRY)
    story.when(tidy()).then(HoldExpired(offer_id(1), BOB, 1, EXPIRY))
    assert (story.state.in_line, story.state.available) == (0, 1)
    assert story.state.line[waiting_id(1)].status is WaitingStatus.OFFERED
    assert story.state.holds[offer_id(1)].status is HoldStatus.EXPIRED


def test_a_declined_offer_goes_to_the_next_in_line_at_once() -> None:
    story = sold_out(join(user=BOB), join(user=CAROL, waiting=2), capacity=1)
    and_then(story, cancel())
    story.when(release(offer_id(1))).then(
        HoldReleased(offer_id(1), BOB), offered(2, CAROL, waiting=2)
    )


def test_who_got_an_offer_may_join_again() -> None:
    story = sold_out(join(user=BOB), capacity=1)
    and_then(story, cancel())
    story.when(join(user=BOB, waiting=2)).then(joined(2, BOB))


# While sales are closed


def test_nothing_is_offered_while_sales_are_closed_and_all_of_it_when_they_open() -> None:
    story = sold_out(join(user=BOB), close_sales(), capacity=1)
    story.when(cancel()).then(given_back(1))
    story.when(open_sales()).then(EventOpened(), offered(1, BOB, waiting=1))


def test_nothing_is_offered_from_the_closing_instant_on() -> None:
    closes = Instant(NOW + 10)
    history = (schedule(capacity=1, sales_close_at=closes), book(), join(user=BOB))
    given(*history).at(closes - 1).when(cancel()).then(
        given_back(1), offered(1, BOB, waiting=1, at=closes - 1)
    )
    given(*history).at(closes).when(cancel()).then(given_back(1))


def test_a_join_with_a_key_is_answered_again_as_it_was() -> None:
    story = sold_out(capacity=1)
    first = story.batch(submission(join(user=BOB), key="k")).done
    and_then(story, cancel())
    again = story.batch(submission(join(user=BOB, waiting=2), key="k")).done
    assert again.replayed
    assert again.parts[0].subject == first.parts[0].subject
