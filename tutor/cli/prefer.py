"""`tutor prefer`: choose between two answers of the model; write the choices to files."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from tutor.base.errors import Exit, MissingError
from tutor.base.i18n import many, say
from tutor.cli.output import emit_json, json_option, narrate
from tutor.cli.start import require_terminal
from tutor.cli.study import open_record
from tutor.progress.preferences import Judgement, Tally, conversational, raw

if TYPE_CHECKING:
    from tutor.progress import Progress

_file = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.option(
    "--export",
    type=_file,
    help="Write the decided choices in trl's conversational format. / 按 trl 的对话格式导出已决定的选择。",
)
@click.option(
    "--raw",
    "raw_file",
    type=_file,
    help="Write every judgement as it was made. / 原样导出每一次评判。",
)
@json_option
def prefer(export: Path | None, raw_file: Path | None, as_json: bool) -> int:
    """Choose between two answers of the model; each choice is kept. / 在模型的两个回答之间选择，每次选择都会保存。

    Every eighth pair is an earlier one again, its sides swapped: the repeats tell how far the
    choices can be trusted. Without a terminal, or with --json, the choices are only counted.

    每八对中有一对是以前的，左右对调：由此可知这些选择有多可靠。不在终端中运行，或使用 --json 时，只统计。
    """
    record = open_record()
    if export:
        _write(export, record, conversational)
    if raw_file:
        _write(raw_file, record, raw)
    tally = record.preferences.tally()
    if as_json:
        emit_json(msgspec.to_builtins(tally) | {"first_share": tally.first_share})
    elif not (export or raw_file):
        if sys.stdin.isatty():
            record.close()
            _choose()
        else:
            click.echo(counted(tally))
            narrate(say("Choose in a terminal: tutor prefer", "在终端中选择：tutor prefer"))
    return Exit.OK


def _choose() -> None:
    """Open the interface at the page of preferences."""
    require_terminal()
    from tutor.tui.app import TutorApp
    from tutor.tui.places import PREFER

    app = TutorApp(PREFER)
    app.run()
    if app.failure is not None:
        raise app.failure


def counted(tally: Tally) -> str:
    """Say what was chosen so far, in a line."""
    text = say(
        f"{many(tally.pairs, 'pair')}, {many(tally.ties, 'tie')}, {tally.skips} skipped",
        f"偏好 {tally.pairs} 对，平手 {tally.ties}，跳过 {tally.skips}",
    )
    if tally.first_share is None:
        return text
    share = f"{tally.first_share:.0%}"
    return text + say(f"; the first answer chosen in {share}", f"；选第一个回答的占 {share}")


def _line(value: dict[str, Any]) -> str:
    """Return one line of JSON. U+2028 and U+2029 are escaped: str.splitlines parts lines there."""
    text = json.dumps(value, ensure_ascii=False)
    return text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029") + "\n"


def _write(
    path: Path, record: Progress, form: Callable[[Iterable[Judgement]], list[dict[str, Any]]]
) -> None:
    """Write one JSON object a line, whole or not at all.

    Raises MissingError where there is nothing to write: libraries cannot read an empty file.
    """
    from tutor.workshop.files import written

    if not (lines := form(record.preferences.all())):
        raise MissingError(
            say("There are no choices yet.", "还没有任何选择。"),
            say("Choose in a terminal: tutor prefer", "在终端中选择：tutor prefer"),
        )
    with written(path) as part:
        part.write_text("".join(_line(line) for line in lines), "utf-8")
    narrate(say(f"{many(len(lines), 'line')} → {path}", f"{len(lines)} 行 → {path}"))
