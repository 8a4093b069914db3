"""The agent's tools: what each may be asked, and those that a question calls by itself.

Whatever a tool finds becomes evidence: passages that the answer may quote, that its sentences are
checked against and that it can cite. No tool changes a record or a learner's file, reaches a
network or shows a setting: a model that obeys a poisoned passage can do no more than read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import curriculum
from kb import Passage
from tutor.agent.events import Answer, Citation, Event, Observation, ToolCall
from tutor.agent.evidence import Evidence
from tutor.agent.steps import Argument, OneOf, Text
from tutor.agent.tools import calculation, learner, plan, routes
from tutor.agent.tools.item import CALCULATION, GLOSSARY, LEARNER, is_own
from tutor.base.i18n import Bilingual
from tutor.base.settings import Settings

QUERY = Text(80)
CODE = Text(100)
MOST_VALUES = 12
COMPLETE = (LEARNER, CALCULATION, GLOSSARY)
"""Sources of evidence that is an answer by itself, short and in the question's language."""

_STUDY = re.compile(
    r"\bmy (?:\w+ )?(?:exercises?|progress|homework|submission|check|code|points|score|studies)\b"
    r"|我.{0,8}(?:练习|进度|作业|批改|提交|代码|得分|学习计划)",
    re.IGNORECASE,
)
_QUANTITY = re.compile(
    r"\bhow (?:many|much|large|big)\b|\bcompute\b|\bcalculate\b|多少|多大", re.IGNORECASE
)
_NUMBER = re.compile(r"(?<![\w.])\d[\d.,]*(?![\w-])", re.ASCII)
_WORDING = re.compile(r"\b(?:chinese|english)\b|中文|英文|英语|术语", re.I)
_LANGUAGES = {
    "en": re.compile(r"\benglish\b|英文", re.I),
    "zh": re.compile(r"\bchinese\b|中文", re.I),
}


@dataclass(frozen=True)
class Opening:
    """What was done before the model is asked anything.

    enough: whether the question is about nothing that the knowledge base holds.
    """

    events: tuple[Event, ...] = ()
    enough: bool = False


class Toolbox:
    """The tools for one question. Each adds what it finds to the evidence and returns what is
    new of it."""

    def __init__(self, found: Evidence, settings: Settings) -> None:
        self.found = found
        self.settings = settings

    def search(
        self, query: str, week: int | None = None, language: str | None = None
    ) -> list[Passage]:
        return self.found.search(query, week=week, lang=language)

    def read_on(self, passage: int) -> list[Passage]:
        return self.found.read_on(passage)

    def lesson(self, unit: str) -> list[Passage]:
        return self.found.add(plan.lesson(unit, self.found.question, self.found.lang))

    def glossary(self, term: str) -> list[Passage]:
        return self.found.add(plan.explain_term(term, self.found.lang))

    def progress(self) -> list[Passage]:
        return self.found.add(learner.progress(self.found.lang))

    def report(self, exercise: str) -> list[Passage]:
        return self.found.add(learner.report(exercise, self.found.lang, self.settings))

    def calculate(self, code: str) -> list[Passage]:
        given = code == routes.explicit_expression(self.found.question)
        return self.found.add(calculation.calculate(code, self.found.lang, given))

    def by_name(self) -> Mapping[str, Callable[..., list[Passage]]]:
        return {name: getattr(self, name) for name in NAMES}


NAMES = ("search", "read_on", "lesson", "glossary", "progress", "report", "calculate")

TOLD: Mapping[str, Bilingual] = {
    "lesson": Bilingual(
        '{"action": "lesson", "unit": "..."} to read a unit\'s lesson;',
        '看某单元的课文用 {"action": "lesson", "unit": "..."}；',
    ),
    "glossary": Bilingual(
        '{"action": "glossary", "term": "..."} for a term in Chinese and English;',
        '查术语的中英文用 {"action": "glossary", "term": "..."}；',
    ),
    "progress": Bilingual(
        '{"action": "progress"} for what the learner has passed;',
        '看学习进度用 {"action": "progress"}；',
    ),
    "report": Bilingual(
        '{"action": "report", "exercise": "..."} for the learner\'s last check and code;',
        '看最近一次批改和代码用 {"action": "report", "exercise": "..."}；',
    ),
    "calculate": Bilingual(
        '{"action": "calculate", "code": "..."} to compute with the numbers of the question;',
        '用问题中的数字计算时用 {"action": "calculate", "code": "..."}；',
    ),
}
"""What the model is told of a tool where it is on offer; the first three it is always told of."""


