import asyncio
import json
from itertools import count
from pathlib import Path
from subprocess import CalledProcessError

import pytest
from shop import Answer, Received, Shop

from loadtest.generator import Outcome, Plan, generate, run_plan

USERS = ["user-01", "user-02", "user-03"]


def plan(port: int, **changes: object) -> Plan:
    fields: dict[str, object] = {
        "host": "127.0.0.1",
        "port": port,
        "method": "POST",
        "path": "/v1/bookings",
        "connections": 4,
        "seconds": 20.0,
        "requests": 100,
        "headers": {"Authorization": "Bearer key"},
        "body": '{"event_id":"{event}","user_id":"{user}"}',
        "events": ["event-1", "event-2"],
        "users": USERS,
        "key_prefix": "run-",
    }
    return Plan(**(fields | changes))  # type: ignore[arg-type]  # each test names a field rightly


def run(shop: Shop, **changes: object) -> Outcome:
    async def opened() -> Outcome:
        async with shop.open():
            return await run_plan(plan(shop.port, **changes))

    return asyncio.run(opened())


def first_sells(tickets: int) -> Shop:
    left = count(tickets, -1)

    def answer(request: Received) -> Answer:
        if next(left) > 0:
            return 201, json.loads(request.body)
        return 409, {"type": "about:blank", "code": "sold-out"}

    return Shop(answer)


def test_every_answer_is_counted_by_status_and_problem_code() -> None:
    outcome = run(first_sells(30))
    assert outcome.tally == {"201": 30, "409 sold-out": 70}
    assert outcome.measured == outcome.tally
    assert outcome.lost == 0


def test_refusals_and_bookings_have_rates_of_their_own() -> None:
    outcome = run(first_sells(30))
    assert outcome.rate("201") == pytest.approx(30 / outcome.measured_seconds)
    assert outcome.rate("409 sold-out") == pytest.approx(70 / outcome.measured_seconds)
    assert outcome.rate("503 overloaded") == 0


def test_a_run_ends_after_its_requests_and_each_has_its_own_key() -> None:
    shop = first_sells(100)
    run(shop)
    keys = [request.headers["idempotency-key"] for request in shop.received]
    assert sorted(keys) == [f"run-{n:09}" for n in range(100)]


def test_a_run_ends_after_its_time_and_waits_for_what_is_in_flight() -> None:
    shop = first_sells(0)
    outcome = run(shop, requests=None, seconds=0.2, warmup_seconds=0.1)
    assert outcome.tally == {"409 sold-out": len(shop.received)}
    assert 0 < outcome.measured["409 sold-out"] < outcome.tally["409 sold-out"]
    assert 0.2 <= outcome.measured_seconds < 10
    assert 0 < outcome.latency_p50 <= outcome.latency_p95 <= outcome.latency_p99
    assert outcome.latency_p99 <= outcome.latency_max


def test_events_and_users_take_turns_in_whole_requests() -> None:
    shop = first_sells(100)
    run(shop, connections=1, requests=6)
    bodies = [json.loads(request.body) for request in shop.received]
    assert [body["event_id"] for body in bodies] == ["event-1", "event-2"] * 3
    assert [body["user_id"] for body in bodies] == USERS * 2
    assert {request.headers["authorization"] for request in shop.received} == {"Bearer key"}


def test_a_read_has_no_body_and_no_key() -> None:
    shop = Shop(lambda _: (200, {"available": 1}))
    outcome = run(shop, method="GET", path="/v1/events/{event}", body="", key_prefix=None)
    assert outcome.tally == {"200": 100}
    assert {request.path for request in shop.received} == {
        "/v1/events/event-1",
        "/v1/events/event-2",
    }
    assert all("idempotency-key" not in request.headers for request in shop.received)
    assert all("content-length" not in request.headers for request in shop.received)


@pytest.mark.parametrize("cut", [1, 12, 30, 45, 60])
def test_a_reply_that_comes_in_pieces_counts_once(cut: int) -> None:
    shop = first_sells(30)
    shop.pause_within = cut
    assert run(shop).tally == {"201": 30, "409 sold-out": 70}


def test_the_bodies_of_bookings_are_kept_and_no_others(tmp_path: Path) -> None:
    kept = tmp_path / "bodies"
    shop = first_sells(30)
    run(shop, bodies_file=str(kept))
    sold = [json.loads(request.body) for request in shop.received[:30]]
    told = [json.loads(line) for line in kept.read_text().splitlines()]
    assert sorted(told, key=str) == sorted(sold, key=str)


def test_a_request_whose_connection_breaks_is_lost_and_not_answered() -> None:
    outcome = run(Shop(lambda _: None), connections=3)
    assert outcome.tally == {}
    assert outcome.lost == 3


def test_ids_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\{user\} differ in length"):
        run(first_sells(1), users=["ann", "barbara"])


def test_a_process_of_its_own_counts_the_same() -> None:
    shop = first_sells(30)
    outcome = shop.during(lambda port: generate(plan(port)))
    assert outcome.tally == {"201": 30, "409 sold-out": 70}
    assert outcome.cpu_share > 0


def test_a_process_that_fails_is_no_outcome() -> None:
    shop = first_sells(30)
    with pytest.raises(CalledProcessError):
        shop.during(lambda port: generate(plan(port, users=["ann", "barbara"])))
