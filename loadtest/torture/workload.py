"""Who wants what: every command, chosen by a seeded chance, on events that run short of places."""

import asyncio
import base64
import random
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from loadtest.torture.answers import NOBODY
from loadtest.torture.clients import Caller
from loadtest.torture.history import NEVER_SENT, Call

CLIENTS: Final = 16
_PAUSE_SECONDS_MAX: Final = 0.02
_BACK_OFF_SECONDS: Final = 0.05
_OUT_OF_REACH_SECONDS: Final = 0.3
_SETTLE_TRIES: Final = 200
_CODE: Final = struct.Struct(">16s16sII")
_OLDEST_LEFT_ALONE: Final = 40

_LAYOUT: Final = [
    {"section": "A", "row": "1", "seats": 7, "category": "stalls"},
    {"section": "A", "row": "2", "seats": 5, "category": "stalls"},
    {"section": "B", "row": "1", "seats": 8, "category": "gallery"},
]
_SEATS: Final = [
    f"{row['section']}-{row['row']}-{n}"
    for row in _LAYOUT
    for n in range(1, int(str(row["seats"])) + 1)
]


def terms_of(name: str, closes_after: timedelta) -> dict[str, Any]:
    """What the event of that name sells; ``closes_after`` is when the one that closes does."""
    now = datetime.now(UTC)
    terms: dict[str, dict[str, Any]] = {
        "crowd": {"capacity": 12, "hold_seconds": 1},
        "limited": {"capacity": 30, "limit_per_user": 5, "limit_per_order": 3, "hold_seconds": 2},
        "seats": {
            "seats": _LAYOUT,
            "categories": [
                {"name": "stalls", "price_cents": 5000},
                {"name": "gallery", "price_cents": 2500},
            ],
            "hold_seconds": 1,
        },
        "prices": {
            "capacity": 18,
            "categories": [
                {"name": "standing", "price_cents": 1000},
                {"name": "reduced", "price_cents": 500, "capacity": 4},
                {"name": "patrons", "price_cents": 9000},
            ],
            "quotas": [{"name": "cheap", "capacity": 10, "categories": ["standing", "reduced"]}],
            "hold_seconds": 1,
        },
        "closing": {"capacity": 500, "sales_close_at": (now + closes_after).isoformat()},
        "off": {"capacity": 20, "hold_seconds": 300},
    }
    return terms[name]


EVENTS: Final = ("crowd", "limited", "seats", "prices", "closing", "off")
_WITH_CATEGORIES: Final = {
    "seats": ("stalls", "gallery"),
    "prices": ("standing", "reduced", "patrons"),
}


@dataclass(slots=True)
class Known:
    """What some answer told of, and so can be asked about."""

    bookings: list[Mapping[str, Any]] = field(default_factory=list)
    holds: list[Mapping[str, Any]] = field(default_factory=list)
    places: list[Mapping[str, Any]] = field(default_factory=list)


