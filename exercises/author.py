"""The author's check: proof that an exercise can be passed, and only by doing what it asks.

- starter.en.py fails every criterion, each with a message of its own; starter.zh.py is the same code
- solution.py passes them all
- each variants/*.py, a solution in another style, passes them too
- each wrong/*.py, a patch of the solution (exercises/patched.py) or a whole file, is caught by the
  criterion that its first line names; by its words, not by a time limit or a crash, unless the line
  says that it ends the process: `# caught by: <criterion> (ends)`
- a tier (exercises/tiers.py) that this machine cannot run is skipped, with the reason
- texts in both languages, at least three hints, the first of which gives no line of the solution
  away, no stray file
"""

from __future__ import annotations

import ast
import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path

from exercises import jobs, patched, tiers
from exercises.grade import grade, grade_together, missing_assets
from exercises.report import Report
from exercises.spec import Exercise
from tutor.base import home
from tutor.base.i18n import Bilingual, Language
from tutor.base.settings import Settings
from tutor.base.writing import write

FILES = {"exercise.toml", "task.en.md", "task.zh.md", "starter.en.py", "starter.zh.py",
         "solution.py", "test_criteria.py", "hints.toml"}  # fmt: skip
OPTIONAL = {"__init__.py"}
LEAST_HINTS = 3
LINE_OF_NOTE = 20
"""Shorter lines of a solution ("return x", "import torch") give nothing away."""
CAUGHT_BY = re.compile(r"#\s*caught by:\s*(\w+)( \(ends\))?")
CELL = re.compile(r"^# %%.*$", re.MULTILINE)
MARKDOWN = re.compile(r"^# %% \[markdown\]\n((?:#.*\n)+)", re.MULTILINE)
CJK = re.compile("[\u4e00-\u9fff]")
LANGUAGES: tuple[Language, ...] = ("en", "zh")
FAST = "# fast"
"""A wrong submission with this line fails within seconds, also where the exercise has a job."""


@dataclass(frozen=True)
class Finding:
    """One thing that was proven, or was found wrong. problem: empty where it holds."""

    exercise: str
    what: str
    problem: str
    seconds: float = 0
    """What the check took, without the run."""
    run_seconds: float = 0
    """What the run took, also where it was kept from before."""
    skipped: bool = False


@dataclass(frozen=True)
class Summary:
    """What was found of one exercise: `caught` of `wrong` and `passed` of `variants`; those that
    were skipped count in neither."""

    exercise: str
    criteria: int
    wrong: int
    caught: int
    variants: int
    passed: int
    skipped: int
    run_seconds: float
    check_seconds: float
    """The solution's, as is run_seconds."""
    slowest_seconds: float
    slowest: str
    problems: int
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class How:
    """How to check. fast: leave out what would train. times: gradings of the solution and of one
    wrong submission, whose reports must be the same."""

    fast: bool = False
    times: int = 1


def check(
    exercise: Exercise,
    settings: Settings,
    how: How | None = None,
    on_event: jobs.OnEvent | None = None,
    cancel: threading.Event | None = None,
) -> Iterator[Finding]:
    """Yield the findings one after another. cancel: set from another thread to end it.

    Finished runs are kept in TUTOR_HOME/cache/dev by their source, and are not run again.
    """
    how = how or How()
    yield from _static(exercise)
    for tier in exercise.spec.tiers:
        if reason := tiers.why_not(tier, settings):
            yield Finding(exercise.id, f"tier {tier.name}: {reason}", "", skipped=True)
    if missing := missing_assets(exercise):
        yield Finding(exercise.id, "assets", missing)
        return
    runs = home.home() / "cache" / "dev" / exercise.unit / exercise.name
    attempt = _Attempt(exercise, settings, how.fast, runs, on_event, cancel or threading.Event())
    tries = list(_tries(attempt, how.times))
    for one in tries:
        if not attempt.is_quick(one) and not attempt.cancel.is_set():
            yield attempt(one)
    if quick := [one for one in tries if attempt.is_quick(one)]:
        yield from attempt.together(quick)


def summarize(exercise: Exercise, findings: Iterable[Finding]) -> Summary:
    """Count what was found."""
    findings = tuple(findings)
    graded = [f for f in findings if not f.skipped]
    wrong = [f for f in graded if f.what.startswith("wrong/")]
    variants = [f for f in graded if f.what.startswith("variants/")]
    nothing = Finding(exercise.id, "", "")
    solution = next((f for f in graded if f.what == "solution"), nothing)
    slowest = max(graded, key=lambda f: f.seconds, default=nothing)
    return Summary(
        exercise.id, len(exercise.spec.criteria),
        len(wrong), sum(not f.problem for f in wrong),
        len(variants), sum(not f.problem for f in variants),
        len(findings) - len(graded), solution.run_seconds, solution.seconds,
        slowest.seconds, slowest.what, sum(bool(f.problem) for f in findings), findings,
    )  # fmt: skip


