"""Preferences: two answers of the model to one prompt, of which the learner chooses one."""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import aclosing
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Container, Vertical, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, Static

from tutor.base.errors import TutorError
from tutor.base.i18n import language, many, say
from tutor.tui.asking import Problem, problem, problem_of
from tutor.tui.background import Background
from tutor.tui.config import current
from tutor.tui.keys import PREFER, PREFER_OWN, PREFER_STOPPED, Key, bindings
from tutor.tui.marks import Snapshot
from tutor.tui.places import PREFER as PREFER_PLACE
from tutor.tui.places import Place
from tutor.tui.widgets.link_row import LinkRow
from tutor.tui.widgets.turn import SPINNER

if TYPE_CHECKING:
    from tutor.progress.preferences import Choice, Pair, Tally
    from tutor.tui.record import Record

Stage = Literal["empty", "drawing", "choosing", "keeping", "stopped", "failed"]
"""What the page shows: nothing yet; answers that are being made; two answers to choose between,
or whose choice is being written to the record; a drawing that was stopped, or failed."""


async def relay(prompt: str, hand_over: Callable[[Any], object]) -> None:
    """Draw two answers and hand over what comes. Cancelled, it stops the generation."""
    pairs = import_module("tutor.agent.pairs")
    drawing = pairs.draw(prompt, settings=current(), dice=random.Random())
    async with aclosing(drawing) as events:
        async for event in events:
            hand_over(event)


