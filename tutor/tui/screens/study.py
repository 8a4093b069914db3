"""The study screen: the plan on the left, a page on the right, progress above, keys below.

Nothing that is not needed for the first frame is imported at the top of this module: pages (and
with them the Markdown parser), exercises and the record come right after it.
"""

from __future__ import annotations

import asyncio
import sqlite3
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal
from textual.screen import Screen
from textual.widgets import ContentSwitcher, Input, Tree

import curriculum
from tutor.base.errors import TutorError
from tutor.base.i18n import say
from tutor.tui.background import Background
from tutor.tui.config import current
from tutor.tui.keys import PLAN, STUDY, Key, bindings
from tutor.tui.marks import Snapshot
from tutor.tui.messages import Changed, Checked, Noted
from tutor.tui.places import ASK, Place
from tutor.tui.record import Record
from tutor.tui.widgets.key_bar import KeyBar
from tutor.tui.widgets.link_row import LinkRow
from tutor.tui.widgets.plan_tree import PlanTree
from tutor.tui.widgets.progress_line import ProgressLine

if TYPE_CHECKING:
    from textual.events import Event
    from textual.widgets import Markdown

PANES = {
    "unit": ("tutor.tui.panes.unit", "UnitPane"),
    "resources": ("tutor.tui.panes.unit", "UnitPane"),
    "lesson": ("tutor.tui.panes.lesson", "LessonPane"),
    "quiz": ("tutor.tui.panes.quiz", "QuizPane"),
    "ask": ("tutor.tui.panes.ask", "AskPane"),
    "prefer": ("tutor.tui.panes.prefer", "PreferPane"),
    "exercise": ("tutor.tui.panes.exercise", "ExercisePane"),
}


