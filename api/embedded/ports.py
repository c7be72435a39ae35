"""TCP ports on 127.0.0.1 for servers that may take any."""

import random
import socket

LOOPBACK = "127.0.0.1"

# Below the ports that Linux (32768 and up) and macOS (49152 and up) hand out for outgoing
# connections. A client that keeps reconnecting to a stopped server on a port of that range is, once
# in a while, given the very port as its own, connects to itself and keeps the server from it.
_CANDIDATES = range(15_000, 32_000)


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of 127.0.0.1 now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As the servers do it: a port on which only closed connections linger counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def free_port() -> int:
    """A port nobody listens on. Another process may take it before the caller does."""
    # Not the shared generator: runs that seed it would all try the same ports.
    chance = random.SystemRandom()
    while True:
        port = chance.choice(_CANDIDATES)
        if is_free(port):
            return port
