"""Whatever is put into a parser, it answers or raises the one error that it declares.

Each parser gets noise, and damaged versions of what it takes: bytes changed, left out, repeated,
and numbers and brackets where they hurt. `test_no_parser_is_forgotten` looks for others in the
code.
"""

import ast
import asyncio
import base64
import contextlib
import io
import json
import struct
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from api import access, bodies
from api.idempotency import digests
from api.ndjson import lines
from api.offers import offer_of
from api.orders import order_of
from api.paging import Cursor, position
from api.problems import Problem
from api.rates import Rate
from api.tickets import InvalidTicket, Ticket, code_of, read_code
from api.times import instant_of, rfc3339
from api.validation import validation_problem
from ledger import codec
from ledger.values import ActorId, BookingId, EventId
from projections import export_format
from projections.export_format import ExportInvalid, Kind
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
from projections.receipts import Receipt, ReceiptInvalid
from projections.tiles import parse_path
from projections.verify_export import verify_export
from projections.witnesses import Witness, parse_witnesses

ROOT: Final = Path(__file__).parents[2]
ID: Final = "0198c5a2-6f40-7cc2-b1a5-5d3e0a9b7c11"

TICKET_KEY: Final = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
LOG_KEY: Final = SigningKey("tickets.example/log", 1, bytes(range(32)))
WITNESS_KEY: Final = SigningKey("witness.example", COSIGNATURE, bytes(range(32))).verifier
WITNESS: Final = f"{WITNESS_KEY} https://witness.example/add".encode()
ENTRY: Final = b"the bytes of an entry"
CHECKPOINT: Final = Checkpoint(LOG_KEY.name, 1, leaf_hash(ENTRY))


@dataclass(frozen=True)
class Parser:
    """``read`` takes ``samples``, and of anything else raises ``errors`` and nothing other."""

    read: Callable[[bytes], object]
    errors: tuple[type[Exception], ...]
    samples: tuple[bytes, ...]


def of_text(read: Callable[[str], object]) -> Callable[[bytes], object]:
    """A parser of text gets bytes as a header brings them."""
    return lambda given: read(given.decode("latin-1"))


# Bodies


def body(model: type[Any]) -> Callable[[bytes], object]:
    adapter = TypeAdapter(model)

    def read(given: bytes) -> object:
        try:
            asked = adapter.validate_json(given)
        except ValidationError as error:
            problem = validation_problem(error.errors(), "body")
            json.loads(problem.body())
            raise problem from error
        match asked:
            case bodies.EventIn():
                return offer_of(asked)
            case bodies.OrderIn():
                return order_of(asked)
            case _:
                return asked

    return read


BODIES: Final[dict[str, tuple[object, ...]]] = {
    "VenueIn": ({"name": "Hall", "capacity": 10},),
    "UserIn": ({"name": "Ada", "email": "ada@example.org"},),
    "EventIn": (
        {
            "venue_id": ID,
            "name": "Show",
            "starts_at": "2030-01-01T20:00:00+01:00",
            "sales_open_at": "2029-01-01T00:00:00Z",
            "limit_per_user": 4,
            "hold_seconds": 60,
            "categories": [{"name": "a", "price_cents": 1}, {"name": "b", "capacity": 2}],
            "quotas": [{"name": "q", "capacity": 3, "categories": ["a", "b"]}],
            "seats": [{"section": "S", "row": "1", "category": "a", "seats": 3}],
        },
        {"venue_id": ID, "name": "Show", "starts_at": "2030-01-01T20:00:00Z", "seats": ["A", "B"]},
    ),
    "EventPatch": ({"capacity": 1},),
    "BookingIn": (
        {"event_id": ID, "user_id": ID, "quantity": 2},
        {"event_id": ID, "user_id": ID, "seats": ["A-1", "A-2"], "category": "a"},
    ),
    "CartIn": ({"user_id": ID, "items": [{"event_id": ID, "quantity": 1}]},),
    "CancelIn": ({}, {"quantity": 1}, {"tickets": [1, 2]}),
    "TransferIn": ({"to_user_id": ID},),
    "WaitingIn": ({"user_id": ID, "quantity": 1, "category": "a"},),
    "TicketCode": ({"code": "FT1.x"},),
    "KeyIn": ({"role": "client", "rate": "100/s"},),
    "WebhookIn": ({"url": "https://example.org/hook"},),
    "ReplayIn": ({"seq": 1},),
}


