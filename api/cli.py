"""The command `flashticket`. Imports are made where they are needed: `serve` must start fast."""

import asyncio
import json
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn
from uuid import UUID

import click

from api.servers import OutOfReach, reachable
from api.settings import Settings
from ledger.values import CAPACITY_MAX

if TYPE_CHECKING:
    from api.client import Client
    from projections.log_keys import LogKeys

EXIT_FAILED: Final = 1
EXIT_WRONG_USE: Final = 2
EXIT_OUT_OF_REACH: Final = 3


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """A booking ledger that sells out a stadium, never sells a seat twice, and proves it.

    \b
    Exit codes: 0 holds or done, 1 a check failed, 2 wrong use, 3 a server is out of reach.
    """


@contextmanager
def _servers(*, may_create: bool = False) -> Iterator[Settings]:
    """Settings with the URLs of servers that can be reached; otherwise the command ends."""
    from psycopg import OperationalError
    from psycopg.errors import UndefinedTable

    from ledger.database import DatabaseUnavailable

    try:
        with reachable(_settings(), may_create=may_create) as settings:
            yield settings
    except (OutOfReach, DatabaseUnavailable, OperationalError) as error:
        _end(EXIT_OUT_OF_REACH, str(error))
    except UndefinedTable:
        _end(EXIT_WRONG_USE, "The database is not migrated: run `flashticket migrate`.")


def _settings() -> Settings:
    from pydantic import ValidationError

    try:
        return Settings()
    except ValidationError as error:
        _end(EXIT_WRONG_USE, str(error))


def _end(code: int, message: str) -> NoReturn:
    click.echo(message.strip(), err=True)
    sys.exit(code)


def _url(settings: Settings) -> str:
    if settings.database_url is None:
        raise OutOfReach("No database: set FLASHTICKET_DATABASE_URL.")
    return settings.database_url


def _role(settings: Settings) -> str | None:
    return settings.database_role or None


def _owner_url(settings: Settings) -> str:
    return settings.migrate_url or _url(settings)


@main.command()
@click.option("--users", default=10_000, show_default=True, help="Users of the demo.")
@click.option("--capacity", default=1_000, show_default=True, help="Places of the demo's venue.")
def up(users: int, capacity: int) -> None:
    """Start everything: servers where none are set, migrations, the demo, and the API."""
    from api.demo import demo_keys, has_events
    from api.demo import seed as seed_demo
    from api.serve import serve as serve_http
    from ledger.migrate import migrate as apply

    with _servers(may_create=True) as settings:
        url, role = _url(settings), _role(settings)
        apply(_owner_url(settings))
        if not asyncio.run(has_events(url, role=role)):
            click.echo(f"Seeding 1 venue of {capacity}, 1 event and {users} users", err=True)
            asyncio.run(seed_demo(url, role=role, users=users, capacity=capacity))
        scheme = "http" if settings.tls_certificate_file is None else "https"
        address = f"{scheme}://{settings.host}:{settings.port}"
        click.echo(f"\nFlashTicket  {address}\nDocs         {address}/docs\n")
        for key_role, key in _kept_keys(settings, demo_keys).items():
            click.echo(f"{key_role:<12} {key}")
        click.echo("\nCtrl-C stops everything; the data stays.")
        serve_http(settings)


def _kept_keys(settings: Settings, make: Callable[..., Any]) -> dict[str, str]:
    """The demo's keys, kept beside the data so that the next start prints the same."""
    path = settings.data_dir / "demo-keys.json"
    kept = json.loads(path.read_text()) if path.exists() else {}
    keys: dict[str, str] = asyncio.run(make(_url(settings), role=_role(settings), kept=kept))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(json.dumps(keys))
    return keys


