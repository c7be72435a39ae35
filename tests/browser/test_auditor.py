"""The ledger, looked at and verified in the browser."""

import time
from pathlib import Path

import psycopg
import pytest
import zstandard
from selenium.webdriver.support.ui import Select
from served import Api
from window import Window

from projections.export import export
from projections.notes import VerifierKey


@pytest.fixture
def auditor(window: Window, api: Api) -> Window:
    window.sign_in(api.keys["auditor"])
    return window


@pytest.fixture(scope="module")
def event_id(api: Api) -> str:
    """An event whose entries are all in a signed checkpoint."""
    event_id, user_id = api.add_event(name="Späte Show ☂"), api.add_user()
    for n in range(4):
        assert api.book(event_id, user_id, key=f"key-{n}").status_code == 201
    await_signed(api, event_id)
    return event_id


def await_signed(api: Api, event_id: str) -> None:
    """Return once all of the event's entries are in a signed checkpoint."""
    deadline = time.monotonic() + 10
    while True:
        seq = api.auditor.get(f"/v1/ledger/streams/{event_id}").json()["items"][-1]["seq"]
        checkpoint = api.nobody.get("/tlog/checkpoint")
        if seq is not None and int(checkpoint.text.split("\n")[1]) > seq:
            return
        assert time.monotonic() < deadline, "it is not signed"
        time.sleep(0.05)


def test_an_entry_shows_its_bytes_and_that_its_hash_is_right(
    auditor: Window, event_id: str
) -> None:
    auditor.visit(f"/auditor#/ledger/{event_id}")
    auditor.see("5 entries shown.")
    auditor.find("summary").click()
    auditor.see("hash is right")
    auditor.see('"name":"Späte Show ☂"')


def test_entries_are_filtered_by_kind_by_what_they_contain_and_from_a_number(
    auditor: Window, api: Api, event_id: str
) -> None:
    stored = api.auditor.get(f"/v1/ledger/streams/{event_id}").json()["items"]
    auditor.visit(f"/auditor#/ledger/{event_id}")
    auditor.see("5 entries shown.")
    Select(auditor.control("Kind")).select_by_visible_text("SeatsBooked")
    auditor.see("4 entries shown of 5 looked at.")
    auditor.write("Contains", stored[3]["payload"]["booking_id"] + "\n")
    auditor.see("1 entry shown of 5 looked at.")
    auditor.write("Contains", stored[2]["hash"][:12] + "\n")
    auditor.see("1 entry shown of 5 looked at.")
    auditor.visit(f"/auditor#/ledger/{event_id}")
    auditor.write("From version", "4\n")
    auditor.see("2 entries shown.")


def test_a_file_that_is_dropped_is_verified(auditor: Window, api: Api, event_id: str) -> None:
    headers = {"Accept": "application/x-ndjson"}
    ndjson = api.auditor.get(f"/v1/ledger/streams/{event_id}", headers=headers).text
    auditor.visit("/auditor#/verify")
    auditor.run(
        "const files = new DataTransfer(); files.items.add(new File([arguments[0]], 'entries'));"
        "document.querySelector('.drop').dispatchEvent("
        "new DragEvent('drop', { dataTransfer: files, bubbles: true, cancelable: true }))",
        ndjson,
    )
    auditor.see("5 entries of 1 event: every hash is right")
    assert auditor.run("return document.querySelectorAll('.proof rect.good').length") == 96


def test_the_log_is_verified_with_the_key_that_the_auditor_was_given(
    auditor: Window, api: Api, event_id: str
) -> None:
    assert event_id
    key = api.nobody.get("/tlog/keys").text.strip()
    auditor.visit("/auditor#/verify")
    auditor.write("Public key of the log (optional)", key)
    auditor.press("Verify the log")
    auditor.see("every hash is right, every chain is whole, and no place was ever sold twice")
    auditor.see("has the root that the checkpoint states")
    auditor.see("signed with the key you gave")
    auditor.see("the hashes of these entries")
    wrong = ".proof rect:not(.good), .proof circle:not(.good)"
    assert auditor.run(f"return document.querySelectorAll('{wrong}').length") == 0


def test_history_amounts_to_what_the_api_says_and_goes_back_in_time(
    auditor: Window, api: Api
) -> None:
    rows = [{"row": "A", "seats": 6}]
    event_id, users = api.add_event(capacity=6, seats=rows), api.add_users(3)
    order = {"event_id": event_id, "user_id": users[0]}
    booking = api.client.post("/v1/bookings", json={**order, "seats": ["A-1", "A-2"]}).json()
    confirmed, released, kept = (
        api.client.post("/v1/holds", json={**order, "seats": [seat]}).json()["hold_id"]
        for seat in ("A-3", "A-4", "A-5")
    )
    assert kept
    assert api.client.post(f"/v1/holds/{confirmed}/confirm").status_code == 201
    assert api.client.post(f"/v1/holds/{released}/release").status_code == 200
    path = f"/v1/bookings/{booking['booking_id']}"
    assert api.client.post(f"{path}/cancel", json={"tickets": [1]}).status_code == 200
    assert api.client.post(f"{path}/transfer", json={"to_user_id": users[1]}).status_code == 200
    code = api.client.get(f"{path}/tickets").json()["items"][0]["code"]
    assert api.organizer.post("/v1/check-ins", json={"code": code}).status_code == 201
    again = api.client.post("/v1/bookings", json={**order, "seats": ["A-1", "A-4", "A-6"]})
    assert again.status_code == 201
    waiting = {"user_id": users[2], "quantity": 2}
    joined = api.client.post(f"/v1/events/{event_id}/waiting-list", json=waiting)
    assert joined.status_code == 201, joined.text
    event = api.nobody.get(f"/v1/events/{event_id}").json()

    auditor.visit(f"/auditor#/history/{event_id}")
    auditor.see(f"{event['version']} of {event['version']}: WaitingListJoined")
    shown = auditor.find("main dl").text.split("\n")
    assert dict(zip(shown[::2], shown[1::2], strict=True)) == {
        "On sale": "6",
        "Booked": str(event["booked"]),
        "Held": str(event["held"]),
        "Left": str(event["available"]),
        "Waiting": str(event["waiting"]),
        "Inside": "1",
        "Sales": event["status"],
    }
    for _ in range(event["version"] - 2):
        auditor.press("One back")
    auditor.see("2 of")
    auditor.see("SeatsBooked")
    assert auditor.find("main dl").text.split("\n")[2:4] == ["Booked", "2"]


