"""Webhooks over HTTP: what is registered is sent, signed, in order, until it is taken."""

import base64
import hashlib
import hmac
import re
import socket
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import httpx
import pytest
from receiver import Received, Receiver
from served import HOST, PLAIN, Api, Served

from api import bodies
from api.client import ApiProblem, Client, calls
from api.webhooks.entry_types import ENTRY_OF_TYPE

ROOT: Final = Path(__file__).parents[2]
DOCUMENT: Final = ROOT / "docs" / "webhooks.md"


@pytest.fixture(autouse=True)
def _left_clean(organizer: Client) -> Iterator[None]:
    """Webhooks of one test are not sent what the next writes."""
    yield
    for webhook in organizer.send(calls.list_webhooks()).items:
        organizer.send(calls.delete_webhook(webhook.webhook_id))


def event_with_bookings(api: Api, count: int) -> tuple[str, list[tuple[str, int]]]:
    """An event, and the places of its entries in the ledger."""
    event_id, user_id = api.add_event(capacity=50), api.add_user()
    for _ in range(count):
        assert api.book(event_id, user_id).status_code == 201
    return event_id, [(event_id, version) for version in range(1, count + 2)]


def await_numbered(api: Api, event_id: str) -> None:
    """Return once all entries of the event have their numbers in the ledger."""
    deadline = time.monotonic() + 30
    while None in [
        entry["seq"] for entry in api.auditor.get(f"/v1/ledger/streams/{event_id}").json()["items"]
    ]:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def deliveries(organizer: Client, webhook_id: UUID) -> list[bodies.Delivery]:
    return organizer.send(calls.list_deliveries(webhook_id)).items


def await_status(organizer: Client, webhook_id: UUID, status: str) -> bodies.Webhook:
    deadline = time.monotonic() + 30
    while (webhook := organizer.send(calls.read_webhook(webhook_id))).status != status:
        assert time.monotonic() < deadline, webhook
        time.sleep(0.05)
    return webhook


def await_deliveries(organizer: Client, webhook_id: UUID, status: str, count: int) -> None:
    deadline = time.monotonic() + 30
    while True:
        found = deliveries(organizer, webhook_id)
        if sum(each.status == status for each in found) == count:
            return
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


