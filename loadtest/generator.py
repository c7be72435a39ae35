"""A closed-loop HTTP load generator light enough to share two cores with what it measures.

`generate` runs one plan in a process of its own, so that its CPU time can be told from the
server's. Requests are joined from bytes made beforehand; of a reply only the status, the length
and, of a refusal, the problem's code are looked at. Every reply counts towards the tally that an
audit is held against; rates and latencies are of the replies inside the measured window.
"""

import asyncio
import json
import resource
import subprocess
import sys
import time
from array import array
from collections import Counter
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from loadtest.quantile import quantile

if TYPE_CHECKING:
    from collections.abc import Callable

PLACEHOLDERS = ("{event}", "{user}")
REPLY_SECONDS_MAX = 30.0
"""How long after the end an outstanding reply is waited for before it counts as lost."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to send, where, and for how long.

    `path` and `body` may hold {event} and {user}; request number n carries event n and user n,
    each modulo the length of its list, and its own Idempotency-Key where `key_prefix` is given.
    With `requests` the run ends after so many requests, else `seconds` after the warm-up.
    """

    host: str
    port: int
    method: str
    path: str
    connections: int
    seconds: float
    warmup_seconds: float = 0.0
    requests: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    events: list[str] = field(default_factory=list)
    users: list[str] = field(default_factory=list)
    key_prefix: str | None = None
    bodies_file: str | None = None
    """Where the bodies of the 201 replies go, one a line, if anywhere."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came back. Times in seconds; `tally` counts every reply, by status and problem code."""

    tally: dict[str, int]
    lost: int
    measured: dict[str, int]
    measured_seconds: float
    latency_p50: float
    latency_p95: float
    latency_p99: float
    latency_max: float
    cpu_share: float
    """Of one core, over the measured window."""

    def rate(self, outcome: str) -> float:
        """Replies of one kind a second within the measured window."""
        return self.measured.get(outcome, 0) / self.measured_seconds


def renderer(plan: Plan) -> "Callable[[int], bytes]":
    """Return the function that makes request number n.

    All events must be of one length, and all users, since Content-Length is computed once.
    """
    values = {"{event}": plan.events or [""], "{user}": plan.users or [""]}
    for name, column in values.items():
        if len({len(value) for value in column}) != 1:
            raise ValueError(f"the values of {name} differ in length")
    body = plan.body
    for name, column in values.items():
        body = body.replace(name, column[0])
    headers = {"Host": f"{plan.host}:{plan.port}", **plan.headers}
    if plan.body:
        headers |= {"Content-Type": "application/json", "Content-Length": str(len(body.encode()))}
    if plan.key_prefix is not None:
        headers["Idempotency-Key"] = plan.key_prefix + "{n}"
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    template = f"{plan.method} {plan.path} HTTP/1.1\r\n{head}\r\n{plan.body}"
    return _filler(template, values)


def _filler(template: str, values: dict[str, list[str]]) -> "Callable[[int], bytes]":
    """Cut the template at its placeholders, once, and join the pieces for each n."""
    columns: list[tuple[int, list[bytes] | None]] = []
    pieces: list[bytes] = []
    rest = template
    while (cut := _next_placeholder(rest, (*values, "{n}"))) is not None:
        before, name, rest = cut
        pieces += [before.encode(), b""]
        column = None if name == "{n}" else [value.encode() for value in values[name]]
        columns.append((len(pieces) - 1, column))
    pieces.append(rest.encode())

    def fill(n: int) -> bytes:
        for at, column in columns:
            pieces[at] = b"%09d" % n if column is None else column[n % len(column)]
        return b"".join(pieces)

    return fill


def _next_placeholder(text: str, names: tuple[str, ...]) -> tuple[str, str, str] | None:
    found = [(text.index(name), name) for name in names if name in text]
    if not found:
        return None
    at, name = min(found)
    return text[:at], name, text[at + len(name) :]


class Run:
    """The state that all connections of one run share."""

    def __init__(self, plan: Plan, loop: asyncio.AbstractEventLoop) -> None:
        self.render = renderer(plan)
        self.now = time.perf_counter  # uvloop reads its own clock once a turn, to the millisecond
        self.requests_max = plan.requests if plan.requests is not None else sys.maxsize
        self.keep_bodies = plan.bodies_file is not None
        self.sent = 0
        self.stopping = False
        self.tally: Counter[bytes] = Counter()
        self.latencies = array("d")
        self.bodies: list[bytes] = []
        self.lost = 0
        self.open_connections = 0
        self.all_closed = loop.create_future()

    def next_request(self) -> bytes | None:
        """The next request, or nothing once the run ends."""
        if self.stopping or self.sent >= self.requests_max:
            return None
        self.sent += 1
        return self.render(self.sent - 1)

    def record(self, status: bytes, body: bytes, latency: float) -> None:
        """Count one whole reply."""
        if status >= b"300":
            status += _problem_code(body)
        elif self.keep_bodies and status == b"201":
            self.bodies.append(body)
        self.tally[status] += 1
        self.latencies.append(latency)

    def closed(self) -> None:
        """One connection is gone; after the last one the run is over."""
        self.open_connections -= 1
        if self.open_connections == 0 and not self.all_closed.done():
            self.all_closed.set_result(None)


