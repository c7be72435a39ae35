"""The second verifier, in JavaScript, gives the same verdict as the first on every file."""

import random
import subprocess
from pathlib import Path

import orjson
import pytest
from exporting import (
    NODE,
    ORIGIN,
    places,
    places_by_javascript,
    story_of_every_type,
    verified,
    write_export,
)
from story import read_row
from tampering import CHANGES, Change, rechained, streams_of

from ledger.entries import Recorded
from ledger.rows import Row
from projections.export_format import ExportInvalid
from projections.notes import SigningKey, VerifierKey

KEY = SigningKey.generate(ORIGIN)
VERIFIER = Path(__file__).parents[2] / "api" / "web" / "verify.mjs"


def in_order(entries: list[Recorded]) -> dict[int, Row]:
    return dict(enumerate(map(read_row, entries)))


def places_by_python(path: Path, **options: object) -> object:
    try:
        return places(verified(path, **options))
    except ExportInvalid:
        return None


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.ndjson"
    write_export(path, in_order(story_of_every_type().appended), KEY)
    return path


def test_it_is_under_300_lines() -> None:
    assert len(VERIFIER.read_text().splitlines()) < 300


def test_it_lets_a_ledger_of_every_entry_type_pass(file: Path) -> None:
    assert places_by_javascript([file], keys=[KEY.verifier]) == [set()]
    assert places_by_python(file, keys=[KEY.verifier]) == set()


def run(file: Path) -> "subprocess.CompletedProcess[str]":
    command = [str(NODE), str(VERIFIER), str(file)]
    return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  ours


def test_it_says_so_on_the_command_line(file: Path) -> None:
    ran = run(file)
    assert (ran.returncode, ran.stdout) == (0, "41 entries: all holds\n"), ran.stderr

    file.write_bytes(file.read_bytes().replace(b'"capacity":6', b'"capacity":7'))
    ran = run(file)
    assert ran.returncode == 1
    assert "version 1 number 0: the hash is not that of the entry's contents" in ran.stdout
    assert "41 entries: NOT as signed" in ran.stdout


@pytest.mark.parametrize("change", CHANGES)
def test_rules_are_broken_at_the_same_entry_in_both(
    tmp_path: Path, choose: random.Random, change: Change
) -> None:
    streams = streams_of(story_of_every_type().appended)
    paths = []
    for n in range(100):
        tampered = dict(streams)
        stream_id = choose.choice(list(streams))
        tampered[stream_id] = rechained(change(choose, streams[stream_id]))
        paths.append(tmp_path / f"{n}.ndjson")
        rows = [row for stream in tampered.values() for row in stream]
        write_export(paths[-1], dict(enumerate(rows)), KEY)

    by_javascript = places_by_javascript(paths)

    for path, found in zip(paths, by_javascript, strict=True):
        assert found == places_by_python(path), path.read_text()
    assert any(by_javascript)


def test_lines_are_found_wrong_at_the_same_place_in_both(
    file: Path, tmp_path: Path, choose: random.Random
) -> None:
    lines = file.read_bytes().splitlines(keepends=True)
    paths = []
    for n in range(200):
        changed = list(lines)
        at = choose.randrange(len(lines))
        match choose.choice(["flip", "drop", "double", "swap", "cut"]):
            case "flip":
                line = bytearray(changed[at])
                line[choose.randrange(len(line))] ^= 1 << choose.randrange(8)
                changed[at] = bytes(line)
            case "drop":
                del changed[at]
            case "double":
                changed.insert(at, changed[at])
            case "swap":
                other = (at + 1) % len(lines)
                changed[at], changed[other] = changed[other], changed[at]
            case _:
                del changed[at + 1 :]
        paths.append(tmp_path / f"{n}.ndjson")
        paths[-1].write_bytes(b"".join(changed))

    by_javascript = places_by_javascript(paths, keys=[KEY.verifier])

    for path, found in zip(paths, by_javascript, strict=True):
        assert found == places_by_python(path, keys=[KEY.verifier]), path.read_bytes()


@pytest.mark.parametrize("keys", [[KEY.verifier], []], ids=["given key", "key from the file"])
def test_a_flipped_bit_anywhere_is_judged_the_same_by_both(
    file: Path, tmp_path: Path, choose: random.Random, keys: list[VerifierKey]
) -> None:
    """In each byte of the header, which nothing but its checkpoint signs, and in some others."""
    whole = file.read_bytes()
    header = whole.index(b"\n") + 1
    flipped = [*range(header), *choose.sample(range(header, len(whole)), 300)]
    paths = []
    for at in flipped:
        changed = bytearray(whole)
        changed[at] ^= 1 << choose.randrange(8)
        paths.append(tmp_path / f"{at}.ndjson")
        paths[-1].write_bytes(changed)

    by_javascript = places_by_javascript(paths, keys=keys)

    for path, found, at in zip(paths, by_javascript, flipped, strict=True):
        assert found == places_by_python(path, keys=keys), path.read_bytes()
        assert found != set() or at >= header, path.read_bytes()[:header]


