"""Verify an export with nothing but the file: chain, tree, signature and the rules L1 to L4.

Streams are independent, so their frames are shared out among processes. What holds them together is
the tree: each process sorts its leaf hashes into ranges of the sequence, in files of its own, and
range after range is then hashed up to the root. So memory is bounded by the largest stream.
"""

import gc
import multiprocessing
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson

from ledger.codec import INTEGER_MAX
from projections import export_format
from projections.export_format import COLUMNS, ExportInvalid, Frame, Kind
from projections.leaf_ranges import (
    RANGE,
    LeafRange,
    LeafSorter,
    Pieces,
    append_range,
    hash_range,
    jobs,
    root_within,
    runs,
)
from projections.lean_scan import Finding, Scan, is_odd
from projections.merkle import RightEdge, root_of
from projections.notes import (
    ED25519,
    Checkpoint,
    Note,
    NoteInvalid,
    VerifierKey,
    open_checkpoint,
    require_cosigned,
)
from projections.tiles import split

_JOB_BYTES_MIN: Final = 4 << 20
_ALONE_BYTES_MAX: Final = 16 << 20  # less is done before other processes have started
_FINDINGS_MAX: Final = 1_000
_DIFFERENCES_MAX: Final = 100_000

Progress = Callable[[int], None]
"""Is told how many more entries have been verified."""


@dataclass(slots=True)
class Report:
    """What a file is and what is wrong with it; nothing is when ``findings`` is empty."""

    origin: str
    size: int
    entries: int = 0
    streams: int = 0
    signed_by: tuple[str, ...] = ()
    is_key_from_file: bool = False
    findings: list[Finding] = field(default_factory=list)


@dataclass(slots=True)
class _Part:
    """What a pass over some streams gives back; leaf hashes stay in its file."""

    entries: int
    streams: int
    first_stream_id: str | None
    last_stream_id: str | None
    findings: list[Finding]
    pieces: Pieces
    end: tuple[int, int] | None


def verify_export(
    path: Path,
    *,
    keys: Sequence[VerifierKey] = (),
    previous: bytes | None = None,
    witnesses: Sequence[VerifierKey] = (),
    processes: int = 1,
    progress: Progress = lambda _: None,
) -> Report:
    """Check all of an export; with ``previous``, an older checkpoint, that nothing before changed.

    Without ``keys`` the signatures are held against the keys in the file itself, which shows that
    it is whole but not whose it is. Raises `ExportInvalid` for what is no export at all, and
    OSError.
    """
    header = _header(path)
    named = _keys_in(header)
    trusted = list(keys) or named
    report = Report(origin="", size=header.size, is_key_from_file=not keys)
    checkpoint = _signed(header.checkpoint.encode(), trusted, "checkpoint", report)
    older = None if previous is None else _signed(previous, trusted, "older checkpoint", report)
    if checkpoint is None:
        return report
    try:
        require_cosigned(header.checkpoint.encode(), witnesses)
    except NoteInvalid as error:
        report.findings.append(Finding("signature", str(error)))
    for key in named:
        # Of no account to who was given a key, but nothing in the file may be other than it says.
        _signed(header.checkpoint.encode(), [key], "signature by a key in the header", report)
    report.origin = checkpoint.origin
    if checkpoint.size != header.size:
        what = f"the header says {header.size} entries, the checkpoint {checkpoint.size}"
        report.findings.append(Finding("format", what))
    if older is not None and older.size > checkpoint.size:
        what = (
            f"the older checkpoint has {older.size} entries, this one {checkpoint.size}: "
            f"entries from number {checkpoint.size} on were cut off"
        )
        report.findings.append(Finding("consistency", what, seq=checkpoint.size))
        older = None
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="flashticket-verify-"))
        executor = _executor(path, processes)
        if executor is not None:
            stack.enter_context(executor)
        parts = list(_parts(path, checkpoint.size, folder, executor, progress))
        _sum_up(report, parts)
        _check_tree(report, path, checkpoint, older, parts, executor)
    report.findings = _sorted(report.findings)[:_FINDINGS_MAX]
    return report


def _signed(note: bytes, keys: list[VerifierKey], which: str, report: Report) -> Checkpoint | None:
    try:
        checkpoint = open_checkpoint(note, keys)
        signed_by = Note.parse(note).verified_by(keys)
    except NoteInvalid as error:
        report.findings.append(Finding("signature", f"the {which} is not valid: {error}"))
        return None
    report.signed_by = report.signed_by or tuple(map(str, signed_by))
    return checkpoint


# The first pass: streams.


def _executor(path: Path, processes: int) -> Executor | None:
    if processes == 1 or path.stat().st_size < _ALONE_BYTES_MAX:
        return None
    if not export_format.has_index(path):
        return None
    return ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn"))


