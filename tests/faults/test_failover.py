"""The primary is lost and a synchronous standby takes its place: no acknowledged booking is."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final, LiteralString

import psycopg
import pytest
from sale import Sale, is_booked
from served import Api, new_keys, served

from api.embedded import EmbeddedPostgres
from api.embedded.standby import EmbeddedStandby
from ledger.migrate import migrate

BUYERS = 6
WITHOUT_SERVICE_SECONDS_MAX = 15.0
_AWAIT_SECONDS: Final = 20.0
_WAITING: LiteralString = """
    SELECT pid FROM pg_stat_activity
    WHERE wait_event = 'SyncRep' AND application_name = 'flashticket-writer'
"""


@dataclass
class Pair:
    """A primary, and a standby without which it confirms no commit."""

    primary: EmbeddedPostgres
    standby: EmbeddedStandby

    @property
    def url(self) -> str:
        """Both, of which the one that takes writes is meant."""
        hosts = f"127.0.0.1:{self.primary.port},127.0.0.1:{self.standby.port}"
        login = f"postgres:{self.primary.password}"
        return f"postgresql://{login}@{hosts}/flashticket?target_session_attrs=read-write"

    def ask(self, statement: LiteralString, *values: object) -> list[tuple[object, ...]]:
        """Rows from the primary, in a transaction of their own."""
        url = self.primary.url("flashticket")
        with psycopg.connect(url, autocommit=True) as connection:
            cursor = connection.execute(statement, values)
            return cursor.fetchall() if cursor.description else []

    def await_rows(self, statement: LiteralString) -> list[tuple[object, ...]]:
        """The rows of a statement, once there are any."""
        give_up_at = time.monotonic() + _AWAIT_SECONDS
        while not (rows := self.ask(statement)):
            assert time.monotonic() < give_up_at, statement
            time.sleep(0.02)
        return rows

    def promote(self) -> None:
        """Make the standby the primary."""
        with psycopg.connect(self.standby.url(), autocommit=True) as connection:
            connection.execute("SELECT pg_promote()")


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with EmbeddedPostgres(tmp_path / "primary", settings={"shared_buffers": "32MB"}) as primary:
        with psycopg.connect(primary.url(), autocommit=True) as connection:
            connection.execute("CREATE DATABASE flashticket")
        migrate(primary.url("flashticket"))
        with EmbeddedStandby(tmp_path / "standby", primary) as standby:
            pair = Pair(primary, standby)
            pair.ask("ALTER SYSTEM SET synchronous_standby_names = 'standby'")
            pair.ask("SELECT pg_reload_conf()")
            pair.await_rows("SELECT pid FROM pg_stat_replication WHERE sync_state = 'sync'")
            yield pair


@contextmanager
def sale_on(pair: Pair) -> Iterator[Sale]:
    with (
        served(pair.url, None, workers=2) as running,
        Api(running.url, new_keys(pair.url)) as api,
    ):
        yield Sale(api, api.add_event(1_000_000), api.add_user())


@pytest.mark.slow
def test_a_sale_goes_on_after_the_primary_is_lost_and_no_booking_is(
    pair: Pair, capsys: pytest.CaptureFixture[str]
) -> None:
    with sale_on(pair) as sale:
        with sale.going_on(BUYERS):
            sale.await_count(100, is_booked)
            pair.primary.kill()
            pair.promote()
            sale.await_count(100, is_booked)
        booked_at = sorted(told.at for told in sale.told if is_booked(told))
        pause = max(after - before for before, after in pairwise(booked_at))
    with capsys.disabled():
        sys.stdout.write(f" {pause:.1f} s without service ")
    assert pause < WITHOUT_SERVICE_SECONDS_MAX
    sale.audit(pair.standby.url("flashticket"))


@pytest.mark.slow
def test_what_the_standby_has_not_got_is_not_acknowledged_by_whatever_way(pair: Pair) -> None:
    with sale_on(pair) as sale:
        assert sale.ask("on-both").status == 201
        pair.standby.kill()
        on_one = threading.Thread(target=sale.ask, args=("on-one",))
        on_one.start()
        for (pid,) in pair.await_rows(_WAITING):
            # What an operator does who finds sessions hanging: the commit takes place, here alone.
            pair.ask("SELECT pg_cancel_backend(%s)", pid)
        on_one.join()
        # It can be seen on the primary, and to tell of it would be as wrong as before.
        assert pair.ask("SELECT count(*) FROM bookings") == [(2,)]
        for _ in range(2):
            sale.ask("on-one")
        assert [told.status for told in sale.told] == [201, 503, 503, 503]

        pair.primary.kill()
        pair.standby.start()
        pair.promote()
        give_up_at = time.monotonic() + _AWAIT_SECONDS
        while sale.ask("on-one").status == 503:
            assert time.monotonic() < give_up_at
            time.sleep(0.1)
    sale.audit(pair.standby.url("flashticket"))


@pytest.mark.slow
def test_a_sale_waits_for_a_standby_that_is_away_and_goes_on_with_it(pair: Pair) -> None:
    with sale_on(pair) as sale, sale.going_on(BUYERS):
        sale.await_count(30, is_booked)
        pair.standby.pause()
        sale.await_count(BUYERS, lambda told: told.status == 503)
        before = sum(map(is_booked, sale.told))
        pair.standby.resume()
        sale.await_count(30, is_booked)
    assert sum(map(is_booked, sale.told)) >= before + 30
    sale.audit(pair.primary.url("flashticket"))
