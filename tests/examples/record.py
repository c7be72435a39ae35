"""Record the examples of the OpenAPI page: what a day at a box office sends and is answered.

    PYTHONPATH=tests:tests/e2e:tests/examples python tests/examples/record.py

writes the files of `api/examples` anew, from servers of its own. A call that has none yet gets its
by hand just as well. Keys and secrets are made unreadable, lest a scanner take them for real ones.
"""

import base64
import json
import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import httpx
from documented import Documented
from receiver import open_receiver
from served import Api, new_keys, served

import api.examples
from api.embedded import Servers
from api.webhooks.cloud_events import STRUCTURED
from ledger.migrate import migrate

FOLDER: Final = Path(api.examples.__file__).parent
TILE_PATH: Final = "/tlog/tile/path"
"""For the page, which takes a path to be one step: a tile's has several."""

TEXT_CHARACTERS_MAX: Final = 4_000
ROWS: Final = [
    {"section": "Stalls", "row": str(row), "seats": 6, "category": "Stalls"} for row in (1, 2)
]
CATEGORIES: Final = [
    {"name": "Stalls", "price_cents": 4500},
    {"name": "Standing", "price_cents": 2500, "capacity": 40},
]


class Recorder:
    """Keeps the first good answer to each call, and what was sent for it."""

    def __init__(self, page: Documented) -> None:
        self._page = page
        self.found: dict[str, dict[str, Any]] = {}

    def take(self, answer: httpx.Response) -> None:
        """For httpx to call with every answer."""
        request = answer.request
        path = TILE_PATH if request.url.path.startswith("/tlog/tile/") else request.url.path
        operation = self._page.operation(request.method, path)
        if operation is None or not answer.is_success:
            return
        media_type = answer.headers.get("content-type", "").partition(";")[0]
        if media_type == "text/event-stream":
            return  # its route has one
        answer.read()
        example = self.found.setdefault(operation["operationId"], {})
        if request.content and "request" not in example:
            sent = request.headers["content-type"].partition(";")[0]
            example["request"] = {sent: _value(sent, request.content)}
        if answer.content:
            answers = example.setdefault("answers", {}).setdefault(str(answer.status_code), {})
            answers.setdefault(media_type, _value(media_type, answer.content))


def _value(media_type: str, content: bytes) -> Any:
    if media_type == "application/json":
        return json.loads(content)
    if media_type in {"application/octet-stream", "image/png"}:
        return base64.b64encode(content).decode()  # OpenAPI examples are text
    text = content.decode()
    return text if len(text) <= TEXT_CHARACTERS_MAX else text[: text.rindex("\n", 0, 2_000) + 1]


