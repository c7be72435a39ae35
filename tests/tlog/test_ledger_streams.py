"""The ledger as one stream of lines: in constant memory, as fast as its reader, from anywhere."""

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from exporting import put, story_of_every_type
from served import HOST, Api, Served, new_keys, served

from ledger.database import open_pool
from projections.ledger_pages import LedgerPages
from projections.sequencer import Sequencer

if TYPE_CHECKING:
    from tests.conftest import RealServers

ENTRIES = 20_000
BYTES_MIN = 11_000_000
"""What a stream of all entries has at least."""

MEMORY_BYTES_MAX = 7_000_000
"""By how much serving it may raise the peak of a process."""


@pytest.fixture(scope="module")
def shop_database(servers: "RealServers", migrated: str) -> Iterator[str]:
    with servers.fresh_database(migrated) as name:
        yield servers.database_url(name)


@pytest.fixture(scope="module")
def shop(shop_database: str) -> Iterator[Served]:
    with served(shop_database, None) as running:
        yield running


@pytest.fixture(scope="module")
def api(shop: Served, shop_database: str) -> Iterator[Api]:
    with Api(shop.url, new_keys(shop_database)) as clients:
        yield clients


@pytest.fixture(scope="module")
def event_id(api: Api, shop_database: str) -> str:
    """An event with `ENTRIES` entries, all in the log by now."""
    made: str = api.add_event(capacity=100_000)
    append(shop_database, made, 2, ENTRIES)
    while True:
        answer = api.nobody.get("/tlog/checkpoint")
        if answer.status_code == 200 and int(answer.text.split("\n")[1]) == ENTRIES:
            return made
        time.sleep(0.05)  # or asking would keep the application from getting on


def append(database: str, event_id: str, first: int, last: int) -> None:
    """Entries of these versions; what a stream of lines shows of them is what counts here."""
    with psycopg.connect(database) as connection:
        connection.execute(
            """
            INSERT INTO ledger (stream_id, version, type, schema_version, payload, prev_hash, hash,
                recorded_at_us, actor)
            SELECT stream_id, n, 'SeatsBooked', 2, convert_to('{"amount_cents":0,"booking_id":"'
                || gen_random_uuid() || '","category":null,"quantity":1,"seats":[],"user_id":"'
                || gen_random_uuid() || '"}', 'UTF8'), hash, hash, recorded_at_us, actor
            FROM ledger, generate_series(%(first)s::int, %(last)s::int) AS n
            WHERE stream_id = %(id)s AND version = 1
            """,
            {"id": event_id, "first": first, "last": last},
        )
        connection.execute("UPDATE streams SET version = %s WHERE stream_id = %s", (last, event_id))


def forget_peak(shop: Served) -> None:
    Path(f"/proc/{shop.process.pid}/clear_refs").write_text("5")


def peak_bytes(shop: Served) -> int:
    """The most memory that the process has had since `forget_peak`."""
    for line in Path(f"/proc/{shop.process.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no such line")


def paths(event_id: str) -> list[str]:
    return ["/v1/ledger", f"/v1/ledger/streams/{event_id}"]


def test_all_entries_are_streamed_in_constant_memory(api: Api, shop: Served, event_id: str) -> None:
    headers = {"Accept": "application/x-ndjson"}
    for path in paths(event_id):
        api.auditor.get(path, params={"limit": 5_000}, headers=headers)  # once, to be warm
        forget_peak(shop)
        before = peak_bytes(shop)
        size = lines = 0
        with api.auditor.stream("GET", path, headers=headers) as answer:
            for part in answer.iter_raw():
                size += len(part)
                lines += part.count(b"\n")
        assert lines == ENTRIES
        assert size > BYTES_MIN
        assert peak_bytes(shop) - before < MEMORY_BYTES_MAX, path


class Reader:
    """Reads a stream of lines from a connection, when it is told to and not before."""

    def __init__(self, shop: Served, key: str, path: str) -> None:
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        self.socket.settimeout(20)
        self.socket.connect((HOST, shop.port))
        self.socket.sendall(
            f"GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n"
            f"Accept: application/x-ndjson\r\nAuthorization: Bearer {key}\r\n\r\n".encode()
        )
        self._file = self.socket.makefile("rb")
        while self._file.readline() != b"\r\n":
            pass

    def lines(self) -> Iterator[dict[str, Any]]:
        """The lines that come, as long as whole ones do (RFC 9112 section 7.1, chunks)."""
        rest = b""
        while size := int(self._file.readline() or b"0", 16):
            *whole, rest = (rest + self._file.read(size)).split(b"\n")
            self._file.readline()
            yield from map(json.loads, whole)
        assert rest == b""

    def close(self) -> None:
        self._file.close()
        self.socket.close()


