"""An event is called off: its bookings are cancelled in batches, whoever dies on the way."""

import os
import signal
import time
from threading import Thread
from typing import Final

import psycopg
import pytest
from box_office import register, sell, verified
from served import Served, served
from wishes import (
    book,
    call_off,
    cancel,
    event_id,
    hold,
    schedule,
    submission,
    user_id,
)

from ledger.due import CANCELLED_AT_A_TIME

EVENT: Final = event_id(1)
USERS: Final = [user_id(n) for n in range(10)]
BATCHES: Final = 3
BOOKINGS: Final = CANCELLED_AT_A_TIME * (BATCHES - 1) + 7
TICKETS: Final = 2 * BOOKINGS
SECONDS_MAX: Final = 30.0


@pytest.fixture
def called_off(database: str) -> str:
    """A database with an event of many bookings that was just called off, and one that goes on."""
    register(database, USERS)
    other = event_id(2)
    bookings = [
        submission(book(2, booking=n, user=USERS[n % 10], event=EVENT)) for n in range(BOOKINGS)
    ]
    sell(
        database,
        submission(schedule(EVENT, capacity=100_000, venue_capacity=100_000)),
        submission(schedule(other)),
        *bookings,
        submission(cancel(0, quantity=1, event=EVENT)),
        submission(hold(3, user=USERS[0], event=EVENT)),
        submission(book(3, booking=BOOKINGS, user=USERS[0], event=other)),
        submission(call_off(EVENT)),
    )
    return database


def taken(database: str) -> int:
    with psycopg.connect(database) as connection:
        row = connection.execute(
            "SELECT booked + held FROM streams WHERE stream_id = %s", (EVENT,)
        ).fetchone()
    assert row is not None
    return int(row[0])


def cancellations(database: str) -> list[int]:
    """How many cancellations there are of each booking that has any."""
    with psycopg.connect(database) as connection:
        rows = connection.execute(
            "SELECT count(*) FROM ledger WHERE stream_id = %s AND type = 'BookingCancelled'"
            " GROUP BY convert_from(payload, 'UTF8')::jsonb ->> 'booking_id'",
            (EVENT,),
        ).fetchall()
    return [count for (count,) in rows]


class Turn:
    """A wait for the stream's lock, in line behind whoever waits for it already."""

    def __init__(self, database: str) -> None:
        self.connection = psycopg.connect(database)
        self._thread = Thread(target=self._lock)
        self._thread.start()

    def _lock(self) -> None:
        self.connection.execute("SELECT FROM streams WHERE stream_id = %s FOR UPDATE", (EVENT,))

    def come(self) -> None:
        self._thread.join(SECONDS_MAX)
        assert not self._thread.is_alive()

    def end(self) -> None:
        self.connection.close()


def waiting(database: str) -> int:
    with psycopg.connect(database) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        ).fetchone()
    assert row is not None
    return int(row[0])


def await_waiting(database: str, count: int) -> None:
    deadline = time.monotonic() + SECONDS_MAX
    while waiting(database) < count:
        assert time.monotonic() < deadline
        time.sleep(0.002)


def stop_between_batches(database: str, mine: Turn) -> tuple[Turn, int]:
    """The lock again after some batch was written, so that no other can be, and what is left.

    ``mine`` is the lock from before the first of them.
    """
    before = taken(database)
    while True:
        await_waiting(database, 1)  # the sweeper of the application stands before the lock
        following = Turn(database)
        await_waiting(database, 2)  # and we again, behind it
        mine.end()
        following.come()
        mine = following
        # What is seen through the lock stays: nobody else can write now.
        left = taken(database)
        if left < before:
            return mine, left


def kill(running: Served) -> None:
    """End the process at once, as a crash would."""
    os.killpg(running.process.pid, signal.SIGKILL)
    running.process.wait()


def finish(database: str) -> None:
    """Serve until nothing of the event is taken any more."""
    with served(database, None):
        deadline = time.monotonic() + SECONDS_MAX
        while taken(database):
            assert time.monotonic() < deadline
            time.sleep(0.02)


@pytest.mark.slow
def test_after_a_crash_between_batches_the_next_process_goes_on_where_it_stopped(
    called_off: str,
) -> None:
    """In the end every booking and hold of it was ended once, and no other event's."""
    assert taken(called_off) == TICKETS - 1 + 3
    first = Turn(called_off)
    first.come()
    with served(called_off, None) as running:
        mine, left = stop_between_batches(called_off, first)
        kill(running)
        mine.end()
        done = len(cancellations(called_off))
        assert 0 < left < TICKETS
        assert done % CANCELLED_AT_A_TIME == 0 or done == BOOKINGS
        assert verified(called_off).violations == []

    finish(called_off)
    assert sorted(cancellations(called_off)) == [1] * (BOOKINGS - 1) + [2]
    report = verified(called_off)
    assert (report.violations, report.tickets) == ([], 3)