@contextmanager
def _client(url: str | None, key_file: Path | None) -> Iterator["Client"]:
    """A client of the API, as the demo's admin where nobody else is named; ends on failure."""
    from api.client import ApiProblem, Client, NoAnswer, NotOurs

    settings = _settings()
    demo_keys = settings.data_dir / "demo-keys.json"
    key = None
    if key_file is not None:
        key = key_file.read_text().strip()
    elif demo_keys.exists():
        key = json.loads(demo_keys.read_text())["admin"]
    try:
        with Client(url or f"http://{settings.host}:{settings.port}", key) as client:
            yield client
    except ApiProblem as problem:
        _end(EXIT_FAILED, problem.document.model_dump_json())
    except NotOurs as error:
        _end(EXIT_FAILED, str(error))
    except NoAnswer as error:
        _end(EXIT_OUT_OF_REACH, str(error))


_URL: Final = click.option(
    "--url", help="Where the API is; FLASHTICKET_HOST and _PORT if not given."
)
_KEY_FILE: Final = click.option(
    "--key-file",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="File with the API key; the demo's admin key if not given.",
)


@main.command()
@click.argument("name", required=False)
@click.argument("arguments", nargs=-1, metavar="[ARG=VALUE]...")
@_URL
@_KEY_FILE
def call(
    name: str | None, arguments: tuple[str, ...], url: str | None, key_file: Path | None
) -> None:
    """Make one call of the API and print its answer; without a NAME, list the calls.

    Sent again while that is safe and may help, as the Python client does it.
    """
    from pydantic import BaseModel

    from api.client.from_text import FUNCTIONS, NoSuchCall, call_of, usage_of

    if name is None:
        for each in FUNCTIONS:
            click.echo(usage_of(each))
        return
    try:
        made = call_of(name, arguments)
    except NoSuchCall as error:
        _end(EXIT_WRONG_USE, str(error))
    with _client(url, key_file) as client:
        answer = client.send(made)
    if isinstance(answer, BaseModel):
        click.echo(answer.model_dump_json(indent=2))
    else:
        sys.stdout.buffer.write(answer)


@main.command()
@click.argument("event_id", type=click.UUID)
@_URL
@_KEY_FILE
def watch(event_id: UUID, url: str | None, key_file: Path | None) -> None:
    """Print how many places an event has left, now and whenever that changes, until Ctrl-C."""
    with _client(url, key_file) as client:
        for counts in client.watch(event_id):
            click.echo(counts.model_dump_json())


@main.command()
def serve() -> None:
    """Serve the API until SIGTERM."""
    import gc

    # Importing makes a hundred thousand objects that stay. Looking for cycles among them again and
    # again is a seventh of what a start takes; `api.serve.app` enables it when all are there.
    gc.disable()
    from api.serve import serve as serve_http

    with _servers() as settings:
        serve_http(settings)


@main.command()
def migrate() -> None:
    """Bring the database up to this version; safe to repeat and to run in parallel."""
    from ledger.migrate import MigrationsChanged
    from ledger.migrate import migrate as apply

    with _servers(may_create=True) as settings:
        try:
            applied = apply(_owner_url(settings))
        except MigrationsChanged as error:
            _end(EXIT_FAILED, str(error))
        click.echo("\n".join(f"applied {name}" for name in applied) or "nothing to do")


@main.command()
@click.option("--users", default=10_000, show_default=True, type=click.IntRange(min=0))
@click.option("--capacity", default=1_000, show_default=True, type=click.IntRange(1, CAPACITY_MAX))
@click.option("--json", "as_json", is_flag=True, help="Print the ids of what was made as JSON.")
def seed(users: int, capacity: int, as_json: bool) -> None:
    """Make a venue, an event that sells all of it, and users."""
    from api.demo import seed as seed_demo

    with _servers() as settings:
        made = asyncio.run(
            seed_demo(_url(settings), role=_role(settings), users=users, capacity=capacity)
        )
    if as_json:
        click.echo(
            json.dumps(
                {
                    "venue_id": str(made.venue_id),
                    "event_id": str(made.event_id),
                    "user_ids": [str(user_id) for user_id in made.user_ids],
                }
            )
        )
    else:
        click.echo(f"venue {made.venue_id}\nevent {made.event_id}\nusers {len(made.user_ids)}")


@main.group()
def keys() -> None:
    """API keys."""


