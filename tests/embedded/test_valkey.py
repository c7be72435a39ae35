"""The embedded Valkey, really started: a cache that never remembers, behind a password."""

from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from redis import Redis
from redis.exceptions import AuthenticationError, OutOfMemoryError
from redis.exceptions import TimeoutError as NoAnswer

from api.embedded import EmbeddedServerError, EmbeddedValkey
from api.embedded.ports import free_port


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedValkey]:
    with EmbeddedValkey(tmp_path / "valkey") as running:
        yield running


def client(server: EmbeddedValkey) -> Redis:
    return Redis.from_url(server.url(), decode_responses=True, socket_timeout=1, retry=None)


@pytest.mark.parametrize("end", [EmbeddedValkey.stop, EmbeddedValkey.kill])
def test_it_comes_back_empty_at_the_same_address(
    server: EmbeddedValkey, end: Callable[[EmbeddedValkey], None]
) -> None:
    """A version served before the end must not be followed by an older one from a snapshot."""
    url = server.url()
    with client(server) as cache:
        cache.set("version", 7)

    end(server)
    server.start()

    assert server.url() == url
    with client(server) as cache:
        assert cache.get("version") is None


def test_nobody_gets_in_without_the_password(server: EmbeddedValkey) -> None:
    with (
        Redis.from_url(f"redis://127.0.0.1:{server.port}", retry=None) as stranger,
        pytest.raises(AuthenticationError, match=r"(?i)authenticat"),
    ):
        stranger.ping()


def test_the_password_is_in_private_files_and_on_no_command_line(server: EmbeddedValkey) -> None:
    for name in ("password", "valkey.conf"):
        assert (server.data_dir / name).stat().st_mode & 0o777 == 0o600
    assert server.password not in " ".join(psutil.Process(server.pid).cmdline())


def test_a_full_one_refuses_the_new_and_forgets_nothing(server: EmbeddedValkey) -> None:
    with client(server) as cache:
        cache.set("version", 7)
        cache.config_set("maxmemory", 1)

        with pytest.raises(OutOfMemoryError):
            cache.set("another", 1)

        assert cache.get("version") == "7"


def test_a_paused_server_answers_nobody_until_it_is_resumed(server: EmbeddedValkey) -> None:
    with client(server) as cache:
        server.pause()
        with pytest.raises(NoAnswer):
            cache.ping()

        server.resume()

        assert cache.ping()


def test_a_taken_port_is_refused_with_the_servers_own_words(
    server: EmbeddedValkey, tmp_path: Path
) -> None:
    with pytest.raises(EmbeddedServerError, match="Address already in use"):
        EmbeddedValkey(tmp_path / "another", port=server.port).start()


def test_a_port_lost_to_another_program_is_exchanged_for_the_next(
    server: EmbeddedValkey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offered = [server.port, free_port()]
    monkeypatch.setattr("api.embedded.server.free_port", iter(offered).__next__)

    with EmbeddedValkey(tmp_path / "another") as another, client(another) as cache:
        assert another.port == offered[1]
        assert cache.ping()


def test_a_folder_with_a_space_and_a_quote_is_as_good_as_any(tmp_path: Path) -> None:
    with EmbeddedValkey(tmp_path / 'my "data"') as server, client(server) as cache:
        assert cache.ping()
