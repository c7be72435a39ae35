"""axe-core finds no serious fault on any page, on desktop in light and on a phone in dark."""

from pathlib import Path
from typing import Final

import pytest
from served import Api
from window import DESKTOP, PHONE, Window

AXE: Final = (Path(__file__).parent / "axe" / "axe.min.js").read_text()
RUN: Final = """
const done = arguments[arguments.length - 1];
axe.run(document, { resultTypes: ["violations"] }).then(
    (found) => done(found.violations
        .filter((each) => ["serious", "critical"].includes(each.impact))
        .map((each) => `${each.id}: ${each.nodes.map((node) => node.html).slice(0, 3).join(" ")}`)),
    (error) => done([String(error)]));
"""
LOOKS: Final = {"desktop-light": (DESKTOP, False), "phone-dark": (PHONE, True)}

PAGES: Final = {
    "buyer-events": ("client", "/"),
    "buyer-seats": ("client", "/#/event/{seated}"),
    "buyer-places": ("client", "/#/event/{plain}"),
    "buyer-sold-out": ("client", "/#/event/{sold_out}"),
    "buyer-tickets": ("client", "/#/tickets"),
    "sign-in": (None, "/#/tickets"),
    "organizer-events": ("organizer", "/organizer"),
    "organizer-new": ("organizer", "/organizer#/new"),
    "organizer-event": ("organizer", "/organizer#/event/{seated}"),
    "organizer-bookings": ("organizer", "/organizer#/bookings/{booking}"),
    "organizer-door": ("organizer", "/organizer#/door"),
    "organizer-webhooks": ("organizer", "/organizer#/webhooks"),
    "organizer-webhook": ("organizer", "/organizer#/webhook/{webhook}"),
    "auditor-ledger": ("auditor", "/auditor"),
    "auditor-history": ("auditor", "/auditor#/history/{seated}"),
    "auditor-verify": ("auditor", "/auditor#/verify"),
}
PRESS: Final = {
    "buyer-tickets": ["Show"],
    "organizer-new": ["Add a category", "Add a block of rows"],
    "auditor-verify": ["Verify the log"],
}


@pytest.fixture(scope="module")
def places(api: Api) -> dict[str, str]:
    user = api.add_user()
    categories = [{"name": "Stalls", "price_cents": 4500}, {"name": "Balcony", "price_cents": 2500}]
    rows = [
        {"section": section, "row": str(row), "seats": 20, "category": name}
        for section, name in (("A", "Stalls"), ("B", "Balcony"))
        for row in range(1, 9)
    ]
    seated = api.add_event(320, name="Midsummer Symphony", categories=categories, seats=rows)
    plain = api.add_event(500, name="Open Air")
    sold_out = api.add_event(2, name="Secret Gig in the Cellar")
    body = {"event_id": seated, "user_id": user, "quantity": 3, "category": "Stalls"}
    assert api.client.post("/v1/bookings", json=body).status_code == 201
    made = api.organizer.post("/v1/webhooks", json={"url": "http://127.0.0.1:9/", "from_seq": 0})
    assert made.status_code == 201
    booking = api.book(sold_out, user, 2).json()["booking_id"]
    return {
        "seated": seated,
        "plain": plain,
        "sold_out": sold_out,
        "booking": booking,
        "user": user,
        "webhook": made.json()["webhook_id"],
    }


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("page", PAGES)
def test_a_page_has_no_serious_fault(
    window: Window, api: Api, places: dict[str, str], page: str, look: str
) -> None:
    role, path = PAGES[page]
    if role is not None:
        window.sign_in(api.keys[role], places["user"] if role == "client" else "")
    size, dark = LOOKS[look]
    window.look(size, dark=dark)
    window.visit(path.format(**places))
    for words in PRESS.get(page, []):
        window.press(words)
    window.until(
        lambda: window.run(
            "return !document.querySelector('button[aria-disabled=true]')"
            " && [...document.images].every(picture => picture.complete)"
        ),
        "quiet page",
    )
    window.keep_screenshot(f"{page}-{look}")
    assert window.run("return document.documentElement.scrollWidth <= innerWidth")
    window.run(AXE)
    assert window.driver.execute_async_script(RUN) == []
