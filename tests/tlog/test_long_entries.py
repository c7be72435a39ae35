"""An entry too long for a bundle: a stadium's seat map, from the request to every proof of it."""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import aics
import pytest
from click.testing import CliRunner
from exporting import (
    ORIGIN,
    export_to,
    lines_of,
    places_by_javascript,
    preimage_of,
    put,
    sign,
    story_of_every_type,
    verified,
)
from log_client import LogClient, unpack
from served import Api, new_keys, served, violations
from story import given, read_row
from wishes import book, event_id, schedule

from api.cli import main
from ledger import chain
from ledger.preimages import read_preimage
from projections import export, export_format, tree
from projections.leaves import ENTRY_BYTES_MAX, STUB_TAG, logged
from projections.log_keys import LogKeys
from projections.notes import VerifierKey
from projections.receipts import Receipt

if TYPE_CHECKING:
    from tests.conftest import RealServers

SEATS = 60_000


@pytest.fixture(scope="module")
def stadium_database(servers: "RealServers", migrated: str) -> Iterator[str]:
    with servers.fresh_database(migrated) as name:
        yield servers.database_url(name)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def api(stadium_database: str, data_dir: Path) -> Iterator[Api]:
    with (
        served(stadium_database, None, data_dir=data_dir) as running,
        Api(running.url, new_keys(stadium_database)) as clients,
    ):
        yield clients
        assert [line for line in running.log if line.get("status") == 500] == []


@pytest.fixture(scope="module")
def log(api: Api, data_dir: Path, bookings: list[str]) -> LogClient:
    del bookings  # there is a checkpoint, and so a key, once something is booked
    (public,) = (data_dir / "log-keys").glob("*.pub")
    return LogClient(api.nobody, VerifierKey.parse(public.read_text().strip()))


