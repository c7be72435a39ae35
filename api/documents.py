"""How problems appear on the OpenAPI page."""

from typing import Any, Final

from api.access import ROLES_OF_CALL
from api.bodies import ProblemDocument
from api.examples import problem_example
from api.problems import KINDS, MEDIA_TYPE

_OF_EVERY_CALL: Final = (
    "internal-error",
    "malformed-json",
    "payload-too-large",
    "unavailable",
    "unsupported-media-type",
    "validation",
)
_REFERENCE: Final = f"#/components/schemas/{ProblemDocument.__name__}"


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
                "description": "",
                "content": {MEDIA_TYPE: {"examples": {}, "schema": {"$ref": _REFERENCE}}},
            },
        )
        titles = [title for title in (response["description"], kind.title) if title]
        response["description"] = "; ".join(titles)
        response["content"][MEDIA_TYPE]["examples"][code] = problem_example(code)
    return responses


def with_problem_schema(page: dict[str, Any]) -> dict[str, Any]:
    """``page`` with the schema that `problems` refers to.

    A ``model`` for each of them would have FastAPI build a validator for every status of every
    call, some four hundred that nothing is ever validated by: 2 MB of each process.
    """
    page["components"]["schemas"][ProblemDocument.__name__] = ProblemDocument.model_json_schema()
    return page
