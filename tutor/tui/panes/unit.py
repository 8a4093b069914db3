"""A unit's page: what it is for, theory, practice, and where to read on."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Markdown, Static

import curriculum
from curriculum import Practice, Resource, Unit
from tutor.base.i18n import say
from tutor.tui.keys import LINKS, Key, bindings
from tutor.tui.marks import Snapshot
from tutor.tui.places import PREFER, PREFER_UNIT, Place
from tutor.tui.widgets.link_row import LinkRow
from tutor.tui.widgets.plan_tree import unit_title

KINDS = {
    "paper": ("paper", "论文"),
    "docs": ("docs", "文档"),
    "course": ("course", "课程"),
    "blog": ("blog", "博客"),
    "code": ("code", "代码"),
    "notebook": ("notebook", "笔记本"),
    "dataset": ("dataset", "数据集"),
    "video": ("video", "视频"),
}


class UnitPane(VerticalScroll):
    """Shows one unit; `show` changes which."""

    KEYS: tuple[Key, ...] = LINKS
    BINDINGS = bindings(k for k in LINKS if k.action)

    def __init__(self) -> None:
        super().__init__(id="pane-unit", classes="pane page")
        self.place = Place("unit", curriculum.ORDER[0])
        self._snapshot = Snapshot()

    @property
    def unit(self) -> Unit:
        return curriculum.unit(self.place.id)

    @property
    def title(self) -> str:
        return unit_title(self.unit)

    def compose(self) -> ComposeResult:
        yield Markdown(id="unit-text", open_links=False)

    async def show(self, place: Place, snapshot: Snapshot) -> None:
        """Show a unit, from the top or from its resources."""
        self.place, self._snapshot = place, snapshot
        await self._draw()
        if place.kind == "resources":
            heading = self.query_one("#resources-heading")
            self.call_after_refresh(self.scroll_to_widget, heading, top=True, animate=False)
        else:
            self.scroll_home(animate=False)

    async def retell(self) -> None:
        await self._draw()

    async def _draw(self) -> None:
        with self.app.batch_update():
            await self.query(".below").remove()
            await self.query_one("#unit-text", Markdown).update(overview(self.unit))
            await self.mount_all(list(self._below()))

    def _below(self) -> Iterator[Static]:
        yield Static(say("Practice", "实践"), classes="below heading")
        for practice in self.unit.practice:
            yield self._practice(practice)
        if self.unit.id in self._snapshot.quiz:
            yield _row(Place("quiz", self.unit.id), self._quiz_row)
        if self.unit.id == PREFER_UNIT:
            yield _row(PREFER, _prefer_row)
        yield Static(say("Read", "阅读"), classes="below heading", id="resources-heading")
        lesson = Place("lesson", self.unit.id)
        yield _row(lesson, lambda: self._lesson_row())
        for resource in self.unit.resources:
            yield _row(resource.url, lambda r=resource: resource_row(r))  # type: ignore[misc]

    def _practice(self, practice: Practice) -> Static:
        if not practice.exercise:
            return Static(Content(f"· {practice.text}"), classes="below plain")
        return _row(Place("exercise", practice.exercise), lambda: self._exercise_row(practice))

    def _exercise_row(self, practice: Practice) -> Content:
        known = next((e for e in self._snapshot.exercises if e.id == practice.exercise), None)
        mark = self._snapshot.exercise_mark(known) if known else None
        symbol = mark.symbol if mark else "○"
        return Content.assemble(
            (f"{symbol} ", "$primary"),
            str(practice.text),
            (f"   {practice.exercise}  {mark.score if mark else ''}", "$foreground 60%"),
        )

    def _quiz_row(self) -> Content:
        counts, mark = self._snapshot.quiz[self.unit.id], self._snapshot.quiz_mark(self.unit.id)
        figures = say(
            f"   {counts.due} due, {counts.new} new, {mark.score} known",
            f"   到期 {counts.due}，未学 {counts.new}，已掌握 {mark.score}",
        )
        return Content.assemble(
            (f"{mark.symbol} ", "$primary"),
            (say("Quiz", "测验"), "bold"),
            (figures, "$foreground 60%"),
        )

    def _lesson_row(self) -> Content:
        mark = self._snapshot.lesson_mark(self.unit.id)
        note = say("   tested out", "   已免修") if mark.state == "skipped" else ""
        return Content.assemble(
            (f"{mark.symbol} ", "$primary"),
            (say("The lesson", "本单元课文"), "bold"),
            (note, "$foreground 60%"),
        )


def _prefer_row() -> Content:
    """The way to the page on which preferences are collected."""
    what = say("   choose between two answers", "   在两个回答之间选择")
    return Content.assemble(
        ("· ", "$primary"),
        (say("Collect preferences", "收集偏好"), "bold"),
        (what, "$foreground 60%"),
    )


def overview(unit: Unit) -> str:
    """A unit's head, objectives and theory as Markdown."""
    hours = say(f"About {unit.hours} hours.", f"约 {unit.hours} 小时。")
    parts = [
        f"# {unit_title(unit)}",
        f"{unit.summary} *{hours}*",
        "## " + say("Objectives", "学习目标"),
        *[f"- {objective}" for objective in unit.objectives],
        "## " + say("Theory", "理论"),
        *[f"- {theory}" for theory in unit.theory],
    ]
    return "\n\n".join(parts[:3]) + "\n" + "\n".join(parts[3:])


def resource_row(resource: Resource) -> Content:
    """Title; kind, language and minutes; what to look for; the address."""
    kind = say(*KINDS[resource.kind])
    lang = {"en": say("English", "英文"), "zh": say("Chinese", "中文")}[resource.language]
    minutes = say(f"{resource.minutes} min", f"{resource.minutes} 分钟")
    return Content.assemble(
        (str(resource.title), "bold"),
        (f"   {kind} · {lang} · {minutes}", "$foreground 60%"),
        "\n",
        str(resource.note),
        "\n",
        (resource.url, "$primary"),
    )


def _row(target: object, content: Callable[[], Content]) -> LinkRow:
    row = LinkRow(target, content)
    row.add_class("below")
    return row
