"""Erasing a user: what is personal goes, the id stays in what was booked."""

import logging
from typing import Final
from uuid import UUID

from fastapi import APIRouter, Depends

from api.access import allowed
from api.documents import problems
from api.keys import Principal
from api.problems import Problem
from api.services import Services, services_of
from api.times import now
from ledger import directory
from ledger.values import UserId

router = APIRouter(prefix="/v1", tags=["venues and users"])

_log: Final = logging.getLogger(__name__)


@router.delete(
    "/users/{user_id:uuid}",
    status_code=204,
    responses=problems("user-not-found", call="erase_user"),
)
async def erase_user(
    user_id: UUID,
    _: Principal = Depends(allowed("erase_user")),
    services: Services = Depends(services_of),
) -> None:
    """Erase name and e-mail address for good; again: the same.

    Bookings stay as they are and can be read and cancelled. The id books nothing any more, and
    whoever registers with the same address gets another.
    """
    if await directory.erase_user(services.queries.pool, UserId(user_id), now()):
        # Who restores a backup from before must erase again those named by these lines.
        _log.info("user erased", extra={"user_id": str(user_id)})
    elif not await services.queries.is_erased(UserId(user_id)):
        raise Problem("user-not-found", f"There is no user {user_id}.")