class StudyScreen(Screen[None]):
    """Owns the record and the way from page to page."""

    BINDINGS: ClassVar = [
        *bindings(STUDY),
        Binding("escape", "stop", "Stop", show=False, priority=True),
        Binding("ctrl+c", "stop", "Stop", show=False, priority=True),
        Binding("escape", "leave", "Back", show=False),
    ]

    def __init__(self, at: Place | None = None) -> None:
        super().__init__()
        self._at = at
        self.record = Record()
        self.snapshot = Snapshot()
        self.background = Background("agent")
        self._panes: dict[str, Any] = {}
        self.page: Any = None
        self._going = asyncio.Lock()
        self._bound_for: Place | None = None
        self._typed: list[Event] = []
        self.stocked = asyncio.Event()

    def compose(self) -> ComposeResult:
        yield ProgressLine()
        with Horizontal(id="body"):
            yield PlanTree()
            yield ContentSwitcher(id="content")
        yield KeyBar()

    def on_mount(self) -> None:
        self.query_one(PlanTree).focus()
        self.watch(self, "focused", self._tell_keys)
        self.call_after_refresh(self._arrive)

    @work
    async def _arrive(self) -> None:
        """What waits for the first frame: the page of the learner's unit, then the record, then
        the page that was asked for."""
        await asyncio.to_thread(import_module, "tutor.tui.panes.unit")
        week = current().week
        await self.go(Place("unit", curriculum.units()[week].id), follow=False)
        await self._open_record()
        if self._at is not None:
            self.visit(self._at)

    # From page to page

    async def go(self, place: Place, follow: bool = True) -> None:
        """Show a page. follow: put the focus there and, where they share the room, hide the
        plan."""
        async with self._going:
            pane = await self._pane_of(place)
            if hasattr(pane, "show"):
                await pane.show(place, self.snapshot)
            self.page = pane
            self.query_one(ContentSwitcher).current = pane.id
        self.query_one(ProgressLine).locate(place, pane.title)
        if place != ASK:
            self.query_one(PlanTree).point_at(place)
        if follow:
            self.add_class("-reading")
            self._focus_pane()
        self._tell_keys()

    async def _pane_of(self, place: Place) -> Any:
        module, name = PANES[place.kind]
        key = place.id if place.kind == "exercise" else name
        if key not in self._panes:
            made = getattr(await asyncio.to_thread(import_module, module), name)
            pane = made(*self._parts_for(place))
            await self.query_one(ContentSwitcher).add_content(pane)
            self._panes[key] = pane
        return self._panes[key]

    def _parts_for(self, place: Place) -> tuple[Any, ...]:
        if place.kind in ("ask", "prefer"):
            return (self.background, self.record)
        if place.kind == "quiz":
            return (self.record,)
        if place.kind == "exercise":
            from exercises.spec import find_one

            return (find_one(place.id),)
        return ()

    def _focus_pane(self) -> None:
        """Each page says where the focus goes, or takes it itself."""
        if hasattr(self.page, "focus_view"):
            self.page.focus_view()
        else:
            self.page.focus(scroll_visible=False)

    def visit(self, place: Place) -> None:
        """Go to a page from anywhere that cannot wait. What is typed meanwhile is meant for it."""
        self._bound_for = place
        self._visit(place)

    @work(exclusive=True, group="go")
    async def _visit(self, place: Place) -> None:
        """Go there, say so where that fails, and hand over what was typed on the way."""
        try:
            await self.go(place)
        except (TutorError, OSError) as error:
            self._complain(error)
        finally:
            if self._bound_for is place:  # no later visit has taken over
                self.app.call_later(self._hand_over, place)

    def holds_back(self, event: Event) -> bool:
        """Keep what is typed while a page is on its way: the page there now would take the letters
        of a question for its keys. Returns whether it was kept."""
        if self._bound_for is not None:
            self._typed.append(event)
        return self._bound_for is not None

    async def _hand_over(self, place: Place) -> None:
        if self._bound_for is not place:
            return  # a visit that began since then holds back for its own page
        typed, self._typed, self._bound_for = self._typed, [], None
        for event in typed:
            await self.app.on_event(event)

    @on(Tree.NodeSelected, "#plan")
    def _chosen(self, event: Tree.NodeSelected[Place]) -> None:
        if event.node.data is not None:
            self.visit(event.node.data)

    @on(LinkRow.Opened)
    def _link_opened(self, event: LinkRow.Opened) -> None:
        self.follow_link(event.target)

    def on_markdown_link_clicked(self, event: Markdown.LinkClicked) -> None:
        event.stop()
        self.follow_link(event.href)

    def follow_link(self, target: Any) -> None:
        """A page of ours, an address, or a passage."""
        if isinstance(target, Place):
            self.visit(target)
        elif isinstance(target, str):
            self.app.open_url(target)
        elif target is not None:
            from tutor.tui.screens.passage import PassageScreen

            self.app.push_screen(PassageScreen(target))

    # Keys

    async def action_press(self, action: str) -> None:
        """Do what a key in the bar does, for the mouse: the page's action or the screen's."""
        pane = self.page
        await (pane if hasattr(pane, f"action_{action}") else self).run_action(action)

    def action_ask(self) -> None:
        self.visit(ASK)

    def action_quiz(self) -> None:
        self.visit(Place("quiz"))

    @work(exclusive=True, group="go")
    async def action_history(self) -> None:
        await self.go(ASK)
        self.page.action_history()

    @work(exclusive=True, group="next")
    async def action_next(self) -> None:
        await self.stocked.wait()
        here = self.page.place.id if self.page else ""
        if found := self.snapshot.next_open(here):
            self.visit(Place("exercise", found.id))
        else:
            self.notify(say("Every exercise is passed.", "所有练习都已通过。"))

    def action_plan(self) -> None:
        """Show or hide the plan. In a narrow terminal it and the page take turns."""
        hidden = "-reading" if self.has_class("-narrow") else "-hidden"
        self.toggle_class(hidden)
        if not self.has_class(hidden):
            self.query_one(PlanTree).focus()
        elif self.page:
            self._focus_pane()

    def action_leave(self) -> None:
        """Back to the plan; out of a text field first."""
        if isinstance(self.focused, Input):
            self.page.query("VerticalScroll").first().focus()
            return
        self.remove_class("-reading", "-hidden")
        self.query_one(PlanTree).focus()

    def action_stop(self) -> None:
        self._stop()

    @work
    async def _stop(self) -> None:
        if (stopped := self.page.stop()) is not None:
            await stopped

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "stop":
            return getattr(self.page, "busy", False)
        return True

    def _tell_keys(self, *_: object) -> None:
        """Show the keys that work where the focus is."""
        if not self.is_mounted:
            return
        own: tuple[Key, ...] = PLAN if isinstance(self.focused, PlanTree) else ()
        if (
            self.page is not None
            and self.focused is not None
            and self.page in self.focused.ancestors_with_self
        ):
            own = self.page.KEYS
        keys = own + STUDY
        if isinstance(self.focused, Input):
            keys = tuple(key for key in keys if not key.typed)
        self.query_one(KeyBar).show(keys)

    # The record

    async def _open_record(self) -> None:
        try:
            kept = await self.record.open()
            await self._take_stock()
        except (TutorError, sqlite3.Error, OSError) as error:
            self._complain(error)
            from exercises.spec import all_exercises

            self._show(Snapshot(await asyncio.to_thread(all_exercises)))
            return
        if kept:
            self._tell_moved(kept)

    async def _take_stock(self) -> None:
        self._show(await self.record.snapshot())

    def _show(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.query_one(ProgressLine).show(snapshot)
        self.query_one(PlanTree).show(snapshot)
        self.stocked.set()

    @on(Noted)
    @work(group="record")
    async def _log(self, event: Noted) -> None:
        await self._keep(self.record.log(event.kind, event.subject))

    @on(Checked)
    @work(group="record")
    async def _checked(self, event: Checked) -> None:
        await self._keep(self.record.keep(event.report))

    @on(Changed)
    @work(group="record")
    async def _changed(self) -> None:
        await self._keep()

    async def _keep(self, writing: Any = None) -> None:
        """Write to the record, unless the agent has, and show what it now says."""
        try:
            if writing is not None:
                await writing
            await self._take_stock()
        except (TutorError, sqlite3.Error, OSError) as error:
            self._complain(error)

    def _tell_moved(self, kept: Path) -> None:
        text = say(
            f"The record could not be read. It was kept as {kept}; a new one was started.",
            f"学习记录无法读取，已另存为 {kept}，并新建了一份。",
        )
        self.notify(text, severity="warning", timeout=15, markup=False)

    def _complain(self, error: Exception) -> None:
        from tutor.tui.asking import problem

        trouble = problem(error)
        text = f"{trouble.message}\n→ {trouble.hint}" if trouble.hint else trouble.message
        self.notify(text, severity="error", timeout=12, markup=False)

    def retell(self) -> None:
        if self.page is not None:
            self.query_one(ProgressLine).locate(self.page.place, self.page.title)
        self._tell_keys()
