"""The sweeper: what is due gets its entries even when nobody comes by.

It decides nothing. It looks for streams with something due and submits `TidyEvent`, whose
transaction expires, offers and cancels as any other would. Every process runs one; what two of
them find is done once, under the lock.
"""

import asyncio
import logging
from typing import Final

from ledger import store
from ledger.batch import Done
from ledger.combiner import Closing, Overloaded
from ledger.commands import Submission, TidyEvent
from ledger.database import DatabaseUnavailable, Pool, translate_errors
from ledger.values import SYSTEM
from ledger.writer import Writer

_log = logging.getLogger(__name__)

SWEEP_SECONDS: Final = 0.5
"""With the time of a transaction this keeps a hold from outliving its time by 2 s."""

_STREAMS_AT_A_TIME: Final = 200


async def keep_swept(writer: Writer, pool: Pool) -> None:
    """Sweep every `SWEEP_SECONDS`, and at once again while there is more; until cancelled."""
    while True:
        try:
            swept = await sweep(writer, pool)
        except (DatabaseUnavailable, Overloaded) as error:
            _log.warning("not swept: %s", error)
            swept = 0
        except Closing:
            return
        if not swept:
            await asyncio.sleep(SWEEP_SECONDS)


async def sweep(writer: Writer, pool: Pool) -> int:
    """Tidy the streams that have something due; how many could be.

    What could not be is due still: counted in, it would be tried over and over without a pause.
    """
    with translate_errors():
        async with pool.connection() as connection:
            due = await store.find_due_streams(connection, _STREAMS_AT_A_TIME)
    submissions = [Submission((TidyEvent(event_id),), SYSTEM) for event_id in due]
    outcomes = await asyncio.gather(*[writer.submit(each) for each in submissions])
    return sum(isinstance(outcome, Done) for outcome in outcomes)
