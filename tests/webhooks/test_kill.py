"""What kill -9 does to webhooks: an entry may come twice, and none is left out."""

from receiver import DEVELOPMENT, Receiver
from served import Api, new_keys, served

BOOKINGS = 12


def test_every_entry_is_delivered_in_order_through_kill_9(
    database: str, receiver: Receiver
) -> None:
    keys = new_keys(database)
    with served(database, None, **DEVELOPMENT) as running, Api(running.url, keys) as api:
        made = api.organizer.post("/v1/webhooks", json={"url": receiver.url})
        assert made.status_code == 201
        event_ids, user_id = [api.add_event(capacity=50) for _ in range(3)], api.add_user()
        # It dies with requests on the way that were taken, and whose taking nobody wrote down.
        receiver.answer = lambda message: (
            running.process.kill() or 200  # type: ignore[func-returns-value]
            if message["data"]["version"] == BOOKINGS // 2
            else 200
        )
        for n in range(BOOKINGS * len(event_ids)):
            assert api.book(event_ids[n % len(event_ids)], user_id).status_code == 201
            if running.process.poll() is not None:
                break
        running.process.wait(10)
    receiver.answer = lambda _: 200
    places = []
    with served(database, None, **DEVELOPMENT) as running, Api(running.url, keys) as api:
        for event_id in event_ids:
            assert api.book(event_id, user_id).status_code == 201
            version = api.nobody.get(f"/v1/events/{event_id}").json()["version"]
            places += [(event_id, each) for each in range(1, version + 1)]
        receiver.until_taken(places)
    for event_id in event_ids:
        firsts = dict.fromkeys(place for place in receiver.taken() if place[0] == event_id)
        assert list(firsts) == [place for place in places if place[0] == event_id]
    assert len(receiver.taken()) > len(places), "nothing was on the way when it died"
