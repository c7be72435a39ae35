"""Whose things a client sees: those that its key made, or with a user what that user has."""

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import uuid4

import httpx
import pytest
from pair import Pair


@dataclass
class Things:
    """A booking, a hold and a place in line of one user, that one key made."""

    event_id: str
    user_id: str
    booking_id: str
    hold_id: str
    waiting_id: str

    @property
    def reads(self) -> list[str]:
        """Everything that can be read of them."""
        booking = f"/v1/bookings/{self.booking_id}"
        return [
            booking,
            f"{booking}/receipt",
            f"{booking}/tickets",
            f"{booking}/tickets/1.png",
            f"{booking}/tickets/1.svg",
            f"/v1/holds/{self.hold_id}",
            f"/v1/events/{self.event_id}/waiting-list/{self.waiting_id}",
        ]

    @property
    def changes(self) -> list[tuple[str, str, dict[str, str] | None]]:
        """Everything that can be changed of them."""
        return [
            ("POST", f"/v1/bookings/{self.booking_id}/transfer", {"to_user_id": self.user_id}),
            ("POST", f"/v1/bookings/{self.booking_id}/cancel", None),
            ("POST", f"/v1/holds/{self.hold_id}/confirm", None),
            ("POST", f"/v1/holds/{self.hold_id}/release", None),
            ("DELETE", f"/v1/events/{self.event_id}/waiting-list/{self.waiting_id}", None),
        ]


def made(answer: httpx.Response, name: str) -> str:
    assert answer.status_code == 201, answer.text
    return str(answer.json()[name])


def things(pair: Pair, client: httpx.Client, user_id: str) -> Things:
    event_id = pair.api.add_event(2)
    order = {"event_id": event_id, "user_id": user_id}
    booking_id = made(client.post("/v1/bookings", json=order), "booking_id")
    hold_id = made(client.post("/v1/holds", json=order), "hold_id")
    line = client.post(f"/v1/events/{event_id}/waiting-list", json={"user_id": user_id})
    return Things(event_id, user_id, booking_id, hold_id, made(line, "waiting_id"))


def assert_sees_nothing(client: httpx.Client, of: Things) -> None:
    """The very answers that ids get which there are not, so that nobody can tell one from such."""
    unknown = Things(of.event_id, of.user_id, *(str(uuid4()) for _ in range(3)))
    for there, nowhere in zip(of.reads, unknown.reads, strict=True):
        assert_alike(client.get(there), client.get(nowhere))
    for (method, there, body), (_, nowhere, _) in zip(of.changes, unknown.changes, strict=True):
        assert_alike(
            client.request(method, there, json=body), client.request(method, nowhere, json=body)
        )


def assert_alike(refused: httpx.Response, unknown: httpx.Response) -> None:
    assert refused.status_code == 404, f"{refused.request.url}: {refused.text}"
    assert refused.json()["code"] == unknown.json()["code"]
    assert refused.json().keys() == unknown.json().keys()


@pytest.fixture
def shop(pair: Pair) -> Iterator[httpx.Client]:
    with pair.client() as client:
        yield client


def test_a_key_sees_all_that_it_made_and_another_sees_and_changes_nothing_of_it(
    pair: Pair, shop: httpx.Client
) -> None:
    user_id = pair.api.add_user()
    own = things(pair, shop, user_id)
    with pair.client() as other:
        assert_sees_nothing(other, own)
        assert other.get(f"/v1/users/{user_id}/bookings").json()["items"] == []
    for path in own.reads:
        assert shop.get(path).status_code == 200, path
    assert len(shop.get(f"/v1/users/{user_id}/bookings").json()["items"]) == 1
    counts = pair.counts(own.event_id)
    assert (counts["booked"], counts["held"]) == (1, 1), "nothing was changed"


def test_a_key_with_a_user_sees_what_the_user_has_whoever_made_it(
    pair: Pair, shop: httpx.Client
) -> None:
    user_id = pair.api.add_user()
    own = things(pair, shop, user_id)
    with pair.client(user_id=user_id) as buyer:
        for path in own.reads:
            assert buyer.get(path).status_code == 200, path
        (booking,) = buyer.get(f"/v1/users/{user_id}/bookings").json()["items"]
        assert booking["booking_id"] == own.booking_id
        assert buyer.post(f"/v1/bookings/{own.booking_id}/cancel").status_code == 200
        assert buyer.post(f"/v1/holds/{own.hold_id}/release").status_code == 200


def test_a_key_with_a_user_sees_and_changes_nothing_of_another_user(
    pair: Pair, shop: httpx.Client
) -> None:
    user_id, other_id = pair.api.add_users(2)
    others = things(pair, shop, other_id)
    with pair.client(user_id=user_id) as buyer:
        assert_sees_nothing(buyer, others)
        of_other = buyer.get(f"/v1/users/{other_id}/bookings")
        of_nobody = buyer.get(f"/v1/users/{uuid4()}/bookings")
        assert_alike(of_other, of_nobody)
        assert buyer.get(f"/v1/users/{user_id}/bookings").json()["items"] == []


def test_a_key_with_a_user_orders_for_nobody_else(pair: Pair) -> None:
    user_id, other_id = pair.api.add_users(2)
    event_id = pair.api.add_event(5)
    order = {"event_id": event_id, "user_id": other_id}
    with pair.client(user_id=user_id) as buyer:
        for path, body in (
            ("/v1/bookings", order),
            ("/v1/holds", order),
            ("/v1/carts", {"user_id": other_id, "items": [{"event_id": event_id}]}),
            (f"/v1/events/{event_id}/waiting-list", {"user_id": other_id}),
        ):
            answer = buyer.post(path, json=body)
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), path
        own = buyer.post("/v1/bookings", json={**order, "user_id": user_id})
        assert own.status_code == 201
    assert pair.counts(event_id)["booked"] == 1


def test_what_a_user_gave_away_its_key_no_longer_sees_and_the_new_owners_does(pair: Pair) -> None:
    user_id, other_id = pair.api.add_users(2)
    with pair.client(user_id=user_id) as seller, pair.client(user_id=other_id) as buyer:
        booking_id = things(pair, seller, user_id).booking_id
        path = f"/v1/bookings/{booking_id}"
        assert buyer.get(path).status_code == 404
        assert seller.post(f"{path}/transfer", json={"to_user_id": other_id}).status_code == 200
        assert buyer.get(path, params={"at_version": 2}).status_code == 404, "it was another's then"
        assert buyer.get(path).json()["user_id"] == other_id
        for read in (path, f"{path}/receipt", f"{path}/tickets", f"{path}/tickets/1.png"):
            assert seller.get(read).status_code == 404, read
            assert buyer.get(read).status_code == 200, read
        assert seller.post(f"{path}/cancel").status_code == 404
        assert buyer.post(f"{path}/cancel").status_code == 200


def test_confirming_again_does_not_show_a_booking_that_was_given_away_since(pair: Pair) -> None:
    user_id, other_id = pair.api.add_users(2)
    with pair.client(user_id=user_id) as seller:
        hold_id = things(pair, seller, user_id).hold_id
        confirm = f"/v1/holds/{hold_id}/confirm"
        first, again = seller.post(confirm), seller.post(confirm)
        assert (first.status_code, again.json()) == (201, first.json())
        path = f"/v1/bookings/{first.json()['booking_id']}/transfer"
        assert seller.post(path, json={"to_user_id": other_id}).status_code == 200
        refused = seller.post(confirm)
        assert (refused.status_code, refused.json()["code"]) == (404, "hold-not-found")
        assert other_id not in refused.text
