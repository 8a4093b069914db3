"""Testing out of a unit: only passed checks do it, and every face tells it from done."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import tiny_exercise
from tui_driver import running, screen_text, until

from exercises import spec
from exercises.report import Report, Result
from exercises.spec import all_exercises
from tutor.agent.tools import learner
from tutor.cli import main
from tutor.progress import Progress, Standing, open_progress
from tutor.tui.marks import Snapshot
from tutor.tui.places import Place


def report(exercise: str, passed: bool = True) -> Report:
    outcome = "passed" if passed else "failed"
    return Report(exercise, "finished", (Result("c", "C", 2, outcome),), 0.1)


def skip(progress: Progress, unit: str) -> None:
    """Every exercise of a real unit passes, and the unit is tested out of."""
    reports = [report(exercise.id) for exercise in spec.find(unit)]
    for each in reports:
        progress.record_check(each)
    progress.test_outs.record(unit, reports)


def call(*words: str) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["tutor", *words])
        with pytest.raises(SystemExit) as end:
            main()
    return int(end.value.code or 0)


@pytest.fixture
def two(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A unit of two exercises, unit0/add and unit0/plus; the learner's folder for them."""
    root = tmp_path / "exercises"
    tiny_exercise.make(root)
    tiny_exercise.make(tmp_path / "other")
    (tmp_path / "other" / "unit0" / "add").rename(root / "unit0" / "plus")
    monkeypatch.setattr(spec, "ROOT", root)
    spec.all_exercises.cache_clear()
    yield tmp_path / "workspace" / "unit0"
    spec.all_exercises.cache_clear()


def submit(folder: Path, name: str, text: str = tiny_exercise.SOLUTION) -> None:
    tiny_exercise.write(folder / name, {f"{name}.py": text})


def test_all_passed_is_recorded_once(two: Path, capsys: pytest.CaptureFixture[str]) -> None:
    submit(two, "add")
    submit(two, "plus")
    assert call("check", "unit0", "--test-out") == 0
    assert "unit0: tested out." in capsys.readouterr().out
    assert call("check", "unit0", "--test-out", "--json") == 0
    data = json.loads(capsys.readouterr().out)
    assert (data["tested_out"], data["missing"], len(data["reports"])) == (True, [], 2)
    progress, _ = open_progress()
    rows = list(progress.db["evidence"].rows_where("criterion = 'tested_out'"))
    assert [(r["exercise"], r["passed"], r["points"]) for r in rows] == [("unit0", 1, 0)]
    assert json.loads(rows[0]["figures"]) == {"exercises": 2}
    at = progress.db["checks"].get(rows[0]["check_id"])["at"]
    assert progress.test_outs.units() == {"unit0": at}


def test_what_is_missing_is_named_and_nothing_recorded(
    two: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    submit(two, "add", "def add(a, b):\n    return abs(a) + abs(b)\n")
    assert call("check", "unit0", "--test-out") == 1
    out = capsys.readouterr().out
    assert "unit0: not tested out. Missing:" in out
    assert "unit0/add  2 of 3 points" in out
    assert "unit0/plus  never opened" in out
    submit(two, "add")
    assert call("check", "unit0", "--test-out", "--json") == 1, "one passed, one never opened"
    data = json.loads(capsys.readouterr().out)
    assert data["tested_out"] is False
    assert [m["exercise"] for m in data["missing"]] == ["unit0/plus"]
    progress, _ = open_progress()
    assert progress.test_outs.units() == {}
    assert progress.standing("unit0/add").passed, "the check itself counts as every check does"


def test_it_is_for_whole_units(two: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (("unit0/add",), ("unit0", "--watch")):
        assert call("check", *words, "--test-out") == 2
        assert "tutor check unit0 --test-out" in capsys.readouterr().err


def test_a_failed_check_is_no_evidence(home: Path) -> None:
    progress, _ = open_progress()
    with pytest.raises(ValueError, match="not every exercise"):
        progress.test_outs.record("week5", [report("week5/lora", passed=False)])
    with pytest.raises(ValueError, match="not every exercise"):
        progress.test_outs.record("week5", [])
    assert progress.test_outs.units() == {}


def test_the_shell_tells_it_from_done(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    progress, _ = open_progress()
    skip(progress, "week5")

    def line(*words: str) -> str:
        assert call(*words) == 0
        return next(x for x in capsys.readouterr().out.splitlines() if " week5 " in x)

    assert line("plan").startswith("◆")
    assert line("plan").rstrip().endswith("tested out")
    assert "lesson skipped" in line("progress")
    assert call("progress", "--json") == 0
    assert list(json.loads(capsys.readouterr().out)["tested_out"]) == ["week5"]
    assert call("lesson", "week5") == 0
    lesson = capsys.readouterr().out
    assert "Tested out on" in "\n".join(lesson.splitlines()[:4])
    assert line("plan").startswith("●"), "the lesson was read after all: done"
    assert "lesson read" in line("progress")


def test_a_raw_lesson_stays_as_it_is(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    skip(open_progress()[0], "week5")
    assert call("lesson", "week5", "--raw") == 0
    out, err = capsys.readouterr()
    assert out.startswith("# ")
    assert "Tested out on" in err


def test_chinese(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TUTOR_LANGUAGE", "zh")
    skip(open_progress()[0], "week5")
    assert call("plan") == 0
    assert "免修" in capsys.readouterr().out
    assert call("progress") == 0
    assert "免修，跳过课文" in capsys.readouterr().out
    assert call("lesson", "week5") == 0
    assert "已免修" in capsys.readouterr().out


def test_marks(home: Path) -> None:
    exercises = all_exercises()
    passed = {e.id: Standing(e.id, 9, 9, True, 1, 0) for e in exercises if e.unit == "week5"}
    skipped = Snapshot(exercises, passed, tested_out={"week5": 1.0})
    assert (skipped.unit_mark("week5").symbol, skipped.lesson_mark("week5").symbol) == ("◆", "◆")
    read = Snapshot(exercises, passed, frozenset({"week5"}), tested_out={"week5": 1.0})
    assert (read.unit_mark("week5").symbol, read.lesson_mark("week5").symbol) == ("●", "●")
    # An exercise that came later, or that fails now, is to be done as any other.
    one_gone = dict(list(passed.items())[1:])
    assert Snapshot(exercises, one_gone, tested_out={"week5": 1.0}).unit_mark("week5").symbol == "◐"
    assert Snapshot(exercises, passed).unit_mark("week5").symbol == "◐"


def test_the_screen(home: Path) -> None:
    skip(open_progress()[0], "week5")

    async def run() -> None:
        async with running() as (app, pilot):
            await until(pilot, lambda: app.study.snapshot.unit_mark("week5").symbol == "◆")
            assert "◆" in screen_text(app)
            await app.study.go(Place("resources", "week5"))
            await until(pilot, lambda: "tested out" in screen_text(app))
            await app.study.go(Place("lesson", "week5"))
            await until(pilot, lambda: "Tested out on" in screen_text(app))

    asyncio.run(run())


@pytest.mark.parametrize(("lang", "said"), [("en", "tested out of"), ("zh", "已免修")])
def test_the_agents_progress(home: Path, lang: str, said: str) -> None:
    (before,) = learner.progress(lang)  # type: ignore[arg-type]
    assert said not in before.text
    skip(open_progress()[0], "week5")
    (after,) = learner.progress(lang)  # type: ignore[arg-type]
    assert said in after.text
    assert "week5" in after.text
