"""What the log has of an entry: its preimage, or a stub in place of one too long. Pure.

C2SP tlog-tiles gives an entry's length in a bundle as 16 bits, and an event of some thousand
labelled seats is longer than that. Such an entry's leaf is a stub that names it by its hash, so
that bundles have all that is hashed and every entry can be in the log.
"""

from typing import Final

from ledger import chain

ENTRY_BYTES_MAX: Final = 2**16 - 1
"""What a bundle has room for."""

STUB_TAG: Final = b"flashticket/long-entry/1\n"

_STREAM_AND_VERSION: Final = slice(len(chain.TAG), len(chain.TAG) + 24)
_PREV_HASH: Final = slice(len(chain.TAG) + 50, len(chain.TAG) + 82)


def logged(preimage: bytes) -> bytes:
    """The bytes of the leaf of the entry with this preimage.

    A stub is a tag, stream id (16 bytes), version (8), prev_hash and hash (32 each), all as in
    `ledger.chain`; read_leaves and read_bundle make the same in the database.
    """
    if len(preimage) <= ENTRY_BYTES_MAX:
        return preimage
    named, linked = preimage[_STREAM_AND_VERSION], preimage[_PREV_HASH]
    return b"".join((STUB_TAG, named, linked, chain.entry_hash(preimage)))
