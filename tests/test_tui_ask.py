"""The conversation, with a scripted agent: streaming, sources, errors, stopping, sessions."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from scripted import FewPassages, passage
from textual.app import App
from textual.events import Key
from textual.widgets import Collapsible, Input, Markdown
from tui_driver import running, screen_text, until

import kb
from tutor.agent import (
    Answer,
    Citation,
    Done,
    Observation,
    Thought,
    Token,
    ToolCall,
    loop,
    session,
)
from tutor.agent.own_view import LABEL
from tutor.base.errors import MissingError
from tutor.progress import open_progress
from tutor.tui.places import ASK, Place
from tutor.tui.widgets.link_row import LinkRow
from tutor.tui.widgets.turn import Turn, _linked

LORA = passage(
    1, "B starts at zero.", title="LoRA paper", heading="4 Method", page=4,
    url="https://arxiv.org/abs/2106.09685",
)  # fmt: skip
TEXT = "B is zero at the start [1], so nothing changes yet."


class Script:
    """Stands in for tutor.agent.loop.ask, and notes what becomes of it."""

    def __init__(self, error: Exception | None = None, endless: bool = False) -> None:
        self.error, self.endless = error, endless
        self.threads: set[str] = set()
        self.asked: list[str] = []
        self.closed = threading.Event()

    async def __call__(self, question, kb, **_) -> AsyncIterator:  # type: ignore[no-untyped-def]
        self.asked.append(question)
        self.threads.add(threading.current_thread().name)
        try:
            yield Observation((LORA,))
            yield Thought("The paper says it.")
            yield ToolCall("search", {"query": "B init"})
            for word in TEXT.split(" "):
                yield Token(word + " ")
                await asyncio.sleep(0.01)
            while self.endless:
                yield Token("more ")
                await asyncio.sleep(0.01)
            if self.error:
                raise self.error
            yield Citation(1, LORA)
            yield Done(Answer(question, TEXT, (Citation(1, LORA),), True, 1.5, 0.5, 2))
        finally:
            self.closed.set()


@pytest.fixture
def ready(home: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr(kb, "open_kb", lambda path=None: FewPassages(LORA))
    return monkeypatch


async def _ask(app, pilot, question: str) -> Turn:  # type: ignore[no-untyped-def]
    if app.study.page is None or app.study.page.place != ASK:
        await app.study.go(ASK)
    app.study.page.query_one(Input).focus()
    app.study.page.query_one(Input).value = question
    before = len(app.study.page.query(Turn))
    await pilot.press("enter")
    await until(pilot, lambda: len(app.study.page.query(Turn)) > before)
    return app.study.page.query(Turn).last()


def test_an_answer_streams_and_its_citation_opens_the_passage(
    ready: pytest.MonkeyPatch,
) -> None:
    script = Script()
    ready.setattr(loop, "ask", script)

    async def run() -> None:
        async with running() as (app, pilot):
            turn = await _ask(app, pilot, "What is B at the start?")
            await until(pilot, lambda: "B is zero" in screen_text(app))
            await until(pilot, lambda: not turn.running)
            await until(pilot, lambda: "LoRA paper" in screen_text(app))
            text = screen_text(app)
            assert "[1] LoRA paper" in text and "p. 4" in text and "3 steps" in text
            assert "B is zero at the start [1]" in text
            assert turn.query_one(Collapsible).collapsed
            turn.query_one(LinkRow).focus()
            await pilot.press("enter")
            await until(pilot, lambda: "B starts at zero." in screen_text(app))
            assert LORA.url in screen_text(app) and "page 4" in screen_text(app)
            await pilot.press("escape")
            await until(pilot, lambda: app.screen is app.study)

    asyncio.run(run())
    assert script.threads == {"agent"}, "the agent must not run on the screen's thread"
    record, _ = open_progress()
    (turn,) = record.sessions.find()
    assert (turn.question, turn.answer) == ("What is B at the start?", TEXT)


def test_an_error_in_the_middle_shows_what_to_do(ready: pytest.MonkeyPatch) -> None:
    script = Script(error=MissingError("The engine has stopped.", "tutor doctor"))
    ready.setattr(loop, "ask", script)

    async def run() -> None:
        async with running() as (app, pilot):
            turn = await _ask(app, pilot, "What is B?")
            await until(pilot, lambda: not turn.running)
            await pilot.pause(0.1)
            text = screen_text(app)
            assert "✗ The engine has stopped." in text and "→ tutor doctor" in text
            assert "B is zero" in text, "what came before stays"
            assert not app.study.page.busy

    asyncio.run(run())


@pytest.mark.parametrize("key", ["escape", "ctrl+c"])
def test_a_key_stops_the_answer_at_once(ready: pytest.MonkeyPatch, key: str) -> None:
    script = Script(endless=True)
    ready.setattr(loop, "ask", script)

    async def run() -> None:
        async with running() as (app, pilot):
            turn = await _ask(app, pilot, "Go on for ever?")
            await until(pilot, lambda: "more more" in screen_text(app))
            await pilot.press(key)
            await until(pilot, lambda: not turn.running, seconds=2)
            await until(pilot, script.closed.is_set, seconds=2)
            assert "Stopped." in screen_text(app)
            assert app.study.page.place == ASK, "the first Esc stops, it does not leave"
            (turn_kept,) = open_progress()[0].sessions.find()
            assert turn_kept.answer is None, "what was stopped is kept as unanswered"
            again = await _ask(app, pilot, "And now?")
            await until(pilot, lambda: "more more" in screen_text(app))
            await pilot.press("escape")
            await until(pilot, lambda: not again.running, seconds=2)

    asyncio.run(run())


def test_without_a_knowledge_base_the_command_is_named(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        async with running() as (app, pilot):
            turn = await _ask(app, pilot, "What is LoRA?")
            await until(pilot, lambda: not turn.running)
            await pilot.pause(0.1)
            assert "tutor setup" in screen_text(app)

    asyncio.run(run())


def test_not_covered_looks_different_and_offers_what_is_nearest(
    ready: pytest.MonkeyPatch,
) -> None:
    async def uncovered(question, kb, **_):  # type: ignore[no-untyped-def]
        text = "My sources do not cover this."
        yield Token(text)
        yield Done(Answer(question, text, (), False, 1.0, 0.5, 1, nearest=(LORA,)))

    async def alone(question, lang, **_):  # type: ignore[no-untyped-def]
        text = LABEL[lang] + "Nobody did."
        yield Token(text)
        yield Done(Answer(question, text, (), False, 1.0, 0.5, 0, own_view=True))

    ready.setattr(loop, "ask", uncovered)
    ready.setattr(session, "own_view", alone)

    async def run() -> None:
        async with running() as (app, pilot):
            turn = await _ask(app, pilot, "Who won the cup?")
            await until(pilot, lambda: not turn.running)
            await pilot.pause(0.1)
            assert turn.has_class("-uncovered")
            text = screen_text(app)
            assert "Not covered by your sources" in text and "≈ LoRA paper" in text
            assert "Ask for the model's own view" in text
            turn.query(LinkRow).last().focus()
            await pilot.press("enter")
            await until(pilot, lambda: len(app.study.page.query(Turn)) == 2)
            own = app.study.page.query(Turn).last()
            await until(pilot, lambda: not own.running)
            await pilot.pause(0.1)
            assert "◌ The model's own view, no source" in screen_text(app)
            assert LABEL["en"] + "Nobody did." in screen_text(app)

    asyncio.run(run())


def test_an_error_that_is_nobodys_fault_goes_to_the_log(
    ready: pytest.MonkeyPatch, home: Path
) -> None:
    ready.setattr(loop, "ask", Script(error=ZeroDivisionError("oops")))

    async def run() -> None:
        async with running() as (app, pilot):
            turn = await _ask(app, pilot, "What is B?")
            await until(pilot, lambda: not turn.running)
            await pilot.pause(0.1)
            assert "A defect in tutor itself: ZeroDivisionError" in screen_text(app)

    asyncio.run(run())
    assert "ZeroDivisionError: oops" in (home / "logs" / "tutor.log").read_text("utf-8")


def test_an_error_that_cannot_be_logged_ends_the_answer_too(
    ready: pytest.MonkeyPatch, home: Path
) -> None:
    ready.setattr(loop, "ask", Script(error=ZeroDivisionError("oops")))
    (home / "logs" / "tutor.log").mkdir(parents=True)

    async def run() -> None:
        async with running() as (app, pilot):
            turn = await _ask(app, pilot, "What is B?")
            await until(pilot, lambda: not turn.running)
            await until(pilot, lambda: "ZeroDivisionError" in screen_text(app))

    asyncio.run(run())


def test_a_link_that_only_looks_like_a_mark_is_not_opened(
    ready: pytest.MonkeyPatch, home: Path
) -> None:
    ready.setattr(loop, "ask", Script())
    opened: list[str] = []
    told: list[tuple[str, str]] = []
    ready.setattr(App, "open_url", lambda _, url, **__: opened.append(url))
    ready.setattr(App, "notify", lambda _, text, title, **__: told.append((title, text)))

    async def run() -> None:
        async with running() as (app, pilot):
            turn = await _ask(app, pilot, "What is B?")
            await until(pilot, lambda: not turn.running)
            answer = turn.query_one(".answer", Markdown)
            for link in ("cite:abc", "file:///etc/passwd", "https://arxiv.org"):
                answer.post_message(Markdown.LinkClicked(answer, link))
            await until(pilot, lambda: len(told) == 3)

    asyncio.run(run())
    refused = "Not a web address: not opened"
    assert told[:2] == [(refused, "cite:abc"), (refused, "file:///etc/passwd")]
    assert opened == ["https://arxiv.org"]


async def _answered(app, pilot, question: str) -> Turn:  # type: ignore[no-untyped-def]
    turn = await _ask(app, pilot, question)
    await until(pilot, lambda: not turn.running)
    return turn


def test_a_follow_up_goes_on_and_a_key_begins_anew(ready: pytest.MonkeyPatch) -> None:
    script = Script()
    ready.setattr(loop, "ask", script)

    async def run() -> None:
        async with running((80, 24)) as (app, pilot):
            await _answered(app, pilot, "What is the default of use_rslora?")
            turn = await _answered(app, pilot, "and its type?")
            fold = turn.query_one(Collapsible)
            fold.collapsed = False
            await until(pilot, lambda: "◦ Understood as: and its type?" in screen_text(app))
            await pilot.press("ctrl+n")
            await until(pilot, lambda: not app.study.page.query(Turn))
            assert "Answers come from the documents" in screen_text(app)
            await _answered(app, pilot, "and its type?")

    asyncio.run(run())
    assert script.asked == [
        "What is the default of use_rslora?",
        "and its type? (about: default, use_rslora)",
        "and its type?",
    ]
    sessions = open_progress()[0].sessions
    assert [turn.session for turn in sessions.find()] == [2, 1, 1]


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_past_question_is_found_and_gone_on_from(ready: pytest.MonkeyPatch, lang: str) -> None:
    ready.setenv("TUTOR_LANGUAGE", lang)
    script = Script()
    ready.setattr(loop, "ask", script)
    past = open_progress()[0].sessions
    first = past.begin(None, "What is the rank of LoRA?", "What is the rank of LoRA?")
    marks = msgspec.json.encode([Citation(1, LORA)]).decode()
    past.finish(first.id, "A number [1].", citations=marks, covered=True, seconds=3.0)
    past.begin(first.session, "and why is it small?", "and why is it small?")
    past.begin(None, "双重量化省多少？", "双重量化省多少？")

    async def run() -> None:
        async with running((80, 24)) as (app, pilot):
            await app.study.go(ASK)
            await pilot.press("ctrl+r")
            await until(pilot, lambda: "双重量化省多少" in screen_text(app))
            text = screen_text(app)
            assert ("(unanswered)" in text) == (lang == "en")
            assert ("（未回答）" in text) == (lang == "zh")
            assert ("Past questions" in text) == (lang == "en")
            await pilot.press(*"rank", "space", *"number")
            await until(pilot, lambda: "双重" not in screen_text(app))
            assert "What is the rank of LoRA?" in screen_text(app)
            await pilot.press("enter")
            await until(pilot, lambda: len(app.study.page.query(Turn)) == 2)
            await until(pilot, lambda: "A number [1]" in screen_text(app))
            text = screen_text(app)
            assert "[1] LoRA paper" in text and "3.0 s" in text
            assert ("Stopped." if lang == "en" else "已停止") in text
            await _answered(app, pilot, "And what is alpha_scaling?")

    asyncio.run(run())
    turns = open_progress()[0].sessions.turns(first.session)
    assert [turn.question for turn in turns][2:] == ["And what is alpha_scaling?"]


def test_history_may_be_left_and_may_be_empty(ready: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        async with running((80, 24)) as (app, pilot):
            app.study.action_history()
            await until(pilot, lambda: "Nothing was found." in screen_text(app))
            await pilot.press("enter", "down", "enter", "escape")
            await until(pilot, lambda: app.screen is app.study)
            assert app.study.page.place == ASK

    asyncio.run(run())


def test_an_exercise_question_takes_a_hint_and_leads_to_the_exercise(
    ready: pytest.MonkeyPatch,
) -> None:
    async def run() -> None:
        async with running() as (app, pilot):
            turn = await _answered(app, pilot, "How do I solve week5/lora?")
            await until(pilot, lambda: "Exercise: week5/lora" in screen_text(app))
            await until(pilot, lambda: app.study.snapshot.standings["week5/lora"].hints == 1)
            turn.query_one(LinkRow).focus()
            await pilot.press("enter")
            await until(pilot, lambda: app.study.page.place == Place("exercise", "week5/lora"))

    asyncio.run(run())


def test_where_to_read_on_opens_the_lesson(ready: pytest.MonkeyPatch) -> None:
    lesson = passage(
        2, "B starts at zero.", doc="lessons/week5.en.md", title="Week 5",
        heading="Week 5 > 2. LoRA",
    )  # fmt: skip
    ready.setattr(kb, "open_kb", lambda path=None: FewPassages(LORA, lesson))
    ready.setattr(loop, "ask", Script())

    async def run() -> None:
        async with running((80, 24)) as (app, pilot):
            turn = await _answered(app, pilot, "What is B at the start?")
            await until(pilot, lambda: "Read on: Week 5 › 2. LoRA" in screen_text(app))
            turn.query(LinkRow).last().focus()
            await pilot.press("enter")
            await until(pilot, lambda: app.study.page.place == Place("lesson", "week5"))

    asyncio.run(run())


def test_only_marks_with_a_source_become_links() -> None:
    text = "yes [1], no [2], a list[3] and [1](https://x.org)"
    assert _linked(text, {1: LORA}) == (
        r"yes [\[1\]](cite:1), no [2], a list[3] and [1](https://x.org)"
    )


def test_two_low_lines_in_a_quotation_are_not_bold() -> None:
    assert _linked("“__init__ calls” `__call__`\n\n```\n__len__\n```", {}) == (
        "“\\_\\_init\\_\\_ calls” `__call__`\n\n```\n__len__\n```"
    )


def test_what_is_typed_while_the_page_opens_is_the_question(ready: pytest.MonkeyPatch) -> None:
    script = Script()
    ready.setattr(loop, "ask", script)
    question = "How can one cut an RNN in half?"  # c, h, n, o, a, e and q are keys elsewhere

    async def drive() -> None:
        async with running() as (app, pilot):
            for key in ["a", *question, "enter"]:
                app.post_message(Key(key, key if len(key) == 1 else None))
            await until(pilot, lambda: script.asked)
            assert app.study.page.place == ASK

    asyncio.run(drive())
    assert script.asked == [question]
