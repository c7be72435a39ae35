"""The audit of a round: every answer held against the ledger, and the ledger against its rules.

* What was answered ok is in the ledger as it was answered, once; or it held already.
* Every entry that the system did not write by itself was asked for by exactly one request that was
  answered ok or whose outcome nobody knows. So nothing that was refused was done all the same, and
  nothing was done twice.
* Every refusal was right on some state that the event can have had between asking and answer.
* Every reading was of such a state, and availability never went back.
* The entries follow each other by the rules (`rules`), and the tables beside the ledger say what
  the entries add up to.
"""

import json
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from loadtest.torture.answers import (
    NOBODY,
    ORDERS,
    held_already,
    read_rightly,
    refused_rightly,
)
from loadtest.torture.evidence import Evidence, digest_of, hash_of, is_canonical
from loadtest.torture.history import NEVER_SENT, Call, History
from loadtest.torture.rules import MICROSECONDS, Entry, State, Wrong, step
from loadtest.torture.tables import differences

SYSTEM = "00000000-0000-0000-0000-000000000000"
CLOCK_SECONDS = 0.005
"""How far two readings of the machine's clock may seem out of order: rounding, and no more."""

SOLD_OUT_SECONDS = 0.1
"""For so long "sold out" may be said from memory (FLASHTICKET_SOLD_OUT_TRUST_MS)."""

FRESH_SECONDS = 0.2
"""So old availability may be (FLASHTICKET_AVAILABILITY_FRESH_MS)."""

LATE_SECONDS = 0.05
"""What those two may be late by on a busy machine, between looking at the clock and answering."""

READINGS = frozenset({"read_booking", "read_hold", "read_waiting"})
NOTHING_DONE = frozenset({"unavailable", "overloaded", "rate-limited"})

_ENTRY_OF: Mapping[str, str] = {
    "book": "SeatsBooked",
    "cart": "SeatsBooked",
    "hold": "SeatsHeld",
    "confirm": "HoldConfirmed",
    "release": "HoldReleased",
    "cancel": "BookingCancelled",
    "transfer": "BookingTransferred",
    "join": "WaitingListJoined",
    "leave": "WaitingListLeft",
    "check_in": "TicketCheckedIn",
    "annul": "CheckInAnnulled",
    "capacity": "CapacityChanged",
    "open": "EventOpened",
    "close": "EventClosed",
    "call_off": "EventCancelled",
}
"""What a command leaves in the ledger."""

_TELLS_ITS_ENTRY = frozenset({"book", "cart", "hold", "confirm", "join"})
"""Commands whose answer says where its entry stands."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that must not be. ``rule`` is one of L1 to L7, or "refusal"."""

    rule: str
    what: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.what}"


@dataclass(slots=True)
class Stream:
    """The entries of one event, the state after each, and when which was known."""

    entries: list[Entry] = field(default_factory=list)
    states: list[State] = field(default_factory=lambda: [State()])
    _told: list[tuple[float, int]] = field(default_factory=list)

    def tell(self, answered_at: float, version: int) -> None:
        """At that time somebody had been told of that version."""
        self._told.append((answered_at, version))

    def settle(self) -> None:
        """No more will be told."""
        self._told.sort()
        highest = 0
        for n, (answered_at, version) in enumerate(self._told):
            highest = max(highest, version)
            self._told[n] = (answered_at, highest)

    def span(self, since: float, until: float) -> range:
        """The versions that can have been the latest at some moment between two times."""
        n = bisect_right(self._told, since - CLOCK_SECONDS, key=lambda told: told[0])
        lowest = self._told[n - 1][1] if n else 0
        latest = int((until + CLOCK_SECONDS) * MICROSECONDS)
        highest = bisect_right(self.entries, latest, key=lambda entry: entry.recorded_at)
        return range(lowest, min(highest, len(self.states) - 1) + 1)


