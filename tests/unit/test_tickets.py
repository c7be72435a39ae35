"""Ticket codes: what the key signed is read, with the public key alone, and nothing else is."""

import base64
import multiprocessing
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given as for_any
from hypothesis import strategies as st

from api.tickets import InvalidTicket, Ticket, code_of, load_or_make_key, read_code
from ledger.values import BookingId, EventId

if TYPE_CHECKING:
    from multiprocessing.synchronize import Barrier
    from queue import Queue

KEY: Final = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC: Final = KEY.public_key()
TICKET: Final = Ticket(EventId(UUID(int=0xE1)), BookingId(UUID(int=0xB1)), 3, 2)
CODE: Final = code_of(TICKET, KEY)
ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

tickets = st.builds(
    Ticket,
    st.uuids().map(EventId),
    st.uuids().map(BookingId),
    st.integers(1, 2**32 - 1),
    st.integers(1, 2**32 - 1),
)


def signed_bytes(code: str) -> bytes:
    text = code.removeprefix("FT1.")
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def code_with(signed: bytes) -> str:
    return "FT1." + base64.urlsafe_b64encode(signed).rstrip(b"=").decode()


@for_any(tickets)
def test_any_ticket_is_read_from_its_code_with_the_public_key(ticket: Ticket) -> None:
    code = code_of(ticket, KEY)
    assert len(code) == 143
    assert read_code(code, PUBLIC) == ticket


def test_a_door_without_network_needs_nothing_but_the_code_and_the_public_key() -> None:
    """By the documented layout and any Ed25519, without a line of ours."""
    signed = signed_bytes(CODE)
    Ed25519PublicKey.from_public_bytes(PUBLIC.public_bytes_raw()).verify(
        signed[40:], b"FT1." + signed[:40]
    )
    assert UUID(bytes=signed[:16]) == TICKET.event_id
    assert UUID(bytes=signed[16:32]) == TICKET.booking_id
    assert int.from_bytes(signed[32:36]) == TICKET.ticket
    assert int.from_bytes(signed[36:40]) == TICKET.generation


def test_a_code_printed_once_is_good_for_ever() -> None:
    assert CODE == (
        "FT1.AAAAAAAAAAAAAAAAAAAA4QAAAAAAAAAAAAAAAAAAALEAAAADAAAAAvJIke08pChYrMvubVYGg94c-YRNbYGN"
        "NMWdp-z_bEVPp3oupCGDjijMjD5N8Le0wXSZK6T6Awu24sPz6s9ZAwo"
    )


@pytest.mark.parametrize("at", range(104))
def test_a_code_with_any_byte_changed_is_refused(at: int) -> None:
    signed = bytearray(signed_bytes(CODE))
    for bit in range(8):
        signed[at] ^= 1 << bit
        with pytest.raises(InvalidTicket):
            read_code(code_with(bytes(signed)), PUBLIC)
        signed[at] ^= 1 << bit
    assert read_code(code_with(bytes(signed)), PUBLIC) == TICKET


@pytest.mark.parametrize("at", range(143))
def test_a_code_with_any_character_changed_is_refused(at: int) -> None:
    other = ALPHABET[(ALPHABET.find(CODE[at]) + 17) % 64]
    with pytest.raises(InvalidTicket):
        read_code(CODE[:at] + other + CODE[at + 1 :], PUBLIC)


@pytest.mark.parametrize(
    "damaged",
    [
        pytest.param("", id="nothing"),
        pytest.param(CODE.removeprefix("FT1."), id="without its prefix"),
        pytest.param("FT2." + CODE.removeprefix("FT1."), id="of another form"),
        pytest.param(CODE[:-4], id="cut off"),
        pytest.param(CODE + "AAAA", id="with more behind it"),
        pytest.param(CODE + "=", id="padded"),
        pytest.param(CODE + "\n", id="with a newline"),
        pytest.param(" " + CODE, id="with a blank before it"),
        pytest.param(CODE[:70] + " " + CODE[70:], id="with a blank in it"),
        pytest.param(CODE.lower(), id="in lower case"),
        pytest.param(CODE[:50] + "+" + CODE[51:], id="in plain base64"),
        pytest.param(CODE[:50] + "é" + CODE[51:], id="beyond ASCII"),
    ],
)
def test_what_is_not_exactly_a_code_is_refused(damaged: str) -> None:
    with pytest.raises(InvalidTicket):
        read_code(damaged, PUBLIC)


def test_the_last_character_has_one_form_only() -> None:
    """104 bytes are 138 2/3 characters: the spare bits of the last one must not make twins."""
    twins = [CODE[:-1] + other for other in ALPHABET if other != CODE[-1]]
    for twin in twins:
        with pytest.raises(InvalidTicket):
            read_code(twin, PUBLIC)


def test_a_code_of_another_key_is_refused() -> None:
    with pytest.raises(InvalidTicket):
        read_code(CODE, Ed25519PrivateKey.generate().public_key())


def test_a_signature_of_other_use_is_no_ticket() -> None:
    """The prefix is signed along: 40 bytes signed for something else make no code."""
    body = signed_bytes(CODE)[:40]
    with pytest.raises(InvalidTicket):
        read_code(code_with(body + KEY.sign(body)), PUBLIC)


# The key


def test_a_key_is_made_once_readable_by_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "ticket.pem"
    made = load_or_make_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_or_make_key(path).private_bytes_raw() == made.private_bytes_raw()
    assert os.listdir(path.parent) == ["ticket.pem"]  # noqa: PTH208  nothing else, hidden or not


def test_of_several_processes_that_ask_at_once_all_get_the_same_key(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    barrier, keys = spawn.Barrier(2), spawn.Queue()
    path = tmp_path / "ticket.pem"
    processes = [spawn.Process(target=_ask, args=(barrier, path, keys)) for _ in range(2)]
    for process in processes:
        process.start()
    given_out = {keys.get(timeout=20) for _ in processes}
    for process in processes:
        process.join()
    assert len(given_out) == 1
    assert os.listdir(tmp_path) == ["ticket.pem"]  # noqa: PTH208  nothing else, hidden or not


def _ask(barrier: "Barrier", path: Path, keys: "Queue[bytes]") -> None:
    barrier.wait(20)
    keys.put(load_or_make_key(path).private_bytes_raw())


def test_a_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ticket.pem"
    other = generate_private_key(SECP256R1())
    path.write_bytes(other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(ValueError, match="another kind of key"):
        load_or_make_key(path)
