"""Races between clients of two processes: whoever wins, exactly what fits is sold."""

from random import Random
from uuid import uuid4

import pytest
from crowd import Crowd, tally

ROUNDS = 25


@pytest.fixture(scope="module")
def users(session_crowd: Crowd) -> list[str]:
    return session_crowd.api.add_users(20)


def new_key() -> str:
    return f"key-{uuid4()}"


def test_of_two_buyers_of_one_ticket_one_gets_it(crowd: Crowd, users: list[str]) -> None:
    winners = set()
    for _ in range(ROUNDS):
        event_id = crowd.api.add_event(1)
        replies = crowd.send([crowd.book(event_id, user_id) for user_id in users[:2]])
        assert tally(replies) == {"201": 1, "sold-out": 1}
        winners.add(next(i for i, reply in enumerate(replies) if reply.status == 201))
        assert crowd.api.availability(event_id)["booked"] == 1
    assert winners == {0, 1}, "a race that the same one always wins is none"


def test_of_many_buyers_of_few_tickets_as_many_get_one_as_there_are(
    crowd: Crowd, users: list[str]
) -> None:
    event_id = crowd.api.add_event(37)
    replies = crowd.send([crowd.book(event_id, users[n % 20]) for n in range(150)])
    assert tally(replies) == {"201": 37, "sold-out": 113}
    counts = crowd.api.availability(event_id)
    assert (counts["booked"], counts["available"], counts["version"]) == (37, 0, 38)


def test_orders_of_different_sizes_never_take_more_than_there_is(
    crowd: Crowd, users: list[str]
) -> None:
    event_id, chance = crowd.api.add_event(50), Random(7)  # noqa: S311  no secret
    quantities = [chance.randint(1, 9) for _ in range(60)]
    replies = crowd.send([crowd.book(event_id, users[0], quantity) for quantity in quantities])
    sold = sum(
        quantity for quantity, reply in zip(quantities, replies, strict=True) if reply.status == 201
    )
    assert crowd.api.availability(event_id)["booked"] == sold <= 50
    refused = [
        quantity for quantity, reply in zip(quantities, replies, strict=True) if reply.status == 409
    ]
    assert min(refused) > 50 - sold, "nobody is refused what would fit in the end"


def test_fifty_requests_with_one_key_are_one_booking_and_get_the_same_answer(
    crowd: Crowd, users: list[str]
) -> None:
    event_id, key = crowd.api.add_event(100), new_key()
    replies = crowd.send([crowd.book(event_id, users[0], 2, key=key)] * 50)
    assert tally(replies) == {"201": 50}
    assert len({reply.body for reply in replies}) == 1
    firsts = [reply for reply in replies if "idempotency-replayed" not in reply.headers]
    assert len(firsts) == 1
    assert crowd.api.availability(event_id)["booked"] == 2


def test_one_key_with_different_bodies_is_one_booking_and_the_others_are_refused(
    crowd: Crowd, users: list[str]
) -> None:
    for _ in range(10):
        event_id, key = crowd.api.add_event(100), new_key()
        asked = [crowd.book(event_id, user_id, key=key) for user_id in users]
        replies = crowd.send(asked)
        assert tally(replies) == {"201": 1, "idempotency-key-reused": 19}
        (winner,) = [reply.json() for reply in replies if reply.status == 201]
        again = crowd.send(asked)
        assert tally(again) == {"201": 1, "idempotency-key-reused": 19}
        assert [reply.json() for reply in again if reply.status == 201] == [winner]
        assert crowd.api.availability(event_id)["booked"] == 1


def test_cancelling_a_booking_many_times_at_once_frees_its_places_once(
    crowd: Crowd, users: list[str]
) -> None:
    event_id = crowd.api.add_event(10)
    booking_id = crowd.api.book(event_id, users[0], 4).json()["booking_id"]
    replies = crowd.send([crowd.cancel(booking_id)] * 20)
    assert tally(replies) == {"200": 20}
    assert len({reply.body for reply in replies}) == 1
    counts = crowd.api.availability(event_id)
    assert (counts["booked"], counts["version"]) == (0, 3)


def test_a_place_freed_while_others_want_it_goes_to_one_of_them_or_to_nobody(
    crowd: Crowd, users: list[str]
) -> None:
    outcomes = set()
    for _ in range(ROUNDS):
        event_id = crowd.api.add_event(1)
        booking_id = crowd.api.book(event_id, users[0]).json()["booking_id"]
        cancelled, *bought = crowd.send(
            [
                crowd.cancel(booking_id),
                # With keys, so that none is refused from memory.
                *[
                    crowd.book(event_id, user, key=f"{event_id}-{user}", long_way=True)
                    for user in users[1:5]
                ],
            ]
        )
        assert cancelled.status == 200
        won = tally(bought)["201"]
        assert won <= 1
        assert tally(bought)["sold-out"] == 4 - won
        assert crowd.api.availability(event_id)["booked"] == won
        outcomes.add(won)
    assert outcomes == {0, 1}, "a race that always ends the same is none"


