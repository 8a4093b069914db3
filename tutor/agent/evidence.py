"""What one question has gathered so far: its passages, numbered in the order of their arrival."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from kb import KnowledgeBase, Passage, glossary
from tutor.agent.support import SUPPORTED, find_support
from tutor.agent.terms import numbers, words
from tutor.base.i18n import Language
from tutor.base.text import printable

PASSAGES = 5
"""How many passages a search adds; each costs the model about a second of reading. With excerpts of
prompts.PASSAGE_CHARACTERS, five hold the facts of 79% of the development questions, four 74%."""
MOST = 7
STRONG = 0.5
"""Share of the question's words in one passage from which a further search is not worth its time."""


@dataclass
class Evidence:
    """The question and the passages that were retrieved for it. Citations may name no others."""

    question: str
    lang: Language
    kb: KnowledgeBase
    passages: list[Passage] = field(default_factory=list)
    style: str = ""
    """How to explain, for the end of the prompt (tutor/agent/teach.py); "" as always."""

    def is_strong(self, share: float = STRONG) -> bool:
        """Tell whether some passage holds so much of what the question names: then there is
        nothing to decide, and the model is not asked whether to search on."""
        asked = words(glossary.gist(self.question) if self.lang == "zh" else self.question)
        most = max((len(asked & words(self._said(p))) for p in self.passages), default=0)
        return most > 0 and most >= share * len(asked)

    def _said(self, passage: Passage) -> str:
        text = f"{passage.title} {passage.heading} {passage.text}"
        return glossary.gist(text) if self.lang == "zh" and passage.lang == "zh" else text

    def search(self, query: str, week: int | None = None, lang: str | None = None) -> list[Passage]:
        """Search, add what is new, and return it; week and lang as for KnowledgeBase.search."""
        return self.add(self.kb.search(query, k=PASSAGES, week=week, lang=lang))

    def paper_for(self, sentence: str) -> int | None:
        """Return the index of a paper's passage that supports a sentence with a figure in it, added
        if it was not there; None where there is none. Who measured a figure should be cited."""
        # "0" or "4" stands in every paper; 0.373 and 110 do not.
        if not any(len(number) > 1 for number in numbers(sentence)):
            return None
        papers = [p for p in self.kb.search(sentence, k=20) if p.source == "papers"]
        support = find_support(sentence, papers, question=self.question)
        if support is None or support.share < SUPPORTED:
            return None
        paper = _shown(papers[support.passage])
        known = {p.id: index for index, p in enumerate(self.passages)}
        if paper.id not in known:
            self.passages.append(paper)
        return known.get(paper.id, len(self.passages) - 1)

    def read_on(self, passage: int) -> list[Passage]:
        """Add the passages around one (1-based), and return what is new."""
        return self.add(self.kb.read_on(self.passages[passage - 1].id))

    def add(self, found: list[Passage]) -> list[Passage]:
        """Add what is new, as far as there is room, and return it."""
        known = {key for p in self.passages for key in (p.id, p.text)}
        fresh = [p for p in map(_shown, found) if p.id not in known and p.text not in known]
        new = fresh[: MOST - len(self.passages)]
        self.passages.extend(new)
        return new


def _shown(passage: Passage) -> Passage:
    """Return the passage without what a terminal would obey and a reader would not see."""
    return replace(
        passage,
        doc=printable(passage.doc),
        title=printable(passage.title),
        heading=printable(passage.heading),
        text=printable(passage.text),
        url=printable(passage.url),
    )
