"""The outbox: which entries each webhook still has to be sent, and what came of trying.

It follows the sequence. A webhook's position and the deliveries made up to it are written in one
statement, so that no entry is passed over and none is put in twice, whatever process dies when.
Entries wait as rows only up to `_WAITING_MAX` for each webhook; the others wait in the ledger.

One process at a time works at a webhook: it has the turn, for as long as it renews it. The turn has
a number, which every write names, so that a process that was frozen and comes back writes nothing.
"""

import asyncio
import secrets
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from ledger.database import Pool, Row, fetch, statement
from ledger.values import ActorId, EventId, Instant
from projections.ledger_pages import StoredEntry

_INSERT_WEBHOOK: Final = statement("projections", "insert_webhook")
_LIST_WEBHOOKS: Final = statement("projections", "list_webhooks")
_DELETE_WEBHOOK: Final = statement("projections", "delete_webhook")
_ENABLE_WEBHOOK: Final = statement("projections", "enable_webhook")
_DISABLE_WEBHOOK: Final = statement("projections", "disable_webhook")
_TAKE_TURNS: Final = statement("projections", "take_turns")
_RELEASE_TURN: Final = statement("projections", "release_turn")
_PUT_IN_OUTBOX: Final = statement("projections", "put_in_outbox")
_READ_DUE_DELIVERIES: Final = statement("projections", "read_due_deliveries")
_RECORD_ATTEMPTS: Final = statement("projections", "record_attempts")
_PRUNE_DELIVERIES: Final = statement("projections", "prune_deliveries")
_LIST_DELIVERIES: Final = statement("projections", "list_deliveries")
_REPLAY_FROM: Final = statement("projections", "replay_from")
_REPLAY_ONE: Final = statement("projections", "replay_one")
_MEASURE_OUTBOX: Final = statement("projections", "measure_outbox")

WEBHOOKS_MAX: Final = 100
SEQ_MAX: Final = 2**53 - 1
"""No number of an entry comes near; JSON has no greater one that is exact."""

_SECRET_BYTES: Final = 32
_WAITING_MAX: Final = 2_000
_NUMBERS_AT_A_TIME: Final = 1_000
_DUE_MAX: Final = 200
_TURNS_AT_A_TIME: Final = 8
_DELIVERED_KEPT: Final = 1_000


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where entries are sent; no ``types`` stand for all, no ``event_id`` for all events."""

    webhook_id: UUID
    url: str
    types: tuple[str, ...]
    event_id: EventId | None
    registered_at: Instant
    next_seq: int
    disabled_at: Instant | None
    disabled_because: str | None
    pending: int
    oldest_pending_at: Instant | None


@dataclass(frozen=True, slots=True)
class Turn:
    """The right to work at a webhook until it is lost to the next number."""

    webhook_id: UUID
    number: int
    url: str
    secret: bytes


@dataclass(frozen=True, slots=True)
class Due:
    """An entry that may be sent now."""

    entry: StoredEntry
    seq: int
    attempts: int
    failing_for_us: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of sending an entry; without an ``error`` it is delivered."""

    seq: int
    answer_status: int | None
    error: str | None
    wait_us: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """An entry that was put in the outbox, for people to look at."""

    seq: int
    event_id: EventId
    version: int
    type_name: str
    recorded_at: Instant
    attempts: int
    last_attempt_at: Instant | None
    next_attempt_at: Instant
    delivered_at: Instant | None
    answer_status: int | None
    last_error: str | None


