"""`tutor dev check`: proof that the exercises hold, for those who write them."""

from __future__ import annotations

import click

from exercises import author
from exercises.spec import all_exercises, find
from tutor.base import settings as base_settings
from tutor.base.errors import Exit
from tutor.base.i18n import say
from tutor.cli.exercise import Display
from tutor.cli.output import emit_json, json_option, narrate, show


@click.group()
def dev() -> None:
    """For authors of exercises. / 供练习作者使用。"""


@dev.command()
@click.argument("reference", required=False, metavar="[UNIT_OR_EXERCISE]")
@click.option("--fast", is_flag=True, help="Leave out what trains. / 跳过需要训练的部分。")
@json_option
def check(reference: str | None, fast: bool, as_json: bool) -> int:
    """Prove that starters fail, solutions pass and wrong answers are caught. / 验证练习本身。"""
    found = find(reference) if reference else list(all_exercises())
    settings = base_settings.load()
    findings: list[author.Finding] = []
    for exercise in found:
        with Display(exercise.id) as display:
            for finding in author.check(exercise, settings, fast, display):
                findings.append(finding)
                narrate(f"{_mark(finding)} {finding.exercise} {finding.what}")
    if as_json:
        emit_json(findings)
    else:
        _print(findings)
    return Exit.NOT_PASSED if any(finding.problem for finding in findings) else Exit.OK


def _mark(finding: author.Finding) -> str:
    return "–" if finding.skipped else "✗" if finding.problem else "✓"


def _print(findings: list[author.Finding]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for name, justify in (("", "left"), (say("exercise", "练习"), "left"),
                          (say("what", "项目"), "left"), (say("seconds", "秒"), "right"),
                          (say("problem", "问题"), "left")):  # fmt: skip
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    for finding in findings:
        note = finding.problem or (say("skipped: it would train", "已跳过：需要训练") if finding.skipped
                                   else "")  # fmt: skip
        seconds = f"{finding.seconds:.1f}" if finding.seconds else ""
        row = (_mark(finding), finding.exercise, finding.what, seconds, note)
        table.add_row(*(Text(cell) for cell in row))
    show(table)
