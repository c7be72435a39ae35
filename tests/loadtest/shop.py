"""A ticket shop of a few lines, for the load generators to be tried on."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TypeVar

Answer = tuple[int, dict[str, object]]
Result = TypeVar("Result")


@dataclass
class Received:
    """One request as the shop read it."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Shop:
    """An HTTP server that answers what `answer` says, and keeps what it was asked.

    `pause_within` cuts every reply after so many bytes and sends the rest in a packet of its own.
    An answer of None hangs up instead.
    """

    answer: Callable[[Received], Answer | None]
    received: list[Received] = field(default_factory=list)
    pause_within: int | None = None
    port: int = 0

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Shop"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()

    def during(self, work: Callable[[int], Result]) -> Result:
        """Run blocking work while the shop is open; it is given the port."""

        async def opened() -> Result:
            async with self.open():
                return await asyncio.to_thread(work, self.port)

        return asyncio.run(opened())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                request = self._parsed(head)
                length = int(request.headers.get("content-length", 0))
                request.body = await reader.readexactly(length)
                self.received.append(request)
                answer = self.answer(request)
                if answer is None:
                    return
                await self._send(writer, *answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    @staticmethod
    def _parsed(head: bytes) -> Received:
        first, *lines = head.decode().strip().split("\r\n")
        method, path, _ = first.split(" ")
        pairs = (line.split(": ", 1) for line in lines)
        return Received(method, path, {name.lower(): value for name, value in pairs}, b"")

    async def _send(
        self, writer: asyncio.StreamWriter, status: int, content: dict[str, object]
    ) -> None:
        body = json.dumps(content).encode()
        reply = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-length: {len(body)}\r\n\r\n"
        ).encode() + body
        cut = self.pause_within or len(reply)
        writer.write(reply[:cut])
        await writer.drain()
        if reply[cut:]:
            await asyncio.sleep(0.001)
            writer.write(reply[cut:])
            await writer.drain()
