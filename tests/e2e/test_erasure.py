"""A user who is erased: name and address are nowhere any more, what was booked still stands."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import psycopg
import pytest
import zstandard
from click.testing import CliRunner
from documented import Documented
from psycopg import sql
from redis import Redis
from served import Api, Served, environment, new_keys, served, violations

from api.cli import main
from projections.notes import VerifierKey
from projections.receipts import Receipt

if TYPE_CHECKING:
    from tests.conftest import RealServers


@pytest.fixture(scope="module")
def shop_database(servers: "RealServers", migrated: str) -> Iterator[str]:
    with servers.fresh_database(migrated) as name:
        yield servers.database_url(name)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def shop(shop_database: str, shop_redis: str, data_dir: Path) -> Iterator[Served]:
    told_all = {"log_requests": "all", "log_level": "DEBUG", "data_dir": data_dir}
    with served(shop_database, shop_redis, **told_all) as running:
        yield running
        assert [line for line in running.log if line.get("status") == 500] == []


@pytest.fixture(scope="module")
def api(shop: Served, shop_database: str) -> Iterator[Api]:
    documented = Documented.of(shop.url)
    with Api(shop.url, new_keys(shop_database), [documented.check]) as clients:
        yield clients


def add_person(api: Api) -> tuple[str, str, str]:
    """The id, name and address of a user whom no other resembles."""
    name, email = f"Name-{uuid4()}", f"address-{uuid4()}@example.org"
    answer = api.organizer.post("/v1/users", json={"name": name, "email": email})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["user_id"]), name, email


def erase(api: Api, user_id: str) -> None:
    answer = api.organizer.delete(f"/v1/users/{user_id}")
    assert (answer.status_code, answer.content) == (204, b"")


def tables_with(database: str, *texts: str) -> set[str]:
    """Tables of which a row has one of these in any column, the planner's statistics included."""
    with psycopg.connect(database) as connection:
        tables = connection.execute(
            "SELECT relnamespace::regnamespace::text, relname FROM pg_class"
            " WHERE relkind IN ('r', 'm', 'p') AND has_table_privilege(oid, 'SELECT')"
        ).fetchall()
        found = set()
        for schema, table in tables:
            # Bytes are printed in hexadecimal, so a payload shows a text as that of its bytes.
            query = sql.SQL(
                "SELECT EXISTS (SELECT FROM {} AS row"
                " WHERE row::text LIKE ANY (%(text)s) OR row::text LIKE ANY (%(hex)s))"
            ).format(sql.Identifier(schema, table))
            patterns = {
                "text": [f"%{text}%" for text in texts],
                "hex": [f"%{text.encode().hex()}%" for text in texts],
            }
            row = connection.execute(query, patterns).fetchone()
            if row == (True,):
                found.add(table)
        return found


def in_redis(url: str) -> str:
    """All keys and values."""
    with Redis.from_url(url, decode_responses=True) as redis:
        return json.dumps({key: redis.get(key) for key in redis.scan_iter()})


def exported(database: str, data_dir: Path, file: Path) -> bytes:
    """The lines of an export that `verify-export` finds nothing wrong with."""
    settings = environment({"database_url": database, "data_dir": data_dir})
    for arguments in (["export", str(file)], ["verify-export", str(file)]):
        ran = CliRunner(env=settings).invoke(main, arguments)
        assert ran.exit_code == 0, ran.output
    return (
        zstandard.ZstdDecompressor()
        .stream_reader(file.read_bytes(), read_across_frames=True)
        .read()
    )


def test_nothing_is_left_of_an_erased_user_but_the_id(
    api: Api, shop: Served, shop_database: str, shop_redis: str, data_dir: Path, tmp_path: Path
) -> None:
    event_id = api.add_event(10)
    user_id, name, email = add_person(api)
    api.add_users(3)
    booking = api.book(event_id, user_id, key=f"key-{uuid4()}").json()
    path = f"/v1/bookings/{booking['booking_id']}"
    receipt = Receipt.parse(api.client.get(f"{path}/receipt").content)
    api.availability(event_id)
    with psycopg.connect(shop_database, autocommit=True) as connection:
        connection.execute("ANALYZE")  # as autovacuum does now and then
    assert tables_with(shop_database, name, email) == {"users"}

    erase(api, user_id)
    with psycopg.connect(shop_database, autocommit=True) as connection:
        connection.execute("ANALYZE")

    assert tables_with(shop_database, name, email) == set()
    assert tables_with(shop_database, user_id) >= {"bookings", "ledger", "erased_users"}
    lines = exported(shop_database, data_dir, tmp_path / "export")
    assert user_id.encode() in lines
    shop.logged(message="user erased", user_id=user_id)
    for place in (lines.decode(), in_redis(shop_redis), shop.log_path.read_text()):
        assert name not in place
        assert email not in place

    assert violations(shop_database, shop_redis) == []
    key = VerifierKey.parse(api.nobody.get("/tlog/keys").text.strip())
    assert receipt.verify([key]).size > receipt.seq
    assert Receipt.parse(api.client.get(f"{path}/receipt").content).entry == receipt.entry


def test_the_planner_never_samples_names_and_addresses(api: Api, shop_database: str) -> None:
    user_id, *_ = add_person(api)
    with psycopg.connect(shop_database, autocommit=True) as connection:
        connection.execute("ANALYZE users")
        rows = connection.execute("SELECT attname FROM pg_stats WHERE tablename = 'users'")
        sampled = {name for (name,) in rows}
    assert "user_id" in sampled
    assert not sampled & {"name", "email"}
    erase(api, user_id)


