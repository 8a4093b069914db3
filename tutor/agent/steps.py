"""One step of the ReAct loop as the model writes it, and the reading of it.

A server that obeys JSON schemas cannot write anything else; where one does not, `parse` reads
what it can and says so of the rest.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Literal

Action = Literal["answer", "search", "read_on"]

QUERY_CHARACTERS = 120

_OBJECT = re.compile(r"\{[^{}]*\}")


@dataclass(frozen=True)
class Step:
    """The model's decision: query belongs to "search", passage (1-based) to "read_on"."""

    action: Action
    query: str = ""
    passage: int = 0

    @property
    def arguments(self) -> dict[str, Any]:
        if self.action == "search":
            return {"query": self.query}
        return {"passage": self.passage} if self.action == "read_on" else {}


ANSWER = Step("answer")


def schema(passages: int) -> dict[str, Any]:
    """Return the JSON schema of a valid step when there are so many passages."""

    def step(action: Action, **more: Any) -> dict[str, Any]:
        properties = {"action": {"const": action}, **more}
        return {"type": "object", "properties": properties, "required": list(properties)}

    choices = [
        step("answer"),
        step("search", query={"type": "string", "minLength": 2, "maxLength": QUERY_CHARACTERS}),
    ]
    if passages:
        choices.append(step("read_on", passage={"enum": list(range(1, passages + 1))}))
    return {"oneOf": choices}


def parse(text: str, passages: int) -> Step | None:
    """Read a step from whatever a model wrote; None where there is no valid one in it."""
    for candidate in _OBJECT.findall(text[:4000]):
        try:
            value = json.loads(candidate)
        except (json.JSONDecodeError, RecursionError):
            continue
        if step := _valid(value, passages):
            return step
    return None


def _valid(value: Any, passages: int) -> Step | None:
    if not isinstance(value, dict):
        return None
    query, passage = value.get("query"), value.get("passage")
    match value.get("action"):
        case "answer":
            return ANSWER
        case "search" if isinstance(query, str) and query.strip():
            return Step("search", query=query.strip()[:QUERY_CHARACTERS])
        case "read_on" if type(passage) is int and 1 <= passage <= passages:
            return Step("read_on", passage=passage)
    return None
