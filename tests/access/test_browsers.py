"""What browsers are told: what pages may do, and which other pages may call."""

import httpx
import pytest
from pair import Pair
from pydantic import ValidationError
from served import Api

from api.settings import Settings

ORIGIN = "https://shop.example"


def preflight(api: Api, origin: str, path: str = "/v1/bookings") -> httpx.Response:
    """What a browser asks before it sends a booking from a page of ``origin``."""
    return api.nobody.options(
        path,
        headers={
            "Origin": origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type,idempotency-key",
        },
    )


def cors_headers(answer: httpx.Response) -> set[str]:
    return {name for name in answer.headers if name.startswith("access-control-")}


@pytest.mark.parametrize("path", ["/", "/organizer", "/auditor", "/docs"])
def test_a_page_runs_only_scripts_that_are_served_here_and_is_framed_by_nobody(
    pair: Pair, path: str
) -> None:
    headers = pair.api.nobody.get(path).headers
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    scripts = policy.get("script-src", policy["default-src"]).split()
    assert scripts[0] == "'self'"
    assert all(each.startswith("'sha256-") for each in scripts[1:])
    assert len(scripts) == (2 if path == "/docs" else 1)
    assert policy["frame-ancestors"] == policy["object-src"] == policy["base-uri"] == "'none'"
    assert headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize(
    "path", ["/", "/docs", "/docs-assets/swagger-ui.css", "/v1/events", "/nothing", "/v1/users"]
)
def test_no_answer_is_taken_for_another_type_than_it_says(pair: Pair, path: str) -> None:
    answer = pair.api.nobody.get(path)
    assert answer.headers.get_list("x-content-type-options") == ["nosniff"]
    assert "strict-transport-security" not in answer.headers, "there is no TLS to insist on"
    assert "server" not in answer.headers


def test_bookings_are_answered_with_the_same_headers(pair: Pair) -> None:
    answer = pair.api.book(pair.api.add_event(1), pair.api.add_user())
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_pages_of_other_origins_may_not_call_unless_that_is_set(pair: Pair) -> None:
    assert preflight(pair.api, ORIGIN).status_code == 405
    for answer in (
        preflight(pair.api, ORIGIN),
        pair.api.nobody.get("/v1/events", headers={"Origin": ORIGIN}),
    ):
        assert cors_headers(answer) == set()


def test_pages_of_an_origin_that_is_named_may_call_and_read_what_they_need(
    secured_api: Api,
) -> None:
    asked = preflight(secured_api, ORIGIN)
    assert asked.status_code == 200
    assert asked.headers["access-control-allow-origin"] == ORIGIN
    assert "POST" in asked.headers["access-control-allow-methods"]
    event_id, user_id = secured_api.add_event(1), secured_api.add_user()
    body = {"event_id": event_id, "user_id": user_id}
    for status in (201, 409):
        answer = secured_api.client.post("/v1/bookings", json=body, headers={"Origin": ORIGIN})
        assert answer.status_code == status
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        assert "Retry-After" in answer.headers["access-control-expose-headers"]
        assert "access-control-allow-credentials" not in answer.headers


def test_pages_of_other_origins_may_not_call_where_one_is_named(secured_api: Api) -> None:
    for origin in ("https://shop.example.org", "http://shop.example", "null"):
        assert "access-control-allow-origin" not in preflight(secured_api, origin).headers
        answer = secured_api.nobody.get("/v1/events", headers={"Origin": origin})
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    "wrong", ["", "shop.example", "https://shop.example/", "*, x", "https://*"]
)
def test_what_is_no_origin_is_refused_at_the_start(
    monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    monkeypatch.setenv("FLASHTICKET_ALLOWED_ORIGINS", wrong)
    with pytest.raises(ValidationError, match="must be origins"):
        Settings()


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"oidc_issuer": "http://login.example", "oidc_audience": "a"}, "https"),
        ({"oidc_issuer": "login.example", "oidc_audience": "a"}, "https"),
        ({"oidc_issuer": "https://login.example"}, "an issuer needs an audience"),
        ({"oidc_audience": "a"}, "an audience an issuer"),
        ({"tls_certificate_file": "/etc/hostname"}, "a certificate needs its key"),
        ({"tls_certificate_file": "/no/such/file"}, "does not point to a file"),
        ({"user_rate": "often"}, "must be a rate"),
    ],
)
def test_settings_that_would_leave_something_open_are_refused_at_the_start(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], why: str
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(f"FLASHTICKET_{name.upper()}", value)
    with pytest.raises(ValidationError, match=why):
        Settings()