def a_day(api: Api, endpoint: str) -> None:
    """Every call at least once, the first time in the way that shows it best."""
    nobody, buyer, organizer, auditor = api.nobody, api.client, api.organizer, api.auditor

    def post(sender: httpx.Client, path: str, body: object = None, **headers: str) -> Any:
        answer = sender.post(path, json=body, headers=headers)
        assert answer.is_success, f"{path}: {answer.text}"
        return answer.json()

    def get(sender: httpx.Client, path: str, **headers: str) -> httpx.Response:
        answer = sender.get(path, headers=headers)
        assert answer.is_success, f"{path}: {answer.text}"
        return answer

    venue = post(organizer, "/v1/venues", {"name": "Waldbühne", "capacity": 1000})["venue_id"]
    event = post(
        organizer,
        "/v1/events",
        {
            "venue_id": venue,
            "name": "Midsummer Symphony",
            "starts_at": "2027-06-21T20:00:00+02:00",
            "sales_close_at": "2027-06-21T19:00:00+02:00",
            "limit_per_user": 6,
            "categories": CATEGORIES,
            "seats": ROWS,
        },
    )["event_id"]
    small = post(
        organizer,
        "/v1/events",
        {
            "venue_id": venue,
            "name": "Secret Gig",
            "starts_at": "2027-07-01T21:00:00+02:00",
            "capacity": 2,
        },
    )["event_id"]
    ada = post(organizer, "/v1/users", {"name": "Ada Lovelace", "email": "ada@example.org"})
    lines = (
        '{"name": "Grace Hopper", "email": "grace@example.org"}\n'
        '{"name": "Alan Turing", "email": "alan@example.org"}\n'
    )
    imported = organizer.post(
        "/v1/users/import", content=lines, headers={"Content-Type": "application/x-ndjson"}
    )
    ada_id, grace_id = ada["user_id"], imported.json()["first_user_id"]
    webhook = post(
        organizer,
        "/v1/webhooks",
        {
            "url": endpoint,
            "types": ["com.flashticket.seats-booked", "com.flashticket.booking-cancelled"],
            "event_id": event,
        },
    )["webhook_id"]

    order = {"event_id": event, "user_id": ada_id}
    booking = post(
        buyer,
        "/v1/bookings",
        {**order, "seats": ["Stalls-1-3", "Stalls-1-4"]},
        **{"Idempotency-Key": "order-2027-0001"},
    )["booking_id"]
    hold = post(buyer, "/v1/holds", {**order, "quantity": 2, "category": "Standing"})["hold_id"]
    get(buyer, f"/v1/holds/{hold}")
    post(buyer, f"/v1/holds/{hold}/confirm")
    other = post(buyer, "/v1/holds", {**order, "quantity": 1, "category": "Standing"})["hold_id"]
    post(buyer, f"/v1/holds/{other}/release")
    cart = post(
        buyer,
        "/v1/carts",
        {
            "user_id": grace_id,
            "items": [
                {"event_id": event, "quantity": 1, "category": "Standing"},
                {"event_id": small, "quantity": 2},
            ],
        },
    )["bookings"]
    line = f"/v1/events/{small}/waiting-list"
    waiting = post(buyer, line, {"user_id": ada_id, "quantity": 1})["waiting_id"]
    get(buyer, f"{line}/{waiting}")
    get(organizer, line)
    assert buyer.delete(f"{line}/{waiting}").is_success
    tickets = get(buyer, f"/v1/bookings/{booking}/tickets").json()["items"]
    get(buyer, f"/v1/bookings/{booking}/tickets/1.svg")
    get(buyer, "/v1/tickets/key")
    post(organizer, "/v1/check-ins", {"code": tickets[0]["code"]})
    post(organizer, "/v1/check-ins/annul", {"code": tickets[0]["code"]})
    assert buyer.post("/v1/bookings", json={**order, "seats": ["Stalls-1-3"]}).status_code == 409
    gone = cart[0]["booking_id"]
    post(buyer, f"/v1/bookings/{gone}/transfer", {"to_user_id": ada_id})
    post(buyer, f"/v1/bookings/{booking}/cancel", {"tickets": [2]})
    _until(lambda: get(organizer, f"/v1/events/{event}/sales").json()["items"])
    _until(lambda: get(organizer, f"/v1/events/{event}/refusals").json()["items"])
    for figures in ("revenue", "occupancy"):
        get(organizer, f"/v1/events/{event}/{figures}")
    get(organizer, f"/v1/users/{ada_id}/history")
    get(buyer, f"/v1/bookings/{booking}")
    get(buyer, f"/v1/users/{ada_id}/bookings?limit=1")
    get(organizer, f"/v1/events/{event}/bookings?limit=1")
    for path in ("", f"/{event}", *(f"/{event}/{part}" for part in ("seats", "categories"))):
        get(nobody, f"/v1/events{path}")
    get(nobody, f"/v1/events/{event}/availability")
    organizer.patch(f"/v1/events/{small}", json={"capacity": 50})
    for word in ("close", "open", "cancel"):
        post(organizer, f"/v1/events/{small}/{word}")
    for path in (f"/v1/venues/{venue}", "/v1/venues", f"/v1/users/{ada_id}", "/v1/users"):
        get(organizer, path)

    _until(lambda: buyer.get(f"/v1/bookings/{booking}/receipt").is_success)
    get(auditor, "/v1/ledger?limit=2")
    get(auditor, "/v1/ledger?limit=2", Accept="application/x-ndjson")
    get(auditor, f"/v1/ledger/streams/{event}?after=1&limit=1")
    get(auditor, f"/v1/ledger/streams/{event}?after=1&limit=1", Accept="application/x-ndjson")
    checkpoint = get(nobody, "/tlog/checkpoint").text
    get(nobody, "/tlog/keys")
    get(nobody, f"/tlog/tile/0/000.p/{checkpoint.splitlines()[1]}")

    key = {"role": "client", "name": "Box office 3", "rate": "100/s"}
    made = post(api.admin, "/v1/keys", key)["key_id"]
    get(api.admin, "/v1/keys?limit=1")
    post(api.admin, f"/v1/keys/{made}/revoke")
    _until(lambda: get(organizer, f"/v1/webhooks/{webhook}").json()["pending"] == 0)
    get(organizer, f"/v1/webhooks/{webhook}/deliveries?limit=2")
    for path in ("/v1/webhooks", f"/v1/webhooks/{webhook}"):
        get(organizer, path)
    post(organizer, f"/v1/webhooks/{webhook}/replay", {"from_seq": 0})
    post(organizer, f"/v1/webhooks/{webhook}/enable")
    assert organizer.delete(f"/v1/webhooks/{webhook}").is_success
    assert organizer.delete(f"/v1/users/{grace_id}").is_success
    for path in ("/healthz", "/readyz", "/metrics", "/problems/sold-out"):
        get(nobody, path)


def _until(is_there: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 20
    while not is_there():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, Servers(Path(folder)) as servers:
        url = servers.postgres.url("postgres")
        migrate(url)
        with (
            served(url, servers.valkey.url(), webhook_private_targets=True) as running,
            open_receiver() as receiver,
        ):
            recorder = Recorder(Documented.of(running.url))
            with Api(running.url, new_keys(url), [recorder.take]) as clients:
                a_day(clients, receiver.url)
            sent = receiver.received[0].message
            recorder.found["take_entry"] = {"request": {STRUCTURED: sent}}
    for old in FOLDER.glob("*.json"):
        old.unlink()
    for call, example in sorted(recorder.found.items()):
        text = json.dumps(example, indent=2, ensure_ascii=False)
        text = text.replace(receiver.url, "https://example.org/flashticket")
        text = re.sub(r"\bft_(\w+?)_[\w-]{43}", lambda key: f"ft_{key[1]}_{'A' * 43}", text)
        text = re.sub(r"whsec_[\w+/]{43}=", f"whsec_{'A' * 43}=", text)
        (FOLDER / f"{call}.json").write_text(text + "\n")
    print(f"{len(recorder.found)} calls")  # noqa: T201  a command


if __name__ == "__main__":
    main()
