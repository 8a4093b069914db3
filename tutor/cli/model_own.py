"""`tutor model build-own`: the tutor's own model, made of what it teaches from."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tutor.base import settings as settings_
from tutor.base.errors import Exit
from tutor.base.i18n import say
from tutor.cli.output import emit_json, json_option, narrate, show

if TYPE_CHECKING:
    from tutor.workshop.own.build import Around, Built


@click.command("build-own")
@click.option(
    "--base", type=click.Choice(["tiny", "default"]), default="tiny", show_default=True,
    help="135M, or the default 1.5B. / 135M，或默认的 1.5B。",
)  # fmt: skip
@click.option(
    "--hours", type=click.FloatRange(0, min_open=True),
    help="Hours of training; 1 for tiny, 8 for default. / 训练时长（小时），tiny 为 1，default 为 8。",
)  # fmt: skip
@click.option("--name", default="", help="The new model's name. / 新模型的名称。")
@click.option(
    "--writer", "written", default=0, metavar="N",
    help="Let the default chat model write N of the answers. / 由默认对话模型改写 N 个答案。",
)  # fmt: skip
@click.option(
    "--eval", "questions", type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Ask these (JSONL) before and after. / 用这些题目（JSONL）评测训练前后。",
)  # fmt: skip
@click.option("--limit", type=click.IntRange(1), help="Only the first N. / 只用前 N 题。")
@json_option
def build_own(
    base: str,
    hours: float | None,
    name: str,
    written: int,
    questions: Path | None,
    limit: int | None,
    as_json: bool,
) -> int:
    """Make the tutor's own model from what it teaches. / 用教学资料制作助教自己的模型。

    Data, SFT, DPO, export, quantization, gates. Interrupted, the same command goes on. /
    依次：数据、SFT、DPO、导出、量化、关卡。中断后再次运行会继续。
    """
    # Threads that spin while they wait would slow down whatever else runs.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from tutor.base import assets

    os.environ |= assets.OFFLINE
    from tutor.workshop.own.bases import RECIPES
    from tutor.workshop.own.build import Order, build
    from tutor.workshop.quantize import best

    chat = RECIPES["default"].asset
    assets.path(RECIPES[base].asset)  # says what is missing before hours of work
    if written:
        assets.path(chat)
    order = Order(
        name or f"own-{base}",
        base,
        hours or 0.0,
        chat if written else "",
        written,
        questions,
        limit,
    )
    built = build(order, _around(), narrate)
    file = built.report.files[best(built.report)]
    if as_json:
        emit_json(built)
    else:
        _print(built)
    next_step = f"use {order.name}" if file.passed else f"gates {order.name}:{file.type}"
    narrate(say(f"Next: tutor model {next_step}", f"下一步：tutor model {next_step}"))
    return Exit.OK if file.passed else Exit.NOT_PASSED


def _around() -> Around:
    """What the workshop needs of the agent, which lies above it."""
    from kb import open_kb
    from tutor.agent.practice import Practice, examine
    from tutor.agent.trial import behaviour
    from tutor.workshop.own.build import Around

    kb, settings = open_kb(), settings_.load()
    return Around(
        Practice(kb, settings), kb, settings,
        lambda model: behaviour(model, kb),
        lambda model, file, limit, rows: examine(model, kb, settings, file, limit, rows),
    )  # fmt: skip


def _print(built: Built) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, title=built.report.name, title_justify="left")
    table.add_column("")
    table.add_column("", justify="right")
    for stage, seconds in built.seconds.items():
        table.add_row(stage, f"{seconds:.0f} s")
    for phase, figures in built.training.items():
        for figure, value in figures.items():
            table.add_row(f"{phase} {figure.replace('_', ' ')}", str(value))
    for file in built.report.files.values():
        for name, gate in file.gates.items():
            table.add_row(f"{file.type} {name}", f"{'✓' if gate.passed else '✗'} {gate.figure:.4g}")
    show(table)
    if built.report.evaluated:
        columns = Table(box=None, pad_edge=False)
        columns.add_column("")
        for evaluated in built.report.evaluated:
            columns.add_column(evaluated.model, justify="right")
        for name, value in built.report.evaluated[0].figures.items():
            if not isinstance(value, dict):
                row = (str(each.figures.get(name)) for each in built.report.evaluated)
                columns.add_row(name.replace("_", " "), *row)
        show(columns)
