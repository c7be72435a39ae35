"""A small witness (C2SP tlog-witness) that shares no code with what it watches.

Written from the specifications alone: notes are taken apart by hand, and the proof is checked by
the recursion of RFC 6962, section 2.1.2, run backwards. It keeps its state in memory.
"""

import base64
import hashlib
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

TIME: Final = 1_800_000_000


class SmallWitness:
    """Cosigns the checkpoints of one log, each if it extends the one before."""

    def __init__(self, name: str, log_key: str) -> None:
        """``log_key`` is the log's public key as one line."""
        self.name = name
        self.origin, log_id, encoded = log_key.split("+", 2)
        self._log_id = bytes.fromhex(log_id)
        self._log_key = Ed25519PublicKey.from_public_bytes(base64.b64decode(encoded)[1:])
        self._key = Ed25519PrivateKey.generate()
        self._lock = threading.Lock()
        self.size, self.root = 0, b""
        self.asked = 0
        self.answers: list[tuple[int, bytes]] = []
        """Given instead of its own, one after another."""
        self.time = TIME

    @property
    def key(self) -> str:
        """Its public key as one line."""
        public = b"\x04" + self._key.public_key().public_bytes_raw()
        return f"{self.name}+{self._key_id().hex()}+{base64.b64encode(public).decode()}"

    def _key_id(self) -> bytes:
        public = self._key.public_key().public_bytes_raw()
        return hashlib.sha256(self.name.encode() + b"\n\x04" + public).digest()[:4]

    def add_checkpoint(self, body: bytes) -> tuple[int, str, bytes]:
        """Status, content type and body of the answer."""
        with self._lock:
            self.asked += 1
            if self.answers:
                status, answer = self.answers.pop(0)
                return status, "text/plain", answer
            return self._judge(body)

    def _judge(self, body: bytes) -> tuple[int, str, bytes]:
        head, _, note = body.decode().partition("\n\n")
        old_line, *proof_lines = head.split("\n")
        text, _, signatures = note.partition("\n\n")
        text += "\n"
        origin, size_line, root_line = text.split("\n")[:3]
        if origin != self.origin:
            return 404, "text/plain", b""
        if not any(self._is_signed(text, line) for line in signatures.splitlines()):
            return 403, "text/plain", b""
        assert old_line.startswith("old ")
        assert len(proof_lines) <= 63
        old, size = int(old_line[4:]), int(size_line)
        root = base64.b64decode(root_line, validate=True)
        proof = [base64.b64decode(line, validate=True) for line in proof_lines]
        if old > size:
            return 400, "text/plain", b""
        if old != self.size or (old == size and root != self.root):
            return 409, "text/x.tlog.size", f"{self.size}\n".encode()
        if not self._extends(size, root, proof):
            return 422, "text/plain", b""
        self.size, self.root = size, root
        return 200, "text/plain", self.cosignature(text).encode()

    def cosignature(self, text: str) -> str:
        """The line with which it cosigns a checkpoint's text."""
        signed = f"cosignature/v1\ntime {self.time}\n{text}".encode()
        signature = struct.pack(">Q", self.time) + self._key.sign(signed)
        encoded = base64.b64encode(self._key_id() + signature).decode()
        return f"— {self.name} {encoded}\n"

    def _is_signed(self, text: str, line: str) -> bool:
        _, name, encoded = line.split(" ")
        decoded = base64.b64decode(encoded)
        if (name, decoded[:4]) != (self.origin, self._log_id):
            return False
        try:
            self._log_key.verify(decoded[4:], text.encode())
        except InvalidSignature:
            return False
        return True

    def _extends(self, size: int, root: bytes, proof: list[bytes]) -> bool:
        if self.size == 0:
            return not proof
        if self.size == size:
            return not proof and root == self.root
        left = list(proof)
        try:
            roots = _roots(self.size, size, left, self.root, is_whole=True)
        except IndexError:
            return False
        return not left and roots == (self.root, root)


def _roots(
    old: int, size: int, proof: list[bytes], old_root: bytes, *, is_whole: bool
) -> tuple[bytes, bytes]:
    """Old and new root of a subtree of ``size``, of which the old tree had the first ``old``."""
    if old == size:
        known = old_root if is_whole else proof.pop(0)
        return known, known
    split = 1
    while split * 2 < size:
        split *= 2
    if old <= split:
        left_old, left_new = _roots(old, split, proof, old_root, is_whole=is_whole)
        return left_old, _node(left_new, proof.pop(0))
    right_old, right_new = _roots(old - split, size - split, proof, old_root, is_whole=False)
    left = proof.pop(0)
    return _node(left, right_old), _node(left, right_new)


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


@contextmanager
def serving(witness: SmallWitness, port: int = 0) -> Iterator[str]:
    """The URL at which a witness is asked while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/watch/add-checkpoint":
                status, content_type, answer = witness.add_checkpoint(body)
            else:
                status, content_type, answer = 404, "text/plain", b""
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/watch"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
