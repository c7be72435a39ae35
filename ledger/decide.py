"""The rules of the house: what a command does to a stream, or why it does not.

Pure: a decision is a function of the state, the command and the time passed in. Holds that are due
at that time have been expired before (see `ledger.due`), so no rule here looks at them again.
"""

from dataclasses import dataclass
from typing import assert_never

from ledger.commands import (
    AnnulCheckIn,
    BookSeats,
    CancelBooking,
    CancelEvent,
    ChangeCapacity,
    CheckIn,
    CloseEvent,
    Command,
    ConfirmHold,
    HoldSeats,
    JoinWaitingList,
    LeaveWaitingList,
    OpenEvent,
    ReleaseHold,
    ScheduleEvent,
    TidyEvent,
    TransferBooking,
)
from ledger.entries import (
    BookingCancelled,
    BookingTransferred,
    CapacityChanged,
    CheckInAnnulled,
    Entry,
    EventCancelled,
    EventClosed,
    EventOpened,
    EventScheduled,
    HoldConfirmed,
    HoldReleased,
    SeatsBooked,
    SeatsHeld,
    TicketCheckedIn,
    WaitingListJoined,
    WaitingListLeft,
)
from ledger.records import Booking, BookingStatus, EventStatus, HoldStatus, Terms, WaitingStatus
from ledger.rejections import (
    AlreadyCheckedIn,
    BookingIsCancelled,
    BookingNotFound,
    CapacityAboveVenue,
    CapacityBelowSold,
    CategoryNotFound,
    EventIsCancelled,
    EventNotFound,
    HoldIsConfirmed,
    HoldIsExpired,
    HoldIsReleased,
    HoldNotFound,
    LimitPerOrder,
    LimitPerUser,
    NotAdjacent,
    NotCheckedIn,
    NotWaiting,
    PlacesLeft,
    Rejection,
    SalesClosed,
    SeatNotFound,
    SeatTaken,
    SoldOut,
    TicketNotFound,
    TicketOutdated,
)
from ledger.state import State, capacities, places_of
from ledger.values import BookingId, Instant, UserId

Decision = tuple[Entry, ...] | Rejection

MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class Choice:
    """Places that can be had: which seats, if there are any, and for how much."""

    category: str | None
    seats: tuple[str, ...]
    amount_cents: int


def decide(state: State, command: Command, now: Instant) -> Decision:
    """The entries that ``command`` appends to ``state`` at ``now``, none when it holds already."""
    if isinstance(command, ScheduleEvent):
        return _schedule(command)
    terms = state.terms
    if terms is None:
        return EventNotFound(command.event_id)
    match command:
        case BookSeats():
            return _book(state, terms, command, now)
        case HoldSeats():
            return _hold(state, terms, command, now)
        case CancelBooking():
            return _cancel(state, command)
        case ConfirmHold():
            return _confirm(state, terms, command)
        case ReleaseHold():
            return _release(state, command)
        case TransferBooking():
            return _transfer(state, terms, command)
        case JoinWaitingList():
            return _join(state, terms, command, now)
        case LeaveWaitingList():
            return _leave(state, command)
        case CheckIn():
            return _check_in(state, terms, command)
        case AnnulCheckIn():
            return _annul(state, command)
        case TidyEvent():
            return ()
        case _:
            return _change_event(state, terms, command)


def choose(
    state: State,
    terms: Terms,
    *,
    user_id: UserId,
    quantity: int,
    category: str | None,
    seats: tuple[str, ...],
) -> Choice | Rejection:
    """Places for a user, by every rule but those about the time of sale."""
    if terms.limit_per_order is not None and quantity > terms.limit_per_order:
        return LimitPerOrder(terms.limit_per_order)
    if terms.categories or category is not None:
        if category is None and len(terms.categories) == 1:
            category = terms.categories[0].name
        names = {each.name for each in terms.categories}
        if category not in names and not (category is None and seats):
            return CategoryNotFound(category)
    if seats:
        for seat in seats:
            if state.layout is None or not state.layout.has(seat, category):
                return SeatNotFound(seat)
            if seat in state.claims:
                return SeatTaken(seat)
    if quantity > state.available:
        return SoldOut(state.available)
    if not seats and state.layout is not None and state.layout.rows_of(category):
        best = state.layout.best(category, state.claims, quantity)
        if best is None:
            free = state.layout.count_free(category, state.claims)
            return NotAdjacent(quantity) if free >= quantity else SoldOut(free, category)
        seats = best
    amount_cents = 0
    if terms.categories:
        places = places_of(state.layout, category, seats, quantity)
        for name, capacity, categories in capacities(terms):
            wanted = sum(places.get(each, 0) for each in categories)
            left = capacity - state.taken_of(categories)
            if wanted > left:
                return SoldOut(left, name)
        prices = {each.name: each.price_cents for each in terms.categories}
        amount_cents = sum(prices[name] * count for name, count in places.items())
    over = _over_limit(state, terms, user_id, quantity)
    if over is not None:
        return over
    return Choice(category, seats, amount_cents)


