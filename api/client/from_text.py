"""Calls by name, with arguments as text: for the command line."""

import inspect
import json
from collections.abc import Callable, Sequence
from typing import Any, Final

from pydantic import ValidationError, validate_call

from api.client import calls
from api.client.call import Call

FUNCTIONS: Final[dict[str, Callable[..., Call[Any]]]] = {
    name: function
    for name, function in inspect.getmembers(calls, inspect.isfunction)
    if function.__module__ == calls.__name__ and not name.startswith("_")
}
"""Every call that there is, by the name it has on the OpenAPI page."""


class NoSuchCall(Exception):
    """There is no call of this name, or it does not take these arguments."""


def call_of(name: str, arguments: Sequence[str]) -> Call[Any]:
    """The call ``name`` with arguments such as ``quantity=2``; raises `NoSuchCall`.

    A value is read as JSON, and as the text that it is where it is none.
    """
    function = FUNCTIONS.get(name)
    if function is None:
        raise NoSuchCall(f"There is no call {name}: `flashticket call` lists them.")
    given = {}
    for argument in arguments:
        field, is_given, text = argument.partition("=")
        if not is_given:
            raise NoSuchCall(f"{argument} is no NAME=VALUE.")
        given[field] = _value(text)
    try:
        made: Call[Any] = validate_call(function)(**given)
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()
        )
        raise NoSuchCall(f"{wrong}. It is {usage_of(name)}") from error
    return made


def usage_of(name: str) -> str:
    """A call with its arguments; those in brackets may be left out."""
    parameters = inspect.signature(FUNCTIONS[name]).parameters.values()
    words = [
        f"{each.name}=..." if each.default is each.empty else f"[{each.name}=...]"
        for each in parameters
    ]
    return " ".join([name, *words])


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
