"""How problems appear on the OpenAPI page."""

from typing import Any, Final

from api.access import ROLES_OF_CALL
from api.bodies import ProblemDocument
from api.problems import KINDS, MEDIA_TYPE

_OF_EVERY_CALL: Final = (
    "internal-error",
    "malformed-json",
    "payload-too-large",
    "unavailable",
    "unsupported-media-type",
    "validation",
)


def problems(*codes: str, call: str | None = None) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of a route that may answer the problems ``codes``.

    Those that every call shares are added: bad input, no access where ``call`` needs a role, and a
    database that is away.
    """
    every = {*codes, *_OF_EVERY_CALL}
    if call in ROLES_OF_CALL:
        every |= {"unauthenticated", "forbidden", "rate-limited"}
    responses: dict[int | str, dict[str, Any]] = {}
    for code in sorted(every):
        kind = KINDS[code]
        response = responses.setdefault(
            kind.status,
            {
                "model": ProblemDocument,
                "description": "",
                "content": {MEDIA_TYPE: {"examples": {}}},
            },
        )
        titles = [title for title in (response["description"], kind.title) if title]
        response["description"] = "; ".join(titles)
        response["content"][MEDIA_TYPE]["examples"][code] = {
            "value": {
                "type": f"/problems/{code}",
                "title": kind.title,
                "status": kind.status,
                "detail": kind.remedy,
                "code": code,
            }
        }
    return responses


def problems_as_served(page: dict[str, Any]) -> dict[str, Any]:
    """``page`` with each problem's schema at its own media type: FastAPI puts it at JSON's."""
    for operations in page["paths"].values():
        for operation in operations.values():
            for response in operation["responses"].values():
                content = response.get("content", {})
                if MEDIA_TYPE in content and "application/json" in content:
                    content[MEDIA_TYPE] |= content.pop("application/json")
    return page