class Outbox:
    """Works through a pool; every method raises `ledger.database.DatabaseUnavailable`.

    With ``at_once``, callers wait for each other and not for a connection, which they would be
    refused after a while: a hundred webhooks have news at the same moment.
    """

    def __init__(self, pool: Pool, *, at_once: int | None = None) -> None:
        self._pool = pool
        self._lines = nullcontext() if at_once is None else asyncio.Semaphore(at_once)

    async def register(
        self,
        webhook_id: UUID,
        url: str,
        types: Sequence[str],
        event_id: EventId | None,
        registered_by: ActorId,
        from_seq: int | None,
    ) -> bytes | None:
        """The new webhook's secret; None where there are `WEBHOOKS_MAX` already.

        It begins at ``from_seq``, or where that is None with what is numbered from now on.
        """
        secret = secrets.token_bytes(_SECRET_BYTES)
        rows = await self._fetch(
            _INSERT_WEBHOOK,
            webhook_id,
            url,
            list(types),
            event_id,
            secret,
            registered_by,
            from_seq,
            WEBHOOKS_MAX,
        )
        return secret if rows else None

    async def webhooks(self) -> list[Webhook]:
        """All of them, in the order in which they were registered."""
        return [_webhook(row) for row in await self._fetch(_LIST_WEBHOOKS, None)]

    async def webhook(self, webhook_id: UUID) -> Webhook | None:
        """One of them."""
        rows = await self._fetch(_LIST_WEBHOOKS, webhook_id)
        return _webhook(rows[0]) if rows else None

    async def delete(self, webhook_id: UUID) -> bool:
        """Forget a webhook; False where there is none."""
        return bool(await self._fetch(_DELETE_WEBHOOK, webhook_id))

    async def enable(self, webhook_id: UUID) -> bool:
        """Send to a webhook again from where it stopped; False where there is none."""
        return bool(await self._fetch(_ENABLE_WEBHOOK, webhook_id))

    async def deliveries(
        self, webhook_id: UUID, *, before: int, only_pending: bool, limit: int
    ) -> list[Delivery]:
        """What is kept of a webhook's deliveries, newest first, those below number ``before``."""
        rows = await self._fetch(_LIST_DELIVERIES, webhook_id, before, only_pending, limit)
        return [Delivery(*row) for row in rows]

    async def replay_from(self, webhook_id: UUID, seq: int) -> bool:
        """Send everything from ``seq`` on again; False where there is no such webhook."""
        return bool(await self._fetch(_REPLAY_FROM, webhook_id, seq))

    async def replay_one(self, webhook_id: UUID, seq: int) -> bool:
        """Send one entry again; False where there is no such webhook or entry, or where the
        webhook has not come to it yet.
        """
        return bool(await self._fetch(_REPLAY_ONE, webhook_id, seq))

    async def take_turns(self, seconds: float) -> list[Turn]:
        """The turn at webhooks where nobody has it, for so long unless it is renewed."""
        rows = await self._fetch(_TAKE_TURNS, _microseconds(seconds), _TURNS_AT_A_TIME)
        return [Turn(*row) for row in rows]

    async def release(self, turn: Turn) -> None:
        """Let others have the turn."""
        await self._fetch(_RELEASE_TURN, turn.webhook_id, turn.number)

    async def put(self, turn: Turn, seconds: float) -> int | None:
        """Put in what is new and renew the turn; how many wait then, None if the turn is lost."""
        rows = await self._fetch(
            _PUT_IN_OUTBOX,
            turn.webhook_id,
            turn.number,
            _microseconds(seconds),
            _NUMBERS_AT_A_TIME,
            _WAITING_MAX,
        )
        return int(rows[0][0]) if rows else None

    async def due(self, turn: Turn) -> list[Due]:
        """What may be sent now, in order, and nothing that would overtake what has to wait."""
        rows = await self._fetch(_READ_DUE_DELIVERIES, turn.webhook_id, _DUE_MAX)
        return [
            Due(
                StoredEntry.from_row(row[:-2]), seq=row[0], attempts=row[-2], failing_for_us=row[-1]
            )
            for row in rows
        ]

    async def record(self, turn: Turn, attempts: Sequence[Attempt]) -> bool:
        """Write down what came of ``attempts``; False, and nothing written, if the turn is lost."""
        rows = await self._fetch(
            _RECORD_ATTEMPTS,
            turn.webhook_id,
            turn.number,
            [each.seq for each in attempts],
            [each.answer_status for each in attempts],
            [each.error for each in attempts],
            [each.wait_us for each in attempts],
        )
        return bool(rows)

    async def disable(self, turn: Turn, because: str) -> None:
        """Send to the webhook no more until it is enabled."""
        await self._fetch(_DISABLE_WEBHOOK, turn.webhook_id, turn.number, because)

    async def prune(self, turn: Turn) -> None:
        """Keep the newest `_DELIVERED_KEPT` of what was delivered."""
        await self._fetch(_PRUNE_DELIVERIES, turn.webhook_id, _DELIVERED_KEPT)

    async def measure(self) -> tuple[int, float]:
        """How many entries are numbered, and for how many seconds the oldest that has to be sent
        has been waiting.
        """
        ((next_seq, lag_us),) = await self._fetch(_MEASURE_OUTBOX)
        return next_seq, lag_us / 1_000_000

    async def _fetch(self, query: bytes, *parameters: Any) -> list[Row]:
        async with self._lines:
            return await fetch(self._pool, query, *parameters)


def _webhook(row: tuple[Any, ...]) -> Webhook:
    webhook_id, url, types, *others = row
    return Webhook(webhook_id, url, tuple(types), *others)


def _microseconds(seconds: float) -> int:
    return round(seconds * 1_000_000)
