"""What the calls work with, opened once a process."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import assert_never

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import Request

from api import metrics
from api.access import Access, rate_problem
from api.holds_here import HoldsHere
from api.keys import KeyRing, Role
from api.leases import Leases
from api.limiter import Limiter
from api.live import Live
from api.problems import Problem, overloaded, problem_of, problem_of_error
from api.rates import Rate, RateLimited
from api.seat_maps import SeatMaps
from api.settings import Settings
from api.tickets import load_or_make_key
from api.tokens import Issuer, Tokens
from api.webhooks.deliverer import Deliverer, Rules
from api.webhooks.targets import Targets
from api.witness_requests import open_asking
from ledger.batch import Done, Failed, Head, Outcome, Part, Refused
from ledger.combiner import Closing, Limits, Overloaded
from ledger.commands import BookSeats, HoldSeats, JoinWaitingList, Submission
from ledger.database import DatabaseUnavailable, Pool, open_pool
from ledger.heads import Heads
from ledger.sweeper import keep_swept
from ledger.values import EventId, UserId
from ledger.writer import Writer, open_writer
from projections.availability import Availability
from projections.cache import Cache
from projections.figures import FiguresOf
from projections.ledger_pages import LedgerPages
from projections.log_keys import LogKeys
from projections.outbox import Outbox
from projections.past import Past
from projections.projector import Projector
from projections.queries import Queries
from projections.refusals import Refusals
from projections.tlog import TransparencyLog
from projections.tree import Tree
from projections.witnesses import parse_witnesses
from projections.witnessing import Witnessing

_log = logging.getLogger(__name__)

_POOL_WATCH_SECONDS = 1.0
_OUTBOX_CONNECTIONS = 2


@dataclass(frozen=True, slots=True)
class Services:
    writer: Writer
    queries: Queries
    tree: Tree
    log: TransparencyLog
    ledger_pages: LedgerPages
    figures: FiguresOf
    refusals: Refusals
    past: Past
    log_keys: LogKeys
    availability: Availability
    live: Live
    seat_maps: SeatMaps
    outbox: Outbox
    targets: Targets
    cache: Cache | None
    access: Access
    holds_here: HoldsHere
    ticket_key: Ed25519PrivateKey | None

    def submit(self, submission: Submission) -> asyncio.Future[Outcome]:
        """The outcome of ``submission``, durable; raises the `Problem` of not being taken.

        Or the outcome is that problem, where it takes Redis to tell what the user has left.
        """
        rate, first = self.access.user_rate, submission.commands[0]
        if rate is not None and isinstance(first, BookSeats | HoldSeats | JoinWaitingList):
            try:
                if not self.access.user_limiter.take(first.user_id):
                    waiting = self._submit_in_time(submission, first.user_id, rate)
                    return asyncio.create_task(waiting)
            except RateLimited as limited:
                raise rate_problem("user", limited) from None
        return self._submit(submission)

    async def _submit_in_time(self, submission: Submission, user_id: UserId, rate: Rate) -> Outcome:
        try:
            await self.access.user_limiter.acquire(user_id, rate)
        except RateLimited as limited:
            raise rate_problem("user", limited) from None
        return await asyncio.shield(self._submit(submission))

    def _submit(self, submission: Submission) -> asyncio.Future[Outcome]:
        try:
            return self.writer.submit(submission)
        except Overloaded:
            raise overloaded() from None
        except Closing:
            raise Problem("unavailable", "We are shutting down. Nothing was done.") from None

    def done(self, submission: Submission, outcome: Outcome) -> Done:
        """What came of ``submission``; raises the `Problem` that stood in the way."""
        command = type(submission.commands[0]).__name__
        metrics.count_command(command, _outcome_label(outcome))
        match outcome:
            case Done():
                return outcome
            case Refused(event_id, rejection):
                problem = problem_of(rejection)
                self.refusals.count(event_id, problem.code)
                if len(submission.commands) > 1:
                    problem.fields["event_id"] = event_id
                raise problem
            case Failed(error):
                raise problem_of_error(error) from error
            case _:
                assert_never(outcome)

    async def carry_out(self, submission: Submission) -> Done:
        """What came of ``submission``, durable; raises the `Problem` that stood in the way.

        Cancelling the caller cancels nothing: a command once taken is carried out.
        """
        return self.done(submission, await asyncio.shield(self.submit(submission)))

    async def carry_out_one(self, submission: Submission) -> Part:
        """As `carry_out`, for a submission of one command."""
        return (await self.carry_out(submission)).parts[0]


def services_of(request: Request) -> Services:
    """The dependency of a route on its process's services."""
    services: Services = request.app.state.services
    return services