class Workload:
    """The wishes of one round. All chance comes from ``chance``, in whatever order calls end."""

    def __init__(
        self,
        caller: Caller,
        chance: random.Random,
        events: Mapping[str, str],
        users: list[str],
    ) -> None:
        self._caller = caller
        self._chance = chance
        self._events = events
        self._users = users
        self._known = Known()
        self._keys = 0
        self._prefix = f"{chance.getrandbits(64):x}"
        self._unsettled: list[Callable[[], Awaitable[Call]]] = []
        self._wishes: list[tuple[int, Callable[[], Awaitable[None]]]] = [
            (24, self._book),
            (8, self._book_best),
            (6, self._book_named),
            (6, self._cart),
            (14, self._hold),
            (12, self._confirm),
            (4, self._release),
            (10, self._cancel),
            (5, self._transfer),
            (9, self._join),
            (3, self._leave),
            (6, self._door),
            (4, self._resize),
            (3, self._open_or_close),
            (12, self._read_availability),
            (9, self._read),
        ]

    async def client(self, is_over: asyncio.Event) -> None:
        """Ask for one thing after the other until it is over."""
        weights = [weight for weight, _ in self._wishes]
        while not is_over.is_set():
            ((_, wish),) = self._chance.choices(self._wishes, weights)
            await wish()
            while not is_over.is_set() and self._caller.is_out_of_reach:
                await asyncio.sleep(_OUT_OF_REACH_SECONDS)
                await self._read_availability()
            await asyncio.sleep(self._chance.uniform(0, _PAUSE_SECONDS_MAX))

    async def settle(self) -> None:
        """Repeat what has a key and no certain answer until it has one; call an event off."""
        for ask in self._unsettled:
            for _ in range(_SETTLE_TRIES):
                if not _is_open(await ask()):
                    break
                await asyncio.sleep(_BACK_OFF_SECONDS)
        await self.call_off()

    async def call_off(self) -> None:
        """The event that does not take place after all."""
        event_id = self._events["off"]
        for _ in range(_SETTLE_TRIES):
            call = await self._change(event_id, "call_off", f"/v1/events/{event_id}/cancel")
            if call.ok:
                return
            await asyncio.sleep(_BACK_OFF_SECONDS)

    # Places.

    async def _book(self) -> None:
        name = self._chance.choice(("crowd", "limited", "prices", "closing", "off"))
        await self._order("book", "/v1/bookings", self._wanted(name))

    async def _book_best(self) -> None:
        await self._order("book", "/v1/bookings", self._wanted("seats"))

    async def _book_named(self) -> None:
        seats = self._chance.sample(_SEATS, self._chance.randint(1, 3))
        asked = {"event_id": self._events["seats"], "user_id": self._user(), "seats": seats}
        command, path = self._chance.choice((("book", "/v1/bookings"), ("hold", "/v1/holds")))
        await self._order(command, path, {**asked, "quantity": len(seats)})

    async def _hold(self) -> None:
        await self._order("hold", "/v1/holds", self._wanted(self._chance.choice(EVENTS)))

    async def _cart(self) -> None:
        names = self._chance.sample(("crowd", "limited", "prices", "closing", "off"), 2)
        wanted = [self._wanted(name, up_to=2) for name in names]
        items = [{key: value for key, value in each.items() if key != "user_id"} for each in wanted]
        asked = {"user_id": wanted[0]["user_id"], "items": items}
        events = [item["event_id"] for item in items]
        key = self._key()

        async def ask() -> Call:
            return await self._caller.call(
                "cart", "POST", "/v1/carts", event_ids=events, asked=asked, body=asked, key=key
            )

        call = await self._until_told(ask, key)
        if call.ok:
            self._known.bookings += call.body["bookings"]

    async def _order(self, command: str, path: str, asked: dict[str, Any]) -> None:
        key = self._key()

        async def ask(changed: Mapping[str, Any] = asked) -> Call:
            return await self._caller.call(
                command,
                "POST",
                path,
                event_ids=[changed["event_id"]],
                asked=changed,
                body=changed,
                key=key,
                hang_up_after=self._chance.uniform(0, 0.02) if self._once_in(40) else None,
            )

        call = await self._until_told(ask, key)
        if call.ok:
            (self._known.bookings if command == "book" else self._known.holds).append(call.body)
            if key is not None and self._once_in(8):
                await ask()
            elif key is not None and self._once_in(20) and "seats" not in asked:
                await ask({**asked, "quantity": asked["quantity"] + 1})

    def _wanted(self, name: str, up_to: int = 4) -> dict[str, Any]:
        asked = {
            "event_id": self._events[name],
            "user_id": NOBODY if self._once_in(60) else self._user(),
            "quantity": self._chance.randint(1, up_to),
        }
        if name in _WITH_CATEGORIES and not self._once_in(15):
            asked["category"] = self._chance.choice(_WITH_CATEGORIES[name])
        return asked

    # What was made before.

    async def _confirm(self) -> None:
        hold = self._one_of(self._known.holds)
        if hold is not None:
            call = await self._about_hold(hold, "confirm")
            if call.ok:
                self._known.bookings.append(call.body)

    async def _release(self) -> None:
        hold = self._one_of(self._known.holds)
        if hold is not None:
            await self._about_hold(hold, "release")

    async def _about_hold(self, hold: Mapping[str, Any], command: str) -> Call:
        hold_id = hold["hold_id"]
        return await self._caller.call(
            command,
            "POST",
            f"/v1/holds/{hold_id}/{command}",
            event_ids=[hold["event_id"]],
            asked={"hold_id": hold_id},
        )

    async def _cancel(self) -> None:
        booking = self._one_of(self._known.bookings)
        if booking is None:
            return
        body: dict[str, Any] = {}
        if self._once_in(3):
            body["quantity"] = self._chance.randint(1, booking["quantity"])
        elif self._once_in(3):
            body["tickets"] = [self._chance.randint(1, booking["quantity"])]
        await self._about_booking(booking, "cancel", body)

    async def _transfer(self) -> None:
        booking = self._one_of(self._known.bookings)
        if booking is not None:
            to = NOBODY if self._once_in(15) else self._user()
            await self._about_booking(booking, "transfer", {"to_user_id": to})

    async def _about_booking(
        self, booking: Mapping[str, Any], command: str, body: Mapping[str, Any]
    ) -> None:
        booking_id = booking["booking_id"]
        key = self._key()

        async def ask() -> Call:
            return await self._caller.call(
                command,
                "POST",
                f"/v1/bookings/{booking_id}/{command}",
                event_ids=[booking["event_id"]],
                asked={"booking_id": booking_id, **body},
                body=body,
                key=key,
            )

        call = await self._until_told(ask, key)
        if call.ok and key is not None and self._once_in(8):
            await ask()

    async def _join(self) -> None:
        name = self._chance.choice(("crowd", "crowd", "limited", "seats", "prices"))
        wanted = self._wanted(name, up_to=3)
        event_id = wanted.pop("event_id")
        key = self._key()

        async def ask() -> Call:
            return await self._caller.call(
                "join",
                "POST",
                f"/v1/events/{event_id}/waiting-list",
                event_ids=[event_id],
                asked=wanted,
                body=wanted,
                key=key,
            )

        call = await self._until_told(ask, key)
        if call.ok:
            self._known.places.append(call.body)

    async def _leave(self) -> None:
        place = self._one_of(self._known.places)
        if place is not None:
            await self._about_place(place, "leave", "DELETE")

    async def _about_place(self, place: Mapping[str, Any], command: str, method: str) -> Call:
        event_id, waiting_id = place["event_id"], place["waiting_id"]
        return await self._caller.call(
            command,
            method,
            f"/v1/events/{event_id}/waiting-list/{waiting_id}",
            event_ids=[event_id],
            asked={"waiting_id": waiting_id},
        )

    # The door and the organizer.

    async def _door(self) -> None:
        booking = self._one_of(self._known.bookings)
        if booking is None:
            return
        booking_id = booking["booking_id"]
        listed = await self._caller.call(
            "list_tickets",
            "GET",
            f"/v1/bookings/{booking_id}/tickets",
            event_ids=[booking["event_id"]],
            asked={"booking_id": booking_id},
        )
        codes = [ticket["code"] for ticket in listed.body.get("items", ())]
        if not codes:
            return
        code = self._chance.choice(codes)
        *_, ticket, generation = _CODE.unpack(base64.urlsafe_b64decode(code[4:] + "==")[:40])
        command, path = self._chance.choice(
            (("check_in", "/v1/check-ins"), ("annul", "/v1/check-ins/annul"))
        )
        await self._caller.call(
            command,
            "POST",
            path,
            event_ids=[booking["event_id"]],
            asked={"booking_id": booking_id, "ticket": ticket, "generation": generation},
            body={"code": code},
            role="organizer",
        )

    async def _resize(self) -> None:
        event_id = self._events[self._chance.choice(("crowd", "limited", "prices"))]
        capacity = self._chance.choice((8, 12, 15, 18, 25, 30, 40, 5000))
        await self._caller.call(
            "capacity",
            "PATCH",
            f"/v1/events/{event_id}",
            event_ids=[event_id],
            asked={"capacity": capacity},
            body={"capacity": capacity},
            role="organizer",
        )

    async def _open_or_close(self) -> None:
        event_id = self._events[self._chance.choice(("limited", "off"))]
        command = self._chance.choice(("open", "open", "open", "close"))
        await self._change(event_id, command, f"/v1/events/{event_id}/{command}")

    async def _change(self, event_id: str, command: str, path: str) -> Call:
        return await self._caller.call(
            command, "POST", path, event_ids=[event_id], asked={}, role="organizer"
        )

    # Readings.

    async def _read_availability(self) -> None:
        event_id = self._events[self._chance.choice(EVENTS)]
        await self._caller.call(
            "availability",
            "GET",
            f"/v1/events/{event_id}/availability",
            event_ids=[event_id],
            asked={},
        )

    async def _read(self) -> None:
        booking, hold, place = (
            self._one_of(known)
            for known in (self._known.bookings, self._known.holds, self._known.places)
        )
        if place is not None and self._once_in(4):
            call = await self._about_place(place, "read_waiting", "GET")
            if call.ok and call.body["hold_id"] is not None:
                # An offer: whoever waited may take it.
                offer = {"hold_id": call.body["hold_id"], "event_id": place["event_id"]}
                self._known.holds.append(offer)
        elif hold is not None and self._once_in(2):
            await self._read_one("hold", hold["hold_id"], hold["event_id"])
        elif booking is not None:
            await self._read_one("booking", booking["booking_id"], booking["event_id"])

    async def _read_one(self, what: str, its_id: str, event_id: str) -> None:
        await self._caller.call(
            f"read_{what}",
            "GET",
            f"/v1/{what}s/{its_id}",
            event_ids=[event_id],
            asked={f"{what}_id": its_id},
        )

    # Chance, and patience.

    async def _until_told(self, ask: Callable[[], Awaitable[Call]], key: str | None) -> Call:
        """Ask, and with a key once more where that brought no answer; the rest is for later."""
        call = await ask()
        if _is_open(call):
            await asyncio.sleep(_BACK_OFF_SECONDS)
            if key is not None:
                call = await ask()
                if _is_open(call):
                    self._unsettled.append(ask)
        return call

    def _key(self) -> str | None:
        self._keys += 1
        return None if self._once_in(3) else f"{self._prefix}-{self._keys}"

    def _user(self) -> str:
        return self._chance.choice(self._users)

    def _once_in(self, times: int) -> bool:
        return self._chance.randrange(times) == 0

    def _one_of(self, known: list[Mapping[str, Any]]) -> Mapping[str, Any] | None:
        return self._chance.choice(known[-_OLDEST_LEFT_ALONE:]) if known else None


def _is_open(call: Call) -> bool:
    """Whether asking again may bring another answer."""
    return call.unknown or call.status in {NEVER_SENT, 429, 503}
