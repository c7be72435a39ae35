"""The gate: requests beyond what can be worked on wait in line for a moment, or are refused.

A refusal costs a third of what a booking costs. If all that come too many were refused at once, ten
times the load would leave no time for bookings, and the database's answers would wait behind them.
So whoever finds no room waits in line: let in from the front as room appears, refused from the
front one by one, and at the latest after `_WAIT_SECONDS_MAX`. A connection sends its next request
only after the answer to this one, so the line is no longer than there are connections.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Final, Protocol

_TURN_SECONDS: Final = 0.001
_WORK_SECONDS_MAX: Final = 0.005
"""In one turn. In between, health checks and the database's answers have theirs."""
_HEAVY_PER_TURN: Final = 4
_REFUSAL_SECONDS: Final = 0.004
"""Between two. Who is told early can go elsewhere, but each costs time for a third of a booking."""
_WAIT_SECONDS_MAX: Final = 1.5


class Visitor(Protocol):
    """A request at the gate."""

    @property
    def is_heavy(self) -> bool:
        """Whether its work begins after it was let in, and not within `let_in`."""

    @property
    def is_gone(self) -> bool:
        """Whether its sender hung up."""

    def let_in(self) -> None:
        """Begin to answer it."""

    def refuse(self) -> None:
        """Answer 503 `overloaded`."""


_Line = deque[tuple[float, Visitor]]


class Gate:
    """Lets requests in: commands while their queue has room, and not too many at a time."""

    def __init__(self, has_room: Callable[[], bool]) -> None:
        """``has_room`` tells whether another command would be taken."""
        self._has_room = has_room
        self._commands: _Line = deque()
        self._reads: _Line = deque()
        self._heavy_this_turn = 0
        self._refused_at = 0.0
        self._turn: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> int:
        """Requests in line."""
        return len(self._commands) + len(self._reads)

    def take_command(self, visitor: Visitor) -> None:
        """Let in who wants something done, now or when there is room, or refuse."""
        self._take(visitor, self._commands, has_room=self._has_room())

    def take_read(self, visitor: Visitor) -> None:
        """Let in who wants to know something, now or in a later turn, or refuse."""
        self._take(visitor, self._reads, has_room=True)

    def _take(self, visitor: Visitor, line: _Line, *, has_room: bool) -> None:
        is_too_heavy = visitor.is_heavy and self._heavy_this_turn >= _HEAVY_PER_TURN
        if line or not has_room or is_too_heavy:
            line.append((monotonic(), visitor))
            self._expect_turn()
        else:
            self._let_in(visitor)

    def _let_in(self, visitor: Visitor) -> None:
        if visitor.is_heavy:
            self._heavy_this_turn += 1
            self._expect_turn()
        visitor.let_in()

    def _expect_turn(self) -> None:
        if self._turn is None:
            loop = asyncio.get_running_loop()
            self._turn = loop.call_later(_TURN_SECONDS, self._take_turn)

    def _take_turn(self) -> None:
        self._turn = None
        now = monotonic()
        until = now + _WORK_SECONDS_MAX
        for line, has_room in ((self._commands, self._has_room), (self._reads, _always)):
            self._heavy_this_turn = 0
            while line and has_room() and self._heavy_this_turn < _HEAVY_PER_TURN:
                _, visitor = line.popleft()
                if not visitor.is_gone:
                    self._let_in(visitor)
                if monotonic() > until:
                    break
        is_time = now - self._refused_at >= _REFUSAL_SECONDS
        if is_time and self._commands and not self._has_room():
            self._refused_at = now
            _refuse_first(self._commands)
        for line in (self._commands, self._reads):
            while line and line[0][0] < now - _WAIT_SECONDS_MAX and monotonic() < until:
                _refuse_first(line)
        if self.waiting:
            self._expect_turn()


def _refuse_first(line: _Line) -> None:
    _, visitor = line.popleft()
    if not visitor.is_gone:
        visitor.refuse()


def _always() -> bool:
    return True