@keys.command("create")
@click.option(
    "--role", required=True, type=click.Choice(["client", "organizer", "auditor", "admin"])
)
@click.option("--name", default="", help="For people, to know it again.")
@click.option(
    "--scope", "scopes", multiple=True, help="A call it is for, such as check_in; may be repeated."
)
@click.option("--expires", help="A time, RFC 3339 with offset, or a span: 30d, 12h, 45m.")
@click.option("--user", "user_id", type=click.UUID, help="The one user that a client acts for.")
@click.option("--rate", help="Requests in a window of time: 100/s, 600/m, 1000/h, 5000/10s.")
def create_key(
    role: str,
    name: str,
    scopes: tuple[str, ...],
    expires: str | None,
    user_id: UUID | None,
    rate: str | None,
) -> None:
    """Make a key and print it, once: only its hash is stored. Its id goes to standard error."""
    from api.key_commands import create_key as make
    from api.key_commands import expiry
    from api.keys import Role
    from api.new_keys import Contradictory, KeyTerms
    from api.rates import Rate
    from ledger.values import UserId

    try:
        terms = KeyTerms(
            role=Role(role),
            name=name,
            scopes=frozenset(scopes) or None,
            user_id=None if user_id is None else UserId(user_id),
            rate=None if rate is None else Rate.parse(rate),
            expires_at=None if expires is None else expiry(expires),
        )
        with _servers() as settings:
            key, text = asyncio.run(make(_url(settings), role=_role(settings), terms=terms))
    except (Contradictory, ValueError) as error:
        raise click.UsageError(f"No such key can be made: {error}.") from error
    click.echo(f"key id {key.key_id}", err=True)
    click.echo(text)


@keys.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def list_keys(as_json: bool) -> None:
    """Print all keys by their ids, never the keys themselves."""
    from api.key_commands import all_keys, key_as_json, key_as_text

    with _servers() as settings:
        for key in asyncio.run(all_keys(_url(settings), role=_role(settings))):
            click.echo(key_as_json(key) if as_json else key_as_text(key))


@keys.command("revoke")
@click.argument("key_id", type=click.UUID)
def revoke_key(key_id: UUID) -> None:
    """End a key for good. Every process refuses it within 5 seconds."""
    from api.key_commands import key_as_text
    from api.key_commands import revoke_key as revoke
    from ledger.values import ActorId

    with _servers() as settings:
        revoking = revoke(_url(settings), role=_role(settings), key_id=ActorId(key_id))
        key = asyncio.run(revoking)
    if key is None:
        _end(EXIT_FAILED, f"There is no key {key_id}.")
    click.echo(key_as_text(key))


@main.group("log-keys")
def log_keys() -> None:
    """The keys that sign the log's checkpoints: every private one there signs."""


@log_keys.command("list")
def list_log_keys() -> None:
    """Print the public keys, the newest last; the first is made if there is none."""
    keys = _log_keys()
    with _keys_usable():
        signing = [key.verifier for key in keys.signing()]
        for key in keys.verifying():
            click.echo(f"{key}{'' if key in signing else '  (retired)'}")


@log_keys.command("add")
def add_log_key() -> None:
    """Make another key, which signs beside those there are, and print its public half."""
    with _keys_usable():
        click.echo(str(_log_keys().add()))


@log_keys.command("retire")
@click.argument("key_id")
def retire_log_key(key_id: str) -> None:
    """Destroy the private key with KEY_ID, the eight digits in its public half."""
    try:
        decoded = bytes.fromhex(key_id)
    except ValueError as error:
        raise click.UsageError(f"{key_id!r} is no key id.") from error
    with _keys_usable():
        _log_keys().retire(decoded)


def _log_keys() -> "LogKeys":
    from api.services import log_keys_of

    return log_keys_of(_settings())


@contextmanager
def _keys_usable() -> Iterator[None]:
    from projections.log_keys import KeysUnusable

    try:
        yield
    except KeysUnusable as error:
        _end(EXIT_FAILED, str(error))


_WITNESS: Final = click.option(
    "--witness",
    "witnesses",
    multiple=True,
    help="A witness's public key, or a file with such: each must have cosigned the checkpoint.",
)


