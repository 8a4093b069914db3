"""What an exercise is: one folder exercises/<unit>/<name>/ with an exercise.toml.

exercise.toml           title, minutes, limits, the assets it needs, its criteria
task.en.md, task.zh.md  what to do
starter.en.py, .zh.py   percent-format cells that the learner fills in: the same code in both
solution.py             one right way, never shown before it is asked for
test_criteria.py        one pytest function `test_<criterion id>` for each criterion
hints.toml              the hint ladder, from a nudge to nearly the answer
variants/*.py           right ones in another style: no style may be refused
wrong/*.py              plausible wrong submissions: first line `# caught by: <criterion id>`
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import msgspec

from tutor.base.errors import TutorError, nearest
from tutor.base.i18n import Bilingual, Language, say

ROOT = Path(__file__).parent


@dataclass(frozen=True)
class Criterion:
    """One thing that a submission must do; `test_<id>` decides it."""

    id: str
    title: Bilingual
    hint: Bilingual
    """What to look at when it fails."""
    points: int = 1


@dataclass(frozen=True)
class Limits:
    """What a process of the learner's may use before its whole tree is ended."""

    seconds: float = 60
    memory_mb: int = 4096
    """Resident memory of the process and all its children."""
    output_kb: int = 256
    processes: int = 32
    file_mb: int = 2048


@dataclass(frozen=True)
class Job:
    """The long part of an exercise: the script run as a whole, before its results are graded."""

    limits: Limits
    artefacts: tuple[str, ...] = ()
    """Paths, relative to the run's folder, that a finished run leaves behind."""


@dataclass(frozen=True)
class Tier:
    """The exercise at full size, for the profile "hub" (exercises/tiers.py)."""

    name: str
    base: str
    """The causal LM on the hub that takes the place of `lab.load_base`'s."""
    gpu_gb: float = 0
    """GPU memory that it needs; 0: none."""
    batch_size: int = 0
    """0: the exercise's own."""
    memory_mb: int = 0
    seconds: float = 0
    """Limits of its processes, where they are more than the exercise's."""
    bounds: dict[str, float] = field(default_factory=dict)
    """The criteria's thresholds that are others than the small base's."""


@dataclass(frozen=True)
class Spec:
    """exercise.toml as data."""

    title: Bilingual
    summary: Bilingual
    minutes: int
    criteria: tuple[Criterion, ...]
    needs: tuple[str, ...] = ()
    """Names of assets that must be there."""
    check: Limits = Limits()
    job: Job | None = None
    tiers: tuple[Tier, ...] = ()
    """From small to large."""


@dataclass(frozen=True)
class Exercise:
    """A spec and where it lies."""

    unit: str
    name: str
    folder: Path
    spec: Spec

    @property
    def id(self) -> str:
        return f"{self.unit}/{self.name}"

    def task(self, lang: Language) -> str:
        return (self.folder / f"task.{lang}.md").read_text("utf-8")

    def starter(self, lang: Language) -> Path:
        return self.folder / f"starter.{lang}.py"

    def hints(self) -> tuple[Bilingual, ...]:
        data = tomllib.loads((self.folder / "hints.toml").read_text("utf-8"))
        return msgspec.convert(data["hints"], tuple[Bilingual, ...])


@cache
def all_exercises() -> tuple[Exercise, ...]:
    """Return every exercise, in the order in which the plan's units name them; one that no unit
    names comes last."""
    import curriculum

    named = [p.exercise for unit in curriculum.units() for p in unit.practice if p.exercise]
    rank = {reference: place for place, reference in enumerate(named)}
    found = (_load(path.parent) for path in ROOT.glob("*/*/exercise.toml"))
    return tuple(sorted(found, key=lambda e: (rank.get(e.id, len(rank)), e.id)))


def find(reference: str) -> list[Exercise]:
    """Return the exercises that "week5" or "week5/lora" names.

    Raises TutorError (usage) with the nearest names.
    """
    found = [e for e in all_exercises() if reference in (e.unit, e.id)]
    if not found:
        known = [e.id for e in all_exercises()] + sorted({e.unit for e in all_exercises()})
        raise TutorError(
            say(f"There is no exercise {reference!r}.", f"没有名为 {reference!r} 的练习。"),
            say(f"Nearest: {nearest(reference, known)}", f"最接近的：{nearest(reference, known)}"),
        )
    return found


def find_one(reference: str) -> Exercise:
    """Like `find`, for commands that take one exercise."""
    found = find(reference)
    if len(found) > 1:
        names = ", ".join(e.id for e in found)
        raise TutorError(
            say(f"{reference} has several exercises.", f"{reference} 包含多个练习。"),
            say(f"Name one of: {names}", f"请指定其中一个：{names}"),
        )
    return found[0]


def _load(folder: Path) -> Exercise:
    data = tomllib.loads((folder / "exercise.toml").read_text("utf-8"))
    return Exercise(folder.parent.name, folder.name, folder, msgspec.convert(data, Spec))
