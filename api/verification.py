"""What `flashticket verify` does: the ledger, all that is derived from it, and the log."""

from collections.abc import Callable, Sequence

from ledger.verify import Report, snapshot, verify
from projections.cache import compare_cache
from projections.notes import VerifierKey
from projections.verify_log import verify_log


def verify_database(
    url: str,
    redis_url: str | None,
    *,
    keys: Sequence[VerifierKey] = (),
    previous: bytes | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> Report:
    """Check L1 to L7 and the log, in one snapshot, while bookings go on.

    Without ``keys`` the signature of the log's checkpoint is not looked at. Raises psycopg.Error
    when the database cannot be read to the end.
    """
    with (
        snapshot(url) as connection,
        compare_cache(redis_url) as compare,
        verify_log(connection, keys, previous) as (watch, violations),
    ):
        report = verify(connection, progress, compare, watch)
        report.violations += violations()
    return report
