"""Signed notes and checkpoints (C2SP signed-note, tlog-checkpoint, tlog-cosignature). Pure.

A note is text and lines of signatures; a checkpoint is a note that states a log's origin, size and
Merkle root. Keys are written in one line, as Go's note package and C2SP do:
``name+key id+base64 of type and key`` to verify, ``PRIVATE+KEY+name+key id+base64`` to sign.
"""

import base64
import binascii
import hashlib
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from projections.merkle import HASH_BYTES

ED25519: Final = 1
"""Signature type of a log's own signatures: over the text."""

COSIGNATURE: Final = 4
"""Signature type of a witness: over the text and the time at which the witness saw it."""

NOTE_BYTES_MAX: Final = 1_000_000

_KEY_ID_BYTES: Final = 4
_KEY_BYTES: Final = 32
_SIGNATURE_BYTES: Final = 64
_TIME: Final = struct.Struct(">Q")
_DIGITS_MAX: Final = 19
_PRIVATE: Final = "PRIVATE+KEY+"


class NoteInvalid(Exception):
    """A note, key or checkpoint that is malformed, or that no known key has signed."""


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key with the name that its signatures carry."""

    name: str
    kind: int
    public: bytes

    @classmethod
    def parse(cls, text: str) -> Self:
        """The key in ``text``; raises `NoteInvalid`."""
        name, key_id, encoded = _key_parts(text)
        kind, public = encoded[0], encoded[1:]
        if kind not in (ED25519, COSIGNATURE) or len(public) != _KEY_BYTES:
            raise NoteInvalid(f"key {name} is of a kind that is not supported")
        key = cls(name, kind, public)
        if key.key_id != key_id:
            raise NoteInvalid(f"key {name} has the id of another key: it is damaged")
        return key

    @property
    def key_id(self) -> bytes:
        """The four bytes that tell apart keys of one name."""
        told_apart = self.name.encode() + b"\n" + bytes([self.kind]) + self.public
        return hashlib.sha256(told_apart).digest()[:_KEY_ID_BYTES]

    def __str__(self) -> str:
        encoded = base64.b64encode(bytes([self.kind]) + self.public).decode()
        return f"{self.name}+{self.key_id.hex()}+{encoded}"

    def verifies(self, text: str, signature: bytes) -> bool:
        """Whether ``signature`` is this key's over a note's ``text``."""
        signed = text.encode()
        if self.kind == COSIGNATURE:
            if len(signature) != _TIME.size + _SIGNATURE_BYTES:
                return False
            (seconds,) = _TIME.unpack_from(signature)
            signed, signature = _cosigned(text, seconds), signature[_TIME.size :]
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, signed)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key; it is as secret as the file that it comes from."""

    name: str
    kind: int
    private: bytes

    @classmethod
    def generate(cls, name: str, kind: int = ED25519) -> Self:
        """A new key; raises `NoteInvalid` for a name that a note cannot carry."""
        if not _is_name(name):
            raise NoteInvalid(f"{name!r} is no name for a key: it is empty or has spaces or plus")
        return cls(name, kind, Ed25519PrivateKey.generate().private_bytes_raw())

    @classmethod
    def parse(cls, text: str) -> Self:
        """The key in ``text``; raises `NoteInvalid`, which does not repeat it."""
        if not text.startswith(_PRIVATE):
            raise NoteInvalid("this is no private key")
        name, key_id, encoded = _key_parts(text.removeprefix(_PRIVATE))
        key = cls(name, encoded[0], encoded[1:])
        if len(key.private) != _KEY_BYTES or key.verifier.key_id != key_id:
            raise NoteInvalid(f"private key {name} is damaged")
        return key

    def serialized(self) -> str:
        """The text that `parse` reads: secret."""
        encoded = base64.b64encode(bytes([self.kind]) + self.private).decode()
        return f"{_PRIVATE}{self.name}+{self.verifier.key_id.hex()}+{encoded}"

    def __repr__(self) -> str:
        return f"SigningKey({self.name!r})"

    @property
    def verifier(self) -> VerifierKey:
        public = Ed25519PrivateKey.from_private_bytes(self.private).public_key()
        return VerifierKey(self.name, self.kind, public.public_bytes_raw())

    def sign(self, text: str, seconds: int | None = None) -> str:
        """The line of this key's signature over ``text``; a witness says at which Unix time."""
        private = Ed25519PrivateKey.from_private_bytes(self.private)
        if self.kind == COSIGNATURE:
            if seconds is None:
                raise ValueError("a cosignature says when it was made")
            signature = _TIME.pack(seconds) + private.sign(_cosigned(text, seconds))
        else:
            signature = private.sign(text.encode())
        encoded = base64.b64encode(self.verifier.key_id + signature).decode()
        return f"\N{EM DASH} {self.name} {encoded}\n"


@dataclass(frozen=True, slots=True)
class Signature:
    """A line of a note that says who signed it; not yet verified."""

    name: str
    key_id: bytes
    signature: bytes
    line: str

    def is_by(self, key: VerifierKey) -> bool:
        """Whether it claims to be by ``key``."""
        return (self.name, self.key_id) == (key.name, key.key_id)