@main.command("verify-receipt")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--key",
    "keys",
    required=True,
    multiple=True,
    help="The log's public key, or a file with such keys, one a line; may be repeated.",
)
@_WITNESS
def verify_receipt(file: Path, keys: tuple[str, ...], witnesses: tuple[str, ...]) -> None:
    """Check a receipt against a key that you trust, with no network."""
    from api.receipts import receipt_as_text, verifier_keys, witness_keys
    from projections.notes import NoteInvalid, require_cosigned
    from projections.receipts import Receipt, ReceiptInvalid

    trusted, cosigners = verifier_keys(keys), witness_keys(witnesses)
    try:
        receipt = Receipt.parse(file.read_bytes())
        checkpoint = receipt.verify(trusted)
        require_cosigned(receipt.checkpoint.encode(), cosigners)
    except (NoteInvalid, ReceiptInvalid) as error:
        _end(EXIT_FAILED, f"The receipt proves nothing: {error}")
    click.echo(receipt_as_text(receipt, checkpoint))


@main.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def export(file: Path) -> None:
    """Write the whole ledger with its signed checkpoint to FILE, for anybody to verify.

    Bookings go on meanwhile. Repeating an export that was interrupted completes it.
    """
    from api.exports import export_to
    from api.reports import progress
    from projections.export import NothingSigned
    from projections.export_format import ExportInvalid
    from projections.tlog import LogForked

    with _servers() as settings, _keys_usable(), progress("entries exported") as advance:
        try:
            exported = export_to(file, _url(settings), settings, advance)
        except (ExportInvalid, LogForked, NothingSigned, OSError) as error:
            _end(EXIT_FAILED, str(error))
    click.echo(f"{exported.entries:,} entries in {exported.streams:,} events are in {file}")


@main.command("verify-export")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--previous",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="An older checkpoint, or a receipt with one: nothing up to it may have changed.",
)
@click.option(
    "--key",
    "keys",
    multiple=True,
    help="The log's public key, or a file with such keys; those in FILE where not given.",
)
@_WITNESS
@click.option("--processes", type=click.IntRange(min=1), help="One per processor if not given.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def verify_export(
    file: Path,
    previous: Path | None,
    keys: tuple[str, ...],
    witnesses: tuple[str, ...],
    processes: int | None,
    as_json: bool,
) -> None:
    """Check an export with nothing but FILE: chain, tree, signature and the rules L1 to L4."""
    import os

    from api.export_reports import (
        export_report_as_json,
        export_report_as_text,
        previous_checkpoint,
    )
    from api.receipts import verifier_keys, witness_keys
    from api.reports import progress
    from projections.export_format import ExportInvalid
    from projections.verify_export import verify_export as run

    with progress("entries verified") as advance:
        try:
            report = run(
                file,
                keys=verifier_keys(keys),
                previous=None if previous is None else previous_checkpoint(previous),
                witnesses=witness_keys(witnesses),
                processes=processes or os.cpu_count() or 1,
                progress=advance,
            )
        except (ExportInvalid, OSError) as error:
            _end(EXIT_FAILED, f"{file}: {error}")
    click.echo(export_report_as_json(report) if as_json else export_report_as_text(report))
    if report.findings:
        sys.exit(EXIT_FAILED)


