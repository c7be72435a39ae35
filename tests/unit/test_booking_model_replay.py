"""Replay finds each entry that no command could have written, whoever wrote it, and where.

A history is decided honestly, then one entry more is put behind it, properly chained and hashed.
"""

from dataclasses import replace
from typing import Any

import pytest
from samples import ALICE, BOB, EVENT, NOW, recorded
from story import CAROL, Story, given, read_row, replayed
from wishes import (
    EXPIRY,
    book,
    booking_id,
    call_off,
    cancel,
    category,
    check_in,
    confirm,
    hold,
    hold_id,
    join,
    leave,
    quota,
    release,
    schedule,
    seated,
    transfer,
    waiting_id,
)

from ledger.commands import Command
from ledger.entries import (
    BookingCancelled,
    BookingTransferred,
    CapacityChanged,
    CheckInAnnulled,
    Entry,
    EventCancelled,
    EventClosed,
    EventOpened,
    HoldConfirmed,
    HoldExpired,
    HoldReleased,
    SeatsBooked,
    SeatsHeld,
    TicketCheckedIn,
    WaitingListJoined,
    WaitingListLeft,
)
from ledger.replay import Broken, fold
from ledger.values import Instant

LATER = Instant(EXPIRY - 1)


def booked(quantity: int = 1, **fields: Any) -> SeatsBooked:
    made = SeatsBooked(booking_id(9), ALICE, quantity, None, (), 0)
    return replace(made, **fields)


def held(quantity: int = 1, **fields: Any) -> SeatsHeld:
    made = SeatsHeld(hold_id(9), ALICE, quantity, None, (), 0, EXPIRY, None)
    return replace(made, **fields)


def cancelled(*tickets: int, **fields: Any) -> BookingCancelled:
    return replace(BookingCancelled(booking_id(1), ALICE, len(tickets), tickets), **fields)


def with_one_more(story: Story, entry: Entry, at: Instant = NOW) -> None:
    """Replay the story with an entry behind it."""
    last = story.appended[-1]
    forged = recorded(entry, last.version + 1, at=at, prev_hash=last.hash)
    fold(last.stream_id, [*map(read_row, story.appended), read_row(forged)])


OF_PRICES: dict[str, Any] = {
    "categories": (category("full", 1), category("reduced")),
    "quotas": (quota("cheap", 1, "reduced"),),
}
SEATS = seated("A1 A2", "B1")
HELD = (schedule(), hold(2))
FIVE = (schedule(capacity=5), book(5))
LINE = (schedule(capacity=1), book(), join(user=BOB))


