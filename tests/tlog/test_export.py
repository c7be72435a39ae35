"""Exports: whole, consistent while sales go on, resumable anywhere, and verified by themselves."""

import random
from contextlib import suppress
from pathlib import Path

import pytest
from exporting import (
    EVERY_TYPE,
    ORIGIN,
    export_to,
    lines_of,
    put,
    put_in_steps,
    sign,
    story_of_every_type,
    verified,
)
from wishes import book, event_id, schedule

from projections import export_format, verify_export
from projections.export import NothingSigned
from projections.export_format import COLUMNS, ExportInvalid
from projections.log_keys import LogKeys
from projections.notes import SigningKey


@pytest.fixture
def keys(tmp_path: Path) -> LogKeys:
    return LogKeys(tmp_path / "keys", ORIGIN)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "ledger.ndjson.zst"


def test_an_export_of_every_entry_type_holds(database: str, keys: LogKeys, file: Path) -> None:
    entries = story_of_every_type().appended
    put_in_steps(database, keys, entries)

    exported = export_to(database, file, keys)
    report = verified(file, keys=keys.verifying())

    assert report.findings == []
    assert (report.origin, report.size) == (ORIGIN, len(entries))
    assert (report.entries, report.streams) == (len(entries), 4)
    assert (exported.entries, exported.streams, exported.resumed_at) == (len(entries), 4, 0)
    assert report.signed_by == tuple(map(str, keys.verifying()))


def test_an_export_is_lines_of_json_that_say_what_the_ledger_has(
    database: str, keys: LogKeys, file: Path
) -> None:
    entries = story_of_every_type().appended
    put_in_steps(database, keys, entries)
    export_to(database, file, keys)

    header, *lines = lines_of(file)

    assert header["format"] == "flashticket-export/1"
    assert header["columns"] == list(COLUMNS)
    assert header["checkpoint"].startswith(f"{ORIGIN}\n{len(entries)}\n")
    stream_id, found = None, []
    for line in lines:
        if isinstance(line, list):
            found.append((stream_id, dict(zip(COLUMNS, line, strict=True))))
        else:
            stream_id = line.get("stream", stream_id)
    assert {columns["type"] for _, columns in found} == EVERY_TYPE
    assert sorted(columns["seq"] for _, columns in found) == list(range(len(entries)))
    assert [(each, columns["version"], columns["hash"]) for each, columns in found] == sorted(
        (str(each.stream_id), each.version, each.hash.hex()) for each in entries
    )
    assert lines[-1] == {"end": True, "entries": len(entries), "streams": 4}


def test_without_a_key_the_files_own_is_used_and_named(
    database: str, keys: LogKeys, file: Path
) -> None:
    put_in_steps(database, keys, story_of_every_type().appended)
    export_to(database, file, keys)

    report = verified(file)

    assert report.findings == []
    assert report.is_key_from_file
    assert not verified(file, keys=keys.verifying()).is_key_from_file


def test_another_key_does_not_vouch_for_it(database: str, keys: LogKeys, file: Path) -> None:
    put_in_steps(database, keys, story_of_every_type().appended)
    export_to(database, file, keys)

    (finding,) = verified(file, keys=[SigningKey.generate(ORIGIN).verifier]).findings

    assert finding.rule == "signature"


def test_an_empty_ledger_is_exported_too(database: str, keys: LogKeys, file: Path) -> None:
    sign(database, keys)
    export_to(database, file, keys)

    report = verified(file)

    assert (report.entries, report.findings) == (0, [])


def test_a_log_that_never_signed_has_nothing_to_export(
    database: str, keys: LogKeys, file: Path
) -> None:
    with pytest.raises(NothingSigned):
        export_to(database, file, keys)


def test_what_comes_after_the_checkpoint_is_left_out(
    database: str, keys: LogKeys, file: Path
) -> None:
    story = story_of_every_type()
    before = list(story.appended)
    put_in_steps(database, keys, before)
    for n in range(3):
        story.when(schedule(event_id(10 + n)))
        story.when(book(booking=50 + n, event=event_id(10 + n)))
    put(database, story.appended[len(before) :])

    export_to(database, file, keys)

    report = verified(file)
    assert (report.entries, report.findings) == (len(before), [])


def test_an_older_checkpoint_is_extended(
    database: str, keys: LogKeys, file: Path, tmp_path: Path
) -> None:
    entries = story_of_every_type().appended
    checkpoints = [sign(database, keys)]
    for n in range(0, len(entries), 5):
        put(database, entries[n : n + 5])
        checkpoints.append(sign(database, keys))
    export_to(database, file, keys)

    for older in checkpoints:
        assert verified(file, previous=older, keys=keys.verifying()).findings == []
    stranger = LogKeys(tmp_path / "stranger", ORIGIN)
    other = sign(database, stranger)
    rules = {each.rule for each in verified(file, previous=other, keys=keys.verifying()).findings}
    assert rules == {"signature"}


