"""An upgrade during a sale: the new version migrates and joins in while the old one sells on."""

import subprocess
import sys
import tarfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from served import PLAIN, ROOT, Served, environment, served, violations

from ledger.verify import snapshot

VERSIONS: Final = Path(__file__).parents[1] / "golden" / "versions"
CAPACITY: Final = 60
BUYERS: Final = 4
ANSWERS: Final = 40


@dataclass
class Buyers:
    """Those who book and cancel in turns at one version's address, and what they were told."""

    url: str
    key: str
    event_id: str
    user_id: str
    statuses: Counter[int] = field(default_factory=Counter)
    booked: dict[str, str] = field(default_factory=dict)
    """Status by id of every booking that was answered."""
    progress: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    @contextmanager
    def buying(self) -> Iterator[None]:
        """They go on until the block ends."""
        is_over = threading.Event()
        threads = [threading.Thread(target=self._buy, args=(is_over,)) for _ in range(BUYERS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            is_over.set()
            for thread in threads:
                thread.join()

    def await_answers(self, count: int) -> None:
        for _ in range(count):
            assert self.progress.acquire(timeout=20), f"no more answers: {self.statuses}"

    def _buy(self, is_over: threading.Event) -> None:
        headers = {"Authorization": f"Bearer {self.key}"}
        body = {"event_id": self.event_id, "user_id": self.user_id, "quantity": 2}
        with httpx.Client(
            base_url=self.url, headers=headers, trust_env=False, verify=PLAIN, timeout=20
        ) as http:
            while not is_over.is_set():
                answer = http.post("/v1/bookings", json=body)
                self._note(answer)
                if answer.status_code == 201 and not is_over.is_set():
                    self._note(http.post(f"/v1/bookings/{answer.json()['booking_id']}/cancel"))

    def _note(self, answer: httpx.Response) -> None:
        self.statuses[answer.status_code] += 1
        if answer.is_success:
            booking = answer.json()
            self.booked[booking["booking_id"]] = booking["status"]
        self.progress.release()


def run(code: Path, database: str, *arguments: str) -> str:
    """What a command of the version in ``code`` prints."""
    return subprocess.run(  # noqa: S603  a command of our own
        [sys.executable, "-m", "api", *arguments],
        cwd=code,
        env=environment({"database_url": database}),
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout


@pytest.fixture(params=sorted(path.name.removesuffix(".tar.gz") for path in VERSIONS.iterdir()))
def old_code(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The folder of an earlier version."""
    with tarfile.open(VERSIONS / f"{request.param}.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path


def sell_at(old: Served, keys: dict[str, str]) -> tuple[str, str]:
    """An event and a user, made by the old version."""
    with httpx.Client(base_url=old.url, trust_env=False, verify=PLAIN) as http:

        def made(path: str, name: str, body: dict[str, Any]) -> str:
            headers = {"Authorization": f"Bearer {keys['organizer']}"}
            answer = http.post(path, json=body, headers=headers)
            answer.raise_for_status()
            return str(answer.json()[name])

        venue_id = made("/v1/venues", "venue_id", {"name": "Hall", "capacity": CAPACITY})
        terms = {"venue_id": venue_id, "name": "Show", "starts_at": "2090-01-01T20:00:00Z"}
        event_id = made("/v1/events", "event_id", terms)
        user_id = made("/v1/users", "user_id", {"name": "A", "email": "a@example.org"})
    return event_id, user_id


def statuses_in(database: str) -> dict[str, str]:
    with snapshot(database) as connection:
        rows = connection.execute("SELECT booking_id, status FROM bookings").fetchall()
    return {str(booking_id): status for booking_id, status in rows}


@pytest.mark.slow
def test_a_sale_goes_on_while_versions_change(
    old_code: Path, empty_database: str, redis_url: str
) -> None:
    run(old_code, empty_database, "migrate")
    keys = {
        role: run(old_code, empty_database, "keys", "create", "--role", role).strip()
        for role in ("client", "organizer")
    }
    with served(empty_database, redis_url, code=old_code) as old:
        event_id, user_id = sell_at(old, keys)
        before = Buyers(old.url, keys["client"], event_id, user_id)
        with before.buying():
            before.await_answers(ANSWERS)
            run(ROOT, empty_database, "migrate")
            before.await_answers(ANSWERS)
            with served(empty_database, redis_url) as new:
                after = Buyers(new.url, keys["client"], event_id, user_id)
                with after.buying():
                    # Both versions book and cancel at once, on one event.
                    before.await_answers(ANSWERS)
                    after.await_answers(ANSWERS)

    assert set(before.statuses | after.statuses) <= {200, 201, 409}, (before, after)
    assert min(before.statuses[200], after.statuses[200]) > 0, "both versions cancelled"
    assert statuses_in(empty_database) == before.booked | after.booked
    assert violations(empty_database, redis_url) == []
