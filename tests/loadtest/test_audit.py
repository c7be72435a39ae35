"""The auditor is only worth something if it finds every fault that is planted."""

import ast
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import repeat
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
import redis
from shop import Answer, Received, Shop

from loadtest import audit
from loadtest.audit import REDIS_KEY, Check, gather, judge
from loadtest.replies import Reply

CREATE_TABLES = """
CREATE TABLE ledger (
    stream_id uuid, version bigint, type text, schema_version smallint, payload bytea,
    prev_hash bytea, hash bytea, recorded_at_us bigint, idempotency_key bytea, request_hash bytea,
    actor uuid
);
CREATE TABLE bookings (
    booking_id uuid, stream_id uuid, user_id uuid, quantity int, status text
);
CREATE TABLE streams (stream_id uuid, version bigint, capacity int, booked int, held int);
"""
INSERT_ENTRY = """
INSERT INTO ledger (stream_id, version, type, schema_version, payload, prev_hash, hash)
VALUES (%s, %s, %s, 1, %s, %s, %s)
"""
INSERT_BOOKING = "INSERT INTO bookings VALUES (%s, %s, %s, %s, %s)"
INSERT_STREAM = "INSERT INTO streams VALUES (%s, %s, %s, %s, 0)"


@dataclass(frozen=True)
class Entry:
    """A row of the ledger, to be written."""

    type: str
    payload: dict[str, object]
    version: int
    prev_hash: str
    hash: str


@dataclass
class Sale:
    """A sale that all sources tell alike, until a test makes one of them lie."""

    event_id: str
    entries: list[Entry] = field(default_factory=list)
    bookings: list[tuple[str, str, int, str]] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)
    stream_booked: int = 0
    stream_version: int = 0
    answered_booked: int = 0
    redis_booked: int = 0
    answers_behind: Iterator[int] = field(default_factory=lambda: iter(()))
    """What the availability says at first, as of an older version."""
    expected: int = 3

    def append(self, type_name: str, payload: dict[str, object]) -> Entry:
        before = self.entries[-1].hash if self.entries else "00" * 32
        version = len(self.entries) + 1
        entry = Entry(type_name, payload, version, before, f"{version:064x}")
        self.entries.append(entry)
        self.stream_version = version
        return entry

    def book(self, quantity: int = 1, user_id: str | None = None) -> Reply:
        """A booking that every source knows of."""
        user_id = user_id or str(uuid4())
        booking_id = str(uuid4())
        fields: dict[str, object] = {
            "booking_id": booking_id,
            "user_id": user_id,
            "quantity": quantity,
        }
        entry = self.append("SeatsBooked", fields)
        self.bookings.append((booking_id, user_id, quantity, "booked"))
        self.count(quantity)
        body = fields | {
            "event_id": self.event_id,
            "status": "booked",
            "entry": {"version": entry.version, "hash": entry.hash},
        }
        self.replies.append(Reply(user_id, 201, body))
        return self.replies[-1]

    def count(self, quantity: int) -> None:
        self.stream_booked += quantity
        self.answered_booked += quantity
        self.redis_booked += quantity

    def edit(self, at: int, **changes: object) -> None:
        """Change one entry of the ledger behind everybody's back."""
        self.entries[at] = replace(self.entries[at], **changes)  # type: ignore[arg-type]

    def edit_payload(self, at: int, **changes: object) -> None:
        self.edit(at, payload=self.entries[at].payload | changes)

    def answer_otherwise(self, at: int, **changes: object) -> None:
        """Let the buyer have been told something else."""
        reply = self.replies[at]
        self.replies[at] = replace(reply, body=reply.body | changes)


Audited = Callable[[Sale], list[Check]]


@pytest.fixture
def sale() -> Sale:
    """Three tickets, one of them bought, cancelled and bought again, and two buyers too late."""
    sale = Sale(str(uuid4()))
    sale.append("EventScheduled", {"capacity": 2})
    sale.append("CapacityChanged", {"capacity": 3})
    sale.book()
    sale.book(2)
    for _ in range(2):
        sale.replies.append(Reply(str(uuid4()), 409, {"code": "sold-out"}))
    return sale


@pytest.fixture
def audited(empty_database: str, redis_url: str) -> Audited:
    """Writes the sale into real servers and audits it."""

    def write_and_audit(sale: Sale) -> list[Check]:
        with psycopg.connect(empty_database) as connection:
            write(sale, connection)
        with redis.Redis.from_url(redis_url) as cache:
            value = f"{sale.stream_version} 3 {sale.redis_booked} 0 0"
            cache.set(REDIS_KEY + sale.event_id, value)

        def availability(request: Received) -> Answer:
            assert request.path == f"/v1/events/{sale.event_id}/availability"
            for booked in sale.answers_behind:
                return 200, {"version": 1, "booked": booked}
            return 200, {"version": sale.stream_version, "booked": sale.answered_booked}

        evidence = Shop(availability).during(
            lambda port: gather(
                sale.replies,
                [sale.event_id],
                database_url=empty_database,
                redis_url=redis_url,
                base_url=f"http://127.0.0.1:{port}",
            )
        )
        return judge(evidence, {sale.event_id: sale.expected})

    return write_and_audit


