"""Where to read on after an answer: the plan's lesson, else the document that was cited."""

from __future__ import annotations

import re
from collections.abc import Sequence

import curriculum
from curriculum.sources import sources
from kb import KnowledgeBase, Passage
from tutor.agent.events import Citation, ReadOn
from tutor.agent.tools.item import is_own
from tutor.base.i18n import Language

DEPTH = 20
"""A lesson further down than this is not about the question."""

_LESSON = re.compile(r"lessons/(\w+)\.(en|zh)\.md")


def read_on(
    question: str, lang: Language, citations: Sequence[Citation], kb: KnowledgeBase
) -> ReadOn | None:
    """Return the lesson section that was cited, else the one nearest to the question, else the
    first cited document; None where the answer is about the learner and not from a source."""
    cited = [c.passage for c in citations]
    if all(is_own(p) and not _LESSON.fullmatch(p.doc) for p in cited):
        return None
    lessons = [p for p in (*cited, *kb.search(question, k=DEPTH)) if _LESSON.fullmatch(p.doc)]
    in_language = [p for p in lessons if p.lang == lang]
    if section := next(iter([*in_language, *lessons]), None):
        match = _LESSON.fullmatch(section.doc)
        assert match
        return ReadOn(_place(section), unit=match[1])
    return next((found for p in cited if (found := _document(p, lang)).url), None)


def _place(passage: Passage) -> str:
    """The title and the section: "Week 5: LoRA, PEFT and QLoRA › 2. LoRA: a low-rank detour"."""
    section = passage.heading.removeprefix(passage.title).strip(" >").split(" > ")[0]
    return f"{passage.title} › {section}" if section else passage.title


def _document(passage: Passage, lang: Language) -> ReadOn:
    """The document at the plan's address and by the plan's name for it, where it has them."""
    pages = (s.page for s in sources() if s.kind == "pdf" and s.name == passage.doc)
    url = next(pages, passage.url)
    links = (r for unit in curriculum.units() for r in unit.resources if r.url == url)
    resource = next(links, None)
    title = passage.title if resource is None else getattr(resource.title, lang)
    page = f", p. {passage.page}" if passage.page else ""
    return ReadOn(f"{title}{page}", url=url)
