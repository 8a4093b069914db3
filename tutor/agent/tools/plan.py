"""Lessons and glossary: what the plan itself says."""

from __future__ import annotations

from collections.abc import Iterable

import curriculum
from kb import Passage, glossary
from kb.model import Document
from tutor.agent.terms import words
from tutor.agent.tools.item import GLOSSARY, LESSONS, item, pick
from tutor.base.i18n import Language, detect

PIECES = 2


def lesson(unit: str, question: str, lang: Language) -> list[Passage]:
    """Return the passages of a unit's lesson that share most with the question, in reading order;
    where none shares anything, what the lesson is about. Nothing where it is not written."""
    from kb import chunk, parse

    path = curriculum.unit(unit).lesson_file(lang)
    if path is None:
        return []
    document = parse.parse(path, path.read_bytes())
    pieces = chunk.passages(document)
    asked = words(_topic(question)) - words(f"{unit} lesson week say about")
    shared = [len(asked & words(_topic(f"{p.heading} {p.text}"))) for p in pieces]
    best = sorted(range(len(pieces)), key=lambda n: (-shared[n], n))[:PIECES]
    found = [
        item(
            document.title,
            pieces[n].text,
            source=LESSONS,
            doc=f"lessons/{unit}.{lang}.md",
            heading=pieces[n].heading,
        )
        for n in sorted(best)
    ]
    return found if any(shared) else [_contents(unit, document, lang), *found[:1]]


def _topic(text: str) -> str:
    """Chinese by its terms alone: pairs of its other characters meet by chance."""
    return glossary.gist(text) if detect(text) == "zh" else text


def _contents(unit: str, document: Document, lang: Language) -> Passage:
    headings = dict.fromkeys(s.heading[-1] for s in document.sections if s.heading)
    listed = "; ".join(headings)
    return item(
        document.title,
        pick(lang, f"The lesson of {unit} has these parts: ", f"{unit} 课文的各部分：") + listed,
        source=LESSONS,
        doc=f"lessons/{unit}.{lang}.md",
    )


def terms_in(question: str) -> list[str]:
    """Return the glossary's terms that a question names, each as the question's language has it."""
    found: list[str] = []
    for chinese in _longest(t for t in glossary.chinese_terms() if t in question):
        found.append(chinese)
    for chinese in glossary.in_chinese(question):
        found += glossary.in_english(chinese)[:1]
    return list(dict.fromkeys(found))


def _longest(terms: Iterable[str]) -> list[str]:
    """Drop the terms that stand within a longer one."""
    kept: list[str] = []
    for term in sorted(terms, key=len, reverse=True):
        if not any(term in longer for longer in kept):
            kept.append(term)
    return kept


def explain_term(term: str, lang: Language) -> list[Passage]:
    """Return a term's names in both languages; nothing where the glossary has it not."""
    chinese = [term] if term in glossary.chinese_terms() else glossary.in_chinese(term)
    pairs = [(name, glossary.in_english(name)) for name in chinese]
    lines = [f"{name} = {', '.join(english)}" for name, english in pairs if english]
    if not lines:
        return []
    title = pick(lang, "Glossary", "术语表")
    head = pick(lang, f"{term} in Chinese and English:", f"{term} 的中英文名称：")
    return [item(title, "\n".join([head, *lines]), source=GLOSSARY, doc="glossary")]
