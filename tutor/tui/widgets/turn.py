"""One question and its answer: steps in a fold, the streamed text, its sources, how it ended."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Collapsible, Markdown, Static
from textual.widgets.markdown import MarkdownStream

from kb import Passage
from tutor.agent import events
from tutor.base.i18n import many, say
from tutor.tui.asking import Problem
from tutor.tui.places import Place
from tutor.tui.widgets.link_row import LinkRow

SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
MARK = re.compile(r"\[(\d{1,2})\](?!\()")
CODE_OR_DUNDER = re.compile(r"(`+[^`]*`+)|__")


@dataclass(frozen=True)
class OwnView:
    """What a row leads to: the model's own view of a question."""

    question: str


class Turn(Vertical):
    """Fed with the agent's events through `take`."""

    def __init__(self, question: str) -> None:
        super().__init__(classes="turn")
        self.question = question
        self.answer: events.Answer | None = None
        self.running = True
        self._text = ""
        self._steps: list[Content] = []
        self._cited: dict[int, Passage] = {}
        self._began = time.monotonic()
        self._stream: MarkdownStream | None = None
        self._ending: Problem | str | None = None

    def compose(self) -> ComposeResult:
        yield Static(Content(self.question), classes="question")
        with Collapsible(classes="steps", title=""):
            yield Static(classes="step-list")
        yield Markdown(classes="answer", open_links=False)
        yield Vertical(classes="sources")
        yield Static(classes="status")

    def on_mount(self) -> None:
        self._ticker = self.set_interval(0.12, self._tell_status)
        self.retell()

    async def take(self, event: events.Event) -> None:
        """Draw one event of tutor.agent."""
        match event:
            case events.Token(text):
                await self._write(text)
            case events.Citation():
                await self._cite(event)
            case events.Thought(text):
                self._step("◦", text)
            case events.ToolCall(name, arguments):
                shown = ", ".join(f"{key}: {value}" for key, value in arguments.items())
                self._step("→", f"{name}({shown})")
            case events.Observation():
                self._step("←", _observed(event))
            case events.Done(answer):
                await self._done(answer)

    async def recall(self, answer: events.Answer | None) -> None:
        """Show what was answered in the past; None where nothing was."""
        if answer is None:
            await self.end(stopped=True)
        else:
            await self._done(answer)

    async def end(self, problem: Problem | None = None, stopped: bool = False) -> None:
        """Nothing more will come."""
        if not self.running:
            return
        self.running = False
        self._ticker.stop()
        if self._stream is not None:
            await self._stream.stop()
            self._stream = None
        self.set_class(stopped, "-stopped")
        self.set_class(problem is not None, "-failed")
        self._ending = problem or ("stopped" if stopped else None)
        self.retell()

    def retell(self) -> None:
        self.query_one(Collapsible).title = self._steps_title()
        self.query_one(".step-list", Static).update(Content("\n").join(self._steps))
        self.query_one(Collapsible).display = bool(self._steps)
        self._tell_status()

    def source(self, number: int) -> Passage | None:
        """The passage that [number] stands for."""
        return self._cited.get(number)

    async def _write(self, text: str) -> None:
        if self._stream is None:
            self._stream = Markdown.get_stream(self.query_one(".answer", Markdown))
        self._text += text
        await self._stream.write(text)

    async def _cite(self, citation: events.Citation) -> None:
        if citation.number in self._cited:
            return
        self._cited[citation.number] = citation.passage
        number, passage = citation.number, citation.passage
        row = LinkRow(passage, lambda: source_row(number, passage))
        await self.query_one(".sources").mount(row)

    async def _done(self, answer: events.Answer) -> None:
        self.answer = answer
        if self._stream is not None:
            await self._stream.stop()
            self._stream = None
        for citation in answer.citations:
            await self._cite(citation)
        await self.query_one(".sources").mount_all(_rows_after(answer))
        self.set_class(not answer.covered, "-uncovered")
        self._text = answer.text or self._text
        # The marks become links now: while the text streams, half a mark may stand at its end.
        await self.query_one(".answer", Markdown).update(_linked(self._text, self._cited))
        await self.end()

    def _step(self, symbol: str, text: str) -> None:
        self._steps.append(Content.assemble((f"{symbol} ", "$primary"), text.strip()))
        self.retell()

    def _steps_title(self) -> str:
        count = len(self._steps)
        return say(many(count, "step"), f"{count} 个步骤")

    def _tell_status(self) -> None:
        self.query_one(".status", Static).update(self._status())

    def _status(self) -> Content:
        if self.running:
            seconds = time.monotonic() - self._began
            frame = SPINNER[int(seconds * 8) % len(SPINNER)]
            doing = (
                say("writing", "正在回答") if self._text else say("looking it up", "正在查找资料")
            )
            return Content.assemble((frame, "$primary"), f" {doing}  {seconds:.0f} s")
        if isinstance(self._ending, Problem):
            return Content.assemble(
                (f"✗ {self._ending.message}", "$text-error"),
                (f"\n→ {self._ending.hint}" if self._ending.hint else "", "$foreground"),
            )
        if self._ending == "stopped":
            return Content(say("Stopped.", "已停止。"))
        return self._summary()

    def _summary(self) -> Content:
        if self.answer is None:
            return Content(say("No answer came.", "没有得到回答。"))
        spent = f"{self.answer.seconds:.1f} s"
        if self.answer.own_view:
            text = say("The model's own view, no source", "模型自己的看法，没有出处")
            return Content.assemble((f"◌ {text}", "$text-warning"), f"  {spent}")
        if self.answer.exercise:
            return Content("")
        if not self.answer.covered:
            text = say("Not covered by your sources", "资料中没有涵盖")
            return Content.assemble((f"◌ {text}", "$text-warning"), f"  {spent}")
        return Content(spent)