# Export files


def export_file() -> bytes:
    file = io.BytesIO()
    checkpoint = signed(CHECKPOINT, [LOG_KEY])
    header = export_format.Header(1, checkpoint, (str(LOG_KEY.verifier),))
    golden = json.loads((ROOT / "tests/golden/entries/EventOpened.v1.json").read_text())
    entry = export_format.entry_line(
        [0, 1, golden["row"]["type"], 1, 0, ID, None, None, "0" * 64, "0" * 64], b"{}"
    )
    for number, (kind, content) in enumerate(
        [
            (Kind.HEADER, header.line()),
            (Kind.ENTRIES, export_format.stream_line(ID) + entry),
            (Kind.TILES, export_format.tile_line(0, CHECKPOINT.root)),
            (Kind.END, export_format.end_line(1, 1)),
        ]
    ):
        counts = int(number > 0)
        export_format.write_frame(
            file, kind, content, begins_stream=True, entries=counts, streams=counts
        )
    return file.getvalue()


def plain_export() -> bytes:
    with tempfile.NamedTemporaryFile() as file:
        file.write(export_file())
        file.flush()
        return b"".join(export_format.read_whole(Path(file.name)))


def read_export(given: bytes) -> object:
    with tempfile.NamedTemporaryFile() as file:
        file.write(given)
        file.flush()
        return verify_export(Path(file.name))


def read_frames(given: bytes) -> object:
    file = io.BytesIO(given)
    return [export_format.read_frame(file, frame) for frame in export_format.frames(file)]


# NDJSON


def read_lines(given: bytes) -> object:
    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(given), 7):
            yield given[start : start + 7]

    async def collect() -> list[tuple[int, bytes]]:
        return [line async for line in lines(chunks())]

    found = asyncio.run(collect())
    read = body(bodies.UserIn)
    return [read(line) for _, line in found]


def read_time(text: str) -> object:
    moment = TypeAdapter(bodies.Time).validate_python(text)
    again = TypeAdapter(bodies.Time).validate_python(rfc3339(instant_of(moment)))
    assert again == moment
    return moment


def read_cursor(text: str) -> object:
    adapter: TypeAdapter[str | None] = TypeAdapter(Cursor)
    return position(adapter.validate_python(text))


RECEIPT: Final = Receipt(ENTRY, 0, (), signed(CHECKPOINT, [LOG_KEY]))
CODE: Final = code_of(Ticket(EventId(UUID(ID)), BookingId(UUID(ID)), 1, 0), TICKET_KEY)


def read_receipt(given: bytes) -> object:
    return Receipt.parse(given).verify([LOG_KEY.verifier])


