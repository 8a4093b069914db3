"""`tutor open`, `tutor run`, `tutor check`, `tutor hint`: the exercises, from the shell."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from exercises import jobs, tiers, workspace
from exercises.grade import grade
from exercises.hints import take_hint
from exercises.report import Report, Result
from exercises.spec import Exercise, find, find_one
from tutor.base import settings as base_settings
from tutor.base.errors import Exit, TutorError
from tutor.base.i18n import say
from tutor.base.settings import Settings
from tutor.cli.output import emit_json, folded, json_option, narrate, show
from tutor.cli.study import open_record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType
    from rich.progress import TaskID

POLL_S = 0.5
CURVE = 60
"""Characters of the loss curve."""
MARKS = {"passed": ("✓", "green"), "failed": ("✗", "red"), "not_run": ("–", "yellow")}


@click.command("open")
@click.argument("exercise")
@click.option("--notebook", is_flag=True, help="As a notebook too. / 同时生成笔记本。")
@json_option
def open_(exercise: str, notebook: bool, as_json: bool) -> int:
    """Put an exercise into your workspace. / 把练习放入你的工作目录。

    EXERCISE is for example week5/lora. A file that you have edited is never overwritten. /
    EXERCISE 形如 week5/lora。你改过的文件绝不会被覆盖。
    """
    found = find_one(exercise)
    path = workspace.open_exercise(found, base_settings.load(), notebook)
    record = open_record()
    record.log("open", found.id, notebook=notebook)
    record.close()
    task = path.with_name("TASK.md")
    if as_json:
        emit_json({"exercise": found.id, "file": path, "task": task})
        return Exit.OK
    click.echo(path)
    narrate(say(f"The task: {task}", f"任务说明：{task}"))
    narrate(say(f"When you are done: tutor check {found.id}", f"完成后：tutor check {found.id}"))
    return Exit.OK


open = open_  # the name that the command table looks up; nothing here opens files


@click.command()
@click.argument("exercise")
@click.option(
    "--again", is_flag=True, help="Even if this source was run before. / 即使这份文件已运行过。"
)
@click.option(
    "--stop",
    is_flag=True,
    help="End the run that is going on; keep what it learned. / 让正在进行的训练提前结束并保留结果。",
)
@json_option
def run(exercise: str, again: bool, stop: bool, as_json: bool) -> int:
    """Run your file of an exercise; one that trains, as a job. / 运行你的练习文件；训练作为任务。

    A finished training of the same source is not run again; an interrupted one goes on from its
    last checkpoint. One that is going on in another terminal ends early with --stop. /
    同一份文件已完成的训练不会重跑，中断的从最近的检查点继续；
    正在另一个终端里进行的，用 --stop 提前结束。
    """
    found = find_one(exercise)
    settings = base_settings.load()
    _refuse_missing(found)
    submission = submission_of(found, settings)
    _tell_size(found, settings)
    if found.spec.job is None:
        if stop:
            raise TutorError(
                say(f"{found.id} has no training.", f"{found.id} 没有训练任务。"),
                say("Ctrl-C ends it.", "按 Ctrl-C 结束。"),
            )
        return _run_file(found, submission, settings, as_json)
    run_dir = jobs.folder_for(found, submission, settings)
    if stop:
        narrate(jobs.stop_early(run_dir))
        return Exit.OK
    with Display(found.id) as display:
        result = jobs.run_job(
            found,
            submission,
            run_dir,
            display,
            again=again,
            settings=settings,
        )
    record = open_record()
    record.log("run", found.id, ending=result.ending, seconds=result.seconds)
    record.close()
    if as_json:
        emit_json(result)
    else:
        _print_run(result)
    if result.finished:
        return Exit.OK
    return Exit.TIMED_OUT if result.ending == "timed_out" else Exit.NOT_PASSED


def _run_file(found: Exercise, submission: Path, settings: Settings, as_json: bool) -> int:
    """Run a file that trains nothing as `python FILE` would, with this Python and its packages."""
    began = time.monotonic()
    ended = subprocess.run(
        [sys.executable, "-P", str(submission)],
        env=tiers.environment(found, settings, {}),
        stdout=sys.stderr if as_json else None,
        check=False,
    )
    ending = "finished" if ended.returncode == 0 else "crashed"
    record = open_record()
    record.log("run", found.id, ending=ending, seconds=round(time.monotonic() - began, 1))
    record.close()
    if as_json:
        emit_json({"exercise": found.id, "ending": ending, "returncode": ended.returncode})
    return Exit.OK if ended.returncode == 0 else Exit.NOT_PASSED


@click.command()
@click.argument("reference", metavar="UNIT_OR_EXERCISE")
@click.option(
    "--watch", is_flag=True, help="Again when the file changes. / 文件改动后自动重新批改。"
)
@click.option(
    "--file",
    "file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Check this file instead. / 批改指定的文件。",
)
@click.option(
    "--test-out",
    "testing_out",
    is_flag=True,
    help="A whole unit, to skip its lesson. / 批改整个单元，全部通过即可免修课文。",
)
@json_option
def check(reference: str, watch: bool, file: Path | None, testing_out: bool, as_json: bool) -> int:
    """Grade an exercise, or all of a unit. / 批改一个练习或整个单元。

    An exercise with a training job is run first where its source has no finished run. Exit
    status: 0 passed, 1 not passed, 3 something is missing, 4 timed out. /
    有训练任务的练习，若这份文件还没有完成过运行，会先运行。
    退出码：0 通过，1 未通过，3 缺少所需内容，4 超时。
    """
    found = find(reference)
    if testing_out:
        if file or watch or "/" in reference:
            raise TutorError(
                say("--test-out takes a whole unit.", "--test-out 只能用于整个单元。"),
                f"tutor check {found[0].unit} --test-out",
            )
        from tutor.cli.testout import test_out

        return test_out(found, base_settings.load(), as_json)
    if file or watch:
        found = [find_one(reference)]
    settings = base_settings.load()
    while True:
        began = [_modified(path) for path in _watched(found, settings, file)]
        submissions = [file or submission_of(each, settings) for each in found]
        reports = [check_one(e, path, settings) for e, path in zip(found, submissions, strict=True)]
        _print_reports(reports, as_json)
        code = exit_code(reports)
        if not watch or code == Exit.OK:
            return code
        narrate(say("Waiting for a change; Ctrl-C ends.", "等待文件改动；Ctrl-C 退出。"))
        while began == [_modified(path) for path in _watched(found, settings, file)]:
            time.sleep(POLL_S)


@click.command()
@click.argument("exercise")
@json_option
def hint(exercise: str, as_json: bool) -> int:
    """Take the next hint. / 查看下一条提示。"""
    found = find_one(exercise)
    record = open_record()
    taken = take_hint(found, record)
    record.close()
    if taken.again:
        narrate(
            say("That was the last one; here it is again.", "提示已经全部给出，再显示最后一条。")
        )
    number, of, text = taken.number, taken.of, str(taken.text)
    if as_json:
        emit_json({"exercise": found.id, "number": number, "of": of, "hint": text})
    else:
        narrate(say(f"Hint {number} of {of}", f"提示 {number}/{of}"))
        click.echo(folded(text))
    return Exit.OK


def _refuse_missing(exercise: Exercise) -> None:
    """Raise MissingError where an asset that the run needs is not there."""
    from tutor.base import assets

    for name in exercise.spec.needs:
        assets.path(name)


def submission_of(exercise: Exercise, settings: Settings) -> Path:
    found = workspace.submission(exercise, settings)
    if found.origin == "starter":
        narrate(
            say(
                f"{exercise.id} was never opened: this is the untouched starter. Begin with: "
                f"tutor open {exercise.id}",
                f"{exercise.id} 尚未打开过，这里使用未改动的初始文件。开始练习："
                f"tutor open {exercise.id}",
            )
        )
    elif found.origin == "notebook":
        narrate(
            say(
                f"Using {found.shown}, which is newer than the script; line numbers are those of "
                f"{found.path}.",
                f"使用 {found.shown}（比脚本新）；行号对应 {found.path}。",
            )
        )
    return found.path


def _tell_size(exercise: Exercise, settings: Settings) -> None:
    if size := tiers.told(exercise, settings):
        narrate(size)


def check_one(exercise: Exercise, path: Path, settings: Settings) -> Report:
    narrate(say(f"Checking {exercise.id} …", f"正在批改 {exercise.id} …"))
    _tell_size(exercise, settings)
    with Display(exercise.id) as display:
        report = grade(exercise, path, display, settings)
    if report.ending not in ("missing", "interrupted"):
        record = open_record()
        record.record_check(report)
        record.close()
    return report


def _watched(found: list[Exercise], settings: Settings, file: Path | None) -> list[Path]:
    if file:
        return [file]
    folder = workspace.folder_of(found[0], settings)
    return [folder / f"{found[0].name}{suffix}" for suffix in (".py", ".ipynb")]


def _modified(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0  # an editor may be replacing it


def exit_code(reports: list[Report]) -> Exit:
    if all(report.passed for report in reports):
        return Exit.OK
    endings = [report.ending for report in reports if not report.passed]
    if "interrupted" in endings:
        return Exit.INTERRUPTED
    if "timed_out" in endings:
        return Exit.TIMED_OUT
    return Exit.MISSING if "missing" in endings else Exit.NOT_PASSED


def _print_reports(reports: list[Report], as_json: bool) -> None:
    if as_json:
        emit_json(
            {
                "passed": all(report.passed for report in reports),
                "reports": [as_data(report) for report in reports],
            }
        )
        return
    for report in reports:
        print_report(report)


def as_data(report: Report) -> dict[str, Any]:
    import msgspec

    computed = {
        "passed": report.passed,
        "points": report.points,
        "max_points": report.max_points,
    }
    return {**computed, **msgspec.to_builtins(report)}


def print_report(report: Report) -> None:
    from rich.text import Text

    points = say(
        f"{report.points} of {report.max_points} points",
        f"{report.points}/{report.max_points} 分",
    )
    head = Text(report.exercise, style="bold")
    head.append(f"  {points}  {report.seconds:.1f} s", style="dim")
    show(head)
    if report.message:
        show(Text(f"  {report.message}", style="yellow"))
    for result in report.results:
        _print_result(result)


def _print_result(result: Result) -> None:
    from rich.padding import Padding
    from rich.text import Text

    mark, style = MARKS[result.outcome]
    head = Text(f"{mark} ", style=style)
    head.append(result.title, style="default")
    if result.figures:
        figures = ", ".join(f"{name} {value:.4g}" for name, value in result.figures.items())
        head.append(f"  ({figures})", style="dim")
    show(Padding(head, (0, 0, 0, 2), expand=False))
    if result.outcome == "passed":
        return
    show(Padding(Text(result.message), (0, 0, 0, 6), expand=False))
    if result.hint:
        show(Padding(Text(f"→ {result.hint}", style="cyan"), (0, 0, 0, 6), expand=False))


def _print_run(result: jobs.JobResult) -> None:
    from rich.text import Text

    if result.cached:
        again = say("finished before; --again runs it anew", "此前已完成；--again 可重新运行")
        narrate(again)
    style = "green" if result.finished else "red"
    show(Text(f"{result.exercise}  {result.ending}  {result.message}".rstrip(), style=style))
    if result.stopped_early:
        show(say("  ended early, as asked", "  已按要求提前结束"))
    for name, value in result.figures.items():
        show(f"  {name} {value:.4g}")
    seconds, peak = f"{result.seconds:.1f} s", f"{result.peak_rss_mb:.0f} MB"
    show(say(f"  {seconds}, {peak} of memory at most", f"  {seconds}，内存峰值 {peak}"))
    show(f"  {result.run_dir}")


class Display:
    """Draws a run's events on stderr: its lines of output, the loss as a curve, and one bar with
    loss, speed and memory."""

    def __init__(self, title: str) -> None:
        from rich.console import Console

        self.title = title
        self.console = Console(stderr=True, highlight=False, markup=False)
        self.task: TaskID | None = None
        self.losses: list[float] = []

    def __enter__(self) -> Display:
        from rich.padding import Padding
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
        from rich.progress import TimeRemainingColumn as Remaining
        from textual.renderables.sparkline import Sparkline

        losses = self.losses

        class Curve(Progress):
            def get_renderables(self) -> Iterator[RenderableType]:
                if len(losses) > 1:
                    # Padded for its end of line: the bar belongs below.
                    yield Padding(Sparkline(losses, width=CURVE, summary_function=min))
                yield from super().get_renderables()

        self.progress = Curve(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[figures]}"),
            Remaining(),
            console=self.console,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()

    def __call__(self, event: jobs.Event) -> None:
        if isinstance(event, jobs.Step):
            self._step(event)
        elif isinstance(event, jobs.Waiting):
            self.console.print(event.text)
        elif isinstance(event, jobs.Started):
            how = (
                say("going on in", "继续运行：")
                if event.resumed
                else say("running in", "运行目录：")
            )
            self.console.print(f"{self.title}: {how} {event.run_dir}")
        else:
            self.console.print(event.text, style="dim", soft_wrap=True)

    def _step(self, event: jobs.Step) -> None:
        figures = ""
        if event.loss is not None:
            figures = f"loss {event.loss:.3f}"
            self.losses.append(event.loss)
        if event.tokens_per_s is not None:
            figures += say(
                f"  {event.tokens_per_s:.0f} tokens/s", f"  {event.tokens_per_s:.0f} token/秒"
            )
        if event.rss_mb:
            figures += f"  {event.rss_mb:.0f} MB"
        if self.task is None:
            self.progress.start()
            self.task = self.progress.add_task(self.title, total=event.steps, figures=figures)
        self.progress.update(self.task, completed=event.step, total=event.steps, figures=figures)
