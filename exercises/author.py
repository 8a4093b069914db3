"""The author's check: proof that an exercise can be passed, and only by doing what it asks.

- starter.py fails every criterion, each with a message of its own
- solution.py passes them all
- each wrong/*.py is caught by the criterion that its first line names
- texts in both languages, at least three hints, the first of which gives no line of the solution
  away, no stray file
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from exercises import jobs
from exercises.grade import grade, missing_assets
from exercises.report import Report
from exercises.spec import Exercise
from tutor.base import home
from tutor.base.i18n import Bilingual
from tutor.base.settings import Settings

FILES = {"exercise.toml", "task.en.md", "task.zh.md", "starter.py", "solution.py",
         "test_criteria.py", "hints.toml"}  # fmt: skip
OPTIONAL = {"__init__.py"}
LEAST_HINTS = 3
LINE_OF_NOTE = 20
"""Shorter lines of a solution ("return x", "import torch") give nothing away."""
CAUGHT_BY = re.compile(r"#\s*caught by:\s*(\w+)")
FAST = "# fast"
"""A wrong submission with this line fails within seconds, also where the exercise has a job."""


@dataclass(frozen=True)
class Finding:
    """One thing that was proven, or was found wrong. problem: empty where it holds."""

    exercise: str
    what: str
    problem: str
    seconds: float = 0
    skipped: bool = False


def check(
    exercise: Exercise, settings: Settings, fast: bool = False, on_event: jobs.OnEvent | None = None
) -> Iterator[Finding]:
    """Yield the findings one after another, the quick ones first.

    fast: leave out what would train. Finished runs are kept in TUTOR_HOME/cache/dev by their
    source, and are not run again.
    """
    yield from _static(exercise)
    if missing := missing_assets(exercise):
        yield Finding(exercise.id, "assets", missing)
        return
    runs = home.home() / "cache" / "dev" / exercise.unit / exercise.name
    attempt = _Attempt(exercise, settings, fast, runs, on_event)
    yield attempt("starter", exercise.folder / "starter.py", starter_problem)
    yield attempt("solution", exercise.folder / "solution.py", solution_problem)
    for path in sorted((exercise.folder / "wrong").glob("*.py")):
        yield attempt(f"wrong/{path.name}", path, wrong_problem(exercise, path))


@dataclass(frozen=True)
class _Attempt:
    exercise: Exercise
    settings: Settings
    fast: bool
    runs: Path
    on_event: jobs.OnEvent | None

    def __call__(self, what: str, path: Path, judge: Callable[[Report], str]) -> Finding:
        began = time.monotonic()
        if not path.exists():
            return Finding(self.exercise.id, what, "is not there")
        if self._would_train(what, path):
            return Finding(self.exercise.id, what, "", skipped=True)
        report = grade(self.exercise, path, self.on_event, self.settings, runs=self.runs)
        seconds = round(time.monotonic() - began, 1)
        return Finding(self.exercise.id, what, judge(report), seconds)

    def _would_train(self, what: str, path: Path) -> bool:
        job = self.exercise.spec.job
        if not self.fast or job is None or what == "starter":
            return False
        done = jobs.finished_run(jobs.run_dir_of(self.runs, path), path, job)
        return done is None and FAST not in path.read_text("utf-8").splitlines()[:3]


def starter_problem(report: Report) -> str:
    """Say what is wrong with how the starter failed, or ""."""
    passed = [r.criterion for r in report.results if r.outcome == "passed"]
    if passed:
        return f"the starter already passes {', '.join(passed)}"
    if silent := [r.criterion for r in report.results if r.message in ("", r.title)]:
        return f"no message of its own: {', '.join(silent)}"
    messages = [r.message for r in report.results]
    if twice := [r.criterion for r in report.results if messages.count(r.message) > 1]:
        return f"the same message: {', '.join(twice)}: {report.results[0].message}"
    return ""


def solution_problem(report: Report) -> str:
    """Say which criteria the solution does not pass, or ""."""
    return "" if report.passed else _not_passed(report)


def wrong_problem(exercise: Exercise, path: Path) -> Callable[[Report], str]:
    """Return the judge of a wrong submission: the criterion that it names must catch it."""
    lines = path.read_text("utf-8").splitlines()
    named = CAUGHT_BY.match(lines[0]) if lines else None

    def judge(report: Report) -> str:
        if named is None:
            return "its first line is not `# caught by: <criterion id>`"
        results = {r.criterion: r for r in report.results}
        if named[1] not in results:
            return f"{exercise.id} has no criterion {named[1]}"
        if results[named[1]].outcome != "failed":
            return f"{named[1]} did not catch it: {_not_passed(report) or 'it passes'}"
        return ""

    return judge


def _not_passed(report: Report) -> str:
    lines = [f"{r.criterion}: {r.message}" for r in report.results if r.outcome != "passed"]
    return "\n".join([f"{report.ending} {report.message}".strip(), *lines]) if lines else ""


def _static(exercise: Exercise) -> Iterator[Finding]:
    checks = {"files": _files, "languages": _languages, "hints": _hints, "criteria": _criteria}
    for what, find in checks.items():
        yield Finding(exercise.id, what, "; ".join(find(exercise)))


def _files(exercise: Exercise) -> Iterator[str]:
    found = {
        path.relative_to(exercise.folder).as_posix()
        for path in exercise.folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    wrong = {name for name in found if re.fullmatch(r"wrong/\w+\.py", name)}
    if absent := sorted(FILES - found):
        yield f"not there: {', '.join(absent)}"
    if stray := sorted(found - FILES - OPTIONAL - wrong):
        yield f"stray: {', '.join(stray)}"
    if not wrong:
        yield "no wrong submission in wrong/"


def _languages(exercise: Exercise) -> Iterator[str]:
    spec = exercise.spec
    texts: dict[str, Bilingual] = {"title": spec.title, "summary": spec.summary}
    texts |= {f"hint {n}": hint for n, hint in enumerate(exercise.hints(), 1)}
    for criterion in spec.criteria:
        texts |= {f"{criterion.id} title": criterion.title, f"{criterion.id} hint": criterion.hint}
    texts["task"] = Bilingual(exercise.task("en"), exercise.task("zh"))
    for name, text in texts.items():
        if not text.en.strip():
            yield f"{name}: no English"
        if not re.search("[\u4e00-\u9fff]", text.zh):
            yield f"{name}: no Chinese"


def _hints(exercise: Exercise) -> Iterator[str]:
    hints = exercise.hints()
    if len(hints) < LEAST_HINTS:
        yield f"{len(hints)} hints; at least {LEAST_HINTS}"
    given = set(_lines(exercise.folder / "starter.py"))
    telling = [line for line in _lines(exercise.folder / "solution.py") if line not in given]
    for line in telling:
        if hints and line in hints[0].en + "\n" + hints[0].zh:
            yield f"the first hint gives a line of the solution away: {line}"


def _lines(path: Path) -> list[str]:
    lines = [line.strip() for line in path.read_text("utf-8").splitlines()]
    return [
        x for x in lines if len(x) >= LINE_OF_NOTE and not x.startswith(("#", "import", "from"))
    ]


def _criteria(exercise: Exercise) -> Iterator[str]:
    """Each criterion has its test, and each test its criterion."""
    source = (exercise.folder / "test_criteria.py").read_text("utf-8")
    tests = set(re.findall(r"^def test_(\w+)\(", source, re.MULTILINE))
    ids = {criterion.id for criterion in exercise.spec.criteria}
    if untested := sorted(ids - tests):
        yield f"no test: {', '.join(untested)}"
    if unknown := sorted(tests - ids):
        yield f"test without a criterion: {', '.join(unknown)}"
