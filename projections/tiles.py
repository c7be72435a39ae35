"""Tiles (C2SP tlog-tiles): a tree in pieces that never change once they are full. Pure.

The tile at a level and position holds up to 256 hashes: those of the leaves at level 0, and above
that one for every full tile of the level below. A tile that is not full only ever gets longer, so
any shorter form of it is its beginning.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from projections.merkle import HASH_BYTES, Subtree, fold_left, perfect_subtrees, root_of

WIDTH: Final = 256
"""Hashes in a full tile, and entries in a full bundle."""

LEVELS: Final = 8
"""Enough for 2^63 entries."""

_HEIGHT: Final = 8
_FULL_BYTES: Final = WIDTH * HASH_BYTES
_INDEX: Final = r"((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?"
_TILE_PATH: Final = re.compile(rf"(entries|0|[1-9][0-9]?)/{_INDEX}")


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a tile is: hashes ``position * 256`` and on of all that its level has."""

    level: int
    position: int


@dataclass(frozen=True, slots=True)
class TilePath:
    """What a path below ``tile/`` asks for; ``level`` is None for a bundle of entries."""

    level: int | None
    position: int
    width: int


def parse_path(path: str) -> TilePath | None:
    """What ``path`` asks for, None unless it is exactly as the specification spells it."""
    match = _TILE_PATH.fullmatch(path)
    if match is None:
        return None
    level, index, width = match.groups()
    if width is not None and int(width) >= WIDTH:
        return None
    digits = index.replace("x", "").replace("/", "")
    asked = TilePath(
        level=None if level == "entries" else int(level),
        position=int(digits),
        width=WIDTH if width is None else int(width),
    )
    return asked if path == path_of(asked) else None


def path_of(tile: TilePath) -> str:
    """The path below ``tile/`` of a tile or bundle."""
    digits = str(tile.position)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[i : i + 3] for i in range(0, len(digits), 3)]
    index = "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
    level = "entries" if tile.level is None else tile.level
    partial = "" if tile.width == WIDTH else f".p/{tile.width}"
    return f"{level}/{index}{partial}"


def right_edge(size: int) -> list[Place]:
    """The tiles of a tree that are not full: at most one a level."""
    return [
        Place(level, hashes // WIDTH)
        for level in range(LEVELS)
        if (hashes := size >> (_HEIGHT * level)) % WIDTH
    ]


def grow(size: int, edge: Mapping[Place, bytes], leaves: bytes) -> dict[Place, bytes]:
    """The tiles that change when leaf hashes, one after another, are added to a tree of ``size``.

    ``edge`` holds the tiles of `right_edge`.
    """
    changed: dict[Place, bytes] = {}
    level, new = 0, leaves
    while new:
        position = (size >> (_HEIGHT * level)) // WIDTH
        content = edge.get(Place(level, position), b"") + new
        full = []
        for start in range(0, len(content), _FULL_BYTES):
            tile = content[start : start + _FULL_BYTES]
            changed[Place(level, position)] = tile
            if len(tile) == _FULL_BYTES:
                full.append(root_of(split(tile)))
                position += 1
        level, new = level + 1, b"".join(full)
    return changed


def root_of_edge(size: int, edge: Mapping[Place, bytes]) -> bytes:
    """The root of a tree of ``size`` with these tiles, of which those at its right edge matter."""
    parts = []
    for place in reversed(right_edge(size)):
        hashes = split(edge[place])
        parts += [
            root_of(hashes[part.index << part.height : (part.index + 1) << part.height])
            for part in perfect_subtrees(range((size >> (_HEIGHT * place.level)) % WIDTH))
        ]
    return fold_left(parts) if parts else root_of([])


def places_for(ranges: Iterable[range]) -> set[Place]:
    """The tiles in which the hashes are that `merkle.prove` needs for ``ranges``."""
    return {_place(part)[0] for each in ranges for part in perfect_subtrees(each)}


def hash_in(tiles: Mapping[Place, bytes], subtree: Subtree) -> bytes:
    """The hash of a perfect subtree, which `places_for` named the tile of.

    Raises KeyError for a tile that is not there, ValueError for one that is too short.
    """
    place, first, count = _place(subtree)
    hashes = tiles[place][first * HASH_BYTES : (first + count) * HASH_BYTES]
    if len(hashes) != count * HASH_BYTES:
        raise ValueError(f"the tile at {place} is too short")
    return root_of(split(hashes))


def _place(subtree: Subtree) -> tuple[Place, int, int]:
    """A tile, and which of its hashes are the leaves of ``subtree`` at that level."""
    level, height = divmod(subtree.height, _HEIGHT)
    position, first = divmod(subtree.index << height, WIDTH)
    return Place(level, position), first, 1 << height


def split(hashes: bytes) -> list[bytes]:
    """Hashes one after another as a list."""
    return [hashes[i : i + HASH_BYTES] for i in range(0, len(hashes), HASH_BYTES)]
