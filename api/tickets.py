"""Ticket codes: signed, so that a door without network can tell a ticket from a made-up one.

A code is ``FT1.`` and the unpadded base64url (RFC 4648 section 5) of a body and its signature:

============  =====================================================
event_id      16 bytes
booking_id    16 bytes
ticket        32 bits, big-endian, numbered from 1 in its booking
generation    32 bits, big-endian, one more with every transfer
signature     64 bytes: Ed25519 (RFC 8032) over ``FT1.`` and the 40 bytes before
============  =====================================================

The signature proves that the code is ours. That it was not used, cancelled or given away since is
known to the ledger alone, so a door with network asks that: POST /v1/check-ins.
"""

import base64
import binascii
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from ledger.values import BookingId, EventId

PREFIX: Final = "FT1."
_BODY: Final = struct.Struct(">16s16sII")
_SIGNATURE_BYTES: Final = 64


class InvalidTicket(Exception):
    """The code is not one that the key signed."""


@dataclass(frozen=True, slots=True)
class Ticket:
    event_id: EventId
    booking_id: BookingId
    ticket: int
    generation: int

    def _body(self) -> bytes:
        return _BODY.pack(self.event_id.bytes, self.booking_id.bytes, self.ticket, self.generation)


def code_of(ticket: Ticket, key: Ed25519PrivateKey) -> str:
    """The code of ``ticket``, 143 characters."""
    body = ticket._body()  # noqa: SLF001  ours
    signature = key.sign(PREFIX.encode() + body)
    return PREFIX + _base64url(body + signature)


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def read_code(code: str, key: Ed25519PublicKey) -> Ticket:
    """The ticket that ``code`` is; raises `InvalidTicket` unless ``key`` signed it."""
    if not code.startswith(PREFIX):
        raise InvalidTicket("it does not begin with FT1.")
    text = code[len(PREFIX) :]
    try:
        signed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidTicket("it is not base64url") from error
    if len(signed) != _BODY.size + _SIGNATURE_BYTES:
        raise InvalidTicket("it has another length")
    if _base64url(signed) != text:
        # The last character has bits to spare: each ticket would have several codes.
        raise InvalidTicket("it is not in canonical form")
    body, signature = signed[: _BODY.size], signed[_BODY.size :]
    try:
        key.verify(signature, PREFIX.encode() + body)
    except InvalidSignature as error:
        raise InvalidTicket("it is not signed with this key") from error
    event, booking, ticket, generation = _BODY.unpack(body)
    return Ticket(EventId(UUID(bytes=event)), BookingId(UUID(bytes=booking)), ticket, generation)


def load_or_make_key(path: Path) -> Ed25519PrivateKey:
    """The private key in the PEM file ``path``, made with mode 0600 if it is not there yet.

    Several processes may ask at once: one makes it. Raises OSError and ValueError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        made = Ed25519PrivateKey.generate().private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
        unfinished = path.with_suffix(f".{os.getpid()}")
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
            file.write(made)
        try:
            os.link(unfinished, path)  # unlike a rename it fails where another process was first
        except FileExistsError:
            pass
        finally:
            unfinished.unlink()
    key = load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError(f"{path} holds another kind of key than Ed25519")
    return key
