"""The tree against the vectors that Certificate Transparency publishes, and against the
code of pymerkle and sigstore.
"""

from types import SimpleNamespace
from typing import Any

import pymerkle
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sigstore._internal.merkle import verify_merkle_inclusion

from projections import merkle
from projections.merkle import (
    EMPTY_ROOT,
    ProofInvalid,
    RightEdge,
    Subtree,
    consistency_ranges,
    inclusion_ranges,
    leaf_hash,
    leaf_hashes,
    prove,
    root_by_inclusion,
    root_of,
    verify_consistency,
)

# The reference tree of the Certificate Transparency projects.
LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
INCLUSION = {
    (0, 1): [],
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    (1, 5): [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
CONSISTENCY = {
    (1, 1): [],
    (1, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
    (6, 7): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
}


class Tree:
    """All leaf hashes of a tree, and proofs from them."""

    def __init__(self, entries: list[bytes]) -> None:
        self.hashes = leaf_hashes(entries)

    def root(self, size: int) -> bytes:
        return root_of(self.hashes[:size])

    def hash_of(self, subtree: Subtree) -> bytes:
        start = subtree.index << subtree.height
        return root_of(self.hashes[start : start + (1 << subtree.height)])

    def inclusion(self, index: int, size: int) -> list[bytes]:
        return prove(inclusion_ranges(index, size), self.hash_of)

    def consistency(self, old_size: int, size: int) -> list[bytes]:
        return prove(consistency_ranges(old_size, size), self.hash_of)


def as_hex(hashes: list[bytes]) -> list[str]:
    return [each.hex() for each in hashes]


@pytest.mark.parametrize("size", range(9))
def test_roots_are_those_published(size: int) -> None:
    edge = RightEdge()
    edge.append(leaf_hashes(LEAVES[:size]))

    assert Tree(LEAVES).root(size).hex() == edge.root().hex() == ROOTS[size]


@pytest.mark.parametrize(("index", "size"), INCLUSION)
def test_inclusion_proofs_are_those_published(index: int, size: int) -> None:
    proof = Tree(LEAVES).inclusion(index, size)

    assert as_hex(proof) == INCLUSION[index, size]
    assert root_by_inclusion(leaf_hash(LEAVES[index]), index, size, proof).hex() == ROOTS[size]


@pytest.mark.parametrize(("old_size", "size"), CONSISTENCY)
def test_consistency_proofs_are_those_published(old_size: int, size: int) -> None:
    proof = Tree(LEAVES).consistency(old_size, size)

    assert as_hex(proof) == CONSISTENCY[old_size, size]
    verify_consistency(
        old_size, bytes.fromhex(ROOTS[old_size]), size, bytes.fromhex(ROOTS[size]), proof
    )


@pytest.fixture(scope="module")
def other() -> tuple[Tree, Any]:
    """A tree here, and the same one by pymerkle."""
    entries = [f"entry {n}".encode() for n in range(300)]
    tree = pymerkle.InmemoryTree(algorithm="sha256")
    tree.append_entries(entries)
    return Tree(entries), tree


SIZES = [*range(1, 40), 63, 64, 65, 127, 128, 129, 255, 256, 257, 300]


@pytest.mark.parametrize("size", SIZES)
def test_pymerkle_agrees_on_every_root_and_proof_of_inclusion(
    other: tuple[Tree, Any], size: int
) -> None:
    ours, theirs = other
    assert ours.root(size) == theirs.get_root(size)
    for index in range(size):
        # It counts from one, and its path begins with the leaf itself.
        path = theirs.prove_inclusion(index + 1, size).serialize()["path"]
        assert path == as_hex([ours.hashes[index], *ours.inclusion(index, size)])


@pytest.mark.parametrize("size", SIZES)
def test_pymerkle_accepts_our_roots_with_its_proofs_of_consistency(
    other: tuple[Tree, Any], size: int
) -> None:
    ours, theirs = other
    for old_size in range(1, size + 1):
        proof = theirs.prove_consistency(old_size, size)
        pymerkle.verify_consistency(ours.root(old_size), ours.root(size), proof)
        verify_consistency(
            old_size,
            ours.root(old_size),
            size,
            ours.root(size),
            ours.consistency(old_size, size),
        )


@pytest.mark.parametrize("size", SIZES)
def test_sigstore_accepts_our_proofs_of_inclusion(other: tuple[Tree, Any], size: int) -> None:
    ours, _ = other
    for index in range(size):
        proof = SimpleNamespace(
            log_index=index,
            tree_size=size,
            hashes=ours.inclusion(index, size),
            root_hash=ours.root(size),
        )
        entry = SimpleNamespace(inclusion_proof=proof, canonicalized_body=b"entry %d" % index)
        verify_merkle_inclusion(SimpleNamespace(_inner=entry))


@given(data=st.data(), size=st.integers(1, 300))
def test_a_proof_of_inclusion_holds_for_its_leaf_index_size_and_root_alone(
    other: tuple[Tree, Any], data: st.DataObject, size: int
) -> None:
    tree, _ = other
    index = data.draw(st.integers(0, size - 1))
    proof = tree.inclusion(index, size)
    assert root_by_inclusion(tree.hashes[index], index, size, proof) == tree.root(size)

    leaf, wrong_index, wrong_size, changed = tree.hashes[index], index, size, list(proof)
    match data.draw(st.sampled_from(["leaf", "index", "flip", "drop", "add"])):
        case "leaf":
            leaf = leaf_hash(b"another")
        case "index":
            wrong_index = data.draw(st.integers(0, size).filter(lambda other: other != index))
        case "flip" if proof:
            at = data.draw(st.integers(0, len(proof) - 1))
            changed[at] = leaf_hash(changed[at])
        case "drop" if proof:
            del changed[data.draw(st.integers(0, len(proof) - 1))]
        case _:
            changed.insert(data.draw(st.integers(0, len(proof))), tree.hashes[0])
    assert not leads_to(tree.root(size), leaf, wrong_index, wrong_size, changed)


def leads_to(root: bytes, leaf: bytes, index: int, size: int, proof: list[bytes]) -> bool:
    try:
        return root_by_inclusion(leaf, index, size, proof) == root
    except ProofInvalid:
        return False


@given(data=st.data(), size=st.integers(2, 300))
def test_a_proof_of_consistency_holds_for_its_sizes_and_roots_alone(
    other: tuple[Tree, Any], data: st.DataObject, size: int
) -> None:
    tree, _ = other
    old_size = data.draw(st.integers(1, size - 1))
    old_root, root, proof = tree.root(old_size), tree.root(size), tree.consistency(old_size, size)
    verify_consistency(old_size, old_root, size, root, proof)

    changed = list(proof)
    match data.draw(st.sampled_from(["old root", "root", "old size", "flip", "drop", "add"])):
        case "old root":
            old_root = leaf_hash(old_root)
        case "root":
            root = leaf_hash(root)
        case "old size":
            sizes = st.integers(0, size).filter(lambda other: other != old_size)
            old_size = data.draw(sizes)
        case "flip":
            at = data.draw(st.integers(0, len(proof) - 1))
            changed[at] = leaf_hash(changed[at])
        case "drop":
            del changed[data.draw(st.integers(0, len(proof) - 1))]
        case _:
            changed.insert(data.draw(st.integers(0, len(proof))), tree.hashes[0])
    with pytest.raises(ProofInvalid):
        verify_consistency(old_size, old_root, size, root, changed)


@pytest.mark.parametrize(("index", "size"), [(-1, 5), (5, 5), (0, 0)])
def test_a_leaf_that_is_not_in_the_tree_has_no_proof(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="no leaf"):
        inclusion_ranges(index, size)
    with pytest.raises(ProofInvalid):
        root_by_inclusion(leaf_hash(b""), index, size, [])


def test_a_tree_does_not_extend_a_larger_one(other: tuple[Tree, Any]) -> None:
    tree, _ = other
    with pytest.raises(ValueError, match="does not extend"):
        consistency_ranges(6, 5)
    with pytest.raises(ProofInvalid):
        verify_consistency(6, tree.root(6), 5, tree.root(5), [])


def test_every_tree_extends_the_empty_one_and_no_other_of_size_zero() -> None:
    verify_consistency(0, EMPTY_ROOT, 8, bytes.fromhex(ROOTS[8]), [])
    with pytest.raises(ProofInvalid):
        verify_consistency(0, bytes.fromhex(ROOTS[1]), 8, bytes.fromhex(ROOTS[8]), [])


@given(st.lists(st.integers(0, 70), max_size=8))
def test_growing_by_any_steps_gives_one_root(steps: list[int]) -> None:
    edge, hashes = RightEdge(), []
    for step in steps:
        new = leaf_hashes([bytes([n]) for n in range(step)])
        edge.append(new)
        hashes += new
        assert edge.size == len(hashes)
        assert edge.root() == root_of(hashes)


def test_a_leaf_cannot_pass_for_a_node() -> None:
    left, right = leaf_hash(b"left"), leaf_hash(b"right")
    assert leaf_hash(left + right) != merkle.node_hash(left, right)
