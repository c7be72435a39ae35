"""Verify the log against the ledger: order, tree, tiles and checkpoint, all recomputed.

It looks on while `ledger.verify` reads the ledger, in the same snapshot, and makes every leaf from
the entry's stored columns. What may lag behind is only what comes after the last number, and after
the last leaf: no number is given twice, left out, or given to what is not in the ledger.
"""

import struct
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from psycopg import RawCursor

from ledger import chain
from ledger.database import statement
from ledger.replay import Violation
from ledger.rows import Row
from ledger.values import EventId
from ledger.verify import read
from projections.leaf_ranges import (
    NO_LEAF,
    RANGE,
    LeafSorter,
    hash_range,
    jobs,
    runs,
)
from projections.leaves import logged
from projections.merkle import HASH_BYTES, leaf_hash
from projections.notes import Checkpoint, Note, NoteInvalid, VerifierKey, open_checkpoint
from projections.published_tree import GrownTree, PublishedTiles, differences
from projections.tiles import WIDTH, Place

_READ_NUMBERS: Final = statement("projections", "read_numbers")
_READ_MARKS: Final = statement("projections", "read_marks")
_READ_ALL_TILES: Final = statement("projections", "read_all_tiles")
_READ_PROGRESS: Final = statement("projections", "read_progress")
_FIND_PLACES: Final = statement("projections", "find_places")

_VIOLATIONS_MAX: Final = 1_000
_DIFFERENCES_MAX: Final = 100_000
_LEAVES_AT_A_TIME: Final = 5_000
_TILES_OF_RANGE: Final = RANGE // WIDTH
_TILE_BYTES: Final = WIDTH * HASH_BYTES

Connection = psycopg.Connection[Row]
Violations = Callable[[], list[Violation]]
Watch = Callable[[Row], None]


@contextmanager
def verify_log(
    connection: Connection, keys: Sequence[VerifierKey], previous: bytes | None = None
) -> Iterator[tuple[Watch, Violations]]:
    """What to tell of every row of read_ledger, in order, and what is to be asked after the last.

    ``keys`` are the log's public ones, as far as they are known here; a signature by others is not
    looked at. ``previous`` is an older checkpoint, which what there is now must extend. Raises
    psycopg.Error when the database cannot be read to the end.
    """
    with tempfile.TemporaryDirectory(prefix="flashticket-verify-") as folder:
        log = _Log(connection, f"{folder}/leaves")
        yield log.watch, lambda: log.violations(keys, previous)