@dataclass(frozen=True)
class _Try:
    """A submission to grade so many times, and who judges its report."""

    what: str
    path: Path
    judge: Callable[[Report], str]
    times: int = 1
    only: str = ""
    """The criterion that decides; the others are left out where the check is to be fast."""


def _tries(attempt: _Attempt, times: int) -> Iterator[_Try]:
    exercise = attempt.exercise
    yield _Try("starter", exercise.starter("en"), starter_problem)
    yield _Try("solution", exercise.folder / "solution.py", solution_problem, times)
    for path in sorted((exercise.folder / "variants").glob("*.py")):
        yield _Try(f"variants/{path.name}", path, solution_problem)
    again = times
    for path in sorted((exercise.folder / "wrong").glob("*.py")):
        judge = wrong_problem(exercise, path)
        one = _Try(f"wrong/{path.name}", whole(exercise, path), judge, again, caught_by(path))
        yield one
        if not attempt.would_train(one):
            again = 1


@dataclass(frozen=True)
class _Attempt:
    exercise: Exercise
    settings: Settings
    fast: bool
    runs: Path
    on_event: jobs.OnEvent | None
    cancel: threading.Event

    def __call__(self, one: _Try) -> Finding:
        found = Finding(self.exercise.id, one.what, "")
        if not one.path.exists():
            return replace(found, problem="is not there")
        if self.would_train(one):
            return replace(found, skipped=True)
        before = self._last_run(one.path)
        report = self._grade(one)
        after = self._last_run(one.path)
        # A run from before is not in the report's time.
        ran = after.seconds if after and after != before else 0
        problem = one.judge(report)
        for _ in range(one.times - 1):
            problem = problem or difference(report, self._grade(one))
        return replace(
            found,
            problem=problem,
            seconds=round(max(0, report.seconds - ran), 1),
            run_seconds=round(after.seconds, 1) if after else 0,
        )

    def is_quick(self, one: _Try) -> bool:
        """Whether it can be graded together with others: it needs no run. The solution is graded
        alone, as a learner's file is."""
        if not self.fast or one.what == "solution" or one.times > 1 or not hasattr(os, "fork"):
            return False
        return self.exercise.spec.job is None or (bool(one.only) and self._is_fast(one))

    def together(self, tries: Sequence[_Try]) -> list[Finding]:
        """Grade submissions in one go, without a run of theirs; those that were not caught then
        are graded alone, and run."""
        asked = [(one.path, one.only) for one in tries]
        found = []
        for one, report in zip(
            tries, grade_together(self.exercise, asked, self.settings, self.cancel), strict=True
        ):
            if self.cancel.is_set():
                break
            if report is None or one.judge(report):
                found.append(self(one))
            else:
                finding = Finding(self.exercise.id, one.what, "")
                found.append(replace(finding, seconds=round(report.seconds, 1)))
        return found

    def _grade(self, one: _Try) -> Report:
        return grade(
            self.exercise, one.path, self.on_event, self.settings, runs=self.runs,
            cancel=self.cancel, only=one.only if self.fast else "",
        )  # fmt: skip

    def _last_run(self, path: Path) -> jobs.JobResult | None:
        if self.exercise.spec.job is None:
            return None
        return jobs.last_result(self._run_dir(path))

    def _run_dir(self, path: Path) -> Path:
        return jobs.folder_for(self.exercise, path, self.settings, self.runs)

    def would_train(self, one: _Try) -> bool:
        job = self.exercise.spec.job
        if not self.fast or job is None or one.what == "starter" or not one.path.exists():
            return False
        done = jobs.finished_run(self._run_dir(one.path), one.path, job)
        return done is None and not self._is_fast(one)

    def _is_fast(self, one: _Try) -> bool:
        return FAST in one.path.read_text("utf-8").splitlines()[:3]