def _parts(
    path: Path, size: int, folder: str, executor: Executor | None, progress: Progress
) -> Iterator[_Part]:
    if not export_format.has_index(path):
        blocks = _without_first_line(export_format.read_whole(path))
        yield _scan(blocks, size, f"{folder}/leaves", progress)
        return
    jobs = [(path, job, size, f"{folder}/leaves-{n}") for n, job in enumerate(_jobs(_frames(path)))]
    if executor is None:
        for job in jobs:
            yield _scan_frames(job, progress)
    else:
        for part in executor.map(_scan_frames, jobs):
            progress(part.entries)
            yield part


def _frames(path: Path) -> list[Frame]:
    with path.open("rb") as file:
        return [each for each in export_format.frames(file) if each.kind is not Kind.HEADER]


def _jobs(frames: Iterable[Frame]) -> Iterator[list[Frame]]:
    """Frames to be read by one process: streams are whole in a job, and tiles in none."""
    job: list[Frame] = []
    for frame in frames:
        if frame.kind is Kind.TILES:
            continue
        is_long = sum(each.length for each in job) >= _JOB_BYTES_MIN
        if is_long and (frame.begins_stream or frame.kind is Kind.END):
            yield job
            job = []
        job.append(frame)
    if job:
        yield job


def _scan_frames(
    job: tuple[Path, list[Frame], int, str], progress: Progress = lambda _: None
) -> _Part:
    path, frames, size, leaves_path = job
    with path.open("rb") as file:
        blocks = (export_format.read_frame(file, frame) for frame in frames)
        return _scan(blocks, size, leaves_path, progress)


def _scan(blocks: Iterable[bytes], size: int, leaves_path: str, progress: Progress) -> _Part:
    # Nothing here is cyclic, and there is much of it: the collector would only look at it all.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        scan = Scan(size)
        sorter = LeafSorter(leaves_path)
        told = 0
        for block in blocks:
            scan.feed(block)
            scanned = scan.scanned
            sorter.take(scanned.seqs, scanned.leaves)
            progress(scanned.entries - told)
            told = scanned.entries
        return _Part(
            entries=scanned.entries,
            streams=scanned.streams,
            first_stream_id=scanned.first_stream_id,
            last_stream_id=scanned.last_stream_id,
            findings=scanned.findings[:_FINDINGS_MAX],
            pieces=sorter.pieces(),
            end=scanned.end,
        )
    finally:
        if was_enabled:
            gc.enable()


def _sum_up(report: Report, parts: Sequence[_Part]) -> None:
    last, end = "", None
    for part in parts:
        report.entries += part.entries
        report.streams += part.streams
        report.findings += part.findings
        if part.first_stream_id is not None:
            if part.first_stream_id <= last:
                what = "the streams are not in the order of their ids"
                report.findings.append(Finding("format", what, part.first_stream_id))
            last = part.last_stream_id or last
        end = part.end or end
    if end is None:
        report.findings.append(Finding("format", "the file was cut off: its end is not there"))
    elif end != (report.entries, report.streams):
        what = f"the file says it has {end[0]} entries and {end[1]} streams"
        report.findings.append(Finding("format", what))


# The second pass: the tree.


def _check_tree(
    report: Report,
    path: Path,
    checkpoint: Checkpoint,
    older: Checkpoint | None,
    parts: Sequence[_Part],
    executor: Executor | None,
) -> None:
    edge, older_root, missing = RightEdge(), None, False
    older_at = None if older is None else divmod(older.size, RANGE)
    found = jobs(
        checkpoint.size,
        [part.pieces for part in parts],
        asked=-1 if older_at is None else older_at[0],
    )
    hashed = map(hash_range, found) if executor is None else executor.map(hash_range, found)
    for which, leaves in enumerate(hashed):
        report.findings += _gaps(leaves)
        missing = missing or bool(leaves.missing)
        if older_at is not None and older_at[0] == which:
            older_root = root_within(edge, leaves, older_at[1])
        append_range(edge, leaves)
    if older_at is not None and older_root is None:
        older_root = edge.root()  # of the very same size
    is_right = edge.root() == checkpoint.root
    is_consistent = older is None or older_root == older.root
    if not is_right or not is_consistent:
        located = _locate(path, checkpoint, older, is_right, is_consistent, parts)
        # Where some are missing it goes without saying that the tree is another.
        report.findings += [each for each in located if not missing or each.seq is not None]


def _gaps(leaves: LeafRange) -> Iterator[Finding]:
    for first, last in runs(leaves.missing):
        which = f"entry {first} is" if first == last else f"entries {first} to {last} are"
        yield Finding("tree", f"{which} missing", seq=first)
    for seq in leaves.doubled:
        yield Finding("tree", f"the number {seq} is given twice", seq=seq)


# When the tree is another: where. The tiles in the file are those that were published.


