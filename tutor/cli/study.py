"""`tutor plan`, `tutor lesson`, `tutor progress`: what to study and what is proven."""

from __future__ import annotations

import os
import time

import click

import curriculum
from tutor.base.errors import Exit, MissingError
from tutor.base.i18n import say
from tutor.cli.output import emit_json, json_option, narrate, show
from tutor.progress import Progress, open_progress
from tutor.progress.testout import lesson_note
from tutor.tui.marks import SYMBOLS, Snapshot


def open_record() -> Progress:
    """Open the learner's record; say so where a corrupt one was moved aside."""
    progress, kept = open_progress()
    if kept:
        narrate(
            say(
                f"The progress record was corrupt. It is kept as {kept}; a new one was started.",
                f"学习记录已损坏，已保留为 {kept}，并新建了一份。",
            )
        )
    return progress


@click.command()
@click.argument("unit", required=False)
@json_option
def plan(unit: str | None, as_json: bool) -> int:
    """Show the plan, or one unit of it. / 查看计划或其中一个单元。"""
    units = [curriculum.unit(unit)] if unit else list(curriculum.units())
    if as_json:
        emit_json(units)
    elif unit:
        _print_unit(units[0])
    else:
        _print_plan(units)
    return Exit.OK


@click.command()
@click.argument("unit")
@click.option("--raw", is_flag=True, help="Print the Markdown as it is. / 输出 Markdown 原文。")
def lesson(unit: str, raw: bool) -> int:
    """Read a unit's lesson. / 阅读课文。"""
    found = curriculum.unit(unit)
    path = found.lesson_file()
    if path is None:
        raise MissingError(
            say(f"The lesson of {found.id} is not written yet.", f"{found.id} 的课文尚未写好。"),
            say(
                f"See what to read instead: tutor plan {found.id}",
                f"可先看推荐阅读：tutor plan {found.id}",
            ),
        )
    text = path.read_text("utf-8")
    record = open_record()
    if tested_out := record.test_outs.units().get(found.id):
        note = lesson_note(tested_out)
        if raw:
            narrate(note)  # the text stays as it is
        else:
            text = f"> {note}\n\n{text}"
    if raw:
        click.echo(text)
    else:
        from rich.console import Console
        from rich.markdown import Markdown

        console = Console()
        os.environ.setdefault("LESS", "-FRX")  # without R it shows the styles' codes as text
        with console.pager(styles=True) if console.is_terminal else _nothing():
            console.print(Markdown(text))
    record.log("lesson", found.id)
    return Exit.OK


@click.command()
@json_option
def progress(as_json: bool) -> int:
    """Show what you have proven so far. / 查看学习进度。"""
    record = open_record()
    now = Snapshot.read(record)
    if as_json:
        emit_json(
            {
                "lessons": sorted(now.lessons),
                "exercises": list(now.standings.values()),
                "tested_out": now.tested_out,
                "quiz": now.quiz,
                "recent": record.recent(),
            }
        )
        return Exit.OK
    for exercise in now.exercises:
        standing = now.standings[exercise.id]
        points = f"{standing.best_points}/{standing.max_points}" if standing.checks else "-"
        click.echo(
            f"{now.exercise_mark(exercise).symbol} {exercise.id:<28} {points:>7}  "
            + say(
                f"{standing.checks} checks, {standing.hints} hints",
                f"批改 {standing.checks} 次，提示 {standing.hints} 条",
            )
        )
    _print_test_outs(now)
    _print_quiz(now)
    for row in record.recent(5):
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(row["at"]))
        click.echo(f"  {when}  {row['exercise']}  {row['points']}/{row['max_points']}")
    return Exit.OK


def _print_test_outs(now: Snapshot) -> None:
    for unit, at in now.tested_out.items():
        day = time.strftime("%Y-%m-%d", time.localtime(at))
        text = say(f"tested out on {day}, lesson skipped", f"{day} 免修，跳过课文")
        if unit in now.lessons:
            text = say(f"tested out on {day}, lesson read", f"{day} 免修，课文已读")
        click.echo(f"{SYMBOLS['skipped']} {unit:<28} {'':>7}  {text}")


def _print_quiz(now: Snapshot) -> None:
    """Cards due and known, of the units in which some were answered."""
    begun = {u: c for u, c in now.quiz.items() if c.new < c.cards}
    for unit, counts in begun.items():
        cards = say(
            f"{counts.due} cards due, {counts.known} of {counts.cards} known",
            f"到期卡片 {counts.due} 张，已掌握 {counts.known}/{counts.cards}",
        )
        click.echo(f"· {unit:<28} {'quiz':>7}  {cards}")


def _print_plan(units: list[curriculum.Unit]) -> None:
    from rich.table import Table

    now = Snapshot.read(open_record())
    table = Table(box=None, pad_edge=False)
    for title in ("", say("unit", "单元"), say("topic", "主题"), say("exercises", "练习")):
        table.add_column(title)
    for unit in units:
        mark = now.unit_mark(unit.id)
        exercises = now.of_unit(unit.id)
        passed = sum(now.standings[exercise.id].passed for exercise in exercises)
        score = f"{passed}/{len(exercises)}" if exercises else ""
        note = say("  tested out", "  免修") if mark.state == "skipped" else ""
        table.add_row(mark.symbol, unit.id, str(unit.title), score + note)
    show(table)


def _print_unit(unit: curriculum.Unit) -> None:
    click.echo(f"{unit.id} · {unit.title} · {unit.hours} h\n\n{unit.summary}\n")
    for title, items in (
        (say("Objectives", "目标"), [str(o) for o in unit.objectives]),
        (say("Theory", "理论"), [str(t) for t in unit.theory]),
        (
            say("Practice", "实践"),
            [
                f"{p.text}" + (f"  (tutor open {p.exercise})" if p.exercise else "")
                for p in unit.practice
            ],
        ),
        (
            say("Resources", "参考资料"),
            [
                f"{r.title} · {r.language} · {r.minutes} min\n    {r.url}\n    {r.note}"
                for r in unit.resources
            ],
        ),
    ):
        click.echo(title)
        for item in items:
            click.echo(f"  - {item}")
        click.echo()


def _nothing():  # type: ignore[no-untyped-def]
    import contextlib

    return contextlib.nullcontext()
