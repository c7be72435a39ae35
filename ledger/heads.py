"""The last heads committed by this process: enough to refuse a sold-out event without its lock."""

from collections import OrderedDict
from time import monotonic
from typing import Final

from ledger.batch import Head, Refused
from ledger.commands import BookSeats
from ledger.rejections import SoldOut
from ledger.values import EventId

_HEADS_MAX: Final = 100_000


class Heads:
    """Remembers the newest head of each stream seen here, the latest `_HEADS_MAX` of them.

    A refusal given from memory may be late in saying "open again" by ``trust_seconds_max``: until
    then another process may have freed a place. It never oversells, since only the lock sells.
    """

    def __init__(self, trust_seconds_max: float) -> None:
        self._trust_seconds_max = trust_seconds_max
        self._heads: OrderedDict[EventId, tuple[Head, float]] = OrderedDict()
        self._asked_again_at = 0.0

    def remember(self, stream_id: EventId, head: Head, since: float) -> None:
        """Take over ``head``, true at the `time.monotonic` ``since``, unless a newer one is known.

        Not from now on: a process that stood still after its commit would trust what is long over.
        """
        known = self._heads.get(stream_id)
        if known is None or known[0].version <= head.version:
            self._heads[stream_id] = (head, since)
            self._heads.move_to_end(stream_id)
            if len(self._heads) > _HEADS_MAX:
                self._heads.popitem(last=False)

    def latest(self, stream_id: EventId) -> Head | None:
        """The newest head known here; what other processes committed since is not in it."""
        known = self._heads.get(stream_id)
        return None if known is None else known[0]

    def refuse(self, command: BookSeats) -> Refused | None:
        """The refusal of ``command``, if what was seen last and just now suffices for it."""
        known = self._heads.get(command.event_id)
        if known is None:
            return None
        head, since = known
        now = monotonic()
        if head.available >= command.quantity or now - since > self._trust_seconds_max:
            return None
        if now - since > self._trust_seconds_max / 2 and now >= self._asked_again_at:
            # One asks the lock before all have to, and renews the trust in the answer for them.
            self._asked_again_at = now + self._trust_seconds_max / 4
            return None
        return Refused(command.event_id, SoldOut(head.available))
