"""`tutor model`: what models there are, getting one, answering with one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from tutor.base import assets
from tutor.base import settings as settings_
from tutor.base.errors import Exit
from tutor.base.i18n import many, say
from tutor.cli.model_own import build_own
from tutor.cli.model_workshop import COMMANDS
from tutor.cli.output import emit_json, json_option, narrate, show

if TYPE_CHECKING:
    from tutor.workshop.report import Gate, Lineage


@dataclass(frozen=True)
class Listed:
    """One line of the list."""

    name: str
    title: str
    kind: str
    licence: str
    page: str
    size_mb: int
    present: bool
    in_use: bool
    lineage: Lineage | None = None
    """Where one of the learner's own comes from."""
    gates: dict[str, Gate] = field(default_factory=dict)
    """What it was proven by, and whether it passed."""


@click.group()
def model() -> None:
    """Models: list, pull, use; and your own, from training to answers. / 模型：下载、切换、自制。"""


@model.command("list")
@json_option
def list_models(as_json: bool) -> int:
    """List the models of the catalogue, and your own. / 列出可用模型和你自己的模型。"""
    from tutor.engine import chat_model

    current = chat_model(settings_.load())
    rows = [*_from_catalogue(current), *_own(current)]
    if as_json:
        emit_json(rows)
        return Exit.OK
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for title in (
        "",
        say("name", "名称"),
        say("kind", "类型"),
        say("size", "大小"),
        say("licence", "许可证"),
        say("here", "已下载"),
        say("gates", "关卡") if any(row.kind == "own" for row in rows) else "",
    ):
        table.add_column(title, no_wrap=True)
    for row in rows:
        mark, here = "*" if row.in_use else "", "✓" if row.present else "-"
        passed = all(gate.passed for gate in row.gates.values())
        proven = ("✓" if passed else "✗") if row.gates else ""
        table.add_row(mark, row.name, row.kind, f"{row.size_mb} MB", row.licence, here, proven)
    show(table)
    return Exit.OK


def _from_catalogue(current: str) -> list[Listed]:
    return [
        Listed(
            a.name, a.title, a.kind, a.licence, a.page, round(a.size / 1e6),
            assets.present(a.name), a.name == current,
        )
        for a in assets.catalogue().values()
    ]  # fmt: skip


def _own(current: str) -> list[Listed]:
    """One line for each file of each model that the learner made."""
    from tutor.workshop import report

    rows = []
    for made in [report.load(name) for name in report.names()]:
        for file in made.files.values():
            name = f"{made.name}:{file.type}"
            origin = made.lineage
            rows.append(
                Listed(
                    name, say("made by you", "你自己制作的"), "own",
                    origin.base_licence, origin.base_page, round(file.bytes / 1e6),
                    made.path(file.type).exists(), name == current, origin, file.gates,
                )
            )  # fmt: skip
    return rows


@model.command()
@click.argument("names", nargs=-1, required=True)
@click.option("--again", is_flag=True, help="Fetch anew what is damaged. / 重新下载损坏的文件。")
def pull(names: tuple[str, ...], again: bool) -> int:
    """Fetch models, encoders or datasets; print where they lie. / 下载模型、编码器或数据集。"""
    from tutor.cli.setup import pull_with_progress

    for asset in [assets.asset(name) for name in names]:
        if again:
            _remove_damaged(asset)
        pull_with_progress(asset.name, settings_.load())
        click.echo(assets.path(asset.name))
    return Exit.OK


def _remove_damaged(asset: assets.Asset) -> None:
    """Remove the files that are not what the catalogue says. The others stay: without a network
    they could not be had again."""
    wrong = assets.verify(asset.name)
    for path in wrong:
        (asset.folder / path).unlink(missing_ok=True)
    kept = len(asset.files) - len(wrong)
    if kept:
        narrate(
            say(
                f"{asset.name}: {kept} of {many(len(asset.files), 'file')} whole, kept.",
                f"{asset.name}：{len(asset.files)} 个文件中有 {kept} 个完好，予以保留。",
            )
        )


for command in (*COMMANDS, build_own):
    model.add_command(command)