class _Log:
    def __init__(self, connection: Connection, path: str) -> None:
        self._connection = connection
        self._found: list[Violation] = []
        progress = self._rows(_READ_PROGRESS)
        self._next_seq, self._size, self._checkpoint = progress[0] if progress else (0, 0, None)
        if not progress:
            self._find("sequence", "the rows that say how far the log has come are not there")
        self._numbers = read(connection, _READ_NUMBERS)
        self._number = next(self._numbers, None)
        self._marks = read(connection, _READ_MARKS)
        self._mark = next(self._marks, None)
        self._sorter = LeafSorter(path)
        self._seqs: list[int] = []
        self._leaves: list[bytes] = []
        self._stream_id: EventId | None = None
        self._numbered_to = 0
        self._last_seq = -1
        self._last_version = 0

    def watch(self, row: Row) -> None:
        """The next entry of the ledger."""
        stream_id, version = row[0], row[1]
        if stream_id != self._stream_id:
            self._begin_stream(stream_id)
        while self._number is not None and self._number[:2] < (stream_id, version):
            self._find_unread_number()
        if self._number is None or self._number[:2] != (stream_id, version):
            if version <= self._numbered_to:
                self._find("sequence", "the entry has no number", stream_id, version)
            return
        seq = self._number[2]
        if seq <= self._last_seq:
            self._find("sequence", f"number {seq} does not ascend", stream_id, version)
        self._last_seq, self._last_version = seq, version
        self._take(seq, _leaf_of(row), stream_id, version)
        self._number = next(self._numbers, None)

    def violations(self, keys: Sequence[VerifierKey], previous: bytes | None) -> list[Violation]:
        """All that is wrong, once every entry was told."""
        self._end_stream()
        while self._number is not None:
            self._find_unread_number()
        while self._mark is not None:
            self._pass_mark()
        self._sorter.take(self._seqs, self._leaves)
        checkpoint = self._opened(keys)
        older = None
        if previous is not None:
            older = self._older(previous, keys, checkpoint)
        self._check_tree(checkpoint, older)
        return self._found[:_VIOLATIONS_MAX]

    def _find(
        self, rule: str, what: str, stream_id: EventId | None = None, version: int | None = None
    ) -> None:
        self._found.append(Violation(rule, stream_id, version, what))

    # The order.

    def _begin_stream(self, stream_id: EventId) -> None:
        self._end_stream()
        while self._mark is not None and self._mark[0] < stream_id:
            self._pass_mark()
        self._stream_id, self._last_seq, self._last_version = stream_id, -1, 0
        self._numbered_to = 0
        if self._mark is not None and self._mark[0] == stream_id:
            self._numbered_to = self._mark[1]
            self._mark = next(self._marks, None)

    def _end_stream(self) -> None:
        stream_id = self._stream_id
        if stream_id is None:
            return
        while self._number is not None and self._number[0] == stream_id:
            self._find_unread_number()
        if self._last_version > self._numbered_to:
            what = f"the entry has a number, and the stream's mark is {self._numbered_to}"
            self._find("sequence", what, stream_id, self._last_version)
        if self._last_version < self._numbered_to:
            what = f"the stream is marked as numbered to {self._numbered_to}"
            self._find("sequence", what, stream_id, self._last_version + 1)

    def _pass_mark(self) -> None:
        if self._mark is not None:
            self._find("sequence", "a stream without entries is marked", self._mark[0])
        self._mark = next(self._marks, None)

    def _find_unread_number(self) -> None:
        """The next number is that of no entry, or of one that has another already."""
        if self._number is not None:
            stream_id, version, seq = self._number
            self._find("sequence", f"number {seq} is that of no entry", stream_id, version)
            self._take(seq, NO_LEAF, stream_id, version)
        self._number = next(self._numbers, None)

    def _take(self, seq: int, leaf: bytes, stream_id: EventId, version: int) -> None:
        if not 0 <= seq < self._next_seq:
            self._find("sequence", f"number {seq} was never given", stream_id, version)
            return
        self._seqs.append(seq)
        self._leaves.append(leaf)
        if len(self._seqs) >= _LEAVES_AT_A_TIME:
            self._sorter.take(self._seqs, self._leaves)

    # The checkpoints.

    def _opened(self, keys: Sequence[VerifierKey]) -> Checkpoint | None:
        if self._checkpoint is None:
            if self._size:
                self._find("signature", f"there is a tree of {self._size} and no checkpoint")
            return None
        note = self._checkpoint.encode()
        try:
            if keys:
                checkpoint = open_checkpoint(note, keys)
            else:
                checkpoint = Checkpoint.parse(Note.parse(note).text)
        except NoteInvalid as error:
            self._find("signature", f"the checkpoint is not valid: {error}")
            return None
        if checkpoint.size != self._size:
            what = f"the checkpoint is of {checkpoint.size} entries, the tree of {self._size}"
            self._find("tree", what)
        return checkpoint

    def _older(
        self, previous: bytes, keys: Sequence[VerifierKey], checkpoint: Checkpoint | None
    ) -> Checkpoint | None:
        try:
            older = open_checkpoint(previous, keys)
        except NoteInvalid as error:
            self._find("signature", f"the older checkpoint is not valid: {error}")
            return None
        if checkpoint is None or older.size > min(checkpoint.size, self._next_seq):
            size = 0 if checkpoint is None else min(checkpoint.size, self._next_seq)
            what = f"the older checkpoint has {older.size} entries: from number {size} on cut off"
            self._find("consistency", what)
            return None
        return older

    # The tree.

    def _check_tree(self, checkpoint: Checkpoint | None, older: Checkpoint | None) -> None:
        size = self._size if checkpoint is None else checkpoint.size
        if size > self._next_seq:
            self._find("tree", f"it has {size} entries, and {self._next_seq} are numbered")
            size = self._next_seq
        older_size = None if older is None else older.size
        ours, theirs = GrownTree(older_size), GrownTree(older_size)
        tiles = PublishedTiles(read(self._connection, _READ_ALL_TILES))
        differing: list[int] = []
        for which, width, _, pieces in jobs(self._next_seq, [self._sorter.pieces()]):
            leaves = hash_range((which, width, True, pieces))
            self._find_gaps(leaves.missing, leaves.doubled)
            hashes = (leaves.hashes or b"")[: max(size - which * RANGE, 0) * HASH_BYTES]
            published = _taken(tiles, which * _TILES_OF_RANGE, hashes)
            ours.add(hashes)
            theirs.add(published)
            if len(differing) < _DIFFERENCES_MAX:
                differing += [which * RANGE + at for at in differences(hashes, published)]
        if checkpoint is not None and ours.root() != checkpoint.root:
            are_published = theirs.root() == checkpoint.root
            self._find_other("tree", "the checkpoint", checkpoint, are_published, differing)
        else:
            for place, expected in ours.tiles_above().items():
                tiles.take(place, expected)
            tiles.take_rest()
            if tiles.wrong is not None:
                level, position = tiles.wrong.level, tiles.wrong.position
                what = f"the tile at level {level}, position {position} is not the tree's"
                self._find("tree", what)
        if older is not None and ours.older_root != older.root:
            are_published = theirs.older_root == older.root
            self._find_other("consistency", "the older checkpoint", older, are_published, differing)

    def _find_gaps(self, missing: Sequence[int], doubled: Sequence[int]) -> None:
        for first, last in runs(missing):
            which = f"number {first} is" if first == last else f"numbers {first} to {last} are"
            self._find("sequence", f"{which} left out")
        for seq in doubled:
            self._find("sequence", f"number {seq} is given twice")

    def _find_other(
        self,
        rule: str,
        whose: str,
        stated: Checkpoint,
        are_published: bool,
        differing: Sequence[int],
    ) -> None:
        """Of each stream the first entry that is another, where the published tiles tell."""
        what = f"the entries are not those that {whose} was signed for"
        if not are_published:
            where = f", nor are the published tiles: one of the first {stated.size}"
            self._find(rule, what + where)
            return
        named: set[EventId] = set()
        seqs = [seq for seq in differing if seq < stated.size]
        for seq, stream_id, version in self._rows(_FIND_PLACES, seqs):
            if stream_id not in named:
                named.add(stream_id)
                self._find(rule, f"{what}: number {seq}", stream_id, version)

    def _rows(self, query: bytes, *parameters: Any) -> list[Row]:
        with RawCursor(self._connection) as cursor:
            return cursor.execute(query, parameters, binary=True).fetchall()


def _taken(tiles: PublishedTiles, position: int, leaves: bytes) -> bytes:
    """The leaf hashes in the tiles from a position on, as many as there should be."""
    taken = []
    for start in range(0, len(leaves), _TILE_BYTES):
        expected = leaves[start : start + _TILE_BYTES]
        hashes = tiles.take(Place(0, position), expected)
        taken.append(hashes[: len(expected)].ljust(len(expected), b"\0"))
        position += 1
    return b"".join(taken)


def _leaf_of(row: Row) -> bytes:
    """From a row of read_ledger; `NO_LEAF` where it has no bytes to be hashed."""
    try:
        preimage = chain.preimage(
            stream_id=row[0],
            version=row[1],
            recorded_at=row[2],
            actor=row[3],
            idempotency_key=row[4],
            request_hash=row[5],
            type_name=row[6],
            schema_version=row[7],
            payload=row[8],
            prev_hash=row[9],
        )
    except (struct.error, UnicodeEncodeError):
        return NO_LEAF
    return leaf_hash(logged(preimage))
