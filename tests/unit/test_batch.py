"""A batch gives what its commands would have given one by one, and no command harms another."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
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

from ledger.batch import (
    Decided,
    Done,
    Failed,
    Head,
    Loaded,
    Outcome,
    Part,
    Refused,
    Stream,
    decide_batch,
)
from ledger.chain import GENESIS, hash_of
from ledger.commands import (
    AnnulCheckIn,
    BookSeats,
    CancelBooking,
    CancelEvent,
    ChangeCapacity,
    CheckIn,
    CloseEvent,
    ConfirmHold,
    HoldSeats,
    JoinWaitingList,
    LeaveWaitingList,
    OpenEvent,
    ReleaseHold,
    ScheduleEvent,
    Submission,
    TidyEvent,
    TransferBooking,
)
from ledger.entries import Recorded
from ledger.evolve import evolve
from ledger.records import Booking, BookingStatus, Category, SeatRow
from ledger.rejections import (
    BookingNotFound,
    EventNotFound,
    IdempotencyKeyReused,
    LimitPerUser,
    Rejection,
    SoldOut,
    UserNotFound,
)
from ledger.values import BookingId, EventId, HoldId, Instant, UserId, WaitingId


@dataclass
class Shelf:
    """A ledger in memory: what was appended, and everything loaded from it anew for each batch."""

    appended: list[Recorded] = field(default_factory=list)
    users: frozenset[UserId] = frozenset({ALICE, BOB})
    offers: Iterator[int] = field(default_factory=count)

    def load(self, now: Instant = NOW) -> Loaded:
        streams: dict[EventId, Stream] = {}
        by_key: dict[bytes, list[Recorded]] = {}
        for each in self.appended:
            stream = streams.setdefault(each.stream_id, Stream(each.stream_id))
            stream.state.fold(evolve(stream.state, each))
            stream.version = stream.loaded_version = each.version
            stream.head_hash, stream.updated_at = each.hash, each.recorded_at
            if each.idempotency_key is not None:
                by_key.setdefault(each.idempotency_key, []).append(each)
        return Loaded(now, streams, by_key, self.users)

    def decide(self, *submissions: Submission, now: Instant = NOW) -> list[Outcome]:
        return self.run(submissions, now).outcomes

    def run(self, submissions: Sequence[Submission], now: Instant = NOW) -> Decided:
        decided = decide_batch(self.load(now), submissions, self.new_offer_id)
        self.appended += decided.appended
        return decided

    def new_offer_id(self) -> UUID:
        return UUID(int=0xF000 + next(self.offers))


def shelf(*submissions: Submission) -> Shelf:
    """A shelf on which ``submissions`` have been carried out."""
    filled = Shelf()
    assert all(isinstance(outcome, Done) for outcome in filled.decide(*submissions))
    return filled


def part_of(outcome: Outcome) -> Part:
    """What came of the only command of a submission, which must have been carried out."""
    assert isinstance(outcome, Done), outcome
    (part,) = outcome.parts
    return part


def booking_of(outcome: Outcome) -> Booking:
    subject = part_of(outcome).subject
    assert isinstance(subject, Booking)
    return subject


def refusal_of(outcome: Outcome) -> Rejection:
    assert isinstance(outcome, Refused), outcome
    return outcome.rejection


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
    decided = decide_batch(before.load(), history[len(history) // 2 :], before.new_offer_id)
    before.appended += decided.appended
    after = before.load().streams

    hashes = {each.hash for each in decided.appended}
    assert set(decided.streams) == {each.stream_id for each in decided.appended}
    for stream_id, stream in decided.streams.items():
        expected = after[stream_id]
        assert replace(stream, loaded_version=expected.loaded_version) == expected
    for booking_id, booking in decided.bookings.items():
        assert booking.changed.hash in hashes
        assert after[booking.stream_id].state.bookings[booking_id] == booking


@for_any(histories)
def test_every_entry_of_a_batch_is_linked_to_the_one_before(history: list[Submission]) -> None:
    ends: dict[EventId, tuple[int, bytes]] = {}
    for each in Shelf().run(history).appended:
        version, head_hash = ends.get(each.stream_id, (0, GENESIS))
        assert (each.version, each.prev_hash) == (version + 1, head_hash)
        assert hash_of(each) == each.hash
        ends[each.stream_id] = (each.version, each.hash)


# Any command of one event, and time going on

HOLDS = [HoldId(UUID(int=0xC00 + n)) for n in range(4)]
LINE = [WaitingId(UUID(int=0xD00 + n)) for n in range(4)]
CATEGORIES = (Category("front", 500, 2), Category("back", 300, None))
SEAT_ROWS = (SeatRow("", "1", "front", ("A1", "A2", "A3")), SeatRow("", "2", "back", ("B1", "B2")))
KINDS_OF_EVENT = [
    schedule(EVENT, capacity=4, hold_seconds=1),
    schedule(EVENT, capacity=4, hold_seconds=1, limit_per_user=3, limit_per_order=2),
    schedule(EVENT, capacity=5, hold_seconds=1, categories=CATEGORIES),
    schedule(EVENT, capacity=5, hold_seconds=1, categories=CATEGORIES, seat_rows=SEAT_ROWS),
]

event = st.just(EVENT)
user = st.sampled_from(USERS)
booking = st.sampled_from(BOOKINGS[:4])
a_hold = st.sampled_from(HOLDS)
place_in_line = st.sampled_from(LINE)
quantity = st.integers(1, 3)
ticket = st.integers(1, 2)
category = st.sampled_from([None, None, "front", "back"])

taking = [
    st.builds(BookSeats, event, booking, user, quantity, category),
    st.builds(HoldSeats, event, a_hold, user, quantity, category),
    st.builds(JoinWaitingList, event, place_in_line, user, quantity, category),
]
by_seat = [
    st.builds(BookSeats, event, booking, user, st.just(1), category, st.just(("A1",))),
    st.builds(HoldSeats, event, a_hold, user, st.just(2), category, st.just(("A3", "B1"))),
]
changing = [
    st.builds(ConfirmHold, event, a_hold, booking),
    st.builds(ReleaseHold, event, a_hold),
    st.builds(LeaveWaitingList, event, place_in_line),
    st.builds(CancelBooking, event, booking, st.none() | quantity),
    st.builds(CancelBooking, event, booking, st.none(), st.tuples(ticket)),
    st.builds(TransferBooking, event, booking, user),
    st.builds(CheckIn, event, booking, ticket, st.integers(1, 2)),
    st.builds(AnnulCheckIn, event, booking, ticket),
]
of_the_event = [
    st.builds(ChangeCapacity, event, st.integers(0, 6)),
    st.builds(OpenEvent, event),
    st.builds(CloseEvent, event),
    st.builds(TidyEvent, event),
    st.builds(CancelEvent, event),
]
weighted = [*taking * 8, *by_seat * 2, *changing * 2, *of_the_event]
moments = st.lists(
    st.lists(
        st.builds(
            submit,
            st.integers(0, len(weighted) - 1).flatmap(weighted.__getitem__),
            key=st.none() | st.sampled_from("abcd"),
        ),
        min_size=6,
        max_size=20,
    ),
    min_size=1,
    max_size=5,
)


@for_any(st.sampled_from(KINDS_OF_EVENT), moments, st.lists(st.integers(1, 6), min_size=1))
def test_at_each_moment_any_batches_give_what_their_commands_give_one_by_one(
    opening: ScheduleEvent, history: list[list[Submission]], sizes: list[int]
) -> None:
    one_by_one, in_batches = shelf(submit(opening)), shelf(submit(opening))
    for number, submissions in enumerate(history):
        now = Instant(
            NOW + number * 600_000
        )  # so that a hold of one second is over the next but one
        singly = [one_by_one.decide(submission, now=now)[0] for submission in submissions]
        together: list[Outcome] = []
        for size in sizes * len(submissions):
            together += in_batches.decide(
                *submissions[len(together) : len(together) + size], now=now
            )
        assert without_errors(together) == without_errors(singly)
    assert in_batches.appended == one_by_one.appended


# What comes of a command


def test_a_booking_is_answered_with_its_entry_itself_and_the_counts_after_it() -> None:
    wish = book(3, user_id=BOB)
    (outcome,) = shelf(submit(schedule(capacity=5))).decide(submit(wish))
    part, booking = part_of(outcome), booking_of(outcome)
    assert part.recorded is not None
    assert (booking.booking_id, booking.user_id, booking.quantity) == (wish.booking_id, BOB, 3)
    assert booking.entry.hash == part.recorded.hash
    assert part.head == Head(version=2, capacity=5, booked=3, held=0, as_of=NOW)
    assert outcome == Done((part,), replayed=False)


def test_a_command_that_holds_already_appends_nothing_and_is_done() -> None:
    first = book(2)
    filled = shelf(submit(schedule()), submit(first), submit(cancel(first.booking_id)))
    (outcome,) = filled.decide(submit(cancel(first.booking_id)))
    assert part_of(outcome).recorded is None
    assert booking_of(outcome).status is BookingStatus.CANCELLED
    assert len(filled.appended) == 3


def test_the_last_place_goes_to_the_first_in_the_batch() -> None:
    first, second = shelf(submit(schedule(capacity=1))).decide(submit(book()), submit(book()))
    assert isinstance(first, Done)
    assert refusal_of(second) == SoldOut(0)


def test_a_place_given_back_can_be_booked_later_in_the_same_batch() -> None:
    taken = book()
    filled = shelf(submit(schedule(capacity=1)), submit(taken))
    refused, given_back, granted = filled.decide(
        submit(book()), submit(cancel(taken.booking_id)), submit(book())
    )
    assert refusal_of(refused) == SoldOut(0)
    assert isinstance(given_back, Done)
    assert isinstance(granted, Done)


def test_an_event_can_be_booked_in_the_batch_that_schedules_it() -> None:
    too_early, scheduled, granted = Shelf().decide(
        submit(book()), submit(schedule()), submit(book())
    )
    assert refusal_of(too_early) == EventNotFound(EVENT)
    assert isinstance(scheduled, Done)
    assert isinstance(granted, Done)


def test_an_unknown_user_is_refused_after_all_else_holds() -> None:
    stranger = new_user_id()
    filled = shelf(submit(schedule(capacity=2)))
    nobody, sold_out, no_event = filled.decide(
        submit(book(2, user_id=stranger)),
        submit(book(3, user_id=stranger)),
        submit(book(2, user_id=stranger, event_id=EVENTS[0])),
    )
    assert refusal_of(nobody) == UserNotFound(stranger)
    assert refusal_of(sold_out) == SoldOut(2)
    assert refusal_of(no_event) == EventNotFound(EVENTS[0])
    assert len(filled.appended) == 1


def test_time_never_runs_back_within_a_stream() -> None:
    filled = shelf(submit(schedule()))
    filled.decide(submit(book()), now=Instant(NOW - 1))
    filled.decide(submit(book()), now=Instant(NOW + 1))
    assert [each.recorded_at for each in filled.appended] == [NOW, NOW, NOW + 1]


def test_refusals_leave_nothing_behind() -> None:
    filled = shelf(submit(schedule(limit_per_user=1)), submit(book()))
    refused = filled.decide(submit(book()), submit(cancel(new_booking_id())))
    assert [type(refusal_of(each)) for each in refused] == [LimitPerUser, BookingNotFound]
    assert len(filled.appended) == 2


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
    assert part_of(third).head.booked == 4


# Idempotency keys


def test_a_key_gets_its_first_answer_again_in_the_same_batch_and_in_later_ones() -> None:
    filled = shelf(submit(schedule()))
    first, second = filled.decide(submit(book(), key="k"), submit(book(), key="k"))
    (third,) = filled.decide(submit(book(), key="k"))
    assert first == Done((part_of(first),), replayed=False)
    for again in (second, third):
        assert again == Done((part_of(first),), replayed=True)
    assert len(filled.appended) == 2


def test_a_key_gets_its_first_answer_even_after_the_booking_was_cancelled() -> None:
    filled = shelf(submit(schedule()))
    first, _, again = filled.decide(
        submit(book(booking_id=BOOKINGS[0]), key="k"),
        submit(cancel(BOOKINGS[0])),
        submit(book(), key="k"),
    )
    assert booking_of(first).status is BookingStatus.BOOKED
    assert booking_of(again) == booking_of(first)


def test_a_key_with_another_body_is_refused_even_where_the_event_is_sold_out() -> None:
    filled = shelf(submit(schedule(capacity=1)))
    _, reused = filled.decide(submit(book(), key="k"), submit(book(), key="k", body="other"))
    assert refusal_of(reused) == IdempotencyKeyReused()


def test_a_key_is_known_on_every_event() -> None:
    other = new_event_id()
    filled = shelf(submit(schedule()), submit(schedule(other)), submit(book(), key="k"))
    (reused,) = filled.decide(submit(book(event_id=other), key="k", body="another event"))
    assert refusal_of(reused) == IdempotencyKeyReused()


def test_a_refused_request_does_not_use_up_its_key() -> None:
    filled = shelf(submit(schedule(capacity=1, venue_capacity=2)))
    refused, _, granted, again = filled.decide(
        submit(book(2), key="k"),
        submit(resize(2)),
        submit(book(2), key="k"),
        submit(book(2), key="k"),
    )
    assert refusal_of(refused) == SoldOut(1)
    assert granted == Done((part_of(granted),), replayed=False)
    assert again == Done((part_of(granted),), replayed=True)


def test_keys_of_cancellations_and_of_changed_capacities_get_their_first_answers_too() -> None:
    filled = shelf(submit(schedule()), submit(book(booking_id=BOOKINGS[0])))
    for command in (cancel(BOOKINGS[0]), resize(3)):
        first, again = filled.decide(
            submit(command, key=repr(command)), submit(command, key=repr(command))
        )
        assert again == Done((part_of(first),), replayed=True)
