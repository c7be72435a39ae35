"""What was asked and what was answered, written down as it happens."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

NEVER_SENT = -1
NO_ANSWER = 0


@dataclass(slots=True)
class Call:
    """One request and its answer. Times are seconds since 1970 by the clock of this machine."""

    number: int
    command: str
    event_ids: tuple[str, ...]
    asked: Mapping[str, Any]
    key: str | None
    asked_at: float
    answered_at: float = math.inf
    status: int = NO_ANSWER
    body: Mapping[str, Any] = field(default_factory=dict)
    replayed: bool = False

    @property
    def ok(self) -> bool:
        """It was said to be done."""
        return 200 <= self.status < 300

    @property
    def unknown(self) -> bool:
        """It may have been done: no answer, or one that says so."""
        return self.status == NO_ANSWER or (self.status == 503 and "outcome" in self.body)

    @property
    def refused(self) -> bool:
        """It was said that nothing was done, or it never left."""
        return not self.ok and not self.unknown

    @property
    def code(self) -> str:
        """The problem's code, empty where there was none."""
        return str(self.body.get("code", ""))

    def __str__(self) -> str:
        answer = {NO_ANSWER: "no answer", NEVER_SENT: "not sent"}.get(self.status, str(self.status))
        return f"call {self.number} {self.command} {dict(self.asked)}: {answer} {self.code}".strip()


@dataclass(slots=True)
class History:
    """The calls of one round, in the order of asking."""

    calls: list[Call] = field(default_factory=list)

    def begin(
        self,
        command: str,
        event_ids: Iterable[str],
        asked: Mapping[str, Any],
        key: str | None,
        now: float,
    ) -> Call:
        """Write down that something is about to be asked."""
        call = Call(len(self.calls), command, tuple(event_ids), dict(asked), key, now)
        self.calls.append(call)
        return call

    def tally(self) -> tuple[int, int, int]:
        """How many were ok, refused and unknown."""
        ok = sum(call.ok for call in self.calls)
        unknown = sum(call.unknown for call in self.calls)
        return ok, len(self.calls) - ok - unknown, unknown
