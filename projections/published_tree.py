"""A tree hashed anew, beside the tiles that were published of it: where the two differ."""

from collections.abc import Iterator
from typing import Final

from ledger.rows import Row
from projections.merkle import HASH_BYTES, RightEdge, root_of
from projections.tiles import WIDTH, Place, grow, split

_TILE_BYTES: Final = WIDTH * HASH_BYTES
_TILE_HEIGHT: Final = 8


class GrownTree:
    """A tree of leaves that are added in order; what it was at ``older_size`` is kept."""

    def __init__(self, older_size: int | None) -> None:
        self._edge = RightEdge()
        self._above = bytearray()
        self._older_size = older_size
        self.older_root: bytes | None = None
        self._keep_older(b"")

    def add(self, leaves: bytes) -> None:
        """More leaf hashes, to a multiple of `WIDTH` unless they are the last."""
        self._keep_older(leaves)
        whole = len(leaves) // _TILE_BYTES * _TILE_BYTES
        roots = [
            root_of(split(leaves[start : start + _TILE_BYTES]))
            for start in range(0, whole, _TILE_BYTES)
        ]
        self._above += b"".join(roots)
        self._edge.append(roots, height=_TILE_HEIGHT)
        self._edge.append(split(leaves[whole:]))

    def root(self) -> bytes:
        """The root over all that was added."""
        return self._edge.root()

    def tiles_above(self) -> dict[Place, bytes]:
        """Every tile above the leaves."""
        tiles = grow(0, {}, bytes(self._above))
        return {Place(place.level + 1, place.position): tiles[place] for place in sorted(tiles)}

    def _keep_older(self, leaves: bytes) -> None:
        count = None if self._older_size is None else self._older_size - self._edge.size
        if count is not None and 0 <= count <= len(leaves) // HASH_BYTES:
            older = self._edge.copy()
            older.append(split(leaves[: count * HASH_BYTES]))
            self.older_root = older.root()


class PublishedTiles:
    """Tiles as they are stored, held against those that should be, which are named in order."""

    def __init__(self, rows: Iterator[Row]) -> None:
        self._rows = rows
        self._next = next(rows, None)
        self.wrong: Place | None = None
        """The first that is not as it should be, or is one too many."""

    def take(self, place: Place, expected: bytes) -> bytes:
        """The hashes of a tile, or nothing where there is no such tile."""
        while self._next is not None and self._next[:2] < (place.level, place.position):
            self._note(Place(*self._next[:2]))
            self._next = next(self._rows, None)
        hashes = b""
        if self._next is not None and self._next[:2] == (place.level, place.position):
            hashes = self._next[2]
            self._next = next(self._rows, None)
        if hashes != expected:
            self._note(place)
        return hashes

    def take_rest(self) -> None:
        """There should be no more."""
        while self._next is not None:
            self._note(Place(*self._next[:2]))
            self._next = next(self._rows, None)

    def _note(self, place: Place) -> None:
        self.wrong = self.wrong or place


def differences(ours: bytes, theirs: bytes) -> list[int]:
    """Which of the hashes in two rows of as many are not the same."""
    if ours == theirs:
        return []
    pairs = zip(split(ours), split(theirs), strict=True)
    return [at for at, (one, other) in enumerate(pairs) if one != other]
