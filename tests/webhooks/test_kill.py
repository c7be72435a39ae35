"""What kill -9 does to webhooks: an entry may come twice, and none is left out."""

from receiver import DEVELOPMENT, Receiver
from served import Api, new_keys, served

BOOKINGS = 12


def test_every_entry_is_delivered_in_order_through_kill_9(
    database: str, receiver: Receiver
) -> None:
    keys = new_keys(database)
    with served(database, None, **DEVELOPMENT) as sender, Api(sender.url, keys) as api:
        made = api.organizer.post("/v1/webhooks", json={"url": receiver.url})
        assert made.status_code == 201
        event_ids, user_id = [api.add_event(capacity=50) for _ in range(3)], api.add_user()
        receiver.until_taken([(event_id, 1) for event_id in event_ids])  # it has the turn
        # It dies with requests on the way that were taken, and whose taking nobody wrote down.
        receiver.answer = lambda message: (
            sender.process.kill() or 200  # type: ignore[func-returns-value]
            if message["data"]["version"] == BOOKINGS // 2
            else 200
        )
        with served(database, None, **DEVELOPMENT) as other, Api(other.url, keys) as others:
            places = []
            for event_id in event_ids:
                for _ in range(BOOKINGS):
                    assert others.book(event_id, user_id).status_code == 201
                places += [(event_id, version) for version in range(1, BOOKINGS + 2)]
            sender.process.wait(10)
            receiver.answer = lambda _: 200
            receiver.until_taken(places)
    for event_id in event_ids:
        firsts = dict.fromkeys(place for place in receiver.taken() if place[0] == event_id)
        assert list(firsts) == [place for place in places if place[0] == event_id]
    assert len(receiver.taken()) > len(places), "nothing was on the way when it died"
