"""Past questions: search them, and go on from one."""

from __future__ import annotations

import sqlite3
import time
from typing import TYPE_CHECKING

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from tutor.base.i18n import say
from tutor.tui.keys import HISTORY, bindings
from tutor.tui.widgets.key_bar import KeyBar

if TYPE_CHECKING:
    from tutor.progress.sessions import Turn
    from tutor.tui.record import Record

ANSWER_CHARACTERS = 160


class HistoryScreen(ModalScreen["Turn | None"]):
    """Ends with the turn that was chosen, or None."""

    BINDINGS = bindings(HISTORY)

    def __init__(self, record: Record) -> None:
        super().__init__()
        self._record = record
        self._turns: list[Turn] = []

    def compose(self) -> ComposeResult:
        with Vertical(classes="window"):
            yield Static(classes="window-title")
            yield Input(id="wanted")
            yield OptionList(classes="window-text")
            yield KeyBar()

    def on_mount(self) -> None:
        self.query_one(Input).focus()
        self.retell()
        self._search("")

    def retell(self) -> None:
        title = Content.styled(say("Past questions", "提问历史"), "bold $primary")
        self.query_one(".window-title", Static).update(title)
        self.query_one(Input).placeholder = say("Words to look for", "输入要查找的词")
        self.query_one(KeyBar).show(HISTORY)
        self._draw()

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        self._search(event.value)

    @work(exclusive=True)
    async def _search(self, words: str) -> None:
        try:
            self._turns = await self._record.find_turns(words)
        except sqlite3.Error as error:
            self.notify(str(error), severity="error", markup=False)
        self._draw()

    def _draw(self) -> None:
        found = self.query_one(OptionList)
        found.clear_options()
        if not self._turns:
            found.add_option(Option(say("Nothing was found.", "没有找到。"), disabled=True))
            return
        found.add_options([Option(_line(turn)) for turn in self._turns])
        found.highlighted = 0

    @on(Input.Submitted)
    def _submitted(self) -> None:
        self.query_one(OptionList).action_select()

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._turns[event.option_index])

    async def action_press(self, action: str) -> None:
        await self.run_action(action)

    def action_list(self) -> None:
        self.query_one(OptionList).focus()

    def action_close(self) -> None:
        self.dismiss(None)


def _line(turn: Turn) -> Content:
    """When, what was asked, and below it the beginning of the answer."""
    when = time.strftime("%m-%d %H:%M", time.localtime(turn.at))
    answer = say("(unanswered)", "（未回答）") if turn.answer is None else turn.answer
    said = " ".join(answer[:ANSWER_CHARACTERS].split())
    return Content.assemble(
        (f"{when}  ", "$foreground 60%"), turn.question, "\n", (f"  {said}", "$foreground 60%")
    )
