"""Rebuild: all that is derived made anew beside what is there, and put in its place.

Reads and bookings go on meanwhile. First every stream of one snapshot is folded lean and copied
into tables beside the projected ones, by as many processes as there are parts. Then the entries
that came since are folded onto them, over and over, until few are left. Then, in one transaction
that keeps everybody away, the last of them, and the tables change places. That transaction gives up
when it has to wait, so that nothing waits long behind it, and is tried again.

Until it commits nothing is changed: a rebuild that fails or dies leaves what was there, and a few
tables that the next one throws away.
"""

import asyncio
import multiprocessing
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from time import monotonic
from typing import Final
from uuid import UUID

import psycopg
from redis import Redis

from ledger.database import Connection, statement
from ledger.values import EventId
from projections.cache import forget_all
from projections.catch_up import catch_up
from projections.lean_copy import LOOK_BESIDE, Made, Part, make
from projections.projector import Halls, count
from projections.queries import NIL

_CLAIM_REBUILD: Final = statement("projections", "claim_rebuild").decode()
_BUILD_BESIDE: Final = statement("projections", "build_beside").decode()
_EXPORT_SNAPSHOT: Final = statement("projections", "export_snapshot").decode()
_READ_STREAM_SIZES: Final = statement("projections", "read_stream_sizes").decode()
_PLACE_PROJECTOR: Final = statement("projections", "place_projector").decode()
_INDEX_BESIDE: Final = statement("projections", "index_beside").decode()
_READ_NEXT_SEQ: Final = statement("projections", "read_next_seq")
_FIND_MOVED: Final = statement("projections", "find_moved")
_LIMIT_LOCK_WAIT: Final = statement("projections", "limit_lock_wait")
_LOCK_FOR_SWAP: Final = statement("projections", "lock_for_swap")
_SWAP_TABLES: Final = statement("projections", "swap_tables")
_DROP_REPLACED: Final = statement("projections", "drop_replaced").decode()

_PART_ENTRIES_MAX: Final = 50_000
_FEW_ENTRIES: Final = 1_000
_ROUNDS_MAX: Final = 100
_LOCK_WAIT_MS: Final = 200
_SWAPS_MAX: Final = 100

Progress = Callable[[int], None]
"""Is told how many more entries have been folded."""


class RebuildRunning(Exception):
    """Another rebuild of this database is under way."""


class NeverFree(Exception):
    """Somebody used the tables without a pause: a long transaction, most likely."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What was made, and for how long others had to wait."""

    entries: int
    streams: int
    waited_seconds: float


def rebuild(
    url: str,
    redis_url: str | None,
    progress: Progress,
    *,
    expect: Progress = lambda _: None,
    processes: int = 1,
) -> Rebuilt:
    """Make everything derived anew from the ledger.

    ``expect`` is told how many entries there are to be folded, as far as the stream rows know.
    ``url`` must be the owner's, and a connection its own: no pool in transaction mode. All or
    nothing: raises `ledger.replay.Broken` when the entries break a rule, `RebuildRunning`, or
    `NeverFree`, and leaves everything as it was.
    """
    with psycopg.connect(url) as guard:
        ((is_only,),) = guard.execute(_CLAIM_REBUILD)
        if not is_only:
            raise RebuildRunning("another rebuild is under way")
        with _tables_beside(url):
            made = _make_all(url, progress, expect, processes)
            with psycopg.connect(url) as connection:
                connection.execute(_INDEX_BESIDE)
            made, waited_seconds = asyncio.run(_follow_and_swap(url, made, progress))
    if redis_url is not None:
        with Redis.from_url(redis_url) as redis:
            forget_all(redis)
    return Rebuilt(made.entries, made.streams, waited_seconds)


@contextmanager
def _tables_beside(url: str) -> Iterator[None]:
    """Empty tables beside the projected ones; whatever is beside in the end is thrown away."""
    with psycopg.connect(url) as connection:
        connection.execute(_BUILD_BESIDE)
    try:
        yield
    finally:
        with suppress(psycopg.Error), psycopg.connect(url) as connection:
            connection.execute(_DROP_REPLACED)


