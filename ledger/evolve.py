"""What each entry does to the state it follows. Pure: a function of its arguments alone.

An entry that cannot follow the state raises `Impossible`: in the write path a bug, in replay a
ledger that was tampered with. The transitions are checked here once, apart from `decide`.
"""

from dataclasses import replace
from typing import assert_never

from ledger.entries import (
    BookingCancelled,
    BookingTransferred,
    CapacityChanged,
    CheckInAnnulled,
    EventCancelled,
    EventClosed,
    EventOpened,
    EventScheduled,
    HoldConfirmed,
    HoldExpired,
    HoldReleased,
    Recorded,
    SeatsBooked,
    SeatsHeld,
    TicketCheckedIn,
    WaitingListJoined,
    WaitingListLeft,
)
from ledger.records import (
    Booking,
    BookingStatus,
    EventStatus,
    Hold,
    HoldStatus,
    Mark,
    Terms,
    Waiting,
    WaitingStatus,
)
from ledger.seating import Layout
from ledger.state import Changes, Claim, Impossible, State, places_of
from ledger.values import ActorId, BookingId, HoldId, WaitingId


def evolve(state: State, recorded: Recorded) -> Changes:
    """What ``recorded`` changes in ``state``; raises `Impossible` if it cannot follow it."""
    entry = recorded.entry
    match entry:
        case SeatsBooked():
            return _booked(state, recorded, entry)
        case BookingCancelled():
            return _cancelled(state, recorded, entry)
        case SeatsHeld():
            return _held(state, recorded, entry)
        case HoldConfirmed():
            return _confirmed(state, recorded, entry)
        case HoldReleased():
            return _released(state, recorded, entry)
        case HoldExpired():
            return _expired(state, recorded, entry)
        case BookingTransferred():
            return _transferred(state, recorded, entry)
        case WaitingListJoined():
            return _joined(state, recorded, entry)
        case WaitingListLeft():
            return _left(state, recorded, entry)
        case TicketCheckedIn():
            return _checked_in(state, recorded, entry)
        case CheckInAnnulled():
            return _annulled(state, recorded, entry)
        case CapacityChanged():
            return Changes(terms=replace(_terms(state), capacity=entry.capacity))
        case EventOpened():
            return Changes(terms=replace(_terms(state), status=EventStatus.OPEN))
        case EventClosed():
            return Changes(terms=replace(_terms(state), status=EventStatus.CLOSED))
        case EventCancelled():
            return Changes(terms=replace(_terms(state), status=EventStatus.CANCELLED))
        case EventScheduled():
            return _scheduled(state, entry)
        case _:
            assert_never(entry)


def mark_of(recorded: Recorded) -> Mark:
    return Mark(recorded.version, recorded.hash, recorded.recorded_at)


def _terms(state: State) -> Terms:
    if state.terms is None:
        raise Impossible("the event is not scheduled yet")
    if state.terms.status is EventStatus.CANCELLED:
        raise Impossible("the event changes after it was cancelled")
    return state.terms


def _scheduled(state: State, entry: EventScheduled) -> Changes:
    if state.terms is not None:
        raise Impossible("the event is scheduled a second time")
    layout = Layout(entry.seat_rows)
    terms = Terms(
        venue_id=entry.venue_id,
        venue_capacity=entry.venue_capacity,
        name=entry.name,
        starts_at=entry.starts_at,
        capacity=entry.capacity,
        sales_open_at=entry.sales_open_at,
        sales_close_at=entry.sales_close_at,
        limit_per_user=entry.limit_per_user,
        limit_per_order=entry.limit_per_order,
        hold_seconds=entry.hold_seconds,
        categories=entry.categories,
        quotas=entry.quotas,
        seat_count=len(layout),
    )
    return Changes(terms=terms, layout=layout if len(layout) else None)


