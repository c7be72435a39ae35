"""A line to PostgreSQL that is cut at a chosen statement, as a network or a crash would cut it.

It passes bytes on between a client and the server and reads the client's side of the protocol on
the way. Nothing of the client or of the server is replaced, so what either does about the cut is
what it does in earnest.
"""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from enum import Enum
from typing import Any, cast
from urllib.parse import parse_qsl, urlencode, urlsplit

_LENGTH = struct.Struct(">I")


class Cut(Enum):
    """When the line is cut, once."""

    BEFORE_LOCK = "a connection is there, and the BEGIN does not arrive"
    BEFORE_APPEND = "the streams are locked, and the first INSERT does not arrive"
    BEFORE_COMMIT = "everything is written, and the COMMIT does not arrive"
    DURING_COMMIT = "the COMMIT is on its way to the server, and nobody waits for its answer"
    AFTER_COMMIT = "the COMMIT took place, and its answer does not arrive"


class _HungUp(Exception):
    """The line was cut."""


class Line:
    """Passes on what is sent through ``url``; see `open_line`."""

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._armed: Cut | None = None
        self._for_good = False
        self._is_down = False
        self._talks: set[Any] = set()
        self._cut_is_closed = asyncio.Event()
        self._cut_is_closed.set()
        self.url = ""
        self.cuts = 0

    def cut(self, when: Cut | None, *, for_good: bool = False) -> None:
        """Cut the next connection that comes that far, and if ``for_good`` let none through then.

        Other connections stay up. None takes back a cut that is still due.
        """
        self._armed = when
        self._for_good = for_good

    def mend(self) -> None:
        """Let connections through again, and take back a cut that is still due."""
        self._armed = None
        self._is_down = False

    async def serve(
        self, client_reader: asyncio.StreamReader, client_writer: asyncio.StreamWriter
    ) -> None:
        if self._is_down:
            client_writer.close()
            return
        try:
            server_reader, server_writer = await asyncio.open_connection(*self._server)
        except OSError:
            # As if it had been refused by the server itself.
            client_writer.close()
            return
        call = _Call(self, client_writer, server_writer)
        talk = cast("asyncio.Task[None]", asyncio.current_task())
        self._talks.add(talk)
        # Also when hanging up finds it closing its ends.
        talk.add_done_callback(self._talks.discard)
        try:
            async with asyncio.TaskGroup() as both_ways:
                both_ways.create_task(call.pass_on_questions(client_reader))
                both_ways.create_task(call.pass_on_answers(server_reader))
        except* (_HungUp, ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            for writer in (client_writer, server_writer):
                writer.close()
                with suppress(ConnectionError, asyncio.CancelledError):
                    await writer.wait_closed()
            if call.was_cut:
                self._cut_is_closed.set()

    async def closed(self) -> None:
        """Return when the connection cut last is closed at both ends."""
        await self._cut_is_closed.wait()

    async def hang_up(self) -> None:
        """End all connections."""
        while self._talks:
            for talk in self._talks:
                talk.cancel()
            await asyncio.wait(self._talks)

    def is_due(self, moment: Cut) -> bool:
        """Whether the line is to be cut at this moment; it is then, and no more after that."""
        if self._armed is not moment:
            return False
        self._armed = None
        self._is_down = self._for_good
        self._cut_is_closed.clear()
        self.cuts += 1
        return True


class _Call:
    """One connection through the line."""

    def __init__(
        self, line: Line, client: asyncio.StreamWriter, server: asyncio.StreamWriter
    ) -> None:
        self._line = line
        self._client = client
        self._server = server
        self._prepared: dict[bytes, bytes] = {}
        self._answers_end_with_commit = False
        self.was_cut = False

    async def pass_on_questions(self, reader: asyncio.StreamReader) -> None:
        self._server.write(await _read_startup(reader))
        while True:
            kind, body = await _read_message(reader)
            statement = self._statement(kind, body)
            if statement == b"BEGIN" and self._is_due(Cut.BEFORE_LOCK):
                raise _HungUp
            if b"INSERT INTO ledger" in statement and self._is_due(Cut.BEFORE_APPEND):
                raise _HungUp
            if statement == b"COMMIT":
                if self._is_due(Cut.BEFORE_COMMIT):
                    raise _HungUp
                if self._is_due(Cut.AFTER_COMMIT):
                    self._answers_end_with_commit = True
                if self._is_due(Cut.DURING_COMMIT):
                    rest = b"" if kind == b"Q" else await _read_rest(reader)
                    self._server.write(_message(kind, body) + rest)
                    await self._server.drain()
                    raise _HungUp
            _pass_on(self._server, _message(kind, body))

    def _is_due(self, moment: Cut) -> bool:
        if not self._line.is_due(moment):
            return False
        self.was_cut = True
        return True

    async def pass_on_answers(self, reader: asyncio.StreamReader) -> None:
        while True:
            kind, body = await _read_message(reader)
            if kind == b"C" and body == b"COMMIT\0" and self._answers_end_with_commit:
                raise _HungUp
            _pass_on(self._client, _message(kind, body))

    def _statement(self, kind: bytes, body: bytes) -> bytes:
        """The text of the statement that a message runs, if it runs one."""
        if kind == b"Q":  # a simple query
            return body.rstrip(b"\0")
        if kind == b"P":  # Parse: a name, then the text
            name, text, _ = body.split(b"\0", 2)
            self._prepared[name] = text
        elif kind == b"B":  # Bind: a portal, then the name of what was parsed
            _, name, _ = body.split(b"\0", 2)
            return self._prepared[name]
        return b""


def _pass_on(writer: asyncio.StreamWriter, message: bytes) -> None:
    if writer.is_closing():
        raise _HungUp  # by the end that it goes to
    writer.write(message)


async def _read_startup(reader: asyncio.StreamReader) -> bytes:
    length = await reader.readexactly(_LENGTH.size)
    return length + await reader.readexactly(_LENGTH.unpack(length)[0] - _LENGTH.size)


async def _read_message(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    kind = await reader.readexactly(1)
    (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
    return kind, await reader.readexactly(length - _LENGTH.size)


async def _read_rest(reader: asyncio.StreamReader) -> bytes:
    """The messages up to Sync, with which the server begins to work on what came before."""
    rest = b""
    while True:
        kind, body = await _read_message(reader)
        rest += _message(kind, body)
        if kind == b"S":
            return rest


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + _LENGTH.pack(len(body) + _LENGTH.size) + body


@asynccontextmanager
async def open_line(database_url: str) -> AsyncIterator[Line]:
    """A line to the database at a URL; its own URL leads through it."""
    there = urlsplit(database_url)
    line = Line(there.hostname or "", there.port or 5432)
    server = await asyncio.start_server(line.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    login = there.netloc.rpartition("@")[0]
    # Unencrypted, so that it can be read here.
    options = dict(parse_qsl(there.query)) | {"sslmode": "disable", "gssencmode": "disable"}
    line.url = there._replace(netloc=f"{login}@127.0.0.1:{port}", query=urlencode(options)).geturl()
    try:
        yield line
    finally:
        server.close()
        await line.hang_up()
