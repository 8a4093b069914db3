"""A check's outcome: each criterion with its mark, points, message and hint."""

from __future__ import annotations

from typing import Any

from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Collapsible, Static

from tutor.base.i18n import many, say

SIGNS = {
    "passed": ("✓", "$text-success"),
    "failed": ("✗", "$text-error"),
    "not_run": ("○", "$foreground 60%"),
}


class Results(VerticalScroll):
    """Draws an exercises.report.Report."""

    def __init__(self) -> None:
        super().__init__(id="view-results", classes="view")
        self._report: Any = None
        self._waiting = False

    async def on_mount(self) -> None:
        await self.retell()

    async def wait(self) -> None:
        """A check is under way: what the last one found no longer holds."""
        self._report, self._waiting = None, True
        await self.retell()

    async def show(self, report: Any) -> None:
        """Show a report; None: there is none."""
        self._report, self._waiting = report, False
        await self.retell()
        self.scroll_home(animate=False)

    async def retell(self) -> None:
        with self.app.batch_update():
            await self.remove_children()
            await self.mount_all(self._rows())

    def _rows(self) -> list[Widget]:
        report = self._report
        if self._waiting:
            return []
        if report is None:
            text = say("Press c to check your file.", "按 c 批改你的文件。")
            return [Static(Content.styled(text, "$foreground 60%"))]
        rows: list[Widget] = [Static(verdict(report), classes="verdict")]
        for result in report.results:
            rows.append(Static(criterion(result), classes="criterion"))
            rows += [Static(text, classes="detail") for text in details(result)]
        if report.output.strip():
            output = Static(Content(report.output.strip()), classes="output")
            rows.append(
                Collapsible(output, title=say("What it printed", "程序输出"), classes="steps")
            )
        return rows


def verdict(report: Any) -> Content:
    """One line: passed or not, points, seconds; what ended it, where something did."""
    if report.passed:
        head = Content.styled(say("✓ Passed", "✓ 通过"), "bold $text-success")
    else:
        head = Content.styled(say("✗ Not yet", "✗ 尚未通过"), "bold $text-error")
    points = say(
        f"{report.points} of {report.max_points} points", f"{report.points}/{report.max_points} 分"
    )
    line = Content.assemble(head, f"   {points}   ", (f"{report.seconds:.1f} s", "$foreground 60%"))
    if report.ending != "finished" and report.message:
        line = Content.assemble(line, "\n", (report.message, "$text-error"))
    return line


def criterion(result: Any) -> Content:
    """One line: ✓ title  2 points."""
    sign, style = SIGNS[result.outcome]
    points = say(many(result.points, "point"), f"{result.points} 分")
    return Content.assemble(
        (f"{sign} ", style), (result.title, "bold"), (f"   {points}", "$foreground 60%")
    )


def details(result: Any) -> list[Content]:
    """Why a criterion was not met, and what to look at."""
    if result.outcome == "passed":
        return []
    found = [Content(result.message)] if result.message not in ("", result.title) else []
    if result.hint:
        found.append(Content.styled(f"→ {result.hint}", "$primary"))
    return found