@pytest.mark.parametrize(
    ("history", "entry", "rule"),
    [
        pytest.param([schedule(capacity=2)], booked(3), "L1", id="more booked than there are"),
        pytest.param([schedule(capacity=2)], held(3), "L1", id="more held than there are"),
        pytest.param([*FIVE], CapacityChanged(4), "L1", id="a capacity below what is taken"),
        pytest.param([schedule()], CapacityChanged(1_001), "L1", id="a capacity above the venue's"),
        pytest.param(
            [schedule(**OF_PRICES)], booked(2, category="full"), "L1", id="a category overdrawn"
        ),
        pytest.param(
            [schedule(**OF_PRICES)], held(2, category="reduced"), "L1", id="a quota overdrawn"
        ),
        pytest.param(
            [SEATS, book(seats="A1")], booked(seats=("A1",)), "L2", id="a seat booked twice"
        ),
        pytest.param(
            [SEATS, hold(seats="A1")], booked(seats=("A1",)), "L2", id="a held seat booked"
        ),
        pytest.param([SEATS, book(seats="A1")], held(seats=("A1",)), "L2", id="a booked seat held"),
        pytest.param([SEATS], booked(2, seats=("A1", "A1")), "L2", id="one seat booked as two"),
        pytest.param([SEATS], booked(seats=("Z9",)), "L2", id="a seat booked that is not there"),
        pytest.param([SEATS], held(seats=("Z9",)), "L2", id="a seat held that is not there"),
        pytest.param([schedule()], booked(seats=("A1",)), "L2", id="a seat where there are none"),
        pytest.param([SEATS], booked(1, seats=("A1", "A2")), "L2", id="more seats than places"),
        pytest.param([SEATS], held(2, seats=("A1",)), "L2", id="fewer seats than places"),
        pytest.param([schedule()], booked(0), "L2", id="no place booked"),
        pytest.param(
            [schedule(), book()], booked(booking_id=booking_id(1)), "L2", id="a booking made twice"
        ),
        pytest.param([schedule(), book(2)], held(-1), "L2", id="less than no place held"),
        pytest.param(
            [*HELD], HoldReleased(hold_id(1), BOB), "L2", id="another user's hold released"
        ),
        pytest.param(
            [*HELD],
            HoldExpired(hold_id(1), ALICE, 2, LATER),
            "L2",
            id="an expiry that says an earlier time than the hold",
        ),
        pytest.param(
            [*HELD],
            HoldExpired(hold_id(1), ALICE, 1, EXPIRY),
            "L2",
            id="an expiry of fewer places than were held",
        ),
        pytest.param(
            [*HELD], HoldExpired(hold_id(1), BOB, 2, EXPIRY), "L2", id="another user's expiry"
        ),
        pytest.param(
            [*LINE], WaitingListLeft(waiting_id(1), CAROL), "L2", id="a line left for another"
        ),
        pytest.param([*HELD], held(hold_id=hold_id(1)), "L2", id="a hold made twice"),
        pytest.param(
            [*HELD, release()], HoldReleased(hold_id(1), ALICE), "L2", id="a hold released twice"
        ),
        pytest.param(
            [*HELD, confirm()], HoldReleased(hold_id(1), ALICE), "L2", id="a booking released"
        ),
        pytest.param(
            [*HELD, confirm()],
            HoldConfirmed(hold_id(1), booking_id(2), ALICE),
            "L2",
            id="a hold confirmed twice",
        ),
        pytest.param(
            [*HELD, release()],
            HoldConfirmed(hold_id(1), booking_id(2), ALICE),
            "L2",
            id="a released hold confirmed",
        ),
        pytest.param(
            [*HELD], HoldConfirmed(hold_id(1), booking_id(2), BOB), "L2", id="confirmed for another"
        ),
        pytest.param(
            [*HELD, book()],
            HoldConfirmed(hold_id(1), booking_id(1), ALICE),
            "L2",
            id="confirmed into a booking that is there",
        ),
        pytest.param(
            [*HELD],
            HoldExpired(hold_id(1), ALICE, 2, EXPIRY),
            "L2",
            id="a hold that expires before its time",
        ),
        pytest.param(
            [schedule()], HoldReleased(hold_id(1), ALICE), "L2", id="a hold that was never made"
        ),
        pytest.param([*FIVE], cancelled(6), "L2", id="a ticket cancelled that is not there"),
        pytest.param([*FIVE], cancelled(), "L2", id="no ticket cancelled"),
        pytest.param([*FIVE], cancelled(1, 1), "L2", id="one ticket cancelled as two"),
        pytest.param([*FIVE], cancelled(1, quantity=2), "L2", id="one ticket counted as two"),
        pytest.param(
            [*FIVE], cancelled(1, user_id=BOB), "L2", id="another user's tickets cancelled"
        ),
        pytest.param(
            [*FIVE, cancel(tickets=(1,))], cancelled(1), "L2", id="a ticket cancelled twice"
        ),
        pytest.param([*FIVE, cancel()], cancelled(1), "L2", id="a cancelled booking cancelled"),
        pytest.param(
            [*FIVE],
            BookingTransferred(booking_id(1), BOB, CAROL),
            "L2",
            id="a booking given away by who has it not",
        ),
        pytest.param(
            [*FIVE, cancel()],
            BookingTransferred(booking_id(1), ALICE, BOB),
            "L2",
            id="a cancelled booking given away",
        ),
        pytest.param([*FIVE], TicketCheckedIn(booking_id(1), 6), "L2", id="no such ticket inside"),
        pytest.param(
            [*FIVE, cancel(tickets=(1,))],
            TicketCheckedIn(booking_id(1), 1),
            "L2",
            id="a cancelled ticket inside",
        ),
        pytest.param(
            [*FIVE, check_in()], TicketCheckedIn(booking_id(1), 1), "L2", id="a ticket inside twice"
        ),
        pytest.param(
            [*FIVE], CheckInAnnulled(booking_id(1), 1), "L2", id="a check-in annulled that was none"
        ),
        pytest.param(
            [*LINE],
            WaitingListJoined(waiting_id(1), BOB, 1, None),
            "L2",
            id="a place in line taken twice",
        ),
        pytest.param(
            [*LINE, leave()], WaitingListLeft(waiting_id(1), BOB), "L2", id="a line left twice"
        ),
        pytest.param(
            [*LINE, cancel()],
            WaitingListLeft(waiting_id(1), BOB),
            "L2",
            id="a line left with an offer",
        ),
        pytest.param(
            [*LINE, leave(), cancel()],
            held(user_id=BOB, waiting_id=waiting_id(1)),
            "L2",
            id="an offer to who left",
        ),
        pytest.param(
            [*LINE, call_off(), cancel()],
            held(user_id=CAROL, waiting_id=waiting_id(1)),
            "L2",
            id="an offer to another than who waits",
        ),
        pytest.param(
            [schedule(capacity=2), book(2), join(2, user=BOB), cancel(quantity=1)],
            held(user_id=BOB, waiting_id=waiting_id(1)),
            "L2",
            id="an offer of less than was waited for",
        ),
        pytest.param([schedule(), call_off()], EventOpened(), "L2", id="a cancelled event opened"),
        pytest.param([schedule(), call_off()], EventClosed(), "L2", id="a cancelled event closed"),
        pytest.param([schedule(), call_off()], EventCancelled(), "L2", id="cancelled twice"),
        pytest.param(
            [schedule(), call_off()], CapacityChanged(5), "L2", id="a cancelled event resized"
        ),
    ],
)
def test_an_entry_that_no_command_could_have_written_is_found(
    history: list[Command], entry: Entry, rule: str
) -> None:
    story = given(*history)
    with pytest.raises(Broken) as found:
        with_one_more(story, entry, LATER)
    violation = found.value.violation
    assert (violation.rule, violation.version) == (rule, story.stream().version + 1)
    assert " " in violation.what, "it says what is wrong"


