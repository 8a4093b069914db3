"""Whether the sources can hold an answer at all, known before the model is asked."""

from __future__ import annotations

from kb import KnowledgeBase, Passage
from tutor.agent.terms import names


def unknown_names(question: str, kb: KnowledgeBase) -> list[str]:
    """Return the identifiers, versioned names, acronyms and coined words of the question that occur
    nowhere in the sources: no passage can answer a question about them."""
    unknown = [name for name in names(question) if not kb.contains(name)]
    return list(dict.fromkeys([*unknown, *kb.unknown_words(question)]))


def unseen_names(question: str, passages: list[Passage]) -> list[str]:
    """Return the names of the question that none of the passages mentions."""
    evidence = "\n".join(f"{p.title}\n{p.heading}\n{p.text}" for p in passages).lower()
    return [name for name in names(question) if name.lower() not in evidence]