@dataclass(slots=True)
class Request:
    """One call, or all that repeat the same thing under one idempotency key."""

    calls: list[Call]
    entries: list[Entry] = field(default_factory=list)

    @property
    def first(self) -> Call:
        return self.calls[0]

    @property
    def may_have_been_done(self) -> bool:
        return any(call.ok or call.unknown for call in self.calls)

    @property
    def must_have_been_done(self) -> bool:
        """It was answered as done, and is nothing that can have been so already."""
        counted = self.first.command == "cancel" and self.first.asked.get("quantity") is not None
        return any(call.ok for call in self.calls) and (
            counted or self.first.command in {"check_in", "annul"}
        )

    def can_explain(self, entry: Entry) -> bool:
        """Whether it came at a time to leave ``entry``; what it is about was looked at before."""
        began = self.first.asked_at - CLOCK_SECONDS
        ended = max(call.answered_at if call.ok else 0.0 for call in self.calls) + CLOCK_SECONDS
        return began <= entry.at and (entry.at <= ended or any(c.unknown for c in self.calls))


class Audit:
    """Holds a history against evidence; `findings` is what is wrong."""

    def __init__(self, history: History, evidence: Evidence) -> None:
        self.findings: list[Finding] = []
        self._calls = history.calls
        self._evidence = evidence
        self._streams: dict[str, Stream] = defaultdict(Stream)
        self._requests = list(_requests_of(history.calls))
        self._request_of = {
            call.number: request for request in self._requests for call in request.calls
        }
        self._explained: dict[tuple[str, int], Request] = {}
        self._actors = {entry.actor for entry in evidence.entries}

        self._fold()
        self._find_told_entries()
        self._match_the_rest()
        self._learn_what_was_known()
        for call in self._calls:
            self._judge(call)
        self._availability_never_goes_back()
        states = {event_id: each.states[-1] for event_id, each in self._streams.items()}
        for rule, what in differences(states, evidence):
            self._find(rule, what)

    def _find(self, rule: str, what: str) -> None:
        self.findings.append(Finding(rule, what))

    def _fold(self) -> None:
        for entry in self._evidence.entries:
            stream = self._streams[entry.event_id]
            before = stream.states[-1]
            where = f"event {entry.event_id} version {entry.version} {entry.type}"
            if entry.version != len(stream.entries) + 1 or entry.prev_hash != before.head_hash:
                self._find("L3", f"{where} does not follow the entry before it")
            if hash_of(entry) != entry.hash:
                self._find("L3", f"{where} has not the hash of its contents")
            if not is_canonical(entry):
                self._find("L7", f"{where} is not canonical JSON")
            if entry.recorded_at < before.at:
                self._find("L3", f"{where} is older than the entry before it")
            stream.entries.append(entry)
            try:
                stream.states.append(step(before, entry))
            except Wrong as wrong:
                self._find(wrong.rule, f"{where}: {wrong}")
                stream.states.append(before)

    # Which request left which entry.

    def _find_told_entries(self) -> None:
        for request in self._requests:
            fresh = 0
            for call in request.calls:
                if call.ok and call.command in _TELLS_ITS_ENTRY:
                    fresh += self._find_told_entry(request, call)
            if fresh > 1:
                self._find("L4", f"{request.first} was done {fresh} times")

    def _find_told_entry(self, request: Request, call: Call) -> bool:
        """Look up the entries that an answer names; whether they are said to be new."""
        fresh = False
        for event_id, told in _told(call):
            entry = self._entry_at(event_id, told["entry"])
            if entry is None:
                self._find("L5", f"{call} and its entry is not in the ledger: {dict(told)}")
                continue
            if not _as_told(call, entry, told):
                self._find("L5", f"{call} was answered {dict(told)}, the ledger has {entry}")
                continue
            is_own = (
                entry.at >= request.first.asked_at - CLOCK_SECONDS
                and self._has_key(entry, call.key)
                and _subject_of(entry) in _subjects(call)
            )
            held_before = call.command in {"confirm", "join"}
            if not is_own:
                if not held_before:
                    self._find("L4", f"{call} was answered with another one's entry: {entry}")
                continue
            fresh = fresh or not call.replayed
            explained = self._explained.setdefault((event_id, entry.version), request)
            if explained is request:
                request.entries.append(entry)
            elif not held_before:
                self._find("L5", f"{call} and {explained.first} were answered with one entry")
        return fresh

    def _entry_at(self, event_id: str, told: Mapping[str, Any]) -> Entry | None:
        entries = self._streams[event_id].entries
        version = int(told["version"])
        if not 1 <= version <= len(entries) or entries[version - 1].hash != told["hash"]:
            return None
        return entries[version - 1]

    def _has_key(self, entry: Entry, key: str | None) -> bool:
        expected = None if key is None else digest_of(entry.actor, key)
        return entry.key == expected

    def _match_the_rest(self) -> None:
        """Give every entry left a request of its own, and every request that needs one an entry."""
        entries = [
            entry
            for stream in self._streams.values()
            for entry in stream.entries
            if entry.actor != SYSTEM
            and entry.type != "EventScheduled"
            and (entry.event_id, entry.version) not in self._explained
        ]
        by_subject: dict[tuple[Any, ...], list[Request]] = defaultdict(list)
        for request in self._requests:
            if request.may_have_been_done and request.first.command in _ENTRY_OF:
                for subject in _subjects(request.first):
                    by_subject[subject].append(request)
        candidates: dict[int, list[Request]] = {}
        for n, entry in enumerate(entries):
            candidates[n] = [
                request
                for request in by_subject[_subject_of(entry)]
                if self._has_key(entry, request.first.key)
                and request.can_explain(entry)
                and _room_for(request, entry)
            ]
        matched = match(candidates, lambda request: request.must_have_been_done)
        for n, entry in enumerate(entries):
            found = matched.get(n)
            if found is None:
                self._find("L5", f"nobody was told of, or still waits for, {entry}")
            else:
                found.entries.append(entry)
                self._explained[entry.event_id, entry.version] = found
        for request in self._requests:
            if request.must_have_been_done and not request.entries:
                self._find("L5", f"{request.first} was answered as done and left no entry")
            if request.first.command == "cart" and len(request.entries) not in {
                0,
                len(request.first.event_ids),
            }:
                self._find("L4", f"{request.first} was done in part")

    # What can have been known when.

    def _learn_what_was_known(self) -> None:
        for request in self._requests:
            for entry in request.entries:
                answered = [call.answered_at for call in request.calls if call.ok]
                if answered:
                    self._streams[entry.event_id].tell(min(answered), entry.version)
        for call in self._calls:
            if call.ok and call.command == "availability":
                stream = self._streams[call.event_ids[0]]
                stream.tell(call.answered_at, call.body["version"])
        for stream in self._streams.values():
            stream.settle()

    # Whether each answer was right.

    def _judge(self, call: Call) -> None:
        if call.unknown or call.status == NEVER_SENT or call.code in NOTHING_DONE:
            return
        if call.refused and call.status not in {404, 409, 422}:
            self._find("refusal", f"{call} should never be: {dict(call.body)}")
        elif call.refused:
            self._judge_refusal(call)
        elif call.command == "availability":
            self._judge_availability(call)
        elif call.command in READINGS:
            if not self._was_so(call, lambda state: read_rightly(call, state)):
                self._find("L6", f"{call} read what never was: {dict(call.body)}")
        elif call.command in _ENTRY_OF:
            self._judge_done(call)

    def _judge_refusal(self, call: Call) -> None:
        about = call.body.get("event_id", call.event_ids[0])
        stream = self._streams[about]
        if call.code == "idempotency-key-reused":
            digests = {digest_of(actor, call.key or "") for actor in self._actors}
            everywhere = [self._streams[event_id] for event_id in self._streams]
            if not any(
                digests & each.states[each.span(call.asked_at, call.answered_at)[-1]].keys
                for each in everywhere
            ):
                self._find("L4", f"{call} although the key was never used")
            return
        late = 0.0
        if call.code == "sold-out" and call.command == "book" and not call.key:
            # Named seats are never refused from memory, and the rules then name the seat.
            late = SOLD_OUT_SECONDS + LATE_SECONDS
        for version in stream.span(call.asked_at - late, call.answered_at):
            state = stream.states[version]
            if late and _sold_out_from_memory(call, state):
                return
            if self._key_is_bound(call, state):
                continue
            if any(
                refused_rightly(call, about, state, closed=closed)
                for closed in _may_be_closed(state, call)
            ):
                return
        span = stream.span(call.asked_at, call.answered_at)
        self._find("refusal", f"{call} {dict(call.body)} was right on none of versions {span}")

    def _key_is_bound(self, call: Call, state: State) -> bool:
        return call.key is not None and any(
            digest_of(actor, call.key) in state.keys for actor in self._actors
        )

    def _judge_done(self, call: Call) -> None:
        if call.asked.get("user_id") == NOBODY or call.asked.get("to_user_id") == NOBODY:
            self._find("refusal", f"{call} was done for nobody")
        if self._request_of[call.number].entries or call.command in ORDERS:
            return
        if call.replayed and call.key is not None:
            self._find("L5", f"{call} repeats an answer that no entry gave")
        elif not self._was_so(call, lambda state: held_already(call, state)):
            self._find("L5", f"{call} was answered as done, left no entry and did not hold")

    def _was_so(self, call: Call, holds: Callable[[State], bool]) -> bool:
        stream = self._streams[call.event_ids[0]]
        span = stream.span(call.asked_at, call.answered_at)
        return any(holds(stream.states[version]) for version in span)

    def _judge_availability(self, call: Call) -> None:
        stream, body = self._streams[call.event_ids[0]], call.body
        version = body["version"]
        late = FRESH_SECONDS + LATE_SECONDS
        if version not in stream.span(call.asked_at - late, call.answered_at):
            self._find("L6", f"{call} tells of version {version}, which was not then")
            return
        state = stream.states[version]
        told = (body["capacity"], body["booked"], body["held"], body["available"])
        if told != (state.capacity, state.booked, state.held, state.available):
            self._find("L6", f"{call} tells {dict(body)} of {state.booked} + {state.held}")

    def _availability_never_goes_back(self) -> None:
        by_event: dict[str, list[Call]] = defaultdict(list)
        for call in self._calls:
            if call.ok and call.command == "availability":
                by_event[call.event_ids[0]].append(call)
        for calls in by_event.values():
            served = sorted((call.answered_at, call.body["version"]) for call in calls)
            answered = [at for at, _ in served]
            highest = [0]
            for _, version in served:
                highest.append(max(highest[-1], version))
            for call in calls:
                before = highest[bisect_right(answered, call.asked_at)]
                if call.body["version"] < before:
                    self._find("L6", f"{call} went back from version {before}: {call.body}")


