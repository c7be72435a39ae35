"""The auditor of the torture finds what is planted, and finds nothing where nothing is wrong."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from planted import ANN, BEN, EVENT, OTHER, Sale, answer_of, by_the_system

from loadtest.torture.audit import Finding
from loadtest.torture.evidence import Evidence
from loadtest.torture.rules import Entry

AFTER_ALL = 100.0


def rules(findings: list[Finding]) -> set[str]:
    return {finding.rule for finding in findings}


def sale_of(capacity: int = 3, **terms: Any) -> Sale:
    sale = Sale()
    sale.schedule(capacity=capacity, **terms)
    sale.clock += 2
    return sale


def ask_to_book(sale: Sale, status: int, body: dict[str, Any], **more: Any) -> None:
    sale.call("book", {"event_id": EVENT, "user_id": ANN, "quantity": 1}, status, body, **more)


def test_a_sale_in_order_has_no_findings() -> None:
    sale = sale_of()
    first = sale.book(ANN, 2, key="k1")
    sale.call(
        "book",
        {"event_id": EVENT, "user_id": ANN, "quantity": 2},
        201,
        first,
        key="k1",
        replayed=True,
    )
    sale.refuse("sold-out", quantity=2, available=1, category=None)
    sale.book(BEN)
    sale.refuse("sold-out", available=0, category=None)
    sale.append(
        "BookingCancelled",
        {"booking_id": first["booking_id"], "user_id": ANN, "quantity": 2, "tickets": [1, 2]},
    )
    cancelled = {**first, "cancelled_quantity": 2, "status": "cancelled"}
    sale.call("cancel", {"booking_id": first["booking_id"]}, 200, cancelled)
    sale.call("cancel", {"booking_id": first["booking_id"]}, 200, cancelled)
    ask_to_book(sale, 503, {"code": "unavailable"})
    ask_to_book(sale, 0, {})
    assert sale.findings() == []


def test_a_lost_booking_is_found() -> None:
    sale = sale_of()
    sale.book()
    sale.entries.pop()
    assert rules(sale.findings()) == {"L5"}


def test_a_booking_that_is_not_as_it_was_answered_is_found() -> None:
    sale = sale_of()
    body = sale.book(ANN, 1)
    sale.history.calls[0].body = {**body, "quantity": 2}
    assert rules(sale.findings()) == {"L5"}


def test_a_doubled_booking_is_found() -> None:
    sale = sale_of()
    sale.append_booking(ANN)
    sale.book(ANN)
    assert rules(sale.findings()) == {"L5"}


def test_what_nobody_knows_may_be_there_once_and_a_second_time_is_found() -> None:
    sale = sale_of()
    sale.append_booking(ANN)
    ask_to_book(sale, 0, {})
    assert sale.findings() == []
    sale.append_booking(ANN)
    assert rules(sale.findings()) == {"L5"}


def test_what_nobody_knows_may_be_recorded_late_but_not_before_it_was_asked() -> None:
    late = sale_of()
    ask_to_book(late, 503, {"code": "unavailable", "outcome": "unknown"})
    late.clock += AFTER_ALL
    late.append_booking(ANN)
    assert late.findings() == []
    early = sale_of()
    early.append_booking(ANN)
    early.clock += 2
    ask_to_book(early, 503, {"code": "unavailable", "outcome": "unknown"})
    assert rules(early.findings()) == {"L5"}


@pytest.mark.parametrize("status", [503, 409, 500])
def test_what_was_refused_and_done_all_the_same_is_found(status: int) -> None:
    sale = sale_of(capacity=1)
    code = {503: "unavailable", 409: "sold-out", 500: "internal-error"}[status]
    sale.append_booking(ANN, key="k1")
    ask_to_book(sale, status, {"code": code, "available": 0, "category": None}, key="k1")
    assert "L5" in rules(sale.findings())


def test_two_answers_with_one_entry_are_found() -> None:
    sale = sale_of()
    body = sale.book(ANN)
    sale.clock -= 2
    ask_to_book(sale, 201, body)
    assert rules(sale.findings()) == {"L5"}


def test_a_key_that_was_carried_out_twice_is_found() -> None:
    sale = sale_of()
    sale.book(ANN, key="k1")
    good = sale.evidence()
    sale.book(ANN, key="k1")
    assert "L4" in rules(sale.findings_on(good))


def test_a_cart_that_was_done_in_part_is_found() -> None:
    sale = sale_of()
    sale.schedule(OTHER)
    sale.append_booking(ANN, key="k1")
    items = [{"event_id": each, "quantity": 1} for each in (EVENT, OTHER)]
    cart = sale.call("cart", {"user_id": ANN, "items": items}, key="k1")
    cart.event_ids = (EVENT, OTHER)
    assert rules(sale.findings()) == {"L4"}


def test_a_refusal_that_was_right_at_no_moment_is_found() -> None:
    sale = sale_of()
    sale.book(ANN, 2)
    sale.refuse("sold-out", available=0, category=None)
    assert rules(sale.findings()) == {"refusal"}


def test_a_refusal_with_a_wrong_count_is_found() -> None:
    sale = sale_of()
    sale.book(ANN, 2)
    sale.refuse("sold-out", quantity=3, available=0, category=None)
    assert rules(sale.findings()) == {"refusal"}


def test_a_refusal_may_be_right_before_or_after_what_happens_meanwhile() -> None:
    sale = sale_of()
    sale.append_booking(ANN, 3)
    sale.refuse("sold-out", available=0, category=None)
    sale.clock -= 2
    ask_to_book(sale, 0, {})
    sale.history.calls[-1].asked = {"event_id": EVENT, "user_id": ANN, "quantity": 3}
    assert sale.findings() == []


def test_a_refusal_by_what_was_over_before_it_was_asked_is_found() -> None:
    sale = sale_of()
    body = sale.book(ANN, 3)
    fields = {"booking_id": body["booking_id"], "user_id": ANN, "quantity": 3}
    sale.append("BookingCancelled", fields | {"tickets": [1, 2, 3]})
    cancelled = {**body, "cancelled_quantity": 3, "status": "cancelled"}
    sale.call("cancel", {"booking_id": body["booking_id"]}, 200, cancelled)
    assert sale.findings() == []
    sale.refuse("sold-out", available=0, category=None)
    assert rules(sale.findings()) == {"refusal"}


def test_a_refusal_with_a_key_that_was_carried_out_before_is_found() -> None:
    sale = sale_of(capacity=1)
    sale.book(ANN, key="k1")
    body = {"code": "sold-out", "available": 0, "category": None}
    ask_to_book(sale, 409, body, key="k1")
    assert rules(sale.findings()) == {"refusal"}


def test_an_answer_that_should_never_be_is_found() -> None:
    sale = sale_of()
    sale.refuse("internal-error", status=500)
    assert rules(sale.findings()) == {"refusal"}


def test_done_without_an_entry_is_found() -> None:
    sale = sale_of()
    body = sale.book(ANN)
    cancelled = {**body, "cancelled_quantity": 1, "status": "cancelled"}
    sale.call("cancel", {"booking_id": body["booking_id"]}, 200, cancelled)
    assert rules(sale.findings()) == {"L5"}


def test_places_beyond_the_capacity_are_found() -> None:
    sale = sale_of(capacity=1)
    sale.book(ANN)
    good = sale.evidence()
    sale.book(BEN)
    findings = sale.findings_on(good)
    assert "L1" in rules(findings)


def test_a_seat_that_is_sold_twice_is_found() -> None:
    rows = [{"section": "A", "row": "1", "seats": ["1", "2"], "category": None}]
    sale = sale_of(seat_rows=rows)
    sale.book(ANN, 1, seats=["1"])
    good = sale.evidence()
    sale.book(BEN, 1, seats=["1"])
    assert {"L1", "L2"} & rules(sale.findings_on(good))


def test_a_hold_that_is_confirmed_after_its_end_is_found() -> None:
    sale = sale_of(hold_seconds=1)
    hold_id, booking_id = sale.new_id(), sale.new_id()
    expires_at = int((sale.clock + 1) * 1_000_000)
    order = {"user_id": ANN, "quantity": 1, "category": None, "seats": [], "amount_cents": 0}
    held = sale.append(
        "SeatsHeld", {"hold_id": hold_id, "expires_at": expires_at, "waiting_id": None, **order}
    )
    asked = {"event_id": EVENT, "user_id": ANN, "quantity": 1}
    sale.call("hold", asked, 201, answer_of(held))
    assert sale.findings() == []
    good = sale.evidence()
    fields = {"hold_id": hold_id, "booking_id": booking_id, "user_id": ANN}
    confirmed = sale.append("HoldConfirmed", fields)
    sale.call("confirm", {"hold_id": hold_id}, 201, answer_of(confirmed))
    assert "L1" in rules(sale.findings_on(good))


def test_whoever_slips_in_before_the_line_is_found() -> None:
    sale = sale_of(capacity=1)
    body = sale.book(ANN)
    fields = {"waiting_id": sale.new_id(), "user_id": BEN, "quantity": 1, "category": None}
    joined = sale.append("WaitingListJoined", fields)
    sale.call("join", {"user_id": BEN, "quantity": 1}, 201, answer_of(joined))
    given_back = {"booking_id": body["booking_id"], "user_id": ANN, "quantity": 1, "tickets": [1]}
    sale.append("BookingCancelled", given_back)
    sale.call("cancel", {"booking_id": body["booking_id"]}, 200, {**body, "cancelled_quantity": 1})
    assert sale.findings() == []
    good = sale.evidence()
    sale.book(ANN)
    assert "L7" in rules(sale.findings_on(good))


def changed_entry(change: Callable[[Entry], Entry]) -> Callable[[Evidence], Evidence]:
    def plant(evidence: Evidence) -> Evidence:
        *others, last = evidence.entries
        return replace(evidence, entries=[*others, change(last)])

    return plant


@pytest.mark.parametrize(
    ("rule", "plant"),
    [
        ("L3", changed_entry(lambda entry: replace(entry, recorded_at=entry.recorded_at + 1))),
        ("L3", changed_entry(lambda entry: replace(entry, actor=OTHER))),
        ("L3", changed_entry(lambda entry: replace(entry, version=3))),
        ("L3", changed_entry(lambda entry: replace(entry, prev_hash="22" * 32))),
        ("L7", changed_entry(lambda entry: replace(entry, payload=entry.payload + b" "))),
        ("L6", lambda evidence: replace(evidence, bookings=[])),
        ("L6", lambda evidence: replace(evidence, streams=[])),
        ("L6", lambda evidence: replace(evidence, claims=[(EVENT, "1", ANN)])),
    ],
)
def test_damage_to_the_ledger_or_a_table_is_found(
    rule: str, plant: Callable[[Evidence], Evidence]
) -> None:
    sale = sale_of()
    sale.book(ANN)
    assert sale.findings() == []
    assert rule in rules(sale.findings(plant))


def read_availability(sale: Sale, version: int, booked: int) -> None:
    counts = {"capacity": 3, "booked": booked, "held": 0, "available": 3 - booked}
    sale.call("availability", {}, 200, {"version": version, **counts})


def test_availability_that_goes_back_is_found() -> None:
    sale = sale_of()
    sale.book(ANN)
    read_availability(sale, 2, 1)
    assert sale.findings() == []
    read_availability(sale, 1, 0)
    assert rules(sale.findings()) == {"L6"}


def test_availability_with_a_wrong_count_is_found() -> None:
    sale = sale_of()
    sale.book(ANN)
    read_availability(sale, 2, 2)
    assert rules(sale.findings()) == {"L6"}


def test_a_reading_of_what_never_was_is_found() -> None:
    sale = sale_of()
    body = sale.book(ANN)
    asked = {"booking_id": body["booking_id"]}
    sale.call("read_booking", asked, 200, {**body, "cancelled_quantity": 0})
    assert sale.findings() == []
    sale.call("read_booking", asked, 200, {**body, "cancelled_quantity": 1})
    assert rules(sale.findings()) == {"L6"}


def test_an_expiry_before_its_time_is_found() -> None:
    sale = sale_of(hold_seconds=10)
    hold_id = sale.new_id()
    expires_at = int((sale.clock + 10) * 1_000_000)
    order = {"user_id": ANN, "quantity": 1, "category": None, "seats": [], "amount_cents": 0}
    held = sale.append(
        "SeatsHeld", {"hold_id": hold_id, "expires_at": expires_at, "waiting_id": None, **order}
    )
    asked = {"event_id": EVENT, "user_id": ANN, "quantity": 1}
    sale.call("hold", asked, 201, answer_of(held))
    good = sale.evidence()
    fields = {"hold_id": hold_id, "user_id": ANN, "quantity": 1, "expires_at": expires_at}
    by_the_system(sale, "HoldExpired", fields)
    assert "L1" in rules(sale.findings_on(good))
