"""The client against the real application: typed answers, problems as exceptions, safe retries."""

import asyncio
import inspect
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import httpx
import pytest
from lossy import lossy_way
from served import PLAIN, Served, count_entries, new_keys, served

from api import bodies
from api.client import ApiProblem, AsyncClient, Client, NoAnswer, NotOurs, Patience, calls
from api.embedded.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable

    from api.client import Call

QUICK = Patience(attempts_max=4, first_wait_seconds_max=0.01)
STARTS_AT = datetime(2030, 1, 1, 20, tzinfo=UTC)
TAGS = {
    "bookings",
    "events",
    "figures",
    "holds",
    "keys",
    "ledger",
    "tickets",
    "venues and users",
    "waiting list",
    "webhooks",
}
NOT_A_CALL = {"watch_availability"}  # `Client.watch`
ANOTHER_ANSWER = {"read_booking_as_of"}  # of `read_booking`


@pytest.fixture(scope="module")
def keys(module_database: str) -> dict[str, str]:
    return new_keys(module_database)


@pytest.fixture(scope="module")
def shop(module_database: str) -> Iterator[Served]:
    with served(module_database, None) as running:
        yield running


def http() -> httpx.Client:
    return httpx.Client(trust_env=False, verify=PLAIN)


@pytest.fixture
def organizer(shop: Served, keys: dict[str, str]) -> Iterator[Client]:
    with Client(shop.url, keys["organizer"], http=http(), patience=QUICK) as client:
        yield client


@pytest.fixture
def buyer(shop: Served, keys: dict[str, str]) -> Iterator[Client]:
    with Client(shop.url, keys["client"], http=http(), patience=QUICK) as client:
        yield client


@pytest.fixture
def user(organizer: Client) -> UUID:
    return organizer.send(calls.add_user("Ada", "ada@example.org")).user_id


@pytest.fixture
def event(organizer: Client) -> bodies.Event:
    venue = organizer.send(calls.add_venue("Hall", 10))
    rows = [bodies.SeatRowIn(section="A", row="1", seats=6)]
    return organizer.send(
        calls.schedule_event(venue.venue_id, "Show", STARTS_AT, seats=rows, limit_per_user=6)
    )


def test_every_call_for_buyers_organizers_and_auditors_has_a_function_of_its_name(
    shop: Served,
) -> None:
    page = httpx.get(f"{shop.url}/openapi.json", trust_env=False).json()
    documented = {
        operation["operationId"]
        for methods in page["paths"].values()
        for operation in methods.values()
        if TAGS & set(operation.get("tags", ()))
    }
    functions = {
        name
        for name, value in inspect.getmembers(calls, inspect.isfunction)
        if value.__module__ == calls.__name__ and not name.startswith("_")
    }
    assert functions - ANOTHER_ANSWER == documented - NOT_A_CALL


def test_a_way_from_hold_to_door(
    buyer: Client, organizer: Client, event: bodies.Event, user: UUID
) -> None:
    assert event.starts_at == STARTS_AT
    hold = buyer.send(calls.hold_seats(event.event_id, user, seats=["A-1-2", "A-1-3"]))
    assert (hold.status, hold.seats) == ("held", ["A-1-2", "A-1-3"])
    booking = buyer.send(calls.confirm_hold(hold.hold_id))
    assert buyer.send(calls.read_booking(booking.booking_id)) == booking
    tickets = buyer.send(calls.list_tickets(booking.booking_id)).items
    assert buyer.send(calls.draw_ticket(booking.booking_id, 1)).startswith(b"<?xml")
    inside = organizer.send(calls.check_in(tickets[0].code))
    assert inside.seat == "A-1-2"
    left = buyer.send(calls.cancel_booking(booking.booking_id, tickets=[2]))
    assert (left.status, left.cancelled_quantity) == ("booked", 1)
    assert buyer.send(calls.read_availability(event.event_id)).available == 5


def test_a_hall_of_five_thousand_seats_is_scheduled_and_mapped(organizer: Client) -> None:
    rows = [bodies.SeatRowIn(section="A", row=str(row), seats=50) for row in range(1, 101)]
    venue = organizer.send(calls.add_venue("Arena", 5_000))
    arena = organizer.send(calls.schedule_event(venue.venue_id, "Final", STARTS_AT, seats=rows))
    seats = organizer.send(calls.read_seats(arena.event_id))
    assert sum(len(row.seats) for row in seats.rows) == arena.capacity == 5_000


def test_a_refusal_is_an_exception_with_its_code_and_fields(
    buyer: Client, event: bodies.Event, user: UUID
) -> None:
    buyer.send(calls.book_seats(event.event_id, user, seats=["A-1-1"]))
    with pytest.raises(ApiProblem, match="seat-taken") as refused:
        buyer.send(calls.book_seats(event.event_id, user, seats=["A-1-1"]))
    assert (refused.value.status, refused.value.code) == (409, "seat-taken")
    assert refused.value.document.model_extra == {"seat": "A-1-1"}


def test_a_call_sent_twice_books_once(buyer: Client, event: bodies.Event, user: UUID) -> None:
    call = calls.book_seats(event.event_id, user, 2)
    assert buyer.send(call) == buyer.send(call)
    assert buyer.send(calls.read_availability(event.event_id)).booked == 2


