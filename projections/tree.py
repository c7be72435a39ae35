"""The Merkle tree over the sequence, kept as tiles, each state of it with a signed checkpoint.

Tiles, size and checkpoint change in one transaction, so what is served always belongs together,
and a process that is killed leaves the last state or the next. Whoever holds the lock of the one
row in ``tree`` grows it; a tree is a function of the sequence, so it does not matter who.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ledger.database import Connection, Pool, statement, translate_errors
from ledger.values import EventId
from projections.merkle import HASH_BYTES, consistency_ranges, inclusion_ranges, prove
from projections.published import Published, checkpoint_in
from projections.receipts import Receipt
from projections.tiles import Place, grow, hash_in, places_for, right_edge, root_of_edge

_LIMIT_TRANSACTION: Final = statement("ledger", "limit_transaction")
_LOCK_TREE: Final = statement("projections", "lock_tree")
_READ_EDGE: Final = statement("projections", "read_edge")
_READ_LEAVES: Final = statement("projections", "read_leaves")
_PUT_TILES: Final = statement("projections", "put_tiles")
_ADVANCE_TREE: Final = statement("projections", "advance_tree")
_READ_PROGRESS: Final = statement("projections", "read_progress")
_READ_PUBLISHED: Final = statement("projections", "read_published")
_READ_TILES: Final = statement("projections", "read_tiles")
_FIND_SEQ: Final = statement("projections", "find_seq")
_READ_PREIMAGES: Final = statement("projections", "read_preimages")
_READ_BUNDLE: Final = statement("projections", "read_bundle")

_ENTRIES_MAX: Final = 20_000
_PAYLOAD_BYTES_MAX: Final = 1 << 25
"""Of one transaction: many events of thousands of labelled seats must not outlast its time."""

_LOCK_WAIT_MS: Final = 1_000
_STATEMENT_MS_MAX: Final = 3_000


class EntriesMissing(Exception):
    """Numbered entries are not in the ledger: somebody removed them, and no more is signed."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Entries numbered, entries in the tree, and that tree's checkpoint if there is one yet."""

    next_seq: int
    size: int
    checkpoint: str | None


Sign = Callable[[int, bytes], str]
"""Makes the signed checkpoint of a tree's size and root."""


class Tree:
    """Reads and grows the tree; every method raises `ledger.database.DatabaseUnavailable`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def progress(self) -> Progress:
        rows = await self._rows(_READ_PROGRESS)
        return Progress(*rows[0])

    async def grow(self, sign: Sign) -> int:
        """Add numbered entries, as many as one transaction takes, and sign; the size it has then.

        With nothing to add it signs the tree as it is. Raises `EntriesMissing`, and `StreamLocked`
        when another process does not let go of the tree.
        """
        with translate_errors():
            async with self._pool.connection() as connection, connection.transaction():
                size, edge, leaves = await _begin(connection)
                changed = grow(size, edge, leaves)
                size += len(leaves) // HASH_BYTES
                # What was full before is not needed, and what is new or longer replaces the old.
                root = root_of_edge(size, {**edge, **changed})
                await _finish(connection, size, changed, sign(size, root))
        return size

    async def published(self) -> Published:
        """The newest checkpoint and the newest that was cosigned."""
        rows = await self._rows(_READ_PUBLISHED)
        return Published(*rows[0])

    async def receipt(self, stream_id: EventId, version: int) -> Receipt | None:
        """What proves an entry, by a cosigned checkpoint if one covers it; None while none does."""
        found = await self._rows(_FIND_SEQ, stream_id, version)
        if not found:
            return None
        seq = found[0][0]
        checkpoint = (await self.published()).covering(seq)
        if checkpoint is None:
            return None
        preimages = await self._rows(_READ_PREIMAGES, seq, seq + 1)
        if not preimages:
            raise EntriesMissing(f"entry {seq} is not in the ledger")
        return Receipt(
            entry=preimages[0][0],
            seq=seq,
            proof=tuple(await self.inclusion(seq, checkpoint_in(checkpoint).size)),
            checkpoint=checkpoint,
        )

    async def inclusion(self, seq: int, size: int) -> list[bytes]:
        """The proof that entry ``seq`` is in the tree of ``size``; ValueError when it is not."""
        return await self._prove(inclusion_ranges(seq, size))

    async def consistency(self, old_size: int, size: int) -> list[bytes]:
        """The proof that the tree of ``size`` extends that of ``old_size``, which is no larger."""
        return await self._prove(consistency_ranges(old_size, size))

    async def tile(self, place: Place, width: int) -> bytes | None:
        """The first ``width`` hashes of a tile, None unless it has as many."""
        tiles = await self._tiles([place])
        hashes = tiles.get(place, b"")[: width * HASH_BYTES]
        return hashes if len(hashes) == width * HASH_BYTES else None

    async def bundle(self, position: int, width: int) -> list[bytes] | None:
        """What the log has of the entries from ``position * 256`` on (`projections.leaves`).

        None unless the tree has ``width`` of them.
        """
        first = position * 256
        if first + width > (await self.progress()).size:
            return None
        rows = await self._rows(_READ_BUNDLE, first, first + width)
        if len(rows) != width:
            raise EntriesMissing(f"of the {width} entries from {first} on there are {len(rows)}")
        return [logged for (logged,) in rows]

    async def _prove(self, ranges: list[range]) -> list[bytes]:
        tiles = await self._tiles(places_for(ranges))
        return prove(ranges, lambda subtree: hash_in(tiles, subtree))

    async def _tiles(self, places: Iterable[Place]) -> dict[Place, bytes]:
        places = list(places)
        rows = await self._rows(
            _READ_TILES,
            [place.level for place in places],
            [place.position for place in places],
        )
        return {Place(*place): hashes for *place, hashes in rows}

    async def _rows(self, query: bytes, *parameters: Any) -> list[tuple[Any, ...]]:
        with translate_errors():
            async with self._pool.connection() as connection:
                cursor = await connection.execute(query, parameters, prepare=True, binary=True)
                return await cursor.fetchall()


async def _begin(connection: Connection) -> tuple[int, dict[Place, bytes], bytes]:
    """The tree's size, the tiles at its right edge and the leaf hashes that come next."""
    async with connection.pipeline():
        await connection.execute(
            _LIMIT_TRANSACTION, (str(_LOCK_WAIT_MS), str(_STATEMENT_MS_MAX)), prepare=True
        )
        locking = await connection.execute(_LOCK_TREE, prepare=True, binary=True)
        tiles = await connection.execute(_READ_EDGE, prepare=True, binary=True)
        leaves = await connection.execute(
            _READ_LEAVES, (_ENTRIES_MAX, _PAYLOAD_BYTES_MAX), prepare=True, binary=True
        )
        ((size,),) = await locking.fetchall()
        stored = {
            Place(level, position): hashes for level, position, hashes in await tiles.fetchall()
        }
        ((entries, hashes),) = await leaves.fetchall()
    missing = entries - len(hashes) // HASH_BYTES
    if missing:
        raise EntriesMissing(f"of the {entries} entries from {size} on {missing} are not there")
    return size, {place: stored[place] for place in right_edge(size)}, hashes


async def _finish(
    connection: Connection, size: int, changed: Mapping[Place, bytes], checkpoint: str
) -> None:
    async with connection.pipeline():
        if changed:
            await connection.execute(
                _PUT_TILES,
                (
                    [place.level for place in changed],
                    [place.position for place in changed],
                    list(changed.values()),
                ),
                prepare=True,
            )
        await connection.execute(_ADVANCE_TREE, (size, checkpoint), prepare=True)
