"""Witnesses: asked beside everything else, believed only as far as their signatures go."""

import asyncio
import hashlib
import logging
import random
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

import psycopg
import pytest
from box_office import register, sell
from click.testing import CliRunner
from log_client import LogClient
from samples import book, schedule, submit
from served import Api, environment, new_keys, served
from small_witness import SmallWitness, serving

from api.cli import main
from api.witness_requests import open_asking
from ledger.database import Pool, open_pool
from projections.log_keys import LogKeys
from projections.merkle import consistency_ranges, leaf_hash, root_of
from projections.notes import (
    COSIGNATURE,
    Checkpoint,
    NoteInvalid,
    SigningKey,
    VerifierKey,
    require_cosigned,
    signed,
)
from projections.published import Published
from projections.receipts import Receipt
from projections.tlog import TransparencyLog
from projections.tree import Tree
from projections.witnesses import Witness, parse_witnesses
from projections.witnessing import Witnessing

if TYPE_CHECKING:
    from tests.conftest import RealServers

Result = TypeVar("Result")

ORIGIN = "tickets.example/log"


@pytest.fixture
def keys(tmp_path: Path) -> LogKeys:
    made = LogKeys(tmp_path / "keys", ORIGIN)
    made.signing()
    return made


@pytest.fixture
def witness(keys: LogKeys) -> SmallWitness:
    return SmallWitness("witness.example/w1", str(keys.verifying()[0]))


@pytest.fixture
def asked(witness: SmallWitness) -> Iterator[Witness]:
    """The witness as the application knows it, answering."""
    with serving(witness) as url:
        yield Witness.parse(f"{witness.key} {url}")


@pytest.fixture
def sold(database: str) -> str:
    """A database with an event and a booking."""
    register(database)
    sell(database, submit(schedule(capacity=1_000)), submit(book()))
    return database


Noted = list[tuple[str, str]]


def run(url: str, work: Callable[[Pool], Awaitable[Result]]) -> Result:
    async def run_it() -> Result:
        async with open_pool(url, role="flashticket_app", size_max=4, name="witness") as pool:
            return await work(pool)

    return asyncio.run(run_it())


def sign(url: str, keys: LogKeys) -> None:
    async def work(pool: Pool) -> None:
        await TransparencyLog(pool, keys).catch_up_with_all()

    run(url, work)


def ask(url: str, *witnesses: Witness, times: int = 1) -> Noted:
    """Has a process that has just started ask; how each answer was noted."""
    noted: Noted = []

    async def work(pool: Pool) -> None:
        async with open_asking() as asking:
            witnessing = Witnessing(
                pool, witnesses, asking, lambda name, outcome: noted.append((name, outcome))
            )
            for _ in range(times):
                let_a_round_pass(url)
                await witnessing.ask_all()

    run(url, work)
    return noted


def let_a_round_pass(url: str) -> None:
    """As if half a second were over."""
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE witnessed SET asked_at_us = asked_at_us - 1000000")


def published(url: str) -> Published:
    async def work(pool: Pool) -> Published:
        return await Tree(pool).published()

    return run(url, work)


def served_note(url: str) -> bytes:
    note = published(url).served
    assert note is not None
    return note.encode()


def test_the_small_witness_accepts_every_right_proof_and_no_other() -> None:
    """It is what the proofs are held against here, so it is held against trees of all sizes."""
    choose = random.Random(7)  # noqa: S311  which proofs to damage
    key = SigningKey.generate(ORIGIN)
    leaves = [leaf_hash(bytes([n])) for n in range(40)]
    for old in range(1, 40):
        for size in range(old, 41):
            small = SmallWitness("w", str(key.verifier))
            small.size, small.root = old, root_of(leaves[:old])
            proof = [
                root_of(leaves[part.start : part.stop]) for part in consistency_ranges(old, size)
            ]
            assert small._extends(size, root_of(leaves[:size]), proof), (old, size)
            if proof:
                wrong = list(proof)
                wrong[choose.randrange(len(wrong))] = hashlib.sha256(b"other").digest()
                assert not small._extends(size, root_of(leaves[:size]), wrong)
                assert not small._extends(size, root_of(leaves[:size]), proof[1:])
            assert not small._extends(size, root_of(leaves[:size]), [*proof, leaves[0]])