def test_an_answer_that_gets_lost_is_asked_for_again_and_books_once(
    shop: Served, keys: dict[str, str], event: bodies.Event, user: UUID, module_database: str
) -> None:
    before = count_entries(module_database)
    with (
        lossy_way(shop.port, lost=3) as way,
        Client(way.url, keys["client"], http=http(), patience=QUICK) as client,
    ):
        booking = client.send(calls.book_seats(event.event_id, user, 2))
        assert way.requests == 4
    assert booking.quantity == 2
    assert count_entries(module_database) == before + 1


def test_what_is_not_repeatable_is_not_sent_again(
    shop: Served, keys: dict[str, str], organizer: Client
) -> None:
    venues = len(list(organizer.every(calls.list_venues())))
    with (
        lossy_way(shop.port, lost=1) as way,
        Client(way.url, keys["organizer"], http=http(), patience=QUICK) as client,
    ):
        with pytest.raises(NoAnswer):
            client.send(calls.add_venue("Once", 1))
        assert way.requests == 1
    assert len(list(organizer.every(calls.list_venues()))) == venues + 1


def test_a_server_that_is_not_there_is_asked_as_often_as_patience_says() -> None:
    with (
        Client(f"http://127.0.0.1:{free_port()}", http=http(), patience=QUICK) as client,
        pytest.raises(NoAnswer),
    ):
        client.send(calls.add_venue("Never sent", 1))


def test_somebody_elses_answer_is_told_apart(shop: Served) -> None:
    with (
        Client(f"{shop.url}/docs", http=http(), patience=QUICK) as client,
        pytest.raises(ApiProblem, match="not-found"),
    ):
        client.send(calls.list_events())
    moved = httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200, text="hello")))
    with Client("http://elsewhere", http=moved) as client, pytest.raises(NotOurs):
        client.send(calls.list_events())


def test_fields_of_a_newer_server_are_passed_over(event: bodies.Event) -> None:
    newer = event.model_dump_json()[:-1] + ',"mood":"festive"}'
    assert calls.read_event(event.event_id).read(newer.encode()) == event


def test_a_list_is_read_page_after_page(organizer: Client) -> None:
    imported = organizer.send(
        calls.import_users(
            bodies.UserIn(name=f"User {n}", email=f"user{n}@example.org") for n in range(7)
        )
    )
    assert imported.imported == 7
    few_at_a_time = list(organizer.every(calls.list_users(limit=3)))
    assert few_at_a_time == organizer.send(calls.list_users(limit=10_000)).items


def test_watching_tells_each_newer_version_even_over_a_broken_connection(
    shop: Served, buyer: Client, event: bodies.Event, user: UUID
) -> None:
    told = []
    first = threading.Event()

    def watch() -> None:
        with Client(shop.url, http=http(), patience=QUICK) as client:
            for counts in client.watch(event.event_id):
                told.append(counts)
                first.set()
                if counts.booked == 2:
                    return

    thread = threading.Thread(target=watch)
    thread.start()
    assert first.wait(5)
    buyer.send(calls.book_seats(event.event_id, user, 2))
    thread.join(5)
    assert [counts.booked for counts in told] == [0, 2]


def test_watching_an_unknown_event_is_a_problem(shop: Served) -> None:
    with (
        Client(shop.url, http=http()) as client,
        pytest.raises(ApiProblem, match="event-not-found"),
    ):
        next(client.watch(uuid4()))


def test_the_asynchronous_client_does_the_same(
    shop: Served, keys: dict[str, str], event: bodies.Event, user: UUID
) -> None:
    async def scenario() -> None:
        plain = httpx.AsyncClient(trust_env=False, verify=PLAIN)
        async with AsyncClient(shop.url, keys["client"], http=plain, patience=QUICK) as client:
            call = calls.book_seats(event.event_id, user, seats=["A-1-4"])
            first, again = await asyncio.gather(client.send(call), client.send(call))
            assert first == again
            with pytest.raises(ApiProblem, match="seat-taken"):
                await client.send(calls.book_seats(event.event_id, user, seats=["A-1-4"]))
            listed = [
                each async for each in client.every(calls.list_bookings_of_user(user, limit=1))
            ]
            assert listed == [first]
            async for counts in client.watch(event.event_id):
                assert counts.booked == 1
                break

    asyncio.run(scenario())


def test_the_asynchronous_client_asks_again_for_a_lost_answer(
    shop: Served, keys: dict[str, str], event: bodies.Event, user: UUID
) -> None:
    async def scenario(url: str) -> bodies.Booking:
        plain = httpx.AsyncClient(trust_env=False, verify=PLAIN)
        async with AsyncClient(url, keys["client"], http=plain, patience=QUICK) as client:
            return await client.send(calls.book_seats(event.event_id, user))

    with lossy_way(shop.port, lost=2) as way:
        assert asyncio.run(scenario(way.url)).status == "booked"
        assert way.requests == 3


@pytest.mark.parametrize(
    ("make", "repeatable"),
    [
        (lambda: calls.confirm_hold(uuid4()), True),
        (lambda: calls.book_seats(uuid4(), uuid4()), True),
        (lambda: calls.check_in("FT1.x"), False),
        (lambda: calls.add_user("A", "a@b"), False),
    ],
)
def test_only_what_may_be_done_twice_is_repeatable(
    make: "Callable[[], Call[object]]", repeatable: bool
) -> None:
    assert make().is_repeatable is repeatable
