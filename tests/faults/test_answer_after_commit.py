"""What was done and cannot be read again, or may have been done, is not called "not done"."""

from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import psycopg
from served import Api, new_keys, served

from api.embedded import EmbeddedPostgres


@contextmanager
def readers_frozen(postgres: EmbeddedPostgres) -> Iterator[None]:
    """PostgreSQL with those of its processes stopped that answer queries, and no others."""
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        found = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE application_name = 'flashticket-reader'"
        ).fetchall()
    frozen = [psutil.Process(pid) for (pid,) in found]
    for process in frozen:
        process.suspend()
    try:
        yield
    finally:
        for process in frozen:
            process.resume()


def test_what_was_done_is_not_called_undone_when_it_cannot_be_read_again(
    postgres: EmbeddedPostgres, own_database: str
) -> None:
    with (
        served(own_database, None) as running,
        Api(running.url, new_keys(own_database)) as api,
    ):
        event_id = api.add_event()
        with readers_frozen(postgres):
            answer = api.organizer.post(f"/v1/events/{event_id}/close")
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert answer.json()["outcome"] == "done"
        assert "nothing" not in answer.json()["detail"].lower()
        running.await_path("/readyz")
        assert api.nobody.get(f"/v1/events/{event_id}").json()["status"] == "closed"


def test_what_was_written_without_an_answer_is_called_unknown(
    postgres: EmbeddedPostgres, own_database: str
) -> None:
    with (
        served(own_database, None) as running,
        Api(running.url, new_keys(own_database)) as api,
    ):
        api.add_venue(1)
        with readers_frozen(postgres):
            answer = api.organizer.post("/v1/venues", json={"name": "Late", "capacity": 1})
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert answer.json()["outcome"] == "unknown"
        running.await_path("/readyz")
        venues = api.organizer.get("/v1/venues").json()["items"]
        assert [venue["name"] for venue in venues] == ["Hall", "Late"]