def _problem_code(body: bytes) -> bytes:
    at = body.find(b'"code":')
    if at < 0:
        return b""
    opening = body.find(b'"', at + 7)
    return b" " + body[opening + 1 : body.find(b'"', opening + 1)]


class Connection(asyncio.Protocol):
    """One keep-alive connection with one request in flight."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.buffer = b""
        self.sent_at = 0.0
        self.in_flight = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the start of the run."""
        self.transport = cast("asyncio.Transport", transport)
        self.run.open_connections += 1

    def send(self) -> None:
        """Send the next request, or hang up when there is none."""
        request = self.run.next_request()
        if request is None:
            self.transport.close()
            return
        self.in_flight = True
        self.sent_at = self.run.now()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Take in a piece of the reply; once it is whole, count it and go on."""
        if self.buffer:
            data = self.buffer + data
        end_of_head = data.find(b"\r\n\r\n")
        if end_of_head < 0:
            self.buffer = data
            return
        whole = end_of_head + 4 + _content_length(data[:end_of_head])
        if len(data) < whole:
            self.buffer = data
            return
        if len(data) > whole or not self.in_flight:
            raise ValueError("the server answered more than it was asked")
        self.buffer = b""
        self.in_flight = False
        self.run.record(data[9:12], data[end_of_head + 4 :], self.run.now() - self.sent_at)
        self.send()

    def connection_lost(self, exc: Exception | None) -> None:
        """A request without its reply has an unknown outcome."""
        del exc
        if self.in_flight:
            self.run.lost += 1
        self.run.closed()


def _content_length(head: bytes) -> int:
    head = head.lower()
    at = head.find(b"\r\ncontent-length:")
    if at < 0:
        raise ValueError("a reply without Content-Length can't be measured here")
    end = head.find(b"\r\n", at + 17)
    return int(head[at + 17 : end if end >= 0 else None])


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _since(earlier: Counter[bytes], later: Counter[bytes]) -> dict[str, int]:
    return {status.decode(): count for status, count in (later - earlier).items()}


async def run_plan(plan: Plan) -> Outcome:
    """Run one plan to its end, which is bounded by the plan and `REPLY_SECONDS_MAX`."""
    loop = asyncio.get_running_loop()
    run = Run(plan, loop)
    connect = partial(loop.create_connection, partial(Connection, run), plan.host, plan.port)
    connections = [(await connect())[1] for _ in range(plan.connections)]
    for connection in connections:
        connection.send()
    if plan.warmup_seconds:
        await asyncio.wait([run.all_closed], timeout=plan.warmup_seconds)
    tally_before, cpu_before = run.tally.copy(), _cpu_seconds()
    latencies_before, began = len(run.latencies), time.perf_counter()
    await asyncio.wait([run.all_closed], timeout=plan.seconds)
    ended, cpu_after, tally_after = time.perf_counter(), _cpu_seconds(), run.tally.copy()
    ordered = array("d", sorted(run.latencies[latencies_before:]))
    run.stopping = True
    await asyncio.wait([run.all_closed], timeout=REPLY_SECONDS_MAX)
    for connection in connections:
        connection.transport.abort()
    await run.all_closed
    if plan.bodies_file is not None:
        Path(plan.bodies_file).write_bytes(b"\n".join(run.bodies))  # noqa: ASYNC240 - load is over
    return Outcome(
        tally=_since(Counter(), run.tally),
        lost=run.lost,
        measured=_since(tally_before, tally_after),
        measured_seconds=ended - began,
        latency_p50=quantile(ordered, 0.5),
        latency_p95=quantile(ordered, 0.95),
        latency_p99=quantile(ordered, 0.99),
        latency_max=quantile(ordered, 1.0),
        cpu_share=(cpu_after - cpu_before) / (ended - began),
    )


def generate(plan: Plan) -> Outcome:
    """Run one plan in a process of its own. CalledProcessError when that process fails."""
    ended = subprocess.run(
        [sys.executable, "-m", "loadtest.generator"],
        input=json.dumps(asdict(plan)).encode(),
        stdout=subprocess.PIPE,
        check=True,
    )
    return Outcome(**json.loads(ended.stdout))


def main() -> None:
    """Read a plan from standard input, run it, print its outcome."""
    fields: dict[str, Any] = json.load(sys.stdin)
    outcome = _fastest_loop()(run_plan(Plan(**fields)))
    json.dump(asdict(outcome), sys.stdout)


def _fastest_loop() -> "Callable[[Any], Any]":
    if sys.platform == "win32":
        return asyncio.run
    import uvloop

    return uvloop.run


if __name__ == "__main__":
    main()