PARSERS: Final[dict[str, Parser]] = {
    **{
        name: Parser(
            body(getattr(bodies, name)), (Problem,), tuple(json.dumps(s).encode() for s in samples)
        )
        for name, samples in BODIES.items()
    },
    "lines": Parser(read_lines, (Problem,), (b'{"name":"a","email":"a@b"}\n\n' * 2,)),
    "digests": Parser(
        of_text(lambda text: digests(ActorId(UUID(ID)), text, "book_seats", {})),
        (Problem,),
        (b"key-1",),
    ),
    "position": Parser(of_text(read_cursor), (ValidationError,), (b"AAAAAAAAAAAAAAAAAAAAAA",)),
    "_bearer_key": Parser(of_text(access._bearer_key), (Problem,), (b"Bearer ft_client_x",)),
    "Time": Parser(
        of_text(read_time),
        (ValidationError,),
        (
            b"2030-01-01T20:00:00+01:00",
            b"2199-12-31t00:00:00.999999-23:59",
            b"1970-01-01 00:00:00Z",
        ),
    ),
    "Rate.parse": Parser(of_text(Rate.parse), (ValueError,), (b"100/s", b"5000/10s")),
    "read_code": Parser(
        of_text(lambda text: read_code(text, TICKET_KEY.public_key())),
        (InvalidTicket,),
        (CODE.encode(),),
    ),
    "parse_path": Parser(
        of_text(parse_path), (), (b"0/000", b"1/x001/234.p/7", b"entries/x001/x234/067")
    ),
    "VerifierKey.parse": Parser(
        of_text(VerifierKey.parse), (NoteInvalid,), (str(LOG_KEY.verifier).encode(),)
    ),
    "SigningKey.parse": Parser(
        of_text(SigningKey.parse), (NoteInvalid,), (LOG_KEY.serialized().encode(),)
    ),
    "Witness.parse": Parser(of_text(Witness.parse), (NoteInvalid,), (WITNESS,)),
    "parse_witnesses": Parser(
        of_text(parse_witnesses), (NoteInvalid,), (WITNESS, WITNESS + b", " + WITNESS)
    ),
    "Note.parse": Parser(Note.parse, (NoteInvalid,), (signed(CHECKPOINT, [LOG_KEY]).encode(),)),
    "Checkpoint.parse": Parser(
        of_text(Checkpoint.parse), (NoteInvalid,), (str(CHECKPOINT).encode(),)
    ),
    "open_checkpoint": Parser(
        lambda given: open_checkpoint(given, [LOG_KEY.verifier]),
        (NoteInvalid,),
        (signed(CHECKPOINT, [LOG_KEY]).encode(),),
    ),
    "parse_signature": Parser(
        lambda given: parse_signature(given.decode("utf-8", "replace")),
        (NoteInvalid,),
        (LOG_KEY.sign("text\n").removesuffix("\n").encode(),),
    ),
    "Receipt.parse": Parser(read_receipt, (ReceiptInvalid,), (str(RECEIPT).encode(),)),
    "frames": Parser(read_frames, (ExportInvalid,), (export_file(),)),
    "verify_export": Parser(read_export, (ExportInvalid,), (export_file(), plain_export())),
    "from_base64": Parser(of_text(export_format.from_base64), (ValueError,), (b"AAAA",)),
    "decode": Parser(
        lambda given: codec.decode("SeatsBooked", 2, given),
        (codec.UnreadablePayload,),
        (
            json.loads((ROOT / "tests/golden/entries/SeatsBooked.v2.json").read_text())["row"][
                "payload"
            ].encode(),
        ),
    ),
}

FRAME: Final = {"kind": "header", "bytes": 1, "begins_stream": True, "entries": 0, "streams": 0}


@pytest.mark.parametrize("value", [-1, -99, 2**63, 1e308, 1.5, "-1", None, [], {}, True, "x"])
@pytest.mark.parametrize("name", FRAME)
def test_an_index_that_lies_ends_the_reading(name: str, value: object) -> None:
    index = json.dumps(FRAME | {name: value}).encode()
    given = struct.pack("<II", 0x184D2A50, len(index)) + index + b"x"
    require_declared(PARSERS["frames"], given)
    require_declared(PARSERS["verify_export"], given)


def test_a_frame_that_becomes_too_long_is_not_unpacked() -> None:
    magic, one_segment_of_eight_bytes = 0xFD2FB528, 0b1110_0000
    frame = struct.pack("<IBQ", magic, one_segment_of_eight_bytes, 2**40) + b"\x01\0\0"
    index = json.dumps(FRAME | {"bytes": len(frame)}).encode()
    given = struct.pack("<II", 0x184D2A50, len(index)) + index + frame
    with pytest.raises(ExportInvalid, match="too long"):
        PARSERS["frames"].read(given)


