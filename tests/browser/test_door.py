"""The door reads a ticket with the camera: a picture of one, held before a camera that is none."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from served import Api
from window import Window


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
