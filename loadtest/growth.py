"""Whether a booking takes longer the more there is: of entries in the ledger, of bookings of an
event, of events.

What is compared is measured in turns, one right after the other on servers that all run, so that a
machine that slows down slows all of them.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Final
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
            for _ in range(rounds):
                yield from _one_turn(running, seconds)
        if LONG_EVENT in workloads:
            for _ in range(rounds * PAIRS_A_ROUND):
                yield from _one_pair(*running[-1])


def _one_turn(
    running: Sequence[tuple[FilledFlashTicket, Served]], seconds: float
) -> Iterator[Measurement]:
    empty: float | None = None
    for contender, served in running:
        measured = measure(
            contender, served, LEDGER_SIZE, WORKLOADS["hot"], seconds, size=contender.entries
        )
        per_booking = 1e6 / max(measured.figures["per_second"], 1e-9)
        empty = empty or per_booking
        grown = {"us_per_booking": per_booking, "over_smallest": per_booking / empty}
        yield replace(measured, figures={**measured.figures, **grown})


def _one_pair(contender: FilledFlashTicket, served: Served) -> Iterator[Measurement]:
    """A new event's first thousand bookings, and the next thousand of one that has very many."""
    (new,) = contender.open_events(served.port, 1, CAPACITY)
    first = _thousand(contender, served, new, size=0)
    last = _thousand(
        contender, served, contender.events[0], size=contender.entries // FILLED_EVENTS
    )
    yield first
    ratio = last.figures["us_per_booking"] / first.figures["us_per_booking"]
    yield replace(last, figures={**last.figures, "over_smallest": ratio})


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
            measured = measure(contender, served, EVENTS, spread, seconds, size=count)
            per_booking = 1e6 / max(measured.figures["per_second"], 1e-9)
            yield replace(measured, figures={**measured.figures, "us_per_booking": per_booking})
