"""Notes and checkpoints, against published ones and against the verifier of sigstore."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sigstore._internal.rekor.checkpoint import SignedCheckpoint
from sigstore.errors import VerificationError

from projections.merkle import leaf_hash
from projections.notes import (
    COSIGNATURE,
    Checkpoint,
    Note,
    NoteInvalid,
    SigningKey,
    VerifierKey,
    open_checkpoint,
    parse_signature,
    signed,
)

# From the tests of golang.org/x/mod/sumdb/note.
NEUMANN = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
NEUMANN_PRIVATE = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
NEUMANN_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "\N{EM DASH} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqf"
    "qdngotpRZb6KE6RyyBwJnAM=\n"
).encode()

ORIGIN = "tickets.example/log"
CHECKPOINT = Checkpoint(ORIGIN, 8, leaf_hash(b"root"))
KEY = SigningKey.generate(ORIGIN)
OTHER_KEY = SigningKey.generate(ORIGIN)


def note_of(*keys: SigningKey, checkpoint: Checkpoint = CHECKPOINT) -> bytes:
    return signed(checkpoint, keys).encode()


def test_a_published_note_is_verified_by_its_published_key() -> None:
    note = Note.parse(NEUMANN_NOTE)
    key = VerifierKey.parse(NEUMANN)

    assert note.verified_by([key]) == [key]
    assert str(key) == NEUMANN


def test_signing_the_published_text_with_the_published_key_gives_the_published_note() -> None:
    text = Note.parse(NEUMANN_NOTE).text
    key = SigningKey.parse(NEUMANN_PRIVATE)

    assert (text + "\n" + key.sign(text)).encode() == NEUMANN_NOTE
    assert key.serialized() == NEUMANN_PRIVATE
    assert str(key.verifier) == NEUMANN


def test_the_checkpoint_and_cosignature_of_the_specification_are_read() -> None:
    text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    note = Note.parse(
        (
            text + "\n"
            "— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7"
            "u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
            "— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dl"
            "rDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n"
        ).encode()
    )

    checkpoint = Checkpoint.parse(note.text)

    assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20_852_163)
    assert str(checkpoint) == text
    assert [len(signature.signature) for signature in note.signatures] == [64, 72]


def test_a_checkpoint_is_opened_by_the_key_that_signed_it() -> None:
    assert open_checkpoint(note_of(KEY), [KEY.verifier]) == CHECKPOINT


def test_while_keys_change_both_sign_and_either_opens() -> None:
    note = note_of(KEY, OTHER_KEY)

    assert open_checkpoint(note, [KEY.verifier]) == CHECKPOINT
    assert open_checkpoint(note, [OTHER_KEY.verifier]) == CHECKPOINT


def test_a_checkpoint_is_refused_that_no_known_key_signed() -> None:
    with pytest.raises(NoteInvalid, match="no known key"):
        open_checkpoint(note_of(KEY), [OTHER_KEY.verifier])


def test_a_key_of_another_log_does_not_vouch_for_this_one() -> None:
    foreign = SigningKey.generate("elsewhere.example/log")
    with pytest.raises(NoteInvalid, match="no known key"):
        open_checkpoint(note_of(foreign), [foreign.verifier])


def test_a_wrong_signature_by_a_known_key_is_refused_whoever_else_signed() -> None:
    text = str(CHECKPOINT)
    note = text + "\n" + KEY.sign("another text\n") + OTHER_KEY.sign(text)
    with pytest.raises(NoteInvalid, match="wrong"):
        open_checkpoint(note.encode(), [KEY.verifier, OTHER_KEY.verifier])


@pytest.mark.parametrize("position", range(len(str(CHECKPOINT))))
def test_no_character_of_a_checkpoint_can_be_changed(position: int) -> None:
    note = bytearray(note_of(KEY))
    note[position] = ord("1") if note[position] != ord("1") else ord("2")
    with pytest.raises(NoteInvalid):
        open_checkpoint(bytes(note), [KEY.verifier])


def test_a_cosignature_holds_for_its_text_and_time() -> None:
    witness = SigningKey.generate("witness.example/w1", COSIGNATURE)
    text = str(CHECKPOINT)
    line = witness.sign(text, 1_700_000_000)
    signature = parse_signature(line.removesuffix("\n"))

    assert witness.verifier.verifies(text, signature.signature)
    assert not witness.verifier.verifies(text, b"\1" + signature.signature[1:])
    assert not witness.verifier.verifies(text.replace("8", "9"), signature.signature)


def test_a_cosignature_alone_does_not_make_a_checkpoint_the_logs() -> None:
    witness = SigningKey.generate(ORIGIN, COSIGNATURE)
    text = str(CHECKPOINT)
    note = text + "\n" + witness.sign(text, 1_700_000_000)
    with pytest.raises(NoteInvalid, match="no known key"):
        open_checkpoint(note.encode(), [witness.verifier])


@pytest.mark.parametrize(
    ("note", "why"),
    [
        (b"", "no signatures"),
        (b"text\n", "no signatures"),
        (b"text\n\n", "no signatures"),
        (b"text\n\n- name AAAAAAAA\n", "malformed"),
        ("text\n\n— name AAAAAAAA".encode(), "cut off"),
        ("text\n\n— name AAAA\n".encode(), "too short"),
        ("text\n\n— name AAAAAA==\n".encode(), "too short"),
        ("text\n\n— name AAAAAAA\n".encode(), "base64"),
        ("text\n\n— na+me AAAAAAAA\n".encode(), "malformed"),
        ("te\0xt\n\n— name AAAAAAAA\n".encode(), "control"),
        ("te\rxt\n\n— name AAAAAAAA\n".encode(), "control"),
        (b"te\xffxt\n\n", "UTF-8"),
        (b"x" * 1_000_001, "too long"),
    ],
)
def test_what_is_no_note_is_refused(note: bytes, why: str) -> None:
    with pytest.raises(NoteInvalid, match=why):
        Note.parse(note)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "origin\n8\n",
        "origin\n08\n" + "A" * 43 + "=\n",
        "origin\n-8\n" + "A" * 43 + "=\n",
        "origin\n٨\n" + "A" * 43 + "=\n",
        "origin\n8\n" + "A" * 42 + "==\n",
        "origin\n8\n" + "A" * 42 + "B=\n",
        "\n8\n" + "A" * 43 + "=\n",
        "origin\n8\n" + "A" * 43 + "=",
        "origin\n8\n" + "A" * 43 + "=\n\nmore\n",
    ],
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(NoteInvalid):
        Checkpoint.parse(text)


def test_extension_lines_are_passed_over() -> None:
    assert Checkpoint.parse(str(CHECKPOINT) + "more\n") == CHECKPOINT


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name",
        NEUMANN[:-1],
        NEUMANN.replace("c74f20a3", "c74f20a4"),
        NEUMANN.replace("PeterNeumann", "Peter Neumann"),
        NEUMANN.replace("PeterNeumann", "Petra"),
        "name+00000000+",
    ],
)
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(NoteInvalid):
        VerifierKey.parse(text)
    with pytest.raises(NoteInvalid):
        SigningKey.parse("PRIVATE+KEY+" + text)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\N{NO-BREAK SPACE}b", "a\nb"])
def test_a_key_cannot_have_a_name_that_a_note_cannot_carry(name: str) -> None:
    with pytest.raises(NoteInvalid):
        SigningKey.generate(name)


def test_a_private_key_does_not_show_itself() -> None:
    with pytest.raises(NoteInvalid) as raised:
        SigningKey.parse(NEUMANN_PRIVATE.replace("c74f20a3", "c74f20a4"))
    assert "AYEKFALVFGyNhPJEMzD1QIDr" not in str(raised.value)
    assert KEY.serialized() not in f"{KEY!r} {KEY} {[KEY]}"
    assert KEY.private.hex() not in repr(KEY)
    assert repr(KEY) == f"SigningKey({ORIGIN!r})"


class Keyring:
    """What sigstore asks for a key, for one that is not from its roots of trust."""

    def __init__(self, key: VerifierKey) -> None:
        self._public = Ed25519PublicKey.from_public_bytes(key.public)

    def verify(self, *, key_id: bytes, signature: bytes, data: bytes) -> None:
        del key_id
        self._public.verify(signature, data)


def test_sigstore_reads_and_verifies_our_checkpoint() -> None:
    theirs = SignedCheckpoint.from_text(note_of(KEY, OTHER_KEY).decode())

    assert theirs.checkpoint.origin == CHECKPOINT.origin
    assert theirs.checkpoint.log_size == CHECKPOINT.size
    assert theirs.checkpoint.log_hash == CHECKPOINT.root.hex()
    for key in (KEY.verifier, OTHER_KEY.verifier):
        theirs.signed_note.verify(Keyring(key), key.key_id)
    stranger = SigningKey.generate(ORIGIN).verifier
    with pytest.raises(VerificationError):
        theirs.signed_note.verify(Keyring(stranger), stranger.key_id)
