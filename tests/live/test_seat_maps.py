"""Many who look at one seat map cost few readings, and none gets a map older than its question."""

import asyncio
from uuid import uuid4

import pytest

from api.bodies import SeatMap as SeatMapBody
from api.seat_maps import SeatMaps
from ledger.database import DatabaseUnavailable
from ledger.records import SeatRow
from ledger.values import EventId, Instant
from projections.queries import SeatMap

EVENT = EventId(uuid4())
READERS = 500


class Reading:
    """A database that answers when the test says so, with what was true when it was asked."""

    def __init__(self) -> None:
        self.version = 1
        self.reads = 0
        self.answers = asyncio.Event()
        self.is_away = False

    async def seats(self, event_id: EventId) -> SeatMap:
        self.reads += 1
        version = self.version
        await self.answers.wait()
        if self.is_away:
            raise DatabaseUnavailable
        rows = [(SeatRow("A", "1", None, ("A-1-1",)), frozenset[str]())]
        return SeatMap(version, Instant(version), rows if event_id == EVENT else [])


def test_those_who_ask_during_a_reading_share_the_next() -> None:
    async def scenario() -> None:
        reading = Reading()
        maps = SeatMaps(reading.seats)
        first = asyncio.create_task(maps.get(EVENT))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert reading.reads == 1
        reading.version = 2
        others = [asyncio.create_task(maps.get(EVENT)) for _ in range(READERS)]
        await asyncio.sleep(0)
        reading.answers.set()
        found = await asyncio.gather(first, *others)
        assert reading.reads == 2
        assert [each and each.version for each in found] == [1] + [2] * READERS
        assert found[1] is not None
        assert SeatMapBody.model_validate_json(found[1].body).rows[0].seats[0].free
        reading.version = 3
        later = await maps.get(EVENT)
        assert later is not None
        assert later.version == 3

    asyncio.run(scenario())


def test_an_outage_is_told_to_all_who_asked_and_is_over_with_it() -> None:
    async def scenario() -> None:
        reading = Reading()
        reading.is_away = True
        reading.answers.set()
        maps = SeatMaps(reading.seats)
        found = await asyncio.gather(*(maps.get(EVENT) for _ in range(3)), return_exceptions=True)
        assert [type(each) for each in found] == [DatabaseUnavailable] * 3
        reading.is_away = False
        assert await maps.get(EVENT) is not None

    asyncio.run(scenario())


def test_an_event_without_seats_has_no_map() -> None:
    async def scenario() -> None:
        reading = Reading()
        reading.answers.set()
        assert await SeatMaps(reading.seats).get(EventId(uuid4())) is None

    asyncio.run(scenario())


@pytest.mark.parametrize("leaves", [0, 1])
def test_who_gives_up_takes_nothing_from_the_others(leaves: int) -> None:
    async def scenario() -> None:
        reading = Reading()
        maps = SeatMaps(reading.seats)
        askers = [asyncio.create_task(maps.get(EVENT)) for _ in range(2)]
        await asyncio.sleep(0)
        askers[leaves].cancel()
        await asyncio.sleep(0)
        reading.answers.set()
        assert await askers[1 - leaves] is not None

    asyncio.run(scenario())
