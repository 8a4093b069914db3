"""One step of the ReAct loop as the model writes it, and the reading of it.

A server that obeys JSON schemas cannot write anything else; where one does not, `parse` reads
what it can and says so of the rest.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

READ_CHARACTERS = 4000
"""What comes later in a model's text is not looked at."""
MOST_OBJECTS = 40

_SMALL_NUMBER = re.compile(r"\[?([0-9]{1,3})\]?")
_DECODER = json.JSONDecoder()


@dataclass(frozen=True)
class Text:
    """An argument that is free text of at most so many characters."""

    most: int = 80


@dataclass(frozen=True)
class OneOf:
    """An argument that is one of these values."""

    values: tuple[str | int, ...]
    optional: bool = False


Argument = Text | OneOf
Offer = Mapping[str, Mapping[str, Argument]]
"""What the model may choose from now: the arguments of each action, by its name."""


@dataclass(frozen=True)
class Step:
    """The model's decision."""

    action: str
    arguments: dict[str, str | int] = field(default_factory=dict)


ANSWER = Step("answer")


def schema(offer: Offer) -> dict[str, Any]:
    """Return the JSON schema of a valid step."""
    return {"oneOf": [_schema_of(action, arguments) for action, arguments in offer.items()]}


def _schema_of(action: str, arguments: Mapping[str, Argument]) -> dict[str, Any]:
    properties: dict[str, Any] = {"action": {"const": action}}
    for name, argument in arguments.items():
        if isinstance(argument, Text):
            properties[name] = {"type": "string", "minLength": 2, "maxLength": argument.most}
        else:
            properties[name] = {"enum": list(argument.values)}
    required = ["action", *(n for n, a in arguments.items() if not _optional(a))]
    return {"type": "object", "properties": properties, "required": required}


def parse(text: str, offer: Offer) -> Step | None:
    """Read a step from whatever a model wrote; None where there is no valid one in it."""
    for value in _objects(text[:READ_CHARACTERS]):
        if step := _valid(value, offer):
            return step
    return None


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """Yield the JSON objects of a text, from the outermost in; the last may be cut off."""
    start, left = text.find("{"), MOST_OBJECTS
    while start >= 0 and left:
        left -= 1
        value = _decoded(text[start:])
        if isinstance(value, dict):
            yield value
        start = text.find("{", start + 1)


def _decoded(text: str) -> Any:
    # The token limit cuts a long string off: its beginning is still a query.
    for ending in ("", '"}', "}"):
        try:
            return _DECODER.raw_decode(text + ending)[0]
        except (ValueError, RecursionError):
            continue
    return None


def _valid(value: dict[str, Any], offer: Offer) -> Step | None:
    """Return the step that an object says, in our form or in one that models were trained on:
    {"name": "search", "arguments": {"query": "..."}}."""
    action = next((value[key] for key in ("action", "name", "tool") if key in value), None)
    if not isinstance(action, str) or action not in offer:
        return None
    inner = next(
        (v for k in ("arguments", "parameters") if isinstance(v := value.get(k), dict)), {}
    )
    given = value | inner
    arguments: dict[str, str | int] = {}
    for name, argument in offer[action].items():
        taken = _taken(given.get(name), argument)
        if taken is not None:
            arguments[name] = taken
        elif not _optional(argument):
            return None
    return Step(action, arguments)


def _taken(value: Any, argument: Argument) -> str | int | None:
    if isinstance(argument, Text):
        text = value.strip()[: argument.most] if isinstance(value, str) else ""
        return text or None
    if isinstance(value, str) and (number := _SMALL_NUMBER.fullmatch(value.strip())):
        value = value if value in argument.values else int(number[1])
    return next((v for v in argument.values if type(v) is type(value) and v == value), None)


def _optional(argument: Argument) -> bool:
    return isinstance(argument, OneOf) and argument.optional
