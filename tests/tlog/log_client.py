"""A client of the log that knows the public formats and nothing of how they are made here."""

import struct
from dataclasses import dataclass

import httpx

from projections.merkle import leaf_hash, root_of
from projections.notes import Checkpoint, VerifierKey, open_checkpoint


def tile_path(position: int, width: int) -> str:
    """The last part of a tile's path, as the specification says it."""
    digits = (
        f"{position:03d}"
        if position < 1_000
        else f"x{position // 1_000:03d}/{position % 1_000:03d}"
    )
    return digits if width == 256 else f"{digits}.p/{width}"


@dataclass
class LogClient:
    """Reads a log over HTTP and believes nothing that is not in its checkpoint."""

    http: httpx.Client
    key: VerifierKey

    def checkpoint(self) -> Checkpoint:
        answer = self.http.get("/tlog/checkpoint")
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        return open_checkpoint(answer.content, [self.key])

    def checkpoint_of(self, size: int) -> Checkpoint:
        """A checkpoint once the log has ``size`` entries."""
        while True:
            checkpoint = self.checkpoint()
            if checkpoint.size >= size:
                return checkpoint

    def entries(self, checkpoint: Checkpoint) -> list[bytes]:
        """All entries that the checkpoint is about; fails unless its root is theirs."""
        entries = []
        for position, width in widths(checkpoint.size):
            bundle = self.get(f"/tlog/tile/entries/{tile_path(position, width)}")
            entries += unpack(bundle)
        assert root_of([leaf_hash(entry) for entry in entries]) == checkpoint.root
        return entries

    def leaves(self, checkpoint: Checkpoint) -> list[bytes]:
        """The leaf hashes in the tiles of the lowest level."""
        hashes = b"".join(
            self.get(f"/tlog/tile/0/{tile_path(position, width)}")
            for position, width in widths(checkpoint.size)
        )
        return [hashes[i : i + 32] for i in range(0, len(hashes), 32)]

    def get(self, path: str) -> bytes:
        answer = self.http.get(path)
        assert answer.status_code == 200, (path, answer.text)
        assert answer.headers["content-type"] == "application/octet-stream"
        assert "immutable" in answer.headers["cache-control"]
        return answer.content


def widths(size: int) -> list[tuple[int, int]]:
    full, rest = divmod(size, 256)
    return [(position, 256) for position in range(full)] + ([(full, rest)] if rest else [])


def unpack(bundle: bytes) -> list[bytes]:
    entries = []
    while bundle:
        (length,) = struct.unpack_from(">H", bundle)
        entries.append(bundle[2 : 2 + length])
        bundle = bundle[2 + length :]
    return entries
