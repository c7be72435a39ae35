"""Pages: each item once, in order, however small the page."""

import httpx
import pytest
from served import Api


def all_items(sender: httpx.Client, path: str, id_name: str, limit: int) -> list[str]:
    """The ids on all pages of a list."""
    ids: list[str] = []
    cursor: str | None = None
    while True:
        answer = sender.get(path, params={"limit": limit} | ({"cursor": cursor} if cursor else {}))
        assert answer.status_code == 200, answer.text
        page = answer.json()
        assert page.keys() == {"items", "next_cursor"}
        assert len(page["items"]) <= limit
        ids += [item[id_name] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            return ids


def add_one(api: Api, id_name: str) -> str:
    match id_name:
        case "user_id":
            return api.add_user()
        case "venue_id":
            return api.add_venue(1)
        case _:
            return api.add_event()


@pytest.mark.parametrize("limit", [1, 3, 10, 10_000])
def test_a_users_bookings_come_once_each_in_order(api: Api, limit: int) -> None:
    user_id, other = api.add_users(2)
    events = [api.add_event(20), api.add_event(20)]
    booked = [api.book(events[n % 2], user_id).json()["booking_id"] for n in range(10)]
    api.book(events[0], other)
    api.cancel(booked[3])
    path = f"/v1/users/{user_id}/bookings"
    assert all_items(api.client, path, "booking_id", limit) == booked


@pytest.mark.parametrize(
    ("path", "id_name"),
    [("/v1/users", "user_id"), ("/v1/venues", "venue_id"), ("/v1/events", "event_id")],
)
def test_a_list_comes_once_each_in_order(api: Api, path: str, id_name: str) -> None:
    added = [add_one(api, id_name) for _ in range(7)]
    ids = all_items(api.organizer, path, id_name, 10_000)
    assert len(set(ids)) == len(ids)
    assert [each for each in ids if each in added] == added
    limit = max(2, len(ids) // 6)
    assert all_items(api.organizer, path, id_name, limit) == ids


def test_a_page_that_is_just_full_is_followed_by_an_empty_one_at_most(api: Api) -> None:
    user_id, event_id = api.add_user(), api.add_event(10)
    booked = [api.book(event_id, user_id).json()["booking_id"] for _ in range(4)]
    path = f"/v1/users/{user_id}/bookings"
    for limit in (2, 4):
        assert all_items(api.client, path, "booking_id", limit) == booked
    assert all_items(api.client, f"/v1/users/{api.add_user()}/bookings", "booking_id", 5) == []


def test_what_is_added_behind_a_page_comes_on_a_later_one(api: Api) -> None:
    user_id, event_id = api.add_user(), api.add_event(10)
    booked = [api.book(event_id, user_id).json()["booking_id"] for _ in range(2)]
    path = f"/v1/users/{user_id}/bookings"
    first = api.client.get(path, params={"limit": 2}).json()
    assert [item["booking_id"] for item in first["items"]] == booked
    later = api.book(event_id, user_id).json()["booking_id"]
    rest = api.client.get(path, params={"limit": 2, "cursor": first["next_cursor"]}).json()
    assert [item["booking_id"] for item in rest["items"]] == [later]
