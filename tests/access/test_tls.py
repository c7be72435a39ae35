"""TLS on all three ways: to clients, to PostgreSQL and to Redis, with certificates of our own."""

import socket
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
from certificates import Encrypted, new_certificate
from redis import Redis
from redis.exceptions import RedisError
from served import HOST, Api, Served, served


def test_all_works_with_tls_to_clients_and_to_both_servers(
    secured: Served, secured_api: Api
) -> None:
    event_id, user_id = secured_api.add_event(5), secured_api.add_user()
    assert secured_api.book(event_id, user_id).status_code == 201
    assert secured_api.nobody.get(f"/v1/events/{event_id}").json()["booked"] == 1
    secured.await_path("/readyz", containing='"redis":"up"')
    with secured_api.nobody.stream("GET", f"/v1/events/{event_id}/live") as feed:
        assert next(line for line in feed.iter_lines() if line.startswith("data: "))


def test_browsers_are_told_to_come_over_tls_only(secured_api: Api) -> None:
    event_id, user_id = secured_api.add_event(5), secured_api.add_user()
    for answer in (
        secured_api.nobody.get("/"),
        secured_api.nobody.get("/v1/events"),
        secured_api.nobody.get("/nothing"),
        secured_api.book(event_id, user_id),
    ):
        assert answer.headers["strict-transport-security"] == "max-age=31536000"


def test_who_speaks_plain_http_gets_nothing(secured: Served) -> None:
    with socket.create_connection((HOST, secured.port), timeout=5) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        assert b"alive" not in connection.recv(65_536)


def test_who_does_not_trust_the_certificate_does_not_connect(
    secured: Served, tmp_path: Path
) -> None:
    with (
        httpx.Client(verify=new_certificate(tmp_path).client_context(), trust_env=False) as client,
        pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"),
    ):
        client.get(f"{secured.url}/healthz")


def test_a_server_with_a_certificate_that_is_not_trusted_is_not_used(
    behind_tls: Encrypted, tmp_path: Path
) -> None:
    other = new_certificate(tmp_path).chain
    with (
        served(
            behind_tls.database_url(other), behind_tls.redis_url(other), await_path="/healthz"
        ) as running,
        httpx.Client(base_url=running.url, trust_env=False) as client,
    ):
        answer = client.get("/readyz")
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        log = running.log_path.read_text()
    for url in (behind_tls.plain_database_url, behind_tls.plain_redis_url):
        assert (urlsplit(url).password or "://") not in log


def test_the_fronts_pass_nothing_on_that_is_not_encrypted(behind_tls: Encrypted) -> None:
    with Redis.from_url(behind_tls.plain_redis_url) as redis, pytest.raises(RedisError):
        redis.ping()
    with pytest.raises(psycopg.OperationalError, match="server closed the connection"):
        psycopg.connect(behind_tls.database_url(Path()), sslmode="disable")
