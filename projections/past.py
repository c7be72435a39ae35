"""The past: an event's counts and bookings as they were, folded from its entries.

Every query is short and of its own, so that a look far back keeps no transaction open and waits for
no lock. Counts go through the entries page by page; bookings through their own entries alone, which
the rows of today only help to find. What is past does not change, so counts are remembered at every
`_MILESTONE_ENTRIES`.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import orjson

from ledger.batch import Head
from ledger.database import Pool, fetch, statement
from ledger.evolve import evolve
from ledger.records import Booking
from ledger.rows import Row, recorded_from_row
from ledger.state import State
from ledger.values import BookingId, EventId, Instant, UserId
from projections.counts import COUNTED, Counts
from projections.lean_rules import READINGS

_READ_REACH: Final = statement("projections", "read_reach")
_FIND_VERSION_BY_TIME: Final = statement("projections", "find_version_by_time")
_FIND_VERSION_BY_SEQ: Final = statement("projections", "find_version_by_seq")
_FIND_RECORDED_AT: Final = statement("projections", "find_recorded_at")
_READ_COUNTED_ENTRIES: Final = statement("projections", "read_counted_entries")
_FIND_BOOKINGS_BEGUN: Final = statement("projections", "find_bookings_begun")
_FIND_BOOKINGS_HAD: Final = statement("projections", "find_bookings_had")
_FIND_ORIGINS: Final = statement("projections", "find_origins")
_READ_ENTRIES_OF_VERSIONS: Final = statement("projections", "read_entries_of_versions")
_READ_CHANGES_OF_BOOKINGS: Final = statement("projections", "read_changes_of_bookings")

_COUNTED: Final = sorted(COUNTED)
_COUNTED_AT_ONCE: Final = 1_000  # some milliseconds of work, during which nothing else is answered
_SCANNED_AT_ONCE: Final = 50_000  # the database's work alone, far within what a query may take
_MILESTONE_ENTRIES: Final = 20_000
_MILESTONES_MAX: Final = 256
_MILESTONE_HOLDS_MAX: Final = 1_000
_AT_ONCE_MAX: Final = 2


@dataclass(frozen=True, slots=True)
class AtVersion:
    """Right after an event's entry of that version."""

    version: int


@dataclass(frozen=True, slots=True)
class AtSeq:
    """Right after the entry of that number, of whichever event."""

    seq: int


@dataclass(frozen=True, slots=True)
class AtTime:
    """With all entries recorded by that time."""

    time: Instant


Moment = AtVersion | AtSeq | AtTime


class NotYet(Exception):
    """The moment is still to come; ``latest`` is the last of its kind that there is."""

    def __init__(self, latest: Moment) -> None:
        super().__init__(latest)
        self.latest = latest


class NotBorn(Exception):
    """The event had no entry yet; its first was recorded at ``began_at``."""

    def __init__(self, began_at: Instant) -> None:
        super().__init__(began_at)
        self.began_at = began_at


@dataclass(frozen=True, slots=True)
class AsOf:
    """A moment of an event: right after the entry of ``version``, recorded at ``recorded_at``."""

    event_id: EventId
    version: int
    recorded_at: Instant


