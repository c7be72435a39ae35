"""The log and the ledger over HTTP, as monitors and auditors see them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import aics
import httpx
import psycopg
import pytest
from click.testing import CliRunner
from log_client import LogClient, unpack
from served import Api, Served, new_keys, served

from api.cli import main
from ledger import chain
from projections.merkle import leaf_hash, root_of
from projections.notes import VerifierKey
from projections.receipts import Receipt

if TYPE_CHECKING:
    from tests.conftest import RealServers

BOOKINGS = 270

pytestmark = pytest.mark.usefixtures("events")
NDJSON = {"Accept": "application/x-ndjson"}


@pytest.fixture(scope="module")
def shop_database(servers: "RealServers", migrated: str) -> Iterator[str]:
    with servers.fresh_database(migrated) as name:
        yield servers.database_url(name)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def shop(shop_database: str, data_dir: Path) -> Iterator[Served]:
    with served(shop_database, None, data_dir=data_dir) as running:
        yield running
        assert [line for line in running.log if line.get("status") == 500] == []


@pytest.fixture(scope="module")
def api(shop: Served, shop_database: str) -> Iterator[Api]:
    with Api(shop.url, new_keys(shop_database)) as clients:
        yield clients


@pytest.fixture(scope="module")
def events(api: Api) -> list[str]:
    """Two events with `BOOKINGS` entries between them, and one more for each being scheduled."""
    made = [api.add_event(capacity=BOOKINGS) for _ in range(2)]
    (user_id,) = api.add_users(1)
    for n in range(BOOKINGS):
        assert api.book(made[n % 2], user_id, key=f"key {n}".replace(" ", "-")).status_code == 201
    return made


@pytest.fixture(scope="module")
def log(api: Api, data_dir: Path) -> LogClient:
    (public,) = (data_dir / "log-keys").glob("*.pub")
    return LogClient(api.nobody, VerifierKey.parse(public.read_text().strip()))


def test_a_monitor_finds_every_entry_under_the_signed_root(
    log: LogClient, shop_database: str
) -> None:
    checkpoint = log.checkpoint_of(BOOKINGS + 2)

    entries = log.entries(checkpoint)

    assert log.leaves(checkpoint) == [leaf_hash(entry) for entry in entries]
    with psycopg.connect(shop_database) as connection:
        hashes = connection.execute("SELECT hash FROM ledger").fetchall()
    assert {chain.entry_hash(entry) for entry in entries} == {each for (each,) in hashes}


if aics.PYTHON is not None:
    WITH_AICS = aics.PYTHON

    def test_a_monitor_that_others_wrote_finds_every_tile_and_bundle_right(
        shop: Served, log: LogClient
    ) -> None:
        log.checkpoint_of(BOOKINGS + 2)
        assert aics.audited(WITH_AICS, shop.url, str(log.key)) >= BOOKINGS + 2


def test_partial_tiles_are_served_for_every_smaller_tree(log: LogClient) -> None:
    checkpoint = log.checkpoint_of(BOOKINGS + 2)
    entries = log.entries(checkpoint)
    for width in (1, 17, 255):
        assert unpack(log.get(f"/tlog/tile/entries/000.p/{width}")) == entries[:width]
        assert log.get(f"/tlog/tile/0/000.p/{width}") == log.get("/tlog/tile/0/000")[: 32 * width]
    assert log.get("/tlog/tile/1/000.p/1") == root_of([leaf_hash(each) for each in entries[:256]])


@pytest.mark.parametrize(
    "path",
    ["0/001.p/255", "0/002", "1/000", "5/000", "64/000", "entries/002", "0/1", "nothing", "0/000/"],
)
def test_tiles_that_the_log_does_not_have_are_not_found(api: Api, path: str) -> None:
    answer = api.nobody.get(f"/tlog/tile/{path}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")
    assert "immutable" not in answer.headers.get("cache-control", "")


def test_a_checkpoint_is_not_kept_by_caches(api: Api) -> None:
    assert api.nobody.get("/tlog/checkpoint").headers["cache-control"] == "no-cache"


def test_the_public_keys_are_listed(api: Api, log: LogClient) -> None:
    assert api.nobody.get("/tlog/keys").text == f"{log.key}\n"


def all_pages(auditor: httpx.Client, path: str, limit: int) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    params = {"limit": limit}
    while True:
        answer = auditor.get(path, params=params)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        assert len(page["items"]) <= limit
        if page["next_after"] is None:
            assert page["items"] == []
            return items
        items += page["items"]
        params["after"] = page["next_after"]


def lines(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    return [json.loads(line) for line in answer.text.splitlines()]


def preimage_of(entry: dict[str, Any]) -> bytes:
    key, request_hash = entry["idempotency_key"], entry["request_hash"]
    payload = json.dumps(entry["payload"], sort_keys=True, separators=(",", ":"))
    return chain.preimage(
        stream_id=UUID(entry["event_id"]),
        version=entry["version"],
        recorded_at=entry["recorded_at_us"],
        schema_version=entry["schema_version"],
        actor=UUID(entry["actor"]),
        prev_hash=bytes.fromhex(entry["prev_hash"]),
        type_name=entry["type"],
        idempotency_key=None if key is None else bytes.fromhex(key),
        request_hash=None if request_hash is None else bytes.fromhex(request_hash),
        payload=payload.encode(),
    )


def test_an_auditor_reads_the_very_entries_that_the_log_has(api: Api, log: LogClient) -> None:
    checkpoint = log.checkpoint_of(BOOKINGS + 2)

    items = all_pages(api.auditor, "/v1/ledger", 100)

    assert [item["seq"] for item in items] == list(range(checkpoint.size))
    assert [preimage_of(item) for item in items] == log.entries(checkpoint)
    assert all(chain.entry_hash(preimage_of(item)).hex() == item["hash"] for item in items)


def test_a_stream_of_lines_has_what_the_pages_have(api: Api, log: LogClient) -> None:
    log.checkpoint_of(BOOKINGS + 2)
    items = all_pages(api.auditor, "/v1/ledger", 1_000)

    assert lines(api.auditor.get("/v1/ledger", headers=NDJSON)) == items
    after = {"after": 99}
    assert lines(api.auditor.get("/v1/ledger", headers=NDJSON, params=after)) == items[100:]
    some = {"after": 99, "limit": 7}
    assert lines(api.auditor.get("/v1/ledger", headers=NDJSON, params=some)) == items[100:107]


def test_one_events_entries_are_read_in_the_order_of_versions(api: Api, events: list[str]) -> None:
    for event_id in events:
        path = f"/v1/ledger/streams/{event_id}"
        items = all_pages(api.auditor, path, 50)
        assert [item["version"] for item in items] == list(range(1, BOOKINGS // 2 + 2))
        assert {item["event_id"] for item in items} == {event_id}
        assert lines(api.auditor.get(path, headers=NDJSON, params={"after": 3})) == items[3:]


def test_an_event_that_there_is_not_has_no_entries(api: Api) -> None:
    answer = api.auditor.get("/v1/ledger/streams/00000000-0000-7000-8000-000000000000")
    assert (answer.status_code, answer.json()["code"]) == (404, "event-not-found")


@pytest.mark.parametrize("params", [{"after": -2}, {"after": "x"}, {"limit": 0}, {"after": 2**63}])
def test_a_position_that_cannot_be_is_refused(api: Api, params: dict[str, Any]) -> None:
    answer = api.auditor.get("/v1/ledger", params=params)
    assert (answer.status_code, answer.json()["code"]) == (422, "validation")


def test_the_ledger_is_for_auditors_and_the_log_for_everybody(api: Api, events: list[str]) -> None:
    paths = ("/v1/ledger", f"/v1/ledger/streams/{events[0]}")
    for path in paths:
        assert api.nobody.get(path).status_code == 401
        assert api.client.get(path).status_code == 403
        assert api.organizer.get(path).status_code == 403
        assert api.admin.get(path).status_code == 200
    assert api.nobody.get("/tlog/checkpoint").status_code == 200


def test_the_lag_is_a_metric(api: Api) -> None:
    assert "\nflashticket_log_lag_seconds " in api.nobody.get("/metrics").text


def test_a_buyer_proves_a_booking_by_the_receipt_alone(
    api: Api, log: LogClient, tmp_path: Path
) -> None:
    event_id, (user_id,) = api.add_event(), api.add_users(1)
    booking = api.book(event_id, user_id).json()

    answer = api.client.get(f"/v1/bookings/{booking['booking_id']}/receipt")

    assert answer.status_code == 200, answer.text
    receipt = Receipt.parse(answer.content)
    assert receipt.verify([log.key]).size > receipt.seq
    assert chain.entry_hash(receipt.entry).hex() == booking["entry"]["hash"]
    file = tmp_path / "receipt"
    file.write_bytes(answer.content)
    ran = CliRunner().invoke(main, ["verify-receipt", str(file), "--key", str(log.key)])
    assert ran.exit_code == 0, ran.output
    assert booking["booking_id"] in ran.output


def test_receipts_are_for_whoever_may_see_the_booking(api: Api, shop_database: str) -> None:
    event_id, (user_id,) = api.add_event(), api.add_users(1)
    path = f"/v1/bookings/{api.book(event_id, user_id).json()['booking_id']}/receipt"
    with api.with_key(new_keys(shop_database)["client"]) as another:
        assert another.get(path).status_code == 404
    assert api.nobody.get(path).status_code == 401
    assert api.auditor.get(path).status_code == 200
