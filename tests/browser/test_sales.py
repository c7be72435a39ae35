"""The organizer's chart follows the sales."""

from served import Api
from window import Window


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
