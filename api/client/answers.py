"""What comes of a call: its result, or one of three exceptions."""

from typing import Final, TypeVar

import httpx
from pydantic import ValidationError

from api.bodies import ProblemDocument
from api.client.call import Call

T = TypeVar("T")

_SHOWN_MAX: Final = 200


class ApiProblem(Exception):
    """The API refused or failed: ``code`` says why, ``document`` is all of it (RFC 9457)."""

    def __init__(self, document: ProblemDocument, retry_after_seconds: float | None = None) -> None:
        super().__init__(f"{document.code}: {document.detail}")
        self.document = document
        self.retry_after_seconds = retry_after_seconds

    @property
    def code(self) -> str:
        return self.document.code

    @property
    def status(self) -> int:
        return self.document.status


class NoAnswer(Exception):
    """The server could not be reached or did not answer, however often it was asked.

    Sending the same call again later is safe if it is repeatable; otherwise it may have been
    carried out.
    """


class NotOurs(Exception):
    """What answered is not this API, or something between changed its answer."""


def result_of(call: Call[T], answer: httpx.Response) -> T:
    """The result of a good answer; raises `ApiProblem` or `NotOurs` for any other."""
    if answer.is_success:
        try:
            return call.read(answer.content)
        except ValidationError as error:
            raise NotOurs(f"{call.method} {call.path} answered something else") from error
    raise problem_in(answer)


def problem_in(answer: httpx.Response) -> ApiProblem | NotOurs:
    """The exception that a bad answer is."""
    try:
        document = ProblemDocument.model_validate_json(answer.content)
    except ValidationError:
        return NotOurs(f"{answer.status_code}: {answer.text[:_SHOWN_MAX]}")
    return ApiProblem(document, _retry_after_seconds(answer))


def _retry_after_seconds(answer: httpx.Response) -> float | None:
    text = answer.headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() else None
