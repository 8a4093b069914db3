"""stdout is data, stderr is narration. Every command prints through here."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from tutor.base.linebreak import Flow

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON. / 输出 JSON。")


def emit_json(value: Any) -> None:
    """Print dataclasses, lists and plain values as one JSON document on stdout."""
    import msgspec

    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def console() -> Console:
    """The console for data that people read (stdout)."""
    from rich.console import Console

    return Console(highlight=False)


def show(renderable: RenderableType) -> None:
    console().print(renderable)


def flow(indent: str = "") -> Flow:
    """Return what breaks lines between words at the terminal's width; where stdout is no terminal
    the text stays as it is."""
    from tutor.base.linebreak import Flow

    return Flow(shutil.get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize, indent)


def folded(text: str, indent: str = "") -> str:
    """Return the text as `flow` breaks it."""
    whole = flow(indent)
    return whole.feed(text) + whole.end()


def narrate(text: str) -> None:
    """Say on stderr what is going on."""
    click.echo(text, err=True)
