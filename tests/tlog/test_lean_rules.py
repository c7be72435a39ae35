"""The lean rules against the domain's own: what one lets pass or refuses, so does the other."""

import random
from typing import Any, get_args
from uuid import UUID

import orjson
import pytest
from exporting import EVERY_TYPE, story_of_every_type
from tampering import CHANGES, Change, rechained, streams_of

from ledger import codec
from ledger.codec import UPCASTS
from ledger.entries import Entry, Recorded
from ledger.replay import Broken, fold
from ledger.rows import Row
from ledger.values import EventId
from projections.lean_rules import READINGS, FieldsWrong, LeanStream, RuleBroken


def test_every_entry_type_has_its_rule() -> None:
    assert READINGS.keys() == EVERY_TYPE


def test_todays_schema_versions_are_those_of_the_codec() -> None:
    for recorded in story_of_every_type().appended:
        assert READINGS[recorded.type_name].schema_version == recorded.schema_version
    for type_name, version in UPCASTS:
        assert version < READINGS[type_name].schema_version


def lean_verdict(rows: list[Row]) -> tuple[int, str] | LeanStream:
    """The version at which a rule breaks, and which; the stream if none does."""
    stream = LeanStream()
    for row in rows:
        reading = READINGS[row[6]]
        try:
            fields = reading.lifted(row[6], row[7], orjson.loads(row[8]))
            reading.rule(stream, fields, row[2])
        except RuleBroken as broken:
            return row[1], broken.args[0]
        except (FieldsWrong, KeyError, TypeError):
            return row[1], "L7"
    return stream


def replay_verdict(stream_id: EventId, rows: list[Row]) -> tuple[int, str] | Any:
    try:
        return fold(stream_id, rows).state
    except Broken as broken:
        return broken.violation.version or 0, broken.violation.rule
    except (IndexError, KeyError):  # seats that there are not, or fewer of them than places
        return rows[-1][1], "L2"


def test_a_history_that_holds_comes_to_the_same_counts() -> None:
    for stream_id, rows in streams_of(story_of_every_type().appended).items():
        lean, state = lean_verdict(rows), replay_verdict(stream_id, rows)
        assert isinstance(lean, LeanStream)
        assert (lean.booked, lean.held) == (state.booked, state.held)
        assert {seat: str(claim) for seat, claim in state.claims.items()} == lean.claims
        assert len(lean.bookings) == len(state.bookings)


@pytest.mark.parametrize("change", CHANGES)
def test_a_history_covered_up_is_judged_as_replay_judges_it(
    choose: random.Random, change: Change
) -> None:
    """Rules that replay has not are allowed to the lean ones, never the other way round."""
    streams = streams_of(story_of_every_type().appended)
    stricter = 0
    for _ in range(1_500):
        stream_id, rows = choose.choice(list(streams.items()))
        tampered = rechained(change(choose, rows))
        lean, replayed = lean_verdict(tampered), replay_verdict(stream_id, tampered)
        if isinstance(replayed, tuple):
            assert isinstance(lean, tuple), (replayed, tampered)
            assert lean[0] <= replayed[0], (lean, replayed, tampered)
        elif isinstance(lean, tuple):
            stricter += 1
        else:
            assert (lean.booked, lean.held) == (replayed.booked, replayed.held)
    assert stricter < 300


@pytest.mark.parametrize("entry_class", get_args(Entry), ids=lambda each: str(each.__name__))
def test_a_field_of_another_type_is_refused(entry_class: type[Entry]) -> None:
    """What the codec cannot read the lean rules do not read either, and the other way round."""
    type_name = entry_class.__name__
    recorded = next(each for each in story_of_every_type().appended if each.type_name == type_name)
    fields = orjson.loads(recorded.payload)
    others = [0, "x", None, 1.5, True, {}, [], [0], ["x"], [None], [1.5], [{}]]
    attempts = [fields | {name: other} for name in fields for other in others]
    attempts += [{k: v for k, v in fields.items() if k != name} for name in fields]
    attempts += [fields | {"more": 1}]
    for attempt in attempts:
        assert reads(recorded, attempt) == decodes(recorded, attempt), attempt


def decodes(recorded: Recorded, fields: dict[str, Any]) -> bool:
    fields = {name: an_id_for(name, value) for name, value in fields.items()}
    payload = orjson.dumps(fields, option=orjson.OPT_SORT_KEYS)
    try:
        codec.decode(recorded.type_name, recorded.schema_version, payload)
    except codec.UnreadablePayload:
        return False
    return True


def an_id_for(name: str, value: Any) -> Any:
    """Any text for an id will do for the lean rules, which compare ids as text."""
    return str(UUID(int=1)) if name.endswith("_id") and type(value) is str else value


def reads(recorded: Recorded, fields: dict[str, Any]) -> bool:
    try:
        READINGS[recorded.type_name].rule(LeanStream(), fields, recorded.recorded_at)
    except RuleBroken:
        return True
    except (FieldsWrong, KeyError, TypeError):
        return False
    return True
