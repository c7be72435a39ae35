"""What holds for all workers together: rates, revocation, and tokens of an issuer."""

import time
from collections import Counter
from uuid import uuid4

import httpx
import pytest
from pair import AWAY_SECONDS, USER_RATE, WINDOW_SECONDS, Pair
from served import PLAIN, Reply, request, volley

from api.client import ApiProblem, Client, calls
from api.keys import REVOKED_SECONDS_MAX

RATE = 96
HELD_BACK_MAX = RATE // 10
"""What the other worker may have leased and not used."""


def statuses(replies: list[Reply]) -> Counter[int]:
    return Counter(reply.status for reply in replies)


def drain(pair: Pair, key: str) -> list[Reply]:
    """Answers to twice the rate, all within a window."""
    began = time.monotonic()
    replies = pair.volley(key, 2 * RATE)
    assert time.monotonic() - began < WINDOW_SECONDS, "the window was over before all had asked"
    return replies


def assert_rate_is_kept(replies: list[Reply]) -> None:
    found = statuses(replies)
    assert RATE - HELD_BACK_MAX <= found[200] <= RATE
    assert found[429] == len(replies) - found[200]


def refusal_in(replies: list[Reply]) -> Reply:
    return next(reply for reply in replies if reply.status == 429)


def test_a_key_gets_its_rate_of_both_workers_together_in_each_window(pair: Pair) -> None:
    def two_windows() -> list[list[Reply]]:
        key = pair.key(rate=f"{RATE}/{WINDOW_SECONDS}s")["key"]
        first = drain(pair, key)
        time.sleep(int(refusal_in(first).headers["retry-after"]))
        return [first, drain(pair, key)]

    for replies in pair.steadily(two_windows):
        assert_rate_is_kept(replies)


def test_a_refusal_says_what_the_rate_is_and_when_to_come_back(pair: Pair) -> None:
    with pair.client(rate="1/h") as client:
        assert client.get("/v1/tickets/key").status_code == 200
        answer = client.get("/v1/tickets/key")
    assert (answer.status_code, answer.json()["code"]) == (429, "rate-limited")
    assert answer.json()["rate"] == "1/h"
    wait = int(answer.headers["retry-after"])
    assert 3_590 <= wait <= 3_600
    assert answer.headers["ratelimit-policy"] == '"key";q=1;w=3600'
    assert answer.headers["ratelimit"] == f'"key";r=0;t={wait}'


def test_the_client_waits_for_a_window_of_a_second_and_not_for_one_of_an_hour(pair: Pair) -> None:
    for rate, is_waited_for in (("1/s", True), ("1/h", False)):
        http = httpx.Client(trust_env=False, verify=PLAIN)
        with Client(pair.served.url, pair.key(rate=rate)["key"], http=http) as client:
            client.send(calls.read_ticket_key())
            if is_waited_for:
                client.send(calls.read_ticket_key())
            else:
                with pytest.raises(ApiProblem, match="rate-limited"):
                    client.send(calls.read_ticket_key())


def test_bookings_too_are_refused_and_nothing_is_booked(pair: Pair) -> None:
    event_id, user_id = pair.api.add_event(10), pair.api.add_user()
    with pair.client(rate="1/h") as client:
        asked = [
            client.post("/v1/bookings", json={"event_id": event_id, "user_id": user_id})
            for _ in range(3)
        ]
    assert [answer.status_code for answer in asked] == [201, 429, 429]
    assert pair.counts(event_id)["booked"] == 1


def test_a_key_without_a_rate_and_other_keys_are_not_counted(pair: Pair) -> None:
    with pair.client(rate="1/h") as limited:
        assert [limited.get("/v1/tickets/key").status_code for _ in range(2)] == [200, 429]
    assert statuses(pair.volley(pair.api.keys["client"], 200)) == {200: 200}


def test_a_user_gets_the_rate_of_users_over_all_keys_and_both_workers(pair: Pair) -> None:
    keys = [pair.key()["key"] for _ in range(2)]

    def orders(event_id: str, user_id: str, count: int) -> list[Reply]:
        body = {"event_id": event_id, "user_id": user_id}
        paths = ["/v1/bookings", "/v1/holds"]
        asked = [
            request("POST", paths[n % 2], body, authorization=f"Bearer {keys[n // 2 % 2]}")
            for n in range(count)
        ]
        return volley(pair.served.port, asked)

    def two_users() -> tuple[str, list[Reply], list[Reply]]:
        event_id = pair.api.add_event(1_000)
        first, second = pair.api.add_users(2)
        return event_id, orders(event_id, first, 3 * USER_RATE), orders(event_id, second, 10)

    event_id, of_first, of_second = pair.steadily(two_users)
    found = statuses(of_first)
    assert USER_RATE - 2 <= found[201] <= USER_RATE
    assert found[429] == 3 * USER_RATE - found[201]
    policy = refusal_in(of_first).headers["ratelimit-policy"]
    assert policy == f'"user";q={USER_RATE};w={WINDOW_SECONDS}'
    assert statuses(of_second) == {201: 10}
    counts = pair.counts(event_id)
    assert counts["booked"] + counts["held"] == found[201] + 10