@pytest.fixture(scope="module")
def bookings(api: Api) -> list[str]:
    """One of a seat that is named, one of the hundred best; both of an event of `SEATS`."""
    rows = [{"section": "North", "row": str(n), "seats": 1_000} for n in range(SEATS // 1_000)]
    event_id = api.add_event(SEATS, seats=rows)
    (user_id,) = api.add_users(1)
    answers = [
        api.client.post("/v1/bookings", json={"event_id": event_id, "user_id": user_id, **places})
        for places in ({"quantity": 1, "seats": ["North-59-1000"]}, {"quantity": 100})
    ]
    assert [answer.status_code for answer in answers] == [201, 201], answers[-1].text
    return [answer.json()["booking_id"] for answer in answers]


def test_a_stadium_is_one_entry_and_its_log_has_a_stub_of_it(log: LogClient) -> None:
    entries = log.entries(log.checkpoint_of(3))

    stub, booked, _ = entries
    assert len(stub) == len(STUB_TAG) + 16 + 8 + 32 + 32
    assert stub.startswith(STUB_TAG)
    stream_id, version, prev_hash, its_hash = struct.unpack(">16sQ32s32s", stub[len(STUB_TAG) :])
    after = read_preimage(booked)
    assert (stream_id, version) == (after.stream_id.bytes, after.version - 1)
    assert prev_hash == chain.GENESIS
    assert its_hash == after.prev_hash


if aics.PYTHON is not None:
    WITH_AICS = aics.PYTHON

    def test_a_monitor_that_others_wrote_can_read_past_it(api: Api, log: LogClient) -> None:
        assert aics.audited(WITH_AICS, api.url, str(log.key)) == log.checkpoint_of(3).size


def test_every_width_of_its_bundle_is_served(log: LogClient) -> None:
    entries = log.entries(log.checkpoint_of(3))
    for width in (1, 2, 3):
        assert unpack(log.get(f"/tlog/tile/entries/000.p/{width}")) == entries[:width]


@pytest.mark.usefixtures("log")
def test_its_receipts_and_those_of_its_neighbours_hold(api: Api, bookings: list[str]) -> None:
    for booking_id in bookings:
        answer = api.client.get(f"/v1/bookings/{booking_id}/receipt")
        assert answer.status_code == 200, answer.text
        receipt = Receipt.parse(answer.content)
        key = VerifierKey.parse(api.nobody.get("/tlog/keys").text.strip())
        receipt.verify([key])
        assert booking_id.encode() in receipt.entry


def test_its_ledger_and_its_export_hold_for_all_verifiers(
    log: LogClient,
    stadium_database: str,
    data_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FLASHTICKET_DATABASE_URL", stadium_database)
    monkeypatch.setenv("FLASHTICKET_DATA_DIR", str(data_dir))
    older = log.http.get("/tlog/checkpoint").content
    file, plain = tmp_path / "ledger.ndjson.zst", tmp_path / "ledger.ndjson"

    ran = CliRunner().invoke(main, ["export", str(file)])

    assert ran.exit_code == 0, ran.output
    (scheduled,) = [line for line in lines_of(file) if type(line) is list and line[0] == 1]
    assert sum(len(row["seats"]) for row in scheduled[-1]["seat_rows"]) == SEATS
    plain.write_bytes(b"".join(export_format.read_whole(file)))
    report = verified(file, keys=[log.key], previous=older)
    assert (report.entries, report.findings) == (3, [])
    assert places_by_javascript([plain], keys=[log.key], previous=older) == [set()]
    assert violations(stadium_database) == []

    one_seat_more = plain.read_bytes().replace(b"North-7-77", b"North-7-7777", 1)
    plain.write_bytes(one_seat_more)
    found = places_by_javascript([plain], keys=[log.key])[0]
    assert found == {
        (each.rule, each.stream_id, each.version, each.seq)
        for each in verified(plain, keys=[log.key]).findings
    }
    assert {(rule, version) for rule, _, version, _ in found or ()} == {("L3", 1), ("tree", 1)}


@pytest.mark.parametrize("more", [-1, 0, 1, 2])
def test_the_limit_is_the_same_to_the_byte_in_the_database_and_in_both_verifiers(
    database: str, tmp_path: Path, more: int
) -> None:
    """An event whose name brings the first entry to the limit, or beyond it."""
    keys = LogKeys(tmp_path / "keys", ORIGIN)
    name = "x" * (ENTRY_BYTES_MAX - _length_of_entry_without_name() + more)
    entries = given(schedule(event_id(1), name=name), book(event=event_id(1))).appended
    preimage = preimage_of(read_row(entries[0]))
    assert len(preimage) == ENTRY_BYTES_MAX + more
    assert (logged(preimage) == preimage) is (more <= 0)
    put(database, entries)
    sign(database, keys)

    file, plain = tmp_path / "ledger.ndjson.zst", tmp_path / "ledger.ndjson"
    export_to(database, file, keys)
    plain.write_bytes(b"".join(export_format.read_whole(file)))

    assert verified(file, keys=keys.verifying()).findings == []
    assert places_by_javascript([plain], keys=keys.verifying()) == [set()]


def _length_of_entry_without_name() -> int:
    (scheduled,) = given(schedule(event_id(1), name="")).appended
    return len(preimage_of(read_row(scheduled)))


def test_what_is_too_much_for_one_transaction_or_page_is_done_in_several(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = LogKeys(tmp_path / "keys", ORIGIN)
    put(database, story_of_every_type().appended)
    monkeypatch.setattr(tree, "_PAYLOAD_BYTES_MAX", 700)
    sign(database, keys)
    export_to(database, tmp_path / "whole", keys)
    monkeypatch.setattr(export, "_PAGE_PAYLOAD_BYTES", 700)
    export_to(database, tmp_path / "paged", keys)

    assert (tmp_path / "paged").read_bytes() == (tmp_path / "whole").read_bytes()
    assert verified(tmp_path / "paged", keys=keys.verifying()).findings == []
