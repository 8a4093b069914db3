"""The hint ladder: one hint at a time, and the record knows how far up the learner is."""

from __future__ import annotations

from dataclasses import dataclass

from exercises.spec import Exercise
from tutor.base.i18n import Bilingual
from tutor.progress import Progress


@dataclass(frozen=True)
class Hint:
    """A hint that was taken. number: from 1; again: it was the last one, taken before."""

    number: int
    of: int
    text: Bilingual
    again: bool


def take_hint(exercise: Exercise, record: Progress) -> Hint:
    """Take the next hint and record it; the last one again where all are taken."""
    hints = exercise.hints()
    taken = record.hints_taken(exercise.id)
    number = min(taken + 1, len(hints))
    if taken < len(hints):
        record.log("hint", exercise.id, number=number)
    return Hint(number, len(hints), hints[number - 1], again=taken >= len(hints))