def _requests_of(calls: Iterable[Call]) -> Iterator[Request]:
    keyed: dict[tuple[str, str, str], Request] = {}
    for call in calls:
        if call.key is None:
            yield Request([call])
            continue
        same = (call.key, call.command, json.dumps(call.asked, sort_keys=True, default=str))
        if same in keyed:
            keyed[same].calls.append(call)
        else:
            keyed[same] = Request([call])
    yield from keyed.values()


def _told(call: Call) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """What an answer says was made, by event."""
    if call.command == "cart":
        for booking in call.body["bookings"]:
            yield booking["event_id"], booking
    else:
        yield call.event_ids[0], call.body


def _as_told(call: Call, entry: Entry, told: Mapping[str, Any]) -> bool:
    """Whether an entry is what the answer says, and what was asked."""
    fields = entry.fields
    if entry.type != _ENTRY_OF[call.command]:
        return False
    if call.command == "confirm":
        return bool(
            fields["hold_id"] == call.asked["hold_id"]
            and fields["booking_id"] == told["booking_id"]
        )
    made = {"book": "booking_id", "cart": "booking_id", "hold": "hold_id", "join": "waiting_id"}
    names = [made[call.command], "user_id", "quantity"]
    if call.command != "join":
        names += ["seats", "category", "amount_cents"]
    return all(fields[name] == told[name] for name in names)