@dataclass(frozen=True, slots=True)
class Note:
    """A note taken apart: its text, with the last newline, and its signatures."""

    text: str
    signatures: tuple[Signature, ...]

    @classmethod
    def parse(cls, note: bytes) -> Self:
        """Raises `NoteInvalid` for bytes that are no note."""
        if len(note) > NOTE_BYTES_MAX:
            raise NoteInvalid("the note is too long")
        try:
            decoded = note.decode()
        except UnicodeDecodeError as error:
            raise NoteInvalid("the note is not UTF-8") from error
        if any(character < " " and character != "\n" for character in decoded):
            raise NoteInvalid("the note has control characters")
        text, blank, lines = decoded.rpartition("\n\n")
        if not blank or not lines.endswith("\n"):
            raise NoteInvalid("the note has no signatures, or is cut off")
        return cls(text + "\n", tuple(map(parse_signature, lines.removesuffix("\n").split("\n"))))

    def verified_by(self, keys: Iterable[VerifierKey]) -> list[VerifierKey]:
        """Those of ``keys`` that signed; raises `NoteInvalid` for a wrong signature by one."""
        signed = []
        for key in keys:
            for signature in self.signatures:
                if signature.is_by(key):
                    if not key.verifies(self.text, signature.signature):
                        raise NoteInvalid(f"the signature by {key.name} is wrong")
                    signed.append(key)
                    break
        return signed


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log states about itself."""

    origin: str
    size: int
    root: bytes

    @classmethod
    def parse(cls, text: str) -> Self:
        """The statement in a note's text, extension lines aside; raises `NoteInvalid`."""
        lines = text.split("\n")
        if len(lines) < 4 or lines[-1] or not all(lines[:-1]):
            raise NoteInvalid("a checkpoint is three lines or more, none of them empty")
        origin, size, root = lines[:3]
        if not is_count(size):
            raise NoteInvalid(f"{size[:_DIGITS_MAX]!r} is no size")
        return cls(origin, int(size), _decoded(root, HASH_BYTES))

    def __str__(self) -> str:
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def open_checkpoint(note: bytes, keys: Sequence[VerifierKey]) -> Checkpoint:
    """The checkpoint in ``note`` once a log's key of ``keys``, named as the origin, has signed it.

    Raises `NoteInvalid`.
    """
    parsed = Note.parse(note)
    checkpoint = Checkpoint.parse(parsed.text)
    log_keys = [key for key in keys if key.kind == ED25519 and key.name == checkpoint.origin]
    if not parsed.verified_by(log_keys):
        raise NoteInvalid(f"the checkpoint of {checkpoint.origin} is signed by no known key")
    return checkpoint


def require_cosigned(note: bytes, witnesses: Iterable[VerifierKey]) -> None:
    """Raise `NoteInvalid` unless each of ``witnesses`` has cosigned ``note``."""
    witnesses = list(witnesses)
    cosigned = Note.parse(note).verified_by(witnesses)
    missing = [key.name for key in witnesses if key not in cosigned]
    if missing:
        raise NoteInvalid(f"the checkpoint is not cosigned by {', '.join(missing)}")


def signed(checkpoint: Checkpoint, keys: Iterable[SigningKey]) -> str:
    """The checkpoint as a note signed by ``keys``."""
    text = str(checkpoint)
    return text + "\n" + "".join(key.sign(text) for key in keys)


def is_count(text: str) -> bool:
    """Whether ``text`` is a number of entries as all of these formats write it."""
    is_number = text.isascii() and text.isdigit() and len(text) <= _DIGITS_MAX
    return is_number and str(int(text)) == text


def parse_signature(line: str) -> Signature:
    """A line of signature, without its newline; raises `NoteInvalid`."""
    parts = line.split(" ")
    if len(parts) != 3 or parts[0] != "\N{EM DASH}" or not _is_name(parts[1]):
        raise NoteInvalid("a line of signature is malformed")
    decoded = _decoded(parts[2])
    if len(decoded) <= _KEY_ID_BYTES:
        raise NoteInvalid("a signature is too short")
    return Signature(parts[1], decoded[:_KEY_ID_BYTES], decoded[_KEY_ID_BYTES:], line + "\n")


def _cosigned(text: str, seconds: int) -> bytes:
    return f"cosignature/v1\ntime {seconds}\n{text}".encode()


def _key_parts(text: str) -> tuple[str, bytes, bytes]:
    parts = text.split("+", 2)
    if len(parts) != 3 or not _is_name(parts[0]):
        raise NoteInvalid("a key is a name, an id and base64, with plus between")
    name, key_id, encoded = parts
    try:
        decoded_id = bytes.fromhex(key_id)
    except ValueError as error:
        raise NoteInvalid(f"key {name} has no valid id") from error
    if decoded_id.hex() != key_id:
        raise NoteInvalid(f"key {name} has an id with capitals or spaces")
    decoded = _decoded(encoded)
    if not decoded:
        raise NoteInvalid(f"key {name} is empty")
    return name, decoded_id, decoded


def _is_name(name: str) -> bool:
    return bool(name) and "+" not in name and not any(map(str.isspace, name))


def _decoded(text: str, length: int | None = None) -> bytes:
    try:
        decoded = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NoteInvalid("something is not base64") from error
    if base64.b64encode(decoded).decode() != text or length not in (None, len(decoded)):
        raise NoteInvalid("something is not canonical base64 of its length")
    return decoded
