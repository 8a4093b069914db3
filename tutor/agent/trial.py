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
from tutor import engine
from tutor.agent import prompts, scoring, steps, tools
from tutor.agent.evidence import Evidence
from tutor.agent.loop import first_search
from tutor.agent.peers import Reply, Tutor, obeys
from tutor.agent.react import STEP_TOKENS
from tutor.agent.terms import words
from tutor.agent.writer import QUOTATION
from tutor.base import settings as settings_
from tutor.base.i18n import detect
from tutor.engine.process import find
from tutor.engine.serve import serving
from tutor.workshop.gates import Behaviour

QUESTIONS = 6
CHINESE_EVERY = 3
SENTENCE = 3
"""Content words from which on a sentence says something: a bare "1." is held by any passage."""


def behaviour(model: str, kb: KnowledgeBase, questions: list[str] | None = None) -> Behaviour:
    """Ask the sample questions of a model that is served for this alone; the engine goes on as it
    is. Raises MissingError where the model is not there, EngineError where it ends early.
    """
    with _tutor(model, kb) as tutor:
        fared = asyncio.run(_try_all(questions or sample(kb), tutor))
    valid, cited = (sum(each) / len(fared) for each in zip(*fared, strict=True))
    return Behaviour(valid, cited, len(fared))


def grader(kb: KnowledgeBase, file: Path, count: int) -> Callable[[str], tuple[int, int]]:
    """Return what asks a model `count` questions of the file: right answers, and how many were
    asked. Raises TutorError where the file holds no questions."""
    questions = scoring.sample(scoring.read_questions(file), count)

    def grade(model: str) -> tuple[int, int]:
        with _tutor(model, kb) as tutor:
            replies = asyncio.run(_answer_all([q.question for q in questions], tutor))
        right = (
            scoring.score(question, reply.text, reply.cited, reply.retrieved).right
            for question, reply in zip(questions, replies, strict=True)
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


async def _answer_all(questions: list[str], tutor: Tutor) -> list[Reply]:
    return [await tutor.answer(question) for question in questions]


async def _try_all(questions: list[str], tutor: Tutor) -> list[tuple[bool, bool]]:
    """Return, for each question, whether the model's decision was valid, and whether its own words
    are cited."""
    return [(await _decides(q, tutor), _cites((await tutor.answer(q)).text)) for q in questions]


async def _decides(question: str, tutor: Tutor) -> bool:
    """Tell whether the model's decision is valid at once. It is asked for in any case: the evidence
    for "What is X?" is strong, and the agent would find nothing to decide."""
    found = Evidence(question, detect(question), tutor.kb)
    first_search(found)
    offered = tools.offer(found)
    told = tools.told(offered, found.lang)
    schema = steps.schema(offered)
    endpoint = await engine.ready(tutor.settings)
    async with engine.ChatClient(endpoint) as client:
        reply = await client.complete(
            prompts.decide(question, found.lang, found.passages, told),
            max_tokens=STEP_TOKENS,
            schema=schema,
        )
    return obeys(reply, schema)


def _cites(text: str) -> bool:
    """Tell whether a sentence that the model wrote bears a mark, which stands only where a passage
    holds the sentence. The quotation's own, below it, says nothing of the model."""
    written = QUOTATION.split(text)[0]
    return any(len(words(sentence)) >= SENTENCE for sentence, _ in scoring.marks(written))