def _booked(state: State, recorded: Recorded, entry: SeatsBooked) -> Changes:
    if entry.booking_id in state.bookings:
        raise Impossible(f"booking {entry.booking_id} is booked a second time")
    claims = _new_claims(state, entry, entry.booking_id)
    return Changes(
        booked=entry.quantity,
        tickets=((entry.user_id, entry.quantity),),
        taken=_places(state, entry, 1),
        claims=claims,
        booking=new_booking(recorded, entry),
    )


def new_booking(recorded: Recorded, entry: SeatsBooked) -> Booking:
    """The booking that ``entry`` begins."""
    mark = Mark(recorded.version, recorded.hash, recorded.recorded_at)
    return Booking(
        booking_id=entry.booking_id,
        stream_id=recorded.stream_id,
        user_id=entry.user_id,
        quantity=entry.quantity,
        status=BookingStatus.BOOKED,
        booked_by=recorded.actor,
        entry=mark,
        changed=mark,
        category=entry.category,
        seats=entry.seats,
        amount_cents=entry.amount_cents,
    )


def _cancelled(state: State, recorded: Recorded, entry: BookingCancelled) -> Changes:
    booking = _booking(state, entry.booking_id)
    gone = set(entry.tickets)
    if not gone or len(gone) != len(entry.tickets) or not gone <= set(booking.live_tickets):
        raise Impossible(f"tickets {entry.tickets} of booking {booking.booking_id} are not live")
    if (entry.quantity, entry.user_id) != (len(gone), booking.user_id):
        raise Impossible(f"booking {booking.booking_id} is cancelled with other contents")
    cancelled = tuple(sorted((*booking.cancelled_tickets, *gone)))
    is_over = len(cancelled) == booking.quantity
    seats = tuple(booking.seats[n - 1] for n in entry.tickets) if booking.seats else ()
    places = places_of(state.layout, booking.category, seats, entry.quantity)
    return Changes(
        booked=-entry.quantity,
        tickets=((booking.user_id, -entry.quantity),),
        taken=tuple((category, -count) for category, count in places.items()),
        claims=_claims(state, seats, None, was=booking.booking_id),
        booking=replace(
            booking,
            status=BookingStatus.CANCELLED if is_over else BookingStatus.BOOKED,
            cancelled_tickets=cancelled,
            check_ins=tuple(each for each in booking.check_ins if each[0] not in gone),
            changed=mark_of(recorded),
        ),
    )


def _held(state: State, recorded: Recorded, entry: SeatsHeld) -> Changes:
    if entry.hold_id in state.holds:
        raise Impossible(f"hold {entry.hold_id} is held a second time")
    waiting = None
    held_by = recorded.actor
    if entry.waiting_id is not None:
        waiting = replace(
            _waiting(state, entry.waiting_id),
            status=WaitingStatus.OFFERED,
            hold_id=entry.hold_id,
            changed=mark_of(recorded),
        )
        if (waiting.user_id, waiting.quantity) != (entry.user_id, entry.quantity):
            raise Impossible(f"the offer {entry.hold_id} is not what was waited for")
        held_by = waiting.joined_by
    claims = _new_claims(state, entry, entry.hold_id)
    return Changes(
        held=entry.quantity,
        tickets=((entry.user_id, entry.quantity),),
        taken=_places(state, entry, 1),
        claims=claims,
        hold=new_hold(recorded, entry, held_by),
        waiting=waiting,
    )


def new_hold(recorded: Recorded, entry: SeatsHeld, held_by: ActorId | None = None) -> Hold:
    """The hold that ``entry`` begins, made by who recorded it unless by another."""
    mark = mark_of(recorded)
    return Hold(
        hold_id=entry.hold_id,
        stream_id=recorded.stream_id,
        user_id=entry.user_id,
        quantity=entry.quantity,
        status=HoldStatus.HELD,
        held_by=held_by or recorded.actor,
        expires_at=entry.expires_at,
        entry=mark,
        changed=mark,
        category=entry.category,
        seats=entry.seats,
        amount_cents=entry.amount_cents,
        waiting_id=entry.waiting_id,
    )


