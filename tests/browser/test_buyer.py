"""What a buyer does and sees."""

import time
from pathlib import Path
from typing import Final

import pytest
from served import Api
from window import Window

from projections.notes import VerifierKey
from projections.receipts import Receipt

SEEN_SECONDS_MAX: Final = 1.0
ROWS: Final = [{"row": "A", "seats": 6}, {"row": "B", "seats": 6}]


@pytest.fixture
def user_id(api: Api) -> str:
    return api.add_user()


@pytest.fixture
def buyer(window: Window, api: Api, user_id: str) -> Window:
    window.sign_in(api.keys["client"], user_id)
    return window


def test_a_seat_that_one_buyer_holds_vanishes_for_another_within_a_second(
    buyer: Window, other_window: Window, api: Api
) -> None:
    event_id = api.add_event(capacity=12, name="Chamber Night", seats=ROWS)
    for each in (buyer, other_window):
        each.visit(f"/#/event/{event_id}")
        each.see("Live")
        assert each.is_free("B-3")
    buyer.seat("B-3").click()
    buyer.press("Hold these places")
    buyer.see("Held for you")
    held_at = time.monotonic()
    other_window.until(lambda: not other_window.is_free("B-3"), "taken seat")
    other_window.until(lambda: other_window.find(".count b").text == "11", "count of 11")
    assert time.monotonic() - held_at < SEEN_SECONDS_MAX
    buyer.press("Let them go")
    other_window.until(lambda: other_window.is_free("B-3"), "free seat")


def test_from_seat_to_ticket_to_receipt(buyer: Window, api: Api, tmp_path: Path) -> None:
    event_id = api.add_event(capacity=12, name="Quartet", seats=ROWS)
    buyer.visit("/")
    buyer.press("Quartet")
    buyer.seat("A-1").click()
    buyer.seat("A-2").click()
    buyer.see("2 seats: A-1, A-2")
    buyer.press("Hold these places")
    buyer.see("nobody else can have them")
    buyer.press("Book now")
    buyer.see("Booked.")
    assert api.availability(event_id)["booked"] == 2
    buyer.press("Show my tickets")
    buyer.press("Show 2 tickets")
    buyer.until(
        lambda: buyer.run(
            "return [...document.querySelectorAll('.ticket img')]"
            ".filter(picture => picture.naturalWidth > 100).length === 2"
        ),
        "two pictures",
    )
    buyer.see("Seat A-2")
    buyer.keep_downloads(tmp_path)
    buyer.press("Receipt")
    (file,) = buyer.until(lambda: list(tmp_path.glob("receipt-*.tlog-proof")), "receipt")
    key = VerifierKey.parse(api.nobody.get("/tlog/keys").text.strip())
    assert Receipt.parse(file.read_bytes()).verify([key]).size > 0


def test_signing_in_is_asked_for_when_it_is_needed(window: Window, api: Api, user_id: str) -> None:
    event_id = api.add_event(capacity=5)
    window.visit(f"/#/event/{event_id}")
    window.press("Hold these places")
    window.write("API key", api.keys["client"])
    window.write("User id", user_id)
    window.find("dialog form button").click()
    window.see("Held for you")


def test_a_key_that_is_not_known_is_told_so(window: Window, api: Api, user_id: str) -> None:
    event_id = api.add_event(capacity=5)
    window.sign_in("ft_client_nobody", user_id)
    window.visit(f"/#/event/{event_id}")
    window.press("Hold these places")
    window.see("This key is not known.")


def test_seats_are_chosen_with_the_keyboard_alone(buyer: Window, api: Api) -> None:
    event_id = api.add_event(capacity=12, seats=ROWS)
    buyer.visit(f"/#/event/{event_id}")
    buyer.run("arguments[0].focus()", buyer.seat("A-1"))
    buyer.keys("ARROW_RIGHT", "ARROW_DOWN", "SPACE", "END", "ENTER")
    buyer.see("2 seats: B-2, B-6")
    buyer.keys("SPACE")
    buyer.see("1 seat: B-2")


