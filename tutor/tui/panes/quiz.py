"""The quiz: the cards that are due, of one unit or of all, then new ones."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Input, Static

import curriculum
from curriculum.quiz import Choice, Number, Recall
from tutor.base.errors import TutorError
from tutor.base.i18n import say
from tutor.progress.reviews import Asked, Rating
from tutor.progress.sitting import (
    UNKNOWN,
    Sitting,
    grade,
    kept,
    option_at,
    rating_name,
    solution,
    when_again,
    where_taught,
)
from tutor.tui.asking import problem
from tutor.tui.config import current
from tutor.tui.keys import QUIZ, QUIZ_NUMBER, Key, bindings
from tutor.tui.marks import Snapshot
from tutor.tui.messages import Changed
from tutor.tui.places import Place
from tutor.tui.widgets.link_row import LinkRow
from tutor.tui.widgets.plan_tree import unit_title

if TYPE_CHECKING:
    from tutor.tui.record import Record

Stage = Literal["asking", "rating", "keeping", "told", "over"]
"""What the page shows: a question; a recalled answer to rate; nothing new while an answer is
written to the record; how it was; the end."""

clock = time.time
"""Tests set it."""


class QuizPane(Vertical):
    """One sitting. It stays where it is while the learner looks something up."""

    BINDINGS = [  # noqa: RUF012
        *bindings(QUIZ),
        *[
            Binding(str(n), f"choose({n})", str(n), show=False, id=f"tutor.choose{n}")
            for n in range(1, 6)
        ],
    ]

    def __init__(self, record: Record) -> None:
        super().__init__(id="pane-quiz", classes="pane")
        self.place = Place("quiz")
        self._record = record
        self._sitting = Sitting(())
        self._stage: Stage = "over"
        self._typed = ""
        self._wait = 0.0
        self._rating = Rating.GOOD
        self._begun = 0.0
        self._note = ""

    @property
    def title(self) -> str:
        name = say("Quiz", "测验")
        return f"{unit_title(curriculum.unit(self.place.id))} · {name}" if self.place.id else name

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="quiz-scroll", classes="page"):
            yield Static(id="quiz-head", markup=False)
            yield Static(id="quiz-question", markup=False)
            yield Vertical(id="quiz-rows")
        yield Input(id="quiz-number")

    async def show(self, place: Place, snapshot: Snapshot) -> None:
        """Begin a sitting, unless one on the same cards is under way."""
        if place == self.place and self._sitting.current is not None:
            return
        self.place, self._note, self._sitting = place, "", Sitting(())
        try:
            queue = await self._record.quiz(place.id, current().week, clock())
        except (TutorError, sqlite3.Error, OSError) as error:
            self._stage, self._note = "over", problem(error).message
        else:
            self._sitting = Sitting(queue)
            self._begin()
        await self._draw()

    async def retell(self) -> None:
        await self._draw()

    def focus_view(self) -> None:
        """Numbers are typed; everything else is a key."""
        wanted = "#quiz-number" if self._typing else "#quiz-scroll"
        self.screen.set_focus(self.query_one(wanted), scroll_visible=False)

    @property
    def _asked(self) -> Asked | None:
        return self._sitting.current

    @property
    def _typing(self) -> bool:
        asked = self._asked
        return self._stage == "asking" and asked is not None and isinstance(asked.card, Number)

    # Keys

    @property
    def KEYS(self) -> tuple[Key, ...]:
        return QUIZ_NUMBER if self._typing else QUIZ

    async def action_choose(self, number: int) -> None:
        """Choose an option, or rate what was recalled."""
        asked = self._asked
        if asked is None:
            return
        if self._stage == "rating" and number in tuple(Rating):
            await self._keep(Rating(number), "")
        elif self._stage == "asking" and isinstance(asked.card, Choice):
            await self._answer(str(number))

    async def action_reveal(self) -> None:
        """Show the answer; where it is shown, go on."""
        asked = self._asked
        if asked is None:
            return
        if self._stage == "told":
            await self._go_on()
        elif self._stage == "asking" and isinstance(asked.card, Recall):
            self._stage = "rating"
            await self._draw()
            self.focus_view()
        elif self._stage == "asking":
            await self._answer(UNKNOWN)

    async def action_next(self) -> None:
        if self._stage == "told":
            await self._go_on()

    @on(LinkRow.Opened)
    async def _row_opened(self, event: LinkRow.Opened) -> None:
        if isinstance(event.target, int):
            event.stop()
            await self.action_choose(event.target)

    @on(Input.Submitted)
    async def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if event.value.strip() and self._typing:
            await self._answer(event.value)

    # A card

    def _begin(self) -> None:
        self._stage = "asking" if self._asked is not None else "over"
        self._typed, self._begun = "", time.monotonic()

    async def _answer(self, typed: str) -> None:
        """Grade what was chosen or typed; say so where it is no answer."""
        asked = self._asked
        assert asked is not None
        if (right := grade(asked, typed)) is not None:
            await self._keep(Rating.of(right), typed)
        elif isinstance(asked.card, Number):
            self._note = say(
                "Not a number. Like these: 73728, 7.4e4, 1/3, 15%",
                "这不是数。可以这样写：73728、7.4e4、1/3、15%",
            )
            self._draw_head()

    async def _keep(self, rating: Rating, typed: str) -> None:
        """Write the answer to the record, then show how it was: what is shown is kept."""
        asked, before = self._asked, self._stage
        assert asked is not None
        self._stage = "keeping"  # another key meanwhile answers nothing
        at, seconds = clock(), round(time.monotonic() - self._begun, 1)
        said = kept(asked, typed)
        try:
            due = await self._record.review(asked.card, rating, at, said, seconds)
        except (TutorError, sqlite3.Error, OSError) as error:
            self._stage = before
            self.notify(problem(error).message, severity="error", markup=False)
            return
        self.post_message(Changed())
        self._rating, self._typed, self._wait = rating, typed, due - at
        self._stage, self._note = "told", ""
        if isinstance(asked.card, Recall):  # its answer has been seen
            await self._go_on()
            return
        await self._draw()
        self.focus_view()

    async def _go_on(self) -> None:
        asked, self._note = self._asked, ""
        if asked is not None and isinstance(asked.card, Recall):  # the others have said it
            last = say("the last one:", "上一张：")
            self._note = f"{last} {when_again(self._rating, self._wait)}"
        self._sitting.take(self._rating)
        self._begin()
        await self._draw()
        self.query_one("#quiz-scroll").scroll_home(animate=False)
        if self.has_focus_within or self.screen.focused is None:
            self.focus_view()

    # Drawing

    async def _draw(self) -> None:
        asked, number = self._asked, self.query_one("#quiz-number", Input)
        if self._typing and not number.display:
            number.value = ""
        number.display = self._typing
        number.placeholder = say("A number; ? shows it", "输入一个数；? 看答案")
        question = self._end() if asked is None else str(asked.card.question)
        self.query_one("#quiz-question", Static).update(question)
        self._draw_head()
        rows = self.query_one("#quiz-rows")
        with self.app.batch_update():
            await rows.remove_children()
            if asked is not None:
                await rows.mount_all(list(self._rows(asked)))

    def _draw_head(self) -> None:
        parts = [self._note] if self._note else []
        if asked := self._asked:
            left = say(f"{self._sitting.left} left", f"还剩 {self._sitting.left} 张")
            new = [] if asked.review else [say("new", "新")]
            parts = [asked.card.unit, left, *new, *parts]
        self.query_one("#quiz-head", Static).update(" · ".join(parts))

    def _end(self) -> str:
        if not self._sitting.answered:
            return say(
                "Nothing to answer now. New cards come from the units you have begun, "
                "ten a day; a unit's own quiz is on its page.",
                "现在没有要答的卡片。新卡片来自你已开始的单元，每天十张；各单元页面上有该单元的测验。",
            )
        return say(
            f"Done: {self._sitting.answered} answers, {self._sitting.right} right.",
            f"完成：答了 {self._sitting.answered} 次，对 {self._sitting.right} 次。",
        )

    def _rows(self, asked: Asked) -> Iterator[Static]:
        """What stands below the question."""
        if isinstance(asked.card, Choice):
            yield from self._options(asked, asked.card)
        if self._stage == "rating":
            yield Static(solution(asked), classes="told", markup=False)
            for rating in Rating:
                yield LinkRow(int(rating), lambda r=rating: _row(int(r), rating_name(r)))  # type: ignore[misc]
            yield from _lesson(asked)
        elif self._stage == "told" and not isinstance(asked.card, Recall):
            yield from self._outcome(asked, asked.card)
            yield from _lesson(asked)
        elif isinstance(asked.card, Recall) and self._stage == "asking":
            yield Static(_muted(say("Say it, then Space.", "先说出答案，再按空格。")))

    def _options(self, asked: Asked, card: Choice) -> Iterator[Static]:
        chosen = option_at(asked, self._typed)
        for place, index in enumerate(card.order(asked.review), 1):
            text = str(card.options[index])
            if self._stage != "told":
                yield LinkRow(place, lambda p=place, t=text: _row(p, t))  # type: ignore[misc]
            elif index == card.right:
                yield Static(_row(place, text, "✓", "$text-success"), classes="option")
            elif index == chosen:
                yield Static(_row(place, text, "✗", "$text-error"), classes="option")
            else:
                yield Static(_muted(f"  {place}  {text}"), classes="option")

    def _outcome(self, asked: Asked, card: Choice | Number) -> Iterator[Static]:
        right = self._rating is not Rating.AGAIN
        head = (
            (say("✓ Right. ", "✓ 正确。"), "$text-success")
            if right
            else (say("✗ Not yet. ", "✗ 还不对。"), "$text-error")
        )
        number = f"{solution(asked)}. " if isinstance(card, Number) else ""
        again = when_again(self._rating, self._wait)
        yield Static(
            Content.assemble(head, number, str(card.why), "\n", (again, "$foreground 60%")),
            classes="told",
        )


def _lesson(asked: Asked) -> Iterator[LinkRow]:
    """The way to the lesson that teaches a card."""
    if taught := where_taught(asked):
        target = Place("lesson", asked.card.unit)
        yield LinkRow(target, lambda: Content.styled(taught, "$primary"))


def _row(place: int, text: str, mark: str = " ", style: str = "$primary") -> Content:
    return Content.assemble((f"{mark} {place}  ", style), text)


def _muted(text: str) -> Content:
    return Content.styled(text, "$foreground 60%")
