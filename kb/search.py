"""Retrieval: BM25 and vectors, fused by reciprocal rank, across English and Chinese."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from kb import encoder, glossary, words
from kb.model import Passage, Stats
from kb.store import Store, missing, open_store
from tutor.base import home

DEPTH = 150
"""How many passages each way of looking puts forward."""
RRF_K = 60
"""The constant of reciprocal rank fusion (Cormack, Clarke and Büttcher 2009)."""
LIFT = 0.3
"""How much of the score of a document's other good passages is added to each of them."""
SAME = 0.7
"""Passages that share so much of their words are one, told twice."""


class KnowledgeBase:
    """What search sees. Use `open_kb` to get one."""

    def __init__(self, store: Store) -> None:
        self.store = store

    @cached_property
    def _encoder(self) -> encoder.QuestionEncoder | None:
        """None where the encoder is not there: then words alone are searched."""
        return encoder.QuestionEncoder() if encoder.present() else None

    def search(
        self, query: str, k: int = 5, week: int | None = None, lang: str | None = None
    ) -> list[Passage]:
        """Return up to k passages, best first.

        week: only documents that the plan links in that unit (0 to 9). lang: "en" or "zh".
        Empty where nothing matches. Raises TutorError where the index is stale.
        """
        scores = self.scores(query, week, lang)
        best = sorted(scores, key=lambda id_: (-scores[id_], id_))[: 4 * k + 20]
        found = self.store.passages(best)
        ordered = (replace(found[id_], score=round(scores[id_], 5)) for id_ in best if id_ in found)
        return distinct(ordered, k)

    def scores(
        self, query: str, week: int | None = None, lang: str | None = None
    ) -> dict[int, float]:
        """Return passage id: score of every candidate, near-duplicates included."""
        allowed = self.store.filtered(week, lang)
        rankings = [
            *(self.store.by_words(match, DEPTH, allowed) for match in word_queries(query)),
            self._by_meaning(query, allowed),
        ]
        scores = fuse(rankings)
        return lift(scores, self.store.documents_of(list(scores)))

    def read_on(self, passage_id: int, before: int = 1, after: int = 1) -> list[Passage]:
        """Return a passage with so many before and after it in its document, in reading order."""
        return self.store.neighbours(passage_id, before, after)

    def contains(self, term: str) -> bool:
        """Whether a literal term (identifier, name, number) occurs anywhere in the index.

        Case does not count; "GPT-7" does not occur in "GPT-70B".
        """
        pieces = re.findall(r"\w+", words.index_text(term))
        if not pieces:
            return False
        # A letter or digit beside it makes another term; Chinese is written without spaces.
        edge = "[A-Za-z0-9_]"
        literal = re.compile(rf"(?<!{edge}){re.escape(term.strip())}(?!{edge})", re.IGNORECASE)
        return any(literal.search(text) for text in self.store.with_words(pieces))

    def stats(self) -> Stats:
        """Return how much there is. Reads the whole index: some 0.3 s for 30,000 passages."""
        return self.store.stats()

    def close(self) -> None:
        self.store.close()

    def _by_meaning(self, query: str, allowed: frozenset[int] | None) -> list[int]:
        import numpy as np

        matrix = self.store.matrix()
        text = glossary.gist(query) if words.is_chinese(query) else query
        if not len(matrix.ids) or not text or self._encoder is None:
            return []
        similarity = matrix.rows @ self._encoder.encode(text)
        if allowed is not None:
            similarity[~np.isin(matrix.ids, np.fromiter(allowed, np.int64, len(allowed)))] = -2
        best = np.argpartition(-similarity, min(DEPTH, len(similarity) - 1))[:DEPTH]
        best = best[np.argsort(-similarity[best], kind="stable")]
        return [int(id_) for id_ in matrix.ids[best[similarity[best] > -2]]]


def open_kb(path: Path | None = None) -> KnowledgeBase:
    """Open the knowledge base; TUTOR_HOME's where no path is given.

    Raises MissingError where there is none or it is empty, TutorError where it is stale.
    """
    path = path or home.kb_file()
    if not path.exists():
        raise missing(path)
    store = open_store(path)
    if store.empty():
        raise missing(path)
    store.check_fresh()
    return KnowledgeBase(store)


def word_queries(query: str) -> list[str]:
    """Return the FTS5 queries for a question: its own words; where it is Chinese, also those
    words that an English passage can hold: the terms' English names and what is Latin already."""
    own = words.question_words(query)
    queries = [words.match_any(own)]
    if words.is_chinese(query):
        latin = [word for word in own if not words.is_chinese(word)]
        english = words.question_words(" ".join(glossary.in_english(query)))
        queries.append(words.match_any(dict.fromkeys([*latin, *english])))
    return [query for query in queries if query]


def fuse(rankings: Iterable[list[int]]) -> dict[int, float]:
    """Reciprocal rank fusion: each ranking gives 1 / (RRF_K + rank) to what it names."""
    scores: dict[int, float] = defaultdict(float)
    for ranking in rankings:
        for rank, id_ in enumerate(ranking, 1):
            scores[id_] += 1 / (RRF_K + rank)
    return dict(scores)


def lift(scores: dict[int, float], documents: dict[int, int]) -> dict[int, float]:
    """Add to each passage a share of its document's three best other passages: a document that
    answers in several places is about the question."""
    by_document: dict[int, list[float]] = defaultdict(list)
    for id_, score in scores.items():
        by_document[documents[id_]].append(score)
    best = {document: sorted(found)[-4:] for document, found in by_document.items()}

    def others(id_: int, score: float) -> float:
        top = best[documents[id_]]
        return sum(top) - (score if score >= top[0] else top[0] if len(top) > 3 else 0.0)

    return {id_: score + LIFT * others(id_, score) / 3 for id_, score in scores.items()}


def distinct(passages: Iterable[Passage], k: int) -> list[Passage]:
    """Return the first k passages, without those that say again what an earlier one says."""
    kept: list[tuple[Passage, set[str]]] = []
    for passage in passages:
        own = set(re.findall(r"[\u3400-\u9fff]|\w+", passage.text.lower()))
        if all(len(own & other) < SAME * max(1, len(own | other)) for _, other in kept):
            kept.append((passage, own))
        if len(kept) == k:
            break
    return [passage for passage, _ in kept]