@pytest.fixture
def small_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many frames, some of them within a stream, of what would be one."""
    monkeypatch.setattr(export_format, "FRAME_BYTES_MIN", 1_500)


@pytest.mark.usefixtures("small_frames")
def test_an_export_cut_off_anywhere_is_completed_to_the_same_bytes(
    database: str, keys: LogKeys, file: Path, choose: random.Random
) -> None:
    put_in_steps(database, keys, story_of_every_type().appended)
    export_to(database, file, keys)
    whole = file.read_bytes()
    with file.open("rb") as opened:
        frames = list(export_format.frames(opened))
    assert len(frames) > 10
    ends = [frame.offset + frame.length for frame in frames]
    cuts = {0, 1, *ends, *(end - 1 for end in ends), *(end + 5 for end in ends[:-1])}
    for cut in cuts | {choose.randrange(len(whole)) for _ in range(30)}:
        file.write_bytes(whole[:cut])

        export_to(database, file, keys)

        assert file.read_bytes() == whole


@pytest.mark.usefixtures("small_frames")
def test_an_export_resumed_later_keeps_to_its_checkpoint(
    database: str, keys: LogKeys, file: Path
) -> None:
    story = story_of_every_type()
    put_in_steps(database, keys, story.appended)
    export_to(database, file, keys)
    whole, before = file.read_bytes(), len(story.appended)
    story.when(schedule(event_id(10)))
    put(database, story.appended[before:])
    sign(database, keys)

    file.write_bytes(whole[: len(whole) // 2])
    exported = export_to(database, file, keys)

    assert exported.size == before
    assert 0 < exported.resumed_at < before
    assert file.read_bytes() == whole


def test_a_complete_export_is_left_alone(database: str, keys: LogKeys, file: Path) -> None:
    put_in_steps(database, keys, story_of_every_type().appended)
    first = export_to(database, file, keys)
    whole = file.read_bytes()

    again = export_to(database, file, keys)

    assert again.resumed_at == again.entries == first.entries
    assert file.read_bytes() == whole


def test_a_file_of_something_else_is_not_touched(database: str, keys: LogKeys, file: Path) -> None:
    sign(database, keys)
    for contents in (b"my only copy", b"x"):
        file.write_bytes(contents)
        with pytest.raises(ExportInvalid):
            export_to(database, file, keys)
        assert file.read_bytes() == contents


@pytest.mark.usefixtures("small_frames")
def test_lines_without_frames_are_judged_the_same(
    database: str, keys: LogKeys, file: Path, tmp_path: Path
) -> None:
    checkpoint = put_in_steps(database, keys, story_of_every_type().appended)
    export_to(database, file, keys)
    plain = tmp_path / "ledger.ndjson"
    plain.write_bytes(b"".join(export_format.read_whole(file)))

    assert verified(plain, previous=checkpoint) == verified(file, previous=checkpoint)


@pytest.mark.usefixtures("small_frames")
def test_several_processes_find_what_one_finds(
    database: str, keys: LogKeys, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = put_in_steps(database, keys, story_of_every_type().appended)
    export_to(database, file, keys)
    by_one = verified(file, previous=checkpoint)
    monkeypatch.setattr(verify_export, "_ALONE_BYTES_MAX", 0)
    monkeypatch.setattr(verify_export, "_JOB_BYTES_MIN", 1)

    assert verified(file, previous=checkpoint, processes=2) == by_one


@pytest.mark.parametrize("contents", [b"", b"{}", b"\n", b"[1]\n", b'{"format": "other"}\n'])
def test_what_is_no_export_is_refused(tmp_path: Path, contents: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(contents)
    with pytest.raises(ExportInvalid):
        verified(path)


@pytest.mark.usefixtures("small_frames")
def test_every_bit_of_a_file_matters(
    database: str, keys: LogKeys, file: Path, choose: random.Random
) -> None:
    """Whatever is flipped, dropped, doubled or swapped, the file is refused or found wrong."""
    put_in_steps(database, keys, story_of_every_type().appended)
    export_to(database, file, keys)
    lines = b"".join(export_format.read_whole(file)).splitlines(keepends=True)
    plain = file.with_suffix(".plain")
    # Up to the last entry but one: tiles are of use only where something else is wrong.
    count = next(n for n, line in enumerate(lines) if line.startswith(b'{"tile"')) - 1
    for _ in range(300):
        changed = list(lines)
        at = choose.randrange(count)
        match choose.choice(["flip", "drop", "double", "swap"]):
            case "flip":
                line = bytearray(changed[at])
                line[choose.randrange(len(line))] ^= 1 << choose.randrange(7)
                changed[at] = bytes(line)
            case "drop":
                del changed[at]
            case "double":
                changed.insert(at, changed[at])
            case _:
                changed[at], changed[at + 1] = changed[at + 1], changed[at]
        plain.write_bytes(b"".join(changed))
        with suppress(ExportInvalid):
            assert verified(plain, keys=keys.verifying()).findings, changed[at]