def write(sale: Sale, connection: psycopg.Connection) -> None:
    connection.execute(CREATE_TABLES)
    cursor = connection.cursor()
    for entry in sale.entries:
        hashes = bytes.fromhex(entry.prev_hash), bytes.fromhex(entry.hash)
        payload = json.dumps(entry.payload).encode()
        row = (sale.event_id, entry.version, entry.type, payload, *hashes)
        cursor.execute(INSERT_ENTRY, row)
    for booking_id, user_id, quantity, status in sale.bookings:
        cursor.execute(INSERT_BOOKING, (booking_id, sale.event_id, user_id, quantity, status))
    cursor.execute(INSERT_STREAM, (sale.event_id, sale.stream_version, 3, sale.stream_booked))


def test_a_right_sale_passes_every_check(sale: Sale, audited: Audited) -> None:
    checks = audited(sale)
    assert [check for check in checks if not check.ok] == []
    assert len(checks) == 13


def test_a_cancelled_booking_gives_its_tickets_back(sale: Sale, audited: Audited) -> None:
    cancelled = sale.replies[0].body
    fields = {name: cancelled[name] for name in ("booking_id", "user_id", "quantity")}
    sale.append("BookingCancelled", fields)
    sale.bookings[0] = (*sale.bookings[0][:3], "cancelled")
    sale.count(-1)
    sale.book()
    # The replies tell of four tickets: the tally knows nothing of an answer to a cancellation.
    assert failing(audited(sale)) == {"the replies say so many are booked"}


def failing(checks: list[Check]) -> set[str]:
    return {check.name for check in checks if not check.ok}


def a_reply_is_lost(sale: Sale) -> None:
    sale.replies[0] = replace(sale.replies[0], status=409, body={"code": "sold-out"})


def an_outcome_is_unknown(sale: Sale) -> None:
    sale.replies[0] = replace(sale.replies[0], status=0, body={})


def a_refusal_is_of_another_kind(sale: Sale) -> None:
    sale.replies[-1] = replace(sale.replies[-1], body={"code": "sales-closed"})


def an_entry_is_missing(sale: Sale) -> None:
    sale.entries.pop()
    sale.stream_version -= 1


def a_ticket_too_many_is_sold(sale: Sale) -> None:
    sale.book()


def one_user_books_twice(sale: Sale) -> None:
    sale.edit_payload(3, user_id=sale.replies[0].user_id)
    sale.bookings[1] = (sale.bookings[1][0], sale.replies[0].user_id, *sale.bookings[1][2:])
    user_id = sale.replies[0].user_id
    sale.replies[1] = replace(
        sale.replies[1], user_id=user_id, body=sale.replies[1].body | {"user_id": user_id}
    )


def another_hash_was_answered(sale: Sale) -> None:
    sale.answer_otherwise(0, entry={"version": 3, "hash": "ff" * 32})


def another_booking_id_was_answered(sale: Sale) -> None:
    sale.answer_otherwise(0, booking_id=str(uuid4()))


def the_answer_went_to_another_user(sale: Sale) -> None:
    sale.replies[0] = replace(sale.replies[0], user_id=str(uuid4()))


def a_booking_without_its_place_was_answered(sale: Sale) -> None:
    sale.answer_otherwise(0, entry=None)


def one_booking_was_answered_to_two(sale: Sale) -> None:
    sale.replies.append(sale.replies[0])


def a_hash_is_not_chained(sale: Sale) -> None:
    sale.edit(3, prev_hash="ff" * 32)


def a_chain_begins_with_something(sale: Sale) -> None:
    sale.edit(0, prev_hash="ff" * 32)


def a_version_is_left_out(sale: Sale) -> None:
    sale.edit(3, version=5)
    sale.answer_otherwise(1, entry={"version": 5, "hash": sale.entries[3].hash})
    sale.stream_version = 5


def the_stream_row_is_behind(sale: Sale) -> None:
    sale.stream_version -= 1


def the_stream_row_counts_wrong(sale: Sale) -> None:
    sale.stream_booked -= 1


def the_projection_lacks_a_booking(sale: Sale) -> None:
    sale.bookings.pop()


def the_projection_has_another_user(sale: Sale) -> None:
    booking_id, _, quantity, status = sale.bookings[0]
    sale.bookings[0] = (booking_id, str(uuid4()), quantity, status)


def the_availability_counts_wrong(sale: Sale) -> None:
    sale.answered_booked += 1


def redis_counts_wrong(sale: Sale) -> None:
    sale.redis_booked -= 1


