"""Tiles: the same tree in pieces, each reached by exactly one path."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.merkle import (
    HASH_BYTES,
    Subtree,
    consistency_ranges,
    inclusion_ranges,
    leaf_hashes,
    prove,
    root_by_inclusion,
    root_of,
    verify_consistency,
)
from projections.tiles import (
    Place,
    TilePath,
    grow,
    hash_in,
    parse_path,
    path_of,
    places_for,
    right_edge,
    root_of_edge,
)

LEAVES = leaf_hashes([b"%d" % n for n in range(70_000)])


def grown(*sizes: int) -> dict[Place, bytes]:
    """All tiles after growing to each of ``sizes`` in turn."""
    stored: dict[Place, bytes] = {}
    size = 0
    for next_size in sizes:
        edge = {place: stored[place] for place in right_edge(size)}
        stored |= grow(size, edge, b"".join(LEAVES[size:next_size]))
        size = next_size
    return stored


def widths(stored: dict[Place, bytes]) -> dict[Place, int]:
    return {place: len(hashes) // HASH_BYTES for place, hashes in stored.items()}


def test_a_tree_of_70000_has_the_tiles_that_the_specification_counts() -> None:
    by_width = widths(grown(70_000))

    assert sum(width == 256 and place.level == 0 for place, width in by_width.items()) == 273
    assert by_width[Place(0, 273)] == 112
    assert by_width[Place(1, 0)] == 256
    assert by_width[Place(1, 1)] == 17
    assert by_width[Place(2, 0)] == 1
    assert len(by_width) == 273 + 4


def test_a_tree_of_256_has_a_full_tile_and_one_of_width_1_above() -> None:
    assert widths(grown(256)) == {Place(0, 0): 256, Place(1, 0): 1}


@given(st.lists(st.integers(1, 1_500), min_size=1, max_size=6))
def test_the_tiles_do_not_tell_by_which_steps_the_tree_grew(steps: list[int]) -> None:
    sizes = [sum(steps[: n + 1]) for n in range(len(steps))]
    assert grown(*sizes) == grown(sizes[-1])


@given(st.integers(0, 5_000))
def test_the_right_edge_is_all_that_the_root_needs(size: int) -> None:
    stored = grown(size)
    assert root_of_edge(size, {place: stored[place] for place in right_edge(size)}) == root_of(
        LEAVES[:size]
    )


BIG = grown(70_000)


@given(data=st.data(), size=st.integers(1, 70_000))
def test_proofs_from_the_tiles_named_for_them_hold(data: st.DataObject, size: int) -> None:
    """From the tiles of a larger tree: they are those of ``size`` with more at their ends."""
    index = data.draw(st.integers(0, size - 1))
    old_size = data.draw(st.integers(0, size))
    root = root_of(LEAVES[:size])

    ranges = inclusion_ranges(index, size)
    needed = {place: BIG[place] for place in places_for(ranges)}
    proof = prove(ranges, lambda subtree: hash_in(needed, subtree))
    assert root_by_inclusion(LEAVES[index], index, size, proof) == root

    ranges = consistency_ranges(old_size, size)
    needed = {place: BIG[place] for place in places_for(ranges)}
    proof = prove(ranges, lambda subtree: hash_in(needed, subtree))
    verify_consistency(old_size, root_of(LEAVES[:old_size]), size, root, proof)


def test_a_tile_that_is_too_short_gives_no_hash() -> None:
    with pytest.raises(ValueError, match="too short"):
        hash_in({Place(0, 0): b"".join(LEAVES[:3])}, Subtree(2, 0))


@pytest.mark.parametrize(
    ("path", "tile"),
    [
        ("0/x001/x234/067", TilePath(0, 1_234_067, 256)),
        ("0/000", TilePath(0, 0, 256)),
        ("0/999", TilePath(0, 999, 256)),
        ("1/x001/000", TilePath(1, 1_000, 256)),
        ("7/000.p/1", TilePath(7, 0, 1)),
        ("entries/x273/123.p/255", TilePath(None, 273_123, 255)),
    ],
)
def test_a_path_names_one_tile_and_a_tile_has_one_path(path: str, tile: TilePath) -> None:
    assert parse_path(path) == tile
    assert path_of(tile) == path


@pytest.mark.parametrize(
    "path",
    [
        "0/0",
        "0/1",
        "00/001",
        "0/x000/001",
        "0/001/002",
        "0/x001",
        "0/001.p/0",
        "0/001.p/01",
        "0/001.p/256",
        "0/001.p/300",
        "0/001.p/",
        "-1/001",
        "entries",
        "entries/",
        "0/001/",
        "data/001",
        "0/\N{ARABIC-INDIC DIGIT ZERO}01",
        "100/001",
        "",
    ],
)
def test_any_other_spelling_names_none(path: str) -> None:
    assert parse_path(path) is None
