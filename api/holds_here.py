"""Holds made by this process: found without asking the database when they are confirmed."""

from collections import OrderedDict
from typing import Final

from ledger.records import Hold
from ledger.values import HoldId

_HOLDS_MAX: Final = 10_000


class HoldsHere:
    """The latest `_HOLDS_MAX` of them, as they were made.

    For what never changes of a hold: its event, its user and who made it. How it stands is decided
    under the lock.
    """

    def __init__(self) -> None:
        self._holds: OrderedDict[HoldId, Hold] = OrderedDict()

    def remember(self, hold: Hold) -> None:
        """Keep ``hold``, and let the oldest go when there are too many."""
        self._holds[hold.hold_id] = hold
        if len(self._holds) > _HOLDS_MAX:
            self._holds.popitem(last=False)

    def recall(self, hold_id: HoldId) -> Hold | None:
        """The hold, if it is kept here."""
        return self._holds.get(hold_id)
