"""Replay, rebuild and migrate, all while people buy and cancel."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from crowd import Crowd
from served import violations

from ledger.migrate import migrate
from projections.rebuild import rebuild

BUYERS = 4


@contextmanager
def buying_and_cancelling(crowd: Crowd) -> Iterator[list[int]]:
    """The statuses of what buyers were answered, as they come, while the block runs."""
    api = crowd.api
    event_ids, user_id = [api.add_event(100_000) for _ in range(3)], api.add_user()
    is_over = threading.Event()
    statuses: list[int] = []

    def buy(turn: int) -> None:
        while not is_over.is_set():
            turn += 1
            booked = api.book(event_ids[turn % 3], user_id)
            statuses.append(booked.status_code)
            if booked.status_code == 201 and turn % 4 == 0:
                statuses.append(api.cancel(booked.json()["booking_id"]).status_code)

    with ThreadPoolExecutor(BUYERS) as threads:
        buying = [threads.submit(buy, turn) for turn in range(BUYERS)]
        try:
            yield statuses
        finally:
            is_over.set()
    for each in buying:
        each.result()


def test_verify_sees_one_moment_in_which_all_holds(crowd: Crowd, crowd_database: str) -> None:
    with buying_and_cancelling(crowd) as statuses:
        for _ in range(3):
            before = len(statuses)
            assert violations(crowd_database) == []
            assert len(statuses) > before, "nobody bought while it was verified"
    assert set(statuses) == {200, 201}


def test_a_rebuild_loses_nothing_that_is_booked_meanwhile(
    crowd: Crowd, crowd_database: str
) -> None:
    with buying_and_cancelling(crowd) as statuses:
        for _ in range(3):
            rebuild(crowd_database, None, lambda _: None)
        assert violations(crowd_database) == []
    # Who has to wait too long for the swap, on a machine that is busy, is told so and no more.
    assert {200, 201} <= set(statuses) <= {200, 201, 503}


def test_migrating_what_is_migrated_disturbs_nobody(crowd: Crowd, crowd_database: str) -> None:
    with buying_and_cancelling(crowd) as statuses, ThreadPoolExecutor(3) as threads:
        assert list(threads.map(migrate, [crowd_database] * 6)) == [[]] * 6
    assert set(statuses) <= {200, 201}
