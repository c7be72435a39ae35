"""A second opinion: what each command should do, from lists of live places and nothing else.

It knows the words of the ledger (commands, entries, rejections) and none of its rules: it counts
anew whatever it needs to know, tries every seat, and keeps no number that could drift. A test holds
that it imports neither `ledger.decide` nor anything that decides for it.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain

from ledger import commands as c
from ledger import entries as e
from ledger import rejections as r
from ledger.values import BookingId, EventId, HoldId, Instant, UserId, WaitingId

Chosen = tuple[str | None, tuple[str, ...], int]
"""A category, seats, and what they cost in cents."""


@dataclass
class Sale:
    """A booking as it stands."""

    user: UserId
    quantity: int
    category: str | None
    seats: tuple[str, ...]
    cents: int
    gone: set[int] = field(default_factory=set)
    inside: dict[int, Instant] = field(default_factory=dict)
    handovers: int = 0

    @property
    def live(self) -> list[int]:
        return [n for n in range(1, self.quantity + 1) if n not in self.gone]


@dataclass
class Kept:
    """A hold, and how it ended."""

    user: UserId
    quantity: int
    category: str | None
    seats: tuple[str, ...]
    cents: int
    until: Instant
    waited: WaitingId | None
    end: str = ""
    booking: BookingId | None = None


@dataclass
class InLine:
    user: UserId
    quantity: int
    category: str | None
    end: str = ""


@dataclass
class Show:
    """An event as it stands."""

    terms: c.ScheduleEvent
    capacity: int
    changed_at: Instant
    status: str = "open"
    bookings: dict[BookingId, Sale] = field(default_factory=dict)
    holds: dict[HoldId, Kept] = field(default_factory=dict)
    line: dict[WaitingId, InLine] = field(default_factory=dict)
    entries: list[e.Entry] = field(default_factory=list)

    def booked(self) -> list[tuple[UserId, str | None, str | None]]:
        """Every booked place: whose, of which category, on which seat."""
        return [
            (sale.user, sale.category, sale.seats[n - 1] if sale.seats else None)
            for sale in self.bookings.values()
            for n in sale.live
        ]

    def held(self) -> list[tuple[UserId, str | None, str | None]]:
        """Every held place, likewise."""
        return [
            (kept.user, kept.category, seat)
            for kept in self.holds.values()
            if not kept.end
            for seat in kept.seats or (None,) * kept.quantity
        ]

    def places(self) -> list[tuple[UserId, str | None, str | None]]:
        return self.booked() + self.held()

    def category_of_seat(self) -> dict[str, str | None]:
        return {seat: row.category for row in self.terms.seat_rows for seat in row.seats}

    def taken_by_category(self) -> Counter[str | None]:
        of_seat = self.category_of_seat()
        return Counter(of_seat[seat] if seat else name for _, name, seat in self.places())

    def moments(self) -> Iterator[Instant]:
        """When time alone changes something."""
        yield from (kept.until for kept in self.holds.values() if not kept.end)
        for moment in (self.terms.sales_open_at, self.terms.sales_close_at):
            if moment is not None:
                yield moment

    def broken(self) -> str | None:
        """What of L1 and L2 does not hold."""
        if len(self.places()) > self.capacity:
            return "more places are taken than there are"
        if self.capacity > self.terms.venue_capacity:
            return "the event is larger than its venue"
        if any(count > 1 for count in Counter(s for *_, s in self.places() if s).values()):
            return "a seat is taken twice"
        taken = self.taken_by_category()
        for kind in self.terms.categories:
            if kind.capacity is not None and taken[kind.name] > kind.capacity:
                return f"too many places of {kind.name} are taken"
        for quota in self.terms.quotas:
            if sum(taken[name] for name in quota.categories) > quota.capacity:
                return f"too many places of {quota.name} are taken"
        return None


@dataclass(frozen=True)
class Answer:
    """What a submission should come to: done, or one refusal."""

    refusal: r.Rejection | None = None
    replayed: bool = False
    first: dict[EventId, int] = field(default_factory=dict)
    """The version of the first entry that each event got from it."""
    parts: tuple["Part", ...] = ()


@dataclass(frozen=True)
class Part:
    """How things stand after one command: (version, capacity, booked, held), and its subject."""

    counts: tuple[int, int, int, int]
    subject: object


class Model:
    """All events, and what was answered under which key."""

    def __init__(self, now: Instant, users: frozenset[UserId]) -> None:
        self.now = now
        self.users = users
        self.shows: dict[EventId, Show] = {}
        self.keys: dict[bytes, tuple[bytes | None, dict[EventId, int]]] = {}
        self._offer_ids: dict[EventId, Iterator[HoldId]] = {}

    def predict(
        self, batch: Sequence[c.Submission], offer_ids: dict[EventId, list[HoldId]]
    ) -> list[Answer]:
        """The answers to ``batch``; of offers only the ids, made up by others, are taken over."""
        self._offer_ids = {event: iter(ids) for event, ids in offer_ids.items()}
        for event in {command.event_id for each in batch for command in each.commands}:
            if event in self.shows:
                self._expire(event)
                self._offer(event)
        return [self._answer(submission) for submission in batch]

    def _answer(self, submission: c.Submission) -> Answer:
        key = submission.idempotency_key
        if key is not None and key in self.keys:
            body, versions = self.keys[key]
            if body != submission.request_hash:
                return Answer(r.IdempotencyKeyReused())
            return Answer(replayed=True, first=versions)
        wishes: list[tuple[c.Command, list[e.Entry]]] = []
        for command in submission.commands:
            decided = self._decide(command)
            if not isinstance(decided, list):
                return Answer(decided)
            asker = getattr(command, "to_user_id", getattr(command, "user_id", None))
            if asker is not None and asker not in self.users:
                return Answer(r.UserNotFound(asker))
            wishes.append((command, decided))
        first: dict[EventId, int] = {}
        parts = []
        for command, decided in wishes:
            event = command.event_id
            for entry in decided:
                self._write(event, entry)
                first.setdefault(event, len(self.shows[event].entries))
            if isinstance(command, c.TidyEvent):
                self._call_off_some(event)
            if decided:
                self._offer(event)
            parts.append(Part(self._counts(event), self._subject(command)))
        if key is not None and first:
            self.keys[key] = (submission.request_hash, first)
        return Answer(first=first, parts=tuple(parts))

    def _counts(self, event: EventId) -> tuple[int, int, int, int]:
        show = self.shows[event]
        return len(show.entries), show.capacity, len(show.booked()), len(show.held())

    def _subject(self, command: c.Command) -> object:
        """The booking, the hold or the place in line that a command was about, as a tuple."""
        show = self.shows[command.event_id]
        match command:
            case c.BookSeats() | c.CancelBooking() | c.TransferBooking():
                return command.booking_id, picture(show.bookings[command.booking_id])
            case c.CheckIn() | c.AnnulCheckIn():
                return command.booking_id, picture(show.bookings[command.booking_id])
            case c.HoldSeats() | c.ReleaseHold():
                return command.hold_id, picture(show.holds[command.hold_id])
            case c.ConfirmHold():
                booking = show.holds[command.hold_id].booking
                assert booking is not None
                return booking, picture(show.bookings[booking])
            case c.LeaveWaitingList():
                return command.waiting_id, picture(show.line[command.waiting_id])
            case c.JoinWaitingList():
                mine = [
                    (waiting, picture(place))
                    for waiting, place in show.line.items()
                    if (place.user, place.category, place.end)
                    == (command.user_id, command.category, "")
                ]
                return mine[0]
            case _:
                return None

    def time_of(self, event: EventId) -> Instant:
        return max(self.now, self.shows[event].changed_at)

    # What time and places given back bring about

    def _expire(self, event: EventId) -> None:
        over = [
            (kept.until, number, hold, kept)
            for number, (hold, kept) in enumerate(self.shows[event].holds.items())
            if not kept.end and kept.until <= self.time_of(event)
        ]
        for until, _, hold, kept in sorted(over, key=lambda each: each[:2]):
            self._write(event, e.HoldExpired(hold, kept.user, kept.quantity, until))

    def _offer(self, event: EventId) -> None:
        show = self.shows[event]
        while self._sells(show) and len(show.places()) < show.capacity:
            served = self._first_served(show)
            if served is None:
                return
            waiting, place, chosen = served
            self._write(
                event,
                e.SeatsHeld(
                    next(self._offer_ids.get(event, iter(())), HoldId(event)),
                    place.user,
                    place.quantity,
                    *chosen,
                    Instant(self.time_of(event) + show.terms.hold_seconds * 1_000_000),
                    waiting,
                ),
            )

    def _first_served(self, show: Show) -> tuple[WaitingId, InLine, Chosen] | None:
        for waiting, place in show.line.items():
            chosen = self._choose(show, place.user, place.quantity, place.category, ())
            if not place.end and isinstance(chosen, tuple):
                return waiting, place, chosen
        return None

    def _call_off_some(self, event: EventId) -> None:
        show = self.shows[event]
        if show.status == "cancelled":
            for booking, sale in list(show.bookings.items()):
                if sale.live:
                    gone = tuple(sale.live)
                    self._write(event, e.BookingCancelled(booking, sale.user, len(gone), gone))
            for hold, kept in list(show.holds.items()):
                if not kept.end:
                    self._write(event, e.HoldReleased(hold, kept.user))
            for waiting, place in list(show.line.items()):
                if not place.end:
                    self._write(event, e.WaitingListLeft(waiting, place.user))

    # What is asked for

    def _decide(self, command: c.Command) -> list[e.Entry] | r.Rejection:
        event = command.event_id
        show = self.shows.get(event)
        if isinstance(command, c.ScheduleEvent):
            return self._schedule(command)
        if show is None:
            return r.EventNotFound(event)
        if isinstance(command, c.BookSeats | c.HoldSeats | c.JoinWaitingList):
            return self._ask_for_places(show, command)
        if isinstance(command, c.ConfirmHold | c.ReleaseHold):
            return self._end_hold(show, command)
        if isinstance(command, c.LeaveWaitingList):
            place = show.line.get(command.waiting_id)
            if place is None or place.end == "offered":
                return r.NotWaiting(command.waiting_id)
            if place.end:
                return []
            return [e.WaitingListLeft(command.waiting_id, place.user)]
        if isinstance(command, c.CancelBooking | c.TransferBooking | c.CheckIn | c.AnnulCheckIn):
            return self._change_booking(show, command)
        if isinstance(command, c.TidyEvent):
            return []
        return self._change_show(show, command)

    def _schedule(self, wish: c.ScheduleEvent) -> list[e.Entry] | r.Rejection:
        if wish.capacity > wish.venue_capacity:
            return r.CapacityAboveVenue(wish.capacity, wish.venue_capacity)
        fields = {name: getattr(wish, name) for name in e.EventScheduled.__dataclass_fields__}
        self.shows[wish.event_id] = Show(wish, wish.capacity, self.now)
        return [e.EventScheduled(**fields)]

    def _sells(self, show: Show) -> bool:
        now = self.time_of(show.terms.event_id)
        opens, closes = show.terms.sales_open_at, show.terms.sales_close_at
        too_early = opens is not None and now < opens
        too_late = closes is not None and now >= closes
        return show.status == "open" and not too_early and not too_late

    def _ask_for_places(
        self, show: Show, wish: c.BookSeats | c.HoldSeats | c.JoinWaitingList
    ) -> list[e.Entry] | r.Rejection:
        if show.status == "cancelled":
            return r.EventIsCancelled(wish.event_id)
        if not self._sells(show):
            return r.SalesClosed(show.terms.sales_open_at, show.terms.sales_close_at)
        named = () if isinstance(wish, c.JoinWaitingList) else wish.seats
        chosen = self._choose(show, wish.user_id, wish.quantity, wish.category, named)
        if isinstance(wish, c.JoinWaitingList):
            if isinstance(chosen, tuple):
                return r.PlacesLeft(show.capacity - len(show.places()))
            if not isinstance(chosen, r.SoldOut | r.NotAdjacent):
                return chosen
            for place in show.line.values():
                if (place.user, place.category, place.end) == (wish.user_id, wish.category, ""):
                    return []
            return [
                e.WaitingListJoined(wish.waiting_id, wish.user_id, wish.quantity, wish.category)
            ]
        if not isinstance(chosen, tuple):
            return chosen
        if isinstance(wish, c.BookSeats):
            return [e.SeatsBooked(wish.booking_id, wish.user_id, wish.quantity, *chosen)]
        until = Instant(self.time_of(wish.event_id) + show.terms.hold_seconds * 1_000_000)
        return [e.SeatsHeld(wish.hold_id, wish.user_id, wish.quantity, *chosen, until, None)]

    def _choose(
        self,
        show: Show,
        user: UserId,
        quantity: int,
        category: str | None,
        seats: tuple[str, ...],
    ) -> Chosen | r.Rejection:
        terms, places, of_seat = show.terms, show.places(), show.category_of_seat()
        prices = {kind.name: kind.price_cents for kind in terms.categories}
        if terms.limit_per_order is not None and quantity > terms.limit_per_order:
            return r.LimitPerOrder(terms.limit_per_order)
        if len(prices) == 1 and category is None:
            (category,) = prices
        if category is None and prices and not seats:
            return r.CategoryNotFound(None)
        if category is not None and category not in prices:
            return r.CategoryNotFound(category)
        claimed = {seat for *_, seat in places if seat}
        for seat in seats:
            if seat not in of_seat or (category is not None and of_seat[seat] != category):
                return r.SeatNotFound(seat)
            if seat in claimed:
                return r.SeatTaken(seat)
        left = show.capacity - len(places)
        if quantity > left:
            return r.SoldOut(left)
        rows = [
            row.seats for row in terms.seat_rows if category is None or row.category == category
        ]
        if rows and not seats:
            found = best_seats(rows, claimed, quantity)
            if found is None:
                free = [seat for seat in chain(*rows) if seat not in claimed]
                if len(free) < quantity:
                    return r.SoldOut(len(free), category)
                return r.NotAdjacent(quantity)
            seats = found
        wanted = [of_seat[seat] for seat in seats] or [category] * quantity
        bounds: list[tuple[str, int | None, tuple[str, ...]]]
        bounds = [(kind.name, kind.capacity, (kind.name,)) for kind in terms.categories]
        bounds += [(quota.name, quota.capacity, quota.categories) for quota in terms.quotas]
        taken = show.taken_by_category()
        for name, capacity, shared_by in bounds:
            if capacity is not None:
                left = capacity - sum(taken[each] for each in shared_by)
                if sum(each in shared_by for each in wanted) > left:
                    return r.SoldOut(left, name)
        mine = sum(owner == user for owner, *_ in places)
        if terms.limit_per_user is not None and mine + quantity > terms.limit_per_user:
            return r.LimitPerUser(terms.limit_per_user, mine)
        return category, seats, sum(prices[name] for name in wanted if name is not None)

    def _end_hold(
        self, show: Show, wish: c.ConfirmHold | c.ReleaseHold
    ) -> list[e.Entry] | r.Rejection:
        kept = show.holds.get(wish.hold_id)
        if kept is None:
            return r.HoldNotFound(wish.hold_id)
        if kept.end == "expired":
            return r.HoldIsExpired(wish.hold_id, kept.until)
        if isinstance(wish, c.ReleaseHold):
            if kept.end == "confirmed":
                return r.HoldIsConfirmed(wish.hold_id)
            return [] if kept.end else [e.HoldReleased(wish.hold_id, kept.user)]
        if kept.end == "released":
            return r.HoldIsReleased(wish.hold_id)
        if kept.end == "confirmed":
            return []
        if show.status == "cancelled":
            return r.EventIsCancelled(wish.event_id)
        return [e.HoldConfirmed(wish.hold_id, wish.booking_id, kept.user)]

    def _change_booking(
        self,
        show: Show,
        wish: c.CancelBooking | c.TransferBooking | c.CheckIn | c.AnnulCheckIn,
    ) -> list[e.Entry] | r.Rejection:
        if isinstance(wish, c.CheckIn) and show.status == "cancelled":
            return r.EventIsCancelled(wish.event_id)
        sale = show.bookings.get(wish.booking_id)
        if sale is None:
            return r.BookingNotFound(wish.booking_id)
        if isinstance(wish, c.CancelBooking):
            return self._cancel(sale, wish)
        if not sale.live:
            return r.BookingIsCancelled(wish.booking_id)
        if isinstance(wish, c.TransferBooking):
            if wish.to_user_id == sale.user:
                return []
            theirs = sum(owner == wish.to_user_id for owner, *_ in show.places())
            limit = show.terms.limit_per_user
            if limit is not None and theirs + len(sale.live) > limit:
                return r.LimitPerUser(limit, theirs)
            return [e.BookingTransferred(wish.booking_id, sale.user, wish.to_user_id)]
        if isinstance(wish, c.AnnulCheckIn):
            if wish.ticket not in sale.inside:
                return r.NotCheckedIn(wish.ticket)
            return [e.CheckInAnnulled(wish.booking_id, wish.ticket)]
        if wish.ticket not in sale.live:
            return r.TicketNotFound(wish.ticket)
        if wish.generation != sale.handovers + 1:
            return r.TicketOutdated(wish.ticket)
        if wish.ticket in sale.inside:
            return r.AlreadyCheckedIn(wish.ticket, sale.inside[wish.ticket])
        return [e.TicketCheckedIn(wish.booking_id, wish.ticket)]

    def _cancel(self, sale: Sale, wish: c.CancelBooking) -> list[e.Entry] | r.Rejection:
        live = sale.live
        if wish.tickets:
            for ticket in wish.tickets:
                if ticket < 1 or ticket > sale.quantity:
                    return r.TicketNotFound(ticket)
            gone = [ticket for ticket in wish.tickets if ticket in live]
        elif wish.quantity is None:
            gone = live
        elif wish.quantity > len(live):
            return r.TicketNotFound(len(live) + 1)
        else:
            outside = [ticket for ticket in live if ticket not in sale.inside]
            inside = [ticket for ticket in live if ticket in sale.inside]
            last_first = outside[::-1] + inside[::-1]
            gone = sorted(last_first[: wish.quantity])
        if not gone:
            return []
        return [e.BookingCancelled(wish.booking_id, sale.user, len(gone), tuple(gone))]

    def _change_show(
        self, show: Show, wish: c.ChangeCapacity | c.OpenEvent | c.CloseEvent | c.CancelEvent
    ) -> list[e.Entry] | r.Rejection:
        if isinstance(wish, c.CancelEvent):
            return [] if show.status == "cancelled" else [e.EventCancelled()]
        if show.status == "cancelled":
            return r.EventIsCancelled(wish.event_id)
        if isinstance(wish, c.OpenEvent):
            return [] if show.status == "open" else [e.EventOpened()]
        if isinstance(wish, c.CloseEvent):
            return [] if show.status == "closed" else [e.EventClosed()]
        if wish.capacity > show.terms.venue_capacity:
            return r.CapacityAboveVenue(wish.capacity, show.terms.venue_capacity)
        if wish.capacity < len(show.places()):
            return r.CapacityBelowSold(wish.capacity, len(show.booked()), len(show.held()))
        return [] if wish.capacity == show.capacity else [e.CapacityChanged(wish.capacity)]

    # What is written happens

    def _write(self, event: EventId, entry: e.Entry) -> None:
        show = self.shows[event]
        show.changed_at = self.time_of(event)
        show.entries.append(entry)
        match entry:
            case e.CapacityChanged():
                show.capacity = entry.capacity
            case e.EventOpened():
                show.status = "open"
            case e.EventClosed():
                show.status = "closed"
            case e.EventCancelled():
                show.status = "cancelled"
            case e.SeatsBooked():
                show.bookings[entry.booking_id] = Sale(
                    entry.user_id, entry.quantity, entry.category, entry.seats, entry.amount_cents
                )
            case e.BookingCancelled():
                sale = show.bookings[entry.booking_id]
                sale.gone |= set(entry.tickets)
                for ticket in entry.tickets:
                    sale.inside.pop(ticket, None)
            case e.BookingTransferred():
                sale = show.bookings[entry.booking_id]
                sale.user = entry.to_user_id
                sale.handovers += 1
            case e.SeatsHeld():
                show.holds[entry.hold_id] = Kept(
                    entry.user_id,
                    entry.quantity,
                    entry.category,
                    entry.seats,
                    entry.amount_cents,
                    entry.expires_at,
                    entry.waiting_id,
                )
                if entry.waiting_id is not None:
                    show.line[entry.waiting_id].end = "offered"
            case e.HoldConfirmed():
                kept = show.holds[entry.hold_id]
                kept.end, kept.booking = "confirmed", entry.booking_id
                show.bookings[entry.booking_id] = Sale(
                    kept.user, kept.quantity, kept.category, kept.seats, kept.cents
                )
            case e.HoldReleased():
                show.holds[entry.hold_id].end = "released"
            case e.HoldExpired():
                show.holds[entry.hold_id].end = "expired"
            case e.WaitingListJoined():
                show.line[entry.waiting_id] = InLine(entry.user_id, entry.quantity, entry.category)
            case e.WaitingListLeft():
                show.line[entry.waiting_id].end = "left"
            case e.TicketCheckedIn():
                show.bookings[entry.booking_id].inside[entry.ticket] = self.time_of(event)
            case e.CheckInAnnulled():
                del show.bookings[entry.booking_id].inside[entry.ticket]


def picture(record: Sale | Kept | InLine) -> tuple[object, ...]:
    """All that is known of a record, in an order that does not depend on its past."""
    if isinstance(record, Sale):
        return (
            *(record.user, record.quantity, record.category, record.seats, record.cents),
            tuple(record.live),
            frozenset(record.inside.items()),
            record.handovers + 1,
        )
    if isinstance(record, Kept):
        return (
            *(record.user, record.quantity, record.category, record.seats, record.cents),
            *(record.until, record.waited, record.end or "held", record.booking),
        )
    return record.user, record.quantity, record.category, record.end or "waiting"


def best_seats(
    rows: Sequence[tuple[str, ...]], claimed: set[str], quantity: int
) -> tuple[str, ...] | None:
    """The first of all choices side by side, those apart that leave a free seat by itself."""
    choices = []
    for number, row in enumerate(rows):
        for start in range(len(row) - quantity + 1):
            chosen = row[start : start + quantity]
            if claimed & set(chosen):
                continue
            gaps = [0, 0]
            for side, step, edge in ((0, -1, start - 1), (1, 1, start + quantity)):
                at = edge
                while 0 <= at < len(row) and row[at] not in claimed:
                    gaps[side] += 1
                    at += step
            choices.append((1 in gaps, number, gaps != [0, 0], start, chosen))
    return min(choices)[-1] if choices else None
