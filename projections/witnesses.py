"""Witnesses (C2SP tlog-witness): what they are asked, and what their answers are worth. Pure.

A witness cosigns a checkpoint once it is shown that it extends the last one it cosigned. So a log
that has a witness cannot show two histories, not even after its operator has lost one.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

from projections.notes import COSIGNATURE, Note, NoteInvalid, VerifierKey, parse_signature

ANSWER_BYTES_MAX: Final = 1 << 16

_SIZE_DIGITS_MAX: Final = 19


@dataclass(frozen=True, slots=True)
class Witness:
    """Who cosigns, and the prefix of the URL at which it is asked."""

    key: VerifierKey
    url: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """The witness in ``KEY URL``; raises `NoteInvalid`."""
        key_text, _, url = text.strip().partition(" ")
        key = VerifierKey.parse(key_text)
        if key.kind != COSIGNATURE:
            raise NoteInvalid(f"key {key.name} is not that of a witness")
        if not url.startswith(("http://", "https://")) or " " in url:
            raise NoteInvalid(f"witness {key.name} has no URL")
        return cls(key, url.rstrip("/"))


def parse_witnesses(text: str | None) -> list[Witness]:
    """The witnesses in ``KEY URL, KEY URL``; raises `NoteInvalid`."""
    return [Witness.parse(each) for each in (text or "").split(",") if each.strip()]


@dataclass(frozen=True, slots=True)
class Cosigned:
    """Lines of signatures, verified, to be added to the checkpoint."""

    lines: str


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """The witness last cosigned a checkpoint of another size: the proof has to begin there."""

    size: int


@dataclass(frozen=True, slots=True)
class Refused:
    """The witness does not cosign this, or what it sent is no cosignature."""

    why: str


Answer = Cosigned | Elsewhere | Refused


def question(old_size: int, proof: Sequence[bytes], checkpoint: str) -> bytes:
    """The body of a request to cosign ``checkpoint``, which extends the tree of ``old_size``."""
    lines = [f"old {old_size}", *(base64.b64encode(each).decode() for each in proof), "", ""]
    return ("\n".join(lines) + checkpoint).encode()


def answer_of(witness: Witness, checkpoint: str, status: int, body: bytes) -> Answer:
    """What an answer of status and body means."""
    if status == 200:
        try:
            lines = _cosignatures(witness, checkpoint, body)
        except NoteInvalid as error:
            return Refused(f"its answer is not valid: {error}")
        return Cosigned(lines) if lines else Refused("its answer has no cosignature by its key")
    if status == 409:
        text = body.removesuffix(b"\n")
        if text.isdigit() and len(text) <= _SIZE_DIGITS_MAX:
            return Elsewhere(int(text))
    return Refused(f"it answers {status}")


def _cosignatures(witness: Witness, checkpoint: str, body: bytes) -> str:
    if len(body) > ANSWER_BYTES_MAX:
        raise NoteInvalid("it is too long")
    try:
        lines = body.decode().removesuffix("\n").split("\n")
    except UnicodeDecodeError as error:
        raise NoteInvalid("it is not UTF-8") from error
    signatures = [parse_signature(line) for line in lines]
    ours = [each for each in signatures if each.is_by(witness.key)]
    text = Note.parse(checkpoint.encode()).text
    if not all(witness.key.verifies(text, each.signature) for each in ours):
        raise NoteInvalid("the cosignature is wrong")
    return "".join(each.line for each in ours[:1])