def _over_limit(state: State, terms: Terms, user_id: UserId, quantity: int) -> LimitPerUser | None:
    if terms.limit_per_user is None:
        return None
    already = state.tickets_by_user.get(user_id, 0)
    if already + quantity <= terms.limit_per_user:
        return None
    return LimitPerUser(terms.limit_per_user, already)


def on_sale(terms: Terms, now: Instant) -> bool:
    """Whether sales are open at ``now``: from the opening instant, up to but not at the closing."""
    return (
        terms.status is EventStatus.OPEN
        and (terms.sales_open_at is None or terms.sales_open_at <= now)
        and (terms.sales_close_at is None or now < terms.sales_close_at)
    )


def _closed(terms: Terms, command: Command, now: Instant) -> Rejection | None:
    if terms.status is EventStatus.CANCELLED:
        return EventIsCancelled(command.event_id)
    if not on_sale(terms, now):
        return SalesClosed(terms.sales_open_at, terms.sales_close_at)
    return None


def _choose_on_sale(
    state: State, terms: Terms, command: BookSeats | HoldSeats, now: Instant
) -> Choice | Rejection:
    return _closed(terms, command, now) or choose(
        state,
        terms,
        user_id=command.user_id,
        quantity=command.quantity,
        category=command.category,
        seats=command.seats,
    )


def _book(state: State, terms: Terms, command: BookSeats, now: Instant) -> Decision:
    choice = _choose_on_sale(state, terms, command, now)
    if not isinstance(choice, Choice):
        return choice
    return (
        SeatsBooked(
            booking_id=command.booking_id,
            user_id=command.user_id,
            quantity=command.quantity,
            category=choice.category,
            seats=choice.seats,
            amount_cents=choice.amount_cents,
        ),
    )


def _hold(state: State, terms: Terms, command: HoldSeats, now: Instant) -> Decision:
    choice = _choose_on_sale(state, terms, command, now)
    if not isinstance(choice, Choice):
        return choice
    return (
        SeatsHeld(
            hold_id=command.hold_id,
            user_id=command.user_id,
            quantity=command.quantity,
            category=choice.category,
            seats=choice.seats,
            amount_cents=choice.amount_cents,
            expires_at=Instant(now + terms.hold_seconds * MICROSECONDS),
            waiting_id=None,
        ),
    )


def _confirm(state: State, terms: Terms, command: ConfirmHold) -> Decision:
    hold = state.holds.get(command.hold_id)
    if hold is None:
        return HoldNotFound(command.hold_id)
    match hold.status:
        case HoldStatus.CONFIRMED:
            return ()
        case HoldStatus.EXPIRED:
            return HoldIsExpired(hold.hold_id, hold.expires_at)
        case HoldStatus.RELEASED:
            return HoldIsReleased(hold.hold_id)
        case HoldStatus.HELD:
            if terms.status is EventStatus.CANCELLED:
                return EventIsCancelled(command.event_id)
            return (HoldConfirmed(hold.hold_id, command.booking_id, hold.user_id),)
        case _:
            assert_never(hold.status)


def _release(state: State, command: ReleaseHold) -> Decision:
    hold = state.holds.get(command.hold_id)
    if hold is None:
        return HoldNotFound(command.hold_id)
    match hold.status:
        case HoldStatus.CONFIRMED:
            return HoldIsConfirmed(hold.hold_id)
        case HoldStatus.EXPIRED:
            return HoldIsExpired(hold.hold_id, hold.expires_at)
        case HoldStatus.RELEASED:
            return ()
        case HoldStatus.HELD:
            return (HoldReleased(hold.hold_id, hold.user_id),)
        case _:
            assert_never(hold.status)


def _cancel(state: State, command: CancelBooking) -> Decision:
    booking = state.bookings.get(command.booking_id)
    if booking is None or command.of_user not in (None, booking.user_id):
        return BookingNotFound(command.booking_id)
    live = booking.live_tickets
    if command.tickets:
        gone = command.tickets
        missing = [ticket for ticket in gone if not 1 <= ticket <= booking.quantity]
        if missing:
            return TicketNotFound(missing[0])
        gone = tuple(ticket for ticket in gone if ticket in live)
    elif command.quantity is None:
        gone = live
    elif command.quantity > len(live):
        return TicketNotFound(len(live) + 1)
    else:
        # Who is inside already stays; of the others the last ones go.
        inside = {ticket for ticket, _ in booking.check_ins}
        by_preference = sorted(live, key=lambda ticket: (ticket in inside, -ticket))
        gone = tuple(sorted(by_preference[: command.quantity]))
    if not gone:
        return ()
    return (BookingCancelled(booking.booking_id, booking.user_id, len(gone), gone),)


