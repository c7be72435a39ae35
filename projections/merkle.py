"""RFC 6962 Merkle trees: hashes, proofs and how proofs are checked. Pure.

A tree is named by its size alone: entry ``i`` is the leaf at index ``i``, for ever. What hashes a
proof consists of is given as ranges of leaves; where their hashes come from is the caller's matter.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

HASH_BYTES: Final = 32

EMPTY_ROOT: Final = hashlib.sha256(b"").digest()
"""The root of the tree of size 0."""

_LEAF: Final = b"\0"
_NODE: Final = b"\1"


class ProofInvalid(Exception):
    """A proof that does not prove what it is said to."""


@dataclass(frozen=True, slots=True)
class Subtree:
    """The perfect subtree over leaves ``index << height`` to ``(index + 1) << height``."""

    height: int
    index: int


def leaf_hash(entry: bytes) -> bytes:
    """The hash of a leaf that is ``entry``."""
    return hashlib.sha256(_LEAF + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of a node over two others."""
    return hashlib.sha256(_NODE + left + right).digest()


def leaf_hashes(entries: Sequence[bytes]) -> list[bytes]:
    """`leaf_hash` of many."""
    sha256 = hashlib.sha256
    return [sha256(_LEAF + entry).digest() for entry in entries]


def parents(hashes: Sequence[bytes]) -> list[bytes]:
    """`node_hash` of each two; a last one without a partner is left out."""
    sha256 = hashlib.sha256
    pairs = zip(hashes[::2], hashes[1::2], strict=False)
    return [sha256(_NODE + left + right).digest() for left, right in pairs]


def root_of(hashes: Sequence[bytes]) -> bytes:
    """The root over leaves, or subtrees of one height, with these hashes."""
    right_edge: list[bytes] = []
    while len(hashes) > 1:
        if len(hashes) % 2:
            right_edge.append(hashes[-1])
        hashes = parents(hashes)
    return fold_left([*hashes, *reversed(right_edge)]) if hashes else EMPTY_ROOT


def fold_left(subtrees: Sequence[bytes]) -> bytes:
    """The root over one or more perfect subtrees, each smaller than the one to its left."""
    root = subtrees[-1]
    for left in reversed(subtrees[:-1]):
        root = node_hash(left, root)
    return root


class RightEdge:
    """A growing tree of which only the perfect subtrees at its right edge are kept."""

    def __init__(self) -> None:
        self.size = 0
        self._by_height: dict[int, bytes] = {}

    def append(self, hashes: Sequence[bytes], *, height: int = 0) -> None:
        """Add leaves with these hashes, or perfect subtrees of a height to a multiple of theirs."""
        self.size += len(hashes) << height
        while hashes:
            waiting = self._by_height.pop(height, None)
            if waiting is not None:
                hashes = [waiting, *hashes]
            if len(hashes) % 2:
                self._by_height[height] = hashes[-1]
            hashes = parents(hashes)
            height += 1

    def copy(self) -> "RightEdge":
        """The same tree, to grow in another way."""
        another = RightEdge()
        another.size, another._by_height = self.size, dict(self._by_height)
        return another

    def root(self) -> bytes:
        """The root of the tree as it stands."""
        if not self._by_height:
            return EMPTY_ROOT
        return fold_left([self._by_height[height] for height in sorted(self._by_height)[::-1]])


def inclusion_ranges(index: int, size: int) -> list[range]:
    """The ranges of leaves whose roots prove leaf ``index`` of a tree, the leaf's sibling first.

    Raises ValueError when the tree has no such leaf.
    """
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} has no leaf {index}")
    start, end, ranges = 0, size, []
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            ranges.append(range(middle, end))
            end = middle
        else:
            ranges.append(range(start, middle))
            start = middle
    return ranges[::-1]


def consistency_ranges(old_size: int, size: int) -> list[range]:
    """The ranges of leaves whose roots prove that a tree of ``size`` extends one of ``old_size``.

    Raises ValueError when the old tree is the larger.
    """
    if not 0 <= old_size <= size:
        raise ValueError(f"a tree of {size} does not extend one of {old_size}")
    if old_size in (0, size):
        return []
    start, end, ranges = 0, size, []
    while old_size != end:
        middle = start + _split(end - start)
        if old_size <= middle:
            ranges.append(range(middle, end))
            end = middle
        else:
            ranges.append(range(start, middle))
            start = middle
    if start:
        # The old tree is not a subtree of the new by itself: its last part is what proves it.
        ranges.append(range(start, end))
    return ranges[::-1]


def perfect_subtrees(leaves: range) -> list[Subtree]:
    """The perfect subtrees that make up a range, as the two functions above give them."""
    start, subtrees = leaves.start, []
    while start < leaves.stop:
        height = (leaves.stop - start).bit_length() - 1
        subtrees.append(Subtree(height, start >> height))
        start += 1 << height
    return subtrees


def prove(ranges: Sequence[range], hash_of: Callable[[Subtree], bytes]) -> list[bytes]:
    """The proof that consists of the roots of ``ranges``."""
    return [fold_left([hash_of(part) for part in perfect_subtrees(each)]) for each in ranges]


def root_by_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes:
    """The root to which ``proof`` leads from the leaf hash at ``index`` in a tree of ``size``.

    Raises `ProofInvalid` when no tree has such a proof.
    """
    if not 0 <= index < size:
        raise ProofInvalid(f"a tree of {size} has no leaf {index}")
    node, last, root = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise ProofInvalid("the proof is too long")
        if node & 1 or node == last:
            root = node_hash(sibling, root)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            root = node_hash(root, sibling)
        node, last = node >> 1, last >> 1
    if last:
        raise ProofInvalid("the proof is too short")
    return root


def verify_consistency(
    old_size: int, old_root: bytes, size: int, root: bytes, proof: Sequence[bytes]
) -> None:
    """Raise `ProofInvalid` unless the tree with ``root`` extends the one with ``old_root``."""
    if not 0 <= old_size <= size:
        raise ProofInvalid(f"a tree of {size} does not extend one of {old_size}")
    if old_size in (0, size):
        if proof:
            raise ProofInvalid("the proof is too long")
        if old_root != (root if old_size else EMPTY_ROOT):
            raise ProofInvalid("the trees have one size and two roots")
        return
    hashes = list(proof)
    if old_size & (old_size - 1) == 0:
        hashes.insert(0, old_root)
    if not hashes:
        raise ProofInvalid("the proof is too short")
    node, last = old_size - 1, size - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    of_old = of_new = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            raise ProofInvalid("the proof is too long")
        if node & 1 or node == last:
            of_old = node_hash(sibling, of_old)
            of_new = node_hash(sibling, of_new)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            of_new = node_hash(of_new, sibling)
        node, last = node >> 1, last >> 1
    if last:
        raise ProofInvalid("the proof is too short")
    if of_old != old_root:
        raise ProofInvalid("the proof does not lead to the old root")
    if of_new != root:
        raise ProofInvalid("the proof does not lead to the new root")


def _split(size: int) -> int:
    """The largest power of two below ``size``, which is 2 or more."""
    return 1 << ((size - 1).bit_length() - 1)