def test_each_new_checkpoint_is_cosigned_and_served_so(
    sold: str, keys: LogKeys, witness: SmallWitness, asked: Witness
) -> None:
    for _ in range(3):
        sign(sold, keys)
        plain = published(sold).newest
        assert plain is not None

        assert ask(sold, asked) == [(witness.name, "cosigned")]

        note = served_note(sold)
        assert note.startswith(plain.encode())
        require_cosigned(note, [asked.key])
        assert Checkpoint.parse(plain.split("\n\n")[0] + "\n").size == witness.size
        sell(sold, submit(book()), submit(book()))


def test_a_checkpoint_that_is_cosigned_is_not_asked_about_again(
    sold: str, keys: LogKeys, witness: SmallWitness, asked: Witness
) -> None:
    sign(sold, keys)
    ask(sold, asked, times=3)
    assert witness.asked == 1


def test_where_a_witness_stands_is_learnt_from_its_answer(
    sold: str, keys: LogKeys, witness: SmallWitness, asked: Witness
) -> None:
    sign(sold, keys)
    ask(sold, asked)
    sell(sold, submit(book()))
    sign(sold, keys)
    before = witness.asked

    assert ask(sold, asked) == [(witness.name, "cosigned")]  # another process: it knows of no size

    assert witness.asked == before + 2  # 409 with the size, then the proof from there


def test_what_one_process_knows_is_proved_at_once(
    sold: str, keys: LogKeys, witness: SmallWitness, asked: Witness
) -> None:
    async def work(pool: Pool) -> None:
        async with open_asking() as asking:
            witnessing = Witnessing(pool, [asked], asking)
            log = TransparencyLog(pool, keys)
            for _ in range(4):
                await log.catch_up_with_all()
                let_a_round_pass(sold)
                assert await witnessing.ask_all()
                await asyncio.to_thread(sell, sold, submit(book()))

    run(sold, work)
    assert witness.asked == 4


WRONG_ANSWERS: dict[str, tuple[int, bytes]] = {
    "no cosignature": (200, b""),
    "nonsense": (200, b"nonsense\n"),
    "not text": (200, b"\xff\xfe\n"),
    "too long": (200, b"x" * 100_000),
    "another key": (
        200,
        SigningKey.generate("witness.example/w1", COSIGNATURE).sign("x\n", 1).encode(),
    ),
    "unknown log": (404, b""),
    "not signed": (403, b""),
    "no proof": (422, b""),
    "bad request": (400, b""),
    "broken": (500, b"sorry"),
    "moved": (302, b""),
    "conflict without size": (409, b"no\n"),
    "conflict of no size": (409, b"-1\n"),
    "conflict of a huge size": (409, b"9" * 5_000 + b"\n"),
}


@pytest.mark.parametrize("answer", WRONG_ANSWERS.values(), ids=WRONG_ANSWERS)
def test_an_answer_that_is_no_cosignature_of_this_witness_changes_nothing(
    sold: str, keys: LogKeys, witness: SmallWitness, asked: Witness, answer: tuple[int, bytes]
) -> None:
    sign(sold, keys)
    witness.answers = [answer]

    assert ask(sold, asked) == [(witness.name, "refused")]

    assert published(sold).cosigned is None
    assert served_note(sold).decode() == published(sold).newest


def test_a_cosignature_of_another_checkpoint_is_not_taken(
    sold: str, keys: LogKeys, witness: SmallWitness, asked: Witness
) -> None:
    sign(sold, keys)
    witness.answers = [(200, witness.cosignature(f"{ORIGIN}\n7\nAAAA\n").encode())]
    assert ask(sold, asked) == [(witness.name, "refused")]
    assert published(sold).cosigned is None


