"""A lesson: Markdown with its table of contents. Read to the end, it goes into the record."""

from __future__ import annotations

from collections.abc import Mapping

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import Markdown
from textual.widgets.markdown import MarkdownTableOfContents

import curriculum
from tutor.base.i18n import say
from tutor.progress.testout import lesson_note
from tutor.tui.keys import READING, Key, bindings
from tutor.tui.marks import Snapshot
from tutor.tui.messages import Noted
from tutor.tui.places import Place
from tutor.tui.widgets.plan_tree import unit_title


class LessonPane(Horizontal):
    """Shows one lesson; `show` changes which."""

    KEYS: tuple[Key, ...] = tuple(k for k in READING if k.action != "leave")
    BINDINGS = bindings(KEYS)

    def __init__(self) -> None:
        super().__init__(id="pane-lesson", classes="pane")
        self.place = Place("lesson", curriculum.ORDER[0])
        self._ready = False
        self._read: set[str] = set()
        self._tested_out: Mapping[str, float] = {}

    @property
    def title(self) -> str:
        return f"{unit_title(curriculum.unit(self.place.id))} · {say('Lesson', '课文')}"

    def compose(self) -> ComposeResult:
        text = Markdown(id="lesson-text", open_links=False)
        with VerticalScroll(id="lesson-scroll", classes="page"):
            yield text
        yield MarkdownTableOfContents(text, id="lesson-contents")

    def on_mount(self) -> None:
        self.watch(self.query_one("#lesson-scroll"), "scroll_y", self._notice_end, init=False)

    async def show(self, place: Place, snapshot: Snapshot) -> None:
        self.place, self._read = place, set(snapshot.lessons)
        self._tested_out = snapshot.tested_out
        await self._draw()
        self._scroll.scroll_home(animate=False)

    async def retell(self) -> None:
        await self._draw()

    def focus_view(self) -> None:
        self._scroll.focus(scroll_visible=False)

    @property
    def _scroll(self) -> VerticalScroll:
        return self.query_one("#lesson-scroll", VerticalScroll)

    async def _draw(self) -> None:
        self._ready = False
        text = lesson_text(self.place.id)
        if at := self._tested_out.get(self.place.id):
            text = f"> {lesson_note(at)}\n\n{text}"
        await self.query_one("#lesson-text", Markdown).update(text)
        self._ready = True
        self.call_after_refresh(self._notice_end)

    def _notice_end(self, *_: object) -> None:
        """Log the lesson once, when the last line has come into view."""
        scroll, unit = self._scroll, curriculum.unit(self.place.id)
        laid_out = (
            self._ready and self.display and scroll.size.height and scroll.virtual_size.height
        )
        if not laid_out or unit.lesson_file() is None or unit.id in self._read:
            return
        if scroll.scroll_y >= scroll.max_scroll_y - 1:
            self._read.add(unit.id)
            self.post_message(Noted("lesson", unit.id))

    @on(Markdown.TableOfContentsUpdated)
    def _contents_changed(self, event: Markdown.TableOfContentsUpdated) -> None:
        self.query_one(MarkdownTableOfContents).table_of_contents = event.table_of_contents
        event.stop()

    @on(Markdown.TableOfContentsSelected)
    def _contents_selected(self, event: Markdown.TableOfContentsSelected) -> None:
        self.remove_class("-contents")
        self._scroll.scroll_to_widget(self.query_one(f"#{event.block_id}"), top=True)
        event.stop()

    def action_contents(self) -> None:
        """Show the table of contents, where the terminal is too narrow to show it always."""
        self.toggle_class("-contents")
        if self.query_one(MarkdownTableOfContents).display:
            self.query_one("#lesson-contents Tree").focus()


def lesson_text(unit_id: str) -> str:
    """Return a unit's lesson in the current language; where only the other one is written, that
    with a line that says so."""
    unit = curriculum.unit(unit_id)
    if path := unit.lesson_file():
        return path.read_text("utf-8")
    if path := unit.lesson_file("en") or unit.lesson_file("zh"):
        note = say("This lesson is not translated yet.", "这篇课文还没有中文版。")
        return f"> {note}\n\n{path.read_text('utf-8')}"
    return "> " + say("This lesson is not written yet.", "这篇课文还没有写好。")
