"""Draw docs/tui.svg from the real thing: python docs/make_picture.py

The interface is started without a terminal, asked a question, and drawn when the answer is there.
That needs the chat model and a knowledge base (`tutor setup`); `--lesson week5` needs neither. An
answer quotes: what is drawn here was asked of an index of the project's own lessons only.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
from pathlib import Path
from typing import Any

from textual.pilot import Pilot
from textual.widgets import Input

from tutor.base.i18n import use_language
from tutor.tui.app import TutorApp
from tutor.tui.places import ASK, Place
from tutor.tui.widgets.turn import Turn

CELL = 12.2
"""The width of a character in Textual's pictures."""
OUT = Path(__file__).parent / "tui.svg"
QUESTION = "Why is DPO simpler than RLHF?"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--question", default=QUESTION)
    parser.add_argument("--lesson", metavar="UNIT", help="draw this lesson, not an answer")
    parser.add_argument("--size", default="120x36", help="columns x rows")
    parser.add_argument("--limit", type=float, default=300, help="seconds to wait for the answer")
    arguments = parser.parse_args()
    columns, rows = map(int, arguments.size.split("x"))
    asyncio.run(draw(arguments, (columns, rows)))


async def draw(arguments: argparse.Namespace, size: tuple[int, int]) -> None:
    use_language("en")
    app = TutorApp()
    async with app.run_test(size=size) as pilot:
        await asyncio.wait_for(app.study.stocked.wait(), 60)
        if arguments.lesson:
            await app.study.go(Place("lesson", arguments.lesson))
        else:
            await answered(app, pilot, arguments.question, arguments.limit)
        await pilot.pause(0.5)
        OUT.write_text(portable(app.export_screenshot(title="tutor start")), "utf-8")


async def answered(app: TutorApp, pilot: Pilot[Any], question: str, limit: float) -> None:
    """Ask, and wait for the answer. Ends the program where none with a source came."""
    await app.study.go(Place("unit", "week5"), follow=False)
    await app.study.go(ASK)
    app.study.page.query_one(Input).value = question
    await pilot.press("enter")
    await pilot.pause(0.5)
    turn = app.study.page.query_one(Turn)
    async with asyncio.timeout(limit):
        while turn.running:
            await asyncio.sleep(0.2)
    if turn.answer is None or not turn.answer.citations:
        text = turn.answer.text if turn.answer else "look at `tutor doctor`"
        sys.exit(f"no answer with a source came: {text}")


def portable(svg: str) -> str:
    """Take out the font that the picture would fetch from the network when it is shown, and
    begin each text at its first letter: some viewers drop the blanks before it."""
    svg = re.sub(r"@font-face\s*{[^}]*}", "", svg)
    svg = svg.replace("Fira Code", "Fira Code, Menlo, Consolas, DejaVu Sans Mono")
    return re.sub(
        r'x="([\d.]+)"( y="[\d.]+") textLength="([\d.]+)"([^>]*>)((?:&#160;)+)', _moved, svg
    )


def _moved(match: re.Match[str]) -> str:
    x, y, length, rest, blanks = match.groups()
    width = CELL * blanks.count(";")
    return f'x="{float(x) + width:g}"{y} textLength="{max(float(length) - width, 1):g}"{rest}'


if __name__ == "__main__":
    main()