class PreferPane(Vertical):
    """Prompts one after another. A pair stays where it is while the learner looks something up."""

    BINDINGS = bindings(PREFER + PREFER_STOPPED)

    class Heard(Message):
        """An event of tutor.agent.pairs, for one drawing."""

        def __init__(self, drawing: int, event: Any) -> None:
            self.drawing, self.event = drawing, event
            super().__init__()

    class Ended(Message):
        """A drawing has finished, failed or been cancelled."""

        def __init__(self, drawing: int, problem: Problem | None) -> None:
            self.drawing, self.problem = drawing, problem
            super().__init__()

    def __init__(self, background: Background, record: Record) -> None:
        super().__init__(id="pane-prefer", classes="pane")
        self.place = PREFER_PLACE
        self._background = background
        self._record = record
        self._stage: Stage = "empty"
        self._prompt = ""
        self._said = ["", ""]
        self._side = 0
        self._pair: Pair | None = None
        self._tally: Tally | None = None
        self._problem: Problem | None = None
        self._began = 0.0
        self._drawing = 0
        """Counts the drawings: of one that was given up, events may still arrive."""
        self._work: Future[None] | None = None

    @property
    def title(self) -> str:
        return say("Preferences", "偏好")

    @property
    def busy(self) -> bool:
        return self._stage == "drawing"

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="prefer-scroll", classes="page"):
            yield Static(id="prefer-head", markup=False)
            yield Static(id="prefer-prompt", markup=False)
            yield Static(id="prefer-status", markup=False)
            with Container(id="prefer-answers"):
                yield LinkRow("first", lambda: self._answer(0))
                yield LinkRow("second", lambda: self._answer(1))
        yield Input(id="prefer-own")

    def on_mount(self) -> None:
        self.query_one("#prefer-own").display = False
        for number, row in enumerate(self.query(LinkRow), 1):
            row.border_title = str(number)
        self.set_interval(0.12, self._tick)

    async def show(self, place: Place, snapshot: Snapshot) -> None:
        """Begin, unless something is under way or on the screen."""
        if self._stage == "empty":
            self._next()
        self._draw()

    def retell(self) -> None:
        self._draw()

    def focus_view(self) -> None:
        self.screen.set_focus(self.query_one("#prefer-scroll"), scroll_visible=False)

    # Keys

    @property
    def KEYS(self) -> tuple[Key, ...]:
        return PREFER_OWN if self.query_one("#prefer-own").display else PREFER

    async def action_first(self) -> None:
        await self._choose("first")

    async def action_second(self) -> None:
        await self._choose("second")

    async def action_tie(self) -> None:
        await self._choose("tie")

    async def action_skip(self) -> None:
        """No judgement of this pair; of a pair that is not there, nothing is kept."""
        if self._stage == "choosing":
            await self._choose("skip")
        elif self._stage != "keeping":
            self._next()

    def action_again(self) -> None:
        if self._stage in ("stopped", "failed"):
            self._begin(self._prompt) if self._prompt else self._next()

    def action_own(self) -> None:
        field = self.query_one("#prefer-own", Input)
        field.display = True
        field.focus()

    @on(Input.Blurred, "#prefer-own")
    def _left(self, event: Input.Blurred) -> None:
        event.input.display = False

    @on(Input.Submitted, "#prefer-own")
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        prompt = event.value.strip()
        if prompt and self._stage != "keeping":
            event.input.clear()
            self._begin(prompt)
        self.focus_view()

    @on(LinkRow.Opened)
    async def _answer_opened(self, event: LinkRow.Opened) -> None:
        event.stop()
        await self._choose(event.target)

    # A pair

    @work(exclusive=True)
    async def _next(self) -> None:
        """Ask the record what comes next: an earlier pair, or a prompt for a new one."""
        self._give_up()
        try:
            following, self._tally = await self._record.to_judge(language())
        except (TutorError, sqlite3.Error, OSError) as error:
            self._prompt, self._said = "", ["", ""]
            self._stage, self._problem = "failed", problem(error)
            self._draw()
            return
        if isinstance(following, str):
            self._begin(following)
        else:
            self.query_one("#prefer-scroll").scroll_home(animate=False)
            self._put(following)

    def _begin(self, prompt: str) -> None:
        """Draw two answers to a prompt; returns at once."""
        self._give_up()
        self._prompt, self._said, self._side = prompt, ["", ""], 0
        self._stage, self._began = "drawing", time.monotonic()
        drawing = self._drawing
        self._work = self._background.submit(
            relay(prompt, lambda event: self.post_message(self.Heard(drawing, event)))
        )
        self._work.add_done_callback(
            lambda future: self.post_message(self.Ended(drawing, problem_of(future)))
        )
        self.query_one("#prefer-scroll").scroll_home(animate=False)
        self._draw()

    def _give_up(self) -> None:
        """End the drawing that is under way, if one is."""
        self._drawing += 1
        if self._work is not None:
            self._work.cancel()
            self._work = None

    def _put(self, pair: Pair) -> None:
        """Show a pair to choose from."""
        self._pair, self._prompt = pair, pair.prompt
        self._said, self._stage = [pair.first, pair.second], "choosing"
        self._draw()

    @on(Heard)
    def _heard(self, message: Heard) -> None:
        message.stop()
        if message.drawing != self._drawing:
            return
        pairs = import_module("tutor.agent.pairs")
        match message.event:
            case pairs.Piece(side, text):
                self._side = side
                self._said[side] += text
                self._draw_answers()
            case pairs.Anew(side):
                self._said[side] = ""
                self._draw_answers()
            case pairs.Drawn(pair):
                self._put(pair)

    @on(Ended)
    def _ended(self, message: Ended) -> None:
        message.stop()
        if message.drawing == self._drawing and self._stage == "drawing":
            self._work, self._problem = None, message.problem
            self._stage = "failed" if message.problem else "stopped"
            self._draw()

    async def stop(self) -> None:
        """Stop generating, now."""
        if self.busy:
            self._give_up()
            self._stage = "stopped"
            self._draw()

    async def _choose(self, choice: Choice) -> None:
        """Write the choice to the record, then go on: what is counted is kept."""
        if self._stage != "choosing":
            return
        assert self._pair is not None
        self._stage = "keeping"  # another key meanwhile chooses nothing
        try:
            self._tally = await self._record.judge(self._pair, choice)
        except (TutorError, sqlite3.Error, OSError) as error:
            self._stage = "choosing"
            self.notify(problem(error).message, severity="error", markup=False)
            return
        self._next()

    # Drawing

    def _draw(self) -> None:
        self.query_one("#prefer-head", Static).update(self._head())
        self.query_one("#prefer-prompt", Static).update(self._prompt)
        self.query_one("#prefer-own", Input).placeholder = say(
            "A prompt of your own, in any language", "输入你自己的提示，语言不限"
        )
        self._draw_answers()
        self._tick(always=True)

    def _draw_answers(self) -> None:
        for row in self.query(LinkRow):
            row.retell()

    def _answer(self, side: int) -> Content:
        return Content(self._said[side].strip())

    def _head(self) -> str:
        """The judgements so far."""
        if (tally := self._tally) is None:
            return ""
        pairs = say(many(tally.pairs, "pair"), f"{tally.pairs} 对")
        ties = say(many(tally.ties, "tie"), f"平手 {tally.ties}")
        return f"{pairs} · {ties} · " + say(f"{tally.skips} skipped", f"跳过 {tally.skips}")

    def _tick(self, always: bool = False) -> None:
        if always or self.busy:
            self.query_one("#prefer-status", Static).update(self._status())

    def _status(self) -> Content:
        if self._stage == "drawing":
            seconds = time.monotonic() - self._began
            frame = SPINNER[int(seconds * 8) % len(SPINNER)]
            which = (
                say("the first answer is being written", "正在写第一个回答"),
                say("the second answer is being written", "正在写第二个回答"),
            )[self._side]
            return Content.assemble((frame, "$primary"), f" {which}  {seconds:.0f} s")
        if self._stage == "failed" and self._problem is not None:
            return Content.assemble(
                (f"✗ {self._problem.message}", "$text-error"),
                f"\n→ {self._problem.hint}" if self._problem.hint else "",
                "\n" + _ways_on(),
            )
        if self._stage == "stopped":
            return Content(say("Stopped. ", "已停止。") + _ways_on())
        if self._stage in ("choosing", "keeping"):
            return Content(say("Which answer is better?", "哪个回答更好？"))
        return Content("")


def _ways_on() -> str:
    return say(
        "Space: this prompt again. s: another prompt.", "空格：再试这条提示。s：换一条提示。"
    )
