"""Given these entries, when this command comes, then these entries or this rejection.

given(scheduled(capacity=1), booked(1)).when(book(1)).then(SoldOut(0))
"""

from dataclasses import dataclass, replace

from samples import NOW, recorded

from ledger.commands import Command
from ledger.decide import Decision, decide
from ledger.entries import (
    Entry,
)
from ledger.evolve import evolve
from ledger.rejections import Rejection
from ledger.state import State
from ledger.values import Instant


@dataclass(frozen=True)
class Given:
    """A stream's history, and what time it is."""

    entries: tuple[Entry, ...]
    now: Instant = NOW

    def at(self, now: int) -> "Given":
        return replace(self, now=Instant(now))

    def state(self) -> State:
        state = State()
        for version, entry in enumerate(self.entries, start=1):
            state.fold(evolve(state, recorded(entry, version)))
        return state

    def when(self, command: Command) -> "When":
        return When(decide(self.state(), command, self.now))


@dataclass(frozen=True)
class When:
    """What was decided."""

    decision: Decision

    def then(self, *expected: Entry | Rejection) -> None:
        decided = self.decision if isinstance(self.decision, tuple) else (self.decision,)
        assert decided == expected

    def then_nothing(self) -> None:
        assert self.decision == ()


def given(*entries: Entry) -> Given:
    return Given(entries)