def test_a_key_in_the_header_that_did_not_sign_is_found_by_both(file: Path) -> None:
    """Also by somebody who trusts another key, the right one: the file says what is not so."""
    stranger = str(SigningKey.generate(ORIGIN).verifier).encode()
    whole = file.read_bytes()
    named = str(KEY.verifier).encode()
    for keys in (named + b'","' + stranger, stranger):
        file.write_bytes(whole.replace(named, keys, 1))
        expected = {("signature", None, None, None)}
        assert places_by_javascript([file], keys=[KEY.verifier]) == [expected]
        assert places_by_python(file, keys=[KEY.verifier]) == expected


def test_an_empty_file_is_no_export_to_either(file: Path) -> None:
    file.write_bytes(b"")
    assert places_by_javascript([file]) == [None]
    assert places_by_python(file) is None


ODD_VALUES = [
    (b'"size":41,', b'"size":41.0,'),
    (b'"size":41,', b'"size":"41",'),
    (b'"size":41,', b'"size":true,'),
    (b'"size":41,', b'"size":-1,'),
    (b'"keys":["', b'"keys":[1,"'),
    (b'"keys":["', b'"keys":[" '),
    (b'"columns":["version","seq",', b'"columns":["version seq",'),
    (b'{"tile":0,', b'{"tile":0.0,'),
    (b'{"tile":0,', b'{"tile":-1,'),
    (b'"entries":41,', b'"entries":41.0,'),
    (b'"entries":41,', b'"entries":true,'),
    (b"[1,0,", b"[true,0,"),
    (b"[1,0,", b"[1.0,0,"),
    (b"[1,0,", b"[1,0.0,"),
    (b"[1,0,", b"[1,-0,"),
    (b"[2,4,", b"[2,4e0,"),
    (b"[2,4,", b"[2,true,"),
    (b"[2,4,", b"[2,-1,"),
    (b"[2,4,", b"[2,41,"),
    (b"[2,4,", b"[2,9007199254740993,"),
    (b"[2,4,", b"[2, 4,"),
    (b"[2,4,", b" [2,4,"),
    (b"[2,4,", b"[2,4],[2,4,"),
    (b',"SeatsBooked",2,', b',"SeatsBooked",2.0,'),
    (b',"SeatsBooked",2,', b',"SeatsBooked",true,'),
    (b',"SeatsBooked",2,', b',"SeatsBooked",1,'),
    (b',"SeatsBooked",2,', b',"SeatsBooked",3,'),
    (b',"SeatsBooked",2,', b',"SeatsBooked",70000,'),
    (b',"SeatsBooked",2,', b',"\\u0053eatsBooked",2,'),
    (b',"SeatsBooked",2,', b',"toString",2,'),
    (b'"quantity":2', b'"quantity":2.0'),
    (b'"quantity":2', b'"quantity":true'),
    (b'"quantity":2', b'"quantity":9007199254740993'),
    (b'"quantity":2', b'"quantity":3,"quantity":2'),
    (b'"quantity":2', b'"quantity":2,"quantity":3'),
    (b'"quantity":2', b'"__proto__":{},"quantity":2'),
    (b'"name":"A show"', b'"name":"\\ud800"'),
    (b'"name":"A show"', b'"name":"\\u0041 show"'),
    (b'"name":"A show"', b'"name":"\xff"'),
    (b'"name":"A show"', b'"name":"A\tshow"'),
    (b'{"end":true,', b'{"end":true,"more":1,'),
    (b'{"end":true,', b'{"end":1,'),
    (b'{"end":true,', b'\n{"end":true,'),
    (b'{"end":true,', b'null\n{"end":true,'),
    (b'{"stream":"', b'{"more":1,"stream":"'),
    (b'{"stream":"0', b'{"stream":"O'),
]


def test_oddly_written_values_are_judged_the_same_by_both(file: Path, tmp_path: Path) -> None:
    paths = []
    for n, (usual, odd) in enumerate(ODD_VALUES):
        whole = file.read_bytes()
        assert usual in whole, usual
        paths.append(tmp_path / f"{n}.ndjson")
        paths[-1].write_bytes(whole.replace(usual, odd, 1))

    by_javascript = places_by_javascript(paths, keys=[KEY.verifier])

    for path, found, (_, odd) in zip(paths, by_javascript, ODD_VALUES, strict=True):
        assert found == places_by_python(path, keys=[KEY.verifier]), odd


def test_older_checkpoints_are_held_against_it_by_both(file: Path, tmp_path: Path) -> None:
    entries = story_of_every_type().appended
    older, other = tmp_path / "older.ndjson", tmp_path / "other.ndjson"
    write_export(older, in_order(entries[:17]), KEY)
    write_export(other, in_order([*entries[1:3], entries[0]]), KEY)
    for path, expected in ((older, set()), (other, {("consistency", None, None, None)})):
        checkpoint = checkpoint_in(path)
        assert places_by_javascript([file], previous=checkpoint) == [expected]
        assert places_by_python(file, previous=checkpoint) == expected
    longer = checkpoint_in(file)
    expected = {("consistency", None, None, 17)}
    assert places_by_javascript([older], previous=longer) == [expected]
    assert places_by_python(older, previous=longer) == expected


def checkpoint_in(path: Path) -> bytes:
    return bytes(orjson.loads(path.read_bytes().split(b"\n")[0])["checkpoint"].encode())
