"""An event's counts from its entries alone, in no more memory than holds that are open. Pure.

`ledger.evolve` checks every transition and keeps every booking for that. Who only asks how many
places were taken needs neither; a test holds the two together on every entry type.
"""

from dataclasses import dataclass, field, replace
from typing import Any, Final, Self

COUNTED: Final = frozenset(
    {
        "BookingCancelled",
        "CapacityChanged",
        "EventScheduled",
        "HoldConfirmed",
        "HoldExpired",
        "HoldReleased",
        "SeatsBooked",
        "SeatsHeld",
    }
)
"""The entry types that change a count."""


@dataclass(slots=True)
class Counts:
    """Places of an event, as its entries up to some version leave them."""

    capacity: int = 0
    booked: int = 0
    held: int = 0
    open_holds: dict[str, int] = field(default_factory=dict)

    def copy(self) -> Self:
        """The same counts, to go on from in another way."""
        return replace(self, open_holds=dict(self.open_holds))

    def take(self, type_name: str, fields: dict[str, Any]) -> None:
        """Count an entry of one of `COUNTED`, its fields as today's schema has them.

        Raises KeyError for what no ledger can have: a field that is missing, a hold that is none.
        """
        match type_name:
            case "SeatsBooked":
                self.booked += fields["quantity"]
            case "BookingCancelled":
                self.booked -= fields["quantity"]
            case "SeatsHeld":
                self.open_holds[fields["hold_id"]] = fields["quantity"]
                self.held += fields["quantity"]
            case "HoldConfirmed":
                quantity = self.open_holds.pop(fields["hold_id"])
                self.held -= quantity
                self.booked += quantity
            case "HoldReleased" | "HoldExpired":
                self.held -= self.open_holds.pop(fields["hold_id"])
            case _:
                self.capacity = fields["capacity"]
