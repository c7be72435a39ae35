"""What an event offers, where seats bound it."""

from uuid import uuid4

import pytest

from api.bodies import EventIn
from api.offers import Offer, offer_of
from api.problems import Problem


def offered(**fields: object) -> Offer:
    event = {"venue_id": uuid4(), "name": "Show", "starts_at": "2026-12-31T20:00:00+01:00"}
    return offer_of(EventIn.model_validate(event | fields))


def test_an_event_of_seats_sells_as_many_places_as_it_has_seats() -> None:
    assert offered(seats=["A", "B", "C"]).capacity == 3
    assert offered(seats=["A", "B", "C"], capacity=2).capacity == 2


def test_more_places_than_seats_are_refused_where_each_needs_one() -> None:
    with pytest.raises(Problem, match="only 3 seats"):
        offered(seats=["A", "B", "C"], capacity=4)


def test_a_category_with_seats_has_no_more_places_than_those() -> None:
    offer = offered(
        categories=[
            {"name": "stalls"},
            {"name": "box", "capacity": 9},
            {"name": "circle", "capacity": 1},
            {"name": "standing"},
        ],
        seats=[
            {"section": "S", "category": "stalls", "seats": 2},
            {"section": "B", "category": "box", "seats": 4},
            {"section": "C", "category": "circle", "seats": 3},
        ],
    )
    capacities = {category.name: category.capacity for category in offer.categories}
    assert capacities == {"stalls": 2, "box": 4, "circle": 1, "standing": None}
    assert offer.capacity is None, "who stands needs no seat: the venue bounds the event"