@contextmanager
def already_done() -> Iterator[None]:
    """For what is read to answer a command that was carried out.

    When that cannot be read, whoever asked must not be told that nothing was done.
    """
    try:
        yield
    except DatabaseUnavailable as error:
        raise Problem(
            "unavailable",
            "It was done, but what came of it cannot be read now. Repeating it with the same "
            "idempotency key is safe.",
            outcome="done",
        ) from error


@asynccontextmanager
async def open_services(settings: Settings) -> AsyncIterator[Services]:
    """Services on the servers that ``settings`` name; either may be away at the time."""
    if settings.database_url is None:
        raise ValueError("FLASHTICKET_DATABASE_URL is not set")
    role = settings.database_role or None
    heads = Heads(settings.sold_out_trust_ms / 1000)
    async with AsyncExitStack() as stack:
        pool = open_pool(
            settings.database_url, role=role, size_max=settings.read_connections_max, name="reader"
        )
        await pool.open(wait=False)
        stack.push_async_callback(pool.close)
        queries = Queries(pool)
        cache = None
        if settings.redis_url is not None:
            cache = Cache(
                settings.redis_url,
                fresh_ms=settings.availability_fresh_ms,
                on_away=metrics.CACHE_AWAY.inc,
            )
            stack.push_async_callback(cache.close)
        availability = Availability(cache, queries.heads, heads.latest)
        stack.push_async_callback(availability.close)
        live = Live(
            availability.get,
            listeners_max=settings.live_listeners_max,
            blocked_seconds_max=settings.live_blocked_seconds_max,
        )
        stack.push_async_callback(live.close)

        log_keys = log_keys_of(settings)
        log_pool = open_pool(settings.database_url, role=role, size_max=1, name="log")
        await log_pool.open(wait=False)
        stack.push_async_callback(log_pool.close)
        witnesses = parse_witnesses(settings.log_witnesses)
        log = await stack.enter_async_context(
            TransparencyLog(log_pool, log_keys, has_witnesses=bool(witnesses))
        )
        if witnesses:
            ask = await stack.enter_async_context(open_asking())
            await stack.enter_async_context(
                Witnessing(pool, witnesses, ask, metrics.count_witness_answer)
            )

        counting_pool = open_pool(settings.database_url, role=role, size_max=1, name="counting")
        await counting_pool.open(wait=False)
        stack.push_async_callback(counting_pool.close)
        refusals = await stack.enter_async_context(Refusals(counting_pool))
        projector = Projector(counting_pool)
        targets = Targets(settings.webhook_private_targets)
        if settings.webhooks_sent:
            outbox_pool = open_pool(
                settings.database_url, role=role, size_max=_OUTBOX_CONNECTIONS, name="outbox"
            )
            await outbox_pool.open(wait=False)
            stack.push_async_callback(outbox_pool.close)
            outbox = Outbox(outbox_pool, at_once=_OUTBOX_CONNECTIONS)
            await stack.enter_async_context(Deliverer(outbox, targets, _webhook_rules(settings)))

        def publish(heads: dict[EventId, Head], since: float) -> None:
            availability.publish(heads, since)
            live.tell(heads)
            log.notice(heads)

        writer = await stack.enter_async_context(
            open_writer(
                settings.database_url,
                role=role,
                limits=Limits(
                    batch_size_max=settings.batch_size_max,
                    batches_in_flight_max=settings.batches_in_flight_max,
                    pending_max=settings.pending_max,
                    one_stream_per_batch=settings.streams_per_transaction == "one",
                ),
                heads=heads,
                measure=metrics.measure_batch,
                publish=publish,
            )
        )
        # Apart, so that keys are looked at in time however long the queue of queries is.
        key_pool = open_pool(settings.database_url, role=role, size_max=1, name="keys")
        await key_pool.open(wait=False)
        stack.push_async_callback(key_pool.close)
        keys = KeyRing(key_pool)
        leases = Leases(cache)
        tokens = _tokens(settings)
        if tokens is not None:
            task = asyncio.create_task(tokens.keep_fresh())
            stack.callback(task.cancel)
        for background in (
            keys.keep_fresh(),
            _watch(writer, pool, log, live, projector),
            projector.keep_counting(),
            keep_swept(writer, pool),
        ):
            task = asyncio.create_task(background)
            stack.callback(task.cancel)
        yield Services(
            writer=writer,
            queries=queries,
            tree=Tree(pool),
            log=log,
            ledger_pages=LedgerPages(pool),
            figures=FiguresOf(pool),
            refusals=refusals,
            past=Past(pool),
            log_keys=log_keys,
            availability=availability,
            live=live,
            seat_maps=SeatMaps(queries.seats),
            outbox=Outbox(pool),
            targets=targets,
            cache=cache,
            access=Access(
                keys=keys,
                tokens=tokens,
                key_limiter=Limiter("key", leases, processes=settings.workers),
                user_limiter=Limiter("user", leases, processes=settings.workers),
                user_rate=None if settings.user_rate is None else Rate.parse(settings.user_rate),
            ),
            holds_here=HoldsHere(),
            ticket_key=_ticket_key(settings),
        )


