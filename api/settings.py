"""Settings from the environment, all listed in the README; a test compares the two."""

import re
from pathlib import Path
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, FilePath, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from api.rates import Rate
from projections.notes import NoteInvalid
from projections.witnesses import parse_witnesses

_ORIGIN: Final = re.compile(r"https?://[a-z0-9.\-\[\]:]+")
_POSTGRESQL: Final = "^postgres(ql)?://"
_UNREADABLE: Final = (
    "can't be read; in a name or password write @ as %40, / as %2F, : as %3A, # as %23, % as %25"
)


def _postgresql(url: str) -> str:
    # Imported here, so that a command without a database starts fast.
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    # What can't be read would be quoted, password included, by whoever tries it later.
    try:
        parts = conninfo_to_dict(url)
    except ProgrammingError:
        raise ValueError(_UNREADABLE) from None
    ports = str(parts.get("port") or "").split(",")
    if "@" in str(parts.get("host") or "") or not all(port.isdigit() or not port for port in ports):
        raise ValueError(_UNREADABLE)
    return url


def _redis(url: str) -> str:
    try:
        parts = urlsplit(url)
        is_readable = parts.scheme == "unix" or (parts.netloc.count("@") < 2 and parts.port != 0)
    except ValueError:
        is_readable = False
    if not is_readable:
        raise ValueError(_UNREADABLE)
    return url


def _rate(text: str) -> str:
    return str(Rate.parse(text))


def _issuer(url: str) -> str:
    parts = urlsplit(url)
    is_private = parts.scheme == "https" or parts.hostname in {"localhost", "127.0.0.1", "::1"}
    if parts.scheme not in {"https", "http"} or not parts.hostname or not is_private:
        raise ValueError("must be an https URL, or http of a loopback address")
    return url


def _witnesses(text: str) -> str:
    try:
        return ",".join(f"{each.key} {each.url}" for each in parse_witnesses(text))
    except NoteInvalid as error:
        raise ValueError(str(error)) from error


def _origins(text: str) -> str:
    origins = [origin.strip() for origin in text.split(",")]
    for origin in origins:
        if origin != "*" and not _ORIGIN.fullmatch(origin):
            raise ValueError("must be origins such as https://shop.example, without a path")
    return ",".join(origins)