NASTY: Final = (
    b"\0",
    b"\n",
    b"\n\n",
    b"\r",
    b"\xff",
    b"\xe2\x80\x94",
    b"9" * 5_000,
    b"-1",
    b"-9999",
    b"1e999",
    b"NaN",
    b"[" * 3_000,
    b'{"a":' * 3_000,
    b'"',
    b"\\ud800",
    b"null",
    b"+",
    b"/",
    b"=",
    base64.b64encode(b"\0" * 100),
)


@st.composite
def damaged(draw: st.DrawFn, samples: tuple[bytes, ...]) -> bytes:
    """A sample with some of it replaced, left out or repeated."""
    content = draw(st.sampled_from(samples))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(content)))
        end = min(len(content), start + draw(st.integers(0, 40)))
        put = draw(st.sampled_from(NASTY) | st.binary(max_size=4) | st.just(content[start:end] * 2))
        content = content[:start] + put + content[end:]
    return content


def require_declared(parser: Parser, given: bytes) -> None:
    with contextlib.suppress(*parser.errors):
        parser.read(given)


@pytest.mark.parametrize("name", PARSERS)
def test_a_parser_takes_what_it_is_for(name: str) -> None:
    for sample in PARSERS[name].samples:
        PARSERS[name].read(sample)


@pytest.mark.parametrize("name", PARSERS)
@settings(max_examples=min(100, settings().max_examples))  # of thirty parsers each
@given(data=st.data())
def test_a_parser_raises_what_it_declares_and_nothing_else(name: str, data: st.DataObject) -> None:
    parser = PARSERS[name]
    require_declared(parser, data.draw(st.binary(max_size=200) | damaged(parser.samples)))


@pytest.mark.parametrize("nasty", NASTY, ids=[repr(each[:12]) for each in NASTY])
def test_what_hurts_may_stand_in_any_place(nasty: bytes) -> None:
    for parser in PARSERS.values():
        for sample in parser.samples:
            for at in {0, len(sample) // 2, len(sample), *_digits(sample)}:
                require_declared(parser, sample[:at] + nasty + sample[at:])
                require_declared(parser, sample[:at] + nasty + sample[at + 1 :])


def _digits(sample: bytes) -> Iterator[int]:
    """Where numbers begin, the first few of them."""
    starts = [
        at
        for at in range(len(sample))
        if sample[at : at + 1].isdigit() and not sample[at - 1 : at].isalnum()
    ]
    yield from starts[:8]


def parsers_in_the_code() -> Iterator[str]:
    """Functions whose names say that they read what came from outside."""
    for package in ("api", "ledger", "projections"):
        for path in sorted((ROOT / package).rglob("*.py")):
            tree = ast.parse(path.read_text())
            for node in ast.walk(tree):
                if isinstance(node, ast.ClassDef):
                    for inner in node.body:
                        if isinstance(inner, ast.FunctionDef) and inner.name == "parse":
                            yield f"{node.name}.parse"
                elif isinstance(node, ast.FunctionDef) and is_parser(node.name):
                    yield node.name


def is_parser(name: str) -> bool:
    return name in {"decode", "read_code", "lines", "frames", "verify_export"} or name.startswith(
        ("parse_", "open_checkpoint", "from_base64")
    )


def test_no_parser_is_forgotten() -> None:
    assert set(parsers_in_the_code()) <= PARSERS.keys()
    taken = {
        name
        for name, model in vars(bodies).items()
        if isinstance(model, type) and issubclass(model, bodies._In) and model is not bodies._In
    }
    inner = {"CategoryIn", "QuotaIn", "SeatRowIn", "OrderIn", "CartItemIn"}
    assert taken - inner <= PARSERS.keys()
