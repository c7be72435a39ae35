"""What was wrong with a request, said without repeating what was sent."""

from collections.abc import Iterable, Mapping
from typing import Any

from api.problems import Problem


def validation_problem(errors: Iterable[Mapping[str, Any]], *where: str) -> Problem:
    """The `Problem` of pydantic's ``errors``, each located below ``where``.

    The input itself is left out: it may be a secret, huge, or no valid text.
    """
    found = list(errors)
    if any(error["type"].startswith("json_") for error in found):
        place = ", ".join(where) or "body"
        return Problem("malformed-json", f"The {place} is not JSON: {found[0]['msg']}.")
    listed = [
        {
            "at": [*where, *(_printable(part) for part in error["loc"])],
            "why": error["msg"].removeprefix("Value error, "),
        }
        for error in found[:20]
    ]
    first = listed[0]
    place = ".".join(str(part) for part in first["at"])
    return Problem("validation", f"{place}: {first['why']}", errors=listed)


def invalid(part: str, field: str, why: str) -> Problem:
    """The `Problem` of one ``field`` in a ``part`` of the request: its body, path or query."""
    return Problem(
        "validation", f"{part}.{field}: {why}", errors=[{"at": [part, field], "why": why}]
    )


def _printable(part: str | int) -> str | int:
    # A field's name comes from the sender: it may be long, or no text that UTF-8 can carry.
    if isinstance(part, int):
        return part
    return part[:100].encode("utf-8", "replace").decode()