def first_tools(found: Evidence, settings: Settings) -> Opening:
    """Call the tools that the question plainly asks for, so that their results come first.

    A tool that finds nothing leaves no trace: the question then goes its usual way.
    """
    box = Toolbox(found, settings)
    events: list[Event] = []
    enough = False
    for call in routes.routed(found.question):
        for name, arguments in _asked_for(call):
            if new := box.by_name()[name](**arguments):
                events += [ToolCall(name, arguments), Observation(tuple(new))]
                enough = enough or call.enough
    return Opening(tuple(events), enough)


def _asked_for(call: routes.Call) -> list[tuple[str, dict[str, Any]]]:
    """Return the calls, with the arguments that the question leaves open filled in."""
    match call.tool:
        case "report":
            return [("report", {"exercise": call.argument or learner.last_failed()})]
        case "glossary":
            return [("glossary", {"term": term}) for term in plan.terms_in(call.argument)[:2]]
        case "lesson":
            return [("lesson", {"unit": call.argument})]
        case "calculate":
            return [("calculate", {"code": call.argument})]
    return [("progress", {})]


def plain_fallback(
    found: Evidence, missed: Answer, said: str, cited: tuple[Citation, ...]
) -> Answer:
    """Return what a tool of the question's own found, as it is, in place of "not covered".

    missed: the answer as it would be; said, cited: what the model wrote before. Other evidence
    than the learner's record, a calculation or the glossary is no answer by itself: missed stays.
    """
    own = found.passages[0] if found.passages else None
    if own is None or own.source not in COMPLETE:
        return missed
    known = {citation.passage.id: citation.number for citation in cited}
    number = known.get(own.id, len(cited) + 1)
    citations = cited if own.id in known else (*cited, Citation(number, own))
    text = f"{said.strip()}\n\n{own.text} [{number}]".strip()
    return replace(missed, text=text, citations=citations, covered=True, nearest=())


def settled(found: Evidence) -> bool:
    """Tell whether nothing is left to decide: the evidence is strong, or the question called for
    a tool that has answered."""
    return (bool(found.passages) and is_own(found.passages[0])) or found.is_strong()


def offer(found: Evidence) -> dict[str, dict[str, Argument]]:
    """Return what the model may choose from now: each tool whose precondition holds."""
    question = found.question
    choices: dict[str, dict[str, Argument]] = {"answer": {}, "search": _search_arguments(question)}
    readable = tuple(n for n, p in enumerate(found.passages, 1) if not is_own(p))
    if readable:
        choices["read_on"] = {"passage": OneOf(readable)}
    unit = routes.named_unit(question)
    if unit or routes.LESSON.search(question):
        choices["lesson"] = {"unit": OneOf((unit,) if unit else curriculum.ORDER)}
    if _WORDING.search(question) and (terms := plan.terms_in(question)):
        choices["glossary"] = {"term": OneOf(tuple(terms[:MOST_VALUES]))}
    if _STUDY.search(question):
        choices["progress"] = {}
        if checked := learner.checked_exercises():
            choices["report"] = {"exercise": OneOf(tuple(checked[:MOST_VALUES]))}
    if len(_NUMBER.findall(question)) > 1 and _QUANTITY.search(question):
        choices["calculate"] = {"code": CODE}
    return choices


def _search_arguments(question: str) -> dict[str, Argument]:
    """The query, and the filters that the question speaks of: a small model fills in whatever it
    is offered."""
    arguments: dict[str, Argument] = {"query": QUERY}
    if unit := routes.named_unit(question):
        arguments["week"] = OneOf((curriculum.unit(unit).number,), optional=True)
    if languages := tuple(lang for lang, named in _LANGUAGES.items() if named.search(question)):
        arguments["language"] = OneOf(languages, optional=True)
    return arguments


def told(offered: Mapping[str, Any], lang: str) -> str:
    """Return the sentence about the tools on offer that the model is not always told of."""
    return " ".join(getattr(TOLD[name], lang) for name in offered if name in TOLD)
