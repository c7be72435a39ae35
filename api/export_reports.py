"""What `flashticket verify-export` reads and prints; without the server, which takes memory."""

import dataclasses
import json
from pathlib import Path

from api.reports import counted
from projections.lean_scan import Finding
from projections.receipts import Receipt, ReceiptInvalid
from projections.verify_export import Report


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