def _make_all(url: str, progress: Progress, expect: Progress, processes: int) -> Made:
    """Fill the tables beside with what one snapshot has."""
    with psycopg.connect(url) as connection:
        # The parts see what this sees, for as long as it lasts.
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        ((snapshot,),) = connection.execute(_EXPORT_SNAPSHOT)
        sizes = connection.execute(_READ_STREAM_SIZES).fetchall()
        connection.execute(_PLACE_PROJECTOR)
        expect(sum(size for _, size in sizes))
        entries, streams = 0, 0
        parts = [Part(url, snapshot, first, end) for first, end in _ranges(sizes)]
        for made in _made(parts, processes):
            entries += made.entries
            streams += made.streams
            progress(made.entries)
    return Made(entries, streams)


def _ranges(sizes: Sequence[tuple[UUID, int]]) -> Iterator[tuple[UUID, UUID | None]]:
    """All ids in ranges of about `_PART_ENTRIES_MAX` entries, if the sizes are right."""
    first, entries = NIL, 0
    for stream_id, size in sizes:
        if entries and entries + size > _PART_ENTRIES_MAX:
            yield first, stream_id
            first, entries = stream_id, 0
        entries += size
    yield first, None


def _made(parts: Sequence[Part], processes: int) -> Iterator[Made]:
    """What the parts come to, in the order in which they are done."""
    processes = min(processes, len(parts))
    if processes == 1:
        yield from map(make, parts)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as executor:
        jobs = [executor.submit(make, part) for part in parts]
        try:
            for job in as_completed(jobs):
                yield job.result()
        finally:
            executor.shutdown(wait=True, cancel_futures=True)


async def _follow_and_swap(url: str, made: Made, progress: Progress) -> tuple[Made, float]:
    """Take over what came since, swap, and tell for how long others had to wait for that."""
    async with _connected(url) as follower, _connected(url) as swapper:
        await follower.execute(LOOK_BESIDE.encode())
        following = _Following(follower, swapper, made, progress)
        for _ in range(_ROUNDS_MAX):
            if await following.take_over() < _FEW_ENTRIES:
                break
        for _ in range(_SWAPS_MAX):
            try:
                return following.made, await _swap(swapper, following)
            except psycopg.errors.LockNotAvailable:
                # Whoever waited behind the lock goes first.
                await asyncio.sleep(_LOCK_WAIT_MS / 1000)
                await following.take_over()
    raise NeverFree("the tables were in use all the time")


async def _swap(connection: Connection, following: "_Following") -> float:
    async with connection.transaction():
        await connection.execute(_LIMIT_LOCK_WAIT, (str(_LOCK_WAIT_MS),))
        asked_at = monotonic()
        await connection.execute(_LOCK_FOR_SWAP)
        # Once is enough: nothing is committed any more, and what is only numbered can be counted
        # later, but no less than the projector has counted, which cannot get at its place now.
        await following.take_over()
        await connection.execute(_SWAP_TABLES)
    return monotonic() - asked_at


class _Following:
    """Takes entries that came since over into the tables beside."""

    def __init__(
        self, beside: Connection, live: Connection, made: Made, progress: Progress
    ) -> None:
        self._beside = beside
        self._live = live
        self._halls = Halls()
        self._progress = progress
        self.made = made

    async def take_over(self) -> int:
        """Fold and count what has come; how many entries those were."""
        # Asked first: whatever has a number by then is among what has come, and so is folded
        # before it is counted.
        cursor = await self._live.execute(_READ_NEXT_SEQ)
        ((end,),) = await cursor.fetchall()
        cursor = await self._live.execute(_FIND_MOVED, binary=True)
        moved = [(EventId(stream_id), version) for stream_id, version in await cursor.fetchall()]
        folded, counted = await catch_up(self._beside, moved), 0
        while more := await count(self._beside, self._halls, end=end):
            counted += more
        new = sum(version == 0 for _, version in moved)
        self.made = Made(self.made.entries + folded, self.made.streams + new)
        self._progress(folded)
        return max(folded, counted)


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[Connection]:
    connection = await psycopg.AsyncConnection.connect(
        url, autocommit=True, cursor_factory=psycopg.AsyncRawCursor
    )
    async with connection:
        yield connection
