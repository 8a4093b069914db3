"""Small whole exercises for the tests of the harness, written into a test's own folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from exercises.spec import Exercise, Job, Limits, _load

TOML = """
minutes = 5
title = {en = "Add", zh = "相加"}
summary = {en = "Add two numbers.", zh = "把两个数相加。"}

[[criteria]]
id = "adds"
title = {en = "It adds", zh = "能相加"}
hint = {en = "Look at +.", zh = "看看 +。"}
points = 2

[[criteria]]
id = "negative"
title = {en = "It adds negative numbers", zh = "能加负数"}
hint = {en = "Look at abs().", zh = "看看 abs()。"}
"""

TESTS = """
from tutor.base.i18n import say


def test_adds(submission, figures):
    figures["three"] = submission.add(1, 2)
    if submission.add(1, 2) != 3:
        raise AssertionError(say("add(1, 2) must be 3.", "add(1, 2) 应为 3。"))


def test_negative(submission):
    if submission.add(1, -2) != -1:
        raise AssertionError(say("add(1, -2) must be -1.", "add(1, -2) 应为 -1。"))
"""

JOB_TOML = """
[[criteria]]
id = "trained"
title = {en = "It was trained", zh = "完成训练"}
hint = {en = "Run it.", zh = "运行它。"}

[job]
artefacts = ["weights.txt"]

[job.limits]
seconds = 30
"""

JOB_TESTS = """

def test_trained(run_dir, figures):
    figures["weight"] = float((run_dir / "weights.txt").read_text())
    if figures["weight"] <= 0:
        raise AssertionError(say("The weight did not grow.", "权重没有增大。"))
"""

SOLUTION = "def add(a, b):\n    return a + b\n"
JOB_SOLUTION = (
    SOLUTION
    + """

if __name__ == "__main__":
    from exercises import lab

    for step in range(1, 4):
        lab.report(step, 3, loss=1 / step, tokens_per_s=100)
    (lab.run_dir() / "weights.txt").write_text("1.5")
    print("trained")
"""
)

HINTS = """
[[hints]]
en = "Numbers have signs."
zh = "数有正负。"
[[hints]]
en = "Which operator adds?"
zh = "哪个运算符做加法？"
[[hints]]
en = "a + b"
zh = "写 a + b。"
"""


STARTER = "def add(a, b):\n    raise NotImplementedError\n"


def make(
    folder: Path, *, job: bool = False, limits: Limits | None = None, **files: str
) -> Exercise:
    """Write the exercise "unit0/add" under `folder`. files: contents to put in place of, or
    beside, its own, by file name with __ for a dot."""
    place = folder / "unit0" / "add"
    contents = {
        "exercise.toml": TOML + (JOB_TOML if job else ""),
        "test_criteria.py": TESTS + (JOB_TESTS if job else ""),
        "hints.toml": HINTS,
        "task.en.md": "# Add\n",
        "task.zh.md": "# 相加\n",
        "solution.py": JOB_SOLUTION if job else SOLUTION,
        "starter.en.py": STARTER,
        "starter.zh.py": STARTER,
    } | {name.replace("__", "."): text for name, text in files.items()}
    write(place, contents)
    exercise = _load(place)
    return replace(exercise, spec=replace(exercise.spec, check=limits or Limits(seconds=20)))


def with_job_limits(exercise: Exercise, limits: Limits) -> Exercise:
    assert exercise.spec.job
    job = Job(limits, exercise.spec.job.artefacts)
    return replace(exercise, spec=replace(exercise.spec, job=job))


def write(folder: Path, contents: Mapping[str, str]) -> None:
    for name, text in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