class Settings(BaseSettings):
    """Everything that can be set, each as ``FLASHTICKET_`` and the field's name in capitals."""

    # An error must not repeat a URL, which holds a password.
    model_config = SettingsConfigDict(env_prefix="FLASHTICKET_", hide_input_in_errors=True)

    database_url: Annotated[str, AfterValidator(_postgresql)] | None = Field(
        default=None,
        pattern=_POSTGRESQL,
        description="PostgreSQL, as a URL. Without it, and without the Redis URL, `up` and "
        "`flash-sale` start embedded servers; every other command then looks for theirs.",
    )
    redis_url: Annotated[str, AfterValidator(_redis)] | None = Field(
        default=None,
        pattern="^(rediss?|unix)://",
        description="Redis or Valkey, as a URL. Without it nothing is cached.",
    )
    migrate_url: Annotated[str, AfterValidator(_postgresql)] | None = Field(
        default=None,
        pattern=_POSTGRESQL,
        description="PostgreSQL as the owner of the tables, for `migrate` and `rebuild`; "
        "the database URL where not set.",
    )
    database_role: str = Field(
        default="flashticket_app",
        description="Role the application takes on after connecting; it may append to the ledger "
        "but not change it. Empty where the URL's own role is that one already.",
    )
    data_dir: Path = Field(
        default=Path(".data"), description="Where embedded servers keep their data."
    )
    ticket_key_file: Path | None = Field(
        default=None,
        description="Ed25519 private key that signs ticket codes, the same for all processes; "
        "`ticket-key.pem` in the data directory where not set. Made if it is not there.",
    )
    log_origin: str = Field(
        default="flashticket.localhost/tlog",
        pattern=r"^[^\s+]+$",
        description="Name of the log in its checkpoints and keys: the public URL of `/tlog` "
        "without scheme. It identifies the log: never change it once a checkpoint was given out.",
    )
    log_key_dir: Path | None = Field(
        default=None,
        description="Directory of the keys that sign checkpoints, the same for all processes; "
        "`log-keys` in the data directory where not set. The first key is made there.",
    )
    log_witnesses: Annotated[str, AfterValidator(_witnesses)] | None = Field(
        default=None,
        description="Witnesses that are asked to cosign checkpoints (C2SP tlog-witness): of each "
        "its key and URL with a space between, and a comma before the next.",
    )
    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=8000, ge=0, le=65535, description="Port to listen on; 0 for any.")
    tls_certificate_file: FilePath | None = Field(
        default=None,
        description="Certificate chain, PEM, to serve HTTPS with; plain HTTP where not set.",
    )
    tls_key_file: FilePath | None = Field(
        default=None, description="Private key of that certificate, PEM, without a passphrase."
    )
    allowed_origins: Annotated[str, AfterValidator(_origins)] | None = Field(
        default=None,
        description="Origins whose pages may call (CORS), with commas between, as in "
        "`https://shop.example`, or `*`. None where not set.",
    )
    workers: int = Field(default=1, ge=1, description="API processes.")
    batch_size_max: int = Field(default=512, ge=1, description="Commands in one transaction.")
    batches_in_flight_max: int = Field(
        default=1, ge=1, description="Transactions of the common queue at a time, per process."
    )
    streams_per_transaction: Literal["many", "one"] = Field(
        default="many",
        description="`one` for tables distributed by stream, where a transaction may lock one.",
    )
    pending_max: int = Field(
        default=8192, ge=1, description="Commands waiting per process before 503 `overloaded`."
    )
    connections_max: int = Field(
        default=20_000,
        ge=1,
        description="Connections per process before 503 `overloaded`; a few more may ask for "
        "`/healthz`, `/readyz` and `/metrics`.",
    )
    idle_seconds_max: int = Field(
        default=5, ge=1, description="How long a connection stays open after an answer."
    )
    slow_seconds_max: float = Field(
        default=10.0,
        gt=0,
        description="How long a client may take to send a request, or 16 KiB of it, or to read "
        "16 KiB of an answer, before it is cut off.",
    )
    sold_out_trust_ms: int = Field(
        default=100,
        ge=0,
        description="How long a process may refuse a sold-out event from memory, and so be late "
        "in saying that another process freed a place.",
    )
    availability_fresh_ms: int = Field(
        default=200, ge=1, description="How long a cached availability counts as true."
    )
    user_rate: Annotated[str, AfterValidator(_rate)] | None = Field(
        default=None,
        description="How many orders (bookings, carts, holds, places in line) may be sent for one "
        "user, such as `10/m`, over all keys and processes. No bound where not set.",
    )
    oidc_issuer: Annotated[str, AfterValidator(_issuer)] | None = Field(
        default=None,
        description="URL of an OpenID Connect issuer whose tokens are taken from organizers and "
        "auditors, beside keys. HTTPS, or a loopback address.",
    )
    oidc_audience: str | None = Field(
        default=None, description="The audience that tokens must be for; needed with an issuer."
    )
    oidc_roles_claim: str = Field(
        default="roles",
        description="The claim with a token's roles, a list or words in a text; dots lead into "
        "objects, as in `realm_access.roles`.",
    )
    oidc_organizer: str = Field(
        default="flashticket-organizer", description="What in that claim makes an organizer."
    )
    oidc_auditor: str = Field(
        default="flashticket-auditor", description="What in that claim makes an auditor."
    )
    live_listeners_max: int = Field(
        default=10_000, ge=1, description="Live feeds per process before 503 `overloaded`."
    )
    live_blocked_seconds_max: float = Field(
        default=10.0, gt=0, description="How long a live feed waits for a reader that is behind."
    )
    webhooks_sent: bool = Field(
        default=True,
        description="Whether this process sends webhooks; `False` leaves that to others.",
    )
    webhook_private_targets: bool = Field(
        default=False,
        description="Whether webhooks may go to private addresses and without TLS, for "
        "development and tests.",
    )
    webhook_seconds_max: float = Field(
        default=10.0, gt=0, le=60, description="How long an endpoint has to take a webhook."
    )
    webhook_give_up_hours: float = Field(
        default=72.0,
        ge=0,
        description="How long an entry is tried before its webhook is disabled.",
    )
    read_connections_max: int = Field(
        default=8, ge=1, description="Connections for queries, per process."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="Least severity that is logged."
    )
    log_requests: Literal["failures", "all", "none"] = Field(
        default="failures",
        description="Requests that get a log line: those answered 5xx or slower than a second, "
        "all, or none.",
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.oidc_issuer is None) != (self.oidc_audience is None):
            raise ValueError("an issuer needs an audience, and an audience an issuer")
        if (self.tls_certificate_file is None) != (self.tls_key_file is None):
            raise ValueError("a certificate needs its key, and a key its certificate")
        return self
