"""A small OpenID Connect issuer on loopback: discovery, a key set, and tokens of every kind."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as new_rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

AUDIENCE: Final = "flashticket"
RSA: Final = new_rsa(65537, 2048)
OTHER_RSA: Final = new_rsa(65537, 2048)
SMALL_RSA: Final = new_rsa(65537, 1024)  # noqa: S505  to be refused
EC: Final = generate_private_key(SECP256R1())


def jwk(key: Any, key_id: str, **more: str) -> dict[str, Any]:
    """The public half of a key, as a key set has it."""
    algorithm = RSAAlgorithm if isinstance(key, RSAPrivateKey) else ECAlgorithm
    return {**algorithm.to_jwk(key.public_key(), as_dict=True), "kid": key_id, **more}


@dataclass
class LocalIssuer:
    url: str
    keys: list[dict[str, Any]] = field(default_factory=lambda: [jwk(RSA, "rsa"), jwk(EC, "ec")])
    described: dict[str, Any] = field(default_factory=dict)
    is_away: bool = False
    key_sets_served: int = 0

    def claims(self, **more: Any) -> dict[str, Any]:
        """What a good token says, with ``more``; None leaves a claim out."""
        now = int(time.time())
        good = {"iss": self.url, "aud": AUDIENCE, "sub": "ada", "exp": now + 60, "iat": now}
        return {k: v for k, v in {**good, **more}.items() if v is not None}

    def token(self, *roles: str, **claims: Any) -> str:
        """A good token but for ``claims``."""
        return self.signed(self.claims(**{"roles": list(roles), **claims}))

    def signed(
        self, claims: dict[str, Any], key: Any = RSA, key_id: str = "rsa", algorithm: str = "RS256"
    ) -> str:
        return jwt.encode(claims, key, algorithm, headers={"kid": key_id})


@contextmanager
def local_issuer() -> Iterator[LocalIssuer]:
    """An issuer that answers while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if issuer.is_away:
                self.send_error(503)
                return
            if self.path == "/keys":
                issuer.key_sets_served += 1
                answer: dict[str, Any] = {"keys": issuer.keys}
            else:
                answer = {"issuer": issuer.url, "jwks_uri": f"{issuer.url}/keys"}
                answer |= issuer.described
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        issuer = LocalIssuer(f"http://127.0.0.1:{server.server_port}")
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield issuer
        finally:
            server.shutdown()
            thread.join()
