"""A batch gives what its commands would have given one by one, and no command harms another."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from hypothesis import given as for_any
from hypothesis import strategies as st
from samples import (
    ALICE,
    BOB,
    EVENT,
    NOW,
    book,
    cancel,
    new_booking_id,
    new_event_id,
    new_user_id,
    resize,
    schedule,
    submit,
)

from ledger.batch import Decided, Done, Failed, Head, Loaded, Outcome, Stream, decide_batch
from ledger.chain import GENESIS, hash_of
from ledger.commands import Submission
from ledger.decide import (
    BookingNotFound,
    EventNotFound,
    IdempotencyKeyReused,
    LimitPerUser,
    SoldOut,
    UserNotFound,
)
from ledger.entries import Recorded
from ledger.state import BookingStatus, evolve
from ledger.values import BookingId, EventId, Instant


@dataclass
class Shelf:
    """A ledger in memory: what was appended, and everything loaded from it anew for each batch."""

    appended: list[Recorded] = field(default_factory=list)
    users: frozenset[Any] = frozenset({ALICE, BOB})

    def load(self, now: Instant = NOW) -> Loaded:
        streams: dict[EventId, Stream] = {}
        for each in self.appended:
            stream = streams.setdefault(each.stream_id, Stream(each.stream_id))
            stream.state.fold(evolve(stream.state, each))
            stream.version = stream.loaded_version = each.version
            stream.head_hash, stream.updated_at = each.hash, each.recorded_at
        by_key = {each.idempotency_key: each for each in self.appended if each.idempotency_key}
        return Loaded(now, streams, by_key, self.users)

    def decide(self, *submissions: Submission, now: Instant = NOW) -> list[Outcome]:
        return self.run(submissions, now).outcomes

    def run(self, submissions: Sequence[Submission], now: Instant = NOW) -> Decided:
        decided = decide_batch(self.load(now), submissions)
        self.appended += decided.appended
        return decided


def shelf(*submissions: Submission) -> Shelf:
    """A shelf on which ``submissions`` have been carried out."""
    filled = Shelf()
    assert all(isinstance(outcome, Done) for outcome in filled.decide(*submissions))
    return filled


def without_errors(outcomes: Sequence[Outcome]) -> list[object]:
    """Outcomes that can be compared: of what failed, only that it did."""
    return [Failed if isinstance(outcome, Failed) else outcome for outcome in outcomes]


# Any commands, split in any way

EVENTS = [EventId(UUID(int=0xE00 + n)) for n in range(2)]
BOOKINGS = [BookingId(UUID(int=0xB00 + n)) for n in range(8)]
USERS = [ALICE, BOB, new_user_id()]

commands = st.one_of(
    st.builds(
        schedule,
        st.sampled_from(EVENTS),
        capacity=st.integers(0, 6),
        venue_capacity=st.integers(4, 6),
        limit_per_user=st.none() | st.integers(1, 3),
        name=st.sampled_from(["A show", "A\0show"]),
    ),
    st.builds(
        book,
        st.integers(1, 3),
        user_id=st.sampled_from(USERS),
        booking_id=st.sampled_from(BOOKINGS),
        event_id=st.sampled_from(EVENTS),
    ),
    st.builds(cancel, st.sampled_from(BOOKINGS), event_id=st.sampled_from(EVENTS)),
    st.builds(resize, st.integers(0, 7), event_id=st.sampled_from(EVENTS)),
)
submissions = st.builds(
    submit,
    commands,
    key=st.none() | st.sampled_from("abc"),
    body=st.sampled_from("xy"),
)
openings = st.just([submit(schedule(event_id, capacity=5)) for event_id in EVENTS])
histories = st.tuples(openings, st.lists(submissions, max_size=30)).map(lambda two: two[0] + two[1])


@for_any(histories, st.lists(st.integers(1, 10), min_size=1))
def test_a_batch_gives_what_its_commands_give_one_by_one(
    history: list[Submission], sizes: list[int]
) -> None:
    one_by_one, in_batches = Shelf(), Shelf()
    singly = [one_by_one.decide(submission)[0] for submission in history]

    together: list[Outcome] = []
    rest, turn = history, 0
    while rest:
        size = sizes[turn % len(sizes)]
        together += in_batches.decide(*rest[:size])
        rest, turn = rest[size:], turn + 1

    assert without_errors(together) == without_errors(singly)
    assert in_batches.appended == one_by_one.appended


@for_any(histories)
def test_a_batch_says_what_changed_and_only_that(history: list[Submission]) -> None:
    before = Shelf()
    before.decide(*history[: len(history) // 2])
    loaded = before.load()
    decided = decide_batch(loaded, history[len(history) // 2 :])
    before.appended += decided.appended
    after = before.load().streams

    changed = {each.stream_id for each in decided.appended}
    assert {stream.stream_id for stream in decided.changed_streams} == changed
    for stream in decided.changed_streams:
        expected = after[stream.stream_id]
        assert replace(stream, loaded_version=expected.loaded_version) == expected
    for booking_id, booking in decided.changed_bookings.items():
        assert booking.changed_hash in {each.hash for each in decided.appended}
        assert after[booking.stream_id].state.bookings[booking_id] == booking


@for_any(histories)
def test_every_entry_of_a_batch_is_linked_to_the_one_before(history: list[Submission]) -> None:
    ends: dict[EventId, tuple[int, bytes]] = {}
    for each in Shelf().run(history).appended:
        version, head_hash = ends.get(each.stream_id, (0, GENESIS))
        assert (each.version, each.prev_hash) == (version + 1, head_hash)
        assert hash_of(each) == each.hash
        ends[each.stream_id] = (each.version, each.hash)


# What comes of a command


def test_a_booking_is_answered_with_its_entry_itself_and_the_counts_after_it() -> None:
    wish = book(3, user_id=BOB)
    (done,) = shelf(submit(schedule(capacity=5))).decide(submit(wish))
    assert isinstance(done, Done)
    assert done.recorded is not None
    assert done.booking is not None
    assert done.booking.booking_id == wish.booking_id
    assert (done.booking.user_id, done.booking.quantity) == (BOB, 3)
    assert done.booking.entry_hash == done.recorded.hash
    assert done.head == Head(version=2, capacity=5, booked=3, held=0, as_of=NOW)
    assert not done.replayed


def test_a_command_that_holds_already_appends_nothing_and_is_done() -> None:
    first = book(2)
    filled = shelf(submit(schedule()), submit(first), submit(cancel(first.booking_id)))
    (done,) = filled.decide(submit(cancel(first.booking_id)))
    assert isinstance(done, Done)
    assert done.recorded is None
    assert done.booking is not None
    assert done.booking.status is BookingStatus.CANCELLED
    assert len(filled.appended) == 3


def test_the_last_place_goes_to_the_first_in_the_batch() -> None:
    first, second = shelf(submit(schedule(capacity=1))).decide(submit(book()), submit(book()))
    assert isinstance(first, Done)
    assert second == SoldOut(0)


def test_a_place_given_back_can_be_booked_later_in_the_same_batch() -> None:
    held = book()
    filled = shelf(submit(schedule(capacity=1)), submit(held))
    refused, given_back, granted = filled.decide(
        submit(book()), submit(cancel(held.booking_id)), submit(book())
    )
    assert refused == SoldOut(0)
    assert isinstance(given_back, Done)
    assert isinstance(granted, Done)


def test_an_event_can_be_booked_in_the_batch_that_schedules_it() -> None:
    too_early, scheduled, granted = Shelf().decide(
        submit(book()), submit(schedule()), submit(book())
    )
    assert too_early == EventNotFound(EVENT)
    assert isinstance(scheduled, Done)
    assert isinstance(granted, Done)


def test_an_unknown_user_is_refused_after_all_else_holds() -> None:
    stranger = new_user_id()
    filled = shelf(submit(schedule(capacity=2)))
    granted_nothing, sold_out, no_event = filled.decide(
        submit(book(2, user_id=stranger)),
        submit(book(3, user_id=stranger)),
        submit(book(2, user_id=stranger, event_id=new_event_id())),
    )
    assert granted_nothing == UserNotFound(stranger)
    assert sold_out == SoldOut(2)
    assert isinstance(no_event, EventNotFound)
    assert len(filled.appended) == 1


def test_time_never_runs_back_within_a_stream() -> None:
    filled = shelf(submit(schedule()))
    filled.decide(submit(book()), now=Instant(NOW - 1))
    filled.decide(submit(book()), now=Instant(NOW + 1))
    assert [each.recorded_at for each in filled.appended] == [NOW, NOW, NOW + 1]


# A command that fails


def test_a_command_that_fails_harms_no_neighbour() -> None:
    before, after = submit(book(booking_id=BOOKINGS[0])), submit(book(booking_id=BOOKINGS[1]))
    poison = [submit(schedule()), submit(schedule(new_event_id(), name="\0"))]
    alone, beside = (shelf(submit(schedule())) for _ in range(2))

    neighbours = alone.decide(before, after)
    outcomes = beside.decide(before, *poison, after)

    assert [outcomes[0], outcomes[-1]] == neighbours
    assert all(isinstance(outcome, Failed) for outcome in outcomes[1:-1])
    assert beside.appended == alone.appended


def test_a_booking_id_used_twice_fails_and_takes_no_place() -> None:
    wish = book(2)
    filled = shelf(submit(schedule(capacity=4)))
    first, second, third = filled.decide(submit(wish), submit(wish), submit(book(2)))
    assert isinstance(first, Done)
    assert isinstance(second, Failed)
    assert isinstance(third, Done)
    assert third.head.booked == 4


# Idempotency keys


def test_a_key_gets_its_first_answer_again_in_the_same_batch_and_in_later_ones() -> None:
    filled = shelf(submit(schedule()))
    first, second = filled.decide(submit(book(), key="k"), submit(book(), key="k"))
    (third,) = filled.decide(submit(book(), key="k"))
    assert isinstance(first, Done)
    assert first.booking is not None
    for again in (second, third):
        assert isinstance(again, Done)
        assert (again.recorded, again.booking) == (first.recorded, first.booking)
        assert again.replayed
    assert len(filled.appended) == 2


def test_a_key_gets_its_first_answer_even_after_the_booking_was_cancelled() -> None:
    filled = shelf(submit(schedule()))
    first, _, again = filled.decide(
        submit(book(booking_id=BOOKINGS[0]), key="k"),
        submit(cancel(BOOKINGS[0])),
        submit(book(), key="k"),
    )
    assert isinstance(first, Done)
    assert isinstance(again, Done)
    assert again.booking == first.booking


def test_a_key_with_another_body_is_refused_even_where_the_event_is_sold_out() -> None:
    filled = shelf(submit(schedule(capacity=1)))
    _, reused = filled.decide(submit(book(), key="k"), submit(book(), key="k", body="other"))
    assert reused == IdempotencyKeyReused()


def test_a_key_is_known_on_every_event() -> None:
    other = new_event_id()
    filled = shelf(submit(schedule()), submit(schedule(other)), submit(book(), key="k"))
    (reused,) = filled.decide(submit(book(event_id=other), key="k", body="another event"))
    assert reused == IdempotencyKeyReused()


def test_a_refused_request_does_not_use_up_its_key() -> None:
    filled = shelf(submit(schedule(capacity=1, venue_capacity=2)))
    refused, _, granted, replayed = filled.decide(
        submit(book(2), key="k"),
        submit(resize(2)),
        submit(book(2), key="k"),
        submit(book(2), key="k"),
    )
    assert refused == SoldOut(1)
    assert isinstance(granted, Done)
    assert not granted.replayed
    assert isinstance(replayed, Done)
    assert replayed.replayed


def test_keys_of_cancellations_and_of_changed_capacities_get_their_first_answers_too() -> None:
    filled = shelf(submit(schedule()), submit(book(booking_id=BOOKINGS[0])))
    for command in (cancel(BOOKINGS[0]), resize(3)):
        first, again = filled.decide(
            submit(command, key=repr(command)), submit(command, key=repr(command))
        )
        assert isinstance(first, Done)
        assert again == replace(first, replayed=True)


def test_refusals_leave_nothing_behind() -> None:
    filled = shelf(submit(schedule(limit_per_user=1)), submit(book()))
    refused = filled.decide(submit(book()), submit(cancel(new_booking_id())))
    assert [type(outcome) for outcome in refused] == [LimitPerUser, BookingNotFound]
    assert len(filled.appended) == 2