def is_signed_with(secret: str, received: Received) -> bool:
    """By the text of the specification, and not by the library that signed it."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    headers = received.headers
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + received.body
    digest = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    return f"v1,{digest}" in headers["webhook-signature"].split(" ")


def test_entries_come_in_order_as_signed_cloudevents(
    api: Api, organizer: Client, receiver: Receiver
) -> None:
    webhook = organizer.send(calls.register_webhook(receiver.url))
    event_id, places = event_with_bookings(api, 3)
    received = receiver.until_taken(places)
    assert [each.place for each in received] == places
    assert [each.message["type"] for each in received] == [
        "com.flashticket.event-scheduled",
        *["com.flashticket.seats-booked"] * 3,
    ]
    stored = api.auditor.get(f"/v1/ledger/streams/{event_id}").json()["items"]
    for each, entry in zip(received, stored, strict=True):
        assert each.headers["content-type"].startswith("application/cloudevents+json")
        assert each.headers["webhook-id"] == each.message["id"] == f"{event_id}/{entry['version']}"
        assert is_signed_with(webhook.secret, each)
        assert bodies.CloudEvent.model_validate_json(each.body), "as the OpenAPI page has it"
        assert each.message["specversion"] == "1.0"
        assert each.message["subject"] == event_id
        assert each.message["source"] == "https://flashticket.localhost/tlog"
        assert datetime.fromisoformat(each.message["time"]) == datetime.fromisoformat(
            entry["recorded_at"]
        )
        for field in ("seq", "hash", "payload", "type", "schema_version"):
            assert each.message["data"][field] == entry[field]


def test_the_documented_check_tells_a_genuine_message_from_others(
    api: Api, organizer: Client, receiver: Receiver
) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102  it is our own document
    is_genuine: Callable[[str, dict[str, str], bytes], bool] = names["is_genuine"]
    webhook = organizer.send(calls.register_webhook(receiver.url))
    _, places = event_with_bookings(api, 0)
    (received,) = receiver.until_taken(places)
    assert is_genuine(webhook.secret, received.headers, received.body)
    assert not is_genuine(webhook.secret, received.headers, received.body + b" ")
    assert not is_genuine("whsec_" + "A" * 44, received.headers, received.body)
    late = {**received.headers, "webhook-timestamp": "1700000000"}
    assert not is_genuine(webhook.secret, late, received.body)


def test_a_message_tells_ids_and_nobodys_name_or_address(
    api: Api, organizer: Client, receiver: Receiver
) -> None:
    organizer.send(calls.register_webhook(receiver.url))
    user = organizer.send(calls.add_user("Zebedee Quux", "zebedee@quux.example"))
    event_id = api.add_event()
    assert api.book(event_id, str(user.user_id), key="my-own-key").status_code == 201
    received = receiver.until_taken([(event_id, 2)])
    assert received[-1].message["data"]["payload"]["user_id"] == str(user.user_id)
    sent = b"".join(each.body + str(each.headers).encode() for each in received).lower()
    for word in (b"zebedee", b"quux", b"my-own-key", api.keys["client"].encode().lower()):
        assert word not in sent


def test_only_what_was_asked_for_comes(api: Api, organizer: Client, receiver: Receiver) -> None:
    event_id, places = event_with_bookings(api, 1)
    await_numbered(api, event_id)
    organizer.send(
        calls.register_webhook(
            receiver.url,
            types=["com.flashticket.event-closed", "com.flashticket.seats-booked"],
            event_id=event_id,
        )
    )
    event_with_bookings(api, 1)
    organizer.send(calls.open_event(event_id))
    assert api.book(event_id, api.add_user()).status_code == 201
    organizer.send(calls.close_event(event_id))
    version = api.nobody.get(f"/v1/events/{event_id}").json()["version"]
    received = receiver.until_taken([(event_id, version)])
    assert [each.message["type"].rpartition(".")[2] for each in received] == [
        "seats-booked",
        "event-closed",
    ]
    assert places[-1] not in receiver.taken()  # it was there before, and not asked for


def test_what_fails_is_tried_again_before_anything_later_of_the_same_event(
    api: Api, organizer: Client, receiver: Receiver
) -> None:
    fails = iter([503, 500])
    receiver.answer = lambda message: (
        next(fails, 200) if message["data"]["type"] == "SeatsBooked" else 200
    )
    webhook = organizer.send(calls.register_webhook(receiver.url))
    _, places = event_with_bookings(api, 3)
    received = receiver.until_taken(places)
    assert [each.place for each in received if each.status == 200] == places
    assert [each.place for each in received] == [places[0], *[places[1]] * 3, *places[2:]]
    retried = received[1:4]
    assert len({each.headers["webhook-id"] for each in retried}) == 1
    assert all(is_signed_with(webhook.secret, each) for each in retried)
    await_deliveries(organizer, webhook.webhook_id, "delivered", 4)
    assert deliveries(organizer, webhook.webhook_id)[2].attempts == 3


def test_an_event_that_fails_and_an_endpoint_that_is_dead_hold_up_nobody_else(
    api: Api, organizer: Client, receiver: Receiver
) -> None:
    with socket.create_server((HOST, 0)) as silent:  # connects, and never answers
        dead = organizer.send(
            calls.register_webhook(f"http://{HOST}:{silent.getsockname()[1]}/hook")
        )
        failing, _ = event_with_bookings(api, 0)
        await_numbered(api, failing)
        receiver.answer = lambda message: 500 if message["subject"] == failing else 200
        alive = organizer.send(calls.register_webhook(receiver.url))
        assert api.book(failing, api.add_user()).status_code == 201
        _, places = event_with_bookings(api, 5)
        receiver.until_taken(places)
        stuck = [
            (each.version, each.status)
            for each in deliveries(organizer, alive.webhook_id)
            if str(each.event_id) == failing
        ]
        assert stuck in ([(2, "retrying")], [(2, "pending")])
        deadline = time.monotonic() + 30
        while not (tried := [d for d in deliveries(organizer, dead.webhook_id) if d.attempts]):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert tried[0].last_error == "No answer within 1 s."
        assert organizer.send(calls.read_webhook(dead.webhook_id)).pending > 0
        lag = [
            float(line.split()[1])
            for line in api.nobody.get("/metrics").text.splitlines()
            if line.startswith("flashticket_webhook_lag_seconds")
        ]
        assert lag > [0.0]


def test_an_endpoint_that_is_gone_is_disabled_and_goes_on_where_it_stopped(
    api: Api, organizer: Client, receiver: Receiver
) -> None:
    receiver.answer = lambda _: 410
    webhook = organizer.send(calls.register_webhook(receiver.url))
    _, places = event_with_bookings(api, 2)
    disabled = await_status(organizer, webhook.webhook_id, "disabled")
    assert disabled.disabled_because == "The endpoint answered 410 Gone."
    assert disabled.disabled_at is not None
    receiver.answer = lambda _: 200
    assert organizer.send(calls.enable_webhook(webhook.webhook_id)).status == "active"
    receiver.until_taken(places)
    assert receiver.taken() == places


def test_entries_are_sent_again_from_a_number_on_or_one_by_one(
    api: Api, organizer: Client, receiver: Receiver
) -> None:
    webhook = organizer.send(calls.register_webhook(receiver.url))
    _, places = event_with_bookings(api, 3)
    receiver.until_taken(places)
    await_deliveries(organizer, webhook.webhook_id, "delivered", 4)
    seqs = [each.seq for each in reversed(deliveries(organizer, webhook.webhook_id))]
    organizer.send(calls.replay_webhook(webhook.webhook_id, seq=seqs[1]))
    receiver.until(lambda got: len(got) == 5)
    organizer.send(calls.replay_webhook(webhook.webhook_id, from_seq=seqs[2]))
    receiver.until(lambda got: len(got) == 7)
    assert receiver.taken() == [*places, places[1], *places[2:]]
    for wrong in (seqs[-1] + 1000, 2**53 - 1):
        with pytest.raises(ApiProblem) as refused:
            organizer.send(calls.replay_webhook(webhook.webhook_id, seq=wrong))
        assert refused.value.code == "entry-not-found"


def test_a_webhook_can_begin_with_an_entry_of_the_past(
    api: Api, organizer: Client, receiver: Receiver
) -> None:
    _, places = event_with_bookings(api, 2)
    organizer.send(calls.register_webhook(receiver.url, from_seq=0))
    receiver.until_taken(places)
    # Of several events there is no order, so the first entry of all may come after others.
    receiver.until(lambda got: 0 in {each.message["data"]["seq"] for each in got})


def test_a_redirect_is_not_followed_and_says_so(
    api: Api, organizer: Client, receiver: Receiver, other_receiver: Receiver
) -> None:
    receiver.answer = lambda _: (307, {"Location": other_receiver.url})
    webhook = organizer.send(calls.register_webhook(receiver.url))
    api.add_event()
    await_deliveries(organizer, webhook.webhook_id, "retrying", 1)
    (delivery,) = deliveries(organizer, webhook.webhook_id)
    assert delivery.last_error == "Answered 307: redirects are not followed."
    assert other_receiver.received == []


def test_who_asks_for_time_gets_it(api: Api, organizer: Client, receiver: Receiver) -> None:
    receiver.answer = lambda _: (503, {"Retry-After": "120"})
    webhook = organizer.send(calls.register_webhook(receiver.url))
    api.add_event()
    await_deliveries(organizer, webhook.webhook_id, "retrying", 1)
    (delivery,) = deliveries(organizer, webhook.webhook_id)
    assert delivery.last_attempt_at is not None
    assert delivery.next_attempt_at is not None
    assert (delivery.next_attempt_at - delivery.last_attempt_at).total_seconds() >= 120


def test_the_secret_is_shown_once(api: Api, organizer: Client, receiver: Receiver) -> None:
    made = api.organizer.post("/v1/webhooks", json={"url": receiver.url})
    assert made.status_code == 201
    secret = made.json()["secret"]
    assert len(base64.b64decode(secret.removeprefix("whsec_"))) == 32
    path = f"/v1/webhooks/{made.json()['webhook_id']}"
    for answer in (api.organizer.get(path), api.organizer.get("/v1/webhooks")):
        assert answer.status_code == 200
        assert secret not in answer.text
    assert organizer.send(calls.list_webhooks()).items[0].url == receiver.url


def test_what_is_deleted_gets_nothing_more(
    api: Api, organizer: Client, receiver: Receiver, other_receiver: Receiver
) -> None:
    webhook = organizer.send(calls.register_webhook(receiver.url))
    organizer.send(calls.register_webhook(other_receiver.url))
    organizer.send(calls.delete_webhook(webhook.webhook_id))
    _, places = event_with_bookings(api, 2)
    other_receiver.until_taken(places)
    assert receiver.received == []
    with pytest.raises(ApiProblem) as refused:
        organizer.send(calls.delete_webhook(webhook.webhook_id))
    assert refused.value.code == "webhook-not-found"


def test_there_are_at_most_a_hundred(api: Api, receiver: Receiver) -> None:
    receiver.answer = lambda _: 200
    with httpx.Client(
        base_url=api.url, headers=api.organizer.headers, trust_env=False, verify=PLAIN
    ) as sender:
        answers = [sender.post("/v1/webhooks", json={"url": receiver.url}) for _ in range(101)]
    assert [answer.status_code for answer in answers] == [*[201] * 100, 409]
    assert answers[-1].json()["code"] == "too-many-webhooks"


def test_the_page_of_deliveries_goes_back_in_time(
    api: Api, organizer: Client, receiver: Receiver
) -> None:
    webhook = organizer.send(calls.register_webhook(receiver.url))
    _, places = event_with_bookings(api, 4)
    receiver.until_taken(places)
    first = organizer.send(calls.list_deliveries(webhook.webhook_id, limit=3))
    rest = organizer.send(
        calls.list_deliveries(webhook.webhook_id, limit=3, before=first.next_before)
    )
    versions = [each.version for each in [*first.items, *rest.items]]
    assert versions == [5, 4, 3, 2, 1]
    assert rest.next_before is None


def test_the_organizers_page_offers_every_type_of_entry() -> None:
    page = (ROOT / "api" / "web" / "webhooks.js").read_text()
    offered = page.partition("const TYPES = [")[2].partition("]")[0]
    assert {f"com.flashticket.{name}" for name in re.findall(r'"([a-z-]+)"', offered)} == set(
        ENTRY_OF_TYPE
    )


def test_many_webhooks_with_news_at_once_all_get_it(
    api: Api, organizer: Client, receiver: Receiver, shop: Served
) -> None:
    count, told = 40, len(shop.log)
    for n in range(count):
        organizer.send(calls.register_webhook(f"{receiver.url}/{n}"))
    _, places = event_with_bookings(api, 2)
    receiver.until(lambda got: len(got) >= count * len(places))
    waited = [line for line in shop.log[told:] if line["logger"] == "api.webhooks.deliverer"]
    assert waited == [], "none had to wait for a connection"


def test_deliveries_and_retries_are_counted(
    api: Api, organizer: Client, receiver: Receiver
) -> None:
    fails = iter([500])
    receiver.answer = lambda _: next(fails, 200)
    organizer.send(calls.register_webhook(receiver.url))
    _, places = event_with_bookings(api, 0)

    def counts() -> dict[str, float]:
        lines = api.nobody.get("/metrics").text.splitlines()
        return {
            line.split()[0]: float(line.split()[1])
            for line in lines
            if line.startswith("flashticket_webhook")
        }

    receiver.until_taken(places)
    deadline = time.monotonic() + 30
    while True:
        found = counts()
        if found["flashticket_webhook_lag_seconds"] == 0:
            break
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    assert found['flashticket_webhook_attempts_total{outcome="failed"}'] >= 1
    assert found['flashticket_webhook_attempts_total{outcome="delivered"}'] >= 1
    assert found["flashticket_webhook_retries_total"] >= 1
    assert found["flashticket_webhook_seconds_count"] >= 2