def _subjects(call: Call) -> list[tuple[Any, ...]]:
    """What the entries of a command are about, as `_subject_of` gives it."""
    asked, type_name = call.asked, _ENTRY_OF[call.command]
    if call.command == "cart":
        return [
            (type_name, item["event_id"], asked["user_id"], item["quantity"])
            for item in asked["items"]
        ]
    rest: tuple[Any, ...]
    match call.command:
        case "book" | "hold" | "join":
            rest = (asked["user_id"], asked["quantity"])
        case "cancel":
            rest = (asked["booking_id"],)
        case "transfer":
            rest = (asked["booking_id"], asked["to_user_id"])
        case "confirm" | "release":
            rest = (asked["hold_id"],)
        case "leave":
            rest = (asked["waiting_id"],)
        case "check_in" | "annul":
            rest = (asked["booking_id"], asked["ticket"])
        case "capacity":
            rest = (asked["capacity"],)
        case _:
            rest = ()
    return [(type_name, call.event_ids[0], *rest)]


_SUBJECT: Mapping[str, tuple[str, ...]] = {
    "SeatsBooked": ("user_id", "quantity"),
    "SeatsHeld": ("user_id", "quantity"),
    "WaitingListJoined": ("user_id", "quantity"),
    "BookingCancelled": ("booking_id",),
    "BookingTransferred": ("booking_id", "to_user_id"),
    "HoldConfirmed": ("hold_id",),
    "HoldReleased": ("hold_id",),
    "WaitingListLeft": ("waiting_id",),
    "TicketCheckedIn": ("booking_id", "ticket"),
    "CheckInAnnulled": ("booking_id", "ticket"),
    "CapacityChanged": ("capacity",),
}


