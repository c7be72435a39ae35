"""What operators look at: health, readiness, metrics, request ids, logs; with two workers too."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import uuid4

import pytest
from prometheus_client.parser import text_string_to_metric_families
from redis import Redis
from served import Api, Served, new_keys, request, served, volley

from ledger.migrate import migrate


@dataclass(frozen=True)
class Pair:
    """An application of two workers that logs every request, and its clients."""

    served: Served
    api: Api

    def book_with_both(self, event_id: str, user_id: str) -> int:
        """Book until either worker has; how many bookings that took, which is up to chance."""
        body = {"event_id": event_id, "user_id": user_id}
        authorization = f"Bearer {self.api.keys['client']}"
        asked = [request("POST", "/v1/bookings", body, authorization=authorization)] * 10
        workers: set[str] = set()
        for rounds in range(1, 100):
            replies = volley(self.served.port, asked)
            assert [reply.status for reply in replies] == [201] * 10
            # A request id begins with what is its worker's own.
            workers |= {reply.headers["x-request-id"].partition("-")[0] for reply in replies}
            if len(workers) == 2:
                return rounds * 10
        raise AssertionError("one worker has answered a thousand times, the other never")


@pytest.fixture(scope="module")
def pair(module_database: str) -> Iterator[Pair]:
    with (
        served(module_database, None, workers=2, log_requests="all") as running,
        Api(running.url, new_keys(module_database)) as clients,
    ):
        yield Pair(running, clients)


def sample(api: Api, name: str, **labels: str) -> float:
    """The value of a metric, 0 where there is none."""
    answer = api.nobody.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return sum(
        each.value
        for family in text_string_to_metric_families(answer.text)
        for each in family.samples
        if each.name == name and labels.items() <= each.labels.items()
    )


def test_a_process_says_that_it_is_alive_and_ready(api: Api) -> None:
    assert api.nobody.get("/healthz").json() == {"status": "alive"}
    ready = {"status": "ready", "database": "up", "redis": "up"}
    assert api.nobody.get("/readyz").json() == ready


def test_without_migrations_it_is_alive_but_not_ready_until_they_ran(empty_database: str) -> None:
    with served(empty_database, None, await_path="/healthz") as running:
        with Api(
            running.url, dict.fromkeys(("client", "organizer", "auditor", "admin"), "")
        ) as api:
            answer = api.nobody.get("/readyz")
            assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
            assert answer.headers["retry-after"] == "1"
        migrate(empty_database)
        running.await_path("/readyz")


@pytest.mark.slow
def test_redis_away_is_said_but_does_not_make_it_unready(module_database: str) -> None:
    nobody_there = "redis://127.0.0.1:1/0"
    with (
        served(module_database, nobody_there) as running,
        Api(running.url, new_keys(module_database)) as api,
    ):
        answer = api.nobody.get("/readyz")
        assert (answer.status_code, answer.json()["redis"]) == (200, "away")
        assert api.availability(api.add_event(5))["available"] == 5


def test_metrics_count_bookings_by_outcome(api: Api) -> None:
    event_id, user_id = api.add_event(3), api.add_user()

    def count(outcome: str) -> float:
        name = "flashticket_commands_total"
        return sample(api, name, command="BookSeats", outcome=outcome)

    before = {outcome: count(outcome) for outcome in ("done", "replayed", "SoldOut")}
    key = str(uuid4())
    for _ in range(2):
        assert api.book(event_id, user_id, 2, key=key).status_code == 201
    assert api.book(event_id, user_id, 2, key=str(uuid4())).status_code == 409
    assert {outcome: count(outcome) for outcome in before} == {
        "done": before["done"] + 1,
        "replayed": before["replayed"] + 1,
        "SoldOut": before["SoldOut"] + 1,
    }


def test_metrics_count_requests_by_call_and_status(api: Api) -> None:
    def count() -> float:
        return sample(api, "flashticket_requests_total", call="read_booking", status="404")

    before = count()
    api.client.get(f"/v1/bookings/{uuid4()}")
    assert count() == before + 1
    assert sample(api, "flashticket_request_seconds_count", call="read_booking") >= 1


def test_metrics_tell_of_batches_locks_and_pools(api: Api) -> None:
    api.book(api.add_event(3), api.add_user())
    for name in ("batch_size", "lock_wait_seconds", "lock_hold_seconds"):
        assert sample(api, f"flashticket_{name}_count") >= 1, name
    page = api.nobody.get("/metrics").text
    for name in ("unanswered", "pool_connections", "pool_waiting"):
        assert f"flashticket_{name}" in page, name


def test_two_workers_share_the_work_and_the_metrics(pair: Pair) -> None:
    event_id, user_id = pair.api.add_event(1_000), pair.api.add_user()
    name, labels = "flashticket_commands_total", {"command": "BookSeats", "outcome": "done"}
    before = sample(pair.api, name, **labels)
    count = pair.book_with_both(event_id, user_id)
    for _ in range(10):
        # Whichever of the two answers, it answers for both.
        assert sample(pair.api, name, **labels) == before + count
    assert pair.api.availability(event_id)["booked"] == count


def test_every_answer_has_a_request_id_of_its_own(api: Api) -> None:
    ids = [
        answer.headers["x-request-id"]
        for answer in (
            api.nobody.get("/healthz"),
            api.nobody.get("/nothing"),
            api.nobody.get("/v1/users"),
            api.client.get("/v1/users"),
            api.client.post("/v1/bookings", content=b"?"),
            api.client.post("/v1/bookings", content=b"x" * 70_000),
            api.client.put("/v1/bookings"),
            api.book(api.add_event(1), api.add_user()),
        )
    ]
    assert len(set(ids)) == len(ids)


def test_a_request_id_that_is_given_is_kept_if_it_is_one(api: Api) -> None:
    for given, kept in (
        ("01H.a_b-Z", True),
        ("x" * 64, True),
        ("x" * 65, False),
        ("a b", False),
        ('{"json":1}', False),
        ("", False),
    ):
        headers = {"X-Request-ID": given}
        found = api.nobody.get("/healthz", headers=headers).headers["x-request-id"]
        assert (found == given) is kept
        assert re.fullmatch(r"[\w.-]{1,64}", found)


def test_a_log_line_is_json_and_says_what_became_of_the_request(pair: Pair) -> None:
    request_id = f"test-{uuid4()}"
    headers = {"X-Request-ID": request_id}
    pair.api.client.get(f"/v1/bookings/{uuid4()}", headers=headers)
    line = pair.served.logged(request_id=request_id)
    assert line["level"] == "INFO"
    assert (line["method"], line["call"], line["status"]) == ("GET", "read_booking", 404)
    assert line["path"].startswith("/v1/bookings/")
    assert line["ms"] > 0
    assert line["time"].endswith("+00:00")
    assert not any("\x1b" in str(value) for each in pair.served.log for value in each.values())


def test_no_key_and_no_personal_data_is_ever_logged(pair: Pair) -> None:
    api = pair.api
    secret, email = f"secret-{uuid4()}", f"{uuid4()}@example.org"
    api.organizer.post("/v1/users", json={"name": secret, "email": email})
    api.organizer.post("/v1/users", json={"name": secret, "email": email, "nonsense": secret})
    api.organizer.post("/v1/users", content=json.dumps({"name": secret})[:-1])
    api.book(api.add_event(1), api.add_user(), key=secret)
    last = f"last-{uuid4()}"
    for key in (secret, f"ft_admin_{secret}"):
        with api.with_key(key) as stranger:
            stranger.get("/v1/users")
            stranger.post("/v1/bookings", json={})
    api.nobody.get("/healthz", headers={"X-Request-ID": last})
    assert pair.served.logged(request_id=last)
    log = pair.served.log_path.read_text()
    for kept_out in (secret, email, *api.keys.values()):
        assert kept_out not in log


def test_a_redis_of_another_application_is_left_alone(api: Api, shop_redis: str) -> None:
    api.availability(api.add_event(1))
    with Redis.from_url(shop_redis, decode_responses=True) as redis:
        assert {key.partition(":")[0] for key in redis.scan_iter()} == {"{flashticket}"}