def test_of_several_signatures_only_those_of_the_witness_are_taken(
    sold: str, keys: LogKeys, witness: SmallWitness, asked: Witness
) -> None:
    sign(sold, keys)
    plain = served_note(sold).decode()
    text = plain.split("\n\n")[0] + "\n"
    stranger = SigningKey.generate("stranger.example/w", COSIGNATURE).sign(text, 1)
    own = witness.cosignature(text)
    witness.answers = [(200, (stranger + own).encode())]

    assert ask(sold, asked) == [(witness.name, "cosigned")]

    assert served_note(sold).decode() == plain + own


def test_a_witness_that_has_seen_more_than_there_is_says_that_something_is_lost(
    sold: str,
    keys: LogKeys,
    witness: SmallWitness,
    asked: Witness,
    servers: "RealServers",
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A restored database whose keys were restored with it: only the witness knows."""
    sign(sold, keys)
    with servers.fresh_database(urlsplit(sold).path.removeprefix("/")) as backup:
        sell(sold, submit(book()), submit(book()))
        sign(sold, keys)
        ask(sold, asked)
        for memory in (tmp_path / "keys").glob("*.checkpoint"):
            memory.unlink()
        restored = servers.database_url(backup)
        sell(restored, submit(book()))
        sign(restored, keys)

        with caplog.at_level(logging.WARNING, "projections.witnessing"):
            assert ask(restored, asked) == [(witness.name, "ahead")]
            assert "it has cosigned 4 entries, which the database does not have" in caplog.text

            # It grows beyond that in another way, and is still not cosigned.
            sell(restored, submit(book()), submit(book()))
            sign(restored, keys)
            assert ask(restored, asked) == [(witness.name, "refused")]
        assert "it answers 422" in caplog.text
        assert published(restored).cosigned is None


def test_another_tree_of_the_same_size_is_not_cosigned(
    sold: str, keys: LogKeys, witness: SmallWitness, asked: Witness
) -> None:
    sign(sold, keys)
    witness.size, witness.root = 2, b"another root"

    assert ask(sold, asked) == [(witness.name, "refused")]

    assert published(sold).cosigned is None


def test_a_witness_that_is_away_is_asked_again_later_and_later(
    sold: str,
    keys: LogKeys,
    witness: SmallWitness,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    now = [1_000.0]
    monkeypatch.setattr("projections.witnessing.monotonic", lambda: now[0])
    monkeypatch.setattr("projections.witnessing._ROUND_US_MIN", -1)
    sign(sold, keys)
    with serving(witness) as url:
        pass  # and gone again
    away = Witness.parse(f"{witness.key} {url}")
    noted: Noted = []

    async def work(pool: Pool) -> list[float]:
        asked_at = []
        async with open_asking() as asking:
            witnessing = Witnessing(
                pool, [away], asking, lambda name, outcome: noted.append((name, outcome))
            )
            while now[0] < 1_250:
                before = len(noted)
                assert not await witnessing.ask_all()
                if len(noted) > before:
                    asked_at.append(now[0])
                now[0] += 1
            with serving(witness, port=urlsplit(url).port or 0):
                now[0] += 60
                assert await witnessing.ask_all()
        return asked_at

    with caplog.at_level(logging.INFO, "projections.witnessing"):
        asked_at = run(sold, work)

    pauses = [later - earlier for earlier, later in pairwise(asked_at)]
    assert pauses == sorted(pauses)
    assert pauses[0] == 1
    assert pauses[-1] == 60
    assert {outcome for _, outcome in noted[:-1]} == {"away"}
    assert noted[-1] == (witness.name, "cosigned")
    said = [each.getMessage() for each in caplog.records if each.name == "projections.witnessing"]
    assert len(said) == 2  # once that it went, once that it came back
    require_cosigned(served_note(sold), [away.key])


def test_one_witness_that_is_away_keeps_no_other_from_cosigning(
    sold: str, keys: LogKeys, witness: SmallWitness, asked: Witness
) -> None:
    second = SmallWitness("witness.example/w2", str(keys.verifying()[0]))
    sign(sold, keys)
    with serving(second) as url:
        pass
    other = Witness.parse(f"{second.key} {url}")

    noted = ask(sold, asked, other)
    assert sorted(noted) == [(witness.name, "cosigned"), (second.name, "away")]
    require_cosigned(served_note(sold), [asked.key])

    with serving(second, port=urlsplit(url).port or 0):
        assert ask(sold, asked, other) == [(second.name, "cosigned")]
    require_cosigned(served_note(sold), [asked.key, other.key])


def test_of_processes_that_ask_at_once_one_does(
    sold: str, keys: LogKeys, witness: SmallWitness, asked: Witness
) -> None:
    sign(sold, keys)

    async def work(pool: Pool) -> None:
        async with open_asking() as asking:
            processes = [Witnessing(pool, [asked], asking) for _ in range(4)]
            await asyncio.gather(*[each.ask_all() for each in processes])

    run(sold, work)
    assert witness.asked == 1


def note_of(size: int, *signers: SigningKey) -> str:
    return signed(Checkpoint(ORIGIN, size, root_of([leaf_hash(bytes(size))])), signers)


LOG_KEY, NEW_LOG_KEY = SigningKey.generate(ORIGIN), SigningKey.generate(ORIGIN)
WITNESS_KEY = SigningKey.generate("witness.example/w1", COSIGNATURE)


def cosigned(note: str) -> str:
    return note + WITNESS_KEY.sign(note.split("\n\n")[0] + "\n", 1)


def test_a_cosigned_checkpoint_stands_for_newer_ones_for_some_seconds() -> None:
    old, new = cosigned(note_of(3, LOG_KEY)), note_of(5, LOG_KEY)
    assert Published(new, None, 0, do_answer=True).served == new
    assert Published(new, old, 1_000_000, do_answer=True).served == old
    assert Published(new, old, 6_000_000, do_answer=True).served == new
    assert Published(None, None, 0, do_answer=True).served is None


def test_a_new_key_of_the_log_is_not_waited_for_by_what_the_old_one_signed() -> None:
    old, new = cosigned(note_of(3, LOG_KEY)), note_of(5, LOG_KEY, NEW_LOG_KEY)
    found = Published(new, old, 0, do_answer=True)
    assert found.served == new
    assert found.covering(1) == new
    again = note_of(3, LOG_KEY, NEW_LOG_KEY)
    merged = Published(again, old, 0, do_answer=True).served
    assert merged == again + old.removeprefix(note_of(3, LOG_KEY))


def test_a_receipt_has_the_cosigned_checkpoint_as_soon_as_that_covers_it() -> None:
    old, new = cosigned(note_of(3, LOG_KEY)), note_of(5, LOG_KEY)
    found = Published(new, old, 3_600_000_000, do_answer=True)
    assert [found.covering(seq) for seq in (0, 2, 3, 4, 5)] == [old, old, new, new, None]
    assert [found.awaits_cosignature(seq) for seq in (2, 3)] == [False, True]
    assert not Published(new, old, 0, do_answer=False).awaits_cosignature(3)


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        f"{WITNESS_KEY.verifier}",
        f"{WITNESS_KEY.verifier} ftp://witness.example",
        f"{LOG_KEY.verifier} https://witness.example",
        f"{WITNESS_KEY.verifier} https://a.example https://b.example",
    ],
    ids=["nonsense", "no URL", "no HTTP", "the log's key", "two URLs"],
)
def test_what_names_no_witness_is_refused(text: str) -> None:
    with pytest.raises(NoteInvalid):
        parse_witnesses(text)


def test_witnesses_are_set_as_keys_and_urls() -> None:
    key = WITNESS_KEY.verifier
    text = f"{key} https://a.example/w/, {key} http://b.example"
    assert parse_witnesses(text) == [
        Witness(key, "https://a.example/w"),
        Witness(key, "http://b.example"),
    ]
    assert parse_witnesses(None) == []


# The application, with a witness that answers and one that never does.


@pytest.fixture
def hanging() -> Iterator[str]:
    """A URL where connections are taken and nothing is ever answered."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_the_application_serves_cosigned_checkpoints_receipts_and_exports(
    database: str, tmp_path: Path, witness: SmallWitness, hanging: str
) -> None:
    stranger = SigningKey.generate("stranger.example/w", COSIGNATURE).verifier
    with ExitStack() as stack:
        url = stack.enter_context(serving(witness))
        settings = {
            "log_key_dir": tmp_path / "keys",
            "log_origin": ORIGIN,
            "log_witnesses": f"{witness.key} {url},{stranger} {hanging}",
        }
        shop = stack.enter_context(served(database, None, **settings))
        api = stack.enter_context(Api(shop.url, new_keys(database)))
        event_id, (user_id,) = api.add_event(10), api.add_users(1)
        booking = api.book(event_id, user_id).json()
        key, log_key = VerifierKey.parse(witness.key), api.nobody.get("/tlog/keys").text.strip()

        note = b""
        while key.name.encode() not in note:
            note = api.nobody.get("/tlog/checkpoint").content
        require_cosigned(note, [key])
        LogClient(api.nobody, VerifierKey.parse(log_key)).checkpoint_of(2)

        answer = api.client.get(f"/v1/bookings/{booking['booking_id']}/receipt")
        require_cosigned(Receipt.parse(answer.content).checkpoint.encode(), [key])
        (tmp_path / "receipt").write_bytes(answer.content)
        metrics = api.nobody.get("/metrics").text
        assert 'flashticket_witness_answers_total{outcome="cosigned"' in metrics
        settings["log_witnesses"] = f"{witness.key} {url}"  # or it would wait for the other
        exporting = environment({"database_url": database, **settings})
        ran = CliRunner(env=exporting).invoke(main, ["export", str(tmp_path / "export")])
        assert ran.exit_code == 0, ran.output

    for command in (
        ["verify-receipt", str(tmp_path / "receipt")],
        ["verify-export", str(tmp_path / "export")],
    ):
        for witnesses, status in (
            ([], 0),
            ([witness.key], 0),
            ([witness.key, str(stranger)], 1),
            ([log_key], 2),
        ):
            options = [word for each in witnesses for word in ("--witness", each)]
            ran = CliRunner().invoke(main, [*command, "--key", log_key, *options])
            assert ran.exit_code == status, ran.output
            if status == 1:
                assert "not cosigned by stranger.example/w" in ran.output


def test_with_all_witnesses_away_everything_goes_on(
    database: str, hanging: str, tmp_path: Path
) -> None:
    stranger = SigningKey.generate("stranger.example/w", COSIGNATURE).verifier
    settings = {"log_witnesses": f"{stranger} {hanging}", "log_key_dir": tmp_path / "keys"}
    with served(database, None, **settings) as shop, Api(shop.url, new_keys(database)) as api:
        event_id, (user_id,) = api.add_event(10), api.add_users(1)
        key = VerifierKey.parse(api.nobody.get("/tlog/keys").text.strip())
        log = LogClient(api.nobody, key)
        for n in range(2):
            booking = api.book(event_id, user_id).json()
            log.checkpoint_of(n + 2)
            answer = api.client.get(f"/v1/bookings/{booking['booking_id']}/receipt")
            assert answer.status_code == 200
            Receipt.parse(answer.content).verify([key])
        shop.await_path("/metrics", containing='flashticket_witness_answers_total{outcome="away"')
        assert any("does not cosign" in str(line.get("message")) for line in shop.log)
