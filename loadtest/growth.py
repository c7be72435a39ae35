"""Whether a booking takes longer the more there is: of entries in the ledger, of bookings of an
event, of events.

What is compared is measured in turns, one right after the other on servers that all run, so that a
machine that slows down slows all of them.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Final, TypeVar
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from loadtest.audit import Check
from loadtest.contenders import CAPACITY, FlashTicket, Servers
from loadtest.filler import fill
from loadtest.measure import (
    bodies_file,
    faults_of,
    generate_and_watch,
    measure,
    only_right_answers,
    plan_of,
)
from loadtest.measurement import Measurement
from loadtest.replies import read_accepted
from loadtest.serving import Served
from loadtest.workloads import WORKLOADS, Workload

T = TypeVar("T")

LEDGER_SIZE: Final = "ledger-size"
LONG_EVENT: Final = "long-event"
EVENTS: Final = "events"

FILLED_EVENTS: Final = 10
THOUSAND: Final = Workload("a thousand bookings", "book", requests=1000)
PAIRS_A_ROUND: Final = 5

CREATE_DATABASE: Final = "CREATE DATABASE {}"
READ_SOLD: Final = "SELECT version, booked FROM streams WHERE stream_id = %s"
READ_NEW_BOOKINGS: Final = """
SELECT convert_from(payload, 'UTF8')::json ->> 'booking_id' FROM ledger
WHERE stream_id = %s AND version > %s AND type = 'SeatsBooked'
"""


class FilledFlashTicket(FlashTicket):
    """FlashTicket on a database of its own, with so many entries in it when it first serves."""

    def __init__(self, servers: Servers, entries: int) -> None:
        database = f"filled_{entries}"
        url = urlsplit(servers.postgres_url)._replace(path=f"/{database}").geturl()
        data_dir = servers.data_dir / str(entries)
        super().__init__(replace(servers, flashticket_url=url, data_dir=data_dir), workers=1)
        self.entries = entries
        self.events: Sequence[str] = []
        self._database = database

    def prepare(self) -> None:
        """Create the database, migrate, seed and fill it."""
        with psycopg.connect(self.servers.postgres_url, autocommit=True) as connection:
            connection.execute(sql.SQL(CREATE_DATABASE).format(sql.Identifier(self._database)))
        super().prepare()
        if self.entries:
            self.events = fill(
                self.servers.flashticket_url,
                venue_id=self.venue_id,
                users=self.users,
                streams=FILLED_EVENTS,
                entries_each=self.entries // FILLED_EVENTS,
                processes=os.cpu_count() or 1,
            )


def measure_growth(
    servers: Servers, sizes: Sequence[int], workloads: Sequence[str], rounds: int, seconds: float
) -> Iterator[Measurement]:
    """Time per booking with so many entries in the ledger, and on an event with a tenth of them."""
    contenders = [FilledFlashTicket(servers, size) for size in sizes]
    with ExitStack() as stack:
        running = [(each, stack.enter_context(each.serve())) for each in contenders]
        if LEDGER_SIZE in workloads:
            for number in range(rounds + rounds % 2):
                yield from _one_turn(_there_and_back(running, number), seconds)
        if LONG_EVENT in workloads:
            for number in range(rounds * PAIRS_A_ROUND):
                yield from _one_pair(*running[-1], number)


def _there_and_back(items: Sequence[T], number: int) -> Sequence[T]:
    """Every second turn backwards: what slows down with time then slows down both ends alike."""
    return items[::-1] if number % 2 else items


def _one_turn(
    running: Sequence[tuple[FilledFlashTicket, Served]], seconds: float
) -> Iterator[Measurement]:
    measured = [
        measure(contender, served, LEDGER_SIZE, WORKLOADS["hot"], seconds, size=contender.entries)
        for contender, served in running
    ]
    yield from with_ratios([_per_booking(each) for each in measured])


def _one_pair(contender: FilledFlashTicket, served: Served, number: int) -> Iterator[Measurement]:
    """A new event's first thousand bookings, and the next thousand of one that has very many."""
    (new,) = contender.open_events(served.port, 1, CAPACITY)
    pair = [(new, 0), (contender.events[0], contender.entries // FILLED_EVENTS)]
    yield from with_ratios(
        [
            _thousand(contender, served, event_id, size)
            for event_id, size in _there_and_back(pair, number)
        ]
    )


def with_ratios(turn: Sequence[Measurement]) -> Iterator[Measurement]:
    """Measurements of one turn, each with its time per booking over that of the smallest size."""
    smallest = min(turn, key=lambda each: each.size or 0).figures["us_per_booking"]
    for each in turn:
        ratio = each.figures["us_per_booking"] / smallest
        yield replace(each, figures={**each.figures, "over_smallest": ratio})


def _per_booking(measured: Measurement) -> Measurement:
    us_per_booking = 1e6 / max(measured.figures["per_second"], 1e-9)
    return replace(measured, figures={**measured.figures, "us_per_booking": us_per_booking})


def _thousand(
    contender: FilledFlashTicket, served: Served, event_id: str, size: int
) -> Measurement:
    with psycopg.connect(contender.servers.flashticket_url, autocommit=True) as ledger:
        version, booked = ledger.execute(READ_SOLD, [event_id]).fetchone() or (0, 0)
        with bodies_file() as bodies:
            plan = plan_of(contender, served, THOUSAND, 0, [event_id], bodies)
            outcome, figures = generate_and_watch(contender, served, plan)
            told = {reply.body["booking_id"] for reply in read_accepted(bodies)}
        after = ledger.execute(READ_SOLD, [event_id]).fetchone()
        stored = {row[0] for row in ledger.execute(READ_NEW_BOOKINGS, [event_id, version])}
    sold = outcome.tally.get(THOUSAND.outcome, 0)
    checks = [
        only_right_answers(THOUSAND, outcome),
        Check("the new bookings are those answered", stored == told, f"{len(stored)} stored"),
        Check("the row says so many", after == (version + sold, booked + sold), f"{after}"),
    ]
    figures["us_per_booking"] = outcome.measured_seconds / max(sold, 1) * 1e6
    return Measurement(contender.name, LONG_EVENT, figures, faults_of(checks), size)


def measure_events(servers: Servers, most: int, seconds: float) -> Iterator[Measurement]:
    """Time per booking when bookings are spread over so many events: one, some, and the most."""
    contender = FlashTicket(servers, workers=1)
    with contender.serve() as served:
        for count in sorted({1, max(1, most // 100), most}):
            spread = replace(WORKLOADS["hot"], events=count)
            yield _per_booking(measure(contender, served, EVENTS, spread, seconds, size=count))
