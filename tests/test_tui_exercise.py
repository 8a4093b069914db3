"""An exercise's page with a scripted grader and job."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tui_driver import running, screen_text, until

from exercises import grade as grading
from exercises import jobs, spec
from exercises.report import Report, Result
from tutor.progress import open_progress
from tutor.tui import bench
from tutor.tui.marks import Snapshot
from tutor.tui.places import Place

TOML = """
minutes = 20
title = {{en = "{name} title", zh = "{name} 标题"}}
summary = {{en = "What it is.", zh = "概要。"}}
criteria = [
  {{id = "first", points = 2, title = {{en = "A", zh = "甲"}}, hint = {{en = "a", zh = "甲"}}}},
  {{id = "other", points = 3, title = {{en = "B", zh = "乙"}}, hint = {{en = "b", zh = "乙"}}}},
]
"""
HINTS = (
    """hints = [{en = "Look at W.", zh = "看 W。"}, {en = "W is B times A.", zh = "W 是 BA。"}]"""
)


@pytest.fixture(autouse=True)
def two_exercises(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """week5/sums, and week5/train, which has a job."""
    for name, job in (("sums", ""), ("train", "[job]\nlimits = {seconds = 60}\n")):
        folder = tmp_path / "exercises" / "week5" / name
        folder.mkdir(parents=True)
        (folder / "exercise.toml").write_text(TOML.format(name=name) + job, "utf-8")
        (folder / "hints.toml").write_text(HINTS, "utf-8")
        for lang in ("en", "zh"):
            (folder / f"starter.{lang}.py").write_text("# %%\nx = 1\n", "utf-8")
            (folder / f"task.{lang}.md").write_text(f"# Task\n\nDo {name}.\n", "utf-8")
    monkeypatch.setattr(spec, "ROOT", tmp_path / "exercises")
    spec.all_exercises.cache_clear()
    yield
    spec.all_exercises.cache_clear()


def _exercise(job: bool) -> spec.Exercise:
    return spec.find_one("week5/train" if job else "week5/sums")


def _report(exercise: spec.Exercise, good: bool = False) -> Report:
    first, *rest = exercise.spec.criteria
    results = [Result(first.id, "The first thing", first.points, "passed")]
    for criterion in rest:
        outcome = "passed" if good else "failed"
        results.append(
            Result(
                criterion.id, "The other", criterion.points, outcome, "W is 3, not 4", "look at W"
            )
        )
    return Report(exercise.id, "finished", tuple(results), 1.25, output="hello from the file")


class Grader:
    """Stands in for exercises.grade.grade."""

    def __init__(self, report: Report, hold: bool = False) -> None:
        self.report, self.hold = report, hold
        self.calls = 0
        self.cancelled = False
        self.go_on = threading.Event()

    def __call__(self, exercise, submission, on_event=None, settings=None, *, cancel=None, **_):  # type: ignore[no-untyped-def]
        self.calls += 1
        assert submission.is_file()
        assert threading.current_thread() is not threading.main_thread()
        if self.hold:
            self.cancelled = cancel.wait(20)
            return Report(exercise.id, "interrupted", (), 0.1, "it was interrupted")
        self.go_on.wait(20)
        return self.report


def test_a_check_shows_each_criterion_and_is_recorded_once(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exercise = _exercise(job=False)
    grader = Grader(_report(exercise))
    monkeypatch.setattr(grading, "grade", grader)

    async def run() -> None:
        async with running((160, 48)) as (app, pilot):
            await app.study.go(Place("exercise", exercise.id))
            await pilot.press("o")
            await pilot.press("c")
            await until(pilot, lambda: grader.calls == 1)
            await pilot.press("c")  # a second press while it is at work starts nothing
            await until(pilot, lambda: "Still at work" in screen_text(app))
            grader.go_on.set()
            await until(pilot, lambda: "✗ The other" in screen_text(app))
            text = screen_text(app)
            assert "✓ The first thing" in text
            assert "W is 3, not 4" in text and "→ look at W" in text
            assert "Not yet" in text
            score = f"{grader.report.points}/{grader.report.max_points}"
            await until(pilot, lambda: score in screen_text(app))
            await pilot.press("l")  # drawn again in the other language, not recorded again
            await until(pilot, lambda: "尚未通过" in screen_text(app))
            await pilot.pause(0.3)

    asyncio.run(run())
    record, _ = open_progress()
    assert grader.calls == 1
    assert record.standing(exercise.id).checks == 1
    assert record.db["evidence"].count == len(exercise.spec.criteria)


def test_escape_stops_a_check_and_nothing_is_recorded(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exercise = _exercise(job=False)
    grader = Grader(_report(exercise), hold=True)
    monkeypatch.setattr(grading, "grade", grader)

    async def run() -> None:
        async with running() as (app, pilot):
            await app.study.go(Place("exercise", exercise.id))
            await pilot.press("o", "c")
            await until(pilot, lambda: grader.calls == 1)
            await pilot.press("escape")
            await until(pilot, lambda: not app.study.page.busy)
            assert app.study.page.place.kind == "exercise"
            await until(pilot, lambda: "it was interrupted" in screen_text(app))

    asyncio.run(run())
    assert grader.cancelled
    assert open_progress()[0].standing(exercise.id).checks == 0


def test_an_exercise_that_was_not_opened_says_what_to_press(home: Path) -> None:
    exercise = _exercise(job=False)

    async def run() -> None:
        async with running() as (app, pilot):
            await app.study.go(Place("exercise", exercise.id))
            await pilot.press("c")
            await until(pilot, lambda: "Press o" in screen_text(app))

    asyncio.run(run())


def test_a_job_shows_steps_loss_and_lines(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exercise = _exercise(job=True)
    go_on = threading.Event()

    def run_job(exercise, submission, run_dir, on_event, **_):  # type: ignore[no-untyped-def]
        for step in range(1, 21):
            on_event(jobs.Step(step, 40, 3.0 / step, 250.0))
        on_event(jobs.Line("saved the adapter"))
        go_on.wait(20)
        return jobs.JobResult(exercise.id, "0" * 64, "finished", "", 12.0, 900.0, str(run_dir))

    grader = Grader(_report(exercise), hold=True)
    monkeypatch.setattr(jobs, "run_job", run_job)
    monkeypatch.setattr(grading, "grade", grader)

    async def run() -> None:
        async with running() as (app, pilot):
            await app.study.go(Place("exercise", exercise.id))
            await pilot.press("o", "r")
            await until(pilot, lambda: "saved the adapter" in screen_text(app))
            text = screen_text(app)
            assert "20/40" in text and "loss 0.150" in text and "250 tokens/s" in text
            await app.study.go(Place("unit", "week5"))  # it goes on behind other pages
            await app.study.go(Place("exercise", exercise.id))
            assert app.study.page.busy
            go_on.set()
            await until(pilot, lambda: "✓ Finished" in screen_text(app))
            await pilot.press("c")
            await until(pilot, lambda: grader.calls == 1)
            assert "20/40" in screen_text(app)  # the curve stays while the run is graded
            await pilot.press("escape")
            await until(pilot, lambda: not app.study.page.busy)

    asyncio.run(run())


COUNTS = """
import time
from exercises import lab
for step in range(1, 501):
    lab.report(step, 500, loss=2 / step)
    if lab.stop_asked():
        break
    time.sleep(0.1)
