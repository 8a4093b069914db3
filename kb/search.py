"""Retrieval: BM25 and vectors, their scores added up, across English and Chinese."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from kb import encoder, glossary, vocabulary, words
from kb.model import Passage, Stats
from kb.store import Store, missing, open_store
from kb.tune import Adapter
from tutor.base import home

if TYPE_CHECKING:
    from kb.vectors import Vectors

DEPTH = 150
"""How many passages each way of looking puts forward."""
WORDS = 0.55
"""The share of words in a score; the rest is meaning.

Scores scaled to 0..1 and added order better here than ranks do, as Bruch, Gai and Ingber found
elsewhere (2023, arXiv:2210.11934): reciprocal rank fusion throws away by how much the first is
the best. 0.5 to 0.65 differ by less than chance.
"""
TRANSLATED = 0.6
"""What a match of a Chinese question's English terms counts, against one of its own words."""
LIFT = 0.15
"""How much of the mean of its document's three best other scores is added to a passage's."""
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

    @cached_property
    def _adapter(self) -> Adapter | None:
        data = self.store.adapter()
        return Adapter.from_bytes(data) if data else None

    @cached_property
    def _vectors(self) -> Vectors:
        from kb.outside import opener
        from kb.vectors import Vectors

        return Vectors(self.store, opener(self.store))

    def search(
        self, query: str, k: int = 5, week: int | None = None, lang: str | None = None
    ) -> list[Passage]:
        """Return up to k passages, best first; the best scores are near 1.

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
        by_words = [self.store.by_words(q, DEPTH, allowed) for q in word_queries(query)]
        wanted = {id_ for found in by_words for id_ in found}
        by_meaning = self._by_meaning(query, wanted, allowed)
        scores = fuse(by_words, by_meaning)
        documents = self.store.documents_of(list(scores))
        # What is in no document has gone since the vectors were read.
        return lift({id_: s for id_, s in scores.items() if id_ in documents}, documents)

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

    def likeness(self, query: str, texts: Sequence[str]) -> list[float]:
        """Return the cosine of each text to a query; zeros where the encoder is not there."""
        if self._encoder is None:
            return [0.0] * len(texts)
        own = self._encoder.encode(_readable(query))
        return [float(own @ self._encoder.encode(_readable(text))) for text in texts]

    def unknown_words(self, text: str) -> list[str]:
        """Return the words of a text that name something of which the sources know nothing (see
        kb/vocabulary.py); none where the encoder, whose vocabulary tells, is not there."""
        if self._encoder is None:
            return []
        return vocabulary.unknown_words(self.store, self._encoder.tokenizer, text)

    def stats(self) -> Stats:
        """Return how much there is. Reads the whole index: some 0.3 s for 30,000 passages."""
        return self.store.stats()

    def close(self) -> None:
        self.store.close()

    def _by_meaning(
        self, query: str, wanted: set[int], allowed: frozenset[int] | None
    ) -> dict[int, float]:
        """Return passage id: likeness of the nearest passages and of the wanted ones, from 0 (the
        median of all passages) to 1 (the nearest)."""
        text = _readable(query)
        if not text or self._encoder is None:
            return {}
        vector = self._encoder.encode(text)
        if self._adapter and text == query.strip():  # it learned from sentences; a gist is none
            vector = self._adapter.apply(vector)
        near = self._vectors.near(vector, DEPTH, wanted, allowed)
        top = near.likeness.max(initial=-1)
        if top <= near.middle:
            return {}
        scaled = ((near.likeness - near.middle) / (top - near.middle)).clip(0)
        return {int(id_): float(s) for id_, s in zip(near.ids, scaled, strict=True) if s}


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


def _readable(text: str) -> str:
    """What the English encoder can read of a text."""
    return glossary.gist(text) if words.is_chinese(text) else text.strip()


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


def fuse(by_words: list[dict[int, float]], by_meaning: dict[int, float]) -> dict[int, float]:
    """Add up each passage's scores for words and for meaning.

    by_words: BM25 scores for the question's own words and then, if any, for its translated
    terms; each is scaled to the best of its kind.
    """
    scores: dict[int, float] = defaultdict(float)
    for number, found in enumerate(by_words):
        share = WORDS * (TRANSLATED if number else 1.0) / max(found.values(), default=1.0)
        for id_, score in found.items():
            scores[id_] += share * score
    for id_, score in by_meaning.items():
        scores[id_] += (1 - WORDS) * score
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
