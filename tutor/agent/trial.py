"""Let the tutor answer questions with a model that is not in use, and see how it fares.

For the workshop's gates: their questions come from the glossary's terms that the knowledge base
holds, so that they need no file and no grader; whether answers are right is for `tutor eval`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from kb import KnowledgeBase, glossary
from tutor.agent import scoring
from tutor.agent.peers import Reply, Tutor
from tutor.agent.recording import record
from tutor.base import settings as settings_
from tutor.engine.process import find
from tutor.engine.serve import serving
from tutor.workshop.gates import Behaviour

QUESTIONS = 6
CHINESE_EVERY = 3


def behaviour(model: str, kb: KnowledgeBase, questions: list[str] | None = None) -> Behaviour:
    """Ask the sample questions of a model that is served for this alone; the engine goes on as it
    is. Raises MissingError where the model is not there, EngineError where it ends early.
    """
    with _tutor(model, kb) as tutor:
        fared = asyncio.run(_ask_all(questions or sample(kb), tutor))
    valid = sum(valid for valid, _ in fared) / len(fared)
    cited = sum(bool(reply.cited) for _, reply in fared) / len(fared)
    return Behaviour(valid, cited, len(fared))


def grader(kb: KnowledgeBase, file: Path, count: int) -> Callable[[str], tuple[int, int]]:
    """Return what asks a model `count` questions of the file: right answers, and how many were
    asked. Raises TutorError where the file holds no questions."""
    questions = scoring.sample(scoring.read_questions(file), count)

    def grade(model: str) -> tuple[int, int]:
        with _tutor(model, kb) as tutor:
            fared = asyncio.run(_ask_all([q.question for q in questions], tutor))
        right = (
            scoring.score(question, reply.text, reply.cited, reply.retrieved).right
            for question, (_, reply) in zip(questions, fared, strict=True)
        )
        return sum(right), len(questions)

    return grade


def sample(kb: KnowledgeBase, count: int = QUESTIONS) -> list[str]:
    """Return questions about terms that the knowledge base holds, one in three in Chinese."""
    terms = [
        (chinese, english[0])
        for chinese in sorted(glossary.chinese_terms())
        if (english := glossary.in_english(chinese)) and kb.contains(english[0])
    ]
    spread = terms[:: max(1, len(terms) // count)][:count]
    return [
        f"什么是{chinese}？" if n % CHINESE_EVERY == CHINESE_EVERY - 1 else f"What is {english}?"
        for n, (chinese, english) in enumerate(spread)
    ] or ["What is this about?"]


@contextmanager
def _tutor(model: str, kb: KnowledgeBase) -> Iterator[Tutor]:
    settings = settings_.load()
    with serving(find(model), context_tokens=settings.context_tokens) as served:
        other = replace(settings, base_url=served.base_url, api_key=served.api_key, model=model)
        yield Tutor(kb, other)


async def _ask_all(questions: list[str], tutor: Tutor) -> list[tuple[bool, Reply]]:
    """Return, for each question, whether every decision of the model's was valid, and the reply."""
    fared = []
    for question in questions:
        with record() as exchanges:
            reply = await tutor.answer(question)
        fared.append((all(tutor.valid(exchange) for exchange in exchanges), reply))
    return fared