print("saved what it had")
"""


def test_a_training_ends_early_with_what_it_learned(home: Path) -> None:
    exercise = _exercise(job=True)

    async def run() -> None:
        async with running() as (app, pilot):
            await app.study.go(Place("exercise", exercise.id))
            await pilot.press("o", "s")
            await until(pilot, lambda: "No run of this file" in screen_text(app))
            bench.opened(exercise).write_text(COUNTS)
            await pilot.press("r")
            await until(pilot, lambda: " MB" in screen_text(app), 60)
            await pilot.press("s")
            await until(pilot, lambda: "ended early, as asked" in screen_text(app), 60)
            assert "saved what it had" in screen_text(app)

    asyncio.run(run())


@pytest.mark.skipif(os.name != "posix", reason="elsewhere a backslash is part of a path")
def test_the_editor_is_a_command_with_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDITOR", "code --wait '/my files'")
    monkeypatch.setenv("VISUAL", "  ")
    assert bench.editor() == ["code", "--wait", "/my files"]
    monkeypatch.setenv("EDITOR", "")
    assert bench.editor() == []


def test_the_editors_path_on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", r'"C:\My Programs\notepad.exe" -n')
    with monkeypatch.context() as patch:
        patch.setattr(bench.os, "name", "nt")
        words = bench.editor()
    assert words == [r"C:\My Programs\notepad.exe", "-n"]


def test_an_editor_that_cannot_be_read_is_said(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", "vim '")

    async def run() -> None:
        async with running() as (app, pilot):
            await app.study.go(Place("exercise", _exercise(job=False).id))
            await pilot.press("e")
            await until(pilot, lambda: "Correct EDITOR" in screen_text(app))

    asyncio.run(run())


def test_hints_come_one_by_one_and_are_counted(home: Path) -> None:
    exercise = _exercise(job=False)
    first, second = (str(hint.en)[:24] for hint in exercise.hints()[:2])

    async def run() -> None:
        async with running() as (app, pilot):
            await app.study.go(Place("exercise", exercise.id))
            await pilot.press("h")
            await until(pilot, lambda: first in screen_text(app))
            assert second not in screen_text(app)
            standing = lambda: app.study.snapshot.standings[exercise.id].hints  # noqa: E731
            await until(pilot, lambda: standing() == 1)

    asyncio.run(run())
    assert open_progress()[0].hints_taken(exercise.id) == 1


def test_next_goes_round_the_open_exercises(home: Path) -> None:
    exercises = spec.all_exercises()
    open_ones = Snapshot(exercises)
    assert open_ones.next_open() == exercises[0]
    assert open_ones.next_open(exercises[-1].id) == exercises[0]
    record, _ = open_progress()
    record.record_check(_report(exercises[0], good=True))
    standings = {e.id: record.standing(e.id) for e in exercises}
    assert Snapshot(exercises, standings).next_open() == exercises[1]
    assert Snapshot(exercises, standings).exercise_mark(exercises[0]).symbol == "●"