def difference(first: Report, other: Report) -> str:
    """Say where two reports on the same submission differ, or "".

    Apart from the seconds, and from the output, in which libraries print seconds of their own.
    """
    if (first.ending, first.message) != (other.ending, other.message):
        return (
            f"not the same twice: {first.ending} {first.message!r}, "
            f"then {other.ending} {other.message!r}"
        )
    for one, two in zip(first.results, other.results, strict=True):
        if one != two:
            return (
                f"not the same twice: {one.criterion} {one.outcome} {one.message!r} "
                f"{one.figures}, then {two.outcome} {two.message!r} {two.figures}"
            )
    return ""


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
    named, ends = caught_by(path), ends_process(path)

    def judge(report: Report) -> str:
        if not named:
            return "its first line is not `# caught by: <criterion id>`"
        results = {r.criterion: r for r in report.results}
        if named not in results:
            return f"{exercise.id} has no criterion {named}"
        if results[named].outcome != "failed":
            return f"{named} did not catch it: {_not_passed(report) or 'it passes'}"
        if results[named].decided == ends:
            return f"{named} {'decided' if ends else 'did not decide'}: {results[named].message}"
        return ""

    return judge


def whole(exercise: Exercise, wrong: Path) -> Path:
    """Return a wrong submission as a learner's file: of a patch, the one that it makes of the
    solution, in TUTOR_HOME/cache/dev."""
    patch, solution = wrong.read_text("utf-8"), exercise.folder / "solution.py"
    if not patched.is_patch(patch) or not solution.exists():
        return wrong
    path = home.home() / "cache" / "dev" / exercise.unit / exercise.name / "wrong" / wrong.name
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, patched.apply(patch, solution.read_text("utf-8")).encode())
    return path


def caught_by(path: Path) -> str:
    """Return the criterion that a wrong submission names in its first line, or ""."""
    named = CAUGHT_BY.match(path.read_text("utf-8"))
    return named[1] if named else ""


def ends_process(path: Path) -> bool:
    """Whether its first line says that it ends the process, or goes on until the time limit."""
    named = CAUGHT_BY.match(path.read_text("utf-8"))
    return bool(named and named[2])


def _not_passed(report: Report) -> str:
    lines = [f"{r.criterion}: {r.message}" for r in report.results if r.outcome != "passed"]
    return "\n".join([f"{report.ending} {report.message}".strip(), *lines]) if lines else ""


def _static(exercise: Exercise) -> Iterator[Finding]:
    checks = {"files": _files, "languages": _languages, "starters": _starters, "hints": _hints,
              "criteria": _criteria}  # fmt: skip
    for what, find in checks.items():
        yield Finding(exercise.id, what, "; ".join(find(exercise)))


def _files(exercise: Exercise) -> Iterator[str]:
    found = {
        path.relative_to(exercise.folder).as_posix()
        for path in exercise.folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    wrong = {name for name in found if re.fullmatch(r"wrong/\w+\.py", name)}
    variants = {name for name in found if re.fullmatch(r"variants/\w+\.py", name)}
    if absent := sorted(FILES - found):
        yield f"not there: {', '.join(absent)}"
    if stray := sorted(found - FILES - OPTIONAL - wrong - variants):
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
        if not CJK.search(text.zh):
            yield f"{name}: no Chinese"


def _starters(exercise: Exercise) -> Iterator[str]:
    """Both are the same code; cells, docstrings and the words of a gap are in Chinese in the one."""
    if not all(exercise.starter(lang).exists() for lang in LANGUAGES):
        return  # `files` says so
    english, chinese = (exercise.starter(lang).read_text("utf-8") for lang in LANGUAGES)
    for one, other in zip_longest(_code(english), _code(chinese), fillvalue="nothing"):
        if one != other:
            yield f"starter.zh.py is other code: {other!r} for {one!r}"
            return
    if len(CELL.findall(english)) != len(CELL.findall(chinese)):
        yield "starter.zh.py has other cells"
    yield from (
        f"starter.zh.py, no Chinese: {text!r}" for text in _prose(chinese) if not CJK.search(text)
    )


def _code(source: str) -> list[str]:
    """Return the lines of a starter's code, without what is prose."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        match node:
            case ast.Expr(value=ast.Constant(value=str()) as said):
                said.value = ""
            case ast.Call(func=ast.Name(id="NotImplementedError")):
                node.args = []
    return ast.unparse(tree).splitlines()


def _prose(source: str) -> Iterator[str]:
    """Yield a starter's Markdown cells, docstrings (a constant's too) and words of gaps."""
    yield from MARKDOWN.findall(source)
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Expr(value=ast.Constant(value=str(said))):
                yield said
            case ast.Call(func=ast.Name(id="NotImplementedError")):
                yield from map(ast.unparse, node.args)


def _hints(exercise: Exercise) -> Iterator[str]:
    hints = exercise.hints()
    if len(hints) < LEAST_HINTS:
        yield f"{len(hints)} hints; at least {LEAST_HINTS}"
    given = set(_lines(exercise.starter("en")))
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