def _subject_of(entry: Entry) -> tuple[Any, ...]:
    names = _SUBJECT.get(entry.type, ())
    return (entry.type, entry.event_id, *(entry.fields[name] for name in names))


def _room_for(request: Request, entry: Entry) -> bool:
    """Whether a request can have left one entry more, and what it asked is what there is."""
    asked = request.first.asked
    if entry.type == "SeatsBooked" and request.first.command == "cart":
        return all(each.event_id != entry.event_id for each in request.entries)
    if request.entries:
        return False
    if entry.type in {"SeatsBooked", "SeatsHeld"}:
        seats, category = asked.get("seats"), asked.get("category")
        return (not seats or list(seats) == entry.fields["seats"]) and (
            category in {None, entry.fields["category"]}
        )
    if entry.type == "BookingCancelled":
        tickets, quantity = asked.get("tickets"), asked.get("quantity")
        return (not tickets or set(entry.fields["tickets"]) <= set(tickets)) and (
            quantity in {None, entry.fields["quantity"]}
        )
    return True


def match(
    candidates: Mapping[int, list[Request]], must: Callable[[Request], bool]
) -> dict[int, Request]:
    """Give as many entries as can be a request of their own, requests that must have one first.

    Augmenting paths: what is matched once stays so. A cart has room for an entry of each event.
    """
    slots: dict[tuple[int, int], Request] = {}
    edges: dict[int, list[tuple[int, int]]] = defaultdict(list)
    wanting: dict[tuple[int, int], list[int]] = defaultdict(list)
    for n, requests in candidates.items():
        for request in requests:
            room = len(request.first.event_ids) if request.first.command == "cart" else 1
            for slot in range(room):
                name = (id(request), slot)
                slots[name] = request
                edges[n].append(name)
                wanting[name].append(n)
    of_entry: dict[int, tuple[int, int]] = {}
    of_slot: dict[tuple[int, int], int] = {}

    def place_slot(name: tuple[int, int], seen: set[int]) -> bool:
        for n in wanting[name]:
            if n in seen:
                continue
            seen.add(n)
            if n not in of_entry or place_slot(of_entry[n], seen):
                of_entry[n], of_slot[name] = name, n
                return True
        return False

    def place_entry(n: int, seen: set[tuple[int, int]]) -> bool:
        for name in edges[n]:
            if name in seen:
                continue
            seen.add(name)
            if name not in of_slot or place_entry(of_slot[name], seen):
                of_entry[n], of_slot[name] = name, n
                return True
        return False

    for name, request in slots.items():
        if must(request):
            place_slot(name, set())
    for n in candidates:
        if n not in of_entry:
            place_entry(n, set())
    return {n: slots[name] for n, name in of_entry.items()}


def _sold_out_from_memory(call: Call, state: State) -> bool:
    return (
        state.available < call.asked["quantity"]
        and call.body["available"] == state.available
        and call.body["category"] is None
    )


def _may_be_closed(state: State, call: Call) -> set[bool]:
    """Whether the sale window can have been over: at the asking, at the answer."""
    if not state.version:
        return set()
    times = (call.asked_at - CLOCK_SECONDS, call.answered_at + CLOCK_SECONDS)
    return {state.is_closed_at(int(time * MICROSECONDS)) for time in times}
