"""A crowd: many clients who all send at the same moment."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from served import Api, Reply, Served, request, volley


@dataclass(frozen=True)
class Crowd:
    """Clients with the same key at an application of two workers."""

    served: Served
    api: Api

    def book(
        self,
        event_id: str,
        user_id: str,
        quantity: int = 1,
        *,
        key: str | None = None,
        long_way: bool = False,
    ) -> bytes:
        """A booking, to be sent; the ``long_way`` it takes as long to the lock as other calls do.

        (A query, even an empty one, is nothing that a direct call knows; see `api.direct`.)
        """
        body = {"event_id": event_id, "user_id": user_id, "quantity": quantity}
        return self.post("/v1/bookings?" if long_way else "/v1/bookings", body, key=key)

    def cancel(self, booking_id: str) -> bytes:
        """A cancellation, to be sent."""
        return self.post(f"/v1/bookings/{booking_id}/cancel")

    def post(self, path: str, body: object = None, *, key: str | None = None) -> bytes:
        return self.request("POST", path, body, key=key)

    def request(self, method: str, path: str, body: object, *, key: str | None = None) -> bytes:
        authorization = f"Bearer {self.api.keys['admin']}"
        return request(method, path, body, authorization=authorization, idempotency_key=key)

    def send(self, requests: Sequence[bytes]) -> list[Reply]:
        """The answers to ``requests``, which are with the application all at once."""
        return volley(self.served.port, requests)


def tally(replies: Sequence[Reply]) -> Counter[str]:
    """How many were answered what: a status, or the code of a problem."""
    return Counter(
        str(reply.status) if reply.status < 400 else reply.json()["code"] for reply in replies
    )