def test_a_chosen_seat_that_somebody_else_gets_is_given_up_with_a_word(
    buyer: Window, api: Api
) -> None:
    event_id = api.add_event(capacity=12, seats=ROWS)
    buyer.visit(f"/#/event/{event_id}")
    buyer.see("Live")
    buyer.seat("A-4").click()
    body = {"event_id": event_id, "user_id": api.add_user(), "seats": ["A-4"]}
    assert api.client.post("/v1/bookings", json=body).status_code == 201
    buyer.see("Somebody was faster: A-4 is taken.")


def test_a_hold_that_runs_out_says_so_and_lets_one_choose_again(buyer: Window, api: Api) -> None:
    event_id = api.add_event(capacity=3, hold_seconds=1)
    buyer.visit(f"/#/event/{event_id}")
    buyer.press("Hold these places")
    buyer.see("The time is over")
    buyer.press("Choose again")
    buyer.button("Hold these places")


def test_a_hold_survives_a_reload(buyer: Window, api: Api) -> None:
    event_id = api.add_event(capacity=3)
    buyer.visit(f"/#/event/{event_id}")
    buyer.press("Hold these places")
    buyer.see("Held for you")
    buyer.driver.refresh()
    buyer.see("Held for you")
    buyer.press("Let them go")
    buyer.button("Hold these places")


def test_who_waits_gets_an_offer_when_a_place_comes_back(buyer: Window, api: Api) -> None:
    event_id = api.add_event(capacity=1)
    booking = api.book(event_id, api.add_user()).json()
    buyer.visit(f"/#/event/{event_id}")
    buyer.see("Sold out.")
    buyer.press("Join the waiting list")
    buyer.press("Get in line")
    buyer.see("You are the first in line.")
    assert api.cancel(booking["booking_id"]).status_code == 200
    buyer.see("Held for you")
    buyer.press("Book now")
    buyer.see("Booked.")


def test_the_count_runs_down_live_while_others_buy(window: Window, api: Api) -> None:
    event_id, user_id = api.add_event(capacity=30), api.add_user()
    window.visit(f"/#/event/{event_id}")
    window.see("Live")
    window.run(
        "const count = document.querySelector('.count b'); globalThis.seen = [];"
        "new MutationObserver(() => seen.push(Number(count.textContent)))"
        ".observe(count, { childList: true, characterData: true, subtree: true })"
    )
    for _ in range(30):
        assert api.book(event_id, user_id).status_code == 201
    window.see("Sold out.", SEEN_SECONDS_MAX)
    seen = window.run("return seen")
    assert seen == sorted(set(seen), reverse=True)
    assert len(seen) > 2
    assert seen[-1] == 0


def test_a_cancelled_booking_gives_the_places_back(buyer: Window, api: Api, user_id: str) -> None:
    event_id = api.add_event(capacity=4)
    assert api.book(event_id, user_id, 3).status_code == 201
    buyer.visit("/#/tickets")
    buyer.press("Cancel")
    buyer.press("Yes, cancel")
    buyer.see("cancelled")
    assert api.availability(event_id)["available"] == 4


def test_a_map_of_five_thousand_seats_follows_what_is_taken(window: Window, api: Api) -> None:
    rows = [{"section": "A", "row": str(row), "seats": 50} for row in range(1, 101)]
    event_id = api.add_event(capacity=5_000, seats=rows)
    window.visit(f"/#/event/{event_id}")
    window.see("Live")
    assert window.run("return document.querySelectorAll('.seat').length") >= 5_000
    body = {"event_id": event_id, "user_id": api.add_user(), "seats": ["A-100-50"]}
    assert api.client.post("/v1/bookings", json=body).status_code == 201
    window.until(lambda: not window.is_free("A-100-50"), "taken seat")
