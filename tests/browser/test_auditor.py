"""The ledger, looked at and verified in the browser."""

import time
from pathlib import Path

import psycopg
import pytest
from served import Api
from window import Window


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
    deadline = time.monotonic() + 10
    while True:
        checkpoint = api.nobody.get("/tlog/checkpoint")
        if checkpoint.status_code == 200 and int(checkpoint.text.split("\n")[1]) >= 5:
            return event_id
        assert time.monotonic() < deadline, "nothing is signed"
        time.sleep(0.05)


def test_an_entry_shows_its_bytes_and_that_its_hash_is_right(
    auditor: Window, event_id: str
) -> None:
    auditor.visit(f"/auditor#/ledger/{event_id}")
    auditor.see("5 entries shown.")
    auditor.find("summary").click()
    auditor.see("hash is right")
    auditor.see('"name":"Späte Show ☂"')


def test_the_log_is_verified_with_the_key_that_the_auditor_was_given(
    auditor: Window, api: Api, event_id: str
) -> None:
    assert event_id
    key = api.nobody.get("/tlog/keys").text.strip()
    auditor.visit("/auditor#/verify")
    auditor.write("Public key of the log (optional)", key)
    auditor.press("Verify the log")
    auditor.see("every hash is right and every chain is whole")
    auditor.see("has the root that the checkpoint states")
    auditor.see("signed with the key you gave")


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
    auditor.control("Entries as NDJSON").send_keys(str(file))
    auditor.see("5 entries of 1 event: every hash is right")
    file.write_text("".join(ndjson.splitlines(keepends=True)[:2] + ndjson.splitlines(True)[3:]))
    auditor.visit("/auditor#/verify")
    auditor.control("Entries as NDJSON").send_keys(str(file))
    auditor.see("follows entry 2.")


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
