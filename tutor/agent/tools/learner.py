"""The learner's progress, and the last report of an exercise with the code that it is about.

Read only: graders write the record. The code is the learner's own text, and whatever stands in
it is data for the model, as a passage is.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import curriculum
from kb import Passage
from tutor.agent.prompts import PASSAGE_CHARACTERS
from tutor.agent.terms import words
from tutor.agent.tools.item import LEARNER, item, pick
from tutor.base import home
from tutor.base.errors import TutorError
from tutor.base.i18n import Language
from tutor.base.settings import Settings
from tutor.progress import Progress, open_progress

RECENT = 50
MESSAGE_CHARACTERS = 200
HINT_CHARACTERS = 160
_LINE = re.compile(r"\bline (\d+)|\.py:(\d+)|第 ?(\d+) ?行")


def checked_exercises() -> list[str]:
    """Return the exercises that have a report, the one checked last first."""
    with _record() as record:
        rows = record.recent(RECENT) if record else []
    return list(dict.fromkeys(str(row["exercise"]) for row in rows))


def last_failed() -> str:
    """Return the exercise whose last check did not pass, the latest of them; else the one checked
    last; "" where nothing was checked."""
    with _record() as record:
        rows = record.recent(RECENT) if record else []
    latest: dict[str, bool] = {}
    for row in rows:
        latest.setdefault(str(row["exercise"]), bool(row["passed"]))
    return next((name for name, passed in latest.items() if not passed), next(iter(latest), ""))


def progress(lang: Language) -> list[Passage]:
    """Return how far the learner is, by the record alone."""
    from exercises.spec import all_exercises

    exercises = [exercise.id for exercise in all_exercises()]
    with _record() as record:
        standings = [record.standing(name) for name in exercises] if record else []
        read = record.lessons_read() if record else set()
        tested_out = list(record.test_outs.units()) if record else []
    passed = [s.exercise for s in standings if s.passed]
    begun = [
        f"{s.exercise} ({s.best_points}/{s.max_points})"
        for s in standings
        if s.checks and not s.passed
    ]
    after = next((name for name in exercises if name not in passed), "")
    counts = (len(passed), len(exercises), len(read & set(curriculum.ORDER)), len(curriculum.ORDER))
    text = _progress_text(lang, counts, passed, begun, after)
    if tested_out:
        text += pick(
            lang,
            f" Units tested out of, whose lessons may be skipped: {', '.join(tested_out)}.",
            f"已免修、可跳过课文的单元：{'、'.join(tested_out)}。",
        )
    title = pick(lang, "Your progress", "你的学习进度")
    return [item(title, text, source=LEARNER, doc="progress")]


def _progress_text(
    lang: Language, counts: tuple[int, ...], passed: list[str], begun: list[str], after: str
) -> str:
    done, exercises, lessons, units = counts
    none = pick(lang, "none", "无")
    return pick(
        lang,
        f"You have passed {done} of {exercises} exercises and read {lessons} of {units} lessons. "
        f"Passed exercises: {', '.join(passed) or none}. "
        f"Begun but not passed, with best points: {', '.join(begun) or none}. "
        f"Next exercise in the plan: {after or none}.",
        f"你已通过 {exercises} 个练习中的 {done} 个，读过 {units} 篇课文中的 {lessons} 篇。"
        f"已通过的练习：{'、'.join(passed) or none}。"
        f"已开始但未通过（最高得分）：{'、'.join(begun) or none}。"
        f"计划中的下一个练习：{after or none}。",
    )


def report(exercise: str, lang: Language, settings: Settings) -> list[Passage]:
    """Return the last report of an exercise and the parts of the learner's code that its failed
    criteria are about; where it was never checked, that. exercise: "" where nothing was."""
    with _record() as record:
        found = record.last_report(exercise) if record else None
    if found is None:
        return [_not_checked(exercise, lang)]
    source = _source(exercise, settings)
    changed = source is not None and source.sha256 != found.get("source_sha256")
    title = pick(lang, f"Your last check of {exercise}", f"{exercise} 最近一次批改")
    items = [
        item(title, _report_text(found, changed, lang), source=LEARNER, doc=f"{exercise}/report")
    ]
    if source and not _passed(found):
        title = pick(lang, f"Your code for {exercise}", f"你的 {exercise} 代码")
        about = "\n".join(_said(result) for result in _failed(found)) + found.get("message", "")
        code = failing_parts(source.text, about + found.get("output", "")[-400:])
        items.append(item(title, code, source=LEARNER, doc=f"{exercise}/{source.name}"))
    return items


def _not_checked(exercise: str, lang: Language) -> Passage:
    """Say that there is no report: a guess at one would be worse."""
    which = exercise or pick(lang, "any exercise", "任何练习")
    command = f"tutor check {exercise or 'week5/lora'}"
    text = pick(
        lang,
        f"You have not checked {which} yet, so there is no report. Run: {command}",
        f"你还没有批改过{which}，因此没有报告。请运行：{command}",
    )
    return item(pick(lang, "Your checks", "你的批改记录"), text, source=LEARNER, doc="progress")


def _report_text(report: dict[str, Any], changed: bool, lang: Language) -> str:
    results, failed = report.get("results", []), _failed(report)
    points = sum(r["points"] for r in results if r["outcome"] == "passed")
    most = sum(r["points"] for r in results)
    parts = [
        pick(
            lang,
            f"{points} of {most} points; {len(results) - len(failed)} of {len(results)} criteria "
            "passed.",
            f"得分 {points}/{most}；{len(results)} 项标准中通过 {len(results) - len(failed)} 项。",
        )
    ]
    if report.get("message"):
        parts.append(str(report["message"])[:MESSAGE_CHARACTERS])
    for result in failed:
        state = _STATES[result["outcome"]][lang]
        hint = f" {_HINT[lang]}{result['hint'][:HINT_CHARACTERS]}" if result.get("hint") else ""
        message = str(result.get("message", ""))[:MESSAGE_CHARACTERS]
        parts.append(f"{state}{result['title']}: {message}{hint}")
    if changed:
        parts.insert(1, pick(lang, "(The file was changed since.)", "（此后文件有改动。）"))
    return "\n".join(_that_fit(parts, PASSAGE_CHARACTERS))


_STATES = {
    "failed": {"en": "Failed: ", "zh": "未通过："},
    "not_run": {"en": "Not run: ", "zh": "未执行："},
}
_HINT = {"en": "Hint: ", "zh": "提示："}


def _that_fit(parts: list[str], room: int) -> list[str]:
    """Return the first parts that fit, the last one that does in part."""
    kept: list[str] = []
    for part in parts:
        if room < 40:
            break
        kept.append(part[:room])
        room -= len(part) + 1
    return kept


def _failed(report: dict[str, Any]) -> list[dict[str, Any]]:
    """Failed criteria, then those that were not run because of them."""
    results = [r for r in report.get("results", []) if r["outcome"] != "passed"]
    return sorted(results, key=lambda r: r["outcome"] != "failed")


def _passed(report: dict[str, Any]) -> bool:
    return bool(report.get("results")) and not _failed(report)


def _said(result: dict[str, Any]) -> str:
    return " ".join(str(result.get(k, "")) for k in ("criterion", "title", "message", "hint"))


@dataclass(frozen=True)
class _Source:
    name: str
    text: str
    sha256: str


def _source(exercise: str, settings: Settings) -> _Source | None:
    """The learner's file for an exercise; None where there is none that can be read."""
    from exercises import workspace
    from exercises.jobs import source_sha256
    from exercises.spec import find_one

    try:
        found = workspace.submission(find_one(exercise), settings)
        if found.origin == "starter":
            return None
        text = found.path.read_text("utf-8", errors="replace")
        return _Source(found.shown.name, text, source_sha256(found.path))
    except (TutorError, OSError):
        return None