class Past:
    """Reads through a pool; every method raises `ledger.database.DatabaseUnavailable`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._milestones: OrderedDict[tuple[EventId, int], Counts] = OrderedDict()
        self._folding = asyncio.Semaphore(_AT_ONCE_MAX)

    async def find(self, event_id: EventId, moment: Moment | None) -> AsOf | None:
        """What ``moment``, or the latest, is to an event; None for an unknown event.

        Raises `NotYet` and `NotBorn`.
        """
        rows = await self._rows(_READ_REACH, event_id)
        if not rows:
            return None
        version, began_at, next_seq, now = rows[0]
        match moment:
            case None:
                found = version
            case AtVersion(found):
                if found > version:
                    raise NotYet(AtVersion(version))
            case AtSeq(seq):
                if seq >= next_seq:
                    raise NotYet(AtSeq(next_seq - 1))
                ((found,),) = await self._rows(_FIND_VERSION_BY_SEQ, event_id, seq, version)
            case AtTime(time):
                if time > now:
                    raise NotYet(AtTime(now))
                ((found,),) = await self._rows(_FIND_VERSION_BY_TIME, event_id, time, version)
        if found < 1:
            raise NotBorn(began_at)
        ((recorded_at,),) = await self._rows(_FIND_RECORDED_AT, event_id, found)
        return AsOf(event_id, found, recorded_at)

    async def head(self, as_of: AsOf) -> Head:
        """The counts of an event as they were."""
        async with self._folding:
            counts = await self._counts(as_of.event_id, as_of.version)
        return Head(as_of.version, counts.capacity, counts.booked, counts.held, as_of.recorded_at)

    async def bookings(self, as_of: AsOf, booking_ids: Sequence[BookingId]) -> list[Booking]:
        """Those of the bookings named that were made by then, as they then stood."""
        origins = await self._rows(_FIND_ORIGINS, as_of.event_id, list(booking_ids))
        if not origins:
            return []
        first = min(origin[0] for origin in origins)
        last = max(origin[1] for origin in origins)
        # The first entry of all has the seats, which claims are held against.
        begun = {1, *(version for origin in origins for version in (origin[0], *origin[2:]))}
        versions = [version for version in begun if version and version <= as_of.version]
        entries = await self._rows(_READ_ENTRIES_OF_VERSIONS, as_of.event_id, versions)
        async with self._folding:
            for after, until in _spans(first, min(last, as_of.version), _SCANNED_AT_ONCE):
                entries += await self._rows(
                    _READ_CHANGES_OF_BOOKINGS, as_of.event_id, after, until, list(booking_ids)
                )
        state = _folded(sorted(entries, key=lambda row: row[1]))
        return [state.bookings[each] for each in booking_ids if each in state.bookings]

    async def bookings_begun(
        self, as_of: AsOf, after_version: int, limit: int
    ) -> list[tuple[int, Booking]]:
        """The next bookings by the version of their first entry, each as it then stood."""
        begun: list[Row] = []
        for after, until in _spans(after_version, as_of.version, _SCANNED_AT_ONCE):
            left = limit - len(begun)
            begun += await self._rows(_FIND_BOOKINGS_BEGUN, as_of.event_id, after, until, left)
            if len(begun) == limit:
                break
        booking_ids = [booking_id for _, booking_id in begun]
        bookings = {each.booking_id: each for each in await self.bookings(as_of, booking_ids)}
        return [(version, bookings[booking_id]) for version, booking_id in begun]

    async def bookings_had(
        self, user_id: UserId, moment: Moment, after: UUID, limit: int
    ) -> tuple[list[tuple[AsOf, Booking]], UUID | None]:
        """The bookings that a user had, of the next ``limit`` that the user ever had, by id.

        With each what the moment is to its event; and the last of those looked at, None when there
        are no more. Raises `NotYet`.
        """
        rows = await self._rows(_FIND_BOOKINGS_HAD, user_id, after, limit)
        of_event: dict[EventId, list[BookingId]] = {}
        for booking_id, event_id in rows:
            of_event.setdefault(event_id, []).append(booking_id)
        had = []
        for event_id, booking_ids in of_event.items():
            try:
                as_of = await self.find(event_id, moment)
            except NotBorn:
                continue
            if as_of is not None:
                stood = await self.bookings(as_of, booking_ids)
                had += [(as_of, booking) for booking in stood if booking.user_id == user_id]
        had.sort(key=lambda each: each[1].booking_id)
        return had, rows[-1][0] if len(rows) == limit else None

    async def _counts(self, event_id: EventId, version: int) -> Counts:
        reached, counts = self._last_milestone(event_id, version)
        for after, until in _spans(reached, version, _COUNTED_AT_ONCE):
            rows = await self._rows(_READ_COUNTED_ENTRIES, event_id, after, until, _COUNTED)
            for type_name, schema_version, payload in rows:
                fields = orjson.loads(payload)
                counts.take(
                    type_name, READINGS[type_name].lifted(type_name, schema_version, fields)
                )
            if until % _MILESTONE_ENTRIES == 0:
                self._remember(event_id, until, counts)
        return counts

    def _last_milestone(self, event_id: EventId, version: int) -> tuple[int, Counts]:
        for reached in range(version - version % _MILESTONE_ENTRIES, 0, -_MILESTONE_ENTRIES):
            counts = self._milestones.get((event_id, reached))
            if counts is not None:
                self._milestones.move_to_end((event_id, reached))
                return reached, counts.copy()
        return 0, Counts()

    def _remember(self, event_id: EventId, version: int, counts: Counts) -> None:
        if len(counts.open_holds) <= _MILESTONE_HOLDS_MAX:
            self._milestones[event_id, version] = counts.copy()
            if len(self._milestones) > _MILESTONES_MAX:
                self._milestones.popitem(last=False)

    async def _rows(self, query: bytes, *parameters: Any) -> list[Row]:
        return await fetch(self._pool, query, *parameters)


def _spans(after: int, until: int, size: int) -> Iterator[tuple[int, int]]:
    """From one version to another in parts that end at multiples of ``size``."""
    while after < until:
        end = min(until, after - after % size + size)
        yield after, end
        after = end


def _folded(entries: Iterable[Row]) -> State:
    """The state as far as ``entries`` make it, which are all that concern some bookings."""
    state = State()
    for row in entries:
        state.fold(evolve(state, recorded_from_row(row)))
    return state
