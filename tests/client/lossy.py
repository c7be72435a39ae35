"""A way to the server on which answers get lost after the server gave them."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Final

from served import HOST

_CHUNK_BYTES: Final = 65_536


class LossyWay:
    """Passes requests on. The first ``lost`` answers never arrive: the connection ends instead."""

    def __init__(self, server_port: int, lost: int) -> None:
        self._server_port = server_port
        self._lost = lost
        self._listener = socket.create_server((HOST, 0))
        self.requests = 0

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self._listener.getsockname()[1]}"

    def run(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with closing(client):
                self._pass_one(client)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _pass_one(self, client: socket.socket) -> None:
        request = client.recv(_CHUNK_BYTES)
        if not request:
            return
        self.requests += 1
        head, _, body = request.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        length = next((int(x[15:]) for x in lines if x.lower().startswith(b"content-length:")), 0)
        while len(body) < length:
            body += client.recv(_CHUNK_BYTES)
        kept = [line for line in lines if not line.lower().startswith(b"connection:")]
        with socket.create_connection((HOST, self._server_port)) as server:
            server.sendall(b"\r\n".join([*kept, b"connection: close", b"", body]))
            answer = b"".join(iter(lambda: server.recv(_CHUNK_BYTES), b""))
        if self.requests > self._lost:
            client.sendall(answer)


@contextmanager
def lossy_way(server_port: int, lost: int) -> Iterator[LossyWay]:
    way = LossyWay(server_port, lost)
    thread = threading.Thread(target=way.run)
    thread.start()
    try:
        yield way
    finally:
        way.close()
        thread.join(5)
