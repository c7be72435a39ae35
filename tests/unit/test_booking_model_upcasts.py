"""What the first version wrote replays to what today's commands come to."""

from dataclasses import replace
from typing import Final

import pytest
from samples import ACTOR, ALICE, BOB, EVENT, NOW, VENUE
from story import Story, given
from wishes import book, booking_id, cancel, resize, schedule

from ledger import chain
from ledger.codec import UnreadablePayload, decode
from ledger.records import Booking, Mark
from ledger.replay import Broken, fold
from ledger.rows import Row
from ledger.state import State

SCHEDULED: Final = (
    f'{{"capacity":6,"limit_per_user":4,"name":"Ödön","sales_close_at":null,"sales_open_at":{NOW},'
    f'"starts_at":1900000000000000,"venue_capacity":20,"venue_id":"{VENUE}"}}'
)
FIRST: Final = [
    ("EventScheduled", SCHEDULED),
    ("SeatsBooked", f'{{"booking_id":"{booking_id(1)}","quantity":3,"user_id":"{ALICE}"}}'),
    ("SeatsBooked", f'{{"booking_id":"{booking_id(2)}","quantity":2,"user_id":"{BOB}"}}'),
    ("BookingCancelled", f'{{"booking_id":"{booking_id(2)}","quantity":2,"user_id":"{BOB}"}}'),
    ("CapacityChanged", '{"capacity":7}'),
]
"""Type and payload of a stream's entries, all of schema version 1, byte by byte as then written."""


def rows_of(entries: list[tuple[str, str]]) -> list[Row]:
    rows: list[Row] = []
    prev_hash = chain.GENESIS
    for version, (type_name, payload) in enumerate(entries, start=1):
        digest = chain.entry_hash(
            chain.preimage(
                stream_id=EVENT,
                version=version,
                recorded_at=NOW,
                schema_version=1,
                actor=ACTOR,
                prev_hash=prev_hash,
                type_name=type_name,
                idempotency_key=None,
                request_hash=None,
                payload=payload.encode(),
            )
        )
        head = (EVENT, version, NOW, ACTOR, None, None, type_name, 1)
        rows.append((*head, payload.encode(), prev_hash, digest))
        prev_hash = digest
    return rows


def without_marks(state: State) -> State:
    """A state whose records do not say which entries they come from: hashes are of the bytes."""
    nowhere = Mark(0, b"", NOW)

    def bare(booking: Booking) -> Booking:
        return replace(booking, entry=nowhere, changed=nowhere)

    return replace(state, bookings={each: bare(state.bookings[each]) for each in state.bookings})


def todays() -> Story:
    return given(
        schedule(
            venue_capacity=20,
            capacity=6,
            name="Ödön",
            starts_at=1_900_000_000_000_000,
            sales_open_at=NOW,
            limit_per_user=4,
            hold_seconds=300,
        ),
        book(3),
        book(2, booking=2, user=BOB),
        cancel(2),
        resize(7),
    )


def test_a_stream_of_the_first_version_replays_to_what_todays_commands_come_to() -> None:
    replayed = fold(EVENT, rows_of(FIRST))
    assert without_marks(replayed.state) == without_marks(todays().state)
    assert replayed.version == 5


def test_its_hash_is_that_of_the_bytes_then_written_and_not_of_todays() -> None:
    stream = fold(EVENT, rows_of(FIRST))
    assert stream.head_hash == rows_of(FIRST)[-1][-1]
    assert stream.head_hash != todays().stream().head_hash


@pytest.mark.parametrize(
    ("at", "payload"),
    [
        pytest.param(1, FIRST[1][1].replace('"quantity":3,', ""), id="a field is missing"),
        pytest.param(1, FIRST[1][1].replace('"quantity"', '"number"'), id="a field is unknown"),
        pytest.param(3, FIRST[3][1].replace("2,", '"2",'), id="a number is text"),
        pytest.param(3, FIRST[3][1].replace(":2", ": 2"), id="it is not canonical"),
    ],
)
def test_an_entry_that_the_first_version_cannot_have_written_is_found(
    at: int, payload: str
) -> None:
    entries = [*FIRST[:at], (FIRST[at][0], payload), *FIRST[at + 1 :]]
    with pytest.raises(Broken) as found:
        fold(EVENT, rows_of(entries))
    assert (found.value.violation.rule, found.value.violation.version) == ("L7", at + 1)


@pytest.mark.parametrize("version", [0, 3, 99])
def test_a_schema_version_that_never_was_is_not_read(version: int) -> None:
    with pytest.raises(UnreadablePayload, match="schema version"):
        decode("SeatsBooked", version, FIRST[1][1].encode())