@main.command()
@click.option(
    "--previous",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="An older checkpoint, or a receipt with one: nothing up to it may have changed. The last "
    "that was signed with the keys here where neither this nor a key is given.",
)
@click.option(
    "--key",
    "keys",
    multiple=True,
    help="The log's public key, or a file with such keys; those kept here where not given.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def verify(previous: Path | None, keys: tuple[str, ...], as_json: bool) -> None:
    """Replay everything from the database; exit 0 only if every invariant holds."""
    from api.export_reports import previous_checkpoint
    from api.receipts import verifier_keys
    from api.reports import progress, report_as_json, report_as_text
    from api.verification import verify_database

    with _servers() as settings, _keys_usable(), progress("entries verified") as advance:
        trusted, older = verifier_keys(keys), None
        if previous is not None:
            older = previous_checkpoint(previous)
        elif not trusted:
            older = _log_keys().last_note()
        trusted = trusted or _log_keys().verifying()
        report = verify_database(
            _url(settings), settings.redis_url, keys=trusted, previous=older, progress=advance
        )
    if not trusted:
        click.echo("No key of the log is here: its signature was not checked.", err=True)
    click.echo(report_as_json(report) if as_json else report_as_text(report))
    if report.violations:
        sys.exit(EXIT_FAILED)


@main.command()
@click.option("--event", "event_id", type=click.UUID, help="One event; all where not given.")
@click.option("--at-version", type=click.IntRange(min=0), help="State right after that version.")
@click.option("--at", "at_time", help="State at a time, RFC 3339 with offset.")
def replay(event_id: UUID | None, at_version: int | None, at_time: str | None) -> None:
    """Print the state of events, as of a version or a time, one JSON object a line."""
    from api.reports import replay_as_json, until
    from ledger.replay import Broken
    from ledger.values import EventId
    from ledger.verify import replay as run
    from ledger.verify import snapshot

    if at_version is not None and at_time is not None:
        raise click.UsageError("--at-version and --at exclude each other.")
    if at_version is not None and event_id is None:
        raise click.UsageError("--at-version needs --event: each event counts its own versions.")
    stop = until(at_version, at_time)
    found = False
    with _servers() as settings, snapshot(_url(settings)) as connection:
        try:
            for stream in run(connection, None if event_id is None else EventId(event_id), stop):
                found = True
                click.echo(replay_as_json(stream))
        except Broken as broken:
            _end(EXIT_FAILED, f"{broken.violation.rule} at {broken.violation}")
    if event_id is not None and not found:
        _end(EXIT_FAILED, f"There is no event {event_id}.")


@main.command()
@click.option("--processes", type=click.IntRange(min=1), help="One per processor if not given.")
def rebuild(processes: int | None) -> None:
    """Make projections and caches anew from the ledger, while bookings and reads go on."""
    from os import cpu_count

    from api.bar import Bar
    from ledger.replay import Broken
    from projections.rebuild import NeverFree, RebuildRunning
    from projections.rebuild import rebuild as run

    bar = Bar("entries folded")
    with _servers() as settings:
        try:
            made = run(
                _owner_url(settings),
                settings.redis_url,
                bar.advance,
                expect=bar.expect,
                processes=processes or cpu_count() or 1,
            )
        except Broken as broken:
            _end(EXIT_FAILED, f"Nothing was changed: {broken.violation}")
        except (NeverFree, RebuildRunning) as error:
            _end(EXIT_FAILED, f"Nothing was changed: {error}.")
        finally:
            bar.end()
    waited = f"others waited {made.waited_seconds * 1000:.0f} ms"
    click.echo(f"{made.streams:,} streams of {made.entries:,} entries rebuilt; {waited}")


@main.command("flash-sale")
@click.option("--users", default=10_000, show_default=True, type=click.IntRange(min=1))
@click.option("--capacity", default=1_000, show_default=True, type=click.IntRange(1, CAPACITY_MAX))
@click.option("--vus", default=1_000, show_default=True, type=click.IntRange(min=1))
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write a JSON report.")
@click.option("--junit", "junit_path", type=click.Path(path_type=Path), help="Write JUnit XML.")
def flash_sale(
    users: int, capacity: int, vus: int, json_path: Path | None, junit_path: Path | None
) -> None:
    """Seed, let k6 send everybody at once, then audit what came of it."""
    from api.sale import SaleFailed, hold_sale
    from loadtest.report import as_json, as_junit, as_text

    with _servers(may_create=True) as settings:
        try:
            report = hold_sale(settings, users=users, capacity=capacity, vus=vus)
        except SaleFailed as error:
            _end(EXIT_OUT_OF_REACH, str(error))
    for path, text in ((json_path, as_json(report)), (junit_path, as_junit(report))):
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    click.echo(as_text(report))
    if not report.ok:
        sys.exit(EXIT_FAILED)


@main.command()
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(min=1))
@click.option("--seconds", default=3.0, show_default=True, help="Of each measurement.")
@click.option("--workload", "workloads", multiple=True, help="Only this one; may be repeated.")
@click.option("--contender", "contenders", multiple=True, help="Only this one; may be repeated.")
@click.option(
    "--entries",
    default=10_000_000,
    show_default=True,
    type=click.IntRange(min=1000),
    help="In the full ledger of the workloads ledger-size and long-event.",
)
@click.option(
    "--soak-seconds", default=600.0, show_default=True, help="How long the workload soak takes."
)
@click.option(
    "--draw", is_flag=True, help="Measure nothing: write the newest results into README and docs."
)
def bench(
    rounds: int,
    seconds: float,
    workloads: tuple[str, ...],
    contenders: tuple[str, ...],
    entries: int,
    soak_seconds: float,
    draw: bool,
) -> None:
    """Measure against the usual design and the ceilings, side by side."""
    from loadtest.bench import BY_DEFAULT, CONTENDERS, RESULTS, Extent, as_text, run_bench
    from loadtest.published import ROOT, NoPlace, publish
    from loadtest.serving import ServerFailed

    if draw:
        try:
            for path in publish(ROOT, RESULTS):
                click.echo(path.relative_to(ROOT))
        except (NoPlace, OSError) as error:
            _end(EXIT_FAILED, f"There is no checkout to write to: {error}")
        return
    try:
        result = run_bench(
            Extent(
                rounds=rounds,
                seconds=seconds,
                ledger_sizes=(0, entries // 100, entries // 10, entries),
                soak_seconds=soak_seconds,
            ),
            contenders=contenders or CONTENDERS,
            workloads=workloads or BY_DEFAULT,
            say=lambda line: click.echo(line, err=True),
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    except ServerFailed as error:
        _end(EXIT_OUT_OF_REACH, str(error))
    click.echo(as_text(result))
    if not result.ok:
        sys.exit(EXIT_FAILED)


@main.command()
@click.option("--rounds", type=click.IntRange(min=1), default=3, show_default=True)
@click.option("--seconds", type=click.FloatRange(min=0.1), default=5.0, show_default=True)
def overload(rounds: int, seconds: float) -> None:
    """Measure whether the work goes on under ten times the load.

    On servers of its own, which nothing else uses: no database that is set is touched.
    """
    try:
        from loadtest.overload import measure_overload
        from loadtest.serving import ServerFailed
    except ImportError as error:
        _end(EXIT_OUT_OF_REACH, f"Not here: pip install 'flashticket[embedded,loadtest]' ({error})")
    try:
        checks = measure_overload(rounds, seconds, say=click.echo)
    except ServerFailed as error:
        _end(EXIT_OUT_OF_REACH, str(error))
    for check in checks:
        click.echo(f"{'holds' if check.ok else 'BROKEN'}  {check.name}: {check.detail}")
    if not all(check.ok for check in checks):
        sys.exit(EXIT_FAILED)


@main.command()
@click.option("--minutes", type=click.FloatRange(min=0.1), help="Begin no round after so many.")
@click.option("--rounds", type=click.IntRange(min=1), help="As many rounds; else one per fault.")
@click.option("--seed", default=0, show_default=True, help="Of the first round; then one more.")
def torture(minutes: float | None, rounds: int | None, seed: int) -> None:
    """Sell while servers are killed, frozen and cut off, and audit every round.

    On servers of its own, which nothing else uses: no database that is set is touched.
    """
    try:
        from loadtest.torture.faults import FAULTS
        from loadtest.torture.rounds import StageFailed, summary
        from loadtest.torture.rounds import torture as run
    except ImportError as error:
        _end(EXIT_OUT_OF_REACH, f"Not here: pip install 'flashticket[embedded,loadtest]' ({error})")
    if minutes is None and rounds is None:
        rounds = len(FAULTS)
    try:
        played = asyncio.run(
            run(
                seed=seed,
                rounds=rounds,
                seconds_max=None if minutes is None else minutes * 60,
                say=click.echo,
            )
        )
    except StageFailed as error:
        _end(EXIT_OUT_OF_REACH, str(error))
    except asyncio.CancelledError:
        sys.exit(128 + signal.SIGTERM)
    click.echo(summary(played))
    if any(each.findings for each in played):
        sys.exit(EXIT_FAILED)


if __name__ == "__main__":
    main()