def _confirmed(state: State, recorded: Recorded, entry: HoldConfirmed) -> Changes:
    hold = _hold(state, entry.hold_id)
    if recorded.recorded_at >= hold.expires_at:
        raise Impossible(f"hold {hold.hold_id} is confirmed after it expired")
    if entry.booking_id in state.bookings or entry.user_id != hold.user_id:
        raise Impossible(f"hold {hold.hold_id} is confirmed with other contents")
    mark = mark_of(recorded)
    return Changes(
        booked=hold.quantity,
        held=-hold.quantity,
        claims=_claims(state, hold.seats, entry.booking_id, was=hold.hold_id),
        hold=hold.confirmed(entry.booking_id, changed=mark),
        booking=Booking(
            booking_id=entry.booking_id,
            stream_id=hold.stream_id,
            user_id=hold.user_id,
            quantity=hold.quantity,
            status=BookingStatus.BOOKED,
            booked_by=recorded.actor,
            entry=mark,
            changed=mark,
            category=hold.category,
            seats=hold.seats,
            amount_cents=hold.amount_cents,
            hold_id=hold.hold_id,
        ),
    )


def _released(state: State, recorded: Recorded, entry: HoldReleased) -> Changes:
    hold = _hold(state, entry.hold_id)
    if entry.user_id != hold.user_id:
        raise Impossible(f"hold {hold.hold_id} is released with other contents")
    return _given_back(state, recorded, hold, HoldStatus.RELEASED)


def _expired(state: State, recorded: Recorded, entry: HoldExpired) -> Changes:
    hold = _hold(state, entry.hold_id)
    told = (entry.user_id, entry.quantity, entry.expires_at)
    if told != (hold.user_id, hold.quantity, hold.expires_at):
        raise Impossible(f"hold {hold.hold_id} expires with other contents")
    if recorded.recorded_at < hold.expires_at:
        raise Impossible(f"hold {hold.hold_id} expires before its time")
    return _given_back(state, recorded, hold, HoldStatus.EXPIRED)


def _given_back(state: State, recorded: Recorded, hold: Hold, status: HoldStatus) -> Changes:
    return Changes(
        held=-hold.quantity,
        tickets=((hold.user_id, -hold.quantity),),
        taken=_places(state, hold, -1),
        claims=_claims(state, hold.seats, None, was=hold.hold_id),
        hold=replace(hold, status=status, changed=mark_of(recorded)),
    )


def _transferred(state: State, recorded: Recorded, entry: BookingTransferred) -> Changes:
    booking = _booking(state, entry.booking_id)
    if booking.user_id != entry.from_user_id:
        raise Impossible(f"booking {booking.booking_id} is given away by who has it not")
    return Changes(
        tickets=(
            (entry.from_user_id, -booking.live_quantity),
            (entry.to_user_id, booking.live_quantity),
        ),
        booking=replace(
            booking,
            user_id=entry.to_user_id,
            generation=booking.generation + 1,
            changed=mark_of(recorded),
        ),
    )


def _joined(state: State, recorded: Recorded, entry: WaitingListJoined) -> Changes:
    if entry.waiting_id in state.line:
        raise Impossible(f"{entry.waiting_id} joins the waiting list a second time")
    return Changes(waiting=new_waiting(recorded, entry))


def new_waiting(recorded: Recorded, entry: WaitingListJoined) -> Waiting:
    """The place in line that ``entry`` begins."""
    mark = mark_of(recorded)
    return Waiting(
        waiting_id=entry.waiting_id,
        stream_id=recorded.stream_id,
        user_id=entry.user_id,
        quantity=entry.quantity,
        status=WaitingStatus.WAITING,
        joined_by=recorded.actor,
        entry=mark,
        changed=mark,
        category=entry.category,
    )


def _left(state: State, recorded: Recorded, entry: WaitingListLeft) -> Changes:
    waiting = _waiting(state, entry.waiting_id)
    if entry.user_id != waiting.user_id:
        raise Impossible(f"{waiting.waiting_id} leaves with other contents")
    left = replace(waiting, status=WaitingStatus.LEFT, changed=mark_of(recorded))
    return Changes(waiting=left)


def _checked_in(state: State, recorded: Recorded, entry: TicketCheckedIn) -> Changes:
    booking = _booking(state, entry.booking_id)
    if entry.ticket not in booking.live_tickets:
        raise Impossible(f"ticket {entry.ticket} of booking {booking.booking_id} is not live")
    if booking.checked_in_at(entry.ticket) is not None:
        raise Impossible(f"ticket {entry.ticket} of booking {booking.booking_id} is inside")
    check_ins = (*booking.check_ins, (entry.ticket, recorded.recorded_at))
    return Changes(booking=replace(booking, check_ins=check_ins, changed=mark_of(recorded)))


def _annulled(state: State, recorded: Recorded, entry: CheckInAnnulled) -> Changes:
    booking = _booking(state, entry.booking_id)
    if booking.checked_in_at(entry.ticket) is None:
        raise Impossible(f"ticket {entry.ticket} of booking {booking.booking_id} is outside")
    check_ins = tuple(each for each in booking.check_ins if each[0] != entry.ticket)
    return Changes(booking=replace(booking, check_ins=check_ins, changed=mark_of(recorded)))


def _booking(state: State, booking_id: BookingId) -> Booking:
    booking = state.bookings.get(booking_id)
    if booking is None or booking.status is not BookingStatus.BOOKED:
        raise Impossible(f"booking {booking_id} is not booked")
    return booking


def _hold(state: State, hold_id: HoldId) -> Hold:
    hold = state.holds.get(hold_id)
    if hold is None or hold.status is not HoldStatus.HELD:
        raise Impossible(f"hold {hold_id} is not held")
    return hold


def _waiting(state: State, waiting_id: WaitingId) -> Waiting:
    waiting = state.line.get(waiting_id)
    if waiting is None or waiting.status is not WaitingStatus.WAITING:
        raise Impossible(f"{waiting_id} does not wait")
    return waiting


def _places(
    state: State, claim: SeatsBooked | SeatsHeld | Hold, sign: int
) -> tuple[tuple[str, int], ...]:
    if claim.category is None and not claim.seats:
        return ()
    places = places_of(state.layout, claim.category, claim.seats, claim.quantity)
    return tuple((category, sign * count) for category, count in places.items())


def _new_claims(
    state: State, entry: SeatsBooked | SeatsHeld, claim: Claim
) -> tuple[tuple[str, Claim | None], ...]:
    """The seats of ``entry`` going to ``claim``; checked before anything is counted by them."""
    if entry.quantity < 1:
        raise Impossible(f"{claim} is for {entry.quantity} places")
    if not entry.seats:
        return ()
    if len(entry.seats) != entry.quantity:
        raise Impossible(f"{claim} is for {entry.quantity} places and {len(entry.seats)} seats")
    return _claims(state, entry.seats, claim, was=None)


def _claims(
    state: State, seats: tuple[str, ...], claim: Claim | None, *, was: Claim | None
) -> tuple[tuple[str, Claim | None], ...]:
    """``seats`` going from ``was`` to ``claim``; L2 is that each had ``was`` and nothing else."""
    for seat in seats:
        if state.layout is None or seat not in state.layout:
            raise Impossible(f"there is no seat {seat}")
        if state.claims.get(seat) != was:
            raise Impossible(f"seat {seat} is claimed twice")
    if len(set(seats)) != len(seats):
        raise Impossible(f"a seat is named twice in {seats}")
    return tuple((seat, claim) for seat in seats)
