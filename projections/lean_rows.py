"""Rows of the inline tables from a stream's entries, lean: a rebuild makes millions of them.

The lean rules say what stands (`lean_rules.LeanStream`); this keeps what they leave out: by which
entry a thing began, by which it was changed last, and who did it. Written apart from
`ledger.evolve` as they are; a test holds the two together on random histories, byte by byte. Pure.

Rows are lines of COPY's text format: columns between tabs, backslashes escaped, ``\\N`` for null.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import orjson

from projections.apply import Order
from projections.lean_rules import Fields, LeanStream

NULL: Final = "\\N"
_NONE: Final = "[]"

Mark = tuple[str, str, str]
"""The version, hash and time of an entry, as the text of their columns."""


class LeanRows:
    """What the rows of one stream need besides its `LeanStream`."""

    def __init__(self, stream_id: str) -> None:
        self.stream_id = stream_id
        self._terms: Fields = {}
        self._status = "open"
        # Booking: who booked, by which entry, the amount in cents and the hold that it was.
        self._bookings: dict[str, tuple[str, Mark, int, str]] = {}
        # Hold, place in line: the fields of the entry that began it, who did, and that entry.
        self._holds: dict[str, tuple[Fields, str, Mark]] = {}
        self._line: dict[str, tuple[Fields, str, Mark]] = {}
        self._changed: dict[str, Mark] = {}
        self._generations: dict[str, int] = {}
        self._check_ins: dict[str, list[list[int]]] = {}
        # Hold: how it ended and the booking it became. Place in line: the hold that was offered.
        self._ended: dict[str, tuple[str, str]] = {}
        self._offered: dict[str, str] = {}

    def follow(self, type_name: str, fields: Fields, actor: str, mark: Mark) -> None:
        """Take the next entry, which has passed its rule; ``fields`` are kept."""
        match type_name:
            case "SeatsBooked":
                self._bookings[fields["booking_id"]] = (actor, mark, fields["amount_cents"], NULL)
            case "BookingCancelled":
                self._changed[fields["booking_id"]] = mark
                self._let_out(fields["booking_id"], fields["tickets"])
            case "BookingTransferred":
                booking_id = fields["booking_id"]
                self._changed[booking_id] = mark
                self._generations[booking_id] = self._generations.get(booking_id, 1) + 1
            case "SeatsHeld":
                waiting_id = fields["waiting_id"]
                if waiting_id is not None:
                    self._offered[waiting_id] = fields["hold_id"]
                    self._changed[waiting_id] = mark
                    actor = self._line[waiting_id][1]
                self._holds[fields["hold_id"]] = (fields, actor, mark)
            case "HoldConfirmed":
                hold_id, booking_id = fields["hold_id"], fields["booking_id"]
                amount_cents = self._holds[hold_id][0]["amount_cents"]
                self._bookings[booking_id] = (actor, mark, amount_cents, hold_id)
                self._end(hold_id, "confirmed", booking_id, mark)
            case "HoldReleased":
                self._end(fields["hold_id"], "released", NULL, mark)
            case "HoldExpired":
                self._end(fields["hold_id"], "expired", NULL, mark)
            case "WaitingListJoined":
                self._line[fields["waiting_id"]] = (fields, actor, mark)
            case "WaitingListLeft":
                self._changed[fields["waiting_id"]] = mark
            case "TicketCheckedIn":
                inside = self._check_ins.setdefault(fields["booking_id"], [])
                inside.append([fields["ticket"], int(mark[2])])
                self._changed[fields["booking_id"]] = mark
            case "CheckInAnnulled":
                self._changed[fields["booking_id"]] = mark
                self._let_out(fields["booking_id"], [fields["ticket"]])
            case "EventScheduled":
                self._terms = fields
            case "EventOpened":
                self._status = "open"
            case "EventClosed":
                self._status = "closed"
            case "EventCancelled":
                self._status = "cancelled"

    def order(self, stream: LeanStream, order_id: str) -> Order:
        """What a booking, hold or place in line is for."""
        if order_id in stream.bookings:
            _, quantity, category, seats, *_ = stream.bookings[order_id]
            return Order(quantity, category, seats, self._bookings[order_id][2])
        if order_id in self._holds:
            fields = self._holds[order_id][0]
            seats, amount_cents = fields["seats"], fields["amount_cents"]
            return Order(fields["quantity"], fields["category"], seats, amount_cents)
        fields = self._line[order_id][0]
        return Order(fields["quantity"], fields["category"], (), 0)

    def _end(self, hold_id: str, status: str, booking_id: str, mark: Mark) -> None:
        self._ended[hold_id] = (status, booking_id)
        self._changed[hold_id] = mark

    def _let_out(self, booking_id: str, tickets: list[int]) -> None:
        if booking_id in self._check_ins:
            inside = self._check_ins[booking_id]
            self._check_ins[booking_id] = [each for each in inside if each[0] not in tickets]

    def lines(self, stream: LeanStream, last: Mark) -> dict[str, Iterator[str]]:
        """All rows by table, as they stand after the entry ``last``."""
        return {
            "streams": self._stream_lines(stream, last),
            "bookings": self._booking_lines(stream),
            "holds": self._hold_lines(),
            "waiting_list": self._waiting_lines(),
            "seat_rows": self._seat_row_lines(),
            "seat_claims": self._claim_lines(stream),
            "allotments": self._allotment_lines(stream),
        }

    def _stream_lines(self, stream: LeanStream, last: Mark) -> Iterator[str]:
        terms = self._terms
        seats = sum(len(row["seats"]) for row in terms["seat_rows"])
        in_line = sum(waiting is not None for waiting in stream.line.values())
        columns = [
            *(self.stream_id, last[0], last[1], stream.capacity, stream.booked, stream.held),
            *(last[2], terms["venue_id"], terms["venue_capacity"], text(terms["name"])),
            *(terms["starts_at"], text(terms["sales_open_at"])),
            *(text(terms["sales_close_at"]), text(terms["limit_per_user"])),
            *(text(terms["limit_per_order"]), terms["hold_seconds"]),
            *(_json(terms["categories"]), _json(terms["quotas"]), seats, self._status, in_line),
        ]
        yield "\t".join(map(str, columns)) + "\n"

    def _booking_lines(self, stream: LeanStream) -> Iterator[str]:
        changes, check_ins, generations = self._changed, self._check_ins, self._generations
        begun, stream_id = self._bookings, self.stream_id
        for booking_id, booking in stream.bookings.items():
            user_id, quantity, category, seats, cancelled, _ = booking
            actor, mark, amount_cents, hold_id = begun[booking_id]
            version, digest, at = mark
            last_version, last_digest, last_at = changes.get(booking_id, mark)
            yield (
                f"{booking_id}\t{stream_id}\t{user_id}\t{quantity}"
                f"\t{'cancelled' if len(cancelled) == quantity else 'booked'}\t{actor}"
                f"\t{at}\t{version}\t{digest}\t{last_at}\t{last_version}\t{last_digest}"
                f"\t{NULL if category is None else text(category)}"
                f"\t{_json(seats) if seats else _NONE}\t{amount_cents}"
                f"\t{_json(sorted(cancelled)) if cancelled else _NONE}"
                f"\t{_json(check_ins[booking_id]) if booking_id in check_ins else _NONE}"
                f"\t{generations.get(booking_id, 1)}\t{hold_id}\n"
            )

    def _hold_lines(self) -> Iterator[str]:
        for hold_id, (fields, actor, mark) in self._holds.items():
            status, booking_id = self._ended.get(hold_id, ("held", NULL))
            columns = [
                *(hold_id, self.stream_id, fields["user_id"], str(fields["quantity"]), status),
                *(actor, str(fields["expires_at"]), *mark, *self._changed.get(hold_id, mark)),
                *(text(fields["category"]), _json(fields["seats"]), str(fields["amount_cents"])),
                *(fields["waiting_id"] or NULL, booking_id),
            ]
            yield "\t".join(columns) + "\n"

    def _waiting_lines(self) -> Iterator[str]:
        for waiting_id, (fields, actor, mark) in self._line.items():
            hold_id = self._offered.get(waiting_id, NULL)
            is_over = waiting_id in self._changed
            status = "waiting" if not is_over else "left" if hold_id == NULL else "offered"
            columns = [
                *(waiting_id, self.stream_id, fields["user_id"], str(fields["quantity"]), status),
                *(actor, *mark, *self._changed.get(waiting_id, mark)),
                *(text(fields["category"]), hold_id),
            ]
            yield "\t".join(columns) + "\n"

    def _seat_row_lines(self) -> Iterator[str]:
        for position, row in enumerate(self._terms["seat_rows"]):
            columns = [
                *(self.stream_id, str(position), text(row["section"]), text(row["row"])),
                *(text(row["category"]), _json(row["seats"])),
            ]
            yield "\t".join(columns) + "\n"

    def _claim_lines(self, stream: LeanStream) -> Iterator[str]:
        for seat, claim in stream.claims.items():
            yield f"{self.stream_id}\t{text(seat)}\t{claim}\n"

    def _allotment_lines(self, stream: LeanStream) -> Iterator[str]:
        taken = stream.taken
        for each in self._terms["categories"]:
            yield self._allotment("category", each, [each["name"]], taken)
        for each in self._terms["quotas"]:
            yield self._allotment("quota", each, each["categories"], taken)

    def _allotment(
        self, kind: str, each: Fields, categories: Iterable[str], taken: dict[str, int]
    ) -> str:
        count = sum(taken.get(name, 0) for name in categories)
        name, capacity = text(each["name"]), text(each["capacity"])
        return f"{self.stream_id}\t{kind}\t{name}\t{capacity}\t{count}\n"


def text(value: str | int | None) -> str:
    """A column as COPY reads it."""
    if type(value) is not str:
        return NULL if value is None else str(value)
    if value.isalnum():
        return value
    escaped = value.replace("\\", "\\\\").replace("\t", "\\t")
    return escaped.replace("\n", "\\n").replace("\r", "\\r")


def _json(value: Any) -> str:
    # Of what COPY takes specially there are only backslashes in JSON.
    return orjson.dumps(value).decode().replace("\\", "\\\\")
