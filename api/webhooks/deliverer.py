"""Sends what is in the outbox: in order for each event, again and again until it is taken.

Each webhook is worked at by a task of its own, so that none waits for another; at most
`CONNECTIONS_MAX` events of it are sent at a time, and of each event one entry. What came of that is
written down together, some times a second: who dies before has sent some entries that will be sent
once more.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import SystemRandom
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from api import metrics
from api.webhooks.cloud_events import body_of, id_of
from api.webhooks.courier import CONNECTIONS_MAX, Answer, Courier
from api.webhooks.targets import Targets
from ledger.database import DatabaseUnavailable
from projections.outbox import Attempt, Due, Outbox, Turn

if TYPE_CHECKING:
    from uuid import UUID

    from ledger.values import EventId

_log = logging.getLogger(__name__)
_RANDOM: Final = SystemRandom()

_LOOK_SECONDS: Final = 0.5
_ROUND_SECONDS: Final = 0.5
_TURN_SECONDS_MORE: Final = 3.0
"""A turn outlasts the longest round by this: the last request and the writing down."""

_FIRST_WAIT_SECONDS: Final = 1.0
_WAIT_SECONDS_MAX: Final = 3600.0
_PRUNE_EVERY: Final = 500
_LAST_SECONDS_MAX: Final = 1.0


@dataclass(frozen=True, slots=True)
class Rules:
    """How webhooks are sent."""

    source: str
    """The ledger's name in every message, a URI."""

    seconds_max: float
    """How long an endpoint has to answer."""

    give_up_seconds: float
    """How long an entry is tried before its webhook is disabled."""


class Deliverer:
    """Works at those webhooks that no other process works at.

    To be used as an asynchronous context manager, within which it works in the background. Leaving
    it lets other processes go on at once.
    """

    def __init__(self, outbox: Outbox, targets: Targets, rules: Rules) -> None:
        self._outbox = outbox
        self._targets = targets
        self._rules = rules
        self._turn_seconds = rules.seconds_max + _ROUND_SECONDS + _TURN_SECONDS_MORE
        self._working: dict[UUID, asyncio.Task[None]] = {}
        self._next_seq = -1
        self._news = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._running = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        tasks = [self._running, *self._working.values()]
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=_LAST_SECONDS_MAX)

    async def _run(self) -> None:
        while True:
            try:
                await self._look()
            except DatabaseUnavailable as error:
                _log.warning("webhooks have to wait: %s", error)
            except Exception:  # noqa: BLE001  whatever it is, the next look may be better
                _log.exception("webhooks could not be looked at")
            await asyncio.sleep(_LOOK_SECONDS)

    async def _look(self) -> None:
        next_seq, lag_seconds = await self._outbox.measure()
        metrics.WEBHOOK_LAG_SECONDS.set(lag_seconds)
        if next_seq != self._next_seq:
            self._next_seq = next_seq
            news, self._news = self._news, asyncio.Event()
            news.set()
        for turn in await self._outbox.take_turns(self._turn_seconds):
            before = self._working.get(turn.webhook_id)
            if before is not None:
                before.cancel()
            self._working[turn.webhook_id] = asyncio.create_task(self._work(turn))
        self._working = {each: task for each, task in self._working.items() if not task.done()}

    async def _work(self, turn: Turn) -> None:
        """Send to one webhook until the turn is lost or the webhook disabled."""
        delivered = 0
        try:
            async with Courier(
                turn.url, turn.secret, self._targets, seconds_max=self._rules.seconds_max
            ) as courier:
                while True:
                    news = self._news
                    waiting = await self._outbox.put(turn, self._turn_seconds)
                    if waiting is None:
                        return
                    due = await self._outbox.due(turn) if waiting else []
                    if due:
                        delivered += await self._send(turn, courier, due)
                        if delivered >= _PRUNE_EVERY:
                            await self._outbox.prune(turn)
                            delivered = 0
                    else:
                        # Whatever waits for its next attempt is looked for as often as for news.
                        seconds = _LOOK_SECONDS if waiting else self._turn_seconds / 2
                        with suppress(TimeoutError):
                            async with asyncio.timeout(seconds):
                                await news.wait()
        except _Stopped:
            pass
        except DatabaseUnavailable as error:
            _log.warning("a webhook has to wait: %s", error)
        except Exception:  # noqa: BLE001  whatever it is, the next turn may be better
            _log.exception("a webhook could not be worked at")
        finally:
            with suppress(DatabaseUnavailable):
                await self._outbox.release(turn)

    async def _send(self, turn: Turn, courier: Courier, due: Sequence[Due]) -> int:
        """How many were delivered in one round."""
        of_event: dict[EventId, list[Due]] = {}
        for each in due:
            of_event.setdefault(each.entry.stream_id, []).append(each)
        attempts: list[Attempt] = []
        reasons: list[str] = []
        until = monotonic() + _ROUND_SECONDS
        lines = asyncio.Semaphore(CONNECTIONS_MAX)

        async def send_in_order(line: list[Due]) -> None:
            async with lines:
                for each in line:
                    if reasons or monotonic() > until:
                        return
                    answer = await self._attempt(courier, each)
                    attempts.append(_attempt_of(each, answer))
                    if answer.is_gone:
                        reasons.append("The endpoint answered 410 Gone.")
                    elif answer.error and each.failing_for_us > self._rules.give_up_seconds * 1e6:
                        reasons.append(f"Entry {each.seq} failed for too long: {answer.error}")
                    if answer.error:
                        return

        try:
            async with asyncio.TaskGroup() as group:
                for line in of_event.values():
                    group.create_task(send_in_order(line))
        finally:
            # Also when cancelled: what was taken need not be sent again.
            if attempts and not await self._outbox.record(turn, attempts):
                raise _Stopped
        if reasons:
            _log.warning("a webhook is disabled: %s", turn.webhook_id)
            metrics.WEBHOOKS_DISABLED.inc()
            await self._outbox.disable(turn, reasons[0])
            raise _Stopped
        return sum(each.error is None for each in attempts)

    async def _attempt(self, courier: Courier, due: Due) -> Answer:
        started = monotonic()
        answer = await courier.send(id_of(due.entry), body_of(due.entry, self._rules.source))
        metrics.WEBHOOK_SECONDS.observe(monotonic() - started)
        metrics.WEBHOOK_ATTEMPTS.labels("failed" if answer.error else "delivered").inc()
        if due.attempts:
            metrics.WEBHOOK_RETRIES.inc()
        return answer


class _Stopped(Exception):
    """The turn is lost, or the webhook disabled."""


def _attempt_of(due: Due, answer: Answer) -> Attempt:
    wait_seconds = wait_after(due.attempts + 1, answer.retry_after_seconds) if answer.error else 0.0
    return Attempt(due.seq, answer.status, answer.error, round(wait_seconds * 1_000_000))


def wait_after(attempts: int, retry_after_seconds: int) -> float:
    """Seconds until the next attempt: up to twice as long each time, an hour at most, and by
    chance, so that webhooks that failed together do not come back together.
    """
    bound = min(_FIRST_WAIT_SECONDS * 2 ** min(attempts - 1, 20), _WAIT_SECONDS_MAX)
    return max(_RANDOM.uniform(bound / 2, bound), retry_after_seconds)
