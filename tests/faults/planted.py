"""A small sale as it should be, ledger, tables and history, to plant faults in."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final

from loadtest.torture import tables
from loadtest.torture.audit import SYSTEM, Audit, Finding
from loadtest.torture.evidence import Evidence, digest_of, hash_of
from loadtest.torture.history import Call, History
from loadtest.torture.rules import Entry, State, step

EVENT: Final = "0199aaaa-0000-7000-8000-000000000001"
OTHER: Final = "0199aaaa-0000-7000-8000-000000000002"
CLIENT: Final = "0199bbbb-0000-7000-8000-000000000001"
ANN: Final = "0199cccc-0000-7000-8000-000000000001"
BEN: Final = "0199cccc-0000-7000-8000-000000000002"
BEGINNING: Final = 1_800_000_000
MICROSECONDS: Final = 1_000_000


@dataclass
class Sale:
    """Entries and calls, a second apart; what is said to be done in one step has one time."""

    entries: list[Entry] = field(default_factory=list)
    history: History = field(default_factory=History)
    clock: float = BEGINNING
    ids: int = 0

    def schedule(self, event_id: str = EVENT, **terms: Any) -> None:
        fields = {
            "venue_id": OTHER,
            "venue_capacity": 100,
            "name": "Show",
            "starts_at": 0,
            "capacity": 3,
            "sales_open_at": None,
            "sales_close_at": None,
            "limit_per_user": None,
            "limit_per_order": None,
            "hold_seconds": 10,
            "categories": [],
            "quotas": [],
            "seat_rows": [],
        }
        self.append("EventScheduled", fields | terms, event_id=event_id)

    def new_id(self) -> str:
        self.ids += 1
        return f"0199dddd-0000-7000-8000-{self.ids:012d}"

    def append(
        self,
        type_name: str,
        fields: dict[str, Any],
        *,
        event_id: str = EVENT,
        actor: str = CLIENT,
        key: str | None = None,
        at: float | None = None,
    ) -> Entry:
        before = [entry for entry in self.entries if entry.event_id == event_id]
        entry = Entry(
            event_id=event_id,
            version=len(before) + 1,
            type=type_name,
            schema_version=1,
            recorded_at=int((self.clock if at is None else at) * MICROSECONDS),
            actor=actor,
            key=None if key is None else digest_of(actor, key),
            request_hash=None if key is None else "11" * 32,
            prev_hash=before[-1].hash if before else "00" * 32,
            hash="",
            payload=json.dumps(fields, sort_keys=True, separators=(",", ":")).encode(),
            fields=fields,
        )
        self.entries.append(replace(entry, hash=hash_of(entry)))
        return self.entries[-1]

    def call(
        self,
        command: str,
        asked: dict[str, Any],
        status: int = 0,
        body: dict[str, Any] | None = None,
        *,
        key: str | None = None,
        replayed: bool = False,
        event_id: str = EVENT,
    ) -> Call:
        """Ask half a second before now and be answered half a second after; a second passes."""
        call = self.history.begin(command, [event_id], asked, key, self.clock - 0.5)
        call.status, call.body, call.replayed = status, body or {}, replayed
        if status:
            call.answered_at = self.clock + 0.5
        self.clock += 2
        return call

    def book(
        self, user_id: str = ANN, quantity: int = 1, *, key: str | None = None, **order: Any
    ) -> dict[str, Any]:
        """Book and be told; the body of the answer."""
        entry = self.append_booking(user_id, quantity, key=key, **order)
        body = answer_of(entry)
        asked = {"event_id": EVENT, "user_id": user_id, "quantity": quantity, **order}
        self.call("book", asked, 201, body, key=key)
        return body

    def append_booking(
        self, user_id: str, quantity: int = 1, *, key: str | None = None, **order: Any
    ) -> Entry:
        fields = {
            "booking_id": self.new_id(),
            "user_id": user_id,
            "quantity": quantity,
            "category": None,
            "seats": [],
            "amount_cents": 0,
        }
        return self.append("SeatsBooked", fields | order, key=key)

    def refuse(self, code: str, status: int = 409, quantity: int = 1, **fields: Any) -> Call:
        """Ask for places, and be told no."""
        asked = {"event_id": EVENT, "user_id": BEN, "quantity": quantity}
        return self.call("book", asked, status, {"code": code, **fields}, key=self.new_id())

    def evidence(self) -> Evidence:
        """The ledger, and the tables as its entries have them, as far as they make sense."""
        states: dict[str, State] = {}
        for entry in self.entries:
            states.setdefault(entry.event_id, State())
            states[entry.event_id] = step(states[entry.event_id], entry)
        return Evidence(
            list(self.entries),
            streams=list(tables._streams(states)),
            bookings=list(tables._bookings(states)),
            holds=list(tables._holds(states)),
            line=list(tables._line(states)),
            claims=list(tables._claims(states)),
            taken=list(tables._taken(states)),
        )

    def findings_on(self, tables_of: Evidence) -> list[Finding]:
        """What the audit finds where the entries do not add up to any tables at all."""
        return Audit(self.history, replace(tables_of, entries=list(self.entries))).findings

    def findings(
        self, plant: Callable[[Evidence], Evidence] = lambda found: found
    ) -> list[Finding]:
        """What the audit finds, after something was planted in the evidence."""
        return Audit(self.history, plant(self.evidence())).findings


def answer_of(entry: Entry) -> dict[str, Any]:
    """What a buyer is told of the entry that made a booking."""
    told = {"event_id": entry.event_id, **entry.fields}
    return told | {"entry": {"version": entry.version, "hash": entry.hash}}


def by_the_system(sale: Sale, type_name: str, fields: dict[str, Any]) -> Entry:
    """An entry that nobody asked for, such as an expiry."""
    return sale.append(type_name, fields, actor=SYSTEM)
