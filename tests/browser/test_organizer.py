"""What an organizer does and sees."""

import pytest
from selenium.webdriver.support.ui import Select
from served import Api
from window import Window


@pytest.fixture
def organizer(window: Window, api: Api) -> Window:
    window.sign_in(api.keys["organizer"])
    return window


def test_an_event_with_categories_and_rows_is_made_on_the_page(organizer: Window, api: Api) -> None:
    organizer.visit("/organizer#/new")
    Select(organizer.control("Venue")).select_by_visible_text("A new venue …")
    organizer.write("Name of the venue", "Town Hall")
    organizer.write("Places in the venue", "200")
    organizer.press("Add a category")
    organizer.find('[aria-label="Category"] input').send_keys("Stalls")
    organizer.press("Add a block of rows")
    organizer.write("Section", "A")
    organizer.write("Last row", "4")
    organizer.write("Seats in each", "12")
    organizer.see("48 seats in 4 rows")
    organizer.find("form .field input").send_keys("Spring Gala")
    organizer.run("arguments[0].value = '2030-05-01T19:30'", organizer.control("Starts"))
    organizer.press("Create the event")
    organizer.see("of 48 places left")
    made = [e for e in api.nobody.get("/v1/events").json()["items"] if e["name"] == "Spring Gala"]
    assert [(e["capacity"], e["seat_count"], e["hold_seconds"]) for e in made] == [(48, 48, 300)]
    assert made[0]["categories"][0]["name"] == "Stalls"


def test_sales_are_closed_and_opened_and_capacity_is_changed(organizer: Window, api: Api) -> None:
    event_id = api.add_event(capacity=10)
    assert api.book(event_id, api.add_user(), 4).status_code == 201
    organizer.visit(f"/organizer#/event/{event_id}")
    organizer.press("Close sales")
    organizer.see("Sales are closed.")
    assert api.book(event_id, api.add_user()).json()["code"] == "sales-closed"
    organizer.press("Open sales")
    organizer.see("Sales are open.")
    organizer.write("Places on sale", "3")
    organizer.press("Change")
    organizer.see("4 places are booked")
    organizer.write("Places on sale", "6")
    organizer.press("Change")
    organizer.see("of 6 places left")


def test_a_booking_is_found_and_cancelled(organizer: Window, api: Api) -> None:
    booking = api.book(api.add_event(), api.add_user(), 2).json()
    organizer.visit("/organizer#/bookings")
    organizer.write("Id", booking["booking_id"])
    organizer.press("Search")
    organizer.press("Cancel the booking")
    organizer.press("Cancel them")
    organizer.see("cancelled")
    found = api.organizer.get(f"/v1/bookings/{booking['booking_id']}").json()
    assert found["status"] == "cancelled"


def test_the_door_lets_a_ticket_in_once(organizer: Window, api: Api) -> None:
    booking = api.book(api.add_event(), api.add_user()).json()
    tickets = api.client.get(f"/v1/bookings/{booking['booking_id']}/tickets").json()["items"]
    organizer.visit("/organizer#/door")
    organizer.control("Ticket code").send_keys(tickets[0]["code"] + "\n")
    organizer.see("Come in.")
    organizer.see("1 ticket let in")
    organizer.control("Ticket code").send_keys(tickets[0]["code"] + "\n")
    organizer.see("This ticket went in already")
    organizer.control("Ticket code").send_keys("FT1.made-up\n")
    organizer.see("This is no ticket of ours.")
    organizer.press("Undo")
    organizer.see("0 tickets let in")


def test_a_buyers_key_is_told_that_it_is_for_other_things(window: Window, api: Api) -> None:
    window.sign_in(api.keys["client"])
    window.visit("/organizer#/new")
    window.see("Your key is for other things.")
    window.see("Please sign in")
