"""Certificates that sign themselves, and a front that speaks TLS for servers that do not."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from threading import Thread
from typing import Final
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

_REDIS_DATABASE: Final = 12
_DAY: Final = timedelta(days=1)
_SSL_REQUEST: Final = b"\0\0\0\x08\x04\xd2\x16\x2f"
"""How PostgreSQL's clients ask for TLS (its manual, section 54.2.11)."""


@dataclass(frozen=True)
class Certificate:
    """Files of a certificate for this machine, and its key."""

    chain: Path
    key: Path

    def client_context(self) -> ssl.SSLContext:
        """Trusts this certificate and no other."""
        return ssl.create_default_context(cafile=str(self.chain))

    def server_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.chain, self.key)
        return context


def new_certificate(folder: Path) -> Certificate:
    """A certificate for localhost and 127.0.0.1, signed by itself."""
    key = generate_private_key(SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    names = [x509.DNSName("localhost"), x509.IPAddress(IPv4Address("127.0.0.1"))]
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .not_valid_after(now + _DAY)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    made = Certificate(folder / "chain.pem", folder / "key.pem")
    made.chain.write_bytes(certificate.public_bytes(Encoding.PEM))
    made.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return made


@contextmanager
def tls_front(certificate: Certificate, port: int, *, postgres: bool = False) -> Iterator[int]:
    """The port of a front that takes TLS alone and passes on to ``port``, while the block runs."""
    context = certificate.server_context()

    def serve(plain: socket.socket) -> None:
        with plain, ExitStack() as stack, suppress(OSError):
            if postgres:
                if plain.recv(len(_SSL_REQUEST), socket.MSG_WAITALL) != _SSL_REQUEST:
                    return
                plain.sendall(b"S")
            outside = stack.enter_context(context.wrap_socket(plain, server_side=True))
            inside = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            back = Thread(target=_pump, args=(inside, outside), daemon=True)
            back.start()
            _pump(outside, inside)
            back.join()

    def accept() -> None:
        with suppress(OSError):
            while True:
                Thread(target=serve, args=(listening.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        Thread(target=accept, daemon=True).start()
        yield int(listening.getsockname()[1])
        with suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)


@dataclass
class Encrypted:
    """URLs of PostgreSQL and Redis behind fronts that take TLS alone."""

    certificate: Certificate
    plain_database_url: str
    database_port: int
    redis_port: int
    redis_password: str | None

    def database_url(self, trusted: Path) -> str:
        parts = urlsplit(self.plain_database_url)
        place = f"{parts.username}:{parts.password}@localhost:{self.database_port}"
        query = f"sslmode=verify-full&sslrootcert={trusted}"
        return parts._replace(netloc=place, query=query).geturl()

    def redis_url(self, trusted: Path) -> str:
        return f"rediss://{self._redis_place}?ssl_ca_certs={trusted}"

    @property
    def plain_redis_url(self) -> str:
        return f"redis://{self._redis_place}"

    @property
    def _redis_place(self) -> str:
        user = "" if self.redis_password is None else f":{self.redis_password}@"
        return f"{user}localhost:{self.redis_port}/{_REDIS_DATABASE}"
