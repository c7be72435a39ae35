"""What an organizer sees of webhooks."""

from receiver import open_receiver
from served import Api
from window import Window


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
