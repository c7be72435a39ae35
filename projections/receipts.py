"""Receipts: one file that proves an entry to whoever has the log's public key (C2SP tlog-proof).

The entry's bytes travel as the format's extra data; index, inclusion proof and checkpoint follow.
Nothing else is needed to check it: no network, and nobody who still has the entry.
"""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

from projections.leaves import logged
from projections.merkle import HASH_BYTES, ProofInvalid, leaf_hash, root_by_inclusion
from projections.notes import Checkpoint, NoteInvalid, VerifierKey, is_count, open_checkpoint

_FIRST_LINE: Final = "c2sp.org/tlog-proof@v1"
_PROOF_HASHES_MAX: Final = 63


class ReceiptInvalid(Exception):
    """A receipt that is malformed or proves nothing."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """An entry, its place in the log, and what proves that it is there."""

    entry: bytes
    seq: int
    proof: tuple[bytes, ...]
    checkpoint: str

    @classmethod
    def parse(cls, text: bytes) -> Self:
        """The receipt in a file; raises `ReceiptInvalid`."""
        try:
            decoded = text.decode()
        except UnicodeDecodeError as error:
            raise ReceiptInvalid("the receipt is not UTF-8") from error
        head, blank, checkpoint = decoded.partition("\n\n")
        lines = head.split("\n")
        if not blank or len(lines) < 3 or lines[0] != _FIRST_LINE:
            raise ReceiptInvalid(f"a receipt begins with {_FIRST_LINE}, an entry and its index")
        extra, index, *proof = lines[1:]
        if not extra.startswith("extra ") or not index.startswith("index "):
            raise ReceiptInvalid("the entry or its index is missing")
        seq = index.removeprefix("index ")
        if not is_count(seq):
            raise ReceiptInvalid("the index is no number")
        if len(proof) > _PROOF_HASHES_MAX:
            raise ReceiptInvalid("the proof is too long")
        return cls(
            entry=_decoded(extra.removeprefix("extra ")),
            seq=int(seq),
            proof=tuple(_decoded(line, HASH_BYTES) for line in proof),
            checkpoint=checkpoint,
        )

    def __str__(self) -> str:
        lines = [
            _FIRST_LINE,
            f"extra {base64.b64encode(self.entry).decode()}",
            f"index {self.seq}",
            *(base64.b64encode(each).decode() for each in self.proof),
            "",
            self.checkpoint,
        ]
        return "\n".join(lines)

    def verify(self, keys: Sequence[VerifierKey]) -> Checkpoint:
        """The checkpoint, once it is signed by one of ``keys`` and the entry is under its root.

        Raises `ReceiptInvalid`.
        """
        try:
            checkpoint = open_checkpoint(self.checkpoint.encode(), keys)
            leaf = leaf_hash(logged(self.entry))
            root = root_by_inclusion(leaf, self.seq, checkpoint.size, self.proof)
        except (NoteInvalid, ProofInvalid) as error:
            raise ReceiptInvalid(str(error)) from error
        if root != checkpoint.root:
            raise ReceiptInvalid("the proof does not lead from the entry to the checkpoint's root")
        return checkpoint


def _decoded(text: str, length: int | None = None) -> bytes:
    try:
        decoded = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ReceiptInvalid("something is not base64") from error
    if length not in (None, len(decoded)):
        raise ReceiptInvalid("a hash of the proof has a wrong length")
    return decoded