def _transfer(state: State, terms: Terms, command: TransferBooking) -> Decision:
    booking = _live_booking(state, command.booking_id)
    if not isinstance(booking, Booking):
        return booking
    if command.of_user not in (None, booking.user_id):
        return BookingNotFound(command.booking_id)
    if booking.user_id == command.to_user_id:
        return ()
    over = _over_limit(state, terms, command.to_user_id, booking.live_quantity)
    if over is not None:
        return over
    return (BookingTransferred(booking.booking_id, booking.user_id, command.to_user_id),)


def _join(state: State, terms: Terms, command: JoinWaitingList, now: Instant) -> Decision:
    closed = _closed(terms, command, now)
    if closed is not None:
        return closed
    choice = choose(
        state,
        terms,
        user_id=command.user_id,
        quantity=command.quantity,
        category=command.category,
        seats=(),
    )
    if isinstance(choice, Choice):
        return PlacesLeft(state.available)
    if not isinstance(choice, SoldOut | NotAdjacent):
        return choice
    if state.waits_already(command.user_id, command.category) is not None:
        return ()
    return (
        WaitingListJoined(command.waiting_id, command.user_id, command.quantity, command.category),
    )


def _leave(state: State, command: LeaveWaitingList) -> Decision:
    waiting = state.line.get(command.waiting_id)
    if waiting is None:
        return NotWaiting(command.waiting_id)
    match waiting.status:
        case WaitingStatus.LEFT:
            return ()
        case WaitingStatus.OFFERED:
            return NotWaiting(command.waiting_id)
        case WaitingStatus.WAITING:
            return (WaitingListLeft(waiting.waiting_id, waiting.user_id),)
        case _:
            assert_never(waiting.status)


def _check_in(state: State, terms: Terms, command: CheckIn) -> Decision:
    if terms.status is EventStatus.CANCELLED:
        return EventIsCancelled(command.event_id)
    booking = _live_booking(state, command.booking_id)
    if not isinstance(booking, Booking):
        return booking
    if command.ticket not in booking.live_tickets:
        return TicketNotFound(command.ticket)
    if command.generation != booking.generation:
        return TicketOutdated(command.ticket)
    at = booking.checked_in_at(command.ticket)
    if at is not None:
        return AlreadyCheckedIn(command.ticket, at)
    return (TicketCheckedIn(booking.booking_id, command.ticket),)


def _annul(state: State, command: AnnulCheckIn) -> Decision:
    booking = _live_booking(state, command.booking_id)
    if not isinstance(booking, Booking):
        return booking
    if booking.checked_in_at(command.ticket) is None:
        return NotCheckedIn(command.ticket)
    return (CheckInAnnulled(booking.booking_id, command.ticket),)


def _live_booking(state: State, booking_id: BookingId) -> Booking | Rejection:
    booking = state.bookings.get(booking_id)
    if booking is None:
        return BookingNotFound(booking_id)
    if booking.status is BookingStatus.CANCELLED:
        return BookingIsCancelled(booking_id)
    return booking


def _change_event(
    state: State,
    terms: Terms,
    command: ChangeCapacity | OpenEvent | CloseEvent | CancelEvent,
) -> Decision:
    is_cancelled = terms.status is EventStatus.CANCELLED
    if isinstance(command, CancelEvent):
        return () if is_cancelled else (EventCancelled(),)
    if is_cancelled:
        return EventIsCancelled(command.event_id)
    match command:
        case OpenEvent():
            return () if terms.status is EventStatus.OPEN else (EventOpened(),)
        case CloseEvent():
            return () if terms.status is EventStatus.CLOSED else (EventClosed(),)
        case ChangeCapacity():
            return _resize(state, terms, command)
        case _:
            assert_never(command)


def _resize(state: State, terms: Terms, command: ChangeCapacity) -> Decision:
    if command.capacity > terms.venue_capacity:
        return CapacityAboveVenue(command.capacity, terms.venue_capacity)
    if command.capacity < state.booked + state.held:
        return CapacityBelowSold(command.capacity, state.booked, state.held)
    if command.capacity == terms.capacity:
        return ()
    return (CapacityChanged(command.capacity),)


def _schedule(command: ScheduleEvent) -> Decision:
    if command.capacity > command.venue_capacity:
        return CapacityAboveVenue(command.capacity, command.venue_capacity)
    return (
        EventScheduled(
            venue_id=command.venue_id,
            venue_capacity=command.venue_capacity,
            name=command.name,
            starts_at=command.starts_at,
            capacity=command.capacity,
            sales_open_at=command.sales_open_at,
            sales_close_at=command.sales_close_at,
            limit_per_user=command.limit_per_user,
            limit_per_order=command.limit_per_order,
            hold_seconds=command.hold_seconds,
            categories=command.categories,
            quotas=command.quotas,
            seat_rows=command.seat_rows,
        ),
    )
