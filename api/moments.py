"""Moments of the past as callers name them: a time, an event's version, a number in the ledger."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Final
from urllib.parse import parse_qsl

from fastapi import Depends, Query
from pydantic import BaseModel, Field, ValidationError

from api.bodies import Time
from api.problems import Problem
from api.services import Services
from api.times import instant_of, rfc3339
from api.validation import validation_problem
from ledger.values import EventId
from projections.past import AsOf, AtSeq, AtTime, AtVersion, Moment, NotBorn, NotYet

_BIGINT_MAX: Final = 2**63 - 1

_At = Annotated[
    Time | None,
    Query(
        description="As it was at that time: RFC 3339 with offset, where + is written %2B. Of the "
        "last seconds more may still be recorded; the version in the answer stays what it is."
    ),
]
_AtVersion = Annotated[
    Annotated[int, Field(ge=1, le=_BIGINT_MAX)] | None,
    Query(description="As it was right after the event's entry of that version."),
]
_AtSeq = Annotated[
    Annotated[int, Field(ge=0, le=_BIGINT_MAX)] | None,
    Query(description="As it was right after the ledger's entry of that `seq`."),
]


def _moment_of(
    at: _At = None, at_version: _AtVersion = None, at_seq: _AtSeq = None
) -> Moment | None:
    moments: list[Moment] = []
    if at is not None:
        moments.append(AtTime(instant_of(at)))
    if at_version is not None:
        moments.append(AtVersion(at_version))
    if at_seq is not None:
        moments.append(AtSeq(at_seq))
    if len(moments) > 1:
        raise Problem(
            "validation",
            "Ask for one moment: at, at_version or at_seq.",
            errors=[{"at": ["query", "at"], "why": "another moment is given too"}],
        )
    return moments[0] if moments else None


AskedMoment = Annotated[Moment | None, Depends(_moment_of)]
"""The moment that a request asks for; None where it names none."""


class _Asked(BaseModel):
    at: _At = None
    at_version: _AtVersion = None
    at_seq: _AtSeq = None


def moment_in(query_string: bytes) -> Moment | None:
    """What `AskedMoment` gives, for a call that reads its query itself; raises the `Problem`."""
    fields = dict(parse_qsl(query_string.decode("latin-1"), keep_blank_values=True))
    try:
        asked = _Asked.model_validate(fields)
    except ValidationError as error:
        raise validation_problem(error.errors(), "query") from None
    return _moment_of(asked.at, asked.at_version, asked.at_seq)


async def moment_of_event(services: Services, event_id: EventId, moment: Moment | None) -> AsOf:
    """What a moment, or the latest, is to an event.

    Raises the `Problem` of one that is still to come, or before there was the event.
    """
    try:
        with still_to_come_as_problem():
            found = await services.past.find(event_id, moment)
    except NotBorn as error:
        detail = f"Event {event_id} was first recorded at {rfc3339(error.began_at)}."
        raise Problem("event-not-found", detail) from None
    if found is None:
        raise Problem("event-not-found", f"There is no event {event_id}.")
    return found


@contextmanager
def still_to_come_as_problem() -> Iterator[None]:
    """Raise the `Problem` of a moment that is still to come."""
    try:
        yield
    except NotYet as error:
        raise Problem("not-yet-recorded", _latest(error.latest)) from None


def _latest(latest: Moment) -> str:
    match latest:
        case AtVersion(version):
            return f"The event's last version is {version}."
        case AtSeq(seq):
            return f"The ledger's last seq is {seq}."
        case AtTime(time):
            return f"It is {rfc3339(time)} now."
