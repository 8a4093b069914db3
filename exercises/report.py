"""What a check found: plain data, for the faces to draw and the progress record to keep."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Outcome = Literal["passed", "failed", "not_run"]
Ending = Literal[
    "finished",
    "timed_out",
    "out_of_memory",
    "too_much_output",
    "too_many_processes",
    "crashed",
    "missing",
    "interrupted",
]


@dataclass(frozen=True)
class Result:
    """One criterion's outcome."""

    criterion: str
    title: str
    points: int
    outcome: Outcome
    message: str = ""
    """Why it failed: the assertion's own message, in the learner's language where we wrote it."""
    hint: str = ""
    figures: dict[str, float] = field(default_factory=dict)
    """What the grader measured, by name, for example {"held_out_loss": 2.1}."""
    decided: bool = True
    """False where the process ended while this was checked: failed, but not by the criterion."""


@dataclass(frozen=True)
class Report:
    """The outcome of checking one submission. The grader returns one whatever happens."""

    exercise: str
    ending: Ending
    results: tuple[Result, ...]
    seconds: float
    message: str = ""
    """What ended the process, where it did not finish by itself."""
    output: str = ""
    """The end of what the submission printed."""
    source_sha256: str = ""

    @property
    def passed(self) -> bool:
        return bool(self.results) and all(r.outcome == "passed" for r in self.results)

    @property
    def points(self) -> int:
        return sum(r.points for r in self.results if r.outcome == "passed")

    @property
    def max_points(self) -> int:
        return sum(r.points for r in self.results)
