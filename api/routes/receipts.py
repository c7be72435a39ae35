"""Receipts: what a buyer keeps to prove a booking, even to somebody whom the operator denies it."""

from typing import Final
from uuid import UUID

from fastapi import APIRouter, Depends, Response

from api.access import allowed
from api.documents import problems
from api.keys import Principal
from api.problems import Problem
from api.routes.bookings import visible_booking
from api.services import Services, services_of
from ledger.values import BookingId

router = APIRouter(prefix="/v1", tags=["bookings"])

_SECONDS_MAX: Final = 3.0
_TEXT: Final = "text/plain; charset=utf-8"


@router.get(
    "/bookings/{booking_id}/receipt",
    response_class=Response,
    responses={
        200: {"content": {"text/plain": {}}},
        **problems("booking-not-found", call="read_receipt"),
    },
)
async def read_receipt(
    booking_id: UUID,
    principal: Principal = Depends(allowed("read_receipt")),
    services: Services = Depends(services_of),
) -> Response:
    """The booking's entry, its inclusion proof and the signed checkpoint, in one file (C2SP
    tlog-proof) that `flashticket verify-receipt` checks with no network.

    Right after the booking it waits, for a second or so, until a checkpoint covers it.
    """
    booking = await visible_booking(services, principal, BookingId(booking_id))
    receipt = await services.log.receipt(
        booking.stream_id, booking.entry.version, seconds_max=_SECONDS_MAX
    )
    if receipt is None:
        raise Problem("unavailable", "The booking stands, but no checkpoint covers it yet.")
    name = f'attachment; filename="{booking_id}.tlog-proof"'
    return Response(str(receipt), headers={"Content-Disposition": name}, media_type=_TEXT)
