"""What `flashticket export` does around an export, and what `verify-export` prints."""

import asyncio
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Final

import psycopg

from api.reports import counted
from api.services import log_keys_of
from api.settings import Settings
from api.witness_requests import open_asking
from ledger.database import Pool, open_pool
from projections.export import Exported, export
from projections.lean_scan import Finding
from projections.receipts import Receipt, ReceiptInvalid
from projections.tlog import TransparencyLog
from projections.verify_export import Report
from projections.witnesses import Witness, parse_witnesses
from projections.witnessing import Witnessing

_COSIGNED_SECONDS_MAX: Final = 3.0
_COSIGNED_POLL_SECONDS: Final = 0.1


def export_to(
    path: Path, url: str, settings: Settings, progress: Callable[[int], None]
) -> Exported:
    """Bring the log up to date, have it signed and cosigned, and export it to ``path``.

    Raises as `projections.export.export` and `TransparencyLog.catch_up` do.
    """
    keys = log_keys_of(settings)

    async def catch_up() -> None:
        pool = open_pool(url, role=settings.database_role or None, size_max=1, name="export")
        async with pool:
            await TransparencyLog(pool, keys).catch_up_with_all()
            if witnesses := parse_witnesses(settings.log_witnesses):
                await _try_to_have_cosigned(pool, witnesses)

    asyncio.run(catch_up())
    with psycopg.connect(url, autocommit=True) as connection:
        return export(connection, path, keys.verifying(), progress)


async def _try_to_have_cosigned(pool: Pool, witnesses: list[Witness]) -> None:
    give_up_at = monotonic() + _COSIGNED_SECONDS_MAX
    async with open_asking() as ask:
        witnessing = Witnessing(pool, witnesses, ask)
        while not await witnessing.ask_all() and monotonic() < give_up_at:  # noqa: ASYNC110
            await asyncio.sleep(_COSIGNED_POLL_SECONDS)


def previous_checkpoint(path: Path) -> bytes:
    """The checkpoint in a file that holds one, or a receipt with one."""
    contents = path.read_bytes()
    try:
        return Receipt.parse(contents).checkpoint.encode()
    except ReceiptInvalid:
        return contents


def export_report_as_text(report: Report) -> str:
    """What was verified, every finding, and the verdict."""
    entries = counted(report.entries, "entry", "entries")
    lines = [f"{entries} in {counted(report.streams, 'event')} of {report.origin or 'no log'}"]
    if report.is_key_from_file and report.signed_by:
        lines.append(
            "Signed by the key in the file itself. Compare it with the one you were given:"
        )
    lines += report.signed_by
    lines += [_finding_as_text(finding) for finding in report.findings]
    lines.append(
        counted(len(report.findings), "finding")
        if report.findings
        else "Chain, tree, signature and L1 to L4 hold"
    )
    return "\n".join(lines)


def _finding_as_text(finding: Finding) -> str:
    where = "" if finding.stream_id is None else f" event {finding.stream_id}"
    for name, value in (
        ("version", finding.version),
        ("entry", finding.seq),
        ("field", finding.field),
    ):
        where += "" if value is None else f" {name} {value}"
    return f"{finding.rule}{where}: {finding.what}"


def export_report_as_json(report: Report) -> str:
    return json.dumps(
        {
            "holds": not report.findings,
            "origin": report.origin,
            "size": report.size,
            "entries": report.entries,
            "streams": report.streams,
            "signed_by": report.signed_by,
            "is_key_from_file": report.is_key_from_file,
            "findings": [_finding_fields(finding) for finding in report.findings],
        }
    )


def _finding_fields(finding: Finding) -> dict[str, object]:
    fields = dataclasses.asdict(finding)
    return {"event_id": fields.pop("stream_id"), **fields}
