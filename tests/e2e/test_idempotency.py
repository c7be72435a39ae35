"""One idempotency key, one outcome (L4)."""

from uuid import uuid4

import httpx
import pytest
from served import Api, count_entries, new_keys


def key() -> str:
    return f"key-{uuid4()}"


def is_replay_of(first: httpx.Response, again: httpx.Response) -> bool:
    return (
        again.status_code == first.status_code == 201
        and again.content == first.content
        and again.headers["idempotency-replayed"] == "true"
        and "idempotency-replayed" not in first.headers
    )


def test_a_repeat_gets_the_first_answer_again_and_books_nothing(
    api: Api, shop_database: str
) -> None:
    event_id, user_id, first_key = api.add_event(10), api.add_user(), key()
    first = api.book(event_id, user_id, 2, key=first_key)
    before = count_entries(shop_database)
    assert is_replay_of(first, api.book(event_id, user_id, 2, key=first_key))
    assert count_entries(shop_database) == before
    assert api.availability(event_id)["booked"] == 2


def test_a_repeat_after_cancelling_gets_the_first_answer_and_books_nothing(api: Api) -> None:
    event_id, user_id, first_key = api.add_event(10), api.add_user(), key()
    first = api.book(event_id, user_id, key=first_key)
    booking_id = first.json()["booking_id"]
    assert api.cancel(booking_id).json()["status"] == "cancelled"
    assert is_replay_of(first, api.book(event_id, user_id, key=first_key))
    assert api.client.get(f"/v1/bookings/{booking_id}").json()["status"] == "cancelled"
    assert api.availability(event_id)["booked"] == 0


def test_a_repeat_is_answered_when_the_event_is_sold_out_by_then(api: Api) -> None:
    event_id, user_id, first_key = api.add_event(3), api.add_user(), key()
    first = api.book(event_id, user_id, 3, key=first_key)
    assert api.book(event_id, user_id).status_code == 409
    assert is_replay_of(first, api.book(event_id, user_id, 3, key=first_key))


def test_the_layout_of_the_body_does_not_make_another_request(api: Api) -> None:
    event_id, user_id, first_key = api.add_event(10), api.add_user(), key()
    first = api.book(event_id, user_id, 1, key=first_key)
    for body in (
        f'{{"user_id": "{user_id}",\n "event_id": "{event_id}"}}',
        f'{{"event_id":"{event_id.upper()}","user_id":"{user_id}","quantity":1}}',
    ):
        headers = {"Idempotency-Key": first_key}
        assert is_replay_of(first, api.client.post("/v1/bookings", content=body, headers=headers))


def test_another_body_with_the_same_key_is_refused_and_books_nothing(
    api: Api, shop_database: str
) -> None:
    event_id, user_id, first_key = api.add_event(10), api.add_user(), key()
    assert api.book(event_id, user_id, key=first_key).status_code == 201
    before = count_entries(shop_database)
    for other in (
        (event_id, user_id, 2),
        (event_id, api.add_user(), 1),
        (api.add_event(10), user_id, 1),
    ):
        entries = count_entries(shop_database)
        refused = api.book(*other, key=first_key)
        assert (refused.status_code, refused.json()["code"]) == (422, "idempotency-key-reused")
        assert count_entries(shop_database) == entries
    assert before < entries, "the last of the three had an event scheduled for it"


def test_the_same_key_of_another_api_key_is_another_key(api: Api, shop_database: str) -> None:
    event_id, user_id, shared_key = api.add_event(10), api.add_user(), key()
    first = api.book(event_id, user_id, key=shared_key)
    with api.with_key(new_keys(shop_database)["client"]) as other:
        body = {"event_id": event_id, "user_id": user_id, "quantity": 2}
        headers = {"Idempotency-Key": shared_key}
        second = other.post("/v1/bookings", json=body, headers=headers)
    assert (first.status_code, second.status_code) == (201, 201)
    assert "idempotency-replayed" not in second.headers
    assert api.availability(event_id)["booked"] == 3


@pytest.mark.parametrize("refusal", ["sold-out", "user-not-found", "validation"])
def test_a_refusal_does_not_use_the_key_up(api: Api, refusal: str) -> None:
    event_id, user_id, first_key = api.add_event(2), api.add_user(), key()
    asked = {
        "sold-out": (event_id, user_id, 3),
        "user-not-found": (event_id, str(uuid4()), 1),
        "validation": (event_id, user_id, 0),
    }[refusal]
    assert api.book(*asked, key=first_key).json()["code"] == refusal
    assert api.book(event_id, user_id, 2, key=first_key).status_code == 201


def test_without_a_key_a_repeat_is_another_booking(api: Api) -> None:
    event_id, user_id = api.add_event(10), api.add_user()
    ids = {api.book(event_id, user_id).json()["booking_id"] for _ in range(3)}
    assert len(ids) == 3
