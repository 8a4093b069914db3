"""What one question has gathered so far: its passages, numbered in the order of their arrival."""

from __future__ import annotations

from dataclasses import dataclass, field

from kb import KnowledgeBase, Passage, glossary
from tutor.agent.support import SUPPORTED, find_support
from tutor.agent.terms import numbers, words
from tutor.base.i18n import Language

PASSAGES = 4
"""How many passages a search adds; each costs the model about two seconds of reading."""
MOST = 6
FROM_ONE = 2
"""Passages of one document in a search: the best document may be the wrong one."""
STRONG = 0.6
"""Share of the question's words in one passage from which a further search is not worth its time."""


@dataclass
class Evidence:
    """The question and the passages that were retrieved for it. Citations may name no others."""

    question: str
    lang: Language
    kb: KnowledgeBase
    passages: list[Passage] = field(default_factory=list)

    def is_strong(self) -> bool:
        """Tell whether some passage holds most of what the question names: then there is nothing
        to decide, and the model is not asked whether to search on."""
        asked = words(glossary.gist(self.question) if self.lang == "zh" else self.question)
        most = max((len(asked & words(self._said(p))) for p in self.passages), default=0)
        return most > 0 and most >= STRONG * len(asked)

    def _said(self, passage: Passage) -> str:
        text = f"{passage.title} {passage.heading} {passage.text}"
        return glossary.gist(text) if self.lang == "zh" and passage.lang == "zh" else text

    def search(self, query: str) -> list[Passage]:
        """Search, add what is new, and return it."""
        found = self.kb.search(query, k=3 * PASSAGES)
        return self._add(_spread(found)[:PASSAGES])

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
        paper = papers[support.passage]
        known = {p.id: index for index, p in enumerate(self.passages)}
        if paper.id not in known:
            self.passages.append(paper)
        return known.get(paper.id, len(self.passages) - 1)

    def read_on(self, passage: int) -> list[Passage]:
        """Add the passages around one (1-based), and return what is new."""
        return self._add(self.kb.read_on(self.passages[passage - 1].id))

    def _add(self, found: list[Passage]) -> list[Passage]:
        known = {p.id for p in self.passages}
        new = [p for p in found if p.id not in known][: MOST - len(self.passages)]
        self.passages.extend(new)
        return new


def _spread(found: list[Passage]) -> list[Passage]:
    """Put what goes beyond FROM_ONE passages of a document behind the rest."""
    first: list[Passage] = []
    later: list[Passage] = []
    for passage in found:
        same = sum(p.doc == passage.doc for p in first)
        (first if same < FROM_ONE else later).append(passage)
    return first + later
