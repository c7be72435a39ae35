"""An independent tally: do the replies, the ledger, the projections and Redis tell one story?

It knows the public replies and the columns of the tables, and nothing of the code that wrote them:
it imports neither `ledger` nor `projections`, reads with plain SQL and plain HTTP, and adds up by
itself. `gather` reads the evidence, `judge` draws the conclusions and reads nothing.
"""

import json
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import httpx
import psycopg
import redis
from psycopg.rows import class_row

from loadtest.replies import Reply

SETTLE_SECONDS_MAX = 10.0
"""How long the availability may lag behind the ledger before its figure is taken as it is."""

REDIS_KEY = "{flashticket}:head:"
"""Before the event id; the value is text: version, capacity, booked, held and a time."""

GENESIS = "0" * 64

READ_ENTRIES = """
SELECT stream_id::text AS event_id, version, type, convert_from(payload, 'UTF8')::json AS payload,
       encode(prev_hash, 'hex') AS prev_hash, encode(hash, 'hex') AS hash
FROM ledger WHERE stream_id = ANY(%s::uuid[]) ORDER BY stream_id, version
"""
READ_BOOKINGS = """
SELECT stream_id::text AS event_id, booking_id::text, user_id::text, quantity
FROM bookings WHERE stream_id = ANY(%s::uuid[]) AND status = 'booked'
"""
READ_STREAMS = """
SELECT stream_id::text AS event_id, version, booked FROM streams WHERE stream_id = ANY(%s::uuid[])
"""


@dataclass(frozen=True, slots=True)
class Check:
    """One question and its answer. `detail` holds the figures, or the first few faults."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One row of the ledger. Hashes as hexadecimal text, as replies have them."""

    event_id: str
    version: int
    type: str
    payload: dict[str, Any]
    prev_hash: str
    hash: str


@dataclass(frozen=True, slots=True)
class BookingRow:
    """One booking of the projection that is not cancelled."""

    event_id: str
    booking_id: str
    user_id: str
    quantity: int


