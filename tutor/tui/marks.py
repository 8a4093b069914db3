"""How far the learner is: the one place where marks and points are computed, for every face."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import curriculum

if TYPE_CHECKING:
    from exercises.spec import Exercise
    from tutor.progress import Progress, Standing
    from tutor.progress.reviews import Counts

State = Literal["open", "begun", "done", "skipped"]
SYMBOLS: dict[State, str] = {"open": "○", "begun": "◐", "done": "●", "skipped": "◆"}
"""Skipped: tested out of, and not read."""


@dataclass(frozen=True)
class Mark:
    """A state and the points behind it. `most` is 0 where there is nothing to earn."""

    state: State = "open"
    points: int = 0
    most: int = 0

    @property
    def symbol(self) -> str:
        return SYMBOLS[self.state]

    @property
    def score(self) -> str:
        return f"{self.points}/{self.most}" if self.most else ""


@dataclass(frozen=True)
class Snapshot:
    """What the record and the exercises said when they were last read."""

    exercises: tuple[Exercise, ...] = ()
    standings: Mapping[str, Standing] = field(default_factory=dict)
    lessons: frozenset[str] = frozenset()
    quiz: Mapping[str, Counts] = field(default_factory=dict)
    """The cards of each unit that has some."""
    tested_out: Mapping[str, float] = field(default_factory=dict)
    """When each unit was tested out of (Unix time)."""

    @classmethod
    def read(cls, progress: Progress) -> Snapshot:
        """What stands in the learner's record now."""
        from exercises.spec import all_exercises

        found = all_exercises()
        standings = {e.id: progress.standing(e.id) for e in found}
        lessons = frozenset(progress.lessons_read())
        tested_out = progress.test_outs.units()
        return cls(found, standings, lessons, progress.reviews.counts(), tested_out)

    def of_unit(self, unit: str) -> tuple[Exercise, ...]:
        return tuple(e for e in self.exercises if e.unit == unit)

    def exercise_mark(self, exercise: Exercise) -> Mark:
        most = sum(criterion.points for criterion in exercise.spec.criteria)
        standing = self.standings.get(exercise.id)
        if standing is None or not standing.checks:
            return Mark("open", 0, most)
        return Mark("done" if standing.passed else "begun", standing.best_points, most)

    def lesson_mark(self, unit: str) -> Mark:
        if unit in self.lessons:
            return Mark("done")
        return Mark("skipped" if unit in self.tested_out else "open")

    def quiz_mark(self, unit: str) -> Mark:
        """Cards known of all. They earn no points: a unit is done without them."""
        counts = self.quiz[unit]
        begun: State = "begun" if counts.new < counts.cards else "open"
        state: State = "done" if counts.known == counts.cards else begun
        return Mark(state, counts.known, counts.cards)

    def unit_mark(self, unit: str) -> Mark:
        """A unit is done when its lesson is read and each of its exercises passed; where the
        lesson was skipped by testing out of it, the unit is "skipped"."""
        marks = [self.exercise_mark(e) for e in self.of_unit(unit)]
        states = [m.state for m in marks] + [self.lesson_mark(unit).state]
        return _sum(marks, states)

    def total(self) -> Mark:
        marks = [self.unit_mark(name) for name in curriculum.ORDER]
        return _sum(marks, [m.state for m in marks])

    def next_open(self, after: str = "") -> Exercise | None:
        """Return the first exercise that is not passed, looking on from `after` and round."""
        ids = [e.id for e in self.exercises]
        start = ids.index(after) + 1 if after in ids else 0
        around = self.exercises[start:] + self.exercises[:start]
        return next((e for e in around if self.exercise_mark(e).state != "done"), None)


def _sum(marks: list[Mark], states: list[State]) -> Mark:
    if all(state == "done" for state in states):
        state: State = "done"
    elif all(state in ("done", "skipped") for state in states):
        state = "skipped"
    elif any(state != "open" for state in states):
        state = "begun"
    else:
        state = "open"
    return Mark(state, sum(m.points for m in marks), sum(m.most for m in marks))
