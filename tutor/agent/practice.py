"""The agent as the workshop makes training data with it: the search, prompts and checks of a real
question, so that a model learns exactly what it will be asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import msgspec

from kb import KnowledgeBase, Passage
from tutor.agent import coverage, prompts, quotes, scoring, steps, tools
from tutor.agent.evidence import PASSAGES, Evidence
from tutor.agent.loop import first_search
from tutor.agent.peers import Tutor, obeys
from tutor.agent.support import find_support, take_marks
from tutor.agent.writer import MOST_SENTENCES, MOST_WORDS, AnswerWriter
from tutor.base.i18n import Language
from tutor.base.settings import Settings
from tutor.engine.process import find
from tutor.engine.serve import serving
from tutor.workshop.own.material import Fault, Scene

DEEPER = 25
"""Passages to look at for some that do not answer."""


class Practice:
    """`workshop.own.material.Agent`."""

    def __init__(self, kb: KnowledgeBase, settings: Settings) -> None:
        self.kb = kb
        self.settings = settings

    def gather(self, question: str, lang: Language) -> Scene | None:
        found = Evidence(question, lang, self.kb)
        if tools.first_tools(found, self.settings).events:
            return None
        first_search(found)
        if not found.passages or coverage.unknown_names(question, self.kb):
            return None
        return _scene(found)

    def scene(self, question: str, lang: Language, passages: Sequence[int]) -> Scene:
        found = Evidence(question, lang, self.kb)
        known = self.kb.store.passages(passages)
        found.add([known[id_] for id_ in passages])
        return _scene(found)

    def after(self, scene: Scene, step: dict[str, str | int]) -> Scene:
        found = self._evidence(scene)
        if step["action"] == "search":
            found.search(str(step["query"]))
        else:
            found.read_on(int(step["passage"]))
        return _scene(found)

    def bare(self, scene: Scene, sentence: str) -> Scene:
        other = [
            passage
            for passage in self.kb.search(scene.question, k=DEEPER)
            if find_support(sentence, [passage], question=scene.question) is None
        ]
        found = Evidence(scene.question, scene.lang, self.kb)
        found.add(other[:PASSAGES])
        return _scene(found)

    def support(self, scene: Scene, sentence: str) -> int | None:
        support = find_support(sentence, scene.passages, question=scene.question)
        return support.passage if support else None

    def judge(self, scene: Scene, text: str) -> Fault:
        writer = AnswerWriter(replace(self._evidence(scene), kb=cast(KnowledgeBase, _NoPapers())))
        for _ in writer.feed(text):
            pass
        for _ in writer.close():
            pass
        if writer.refused:
            return "refused"
        if not writer.sentences:
            return "empty"
        if writer.unsupported:
            return "unsupported"
        marks = scoring.marks(text)
        if len(marks) < len(writer.sentences):
            return "uncited"
        if not all(self._holds(scene, sentence, number) for sentence, number in marks):
            return "miscited"
        words = quotes.length(take_marks(text)[0])
        return "long" if words > MOST_WORDS or len(writer.sentences) > MOST_SENTENCES else ""

    def _holds(self, scene: Scene, sentence: str, number: int) -> bool:
        if not 1 <= number <= len(scene.passages):
            return False
        passage = scene.passages[number - 1]
        return find_support(sentence, [passage], question=scene.question) is not None

    def valid(self, scene: Scene, reply: str) -> bool:
        return obeys(reply, steps.schema(tools.offer(self._evidence(scene))))

    def _evidence(self, scene: Scene) -> Evidence:
        return Evidence(scene.question, scene.lang, self.kb, list(scene.passages))


class _NoPapers:
    """In place of the knowledge base: the passages at hand are all that is judged by."""

    def search(self, *_: Any, **__: Any) -> list[Passage]:
        return []


def _scene(found: Evidence) -> Scene:
    told = tools.told(tools.offer(found), found.lang)
    asked = prompts.decide(found.question, found.lang, found.passages, told)
    return Scene(
        found.question,
        found.lang,
        tuple(found.passages),
        asked,
        prompts.write(found.question, found.lang, found.passages),
        not tools.settled(found),
    )


def examine(
    model: str, kb: KnowledgeBase, settings: Settings, file: Path, limit: int | None, rows: Path
) -> dict[str, Any]:
    """Ask a registered model the questions of a file, as `tutor eval` does; return its figures.

    rows: where each answer is written as it comes; what stands there already is not asked again.
    Raises TutorError where the file holds no questions, MissingError where the model is not there.
    """
    from tutor.agent import evaluate

    asked = scoring.read_questions(file)[:limit]
    with serving(find(model), context_tokens=settings.context_tokens) as served:
        other = replace(settings, base_url=served.base_url, api_key=served.api_key, model=model)
        kept = [row for row in evaluate.read_rows(rows) if row.model == model and not row.error]
        known = {row.key: row for row in kept}

        async def ask() -> None:
            answering = evaluate.run(asked, [Tutor(kb, other)], served, rows, set(known))
            async with aclosing(answering):  # type: ignore[type-var]
                async for row in answering:
                    known[row.key] = row

        asyncio.run(ask())
    wanted = {(question.id, question.question) for question in asked}
    mine = [row for row in known.values() if (row.id, row.question) in wanted]
    return cast(dict[str, Any], msgspec.to_builtins(evaluate.report(mine)["tutor"].overall))
