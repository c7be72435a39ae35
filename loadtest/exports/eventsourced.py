"""Another library's replay: PyPI `eventsourcing`, aggregates of bookings on PostgreSQL.

    python -m loadtest.exports.eventsourced DATABASE_URL EVENTS

writes so many events into a schema of its own, reads them back into aggregates, and prints how
many it replayed and how long that took.
"""

import json
import sys
import time
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID, uuid4

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event

OF_AN_AGGREGATE: Final = 1_000


class Show(Aggregate):
    """An event on sale, as the library's own examples are written."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.booked = 0
        self.bookings: dict[str, int] = {}

    @event("SeatsBooked")
    def book(self, booking_id: str, user_id: str, quantity: int) -> None:
        """Take places."""
        del user_id
        self.bookings[booking_id] = quantity
        self.booked += quantity


def main(database_url: str, events: int) -> None:
    """Write, then replay in one go."""
    url = urlsplit(database_url)
    shows: Application[UUID] = Application(
        {
            "PERSISTENCE_MODULE": "eventsourcing.postgres",
            "POSTGRES_DBNAME": url.path.removeprefix("/"),
            "POSTGRES_HOST": str(url.hostname),
            "POSTGRES_PORT": str(url.port),
            "POSTGRES_USER": str(url.username),
            "POSTGRES_PASSWORD": str(url.password),
        }
    )
    show_ids: list[UUID] = []
    for _ in range(events // OF_AN_AGGREGATE):
        show = Show(capacity=OF_AN_AGGREGATE)
        for _ in range(OF_AN_AGGREGATE - 1):
            show.book(str(uuid4()), str(uuid4()), 1)
        shows.save(show)
        show_ids.append(show.id)
    began = time.perf_counter()
    replayed: list[Show] = [shows.repository.get(show_id) for show_id in show_ids]
    seconds = time.perf_counter() - began
    entries = sum(show.booked + 1 for show in replayed)
    json.dump({"entries": entries, "seconds": seconds}, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
