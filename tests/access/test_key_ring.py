"""Keys in memory: how soon a key that ended is refused, and what looking costs the database."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import psycopg
from box_office import APP, open_app_pool
from clock import Clock
from samples import ALICE
from stopwatch import Stopwatch

from api.keys import KeyRing, Role, hash_of, new_key
from api.new_keys import KeyTerms, make_key
from api.rates import Rate
from ledger.database import DatabaseUnavailable, Pool, open_pool
from ledger.directory import revoke_key
from ledger.values import Instant

CLIENT = KeyTerms(Role.CLIENT)
NOBODY_THERE = "postgresql://127.0.0.1:1/nothing"


@dataclass
class Ring:
    """A ring of keys, the connections to make and end some with, and its clock."""

    keys: KeyRing
    pool: Pool
    clock: Stopwatch

    async def new(self, terms: KeyTerms = CLIENT) -> tuple[str, Callable[[], Awaitable[object]]]:
        """A key and what revokes it."""
        key, text = await make_key(self.pool, terms)
        return text, lambda: revoke_key(self.pool, key.key_id)


@asynccontextmanager
async def ring(url: str) -> AsyncIterator[Ring]:
    clock = Stopwatch()
    async with open_app_pool(url, size=2) as pool:
        yield Ring(KeyRing(pool, clock=clock), pool, clock)


def test_a_key_tells_who_sends_and_what_bounds_it(module_database: str) -> None:
    async def run() -> None:
        async with ring(module_database) as known:
            bounds = frozenset({"book_seats"}), ALICE, Rate(5, 60)
            text, _ = await known.new(KeyTerms(Role.CLIENT, "a shop", *bounds))
            principal = await known.keys.find(text)
            assert principal is not None
            assert (principal.roles, principal.scopes) == (frozenset({Role.CLIENT}), bounds[0])
            assert (principal.user_id, principal.rate) == (ALICE, Rate(5, 60))

    asyncio.run(run())


def test_of_a_key_the_database_has_the_hash_alone(module_database: str) -> None:
    async def run() -> str:
        async with ring(module_database) as known:
            return (await known.new(KeyTerms(Role.ADMIN)))[0]

    text = asyncio.run(run())
    with psycopg.connect(module_database) as connection:
        rows = connection.execute("SELECT key_hash, api_keys::text FROM api_keys").fetchall()
    assert hash_of(text) in [key_hash for key_hash, _ in rows]
    assert not any(text in row or text[9:] in row for _, row in rows)


def test_a_held_key_is_known_without_asking_anybody(module_database: str) -> None:
    async def run() -> None:
        async with ring(module_database) as known:
            text, _ = await known.new()
            await known.keys.check()
            assert await known.keys.find(text) is not None
        assert known.keys.known(text) is not None  # its connections are closed by now

    asyncio.run(run())


def test_a_revoked_key_is_refused_from_the_next_check_on(module_database: str) -> None:
    async def run() -> None:
        async with ring(module_database) as known:
            text, revoke = await known.new()
            await known.keys.check()
            assert await known.keys.find(text) is not None
            await revoke()
            await known.keys.check()
            assert known.keys.known(text) is None
            assert await known.keys.find(text) is None

    asyncio.run(run())


def test_a_revoked_key_is_refused_within_five_seconds_even_if_no_check_succeeds(
    module_database: str,
) -> None:
    async def run() -> None:
        async with ring(module_database) as known:
            text, revoke = await known.new()
            await known.keys.check()
            assert await known.keys.find(text) is not None
            await revoke()
            known.clock.pass_seconds(3.9)
            assert known.keys.known(text) is not None
            known.clock.pass_seconds(0.1)
            assert known.keys.known(text) is None
            assert await known.keys.find(text) is None

    asyncio.run(run())


def test_a_valid_key_goes_on_being_known_when_checks_fail_if_it_can_be_asked_for(
    module_database: str,
) -> None:
    async def run() -> None:
        async with ring(module_database) as known:
            text, _ = await known.new()
            known.clock.pass_seconds(3_600)
            assert known.keys.known(text) is None
            assert await known.keys.find(text) is not None

    asyncio.run(run())


def test_while_nobody_can_tell_no_key_is_taken_for_unknown() -> None:
    async def run() -> None:
        async with open_pool(NOBODY_THERE, role=APP, size_max=1, name="test") as pool:
            keys = KeyRing(pool)
            asked = [keys.find(new_key(Role.CLIENT)) for _ in range(20)]
            answers = await asyncio.gather(*asked, return_exceptions=True)
            assert all(isinstance(answer, DatabaseUnavailable) for answer in answers)

    asyncio.run(run())


def test_a_key_ends_at_its_time_by_the_clock_of_the_database(database: str) -> None:
    async def run() -> None:
        async with ring(database) as known:
            ends_at_10 = KeyTerms(Role.CLIENT, expires_at=Instant(10_000_000))
            text, _ = await known.new(ends_at_10)
            for now in (4, 6, 8):
                database_clock.set(now * 1_000_000)
                await known.keys.check()
                assert await known.keys.find(text) is not None
                known.clock.pass_seconds(2)
                assert (known.keys.known(text) is not None) is (now < 8)
            database_clock.set(9_999_999)
            assert await known.keys.find(text) is not None
            database_clock.set(10_000_000)
            known.clock.pass_seconds(0.000_001)
            assert await known.keys.find(text) is None

    with Clock(database, Instant(0)) as database_clock:
        asyncio.run(run())


def test_keys_asked_for_at_once_are_one_question(module_database: str) -> None:
    async def run() -> None:
        async with ring(module_database) as known:
            texts = [(await known.new())[0] for _ in range(5)]
            before = known.pool.get_stats()["requests_num"]
            made_up = [new_key(Role.ADMIN) for _ in range(500)]
            found = await asyncio.gather(*map(known.keys.find, [*texts, *made_up, *texts]))
            assert [each is not None for each in found] == [True] * 5 + [False] * 500 + [True] * 5
            assert known.pool.get_stats()["requests_num"] == before + 1

    asyncio.run(run())


def test_keys_not_used_for_two_minutes_are_dropped(module_database: str) -> None:
    async def run() -> None:
        async with ring(module_database) as known:
            used, unused = [(await known.new())[0] for _ in range(2)]
            assert await known.keys.find(used) is not None
            assert await known.keys.find(unused) is not None
            for _ in range(70):
                known.clock.pass_seconds(2)
                await known.keys.check()
                assert known.keys.known(used) is not None
            assert known.keys.known(unused) is None
            assert await known.keys.find(unused) is not None

    asyncio.run(run())
