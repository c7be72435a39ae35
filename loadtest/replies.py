"""What the clients were told, as the load generators wrote it down."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Reply:
    """One attempt and its answer. `status` 0: no answer came."""

    user_id: str
    status: int
    body: dict[str, Any]
    at_seconds: float = 0.0
    """From the start of the sale to the answer."""
    waited_seconds: float = 0.0

    @property
    def accepted(self) -> bool:
        """The buyer was told that the tickets are theirs."""
        return self.status == 201

    @property
    def refused(self) -> bool:
        """The buyer was told that there are no tickets left."""
        return self.status == 409 and self.body.get("code") == "sold-out"

    @property
    def unknown(self) -> bool:
        """The buyer can't tell whether they booked: no answer, or one of a broken server."""
        return self.status == 0 or self.status >= 500


def read_k6_replies(path: Path, users: Sequence[str]) -> Iterator[Reply]:
    """The lines that `flash_sale.js` wrote, in any order. ValueError for a line of another kind."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            iteration, at_ms, waited_ms, status, text = line.rstrip("\n").split(" ", 4)
            yield Reply(
                user_id=users[int(iteration)],
                status=int(status),
                body=_json_object(text),
                at_seconds=int(at_ms) / 1000,
                waited_seconds=float(waited_ms) / 1000,
            )


def read_accepted(path: Path) -> Iterator[Reply]:
    """The bodies of 201 replies that `loadtest.generator` wrote, one a line."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            body = _json_object(line)
            yield Reply(user_id=str(body.get("user_id")), status=201, body=body)


def _json_object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
