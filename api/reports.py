"""What commands print: progress, verification, states."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import click

from api.times import instant_of, rfc3339
from ledger.batch import Stream
from ledger.entries import Recorded
from ledger.replay import Violation
from ledger.verify import Report

_LINES_EVERY = 500_000


@contextmanager
def progress(label: str) -> Iterator[Callable[[int], None]]:
    """Counts up on a terminal; elsewhere prints a plain line now and then. On standard error."""
    done = printed = 0
    on_terminal = sys.stderr.isatty()

    def advance(more: int) -> None:
        nonlocal done, printed
        done += more
        if on_terminal:
            click.echo(f"\r{done:,} {label}", nl=False, err=True)
        elif done - printed >= _LINES_EVERY:
            printed = done
            click.echo(f"{done:,} {label}", err=True)

    yield advance
    if on_terminal:
        click.echo("", err=True)


def report_as_text(report: Report) -> str:
    """What was verified, every violation, and the verdict."""
    entries = counted(report.entries, "entry", "entries")
    bookings, tickets = counted(report.bookings, "booking"), counted(report.tickets, "ticket")
    lines = [f"{entries} in {counted(report.streams, 'event')}: {bookings}, {tickets} booked"]
    lines += [_violation_as_text(violation) for violation in report.violations]
    lines.append(
        counted(len(report.violations), "violation")
        if report.violations
        else "L1 to L7 and the log hold"
    )
    return "\n".join(lines)


def counted(count: int, one: str, more: str | None = None) -> str:
    """A number of things: ``1 event``, ``2 events``."""
    return f"{count:,} {one if count == 1 else more or one + 's'}"


def _violation_as_text(violation: Violation) -> str:
    where = "" if violation.stream_id is None else f" event {violation.stream_id}"
    if violation.version is not None:
        where += f" version {violation.version}"
    return f"{violation.rule}{where}: {violation.what}"


def report_as_json(report: Report) -> str:
    return json.dumps(
        {
            "holds": not report.violations,
            "entries": report.entries,
            "streams": report.streams,
            "bookings": report.bookings,
            "tickets": report.tickets,
            "violations": [
                {
                    "rule": violation.rule,
                    "event_id": None if violation.stream_id is None else str(violation.stream_id),
                    "version": violation.version,
                    "what": violation.what,
                }
                for violation in report.violations
            ],
        }
    )


def until(at_version: int | None, at_time: str | None) -> Callable[[Recorded], bool] | None:
    """Which entry is the first to be left out; a click usage error for a time that is none."""
    if at_version is not None:
        return lambda recorded: recorded.version > at_version
    if at_time is None:
        return None
    try:
        moment = datetime.fromisoformat(at_time)
    except ValueError as error:
        raise click.UsageError(f"--at: {error}") from error
    if moment.tzinfo is None:
        raise click.UsageError("--at needs an offset, as in 2026-12-31T20:00:00+01:00.")
    instant = instant_of(moment)
    return lambda recorded: recorded.recorded_at > instant


def replay_as_json(stream: Stream) -> str:
    """An event's state as one line of JSON."""
    state = stream.state
    fields: dict[str, Any] = {
        "event_id": str(stream.stream_id),
        "version": stream.version,
        "as_of": rfc3339(stream.updated_at),
        "capacity": 0 if state.terms is None else state.terms.capacity,
        "booked": state.booked,
        "held": state.held,
        "available": state.available,
        "bookings": sum(booking.live_quantity > 0 for booking in state.bookings.values()),
        "hash": stream.head_hash.hex(),
    }
    return json.dumps(fields)
