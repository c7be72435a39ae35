"""Rounds of torture: sell, break, heal, audit."""

import asyncio
import random
import signal
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from time import monotonic
from typing import Any, Final, cast

import httpx

from loadtest.torture.audit import Audit, Finding
from loadtest.torture.clients import Caller
from loadtest.torture.evidence import collect
from loadtest.torture.faults import FAULTS, Fault
from loadtest.torture.history import History
from loadtest.torture.stage import Stage, StageFailed, open_stage
from loadtest.torture.workload import CLIENTS, EVENTS, Workload, terms_of

__all__ = ["Round", "StageFailed", "Theatre", "open_theatre", "summary", "torture"]

_USERS: Final = 16
_VENUE_CAPACITY: Final = 1_000
_WARM_UP_SECONDS_MAX: Final = 0.5
_AFTER_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True)
class Round:
    """What one round did and what its audit found."""

    seed: int
    faults: tuple[str, ...]
    ok: int
    refused: int
    unknown: int
    entries: int
    seconds: float
    findings: tuple[Finding, ...]
    codes: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        return (
            f"round {self.seed}: {', '.join(self.faults)}: {asked_in(self)} asked, {self.ok} ok, "
            f"{self.refused} refused, {self.unknown} unknown, {self.entries} entries, "
            f"{self.seconds:.1f} s, {len(self.findings)} findings"
        )


@dataclass(slots=True)
class Theatre:
    """A stage with a venue and users, on which rounds are played one after the other."""

    stage: Stage
    venue_id: str
    users: list[str]

    async def play(self, seed: int) -> Round:
        """One round: what happens and what breaks follows from ``seed``, but for its timing."""
        chance = random.Random(seed)  # noqa: S311  repeatable, not secret
        faults = _faults_of(seed, chance)
        began = monotonic()
        events = await self._schedule(chance)
        async with Caller(self.stage.url, self.stage.keys) as caller:
            workload = Workload(caller, chance, events, self.users)
            is_over = asyncio.Event()
            async with asyncio.TaskGroup() as group:
                for _ in range(CLIENTS):
                    group.create_task(workload.client(is_over))
                await asyncio.sleep(chance.uniform(0.1, _WARM_UP_SECONDS_MAX))
                # A chance of its own: clients draw from the other in whatever order they come.
                strikes = random.Random(seed)  # noqa: S311
                for fault in faults:
                    await fault(self.stage, strikes)
                await asyncio.sleep(_AFTER_SECONDS)
                is_over.set()
            await self.stage.await_ready()
            await workload.settle()
        due = await asyncio.to_thread(self.stage.await_quiet)
        evidence = await asyncio.to_thread(collect, self.stage.database_url, list(events.values()))
        audit = await asyncio.to_thread(Audit, caller.history, evidence)
        findings = [*audit.findings, *(Finding("L6", f"still due: {what}") for what in due)]
        ok, refused, unknown = caller.history.tally()
        return Round(
            seed=seed,
            faults=tuple(fault.__name__ for fault in faults),
            ok=ok,
            refused=refused,
            unknown=unknown,
            entries=len(evidence.entries),
            seconds=monotonic() - began,
            findings=tuple(findings),
            codes=_codes(caller.history),
        )

    async def _schedule(self, chance: random.Random) -> dict[str, str]:
        closes_after = timedelta(seconds=chance.uniform(0.5, 3.0))
        async with self._organizer() as http:
            events = {}
            for name in EVENTS:
                terms = {
                    "venue_id": self.venue_id,
                    "name": name,
                    "starts_at": "2090-01-01T20:00:00Z",
                    **terms_of(name, closes_after),
                }
                events[name] = str(await _made(http, "/v1/events", terms, "event_id"))
        return events

    @asynccontextmanager
    async def _organizer(self) -> AsyncIterator[httpx.AsyncClient]:
        headers = {"Authorization": f"Bearer {self.stage.keys['organizer']}"}
        async with httpx.AsyncClient(
            base_url=self.stage.url, headers=headers, trust_env=False, timeout=10
        ) as http:
            yield http

    async def prepare(self) -> None:
        """Make the venue and the users."""
        async with self._organizer() as http:
            venue = {"name": "Torture chamber", "capacity": _VENUE_CAPACITY}
            self.venue_id = await _made(http, "/v1/venues", venue, "venue_id")
            for n in range(_USERS):
                user = {"name": f"User {n}", "email": f"user{n}@example.org"}
                self.users.append(await _made(http, "/v1/users", user, "user_id"))


async def _made(http: httpx.AsyncClient, path: str, body: dict[str, Any], name: str) -> str:
    while True:
        answer = await http.post(path, json=body)
        if answer.status_code != 503:
            answer.raise_for_status()
            return str(answer.json()[name])
        # A fault of the round before may still be felt.
        await asyncio.sleep(0.1)


def _faults_of(seed: int, chance: random.Random) -> list[Fault]:
    """One fault by turns, so that as many rounds as there are faults have each; and often more."""
    first = FAULTS[seed % len(FAULTS)]
    others = chance.sample(FAULTS, chance.choice((0, 1, 1, 2)))
    return [first, *(each for each in others if each is not first)]


def _codes(history: History) -> Counter[str]:
    return Counter(
        f"{call.command} {call.code or ('ok' if call.ok else 'no answer')}"
        for call in history.calls
    )


@asynccontextmanager
async def open_theatre(folder: Path | None = None) -> AsyncIterator[Theatre]:
    """Servers of their own, in a folder that is gone afterwards unless one is given."""
    with tempfile.TemporaryDirectory(prefix="flashticket-torture-") as temporary:
        async with open_stage(folder or Path(temporary)) as stage:
            theatre = Theatre(stage, "", [])
            await theatre.prepare()
            yield theatre


def summary(played: Sequence[Round]) -> str:
    """What all rounds come to."""
    struck = Counter(fault for each in played for fault in each.faults)
    commands: Counter[str] = Counter()
    for each in played:
        commands += each.codes
    faults = ", ".join(f"{name} {count}" for name, count in sorted(struck.items()))
    answers = ", ".join(f"{code} {count}" for code, count in sorted(commands.items()))
    counts = (
        f"{len(played)} rounds, {sum(map(asked_in, played))} asked, "
        f"{sum(each.ok for each in played)} ok, "
        f"{sum(each.refused for each in played)} refused, "
        f"{sum(each.unknown for each in played)} unknown, "
        f"{sum(each.entries for each in played)} entries, "
        f"{sum(len(each.findings) for each in played)} findings"
    )
    return f"faults   {faults}\nanswers  {answers}\n{counts}"


def asked_in(played: Round) -> int:
    """How many calls a round had."""
    return played.ok + played.refused + played.unknown


async def torture(
    *, seed: int, rounds: int | None, seconds_max: float | None, say: Callable[[str], None]
) -> list[Round]:
    """Play rounds until there were so many, or the time is over; tell of each as it ends.

    Cancelled by SIGTERM; the servers are stopped then, too.
    """
    give_up_at = None if seconds_max is None else monotonic() + seconds_max
    played: list[Round] = []
    # Or the servers would outlive us: a SIGTERM ends the process at once.
    this = cast("asyncio.Task[None]", asyncio.current_task())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)
    async with open_theatre() as theatre:
        while (rounds is None or len(played) < rounds) and (
            give_up_at is None or monotonic() < give_up_at
        ):
            each = await theatre.play(seed + len(played))
            played.append(each)
            say(str(each))
            for finding in each.findings:
                say(f"    {finding}")
            if each.findings:
                say(f"    again: flashticket torture --rounds 1 --seed {each.seed}")
    return played