def await_rest(database: str) -> None:
    """Return once the application has read no page of the ledger for a third of a second."""
    last_query, quiet_since = None, time.monotonic()
    with psycopg.connect(database, autocommit=True) as connection:
        while time.monotonic() - quiet_since < 0.3:
            row = connection.execute(
                "SELECT max(query_start) FROM pg_stat_activity"
                " WHERE datname = current_database() AND query LIKE '-- A page of%'"
            ).fetchone()
            if row != last_query:
                last_query, quiet_since = row, time.monotonic()


def test_a_reader_that_does_not_read_is_not_read_ahead_for(
    api: Api, shop: Served, shop_database: str, event_id: str
) -> None:
    """Had the rest been read for it already, what is written meanwhile would be missing."""
    reader = Reader(shop, api.keys["auditor"], f"/v1/ledger/streams/{event_id}")
    forget_peak(shop)
    before = peak_bytes(shop)
    await_rest(shop_database)
    append(shop_database, event_id, ENTRIES + 1, ENTRIES + 5)

    versions = [entry["version"] for entry in reader.lines()]

    reader.close()
    assert versions == list(range(1, ENTRIES + 6))
    assert peak_bytes(shop) - before < MEMORY_BYTES_MAX


def test_a_reader_that_goes_away_is_read_nothing_more_for_and_goes_on_another_day(
    api: Api, shop: Served, shop_database: str, event_id: str
) -> None:
    seen: list[int] = []
    for path, number in zip(paths(event_id), ("seq", "version"), strict=True):
        reader = Reader(shop, api.keys["auditor"], path)
        lines = reader.lines()
        seen = [next(lines)[number] for _ in range(2_345)]
        reader.close()
        await_rest(shop_database)

        again = Reader(shop, api.keys["auditor"], f"{path}?after={seen[-1]}&limit=100")
        seen += [entry[number] for entry in again.lines()]
        again.close()
        assert seen == list(range(seen[0], seen[0] + 2_445))


def test_a_gap_that_somebody_made_ends_no_stream(database: str) -> None:
    """An auditor must see what is after a gap, however wide, in pages of any size."""
    story = story_of_every_type().appended
    stream_id = story[0].stream_id
    length = sum(each.stream_id == stream_id for each in story)
    put(database, story)
    kept = {1, 2, length - 1, length}

    async def run() -> None:
        async with open_pool(database, role=None, size_max=1, name="pages") as pool:
            sequencer, pages = Sequencer(pool), LedgerPages(pool)
            sequencer.notice({each.stream_id for each in story})
            await sequencer.number()
            with psycopg.connect(database) as connection:
                connection.execute("ALTER TABLE ledger DISABLE TRIGGER ledger_append_only")
                connection.execute(
                    "DELETE FROM ledger WHERE stream_id = %s AND version <> ALL (%s)",
                    (stream_id, list(kept)),
                )
            for limit in (1, 2, 3, 1_000):
                versions, after = [], 0
                while page := await pages.stream_page(stream_id, after, limit):
                    assert len(page) <= limit
                    versions += [entry.version for entry in page]
                    after = page[-1].version
                assert versions == sorted(kept)

                seqs, after = [], -1
                while page := await pages.page(after, limit):
                    assert len(page) <= limit
                    seqs += [entry.seq for entry in page]
                    after = page[-1].seq if page[-1].seq is not None else after
                assert len(seqs) == len(set(seqs)) == len(story) - length + len(kept)
            streamed = [entry async for page in pages.pages(-1, None) for entry in page]
            assert len(streamed) == len(seqs)

    asyncio.run(run())


def test_bookings_go_on_beside_readers_that_do_not_read(
    api: Api, shop: Served, event_id: str
) -> None:
    readers = [Reader(shop, api.keys["auditor"], path) for path in paths(event_id) * 6]
    another, (user_id,) = api.add_event(10), api.add_users(1)
    for _ in range(10):
        assert api.book(another, user_id).status_code == 201
    for reader in readers:
        reader.close()