def _rows_after(answer: events.Answer) -> list[LinkRow]:
    """The rows below the sources: what is nearest, where to read on, what else can be asked."""
    rows = [LinkRow(p, lambda p=p: nearest_row(p)) for p in answer.nearest]  # type: ignore[misc]
    if where := answer.read_on:
        target = Place("lesson", where.unit) if where.unit else where.url
        rows.append(LinkRow(target, lambda: read_on_row(where)))
    if answer.exercise:
        rows.append(LinkRow(Place("exercise", answer.exercise), lambda: exercise_row(answer)))
    if not (answer.covered or answer.own_view):
        rows.append(LinkRow(OwnView(answer.question), own_view_row))
    return rows


def read_on_row(where: events.ReadOn) -> Content:
    """Where to read on: the lesson's section or the document."""
    return Content.assemble((say("Read on: ", "延伸阅读："), "$foreground 60%"), where.title)


def exercise_row(answer: events.Answer) -> Content:
    return Content.assemble((say("Exercise: ", "练习："), "$foreground 60%"), answer.exercise)


def own_view_row() -> Content:
    """The offer to hear the model without sources."""
    text = say("Ask for the model's own view, without sources", "听模型自己的看法（没有出处）")
    return Content.assemble(("? ", "$text-warning"), text)


def source_row(number: int, passage: Passage) -> Content:
    """[n] title · headings · page."""
    return Content.assemble((f"[{number}] ", "bold $primary"), _where(passage))


def nearest_row(passage: Passage) -> Content:
    """A passage that is near the question but does not answer it."""
    return Content.assemble(("≈ ", "$text-warning"), _where(passage))


def _where(passage: Passage) -> Content:
    heading = "" if passage.heading == passage.title else passage.heading
    heading = heading.removeprefix(f"{passage.title} > ")
    page = say(f"p. {passage.page}", f"第 {passage.page} 页") if passage.page else ""
    rest = "".join(f"  ·  {part}" for part in (heading, page) if part)
    return Content.assemble(passage.title, (rest, "$foreground 60%"))


def _observed(event: events.Observation) -> str:
    count = len(event.passages)
    found = say(many(count, "passage"), f"{count} 段资料")
    titles = "\n".join(f"    {passage.title}" for passage in event.passages)
    return "\n".join(part for part in (found, titles) if part)


def _linked(text: str, cited: dict[int, Passage]) -> str:
    """Turn the marks that name a source into links to it; a quoted __init__ is not bold."""
    text = CODE_OR_DUNDER.sub(lambda m: m[1] or r"\_\_", text)
    return MARK.sub(lambda m: rf"[\[{m[1]}\]](cite:{m[1]})" if int(m[1]) in cited else m[0], text)
