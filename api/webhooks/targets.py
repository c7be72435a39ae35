"""Where webhooks may go: not into the network that this server stands in.

Names are resolved here, every address is looked at, and the connection is made to the address that
was looked at: a name that answers otherwise a moment later gains nothing.
"""

import asyncio
import socket
from concurrent.futures import Executor
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final
from urllib.parse import urlsplit

URL_CHARACTERS_MAX: Final = 2_000

_NAT64: Final = IPv6Network("64:ff9b::/96")  # RFC 6052; counts as global, and leads to any IPv4


class TargetRefused(Exception):
    """The address is one that webhooks may not go to."""


class TargetUnknown(Exception):
    """The host's name has no address."""


@dataclass(frozen=True, slots=True)
class Targets:
    """The rule; ``may_be_private`` lifts it, for development and tests."""

    may_be_private: bool

    def refusal(self, url: str) -> str | None:
        """Why nothing is sent to ``url``, as far as the text tells; None if nothing speaks
        against it.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            return "is not a URL"
        if not url.isascii() or any(character <= " " for character in url):
            return "must be ASCII without spaces"
        if not parts.hostname or port == 0:
            return "has no host"
        if parts.username is not None or parts.password is not None or parts.fragment:
            return "must have no user, password or fragment"
        allowed = ("https", "http") if self.may_be_private else ("https",)
        if parts.scheme not in allowed:
            return "must begin with https://"
        try:
            literal = ip_address(parts.hostname)
        except ValueError:
            is_local = parts.hostname.rstrip(".").endswith("localhost")
            return None if self.may_be_private or not is_local else "leads to a private address"
        return None if self.may_connect(literal) else "leads to a private address"

    def may_connect(self, address: IPv4Address | IPv6Address) -> bool:
        """Whether a webhook may be sent to this address."""
        return self.may_be_private or _is_public(address)

    async def addresses(self, host: str, port: int, executor: Executor) -> list[str]:
        """The addresses of a host to try in turn.

        Raises `TargetUnknown`, or `TargetRefused` if any of them is private: who has such a name
        is up to something, or has a mistake in it.
        """
        loop = asyncio.get_running_loop()
        try:
            found = await loop.run_in_executor(executor, _resolve, host, port)
        except (OSError, UnicodeError) as error:
            raise TargetUnknown(f"{host} has no address") from error
        for text in found:
            if not self.may_connect(ip_address(text.partition("%")[0])):
                raise TargetRefused(f"{host} leads to a private address")
        return found


def _resolve(host: str, port: int) -> list[str]:
    infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in infos))


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv6Address):
        if address in _NAT64:
            return False
        inner = address.ipv4_mapped or address.sixtofour
        if inner is not None:
            return _is_public(inner)
        if address.teredo is not None:
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved
