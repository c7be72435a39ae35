"""Tickets: codes, pictures of them, and the door."""

import base64
import io
from typing import Literal
from uuid import UUID

import segno
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import APIRouter, Depends, Response

from api import bodies
from api.access import allowed
from api.documents import problems
from api.keys import Principal
from api.problems import Problem
from api.routes.bookings import visible_booking
from api.services import Services, services_of
from api.tickets import InvalidTicket, Ticket, code_of, read_code
from api.times import time_of
from ledger.commands import AnnulCheckIn, CheckIn, Submission
from ledger.records import Booking
from ledger.values import BookingId

router = APIRouter(prefix="/v1", tags=["tickets"])

_AT_THE_DOOR = (
    "booking-cancelled",
    "booking-not-found",
    "event-cancelled",
    "overloaded",
    "ticket-invalid",
    "ticket-not-found",
)


@router.get(
    "/bookings/{booking_id}/tickets",
    responses=problems("booking-not-found", call="list_tickets"),
)
async def list_tickets(
    booking_id: UUID,
    principal: Principal = Depends(allowed("list_tickets")),
    services: Services = Depends(services_of),
) -> bodies.Tickets:
    """A code for each place that is booked, to be shown at the door."""
    booking = await visible_booking(services, principal, BookingId(booking_id))
    key = _key(services)
    return bodies.Tickets(
        booking_id=booking.booking_id,
        event_id=booking.stream_id,
        items=[_ticket_body(booking, ticket, key) for ticket in booking.live_tickets],
        version=booking.changed.version,
        as_of=time_of(booking.changed.at),
    )


@router.get(
    "/bookings/{booking_id}/tickets/{ticket}.{form}",
    response_class=Response,
    responses={
        **problems("booking-not-found", "ticket-not-found", call="draw_ticket"),
        200: {"content": {"image/png": {}, "image/svg+xml": {}}},
    },
)
async def draw_ticket(
    booking_id: UUID,
    ticket: int,
    form: Literal["png", "svg"],
    principal: Principal = Depends(allowed("draw_ticket")),
    services: Services = Depends(services_of),
) -> Response:
    """A ticket's code as a QR code (ISO/IEC 18004)."""
    booking = await visible_booking(services, principal, BookingId(booking_id))
    if ticket not in booking.live_tickets:
        raise Problem("ticket-not-found", f"There is no ticket {ticket} to this booking.")
    drawn = io.BytesIO()
    code = _ticket_body(booking, ticket, _key(services)).code
    segno.make_qr(code, error="m").save(drawn, kind=form, scale=6)
    media_type = "image/png" if form == "png" else "image/svg+xml"
    # Whoever sees a code can enter with it: no cache may keep it.
    return Response(drawn.getvalue(), media_type=media_type, headers={"Cache-Control": "no-store"})


@router.get("/tickets/key", responses=problems(call="read_ticket_key"))
async def read_ticket_key(
    _: Principal = Depends(allowed("read_ticket_key")),
    services: Services = Depends(services_of),
) -> bodies.TicketKey:
    """The public key with which a door without network verifies codes."""
    public_key = _key(services).public_key().public_bytes_raw()
    return bodies.TicketKey(algorithm="Ed25519", public_key=base64.b64encode(public_key).decode())


@router.post(
    "/check-ins",
    status_code=201,
    responses=problems(*_AT_THE_DOOR, "already-checked-in", "ticket-outdated", call="check_in"),
)
async def check_in(
    body: bodies.TicketCode,
    principal: Principal = Depends(allowed("check_in")),
    services: Services = Depends(services_of),
) -> bodies.CheckedIn:
    """Admit a ticket, once: a second time is refused and says when the first was."""
    ticket = _read(services, body.code)
    command = CheckIn(ticket.event_id, ticket.booking_id, ticket.ticket, ticket.generation)
    part = await services.carry_out_one(Submission((command,), principal.key_id))
    return _checked_in_body(part.subject, ticket)


@router.post(
    "/check-ins/annul",
    responses=problems(*_AT_THE_DOOR, "not-checked-in", call="annul_check_in"),
)
async def annul_check_in(
    body: bodies.TicketCode,
    principal: Principal = Depends(allowed("annul_check_in")),
    services: Services = Depends(services_of),
) -> bodies.CheckedIn:
    """Take a check-in back, so that the ticket admits again."""
    ticket = _read(services, body.code)
    command = AnnulCheckIn(ticket.event_id, ticket.booking_id, ticket.ticket)
    part = await services.carry_out_one(Submission((command,), principal.key_id))
    return _checked_in_body(part.subject, ticket)


def _key(services: Services) -> Ed25519PrivateKey:
    if services.ticket_key is None:
        raise Problem("unavailable", "This process has no key for tickets; its log says why.")
    return services.ticket_key


def _read(services: Services, code: str) -> Ticket:
    try:
        return read_code(code, _key(services).public_key())
    except InvalidTicket as error:
        raise Problem("ticket-invalid", f"The code is no ticket: {error}.") from error


def _ticket_body(booking: Booking, ticket: int, key: Ed25519PrivateKey) -> bodies.Ticket:
    at = booking.checked_in_at(ticket)
    named = Ticket(booking.stream_id, booking.booking_id, ticket, booking.generation)
    return bodies.Ticket(
        ticket=ticket,
        seat=booking.seat_of(ticket),
        checked_in_at=None if at is None else time_of(at),
        code=code_of(named, key),
    )


def _checked_in_body(booking: object, ticket: Ticket) -> bodies.CheckedIn:
    if not isinstance(booking, Booking):
        raise AssertionError("a ticket is checked in but has no booking")
    at = booking.checked_in_at(ticket.ticket)
    return bodies.CheckedIn(
        booking_id=booking.booking_id,
        event_id=booking.stream_id,
        ticket=ticket.ticket,
        seat=booking.seat_of(ticket.ticket),
        checked_in_at=None if at is None else time_of(at),
    )
