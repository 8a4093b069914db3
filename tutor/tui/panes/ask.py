"""The conversation with the tutor."""

from __future__ import annotations

import sqlite3
from concurrent.futures import Future
from importlib import import_module
from typing import TYPE_CHECKING, Any

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.message import Message
from textual.widgets import Input, Markdown, Static

from tutor.base.i18n import say
from tutor.tui.asking import Library, Problem, Talk, problem_of, relay
from tutor.tui.background import Background
from tutor.tui.keys import ASKING, CHAT, Key, bindings
from tutor.tui.messages import Changed
from tutor.tui.places import ASK
from tutor.tui.widgets.link_row import LinkRow
from tutor.tui.widgets.turn import OwnView, Turn

if TYPE_CHECKING:
    from tutor.progress.sessions import Turn as PastTurn
    from tutor.tui.record import Record


class AskPane(Vertical):
    """Questions go to the agent in its own thread; its events come back as messages."""

    KEYS: tuple[Key, ...] = ASKING
    BINDINGS = bindings(CHAT)

    class Heard(Message):
        """An event of the agent, for one turn."""

        def __init__(self, turn: Turn, event: Any) -> None:
            self.turn, self.event = turn, event
            super().__init__()

    class Ended(Message):
        """The agent has finished, failed or been cancelled."""

        def __init__(self, turn: Turn, problem: Problem | None) -> None:
            self.turn, self.problem = turn, problem
            super().__init__()

    def __init__(self, background: Background, record: Record) -> None:
        super().__init__(id="pane-ask", classes="pane")
        self.place = ASK
        self._background = background
        self._record = record
        self._talk = Talk()
        self._library = Library()
        self._turn: Turn | None = None
        self._following = True
        self._work: Future[None] | None = None

    @property
    def title(self) -> str:
        return say("Ask", "提问")

    @property
    def busy(self) -> bool:
        return self._turn is not None

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="conversation", classes="page"):
            yield Static(id="welcome")
        yield Input(id="question")

    def on_mount(self) -> None:
        conversation = self.query_one("#conversation")
        self.watch(conversation, "virtual_size", self._follow, init=False)
        self.watch(conversation, "scroll_y", self._scrolled, init=False)
        self.retell()

    def _follow(self) -> None:
        """Keep the end of a growing answer in view. Not Widget.anchor: it moves a short
        conversation to the bottom."""
        if self._following:
            self.query_one("#conversation").scroll_end(animate=False)

    def _scrolled(self, before: float, now: float) -> None:
        """Stop following when the learner scrolls up; follow again from the end."""
        at_end = now >= self.query_one("#conversation").max_scroll_y - 1
        self._following = at_end or (self._following and now >= before)

    def retell(self) -> None:
        self.query_one("#question", Input).placeholder = say(
            "Ask about the plan, a paper, a library…", "向导师提问：计划、论文、代码库……"
        )
        welcome = say(
            "Answers come from the documents on this machine, and say which.",
            "回答来自本机上的资料，并注明出处。",
        )
        self.query_one("#welcome", Static).update(welcome)

    def focus_view(self) -> None:
        self.query_one("#question", Input).focus()

    @on(Input.Submitted, "#question")
    async def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        question = event.value.strip()
        if question and not self.busy:
            event.input.clear()
            await self.ask(question)

    async def ask(self, question: str, own: bool = False) -> None:
        """Start answering the conversation's next question; returns at once. own: with the
        model's own view."""
        self.query_one("#welcome").display = False
        turn = self._turn = Turn(question)
        conversation = self.query_one("#conversation", VerticalScroll)
        await conversation.mount(turn)
        self._following = True
        conversation.scroll_end(animate=False)
        asking = relay(
            question,
            self._library,
            self._talk,
            lambda event: self.post_message(self.Heard(turn, event)),
            own,
        )
        self._work = self._background.submit(asking)
        self._work.add_done_callback(
            lambda future: self.post_message(self.Ended(turn, problem_of(future)))
        )

    async def stop(self) -> None:
        """Stop generating, now."""
        if self._turn is not None and self._work is not None:
            turn, self._turn = self._turn, None
            self._work.cancel()
            await turn.end(stopped=True)

    @on(Heard)
    async def _heard(self, message: Heard) -> None:
        message.stop()
        if not message.turn.running:
            return  # it was stopped; what was under way still arrives
        await message.turn.take(message.event)

    @on(Ended)
    async def _ended(self, message: Ended) -> None:
        message.stop()
        await message.turn.end(message.problem)
        if self._turn is message.turn:
            self._turn = None
        if message.turn.answer is not None and message.turn.answer.exercise:
            self.post_message(Changed())  # a hint was taken

    @on(LinkRow.Opened)
    async def _opened(self, event: LinkRow.Opened) -> None:
        if isinstance(event.target, OwnView):
            event.stop()
            if not self.busy:
                await self.ask(event.target.question, own=True)

    # Sessions

    async def action_fresh(self) -> None:
        """Begin a new session."""
        await self._clear(Talk())
        self.query_one("#welcome").display = True
        self.focus_view()

    @work
    async def action_history(self) -> None:
        from tutor.tui.screens.history import HistoryScreen

        chosen = await self.app.push_screen_wait(HistoryScreen(self._record))
        try:
            if chosen is not None:
                await self._resume(chosen)
        except sqlite3.Error as error:
            self.notify(str(error), severity="error", markup=False)

    async def _resume(self, chosen: PastTurn) -> None:
        """Show the session of a past question, at that question; what is asked next goes on from
        its end."""
        past = await self._record.turns(chosen.session)
        await self._clear(Talk(chosen.session))
        self.query_one("#welcome").display = False
        answer_of = import_module("tutor.agent").answer_of
        turns = [Turn(turn.question) for turn in past]
        await self.query_one("#conversation").mount_all(turns)
        for turn, kept in zip(turns, past, strict=True):
            await turn.recall(answer_of(kept))
        shown = turns[[kept.id for kept in past].index(chosen.id)]
        self.call_after_refresh(shown.scroll_visible, animate=False, top=True)
        self.focus_view()

    async def _clear(self, talk: Talk) -> None:
        await self.stop()
        self._talk = talk
        self._following = False
        await self.query(Turn).remove()

    @on(Markdown.LinkClicked)
    def _mark_clicked(self, event: Markdown.LinkClicked) -> None:
        scheme, _, number = event.href.partition(":")
        if scheme != "cite" or not number.isdecimal():
            return
        event.stop()
        turn = next(node for node in event.markdown.ancestors if isinstance(node, Turn))
        self.post_message(LinkRow.Opened(turn.source(int(number))))