def test_the_bookings_of_an_erased_user_can_be_read_and_cancelled(api: Api) -> None:
    event_id = api.add_event(10)
    user_id, *_ = add_person(api)
    booking = api.book(event_id, user_id).json()

    erase(api, user_id)

    path = f"/v1/bookings/{booking['booking_id']}"
    assert api.client.get(path).json() == booking
    assert api.client.get(f"/v1/users/{user_id}/bookings").json()["items"] == [booking]
    assert api.auditor.get(f"/v1/users/{user_id}/history").status_code == 200
    assert api.cancel(booking["booking_id"]).json()["status"] == "cancelled"


def test_an_erased_user_is_told_apart_from_one_who_never_was(api: Api) -> None:
    user_id, *_ = add_person(api)
    erase(api, user_id)

    for method in ("GET", "DELETE"):
        never = api.organizer.request(method, f"/v1/users/{uuid4()}")
        assert (never.status_code, never.json()["code"]) == (404, "user-not-found")
    erased = api.organizer.get(f"/v1/users/{user_id}")
    assert (erased.status_code, erased.json()["code"]) == (410, "user-erased")
    listed = api.organizer.get("/v1/users", params={"limit": 10_000}).json()["items"]
    assert user_id not in {user["user_id"] for user in listed}
    assert api.client.get(f"/v1/users/{uuid4()}/bookings").status_code == 404


def test_erasing_again_changes_nothing(api: Api, shop_database: str) -> None:
    user_id, *_ = add_person(api)
    erase(api, user_id)
    with psycopg.connect(shop_database) as connection:
        before = connection.execute("SELECT * FROM erased_users").fetchall()
    erase(api, user_id)
    with psycopg.connect(shop_database) as connection:
        assert connection.execute("SELECT * FROM erased_users").fetchall() == before
    assert (UUID(user_id),) in {row[:1] for row in before}


def test_an_erased_user_gets_no_places_in_any_way(api: Api) -> None:
    event_id, full_id = api.add_event(10), api.add_event(1)
    user_id, *_ = add_person(api)
    other_id = api.add_user()
    booking = api.book(full_id, other_id).json()
    erase(api, user_id)
    order = {"event_id": event_id, "user_id": user_id}
    wishes: list[tuple[str, dict[str, object]]] = [
        ("/v1/bookings", {**order}),
        ("/v1/holds", {**order}),
        ("/v1/carts", {"user_id": user_id, "items": [{"event_id": event_id}]}),
        (f"/v1/events/{full_id}/waiting-list", {"user_id": user_id}),
        (f"/v1/bookings/{booking['booking_id']}/transfer", {"to_user_id": user_id}),
    ]
    for path, wish in wishes:
        answer = api.client.post(path, json=wish)
        assert (answer.status_code, answer.json()["code"]) == (404, "user-not-found"), path
    assert api.availability(event_id)["booked"] == 0


def test_the_same_person_can_register_and_be_imported_again_under_another_id(api: Api) -> None:
    event_id = api.add_event(10)
    user_id, name, email = add_person(api)
    erase(api, user_id)

    line = json.dumps({"name": name, "email": email}).encode()
    imported = api.organizer.post(
        "/v1/users/import", content=line, headers={"Content-Type": "application/x-ndjson"}
    ).json()
    assert imported["imported"] == 1
    assert imported["first_user_id"] != user_id
    again = api.organizer.post("/v1/users", json={"name": name, "email": email})
    assert again.status_code == 201
    assert api.book(event_id, imported["first_user_id"]).status_code == 201
    for each in (imported["first_user_id"], again.json()["user_id"]):
        erase(api, each)


def test_bookings_under_way_are_made_or_refused_and_later_ones_are_refused(
    api: Api, shop_database: str, shop_redis: str
) -> None:
    event_id = api.add_event(1_000)
    user_id, *_ = add_person(api)
    start = Barrier(9)

    def book_until_refused(_: int) -> list[int]:
        start.wait()
        statuses = []
        while not statuses or statuses[-1] == 201:
            statuses.append(api.book(event_id, user_id).status_code)
        return statuses

    with ThreadPoolExecutor(8) as crowd:
        answers = crowd.map(book_until_refused, range(8))
        start.wait()
        while api.availability(event_id)["booked"] < 20:
            pass
        erase(api, user_id)
        assert api.book(event_id, user_id).status_code == 404
        statuses = [status for each in answers for status in each]

    assert set(statuses) == {201, 404}
    made = api.organizer.get(f"/v1/users/{user_id}/bookings", params={"limit": 1_000}).json()
    assert len(made["items"]) == statuses.count(201)
    assert violations(shop_database, shop_redis) == []


def test_keys_that_act_for_an_erased_user_end(api: Api, shop_database: str) -> None:
    user_id, *_ = add_person(api)
    made = api.admin.post("/v1/keys", json={"role": "client", "name": "a", "user_id": user_id})
    assert made.status_code == 201, made.text
    erase(api, user_id)
    with psycopg.connect(shop_database) as connection:
        rows = connection.execute(
            "SELECT revoked_at_us IS NOT NULL, user_id = %s FROM api_keys"
            " WHERE user_id IS NOT NULL",
            (user_id,),
        )
        assert rows.fetchall() == [(True, True)]
        others = connection.execute(
            "SELECT count(*) FROM api_keys WHERE user_id IS NULL AND revoked_at_us IS NOT NULL"
        )
        assert others.fetchone() == (0,)


def test_users_are_erased_by_those_who_manage_them(api: Api) -> None:
    user_id, *_ = add_person(api)
    for sender, status in ((api.nobody, 401), (api.client, 403), (api.auditor, 403)):
        assert sender.delete(f"/v1/users/{user_id}").status_code == status
    assert api.organizer.get(f"/v1/users/{user_id}").status_code == 200
    assert api.admin.delete(f"/v1/users/{user_id}").status_code == 204