def test_a_user_never_gets_more_than_the_limit(crowd: Crowd, users: list[str]) -> None:
    event_id = crowd.api.add_event(100, limit_per_user=4)
    replies = crowd.send([crowd.book(event_id, user) for user in users[:2] for _ in range(20)])
    for own in (replies[:20], replies[20:]):
        assert tally(own) == {"201": 4, "limit-per-user": 16}
    assert crowd.api.availability(event_id)["booked"] == 8


def test_a_capacity_lowered_while_people_buy_is_never_below_what_is_sold(
    crowd: Crowd, users: list[str]
) -> None:
    outcomes = set()
    for _ in range(ROUNDS):
        event_id = crowd.api.add_event(6)
        resize = crowd.request("PATCH", f"/v1/events/{event_id}", {"capacity": 2})
        bookings = [crowd.book(event_id, user, long_way=True) for user in users[:6]]
        resized, *replies = crowd.send([resize, *bookings])
        counts = crowd.api.availability(event_id)
        assert counts["booked"] == tally(replies)["201"]
        if resized.status == 200:
            assert (counts["capacity"], counts["booked"]) == (2, 2)
        else:
            assert tally([resized]) == {"capacity-below-sold": 1}
            assert (counts["capacity"], counts["booked"]) == (6, 6)
        outcomes.add(resized.status)
    assert outcomes == {200, 409}, "a race that always ends the same is none"


def test_a_hundred_events_are_scheduled_and_sold_out_side_by_side(
    crowd: Crowd, users: list[str]
) -> None:
    venue_id = crowd.api.add_venue(3)
    body = {"venue_id": venue_id, "name": "Show", "starts_at": "2030-01-01T20:00:00Z"}
    scheduled = crowd.send([crowd.post("/v1/events", body)] * 100)
    assert tally(scheduled) == {"201": 100}
    event_ids = [reply.json()["event_id"] for reply in scheduled]
    asked = [crowd.book(event_id, users[n]) for event_id in event_ids for n in range(4)]
    Random(7).shuffle(asked)  # noqa: S311  no secret
    replies = [
        reply for part in range(0, 400, 100) for reply in crowd.send(asked[part : part + 100])
    ]
    assert tally(replies) == {"201": 300, "sold-out": 100}
    assert {crowd.api.availability(event_id)["booked"] for event_id in event_ids} == {3}


def test_of_two_buyers_of_one_seat_one_gets_it(crowd: Crowd, users: list[str]) -> None:
    event_id = crowd.api.add_event(3, seats=["1", "2", "3"])
    asked = [
        crowd.post("/v1/bookings", {"event_id": event_id, "user_id": user, "seats": seats})
        for user, seats in zip(users, [["1", "2"], ["2", "3"], ["3", "1"]] * 4, strict=False)
    ]
    replies = crowd.send(asked)
    assert tally(replies) == {"201": 1, "seat-taken": 11}
    (winner,) = [reply.json() for reply in replies if reply.status == 201]
    assert crowd.api.availability(event_id)["booked"] == len(winner["seats"]) == 2


def test_a_hold_confirmed_and_released_at_once_ends_in_one_of_the_two(
    crowd: Crowd, users: list[str]
) -> None:
    for _ in range(20):
        event_id = crowd.api.add_event(1)
        hold = {"event_id": event_id, "user_id": users[0]}
        (held,) = crowd.send([crowd.post("/v1/holds", hold)])
        path = f"/v1/holds/{held.json()['hold_id']}"
        replies = crowd.send([crowd.post(f"{path}/confirm"), crowd.post(f"{path}/release")] * 3)
        confirms, releases = tally(replies[::2]), tally(replies[1::2])
        booked = crowd.api.availability(event_id)["booked"]
        assert (confirms, releases) == (
            ({"201": 3}, {"hold-confirmed": 3}) if booked else ({"hold-released": 3}, {"200": 3})
        )
        assert len({reply.body for reply in replies if reply.status == 201}) <= 1


def test_carts_over_the_same_events_are_each_whole_or_not_at_all(
    crowd: Crowd, users: list[str]
) -> None:
    event_ids = [crowd.api.add_event(10) for _ in range(4)]
    chance = Random(7)  # noqa: S311  no secret
    asked = []
    for n in range(40):
        items = [{"event_id": each, "quantity": 1} for each in chance.sample(event_ids, 3)]
        asked.append(crowd.post("/v1/carts", {"user_id": users[n % 20], "items": items}))
    replies = crowd.send(asked)
    assert tally(replies).keys() <= {"201", "sold-out"}
    bookings = [
        booking for reply in replies if reply.status == 201 for booking in reply.json()["bookings"]
    ]
    assert len(bookings) == 3 * tally(replies)["201"]
    for event_id in event_ids:
        sold = sum(booking["event_id"] == event_id for booking in bookings)
        assert crowd.api.availability(event_id)["booked"] == sold <= 10


def test_one_key_for_different_events_is_one_booking(crowd: Crowd, users: list[str]) -> None:
    for _ in range(10):
        event_ids, key = [crowd.api.add_event(10) for _ in range(10)], new_key()
        replies = crowd.send([crowd.book(each, users[0], key=key) for each in event_ids])
        assert tally(replies) == {"201": 1, "idempotency-key-reused": 9}