def _locate(
    path: Path,
    checkpoint: Checkpoint,
    older: Checkpoint | None,
    is_right: bool,
    is_consistent: bool,
    parts: Sequence[_Part],
) -> list[Finding]:
    published = _published_leaves(path)
    findings = []
    for stated, holds, rule, which in (
        (checkpoint, is_right, "tree", "checkpoint"),
        (older, is_consistent, "consistency", "older checkpoint"),
    ):
        if holds or stated is None:
            continue
        what = f"the entries are not those that the {which} was signed for"
        if _root_of_first(published, stated.size) == stated.root:
            differing = _differences(published, stated.size, parts)
            for seq, stream_id, version in _firsts_of_streams(path, differing):
                findings.append(Finding(rule, what, stream_id, version, seq))
        else:
            what += f", nor are the published tiles: one of the first {stated.size}"
            findings.append(Finding(rule, what))
    return findings


def _published_leaves(path: Path) -> list[bytes]:
    leaves: list[bytes] = []
    for line in _lines(path, Kind.TILES):
        match line:
            case {"tile": int(), "hashes": str() as hashes} if len(line) == 2:
                try:
                    leaves += split(export_format.from_base64(hashes))
                except ValueError:
                    leaves.clear()
    return leaves


def _root_of_first(leaves: list[bytes], size: int) -> bytes | None:
    return root_of(leaves[:size]) if len(leaves) >= size else None


def _differences(published: list[bytes], size: int, parts: Sequence[_Part]) -> set[int]:
    """The numbers of the entries that are others than published, or as many as are of use."""
    found: set[int] = set()
    for which, width, _, pieces in jobs(size, [part.pieces for part in parts]):
        first = which * RANGE
        hashes = split(hash_range((which, width, True, pieces)).hashes or b"")
        pairs = zip(hashes, published[first:], strict=False)
        found.update(seq for seq, (ours, theirs) in enumerate(pairs, first) if ours != theirs)
        if len(found) > _DIFFERENCES_MAX:
            break
    return found


def _firsts_of_streams(path: Path, seqs: set[int]) -> list[tuple[int, str, int]]:
    """Of each stream the first of the entries with these numbers: number, stream, version."""
    places: dict[int, tuple[str, int]] = {}
    stream_id: str | None = None
    for line in _lines(path, Kind.ENTRIES):
        if type(line) is dict and line.keys() == {"stream"}:
            stream_id = line["stream"] if type(line["stream"]) is str else stream_id
        elif stream_id is not None and _is_one_of(line, seqs):
            places[line[1]] = (stream_id, line[0])
    firsts: dict[str, tuple[int, str, int]] = {}
    for seq in sorted(places):
        stream_id, version = places[seq]
        firsts.setdefault(stream_id, (seq, stream_id, version))
    return list(firsts.values())


def _is_one_of(line: Any, seqs: set[int]) -> bool:
    is_entry = type(line) is list and len(line) == len(COLUMNS) and not is_odd(line)
    return is_entry and type(line[1]) is int and line[1] in seqs


# The file.


def _header(path: Path) -> export_format.Header:
    """The first line; raises `ExportInvalid`."""
    first = next(export_format.read_whole(path), b"").split(b"\n", 1)[0]
    try:
        fields = orjson.loads(first)
        if fields["format"] != export_format.FORMAT:
            raise ExportInvalid(f"the format is {fields['format']!r}, not {export_format.FORMAT}")
        size, checkpoint, keys = fields["size"], fields["checkpoint"], fields["keys"]
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise ExportInvalid("the file does not begin with the header of an export") from error
    is_right = (
        set(fields) == export_format.HEADER_FIELDS
        and fields["columns"] == list(COLUMNS)
        and (type(size), type(checkpoint), type(keys)) == (int, str, list)
        and 0 <= size <= INTEGER_MAX
        and all(type(key) is str for key in keys)
    )
    if not is_right:
        raise ExportInvalid("the header is not that of an export")
    return export_format.Header(size, checkpoint, tuple(keys))


def _keys_in(header: export_format.Header) -> list[VerifierKey]:
    try:
        keys = [VerifierKey.parse(key) for key in header.keys]
    except NoteInvalid as error:
        raise ExportInvalid(f"the header has a key that is none: {error}") from error
    if any(key.kind != ED25519 for key in keys):
        raise ExportInvalid("the header has a key of another kind than a log's")
    return keys


def _without_first_line(blocks: Iterator[bytes]) -> Iterator[bytes]:
    yield next(blocks, b"").split(b"\n", 1)[-1]
    yield from blocks


def _lines(path: Path, kind: Kind) -> Iterator[Any]:
    """The lines of one kind, as JSON, for when time does not matter any more."""
    if export_format.has_index(path):
        with path.open("rb") as file:
            frames = [frame for frame in export_format.frames(file) if frame.kind is kind]
            for frame in frames:
                yield from _parsed(export_format.read_frame(file, frame))
    else:
        for block in export_format.read_whole(path):
            yield from _parsed(block)


def _parsed(block: bytes) -> Iterator[Any]:
    for line in block.split(b"\n")[:-1]:
        try:
            yield orjson.loads(line)
        except orjson.JSONDecodeError:
            continue


def _sorted(findings: Iterable[Finding]) -> list[Finding]:
    """In the order of the sequence, what has no place last."""
    return sorted(
        findings, key=lambda each: (each.seq is None, each.seq or 0, each.version or 0, each.rule)
    )
