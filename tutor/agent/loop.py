"""From a question to a cited answer: retrieve, check, let the agent decide and write, verify."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from kb import KnowledgeBase
from tutor import engine
from tutor.agent import coverage, quotes, tools
from tutor.agent.events import Answer, Done, Event, Observation, Thought, Token, ToolCall
from tutor.agent.evidence import Evidence
from tutor.agent.writer import AnswerWriter
from tutor.base.i18n import Language, detect
from tutor.base.settings import Settings

MOST_WORDS = 150
"""Of an answer, its quotation included: what one reads before opening the source."""

RESCUED = 0.65
"""Share of the question's words in one passage from which on it is quoted although the model's
answer did not hold: the sources then speak of the question, as they do not of an unanswerable one."""

if TYPE_CHECKING:
    from llama_index.core.workflow.handler import WorkflowHandler


async def ask(
    question: str,
    kb: KnowledgeBase,
    *,
    settings: Settings,
    lang: Language | None = None,
    style: str = "",
) -> AsyncIterator[Event]:
    """Answer a question, by itself, from the knowledge base; yield what happens, the last event
    being Done. A face that converses goes through `session.Session`.

    lang: the answer's language; the question's by default. style: see `teach.style`.
    Closing the iterator stops the generation. Raises MissingError where the model is not there,
    EngineError where the engine ends in the middle.
    """
    began = time.monotonic()
    found = Evidence(question, lang or detect(question), kb, style=style)
    # The engine reads its model while the passages are looked for.
    starting = engine.starting(settings)
    # tools: what the question plainly asks for comes before any search (tutor/agent/tools)
    opening = await asyncio.to_thread(tools.first_tools, found, settings)
    for event in opening.events:
        yield event
    unknown: list[str] = []
    if not opening.enough:
        own = len(found.passages)
        await asyncio.to_thread(first_search, found)
        yield Observation(tuple(found.passages[own:]))
        unknown = await asyncio.to_thread(coverage.unknown_names, question, kb)
    if unknown:
        yield Thought(_unknown_text(unknown, found.lang))
        yield Done(_not_covered(found, unknown, began))
        return
    endpoint = await asyncio.wrap_future(starting)
    async with engine.ChatClient(endpoint) as client:
        async for event in _answer(client, found, settings, began):
            yield event


def first_search(found: Evidence) -> None:
    """Search for the learner's own words, then for names in them that no passage mentions."""
    found.search(found.question)
    if unseen := coverage.unseen_names(found.question, found.passages):
        found.search(" ".join(unseen))


async def _answer(
    client: engine.ChatClient, found: Evidence, settings: Settings, began: float
) -> AsyncIterator[Event]:
    """Run the agent and yield its events, ending with Done."""
    from llama_index.core.agent.workflow import AgentStream, ToolCallResult
    from llama_index.core.agent.workflow import ToolCall as AgentToolCall

    from tutor.agent.react import MAX_STEPS, build_agent

    agent = build_agent(client, found, settings)
    run = agent.run(user_msg=found.question, max_iterations=MAX_STEPS + 1)
    writer = AnswerWriter(found)
    first_token = 0.0
    try:
        async for event in run.stream_events():
            if isinstance(event, AgentToolCall):
                yield ToolCall(event.tool_name, dict(event.tool_kwargs))
            elif isinstance(event, ToolCallResult):
                new = event.tool_output.raw_output
                yield Observation(tuple(new) if isinstance(new, list) else ())
            elif isinstance(event, AgentStream) and event.delta:
                for shown in writer.feed(event.delta):
                    first_token = first_token or time.monotonic() - began
                    yield shown
                if writer.complete:
                    break
        else:
            await run  # raises what ended the agent
    finally:
        await _end(run)
    for shown in writer.close():
        yield shown
    if quote := await asyncio.to_thread(_quotation, found, writer):
        for shown in writer.quote(quote):
            first_token = first_token or time.monotonic() - began
            yield shown
    steps = agent.llm.taken  # type: ignore[attr-defined]
    answer = _finished(found, writer, began, first_token, steps, client.endpoint.model)
    if answer.text.startswith(writer.text) and writer.text:
        yield Token(answer.text[len(writer.text) :])
    yield Done(answer)


def _quotation(found: Evidence, writer: AnswerWriter) -> quotes.Quote | None:
    """Choose the source's own words for an answer that the sources carry. One that they do not
    carry gets them where the evidence is strong: then it is the model that missed it."""
    if tools.is_own(found.passages[0]) if found.passages else True:
        return None
    room = min(quotes.MOST_WORDS, MOST_WORDS - quotes.length(writer.text))
    carried = writer.holds or found.is_strong(RESCUED)
    return quotes.pick(found, writer.text, room) if carried and room > 0 else None


async def _end(run: WorkflowHandler) -> None:
    """Stop a run that is not over; the client, closed next, ends the engine's work on it."""
    if not run.is_done():
        await run.cancel_run(timeout=1)


def _finished(
    found: Evidence, writer: AnswerWriter, began: float, first_token: float, steps: int, model: str
) -> Answer:
    if not writer.carried:
        missed = _not_covered(found, [], began, writer, steps, model)
        return tools.plain_fallback(found, missed, writer.text, writer.citations)
    return Answer(
        found.question,
        writer.text.strip(),
        writer.citations,
        True,
        time.monotonic() - began,
        first_token,
        steps,
        unsupported=tuple(writer.unsupported),
        model=model,
    )


def _not_covered(
    found: Evidence,
    unknown: list[str],
    began: float,
    writer: AnswerWriter | None = None,
    steps: int = 0,
    model: str = "",
) -> Answer:
    """Say that the sources do not hold the answer, and what comes nearest."""
    said = f"{writer.text.strip()}\n\n" if writer and writer.text.strip() else ""
    text = said + (_unknown_text(unknown, found.lang) if unknown else _UNCOVERED[found.lang])
    seconds = time.monotonic() - began
    return Answer(
        found.question,
        text,
        writer.citations if writer else (),
        False,
        seconds,
        seconds,
        steps,
        nearest=tuple(found.passages[:3]),
        unsupported=tuple(writer.unsupported) if writer else (),
        model=model,
    )


_UNCOVERED = {
    "en": "The sources do not cover this question.",
    "zh": "现有资料没有涵盖这个问题。",
}


def _unknown_text(unknown: list[str], lang: Language) -> str:
    listed = ", ".join(unknown)
    if lang == "zh":
        return f"现有资料没有涵盖这个问题：其中没有提到 {listed}。"
    return f"The sources do not cover this question: nothing in them mentions {listed}."