def test_without_redis_the_workers_share_a_rate_and_with_it_again_they_count_together(
    pair: Pair,
) -> None:
    key = pair.key(rate=f"{RATE}/h")["key"]
    event_id, user_id = pair.api.add_event(10), pair.api.add_user()
    pair.valkey.kill()
    try:
        admitted: Counter[str] = Counter()
        for _ in range(20):
            for reply in pair.volley(key, RATE // 4):
                if reply.status == 200:
                    admitted[reply.headers["x-request-id"].partition("-")[0]] += 1
                else:
                    assert reply.status == 429
        assert len(admitted) == 2, "both workers were asked"
        assert all(count <= RATE / 2 for count in admitted.values())
        assert sum(admitted.values()) >= RATE - HELD_BACK_MAX, "and asked enough"
        assert pair.api.book(event_id, user_id).status_code == 201
    finally:
        pair.valkey.start()
    time.sleep(AWAY_SECONDS)

    def together() -> list[Reply]:
        fresh = pair.key(rate=f"{RATE}/h")["key"]
        return [*pair.volley(fresh, RATE), *pair.volley(fresh, RATE)]

    assert_rate_is_kept(pair.steadily(together))


def test_a_revoked_key_is_refused_by_both_workers_within_five_seconds(pair: Pair) -> None:
    made = pair.key()
    assert set().union(*pair.answers_of_both(made["key"]).values()) == {200, 422}
    answer = pair.api.admin.post(f"/v1/keys/{made['key_id']}/revoke")
    revoked_at = time.monotonic()
    assert answer.json()["revoked_at"] is not None
    while set().union(*pair.answers_of_both(made["key"]).values()) != {401}:
        assert time.monotonic() - revoked_at < REVOKED_SECONDS_MAX
        time.sleep(0.05)
    assert time.monotonic() - revoked_at < REVOKED_SECONDS_MAX


def test_a_new_key_works_on_both_workers_at_once(pair: Pair) -> None:
    found = pair.answers_of_both(pair.key()["key"]).values()
    assert all(answered <= {200, 422} for answered in found)


def test_a_token_of_the_issuer_opens_the_calls_of_its_roles(pair: Pair) -> None:
    organizer, auditor = "flashticket-organizer", "flashticket-auditor"
    venue = {"name": "Hall", "capacity": 10}
    for roles, may_add, may_read in (
        ([organizer], True, False),
        ([auditor], False, True),
        ([organizer, auditor], True, True),
        ([], False, False),
        (["admin"], False, False),
    ):
        with pair.api.with_key(pair.issuer.token(*roles)) as client:
            added = client.post("/v1/venues", json=venue).status_code
            read = client.get("/v1/ledger").status_code
            assert (added, read) == (201 if may_add else 403, 200 if may_read else 403)
            assert client.get("/v1/keys").status_code == 403
            body = {"event_id": str(uuid4()), "user_id": str(uuid4())}
            assert client.post("/v1/bookings", json=body).status_code == 403


def test_what_a_token_did_has_its_subject_as_the_actor(pair: Pair) -> None:
    roles = "flashticket-organizer", "flashticket-auditor"
    actors = set()
    for sub in ("ada@example.org", "ada@example.org", "bob@example.org"):
        with pair.api.with_key(pair.issuer.token(*roles, sub=sub)) as client:
            venue = client.post("/v1/venues", json={"name": "Hall", "capacity": 10}).json()
            event = {
                "venue_id": venue["venue_id"],
                "name": "Show",
                "starts_at": "2030-01-01T20:00:00Z",
            }
            event_id = client.post("/v1/events", json=event).json()["event_id"]
            (entry,) = client.get(f"/v1/ledger/streams/{event_id}").json()["items"]
            actors.add(entry["actor"])
            assert sub not in str(entry)
    assert len(actors) == 2


def test_a_bad_token_is_refused_with_its_reason(pair: Pair) -> None:
    for token, why in (
        (pair.issuer.token("flashticket-organizer", exp=1), "The token is expired."),
        (pair.issuer.token("flashticket-organizer", aud="x"), "The token is for another audience."),
        ("a.b.c", "The token is not valid."),
    ):
        with pair.api.with_key(token) as client:
            answer = client.get("/v1/venues")
        assert (answer.status_code, answer.json()["detail"]) == (401, why)
        assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'


def test_while_the_issuer_is_away_a_token_with_a_new_key_gets_503_and_keys_of_ours_work(
    pair: Pair,
) -> None:
    pair.issuer.is_away = True
    try:
        claims = pair.issuer.claims(roles=["flashticket-auditor"])
        with pair.api.with_key(pair.issuer.signed(claims, key_id="new")) as client:
            deadline = time.monotonic() + 10
            # Within five seconds of the last try it is simply not known.
            while (answer := client.get("/v1/venues")).status_code == 401:
                assert time.monotonic() < deadline
                time.sleep(0.2)
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert answer.headers["retry-after"] == "1"
        assert pair.api.auditor.get("/v1/venues").status_code == 200
        with pair.api.with_key(pair.issuer.token("flashticket-auditor")) as client:
            assert client.get("/v1/venues").status_code == 200, "the last keys hold"
    finally:
        pair.issuer.is_away = False
