"""A batch whose connection is lost, or one of whose commands breaks it."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest
from box_office import carry_out, open_app_pool, register, sell, verified
from samples import ACTOR, ALICE, book, cancel, new_event_id, schedule, submit

from ledger.attempts import OutcomeUnknown
from ledger.batch import Done, Failed, Outcome
from ledger.commands import Command, Submission
from ledger.database import DatabaseUnavailable
from ledger.handle import Locked
from ledger.records import Booking
from ledger.values import BookingId, EventId
from loadtest.torture.line import Cut, open_line


@pytest.fixture(scope="module")
def shared(module_database: str) -> str:
    """A database with users, for tests that each have events of their own."""
    register(module_database)
    return module_database


def entries_of(database: str, event_id: EventId) -> list[str]:
    with psycopg.connect(database) as connection:
        rows = connection.execute(
            "SELECT type FROM ledger WHERE stream_id = %s ORDER BY version", (event_id,)
        ).fetchall()
    return [name for (name,) in rows]


def through_a_cut_line(database: str, cut: Cut, *submissions: Submission) -> list[Outcome | Locked]:
    """The outcomes of a batch during which the line was cut."""

    async def run() -> list[Outcome | Locked]:
        async with open_line(database) as line, open_app_pool(line.url) as pool:
            line.cut(cut)
            outcomes = await carry_out(pool, submissions)
            assert line.cuts == 1
            return outcomes

    return asyncio.run(run())


@pytest.mark.parametrize("cut", Cut, ids=lambda cut: cut.name.lower())
def test_a_lost_connection_costs_nobody_a_booking_and_books_nothing_twice(
    shared: str, cut: Cut
) -> None:
    event_id, other_id = new_event_id(), new_event_id()
    kept = book(event_id=event_id)
    sell(shared, submit(schedule(event_id)), submit(schedule(other_id)), submit(kept))

    outcomes = through_a_cut_line(
        shared,
        cut,
        submit(book(2, event_id=event_id), key=str(event_id)),
        submit(book(3, event_id=other_id)),
        submit(cancel(kept.booking_id, event_id=event_id)),
    )

    assert all(isinstance(outcome, Done) for outcome in outcomes), outcomes
    assert entries_of(shared, event_id) == [
        "EventScheduled",
        "SeatsBooked",
        "SeatsBooked",
        "BookingCancelled",
    ]
    assert entries_of(shared, other_id) == ["EventScheduled", "SeatsBooked"]
    assert verified(shared).violations == []


@pytest.mark.parametrize(
    "cut", [Cut.BEFORE_COMMIT, Cut.AFTER_COMMIT], ids=lambda cut: cut.name.lower()
)
def test_an_event_whose_commit_was_lost_is_there_once(shared: str, cut: Cut) -> None:
    event_id = new_event_id()
    (outcome,) = through_a_cut_line(shared, cut, submit(schedule(event_id)))
    assert isinstance(outcome, Done)
    assert entries_of(shared, event_id) == ["EventScheduled"]


@contextmanager
def commits_held_up(database: str) -> Iterator[Callable[[], None]]:
    """Whoever appends entries waits in its COMMIT until what is given is called, or for ever."""
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute(
            """
            CREATE OR REPLACE FUNCTION wait_in_commit() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                PERFORM pg_advisory_xact_lock_shared(1);
                RETURN NULL;
            END
            $$
            """
        )
        owner.execute(
            "CREATE CONSTRAINT TRIGGER wait_in_commit AFTER INSERT ON ledger"
            " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait_in_commit()"
        )
        owner.execute("SELECT pg_advisory_lock(1)")

        def let_go() -> None:
            owner.execute("SELECT pg_advisory_unlock(1)")

        yield let_go
        owner.execute("DROP TRIGGER wait_in_commit ON ledger")


async def until_waiting(database: str, count: int) -> None:
    """Return when ``count`` connections wait for a lock."""
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as connection:
        async with asyncio.timeout(10):
            while True:
                cursor = await connection.execute(
                    "SELECT count(*) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND wait_event_type = 'Lock'"
                )
                if await cursor.fetchone() == (count,):
                    return


@pytest.mark.parametrize(
    "kinds",
    [["booked"], ["booked", "scheduled"], ["scheduled", "booked"], ["scheduled"]],
    ids="-then-".join,
)
def test_a_commit_that_is_still_under_way_is_waited_for_and_not_done_again(
    shared: str, kinds: list[str]
) -> None:
    event_id, new_id = new_event_id(), new_event_id()
    sell(shared, submit(schedule(event_id)))
    commands: dict[str, Command] = {
        "booked": book(2, event_id=event_id),
        "scheduled": schedule(new_id),
    }

    async def run() -> list[Outcome | Locked]:
        async with open_line(shared) as line, open_app_pool(line.url) as pool:
            with commits_held_up(shared) as let_go:
                line.cut(Cut.DURING_COMMIT)
                batch = [submit(commands[kind]) for kind in kinds]
                running = asyncio.create_task(carry_out(pool, batch))
                await until_waiting(shared, 2)  # the lost one, and who asks what became of it
                assert not running.done()
                let_go()
                return await running

    outcomes = asyncio.run(run())

    assert all(isinstance(outcome, Done) for outcome in outcomes), outcomes
    booked = ["SeatsBooked"] if "booked" in kinds else []
    assert entries_of(shared, event_id) == ["EventScheduled", *booked]
    assert entries_of(shared, new_id) == ["EventScheduled"] * kinds.count("scheduled")


def test_where_nobody_can_be_asked_the_outcome_is_called_unknown(shared: str) -> None:
    event_id = new_event_id()
    sell(shared, submit(schedule(event_id)))

    async def run() -> None:
        async with open_line(shared) as line, open_app_pool(line.url, size=1) as pool:
            line.cut(Cut.AFTER_COMMIT, for_good=True)
            with pytest.raises(OutcomeUnknown):
                await carry_out(pool, [submit(book(event_id=event_id))])

    asyncio.run(run())
    assert entries_of(shared, event_id) == ["EventScheduled", "SeatsBooked"]


def test_where_nothing_can_have_been_written_the_database_is_called_unavailable(
    shared: str,
) -> None:
    event_id = new_event_id()
    sell(shared, submit(schedule(event_id)))

    async def run() -> None:
        async with open_line(shared) as line, open_app_pool(line.url, size=1) as pool:
            line.cut(Cut.BEFORE_LOCK, for_good=True)
            with pytest.raises(DatabaseUnavailable) as caught:
                await carry_out(pool, [submit(book(event_id=event_id))])
            assert not isinstance(caught.value, OutcomeUnknown)

    asyncio.run(run())
    assert entries_of(shared, event_id) == ["EventScheduled"]


def plant_booking(database: str, booking_id: BookingId, event_id: EventId) -> None:
    """A row that no entry accounts for and that refuses the booking of this id."""
    with psycopg.connect(database) as connection:
        connection.execute(
            "INSERT INTO bookings (booking_id, stream_id, user_id, quantity, status, booked_by,"
            " booked_at_us, entry_version, entry_hash,"
            " changed_at_us, changed_version, changed_hash)"
            " VALUES (%s, %s, %s, 1, 'booked', %s, 0, 1, '', 0, 1, '')",
            (booking_id, event_id, ALICE, ACTOR),
        )


@pytest.mark.parametrize("poisoned", [{4}, {0, 9}, {3, 4, 5}, set(range(10))], ids=str)
def test_commands_that_break_the_batch_fail_alone(database: str, poisoned: set[int]) -> None:
    register(database)
    event_id = new_event_id()
    wishes = [book(event_id=event_id) for _ in range(10)]
    sell(database, submit(schedule(event_id, capacity=10)))
    for place in poisoned:
        plant_booking(database, wishes[place].booking_id, event_id)

    async def run() -> list[Outcome | Locked]:
        async with open_app_pool(database) as pool:
            return await carry_out(pool, [submit(wish) for wish in wishes])

    outcomes = asyncio.run(run())

    for place, (wish, outcome) in enumerate(zip(wishes, outcomes, strict=True)):
        if place in poisoned:
            assert isinstance(outcome, Failed)
            assert isinstance(outcome.error, psycopg.errors.UniqueViolation)
            assert outcome.error.diag.constraint_name == "bookings_pkey"
        else:
            assert isinstance(outcome, Done)
            (part,) = outcome.parts
            assert isinstance(part.subject, Booking)
            assert part.subject.booking_id == wish.booking_id
    booked = entries_of(database, event_id)[1:]
    assert booked == ["SeatsBooked"] * (10 - len(poisoned))
