"""The plan as data, in both languages: one folder a unit under curriculum/units.

unit.toml               objectives, theory, practice, resources
lesson.en.md, .zh.md    the lesson
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec

from tutor.base.errors import TutorError, nearest
from tutor.base.i18n import Bilingual, Language, language, say

ROOT = Path(__file__).parent / "units"
ORDER = ("foundations", *(f"week{n}" for n in range(1, 9)), "deployment")


@dataclass(frozen=True)
class Practice:
    """Something to do; `exercise` names the graded one ("week5/lora") where there is one."""

    text: Bilingual
    exercise: str = ""


@dataclass(frozen=True)
class Resource:
    """Something to read: what to look for in it and how long it takes."""

    title: Bilingual
    url: str
    kind: Literal["paper", "docs", "course", "blog", "code", "notebook", "dataset", "video"]
    language: Language
    minutes: int
    note: Bilingual
    source: str = ""
    """The folder of the knowledge base's mirror that holds it, for example "peft-docs"."""


@dataclass(frozen=True)
class Unit:
    """One unit of the plan. `number` is 0 for foundations, 1 to 8 for the weeks, 9 for
    deployment."""

    id: str
    number: int
    title: Bilingual
    summary: Bilingual
    hours: int
    objectives: tuple[Bilingual, ...]
    theory: tuple[Bilingual, ...]
    practice: tuple[Practice, ...]
    resources: tuple[Resource, ...]

    def lesson_file(self, lang: Language | None = None) -> Path | None:
        """Return the lesson in the language, or None where it is not written yet."""
        path = ROOT / self.id / f"lesson.{lang or language()}.md"
        return path if path.exists() else None


@cache
def units() -> tuple[Unit, ...]:
    """Return the ten units in the order of study."""
    return tuple(_load(name) for name in ORDER)


def unit(reference: str) -> Unit:
    """Return the unit that "week5", "5" or "foundations" names.

    Raises TutorError (usage) with the nearest names.
    """
    for candidate in units():
        if reference.lower() in (candidate.id, str(candidate.number)):
            return candidate
    raise TutorError(
        say(f"There is no unit {reference!r}.", f"没有名为 {reference!r} 的单元。"),
        say(
            f"Nearest: {nearest(reference, list(ORDER))}",
            f"最接近的：{nearest(reference, list(ORDER))}",
        ),
    )


def _load(name: str) -> Unit:
    text = (ROOT / name / "unit.toml").read_text("utf-8")
    return msgspec.convert({"id": name, **tomllib.loads(text)}, Unit)
