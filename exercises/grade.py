"""Grade a submission: run its criteria in the sandbox and say what each found.

    report = grade(find_one("week5/lora"), Path("lora.py"))

`grade` returns a Report whatever the submission does: loops, exits, crashes, fills the memory,
changes pytest. It is the only place that decides what a criterion's outcome was.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from exercises import jobs, protocol, sandbox, tiers, together
from exercises.report import Ending, Outcome, Report, Result
from exercises.spec import Criterion, Exercise
from tutor.base import assets
from tutor.base.errors import MissingError
from tutor.base.i18n import say
from tutor.base.settings import Settings
from tutor.base.settings import load as load_settings

CRITERIA = "test_criteria.py"
RESULTS_BYTES = 4 * 2**20


def grade(
    exercise: Exercise,
    submission: Path,
    on_event: jobs.OnEvent | None = None,
    settings: Settings | None = None,
    *,
    runs: Path | None = None,
    cancel: threading.Event | None = None,
    only: str = "",
) -> Report:
    """Check a submission against the exercise's criteria.

    An exercise with a job is run first where this source has no finished run yet; its events go
    to on_event. runs: the folder that holds the runs; default: the exercise's in the workspace.
    cancel: set from another thread to stop ("interrupted"). only: a criterion's id; the others are
    not checked.
    """
    began = time.monotonic()
    settings = settings or load_settings()
    try:
        source = jobs.source_sha256(submission)
    except OSError as error:
        message = say(f"cannot read {submission}: {error}", f"无法读取 {submission}：{error}")
        return _nothing(exercise, "missing", message, began)
    if message := missing_assets(exercise):
        return _nothing(exercise, "missing", message, began, source)
    run = None
    if exercise.spec.job:
        run_dir = jobs.folder_for(exercise, submission, settings, runs)
        try:
            run = jobs.run_job(
                exercise,
                submission.resolve(),
                run_dir,
                on_event,
                settings=settings,
                cancel=cancel,
            )
        except MissingError as error:
            return _nothing(exercise, "missing", f"{error.message} {error.hint}", began, source)
        if run.ending == "interrupted":
            return _nothing(exercise, "interrupted", run.message, began, source)
    ended, record = _run_criteria(exercise, submission.resolve(), run, settings, cancel, only)
    return _report(exercise, ended, record, run, source, time.monotonic() - began)


def grade_together(
    exercise: Exercise,
    submissions: Sequence[tuple[Path, str]],
    settings: Settings,
    cancel: threading.Event | None = None,
) -> list[Report | None]:
    """Check several submissions, each by the criterion that is named with it ("": by all), in much
    less time than one by one (exercises/together.py). None of them is run as a job: a criterion that
    needs a run is not decided. None stands for one that this gave no outcome for: `grade` has to
    look at it alone. Where a process can be forked.
    """
    reports: list[Report | None] = []
    with sandbox.private_folder() as private, ExitStack() as files:
        ones, written = [], []
        for number, (submission, only) in enumerate(submissions):
            folder = private / str(number)
            (folder / "cwd").mkdir(parents=True)
            results = folder / "results.jsonl"
            written.append(files.enter_context(results.open("w+b")))
            variables = _variables(submission.resolve(), results, None)
            arguments = _arguments(exercise, folder, only)
            ones.append(together.One(arguments, variables, str(folder / "cwd")))
        endings = together.run(exercise, ones, settings, cancel)
        for (submission, _), file, ended in zip(submissions, written, endings, strict=True):
            file.seek(0)
            record, source = _read(file.read(RESULTS_BYTES)), jobs.source_sha256(submission)
            graded = ended and _report(exercise, ended, record, None, source, ended.seconds)
            reports.append(graded or None)
    return reports


def missing_assets(exercise: Exercise) -> str:
    """Say which of the assets that the exercise needs are not there and how to get them, or ""."""
    gone = [name for name in exercise.spec.needs if not assets.present(name)]
    if not gone:
        return ""
    command = "; ".join(f"tutor model pull {name}" for name in gone)
    return say(
        f"this exercise needs {', '.join(gone)}: `{command}`",
        f"本练习需要 {', '.join(gone)}：请执行 `{command}`",
    )


@dataclass
class _Record:
    """What the plugin wrote: outcomes by criterion, and which one was begun last."""

    outcomes: dict[str, dict[str, Any]] = field(default_factory=dict)
    begun: str = ""
    complete: bool = False


def _run_criteria(
    exercise: Exercise,
    submission: Path,
    run: jobs.JobResult | None,
    settings: Settings,
    cancel: threading.Event | None,
    only: str,
) -> tuple[sandbox.Ended, _Record]:
    with sandbox.private_folder() as private:
        cwd, results = private / "cwd", private / "results.jsonl"
        cwd.mkdir()
        # Held open: what was written is there even where a submission deletes the folder.
        with results.open("w+b") as written:
            ended = sandbox.run(
                _command(exercise, private, only),
                limits=tiers.widened(exercise.spec.check, exercise, settings),
                cwd=cwd,
                env=tiers.environment(exercise, settings, _variables(submission, results, run)),
                cancel=cancel,
            )
            written.seek(0)
            return ended, _read(written.read(RESULTS_BYTES))


def _command(exercise: Exercise, private: Path, only: str) -> list[str]:
    """pytest with a configuration of its own: no conftest.py, no test file, no plugin and no
    setting of the learner's or the project's is picked up."""
    return [sys.executable, "-P", "-m", "pytest", *_arguments(exercise, private, only)]


def _arguments(exercise: Exercise, folder: Path, only: str) -> list[str]:
    ini = folder / "empty.ini"
    ini.write_text("[pytest]\n")
    tests = str(exercise.folder.resolve() / CRITERIA) + (f"::test_{only}" if only else "")
    # fmt: off
    return [
        tests, "-p", "exercises.pytest_plugin", "-p", "no:cacheprovider", "-p", "no:faulthandler",
        "-c", str(ini), "--rootdir", str(folder), "--noconftest",
        "--import-mode=importlib", "--assert=plain", "--capture=no", "--basetemp",
        str(folder / "tmp"),
    ]
    # fmt: on


def _variables(submission: Path, results: Path, run: jobs.JobResult | None) -> dict[str, str]:
    return {
        protocol.SUBMISSION: str(submission),
        protocol.RESULTS: str(results),
        protocol.RUN_DIR: run.run_dir if run and run.finished else "",
        protocol.RUN_MISSING: run.message if run else "",
    }


def _read(data: bytes) -> _Record:
    record = _Record()
    for line in data.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue  # the process was ended in the middle of this line
        if event["event"] == "start":
            record.begun = event["criterion"]
        elif event["event"] == "outcome":
            record.outcomes[event["criterion"]] = event
        else:
            record.complete = True
    return record


def _report(
    exercise: Exercise,
    ended: sandbox.Ended,
    record: _Record,
    run: jobs.JobResult | None,
    source: str,
    seconds: float,
) -> Report:
    ending, message = _ending(ended, record)
    results = tuple(_result(c, record, message) for c in exercise.spec.criteria)
    output = ended.output
    if run and not run.finished and ending == "finished":
        ending, message, output = run.ending, run.message, run.output + output
    return Report(exercise.id, ending, results, round(seconds, 3), message, output, source)


def _ending(ended: sandbox.Ended, record: _Record) -> tuple[Ending, str]:
    if record.complete:
        return "finished", ""
    if ended.ending != "finished":
        return ended.ending, jobs.why(ended)
    return "crashed", say(
        f"your file ended the process itself (exit status {ended.returncode})",
        f"你的文件自行结束了进程（退出码 {ended.returncode}）",
    )


def _result(criterion: Criterion, record: _Record, message: str) -> Result:
    title, hint = str(criterion.title), str(criterion.hint)
    outcome: Outcome
    if found := record.outcomes.get(criterion.id):
        outcome, text, figures = found["outcome"], found["message"], found["figures"]
        hint = "" if outcome == "passed" else hint
        return Result(
            criterion.id, title, criterion.points, outcome, text or title, hint, figures
        )  # fmt: skip
    if record.begun == criterion.id:
        text = say(f"While this was checked, {message}", f"检查这一项时：{message}")
        return Result(
            criterion.id, title, criterion.points, "failed", text, hint, decided=False
        )  # fmt: skip
    text = say(f"Not checked: {message}", f"未检查：{message}") if message else say(
        f"Not checked: {CRITERIA} has no working test_{criterion.id}.",
        f"未检查：{CRITERIA} 中没有可运行的 test_{criterion.id}。",
    )  # fmt: skip
    return Result(criterion.id, title, criterion.points, "not_run", text, hint)


def _nothing(
    exercise: Exercise, ending: Ending, message: str, began: float, source: str = ""
) -> Report:
    """The report where nothing could be run."""
    results = tuple(_result(c, _Record(), message) for c in exercise.spec.criteria)
    seconds = round(time.monotonic() - began, 3)
    return Report(exercise.id, ending, results, seconds, message, "", source)
