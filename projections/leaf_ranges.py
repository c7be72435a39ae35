"""Leaf hashes that come in any order, sorted by number on disk: range after range up to the root.

So a tree over any number of entries is hashed in the memory of one range.
"""

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from pathlib import Path
from typing import Final

from projections.merkle import HASH_BYTES, RightEdge, root_of
from projections.tiles import split

RANGE: Final = 1 << 16
"""Leaves that are sorted and hashed at a time; a power of two."""

RANGE_HEIGHT: Final = 16

NO_LEAF: Final = bytes(HASH_BYTES)
"""Stands for the leaf hash of an entry whose bytes cannot be told; no entry hashes to it."""

_SEQ_BYTES: Final = 8


@dataclass(frozen=True, slots=True)
class Piece:
    """Leaf hashes of one range, unsorted: numbers, then hashes, at a place in a file."""

    path: str
    offset: int
    count: int


Pieces = dict[int, list[Piece]]
"""By range."""


class LeafSorter:
    """Puts leaf hashes into ranges of the sequence, in a file of its own."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._seqs: dict[int, array[int]] = {}
        self._leaves: dict[int, bytearray] = {}
        self._pieces: Pieces = {}
        self._held = 0

    def take(self, seqs: list[int], leaves: list[bytes]) -> None:
        """Take over and empty both lists."""
        if seqs:
            first, last = min(seqs) // RANGE, max(seqs) // RANGE
            if first == last:
                self._put(first, seqs, b"".join(leaves))
            else:
                ranges = [seq // RANGE for seq in seqs]
                for which in set(ranges):
                    within = [each == which for each in ranges]
                    chosen = b"".join(compress(leaves, within))
                    self._put(which, list(compress(seqs, within)), chosen)
            self._held += len(seqs)
        seqs.clear()
        leaves.clear()
        if self._held >= RANGE:
            self._write()

    def _put(self, which: int, seqs: Sequence[int], leaves: bytes) -> None:
        if which not in self._seqs:
            self._seqs[which] = array("Q")
            self._leaves[which] = bytearray()
        self._seqs[which].extend(seqs)
        self._leaves[which] += leaves

    def pieces(self) -> Pieces:
        """Where each range's leaf hashes now are."""
        self._write()
        return self._pieces

    def _write(self) -> None:
        with Path(self._path).open("ab") as file:
            for which, seqs in self._seqs.items():
                piece = Piece(self._path, file.tell(), len(seqs))
                self._pieces.setdefault(which, []).append(piece)
                file.write(seqs.tobytes() + self._leaves[which])
        self._seqs, self._leaves, self._held = {}, {}, 0


@dataclass(frozen=True, slots=True)
class LeafRange:
    """The leaves of a range: its root if it is full, itself if it is the last or asked for."""

    root: bytes | None
    hashes: bytes | None
    missing: tuple[int, ...]
    doubled: tuple[int, ...]


Job = tuple[int, int, bool, list[Piece]]
"""Which range, how many leaves it has, whether its leaves are asked for, and where they are."""


def jobs(size: int, pieces: Iterable[Mapping[int, list[Piece]]], *, asked: int = -1) -> list[Job]:
    """The ranges of a tree of ``size``, for `hash_range`."""
    found = list(pieces)
    return [
        (
            which,
            min(RANGE, size - which * RANGE),
            which == asked,
            [piece for each in found for piece in each.get(which, ())],
        )
        for which in range(-(-size // RANGE))
    ]


def hash_range(job: Job) -> LeafRange:
    """Sort the leaves of a range and hash them."""
    which, width, is_asked, pieces = job
    first = which * RANGE
    by_seq: dict[int, bytes] = {}
    count, doubled = 0, set[int]()
    for seqs, leaves in map(_read_piece, pieces):
        count += len(seqs)
        by_seq.update(zip(seqs, leaves, strict=True))
    if len(by_seq) != count:
        doubled = _doubled(seq for piece in pieces for seq in _read_piece(piece)[0])
    missing: tuple[int, ...] = ()
    try:
        hashes = [by_seq[seq] for seq in range(first, first + width)]
    except KeyError:
        missing = tuple(seq for seq in range(first, first + width) if seq not in by_seq)
        hashes = [by_seq.get(seq, NO_LEAF) for seq in range(first, first + width)]
    is_full = width == RANGE
    return LeafRange(
        root=root_of(hashes) if is_full else None,
        hashes=b"".join(hashes) if is_asked or not is_full else None,
        missing=missing,
        doubled=tuple(sorted(doubled)),
    )


def _doubled(seqs: Iterable[int]) -> set[int]:
    return {seq for seq, times in Counter(seqs).items() if times > 1}


def _read_piece(piece: Piece) -> tuple["array[int]", list[bytes]]:
    with Path(piece.path).open("rb") as file:
        file.seek(piece.offset)
        seqs = array("Q", file.read(piece.count * _SEQ_BYTES))
        return seqs, split(file.read(piece.count * HASH_BYTES))


def append_range(edge: RightEdge, leaves: LeafRange) -> None:
    """Add the next range to a tree."""
    if leaves.root is not None:
        edge.append([leaves.root], height=RANGE_HEIGHT)
    else:
        edge.append(split(leaves.hashes or b""))


def root_within(edge: RightEdge, leaves: LeafRange, count: int) -> bytes:
    """The root of the tree that ends ``count`` leaves into a range, which were asked for."""
    shorter = edge.copy()
    shorter.append(split(leaves.hashes or b"")[:count])
    return shorter.root()


def runs(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """First and last of each row of numbers that follow one another."""
    first = last = None
    for number in numbers:
        if first is None or last is None:
            first = number
        elif number != last + 1:
            yield first, last
            first = number
        last = number
    if first is not None and last is not None:
        yield first, last
