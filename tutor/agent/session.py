"""A conversation: each question is understood in its place, taught, answered and kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import replace

import msgspec

from exercises.spec import Exercise
from kb import KnowledgeBase
from tutor.agent import loop, teach
from tutor.agent.events import Answer, Citation, Done, Event, Thought
from tutor.agent.followup import standalone
from tutor.agent.own_view import own_view
from tutor.agent.reading import read_on
from tutor.base.errors import TutorError
from tutor.base.i18n import Language, detect, say
from tutor.base.settings import Settings
from tutor.progress import Progress
from tutor.progress.sessions import Turn


class Session:
    """One conversation in the learner's record.

    id: None until the first question of a new one is asked.
    """

    def __init__(self, record: Progress, id_: int | None = None) -> None:
        self.record = record
        self.id = id_

    async def ask(
        self,
        question: str,
        open_kb: Callable[[], KnowledgeBase],
        *,
        settings: Settings,
        level: teach.Level | None = None,
        own: bool = False,
    ) -> AsyncIterator[Event]:
        """Answer the next question of the conversation; yield what `loop.ask` yields.

        The question is kept before it is answered: stopped or failed, it stays as unanswered.
        open_kb: is called where the answer needs the knowledge base. level: for whom to explain.
        own: the model's own view is wanted, without sources.
        """
        before = self.record.sessions.last(self.id) if self.id is not None else None
        understood = question
        if before is not None:
            understood = standalone(question, before.standalone, _said(before))
        turn = self.record.sessions.begin(self.id, question, understood)
        self.id = turn.session
        if understood != question:
            yield Thought(say(f"Understood as: {understood}", f"理解为：{understood}"))
        async with aclosing(
            self._events(turn, before, open_kb, settings, level, own)  # type: ignore[type-var]
        ) as events:
            async for event in events:
                if isinstance(event, Done):
                    event = Done(self._kept(turn, event.answer))
                yield event

    async def _events(
        self,
        turn: Turn,
        before: Turn | None,
        open_kb: Callable[[], KnowledgeBase],
        settings: Settings,
        level: teach.Level | None,
        own: bool,
    ) -> AsyncIterator[Event]:
        """Yield the events of whoever answers: the hint ladder, the model alone, or the sources."""
        lang = detect(turn.question)
        if exercise := self._to_solve(turn.question, before):
            yield Done(teach.next_hint(exercise, turn.question, lang, self.record))
            return
        style = teach.style(level, settings, lang)
        if own:
            events = own_view(turn.standalone, lang, settings=settings, style=style)
        else:
            events = _from_sources(turn.standalone, open_kb, settings, lang, style)
        async with aclosing(events) as answering:  # type: ignore[type-var]
            async for event in answering:
                yield event

    def _to_solve(self, question: str, before: Turn | None) -> Exercise | None:
        """Return the exercise that the question wants solved, or None."""
        hinted = before.exercise if before else ""
        current = hinted or self.record.last_exercise()
        asked = teach.exercise_question(question, current=current, hinted=hinted)
        return asked.exercise if asked and asked.kind == "solve" else None

    def _kept(self, turn: Turn, answer: Answer) -> Answer:
        """Keep the answer; return it as the answer to the learner's own words."""
        self.record.sessions.finish(
            turn.id,
            answer.text,
            citations=msgspec.json.encode(answer.citations).decode(),
            covered=answer.covered,
            own_view=answer.own_view,
            exercise=answer.exercise,
            model=answer.model,
            seconds=answer.seconds,
        )
        understood = turn.standalone if turn.standalone != turn.question else ""
        return replace(answer, question=turn.question, standalone=understood, session=turn.session)


async def _from_sources(
    question: str,
    open_kb: Callable[[], KnowledgeBase],
    settings: Settings,
    lang: Language,
    style: str,
) -> AsyncIterator[Event]:
    """Yield the events of `loop.ask`; a covered answer then says where to read on."""
    kb = await asyncio.to_thread(open_kb)
    events = loop.ask(question, kb, settings=settings, lang=lang, style=style)
    async with aclosing(events) as answering:  # type: ignore[type-var]
        async for event in answering:
            if isinstance(event, Done) and event.answer.covered:
                cited = event.answer.citations
                where = await asyncio.to_thread(read_on, question, lang, cited, kb)
                event = Done(replace(event.answer, read_on=where))
            yield event


def resume(record: Progress, session: int) -> Session:
    """Return a kept conversation, to go on with. Raises TutorError where there is none."""
    if record.sessions.last(session) is None:
        raise TutorError(
            say(f"There is no session {session}.", f"没有编号为 {session} 的会话。"),
            say("List them: tutor ask --history", "查看所有会话：tutor ask --history"),
        )
    return Session(record, session)


def answer_of(turn: Turn) -> Answer | None:
    """Return a kept turn's answer, citations included; None where it has none."""
    if turn.answer is None:
        return None
    return Answer(
        turn.question,
        turn.answer,
        msgspec.convert(turn.citations, tuple[Citation, ...]),
        turn.covered,
        turn.seconds,
        0.0,
        0,
        model=turn.model,
        own_view=turn.own_view,
        exercise=turn.exercise,
        session=turn.session,
    )


def _said(turn: Turn) -> str:
    """What of the answer before a follow-up may speak: only what sources or exercises said."""
    return turn.answer or "" if turn.covered and not turn.exercise else ""