def test_a_log_with_an_entry_too_long_for_a_tile_bundle_is_verified(
    auditor: Window, api: Api
) -> None:
    rows = [{"section": "S" * 40, "row": str(row), "seats": 500} for row in range(4)]
    event_id = api.add_event(capacity=2_000, seats=rows)
    (entry,) = api.auditor.get(f"/v1/ledger/streams/{event_id}").json()["items"]
    assert len(str(entry["payload"])) > 65_535
    await_signed(api, event_id)
    auditor.visit("/auditor#/verify")
    auditor.press("Verify the log")
    auditor.see("has the root that the checkpoint states")
    auditor.see("the hashes of these entries")


def test_another_logs_key_is_not_taken(auditor: Window, api: Api, event_id: str) -> None:
    assert event_id
    name, key_id, public = api.nobody.get("/tlog/keys").text.strip().split("+", 2)
    other = public[:-3] + ("AAA" if public[-3:] != "AAA" else "BBB")
    auditor.visit("/auditor#/verify")
    auditor.write("Public key of the log (optional)", f"{name}+{key_id}+{other}")
    auditor.press("Verify the log")
    auditor.see("No key given has signed the checkpoint.")


def test_a_file_is_verified_without_the_server(
    auditor: Window, api: Api, event_id: str, tmp_path: Path
) -> None:
    ndjson = api.auditor.get(
        f"/v1/ledger/streams/{event_id}", headers={"Accept": "application/x-ndjson"}
    ).text
    file = tmp_path / "entries.ndjson"
    file.write_text(ndjson)
    auditor.visit("/auditor#/verify")
    auditor.control("Export, or entries as NDJSON").send_keys(str(file))
    auditor.see("5 entries of 1 event: every hash is right")
    file.write_text("".join(ndjson.splitlines(keepends=True)[:2] + ndjson.splitlines(True)[3:]))
    auditor.visit("/auditor#/verify")
    auditor.control("Export, or entries as NDJSON").send_keys(str(file))
    auditor.see("follows entry 2.")


def test_an_export_is_verified_without_the_server(
    auditor: Window, api: Api, event_id: str, module_database: str, tmp_path: Path
) -> None:
    assert event_id
    key = api.nobody.get("/tlog/keys").text.strip()
    packed = tmp_path / "ledger.ndjson.zst"
    with psycopg.connect(module_database, autocommit=True) as connection:
        exported = export(connection, packed, [VerifierKey.parse(key)], lambda _: None)
    with packed.open("rb") as source:
        reader = zstandard.ZstdDecompressor().stream_reader(source, read_across_frames=True)
        content = reader.read()
    file = tmp_path / "ledger.ndjson"
    file.write_bytes(content)
    auditor.visit("/auditor#/verify")
    auditor.write("Public key of the log (optional)", key)
    auditor.control("Export, or entries as NDJSON").send_keys(str(file))
    auditor.see(f"{exported.entries} entries of")
    auditor.see("all holds, up to a checkpoint signed with the key you gave")
    file.write_bytes(content.replace(b'"quantity":1', b'"quantity":2', 1))
    auditor.visit("/auditor#/verify")
    auditor.control("Export, or entries as NDJSON").send_keys(str(file))
    auditor.see("the hash is not that of the entry's contents, entry 2 of event")


def test_a_planted_tampering_is_found_and_named(
    auditor: Window, api: Api, event_id: str, module_database: str
) -> None:
    """Last in this module: the ledger is not whole afterwards."""
    assert api.auditor.get("/v1/ledger").status_code == 200
    with psycopg.connect(module_database) as connection:
        connection.execute("SET session_replication_role = replica")
        changed = connection.execute(
            "UPDATE ledger SET payload = convert_to(replace(convert_from(payload, 'UTF8'), "
            "'\"quantity\":1', '\"quantity\":2'), 'UTF8') WHERE stream_id = %s AND version = 3",
            (event_id,),
        )
        assert changed.rowcount == 1
    auditor.visit("/auditor#/verify")
    auditor.press("Verify the log")
    auditor.see(f"Entry 3 (SeatsBooked) of event {event_id} is not what its hash says.")
    auditor.see("another root than the checkpoint states")
    auditor.see("of the tree, from number 0 on, have other hashes than these entries.")
    found = auditor.run(
        "return ['rect.bad', 'rect.good', 'circle.bad']"
        ".map(each => document.querySelectorAll('.proof ' + each).length)"
    )
    assert found[0] < found[1], "of the entries, that one is marked"
    assert found[2] >= 2
    auditor.keep_screenshot("auditor-verify-tampered")
