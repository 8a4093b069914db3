"""The conversation, with a scripted agent: streaming, sources, errors, stopping."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from scripted import FewPassages, passage
from textual.widgets import Collapsible, Input
from tui_driver import running, screen_text, until

import kb
import tutor.agent
from tutor.agent import Answer, Citation, Done, Observation, Thought, Token, ToolCall
from tutor.base.errors import MissingError
from tutor.progress import open_progress
from tutor.tui.places import ASK
from tutor.tui.widgets.link_row import LinkRow
from tutor.tui.widgets.turn import Turn, _linked

LORA = passage(
    1, "B starts at zero.", title="LoRA paper", heading="4 Method", page=4,
    url="https://arxiv.org/abs/2106.09685",
)  # fmt: skip
TEXT = "B is zero at the start [1], so nothing changes yet."


class Script:
    """Stands in for tutor.agent.ask, and notes what becomes of it."""

    def __init__(self, error: Exception | None = None, endless: bool = False) -> None:
        self.error, self.endless = error, endless
        self.threads: set[str] = set()
        self.closed = threading.Event()

    async def __call__(self, question, kb, *, settings) -> AsyncIterator:  # type: ignore[no-untyped-def]
        self.threads.add(threading.current_thread().name)
        try:
            yield Observation((LORA,), "1 of 2")
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
    ready.setattr(tutor.agent, "ask", script)

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
    assert record.db["events"].count_where("kind = 'question'") == 1


def test_an_error_in_the_middle_shows_what_to_do(ready: pytest.MonkeyPatch) -> None:
    script = Script(error=MissingError("The engine has stopped.", "tutor doctor"))
    ready.setattr(tutor.agent, "ask", script)

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
    ready.setattr(tutor.agent, "ask", script)

    async def run() -> None:
        async with running() as (app, pilot):
            turn = await _ask(app, pilot, "Go on for ever?")
            await until(pilot, lambda: "more more" in screen_text(app))
            await pilot.press(key)
            await until(pilot, lambda: not turn.running, seconds=2)
            await until(pilot, script.closed.is_set, seconds=2)
            assert "Stopped." in screen_text(app)
            assert app.study.page.place == ASK, "the first Esc stops, it does not leave"
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
    async def uncovered(question, kb, *, settings):  # type: ignore[no-untyped-def]
        text = "My sources do not cover this."
        yield Token(text)
        yield Done(Answer(question, text, (), False, 1.0, 0.5, 1, nearest=(LORA,)))

    ready.setattr(tutor.agent, "ask", uncovered)

    async def run() -> None:
        async with running() as (app, pilot):
            turn = await _ask(app, pilot, "Who won the cup?")
            await until(pilot, lambda: not turn.running)
            await pilot.pause(0.1)
            assert turn.has_class("-uncovered")
            text = screen_text(app)
            assert "Not covered by your sources" in text and "≈ LoRA paper" in text

    asyncio.run(run())


def test_an_error_that_is_nobodys_fault_goes_to_the_log(
    ready: pytest.MonkeyPatch, home: Path
) -> None:
    ready.setattr(tutor.agent, "ask", Script(error=ZeroDivisionError("oops")))

    async def run() -> None:
        async with running() as (app, pilot):
            turn = await _ask(app, pilot, "What is B?")
            await until(pilot, lambda: not turn.running)
            await pilot.pause(0.1)
            assert "Internal error" in screen_text(app)

    asyncio.run(run())
    assert "ZeroDivisionError: oops" in (home / "logs" / "tui.log").read_text("utf-8")


def test_only_marks_with_a_source_become_links() -> None:
    text = "yes [1], no [2], a list[3] and [1](https://x.org)"
    assert _linked(text, {1: LORA}) == (
        r"yes [\[1\]](cite:1), no [2], a list[3] and [1](https://x.org)"
    )
