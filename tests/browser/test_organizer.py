"""What an organizer does and sees."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from receiver import open_receiver
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


def test_the_chart_and_the_figures_follow_the_sales(window: Window, api: Api) -> None:
    categories = [{"name": "Stalls", "price_cents": 4500}]
    rows = [{"section": name, "row": "1", "seats": 10, "category": "Stalls"} for name in "AB"]
    event_id, user_id = api.add_event(20, categories=categories, seats=rows), api.add_user()
    window.sign_in(api.keys["organizer"])
    window.visit(f"/organizer#/event/{event_id}")
    window.see("0 tickets sold")
    body = {"event_id": event_id, "user_id": user_id, "seats": ["A-1-1", "A-1-2"]}
    assert api.client.post("/v1/bookings", json=body).status_code == 201
    assert api.client.post("/v1/bookings", json=body).json()["code"] == "seat-taken"
    window.see("2 tickets sold; the busiest minute had 2")
    window.see("90.00")
    window.see("seat-taken")
    drawn = window.run(
        "const canvas = document.querySelector('.uplot canvas');"
        "const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);"
        "return data.filter((value, at) => at % 4 === 3 && value).length"
    )
    assert drawn > 1_000


def test_a_webhook_is_registered_watched_and_sent_to_again(window: Window, api: Api) -> None:
    event_id = api.add_event(name="Night of the Hooks")
    with open_receiver() as receiver:
        receiver.answer = lambda message: 500 if message["data"]["type"] == "EventClosed" else 200
        window.sign_in(api.keys["organizer"])
        window.visit("/organizer#/webhooks")
        window.write("Send to", receiver.url)
        window.press("Register")
        window.see("it is not shown again")
        assert window.find("code.secret").text.startswith("whsec_")
        assert api.book(event_id, api.add_user()).status_code == 201
        window.press("See what is delivered")
        window.see("Answered 200")
        window.see("Night of the Hooks")
        taken = len(receiver.taken())
        window.press("Send again")
        window.see("is sent again.")
        receiver.until(lambda got: len(got) > taken)
        assert api.organizer.post(f"/v1/events/{event_id}/close").status_code == 200
        window.see("Answered 500.")
        window.see("retrying")
        window.keep_screenshot("organizer-webhook-retrying")
        window.press("Delete the webhook")
        window.press("Delete it")
        window.see("New webhook")
        assert api.organizer.get("/v1/webhooks").json()["items"] == []


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Where the camera finds what it sees, as JPEG after JPEG."""
    return tmp_path / "camera.mjpeg"


@pytest.fixture
def with_camera(api: Api, windows: Callable[..., Window], film: Path) -> Window:
    """A window whose camera shows a booking's first ticket."""
    booking = api.book(api.add_event(), api.add_user()).json()["booking_id"]
    png = api.client.get(f"/v1/bookings/{booking}/tickets/1.png").content
    ticket = Image.open(io.BytesIO(png)).convert("RGB").resize((380, 380))
    scene = Image.new("RGB", (640, 480), "dimgray")
    scene.paste(ticket.rotate(7, expand=True, fillcolor="dimgray"), (110, 30))
    frame = io.BytesIO()
    scene.save(frame, "JPEG", quality=90)
    film.write_bytes(frame.getvalue() * 5)
    window = windows(
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={film}",
    )
    window.begin(api.url)
    window.sign_in(api.keys["organizer"])
    return window


def test_a_ticket_before_the_camera_is_let_in_once(with_camera: Window) -> None:
    door = with_camera
    door.visit("/organizer#/door")
    door.press("Use the camera")
    door.see("Come in.")
    door.see("1 ticket let in")
    door.keep_screenshot("organizer-door-camera")
    assert "went in already" not in door.text()  # it is in the picture all the time
    door.press("Stop the camera")
    door.until(lambda: door.run("return document.querySelector('video').srcObject === null"), "end")
    door.press("Use the camera")
    door.button("Stop the camera")


def test_without_permission_it_says_so_and_codes_can_be_typed(window: Window, api: Api) -> None:
    window.sign_in(api.keys["organizer"])
    window.visit("/organizer#/door")
    window.press("Use the camera")
    window.see("camera")
    window.until(lambda: "No camera" in window.text() or "not allowed" in window.text(), "reason")
    assert window.control("Ticket code").is_displayed()
