"""Receipts: what a buyer holds in the hand, against whoever denies it."""

import random
from pathlib import Path
from uuid import UUID

import pytest
from click.testing import CliRunner, Result
from samples import recorded, schedule

from api.cli import main
from ledger import chain
from ledger.decide import decide
from ledger.preimages import UnreadablePreimage, read_preimage
from ledger.state import State
from ledger.values import Instant
from projections.merkle import inclusion_ranges, leaf_hash, prove, root_of
from projections.notes import Checkpoint, SigningKey, signed
from projections.receipts import Receipt, ReceiptInvalid

ORIGIN = "tickets.example/log"
KEY = SigningKey.generate(ORIGIN)
OTHER = SigningKey.generate(ORIGIN)
SIZE = 11


def an_entry() -> bytes:
    decision = decide(State(), schedule(), Instant(1))
    assert isinstance(decision, tuple)
    one = recorded(decision[0])
    return chain.preimage(
        stream_id=one.stream_id,
        version=one.version,
        recorded_at=one.recorded_at,
        schema_version=one.schema_version,
        actor=one.actor,
        prev_hash=one.prev_hash,
        type_name=one.type_name,
        idempotency_key=one.idempotency_key,
        request_hash=one.request_hash,
        payload=one.payload,
    )


def a_receipt(seq: int = 4, *keys: SigningKey) -> Receipt:
    entry = an_entry()
    leaves = [leaf_hash(b"%d" % n) for n in range(SIZE)]
    leaves[seq] = leaf_hash(entry)
    proof = prove(
        inclusion_ranges(seq, SIZE),
        lambda part: root_of(leaves[part.index << part.height :][: 1 << part.height]),
    )
    checkpoint = signed(Checkpoint(ORIGIN, SIZE, root_of(leaves)), keys or (KEY,))
    return Receipt(entry, seq, tuple(proof), checkpoint)


@pytest.mark.parametrize("seq", range(SIZE))
def test_a_receipt_holds_by_the_logs_key_and_nothing_else(seq: int) -> None:
    receipt = Receipt.parse(str(a_receipt(seq)).encode())

    assert receipt == a_receipt(seq)
    assert receipt.verify([OTHER.verifier, KEY.verifier]).size == SIZE
    with pytest.raises(ReceiptInvalid, match="no known key"):
        receipt.verify([OTHER.verifier])


def test_no_byte_of_a_receipt_can_be_changed(choose: random.Random) -> None:
    text = str(a_receipt()).encode()
    signature_at = text.rindex(b" ")
    for position in [*range(signature_at), *range(signature_at + 7, len(text))]:
        changed = bytearray(text)
        changed[position] = choose.choice([c for c in b"0Az\n +" if c != changed[position]])
        with pytest.raises(ReceiptInvalid):
            Receipt.parse(bytes(changed)).verify([KEY.verifier])


def test_it_is_the_text_that_the_specification_describes() -> None:
    lines = str(a_receipt()).split("\n")

    assert lines[0] == "c2sp.org/tlog-proof@v1"
    assert lines[1].startswith("extra ")
    assert lines[2] == "index 4"
    assert "" in lines
    assert lines[lines.index("") + 1] == ORIGIN


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\xff",
        b"c2sp.org/tlog-proof@v2\nextra AAAA\nindex 0\n\n",
        b"c2sp.org/tlog-proof@v1\nindex 0\n\n",
        b"c2sp.org/tlog-proof@v1\nextra AAAA\nindex 00\n\n",
        b"c2sp.org/tlog-proof@v1\nextra A\nindex 0\n\n",
        b"c2sp.org/tlog-proof@v1\nextra AAAA\nindex 0\nAAAA\n\n",
        b"c2sp.org/tlog-proof@v1\nextra AAAA\nindex 0",
        b"c2sp.org/tlog-proof@v1\nextra AAAA\nindex 0\n" + b"A" * 43 + b"=\n" * 64 + b"\n",
    ],
)
def test_what_is_no_receipt_is_refused(text: bytes) -> None:
    with pytest.raises(ReceiptInvalid):
        Receipt.parse(text)


def test_what_an_entry_says_is_read_from_its_bytes() -> None:
    entry = read_preimage(an_entry())
    again = chain.preimage(
        stream_id=entry.stream_id,
        version=entry.version,
        recorded_at=entry.recorded_at,
        schema_version=entry.schema_version,
        actor=entry.actor,
        prev_hash=entry.prev_hash,
        type_name=entry.type_name,
        idempotency_key=entry.idempotency_key,
        request_hash=entry.request_hash,
        payload=entry.payload,
    )
    assert again == an_entry()
    assert entry.type_name == "EventScheduled"


def test_every_preimage_is_read_back_and_nothing_else_is(choose: random.Random) -> None:
    for _ in range(200):
        has_key = choose.random() < 0.5
        columns = {
            "stream_id": UUID(int=choose.getrandbits(128)),
            "version": choose.getrandbits(64),
            "recorded_at": choose.randrange(-(2**63), 2**63),
            "schema_version": choose.getrandbits(16),
            "actor": UUID(int=choose.getrandbits(128)),
            "prev_hash": choose.randbytes(32),
            "type_name": "T" * choose.randrange(40),
            "idempotency_key": choose.randbytes(32) if has_key else None,
            "request_hash": choose.randbytes(32) if has_key else None,
            "payload": choose.randbytes(choose.randrange(300)),
        }
        preimage = chain.preimage(**columns)  # type: ignore[arg-type]
        read = read_preimage(preimage)
        assert {name: getattr(read, name) for name in columns} == columns
        for damaged in (preimage[:-1], preimage + b"\0", b"x" + preimage[1:]):
            with pytest.raises(UnreadablePreimage):
                read_preimage(damaged)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(each) for each in arguments])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.tlog-proof"
    path.write_text(str(a_receipt()))
    return path


def test_the_command_says_what_a_receipt_proves(file: Path) -> None:
    ran = run("verify-receipt", file, "--key", KEY.verifier)

    assert ran.exit_code == 0, ran.output
    assert f"entry 4 of the 11 that {ORIGIN} has signed for" in ran.output
    assert "EventScheduled" in ran.output
    assert '"name":"A show"' in ran.output


def test_the_command_takes_keys_from_a_file(file: Path, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text(f"{OTHER.verifier}\n{KEY.verifier}\n")

    assert run("verify-receipt", file, "--key", keys).exit_code == 0


def test_the_command_fails_for_another_key_and_for_wrong_use(file: Path) -> None:
    assert run("verify-receipt", file, "--key", OTHER.verifier).exit_code == 1
    assert run("verify-receipt", file, "--key", "no key").exit_code == 2
    assert run("verify-receipt", file).exit_code == 2
    assert run("verify-receipt", "/nowhere", "--key", KEY.verifier).exit_code == 2


def test_keys_are_listed_added_and_retired_by_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLASHTICKET_LOG_KEY_DIR", str(tmp_path))
    first = run("log-keys", "list").output.strip()
    second = run("log-keys", "add").output.strip()
    assert run("log-keys", "list").output == f"{first}\n{second}\n"

    assert run("log-keys", "retire", first.split("+")[1]).exit_code == 0
    assert run("log-keys", "list").output == f"{first}  (retired)\n{second}\n"
    assert run("log-keys", "retire", second.split("+")[1]).exit_code == 1
    assert run("log-keys", "retire", "zz").exit_code == 2