def failing_parts(code: str, about: str, room: int = PASSAGE_CHARACTERS) -> str:
    """Return the functions, classes and statements of a file that share most with what its report
    says, in the file's order, at most `room` characters."""
    lines = code.split("\n")  # as ast counts them: splitlines ends a line at a form feed too
    segments = _segments(code, lines)
    named = {int(next(filter(None, m.groups()))) for m in _LINE.finditer(about)}
    asked = words(about)

    def weight(segment: tuple[int, int]) -> float:
        first, last = segment
        hit = any(first <= line <= last for line in named)
        said = words("\n".join(lines[first - 1 : last]))
        return 10.0 * hit + len(asked & said)

    chosen: list[tuple[int, int]] = []
    for segment in sorted(segments, key=lambda s: (-weight(s), s)):
        size = sum(len(line) + 1 for line in lines[segment[0] - 1 : segment[1]])
        if size <= room or not chosen:
            chosen.append(segment)
            room -= size
    return "\n…\n".join("\n".join(lines[a - 1 : b]) for a, b in sorted(chosen))


def _segments(code: str, lines: list[str]) -> list[tuple[int, int]]:
    """First and last line of each top-level statement but imports; of blocks of lines where the
    file cannot be parsed."""
    try:
        body = ast.parse(code).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return [(n, min(n + 9, len(lines))) for n in range(1, len(lines) + 1, 10)]
    spared = (ast.Import, ast.ImportFrom)
    return [
        (
            min([n.lineno, *(d.lineno for d in getattr(n, "decorator_list", []))]),
            n.end_lineno or n.lineno,
        )
        for n in body
        if not isinstance(n, spared)
    ]


@contextmanager
def _record() -> Iterator[Progress | None]:
    """The learner's record; None where there is none yet: asking makes none."""
    if not home.progress_file().exists():
        yield None
        return
    record, _ = open_progress()
    try:
        yield record
    finally:
        record.close()
