"""Values by their type hints: any at random, and one fixed. What entries are made of."""

import dataclasses
from collections.abc import Iterator
from enum import Enum
from itertools import count
from types import UnionType
from typing import Any, Final, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from hypothesis import strategies as st

from ledger.codec import INTEGER_MAX
from ledger.entries import Entry

ENTRY_CLASSES: Final[tuple[type[Entry], ...]] = get_args(Entry)

INTEGERS: Final = st.integers(-INTEGER_MAX, INTEGER_MAX)
TEXTS: Final = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))

_SAMPLE_TEXT: Final = 'Ödön \\ "Füst" \t\u007f\u2028\ufb01 🎫'
_SAMPLE_ID: Final = 0x0190_0000_0000_7000_8000_0000_0000_0000


def entries(entry_class: type[Entry]) -> st.SearchStrategy[Entry]:
    """Any entry of a type that canonical JSON can carry, whether or not it makes sense."""
    return _any_of(entry_class)


def sample(entry_class: type[Entry]) -> Entry:
    """An entry of a type, the same every time, with something in every field."""
    made: Entry = _sample(entry_class, count(1))
    return made


def _any_of(hint: Any) -> st.SearchStrategy[Any]:
    hint = getattr(hint, "__supertype__", hint)
    if get_origin(hint) in (Union, UnionType):
        return st.one_of([_any_of(member) for member in get_args(hint)])
    if get_origin(hint) is tuple:
        members = get_args(hint)
        if members[-1] is Ellipsis:
            return st.lists(_any_of(members[0]), max_size=4).map(tuple)
        return st.tuples(*map(_any_of, members))
    if dataclasses.is_dataclass(hint):
        hints = get_type_hints(hint)
        made: Any = hint
        return st.builds(
            made, **{field.name: _any_of(hints[field.name]) for field in dataclasses.fields(hint)}
        )
    return _SIMPLE[hint] if hint in _SIMPLE else st.sampled_from(list(hint))


_SIMPLE: Final[dict[Any, st.SearchStrategy[Any]]] = {
    int: INTEGERS,
    str: TEXTS,
    bool: st.booleans(),
    UUID: st.uuids(),
    type(None): st.none(),
}


def _sample(hint: Any, numbers: Iterator[int]) -> Any:
    hint = getattr(hint, "__supertype__", hint)
    if get_origin(hint) in (Union, UnionType):
        return _sample(get_args(hint)[0], numbers)
    if get_origin(hint) is tuple:
        members = get_args(hint)
        if members[-1] is Ellipsis:
            members = (members[0], members[0])
        return tuple(_sample(member, numbers) for member in members)
    if dataclasses.is_dataclass(hint):
        hints = get_type_hints(hint)
        made: Any = hint
        return made(*[_sample(hints[field.name], numbers) for field in dataclasses.fields(hint)])
    number = next(numbers)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return next(iter(hint))
    simple = {
        int: number,
        str: f"{_SAMPLE_TEXT} {number}",
        bool: True,
        UUID: UUID(int=_SAMPLE_ID + number),
    }
    return simple[hint]