def a_prefix_was_above_capacity(sale: Sale) -> None:
    sale.entries[1], sale.entries[3] = (
        replace(sale.entries[1], type="SeatsBooked", payload=sale.entries[3].payload),
        replace(sale.entries[3], type="CapacityChanged", payload={"capacity": 3}),
    )
    sale.answer_otherwise(1, entry={"version": 2, "hash": sale.entries[1].hash})


REPLIES = "the replies say so many are booked"
LEDGER = "the ledger says so many are booked"
PROJECTION = "the bookings projection says so many"
STREAM_ROW = "the capacity stream row says so many"
AVAILABILITY = "the availability says so many"
REDIS = "Redis says so many"
CLEAR = "every reply is a booking or a refusal"
AS_ANSWERED = "every accepted booking is in the ledger as answered"
ANSWERED = "every booking in the ledger was answered"
SAME_BOOKINGS = "the projection holds the ledger's bookings"
CAPACITY = "no prefix of the ledger is above capacity"
CHAIN = "versions have no gap and hashes are chained"
ONCE = "no user booked twice"

FAULTS: dict[Callable[[Sale], None], set[str]] = {
    a_reply_is_lost: {REPLIES, ANSWERED},
    an_outcome_is_unknown: {REPLIES, CLEAR},
    a_refusal_is_of_another_kind: {CLEAR},
    an_entry_is_missing: {LEDGER, AS_ANSWERED, SAME_BOOKINGS},
    a_ticket_too_many_is_sold: {
        REPLIES,
        LEDGER,
        PROJECTION,
        STREAM_ROW,
        AVAILABILITY,
        REDIS,
        CAPACITY,
    },
    one_user_books_twice: {ONCE},
    another_hash_was_answered: {AS_ANSWERED},
    another_booking_id_was_answered: {AS_ANSWERED, ANSWERED},
    the_answer_went_to_another_user: {AS_ANSWERED},
    a_booking_without_its_place_was_answered: {AS_ANSWERED},
    one_booking_was_answered_to_two: {REPLIES, AS_ANSWERED},
    a_hash_is_not_chained: {CHAIN},
    a_chain_begins_with_something: {CHAIN},
    a_version_is_left_out: {CHAIN},
    the_stream_row_is_behind: {CHAIN},
    the_stream_row_counts_wrong: {STREAM_ROW},
    the_projection_lacks_a_booking: {PROJECTION, SAME_BOOKINGS},
    the_projection_has_another_user: {SAME_BOOKINGS},
    the_availability_counts_wrong: {AVAILABILITY},
    redis_counts_wrong: {REDIS},
    a_prefix_was_above_capacity: {CAPACITY},
}


@pytest.mark.parametrize("plant", FAULTS, ids=lambda plant: plant.__name__)
def test_a_planted_fault_fails_just_the_checks_it_breaks(
    sale: Sale, audited: Audited, plant: Callable[[Sale], None]
) -> None:
    plant(sale)
    assert failing(audited(sale)) == FAULTS[plant]


def test_every_check_has_a_fault_that_fails_it(sale: Sale, audited: Audited) -> None:
    names = {check.name for check in audited(sale)}
    assert set().union(*FAULTS.values()) == names


def test_an_availability_that_lags_is_waited_for(sale: Sale, audited: Audited) -> None:
    sale.answers_behind = iter([0, 1, 2])
    assert failing(audited(sale)) == set()
    assert list(sale.answers_behind) == []


def test_an_availability_that_stays_behind_is_taken_at_its_word(
    sale: Sale, audited: Audited, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "SETTLE_SECONDS_MAX", 0.1)
    sale.answers_behind = repeat(2)
    (check,) = [check for check in audited(sale) if not check.ok]
    assert check == Check(AVAILABILITY, False, f"event {sale.event_id}: 2, not 3")


def test_a_long_list_of_faults_is_cut(sale: Sale, audited: Audited) -> None:
    for _ in range(5):
        sale.replies.append(Reply(str(uuid4()), 500, {}))
    (check,) = [check for check in audited(sale) if not check.ok]
    assert check.detail.count("500 {}") == 3
    assert check.detail.endswith("and 2 more")


def test_the_auditor_shares_no_code_with_what_it_audits() -> None:
    files = sorted(Path(audit.__file__).parent.glob("*.py"))
    assert len(files) > 1
    imported = {
        (path.name, name.split(".")[0])
        for path in files
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in [getattr(node, "module", None) or "", *(alias.name for alias in node.names)]
    }
    assert {each for each in imported if each[1] in {"ledger", "projections"}} == set()


def test_users_may_book_again_where_attempts_are_many() -> None:
    evidence = audit.Evidence([], [], [], {}, {}, {})
    once = {check.name for check in judge(evidence, {})}
    often = {check.name for check in judge(evidence, {}, once_per_user=False)}
    assert once - often == {ONCE}
