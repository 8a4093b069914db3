"""Where in the interface the learner can be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["unit", "lesson", "resources", "exercise", "quiz", "prefer", "ask"]


@dataclass(frozen=True)
class Place:
    """A page. `id` is a unit's id, or an exercise's ("week5/lora"); empty for `ask`, `prefer`,
    and for the quiz on all units."""

    kind: Kind
    id: str = ""

    @property
    def unit(self) -> str:
        return self.id.partition("/")[0]


ASK = Place("ask")
PREFER = Place("prefer")
PREFER_UNIT = "week8"
"""The unit that is about preferences, and leads to that page."""
