"""What each entry changes, and which entries cannot follow each other."""

from dataclasses import replace

import pytest
from given import given
from samples import ACTOR, ALICE, BOB, EVENT, NOW, booked, cancelled, recorded, resized, scheduled

from ledger.entries import Entry
from ledger.evolve import evolve
from ledger.records import Booking, BookingStatus, Mark
from ledger.state import Impossible, State
from ledger.values import Instant


def test_a_stream_begins_with_its_terms_and_nothing_taken() -> None:
    state = given(scheduled(capacity=7, limit_per_user=2)).state()
    assert state.terms is not None
    assert (state.terms.capacity, state.terms.limit_per_user) == (7, 2)
    assert (state.booked, state.held, state.available) == (0, 0, 7)


def test_nothing_is_available_before_the_stream_begins() -> None:
    assert State().available == 0


def test_bookings_and_cancellations_move_the_counts() -> None:
    kept, given_back = booked(3), booked(2, user_id=BOB)
    state = given(scheduled(capacity=7), kept, given_back, cancelled(given_back)).state()
    assert (state.booked, state.available) == (3, 4)
    assert state.tickets_by_user == {ALICE: 3, BOB: 0}
    assert state.bookings[kept.booking_id].live_quantity == 3
    assert state.bookings[given_back.booking_id].live_quantity == 0


def test_a_change_of_capacity_leaves_the_other_terms_alone() -> None:
    before = given(scheduled(capacity=7, limit_per_user=2)).state().terms
    after = given(scheduled(capacity=7, limit_per_user=2), resized(9)).state().terms
    assert before is not None
    assert after is not None
    assert after.capacity == 9
    assert after == given(scheduled(capacity=9, limit_per_user=2)).state().terms


def test_a_booking_remembers_its_first_entry_and_its_last() -> None:
    state = given(scheduled()).state()
    booking = booked(2, user_id=BOB)
    first = recorded(booking, 2, at=NOW)
    last = recorded(cancelled(booking), 3, at=Instant(NOW + 5), prev_hash=first.hash)
    for each in (first, last):
        state.fold(evolve(state, each))
    assert state.bookings[booking.booking_id] == Booking(
        booking_id=booking.booking_id,
        stream_id=EVENT,
        user_id=BOB,
        quantity=2,
        status=BookingStatus.CANCELLED,
        booked_by=ACTOR,
        entry=Mark(2, first.hash, NOW),
        changed=Mark(3, last.hash, Instant(NOW + 5)),
        cancelled_tickets=(1, 2),
    )


def test_evolve_changes_nothing_by_itself() -> None:
    state = given(scheduled()).state()
    evolve(state, recorded(booked(2), 2))
    assert state == given(scheduled()).state()


BOOKING = booked(2)


@pytest.mark.parametrize(
    ("history", "entry"),
    [
        pytest.param([], resized(5), id="a capacity changed before there is any"),
        pytest.param([scheduled()], scheduled(), id="an event scheduled twice"),
        pytest.param([scheduled(), BOOKING], BOOKING, id="a booking booked twice"),
        pytest.param(
            [scheduled(), BOOKING, cancelled(BOOKING)], BOOKING, id="a cancelled booking rebooked"
        ),
        pytest.param([scheduled()], cancelled(BOOKING), id="a cancellation of nothing"),
        pytest.param(
            [scheduled(), BOOKING, cancelled(BOOKING)],
            cancelled(BOOKING),
            id="a booking cancelled twice",
        ),
        pytest.param(
            [scheduled(), BOOKING],
            replace(cancelled(BOOKING), quantity=1),
            id="a cancellation of fewer tickets than it names",
        ),
        pytest.param(
            [scheduled(), BOOKING],
            replace(cancelled(BOOKING), user_id=BOB),
            id="a cancellation of another user's booking",
        ),
    ],
)
def test_entries_that_no_commands_could_have_written_are_impossible(
    history: list[Entry], entry: Entry
) -> None:
    state = given(*history).state()
    with pytest.raises(Impossible):
        evolve(state, recorded(entry, len(history) + 1))
