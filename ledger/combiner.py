"""The combiner: many requests, one taking of the lock.

Submissions wait in one queue. At most ``batches_in_flight_max`` batches run at a time; while one
commits, the next fills. There is no timer: an idle system adds no latency, a busy one shares lock,
round trips and fsync among all that came meanwhile.

A stream that somebody else keeps locked leaves the common batch and waits by itself, *aside*, in
order, together with whatever comes for it, until it is free again. When the database does not
answer, everything waiting is told so after ``stall_seconds_max``.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from time import monotonic
from types import TracebackType
from typing import Any, Protocol, Self

from ledger.attempts import OutcomeUnknown
from ledger.batch import Failed, Outcome
from ledger.commands import Submission
from ledger.database import DatabaseUnavailable, StreamLocked
from ledger.handle import Locked, Patience
from ledger.values import EventId

_log = logging.getLogger(__name__)

_STALL_CHECK_SECONDS = 0.1
_LOCK_WAIT_MS_MIN = 20


class Overloaded(Exception):
    """The queue is full: the submission was not taken."""


class Closing(Exception):
    """The process is shutting down: the submission was not taken."""


class Run(Protocol):
    """Runs a batch to its outcomes; `ledger.attempts.Attempts.run` says how it fails."""

    async def __call__(
        self, submissions: Sequence[Submission], patience: Patience
    ) -> list[Outcome | Locked]: ...


@dataclass(frozen=True, slots=True)
class Limits:
    """How much the combiner takes on, and how long it waits for what."""

    batch_size_max: int = 512
    batches_in_flight_max: int = 1
    streams_aside_max: int = 4
    pending_max: int = 8_192
    common_lock_wait_ms: int = 200
    aside_lock_wait_ms: int = 1_400
    statement_ms_max: int = 5_000
    stall_seconds_max: float = 1.5
    one_stream_per_batch: bool = False
    """For distributed tables, where one transaction may lock rows of one stream only."""

    @property
    def connections_max(self) -> int:
        """Connections in use at once."""
        return self.batches_in_flight_max + self.streams_aside_max


@dataclass(slots=True, eq=False)
class _Pending:
    submission: Submission
    answer: asyncio.Future[Outcome]
    since: float


@dataclass(slots=True, eq=False)
class _Aside:
    """The queue of one stream that somebody else has locked."""

    queue: deque[_Pending]
    is_running: bool = False


class Combiner:
    """Takes submissions and answers each with its outcome once that is durable.

    To be used as an asynchronous context manager: leaving it refuses further submissions and
    returns when every one taken before has its outcome.
    """

    def __init__(
        self,
        run: Run,
        limits: Limits,
        observe: Callable[[Sequence[Outcome], float], None],
    ) -> None:
        """``observe`` is called once a batch, before its answers go out.

        It is told the outcomes, and the `time.monotonic` after which all of them were decided.
        """
        self._run = run
        self._limits = limits
        self._observe = observe
        self._queue: deque[_Pending] = deque()
        self._aside: dict[EventId, _Aside] = {}
        self._aside_slots = asyncio.Semaphore(limits.streams_aside_max)
        self._lanes = 0
        self._running: dict[int, tuple[float, list[_Pending]]] = {}
        self._unanswered = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closing = False
        self._all_answered = asyncio.Event()
        self._common = Patience(limits.common_lock_wait_ms, limits.statement_ms_max)
        self._without_locked = Patience(
            limits.common_lock_wait_ms, limits.statement_ms_max, skip_locked=True
        )
        # Short of a stall, so that whoever can't be served is told that nothing was done.
        self._seconds_to_lock = limits.stall_seconds_max - _STALL_CHECK_SECONDS

    async def __aenter__(self) -> Self:
        self._watch = asyncio.create_task(self._watch_for_stalls())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._is_closing = True
        if self._unanswered:
            await self._all_answered.wait()
        self._watch.cancel()
        # What still runs has been answered "unknown": the database hangs, and so would we.
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def unanswered(self) -> int:
        """Submissions taken that have no outcome yet."""
        return self._unanswered

    def submit(self, submission: Submission) -> asyncio.Future[Outcome]:
        """Take ``submission``; the future gives its outcome, `Failed` included, and never raises.

        Raises `Overloaded` or `Closing`, and then the submission will not be carried out.
        """
        if self._is_closing:
            raise Closing
        if self._unanswered >= self._limits.pending_max:
            raise Overloaded
        answer = asyncio.get_running_loop().create_future()
        pending = _Pending(submission, answer, monotonic())
        self._unanswered += 1
        event_id = next((each for each in submission.event_ids if each in self._aside), None)
        if event_id is None:
            self._queue.append(pending)
            self._open_lane()
        else:
            self._wait_aside(event_id, pending)
        return answer

    def _open_lane(self) -> None:
        if self._lanes < self._limits.batches_in_flight_max:
            self._lanes += 1
            self._start(self._lane())

    async def _lane(self) -> None:
        # Starts in the next turn of the loop, so whatever arrived in this one is in the batch.
        try:
            while batch := self._take():
                self._running[id(batch)] = (monotonic(), batch)
                try:
                    await self._run_common(batch)
                finally:
                    del self._running[id(batch)]
        finally:
            self._lanes -= 1

    def _take(self) -> list[_Pending]:
        """The next batch, in order of arrival, without what was answered while it waited."""
        batch: list[_Pending] = []
        passed_over: list[_Pending] = []
        while self._queue and len(batch) < self._limits.batch_size_max:
            pending = self._queue.popleft()
            if pending.answer.done():
                continue
            if self._limits.one_stream_per_batch and batch and not _same_stream(pending, batch[0]):
                passed_over.append(pending)
            else:
                batch.append(pending)
        self._queue.extendleft(reversed(passed_over))
        return batch

    async def _run_common(self, batch: list[_Pending]) -> None:
        try:
            began = monotonic()
            outcomes = await self._attempt(batch, self._common)
        except StreamLocked:
            began = monotonic()
            try:
                outcomes = await self._attempt(batch, self._without_locked)
            except StreamLocked as error:
                outcomes = [Failed(error)] * len(batch)
        self._settle(batch, outcomes, began)
        for pending, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, Locked) and not pending.answer.done():
                # Of a cart any one of its events will do: alone it locks them all again.
                self._wait_aside(min(pending.submission.event_ids), pending)

    def _wait_aside(self, stream_id: EventId, pending: _Pending) -> None:
        aside = self._aside.setdefault(stream_id, _Aside(deque()))
        aside.queue.append(pending)
        if not aside.is_running:
            aside.is_running = True
            _log.warning("a stream is locked by somebody else", extra={"stream_id": str(stream_id)})
            self._start(self._run_aside(stream_id, aside))

    async def _run_aside(self, stream_id: EventId, aside: _Aside) -> None:
        async with self._aside_slots:
            is_free = False
            while batch := self._take_aside(aside):
                oldest = min(pending.since for pending in batch)
                self._running[id(batch)] = (oldest, batch)
                began = monotonic()
                try:
                    outcomes = await self._attempt(batch, self._patience_since(oldest))
                except StreamLocked as error:
                    is_free = False
                    self._answer_late(batch, error)
                    aside.queue.extendleft(reversed(batch))
                else:
                    is_free = True
                    self._settle(batch, outcomes, began)
                finally:
                    del self._running[id(batch)]
        aside.is_running = False
        if is_free:
            # Otherwise the next one for this stream waits aside from the start.
            del self._aside[stream_id]

    def _take_aside(self, aside: _Aside) -> list[_Pending]:
        waiting = [pending for pending in aside.queue if not pending.answer.done()]
        size_max = self._limits.batch_size_max
        aside.queue = deque(waiting[size_max:])
        return waiting[:size_max]

    def _patience_since(self, oldest: float) -> Patience:
        """To wait for the lock for as long as who came first may still wait, and no longer."""
        ms_left = int((oldest + self._seconds_to_lock - monotonic()) * 1000)
        lock_wait_ms = max(_LOCK_WAIT_MS_MIN, min(self._limits.aside_lock_wait_ms, ms_left))
        return Patience(lock_wait_ms, self._limits.statement_ms_max)

    def _answer_late(self, batch: list[_Pending], error: StreamLocked) -> None:
        """Answer those who waited for long enough; the others' turn comes again."""
        late = monotonic() - self._seconds_to_lock
        for pending in batch:
            if pending.since <= late:
                self._answer(pending, Failed(error))

    async def _attempt(self, batch: list[_Pending], patience: Patience) -> list[Outcome | Locked]:
        try:
            return await self._run([pending.submission for pending in batch], patience)
        except StreamLocked:
            raise
        except DatabaseUnavailable as error:
            _log.error("the database is not available: %s", error)
            self._fail_waiting(error, since=monotonic())
            return [Failed(error)] * len(batch)
        except Exception as error:  # noqa: BLE001  a bug fails its batch, not the lane
            _log.exception("a batch failed")
            return [Failed(error)] * len(batch)

    def _settle(
        self, batch: list[_Pending], outcomes: Sequence[Outcome | Locked], since: float
    ) -> None:
        settled = [
            (pending, outcome)
            for pending, outcome in zip(batch, outcomes, strict=True)
            if not isinstance(outcome, Locked)
        ]
        try:
            self._observe([outcome for _, outcome in settled], since)
        except Exception:  # noqa: BLE001  whatever it is, what is durable gets its answer
            _log.exception("outcomes could not be observed")
        for pending, outcome in settled:
            self._answer(pending, outcome)

    def _answer(self, pending: _Pending, outcome: Outcome) -> None:
        if not pending.answer.done():
            self._unanswered -= 1
            pending.answer.set_result(outcome)
            if self._is_closing and not self._unanswered:
                self._all_answered.set()

    async def _watch_for_stalls(self) -> None:
        while True:
            await asyncio.sleep(_STALL_CHECK_SECONDS)
            overdue = monotonic() - self._limits.stall_seconds_max
            for aside in self._aside.values():
                for pending in aside.queue:
                    if pending.since < overdue:
                        self._answer(pending, Failed(StreamLocked("the stream stayed locked")))
            stalled = [batch for started, batch in self._running.values() if started < overdue]
            if stalled:
                self._fail_waiting(DatabaseUnavailable("the database does not answer"), overdue)
                unknown = Failed(OutcomeUnknown("the database does not answer"))
                for pending in (pending for batch in stalled for pending in batch):
                    self._answer(pending, unknown)

    def _fail_waiting(self, error: DatabaseUnavailable, since: float) -> None:
        """Answer everything in the common queue that came before ``since``; it will not be run."""
        for pending in self._queue:
            if pending.since < since:
                self._answer(pending, Failed(error))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _same_stream(one: _Pending, other: _Pending) -> bool:
    return one.submission.event_ids == other.submission.event_ids
