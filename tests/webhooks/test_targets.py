"""Where webhooks may go, and what an endpoint can do to the one who sends."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_address

import pytest
from served import HOST, Api

from api.webhooks.courier import Answer, Courier
from api.webhooks.targets import Targets

PUBLIC = Targets(may_be_private=False)
ANY = Targets(may_be_private=True)
SECRET = bytes(32)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",  # where clouds keep their keys
        "100.64.0.1",
        "0.0.0.0",  # noqa: S104  an address to refuse
        "224.0.0.1",
        "255.255.255.255",
        "240.0.0.1",
        "::1",
        "::",
        "fe80::1",
        "fc00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "2002:7f00:1::",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "64:ff9b::7f00:1",
    ],
)
def test_an_address_that_is_not_of_the_public_internet_is_refused(address: str) -> None:
    assert not PUBLIC.may_connect(ip_address(address))
    assert ANY.may_connect(ip_address(address))


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"])
def test_an_address_of_the_public_internet_is_allowed(address: str) -> None:
    assert PUBLIC.may_connect(ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://localhost/",
        "https://api.localhost./",
        "https://user:password@example.org/",
        "https://example.org/#part",
        "https://",
        "https://example.org:99999/",
        "https://example.org:0/",
        "https://[::1/",
        "ftp://example.org/",
    ],
)
def test_a_url_that_webhooks_may_not_go_to_cannot_be_registered(url: str) -> None:
    assert PUBLIC.refusal(url) is not None


def test_the_door_refuses_it_too(api: Api) -> None:
    for url in ("http://user:password@example.org/", "http://", "gopher://example.org"):
        answer = api.organizer.post("/v1/webhooks", json={"url": url})
        assert (answer.status_code, answer.json()["code"]) == (422, "validation")


def send(url: str, targets: Targets, *, seconds_max: float = 1.0) -> Answer:
    async def run() -> Answer:
        async with Courier(url, SECRET, targets, seconds_max=seconds_max) as courier:
            return await courier.send("an-id", b"{}")

    return asyncio.run(run())


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "127.1"])
def test_a_name_that_leads_to_a_private_address_is_refused_when_it_is_used(host: str) -> None:
    """As text they pass: only who resolves them knows."""
    with socket.create_server((HOST, 0)) as server:
        url = f"https://{host}:{server.getsockname()[1]}/"
        assert PUBLIC.refusal(url) is None
        assert send(url, PUBLIC) == Answer(error=f"{host} leads to a private address.")
        server.settimeout(0)
        with pytest.raises(BlockingIOError):
            server.accept()


def test_a_name_without_address_is_a_failure_that_is_told() -> None:
    answer = send("https://nobody.invalid/", PUBLIC, seconds_max=10)
    assert answer.error == "nobody.invalid has no address."


@contextmanager
def endpoint(head: bytes, again: bytes = b"") -> Iterator[str]:
    """Takes a request and answers it with ``head``, then ``again`` until it is hung up on."""
    with socket.create_server((HOST, 0)) as server:

        def run() -> None:
            connection, _ = server.accept()
            with connection, suppress(OSError):
                while b"{}" not in connection.recv(65_536):
                    pass
                connection.sendall(head)
                while again:
                    connection.sendall(again)
                connection.recv(1)

        thread = threading.Thread(target=run)
        thread.start()
        yield f"http://{HOST}:{server.getsockname()[1]}/"
        thread.join(10)
        assert not thread.is_alive()


def test_an_endpoint_that_does_not_answer_is_given_up_in_time() -> None:
    with endpoint(b"") as url:
        assert send(url, ANY, seconds_max=0.2) == Answer(error="No answer within 0.2 s.")


def test_an_endpoint_that_goes_on_and_on_is_hung_up_on() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n"
    with endpoint(head, b"x" * 65_536) as url:
        assert send(url, ANY, seconds_max=5) == Answer(200)


def test_an_endpoint_that_speaks_no_http_is_a_failure() -> None:
    with endpoint(b"SSH-2.0-OpenSSH\r\n\r\n") as url:
        assert send(url, ANY).error == "No answer: RemoteProtocolError."


def test_nobody_there_is_a_failure() -> None:
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
    assert send(f"http://{HOST}:{port}/", ANY).error == "No answer: ConnectError."