@dataclass(frozen=True, slots=True)
class Counted:
    """How many tickets of an event a source calls booked, as of which version."""

    version: int
    booked: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that the verdict rests on, as it was read."""

    replies: Sequence[Reply]
    entries: Sequence[LedgerEntry]
    bookings: Sequence[BookingRow]
    streams: Mapping[str, Counted]
    availability: Mapping[str, Counted]
    redis: Mapping[str, Counted]


def gather(
    replies: Iterable[Reply],
    event_ids: Sequence[str],
    *,
    database_url: str,
    redis_url: str,
    base_url: str,
) -> Evidence:
    """Read what all sources say about these events, the tables in one snapshot."""
    about = [list(event_ids)]
    with psycopg.connect(database_url) as connection:
        connection.read_only = True
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        entry_rows = connection.cursor(row_factory=class_row(LedgerEntry))
        entries = entry_rows.execute(READ_ENTRIES, about).fetchall()
        booking_rows = connection.cursor(row_factory=class_row(BookingRow))
        bookings = booking_rows.execute(READ_BOOKINGS, about).fetchall()
        streams = {
            event_id: Counted(version, booked)
            for event_id, version, booked in connection.execute(READ_STREAMS, about)
        }
    with httpx.Client(base_url=base_url) as api, redis.Redis.from_url(redis_url) as cache:
        published = {event_id: _settled(api, cache, event_id, streams) for event_id in event_ids}
    return Evidence(
        list(replies),
        _confirmed_as_booked(entries),
        bookings,
        streams,
        availability={event_id: answer for event_id, (answer, _) in published.items()},
        redis={event_id: cached for event_id, (_, cached) in published.items()},
    )


def _settled(
    api: httpx.Client, cache: redis.Redis, event_id: str, streams: Mapping[str, Counted]
) -> tuple[Counted, Counted]:
    """What the API answers and what Redis holds right after it, once neither is behind."""
    version = streams[event_id].version if event_id in streams else 0
    give_up_at = time.monotonic() + SETTLE_SECONDS_MAX
    while True:
        answer = _ask_api(api, event_id)
        cached = _ask_redis(cache, event_id)
        behind = min(answer.version, cached.version) < version
        if not behind or time.monotonic() > give_up_at:
            return answer, cached
        time.sleep(0.02)


def _ask_api(api: httpx.Client, event_id: str) -> Counted:
    answer = api.get(f"/v1/events/{event_id}/availability")
    answer.raise_for_status()
    fields = answer.json()
    return Counted(version=fields["version"], booked=fields["booked"])


def _ask_redis(cache: redis.Redis, event_id: str) -> Counted:
    value = cast("bytes | None", cache.get(REDIS_KEY + event_id))
    if value is None:
        return Counted(version=0, booked=0)
    version, _, booked, *_ = value.split()
    return Counted(version=int(version), booked=int(booked))


def judge(
    evidence: Evidence, expected: Mapping[str, int], *, once_per_user: bool = True
) -> list[Check]:
    """Hold the evidence against the tickets that each event must have sold, exactly.

    `once_per_user` says that no user made more than one attempt.
    """
    checks = [
        _tickets("the replies say so many are booked", _replied(evidence), expected),
        _tickets("the ledger says so many are booked", _in_ledger(evidence), expected),
        _tickets("the bookings projection says so many", _projected(evidence), expected),
        _tickets("the capacity stream row says so many", _booked(evidence.streams), expected),
        _tickets("the availability says so many", _booked(evidence.availability), expected),
        _tickets("Redis says so many", _booked(evidence.redis), expected),
        _faults("every reply is a booking or a refusal", _odd_replies(evidence)),
        _faults("every accepted booking is in the ledger as answered", _not_as_told(evidence)),
        _faults("every booking in the ledger was answered", _never_told(evidence)),
        _faults("the projection holds the ledger's bookings", _not_projected(evidence)),
        _faults("no prefix of the ledger is above capacity", _above_capacity(evidence)),
        _faults("versions have no gap and hashes are chained", _broken_links(evidence)),
    ]
    if once_per_user:
        checks.append(_faults("no user booked twice", _booked_twice(evidence)))
    return checks


def _tickets(name: str, found: Mapping[str, int], expected: Mapping[str, int]) -> Check:
    wrong = [
        f"event {event_id}: {found.get(event_id, 0)}, not {expected.get(event_id, 0)}"
        for event_id in sorted({*found, *expected})
        if found.get(event_id, 0) != expected.get(event_id, 0)
    ]
    return _faults(name, wrong, f"{sum(found.values())} tickets")


def _faults(name: str, faults: Iterable[str], detail: str = "") -> Check:
    found = list(faults)
    if not found:
        return Check(name, True, detail)
    more = f" and {len(found) - 3} more" if len(found) > 3 else ""
    return Check(name, False, "; ".join(found[:3]) + more)


def _replied(evidence: Evidence) -> Mapping[str, int]:
    told: Counter[str] = Counter()
    for reply in evidence.replies:
        if reply.accepted:
            told[str(reply.body.get("event_id"))] += int(reply.body.get("quantity", 0))
    return told


def _confirmed_as_booked(entries: Sequence[LedgerEntry]) -> list[LedgerEntry]:
    """``entries`` with a confirmation as the booking that it makes of its hold."""
    held = {
        entry.payload["hold_id"]: entry.payload["quantity"]
        for entry in entries
        if entry.type == "SeatsHeld"
    }
    return [
        replace(
            entry,
            type="SeatsBooked",
            payload={**entry.payload, "quantity": held[entry.payload["hold_id"]]},
        )
        if entry.type == "HoldConfirmed"
        else entry
        for entry in entries
    ]


def _booked_entries(evidence: Evidence) -> dict[str, LedgerEntry]:
    return {
        entry.payload["booking_id"]: entry
        for entry in evidence.entries
        if entry.type == "SeatsBooked"
    }


def _cancelled_ids(evidence: Evidence) -> set[str]:
    return {
        entry.payload["booking_id"]
        for entry in evidence.entries
        if entry.type == "BookingCancelled"
    }


def _change(entry: LedgerEntry) -> int:
    if entry.type == "SeatsBooked":
        return int(entry.payload["quantity"])
    if entry.type == "BookingCancelled":
        return -int(entry.payload["quantity"])
    return 0


def _in_ledger(evidence: Evidence) -> Mapping[str, int]:
    sold: Counter[str] = Counter()
    for entry in evidence.entries:
        sold[entry.event_id] += _change(entry)
    return sold


def _projected(evidence: Evidence) -> Mapping[str, int]:
    sold: Counter[str] = Counter()
    for booking in evidence.bookings:
        sold[booking.event_id] += booking.quantity
    return sold


def _booked(counted: Mapping[str, Counted]) -> Mapping[str, int]:
    return {event_id: each.booked for event_id, each in counted.items()}


def _odd_replies(evidence: Evidence) -> Iterator[str]:
    for reply in evidence.replies:
        if not reply.accepted and not reply.refused:
            yield f"user {reply.user_id}: {reply.status} {json.dumps(reply.body)[:200]}"


def _not_as_told(evidence: Evidence) -> Iterator[str]:
    entries = {(entry.event_id, entry.version): entry for entry in evidence.entries}
    answered: set[tuple[str, int]] = set()
    for reply in evidence.replies:
        if not reply.accepted:
            continue
        place = _place(reply.body)
        entry = entries.get(place)
        told = f"booking {reply.body.get('booking_id')}"
        if entry is None or entry.type != "SeatsBooked":
            yield f"{told} is not in the ledger"
        elif _answer(entry) != {name: reply.body.get(name) for name in _answer(entry)}:
            yield f"{told} was answered {json.dumps(reply.body)}, the ledger has {_answer(entry)}"
        elif reply.user_id != entry.payload["user_id"]:
            yield f"{told} was answered to {reply.user_id}, the ledger has {_answer(entry)}"
        elif place in answered:
            yield f"{told} was answered to two attempts"
        answered.add(place)


def _place(body: Mapping[str, Any]) -> tuple[str, int]:
    entry = body.get("entry")
    version = entry.get("version") if isinstance(entry, dict) else None
    return str(body.get("event_id")), version if isinstance(version, int) else 0


def _answer(entry: LedgerEntry) -> dict[str, Any]:
    """What a buyer must have been told about this entry."""
    return {
        "booking_id": entry.payload["booking_id"],
        "user_id": entry.payload["user_id"],
        "quantity": entry.payload["quantity"],
        "entry": {"version": entry.version, "hash": entry.hash},
    }


def _never_told(evidence: Evidence) -> Iterator[str]:
    told = {reply.body.get("booking_id") for reply in evidence.replies if reply.accepted}
    excused = Counter(reply.user_id for reply in evidence.replies if reply.unknown)
    for booking_id, entry in _booked_entries(evidence).items():
        if booking_id in told:
            continue
        user_id = entry.payload["user_id"]
        if excused[user_id] > 0:
            excused[user_id] -= 1
        else:
            yield f"booking {booking_id} of user {user_id}"


def _not_projected(evidence: Evidence) -> Iterator[str]:
    cancelled = _cancelled_ids(evidence)
    in_ledger = {
        BookingRow(entry.event_id, booking_id, entry.payload["user_id"], entry.payload["quantity"])
        for booking_id, entry in _booked_entries(evidence).items()
        if booking_id not in cancelled
    }
    for booking in sorted(in_ledger ^ set(evidence.bookings), key=lambda row: row.booking_id):
        where = "the ledger" if booking in in_ledger else "the projection"
        yield f"only {where} has booking {booking.booking_id} as it stands there"


def _streams(evidence: Evidence) -> Mapping[str, list[LedgerEntry]]:
    streams: dict[str, list[LedgerEntry]] = defaultdict(list)
    for entry in evidence.entries:
        streams[entry.event_id].append(entry)
    return streams


def _above_capacity(evidence: Evidence) -> Iterator[str]:
    for event_id, entries in _streams(evidence).items():
        capacity = booked = 0
        for entry in entries:
            capacity = entry.payload.get("capacity", capacity)
            booked += _change(entry)
            if booked > capacity:
                yield f"event {event_id} at version {entry.version}: {booked} of {capacity}"
                break


def _broken_links(evidence: Evidence) -> Iterator[str]:
    for event_id, entries in _streams(evidence).items():
        for number, entry in enumerate(entries, start=1):
            before = entries[number - 2].hash if number > 1 else GENESIS
            if entry.version != number or entry.prev_hash != before:
                yield f"event {event_id} at version {entry.version}"
                break
        else:
            stream = evidence.streams.get(event_id)
            if stream is None or stream.version != len(entries):
                yield f"event {event_id}: the stream row is not at version {len(entries)}"


def _booked_twice(evidence: Evidence) -> Iterator[str]:
    counts = Counter(
        (entry.event_id, entry.payload["user_id"]) for entry in _booked_entries(evidence).values()
    )
    for (event_id, user_id), count in counts.items():
        if count > 1:
            yield f"user {user_id} has {count} bookings of event {event_id}"