def log_keys_of(settings: Settings) -> LogKeys:
    """The keys that sign this log's checkpoints."""
    directory = settings.log_key_dir or settings.data_dir / "log-keys"
    return LogKeys(directory, settings.log_origin)


def _tokens(settings: Settings) -> Tokens | None:
    if settings.oidc_issuer is None or settings.oidc_audience is None:
        return None
    role_of = {settings.oidc_organizer: Role.ORGANIZER, settings.oidc_auditor: Role.AUDITOR}
    return Tokens(
        Issuer(settings.oidc_issuer, settings.oidc_audience, settings.oidc_roles_claim, role_of)
    )


def _webhook_rules(settings: Settings) -> Rules:
    return Rules(
        source=f"https://{settings.log_origin}",
        seconds_max=settings.webhook_seconds_max,
        give_up_seconds=settings.webhook_give_up_hours * 3600,
    )


def _ticket_key(settings: Settings) -> Ed25519PrivateKey | None:
    try:
        return load_or_make_key(settings.ticket_key_file or settings.data_dir / "ticket-key.pem")
    except (OSError, ValueError) as error:
        # Bookings need no tickets: everything else goes on.
        _log.error("there is no key for tickets: %s", error)
        return None


async def _watch(
    writer: Writer, reader: Pool, log: TransparencyLog, live: Live, projector: Projector
) -> None:
    while True:
        metrics.UNANSWERED.set(writer.unanswered)
        metrics.LIVE_LISTENERS.set(live.listener_count)
        metrics.LOG_LAG_SECONDS.set(log.lag_seconds)
        metrics.LOG_FORKED.set(log.is_forked)
        metrics.PROJECTION_LAG_SECONDS.set(projector.lag_seconds)
        for pool in (writer.pool, reader):
            stats = pool.get_stats()
            idle = stats.get("pool_available", 0)
            busy = stats.get("pool_size", 0) - idle
            metrics.POOL_CONNECTIONS.labels(pool.name, "idle").set(idle)
            metrics.POOL_CONNECTIONS.labels(pool.name, "busy").set(busy)
            metrics.POOL_WAITING.labels(pool.name).set(stats.get("requests_waiting", 0))
        await asyncio.sleep(_POOL_WATCH_SECONDS)


def _outcome_label(outcome: Outcome) -> str:
    if isinstance(outcome, Done):
        return "replayed" if outcome.replayed else "done"
    return type(outcome.rejection).__name__ if isinstance(outcome, Refused) else "failed"
