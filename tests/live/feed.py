"""A reader of server-sent events that knows nothing of the application."""

import json
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPResponse
from typing import Any

from served import HOST


@dataclass(frozen=True)
class Told:
    """One event of the stream."""

    id: int
    data: dict[str, Any]


class Feed:
    """An open feed, read line by line."""

    def __init__(self, response: HTTPResponse) -> None:
        self._response = response
        self.comments = 0

    def next(self) -> Told | None:
        """The next event; None when the feed has ended as HTTP says it should.

        Raises TimeoutError when the socket's time is up and `http.client.IncompleteRead` when the
        feed was cut off.
        """
        fields: dict[str, str] = {}
        while line := self._response.readline().decode():
            name, colon, value = line.rstrip("\n").partition(":")
            if name:
                fields[name] = value.removeprefix(" ")
            elif colon:
                self.comments += 1
            elif "data" in fields:
                return Told(int(fields["id"]), json.loads(fields["data"]))
        return None


@contextmanager
def listening(
    port: int, event_id: str, *, after: int | None = None, seconds_max: float = 5
) -> Iterator[Feed]:
    """A feed that is open: its headers have come."""
    with (
        closing(ask(port, event_id, after=after, seconds_max=seconds_max)) as connection,
        HTTPResponse(connection) as response,
    ):
        response.begin()
        assert response.status == 200, response.read()
        assert response.getheader("content-type") == "text/event-stream"
        yield Feed(response)


def ask(
    port: int,
    event_id: str,
    *,
    after: int | None = None,
    seconds_max: float = 5,
    receive_bytes: int | None = None,
) -> socket.socket:
    """A connection on which a feed is asked for and nothing read yet."""
    connection = socket.socket()
    if receive_bytes is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    connection.settimeout(seconds_max)
    connection.connect((HOST, port))
    resume = "" if after is None else f"last-event-id: {after}\r\n"
    connection.sendall(
        f"GET /v1/events/{event_id}/live HTTP/1.1\r\nhost: test\r\n{resume}\r\n".encode()
    )
    return connection