@pytest.mark.parametrize("late", [0, 1])
def test_a_hold_confirmed_after_it_expired_is_found(late: int) -> None:
    entry = HoldConfirmed(hold_id(1), booking_id(2), ALICE)
    with_one_more(given(*HELD), entry, Instant(EXPIRY - 1))
    with pytest.raises(Broken, match="after it expired"):
        with_one_more(given(*HELD), entry, Instant(EXPIRY + late))


def test_a_hold_that_expires_at_its_time_is_in_order() -> None:
    entry = HoldExpired(hold_id(1), ALICE, 2, EXPIRY)
    with_one_more(given(*HELD), entry, EXPIRY)
    with pytest.raises(Broken, match="before its time"):
        with_one_more(given(*HELD), entry, Instant(EXPIRY - 1))


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (CapacityChanged(1), "^the event is not scheduled yet$"),
        (WaitingListLeft(waiting_id(1), ALICE), "does not wait"),
        (TicketCheckedIn(booking_id(1), 1), "is not booked"),
    ],
)
def test_a_stream_begins_with_the_event(entry: Entry, message: str) -> None:
    with pytest.raises(Broken, match=message):
        fold(EVENT, [read_row(recorded(entry))])


def test_an_event_is_scheduled_once() -> None:
    story = given(schedule())
    with pytest.raises(Broken, match=r"^the event is scheduled a second time$"):
        with_one_more(story, story.appended[0].entry)


def test_nothing_about_a_cancelled_event_changes_any_more() -> None:
    with pytest.raises(Broken, match=r"^the event changes after it was cancelled$"):
        with_one_more(given(schedule(), call_off()), EventOpened())


def test_a_long_story_replays_to_what_it_was_decided_to() -> None:
    story = given(
        seated("A1 A2 A3", "B1 B2", limit_per_user=4),
        hold(2),
        confirm(),
        book(seats="A1", booking=2, user=BOB),
        hold(2, hold=2, user=CAROL),
        join(3, user=CAROL),
        check_in(),
        transfer(2, to=CAROL),
        cancel(tickets=(2,)),
        release(2),
    )
    state = replayed(story.appended[0].stream_id, story.appended).state
    assert state == story.state
    assert state.claims == {"B1": booking_id(1), "A1": booking_id(2)}
    assert state.tickets_by_user == {ALICE: 1, BOB: 0, CAROL: 1}
