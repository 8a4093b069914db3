"""`tutor dev check`: proof that the exercises hold, for those who write them."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import click

from exercises import author
from exercises.spec import Exercise, all_exercises, find
from tutor.base import settings as base_settings
from tutor.base.errors import Exit
from tutor.base.i18n import say
from tutor.base.settings import Settings
from tutor.cli.exercise import Display
from tutor.cli.output import emit_json, json_option, narrate, show


@click.group()
def dev() -> None:
    """For authors of exercises. / 供练习作者使用。"""


@dev.command()
@click.argument("reference", required=False, metavar="[UNIT_OR_EXERCISE]")
@click.option("--fast", is_flag=True, help="Leave out what trains. / 跳过需要训练的部分。")
@click.option(
    "--jobs",
    "at_once",
    type=click.IntRange(1),
    show_default="1; 2 with --fast",
    help="Exercises checked side by side. / 同时检查的练习数。",
)
@click.option(
    "--repeat",
    "times",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Grade a solution and a wrong answer this many times; the reports must be the same. "
    "/ 重复评分的次数，各次报告必须一致。",
)
@json_option
def check(reference: str | None, fast: bool, at_once: int | None, times: int, as_json: bool) -> int:
    """Prove that starters fail, solutions pass and wrong answers are caught. / 验证练习本身。"""
    began = time.monotonic()
    found = find(reference) if reference else list(all_exercises())
    settings = base_settings.load()
    how = author.How(fast, times)
    # Trainings are timed, and take both cores.
    summaries = _check_all(found, settings, how, at_once or (2 if fast else 1))
    if as_json:
        emit_json(summaries)
    else:
        _print(summaries, time.monotonic() - began)
    return Exit.NOT_PASSED if any(s.problems for s in summaries) else Exit.OK


def _check_all(
    exercises: Sequence[Exercise], settings: Settings, how: author.How, at_once: int
) -> list[author.Summary]:
    """Check so many at a time, and tell of each finding as it comes."""
    cancel = threading.Event()

    def check_one(exercise: Exercise) -> author.Summary:
        with Display(exercise.id) as display:
            # Two that draw their curves at once would draw over each other.
            events = display if at_once == 1 else None
            findings = []
            for finding in author.check(exercise, settings, how, events, cancel):
                findings.append(finding)
                _tell(finding)
        return author.summarize(exercise, findings)

    with ThreadPoolExecutor(at_once) as pool:
        try:
            return list(pool.map(check_one, exercises))
        finally:
            cancel.set()  # interrupted: those that are going on end at once


def _tell(finding: author.Finding) -> None:
    seconds = f" {finding.seconds:.1f} s" if finding.seconds else ""
    mark = "–" if finding.skipped else "✗" if finding.problem else "✓"
    narrate(f"{mark} {finding.exercise} {finding.what}{seconds}")


def _print(summaries: list[author.Summary], seconds: float) -> None:
    """Print a line an exercise (run, check, longest check in seconds), the problems, the sums."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    widest = max((len(s.exercise) for s in summaries), default=0)
    table.add_column("")
    table.add_column(say("exercise", "练习"), no_wrap=True, min_width=widest)
    for name in (say("criteria", "标准"), say("wrong", "错误"), say("variants", "变体"),
                 say("skip", "跳过"), say("run", "运行"), say("check", "检查"),
                 say("max", "最慢")):  # fmt: skip
        table.add_column(name, justify="right")
    for s in summaries:
        skipped = str(s.skipped or "")
        row = (
            "✗" if s.problems else "✓", s.exercise, str(s.criteria), f"{s.caught}/{s.wrong}",
            f"{s.passed}/{s.variants}", skipped, _seconds(s.run_seconds),
            _seconds(s.check_seconds), _seconds(s.slowest_seconds),
        )  # fmt: skip
        table.add_row(*(Text(cell) for cell in row))
    show(table)
    for finding in (f for s in summaries for f in s.findings if f.problem):
        show(Text(f"✗ {finding.exercise} {finding.what}: {finding.problem}"))
    show(Text(_sums(summaries, seconds)))


def _sums(summaries: list[author.Summary], seconds: float) -> str:
    count = len(summaries)
    criteria, wrong, caught, variants, passed, skipped, problems = (
        sum(getattr(s, name) for s in summaries)
        for name in ("criteria", "wrong", "caught", "variants", "passed", "skipped", "problems")
    )
    run, checks = sum(s.run_seconds for s in summaries), sum(s.check_seconds for s in summaries)
    return say(
        f"{count} exercises, {criteria} criteria: {caught} of {wrong} wrong submissions caught, "
        f"{passed} of {variants} variants passed, {skipped} skipped, {problems} problems; "
        f"solutions ran {run:.0f} s and were checked in {checks:.0f} s; {seconds:.0f} s in all",
        f"{count} 个练习，{criteria} 个标准：识别错误答案 {caught}/{wrong}，"
        f"变体通过 {passed}/{variants}，跳过 {skipped}，问题 {problems}；"
        f"参考答案运行 {run:.0f} 秒、检查 {checks:.0f} 秒；总计 {seconds:.0f} 秒",
    )


def _seconds(value: float) -> str:
    return f"{value:.1f}" if value else ""
