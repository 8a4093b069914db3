"""`tutor model`: what models there are, getting one, answering with one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click

from tutor.base import assets
from tutor.base import settings as settings_
from tutor.base.errors import Exit, TutorError
from tutor.base.i18n import say
from tutor.cli.output import emit_json, json_option, narrate, show


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


@click.group()
def model() -> None:
    """Models: list, pull, use. / 模型：列出、下载、切换。"""


@model.command("list")
@json_option
def list_models(as_json: bool) -> int:
    """List the models of the catalogue. / 列出可用模型。"""
    from tutor.engine import chat_model

    current = chat_model(settings_.load())
    rows = [
        Listed(
            a.name,
            a.title,
            a.kind,
            a.licence,
            a.page,
            round(a.size / 1e6),
            assets.present(a.name),
            a.name == current,
        )
        for a in assets.catalogue().values()
    ]
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
    ):
        table.add_column(title, no_wrap=True)
    for row in rows:
        mark, here = "*" if row.in_use else "", "✓" if row.present else "-"
        table.add_row(mark, row.name, row.kind, f"{row.size_mb} MB", row.licence, here)
    show(table)
    return Exit.OK


@model.command()
@click.argument("names", nargs=-1, required=True)
@click.option("--again", is_flag=True, help="Fetch it anew. / 重新下载。")
def pull(names: tuple[str, ...], again: bool) -> int:
    """Fetch models, encoders or datasets; print where they lie. / 下载模型、编码器或数据集。"""
    from tutor.cli.setup import pull_with_progress

    for asset in [assets.asset(name) for name in names]:
        if again:
            for file in asset.files:
                (asset.folder / file.path).unlink(missing_ok=True)
        pull_with_progress(asset.name, settings_.load())
        click.echo(assets.path(asset.name))
    return Exit.OK


@model.command()
@click.argument("name")
def use(name: str) -> int:
    """Answer with this model: a name of the catalogue or a GGUF file. / 切换回答所用的模型。"""
    from tutor.engine import stop

    if name.endswith(".gguf") and Path(name).is_file():
        name = str(Path(name).resolve())
    elif assets.asset(name).kind != "chat":
        raise TutorError(
            say(f"{name} is not a chat model.", f"{name} 不是对话模型。"),
            say("See: tutor model list", "请查看：tutor model list"),
        )
    else:
        assets.path(name)
    settings_.update(model=name)
    stop()
    narrate(say(f"Answers now come from {name}.", f"现在由 {name} 回答。"))
    return Exit.OK
