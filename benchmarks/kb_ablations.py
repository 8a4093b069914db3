"""What each part of retrieval is worth: the same questions, with one part left out at a time.

    python benchmarks/kb_ablations.py QUESTIONS.jsonl [MORE.jsonl ...]

Searches TUTOR_HOME's knowledge base. Prints hit@1, hit@5 and MRR over all questions and hit@5 by
language; no part changes the index, so parts that live in it (titles and headings in the indexed
text, Chinese cut into words) are not in this table.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kb import search, store, words
from kb.evaluate import Question, evaluate, read_questions


@contextmanager
def changed(module: Any, name: str, value: Any) -> Iterator[None]:
    before = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, before)


def by_rank(by_words: list[dict[int, float]], by_meaning: dict[int, float]) -> dict[int, float]:
    """Reciprocal rank fusion (Cormack et al. 2009), k = 60, scaled so that the best is near 1."""
    scores: dict[int, float] = {}
    for found in [*by_words, by_meaning]:
        for rank, id_ in enumerate(sorted(found, key=lambda i: -found[i]), 1):
            scores[id_] = scores.get(id_, 0.0) + 61 / (60 + rank) / 2
    return scores


PARTS: dict[str, Callable[[], Any]] = {
    "as it is": lambda: changed(search, "DEPTH", search.DEPTH),
    "words only": lambda: changed(search, "WORDS", 1.0),
    "meaning only": lambda: changed(search, "WORDS", 0.0),
    "ranks fused, not scores": lambda: changed(search, "fuse", by_rank),
    "no lift by the document": lambda: changed(search, "LIFT", 0.0),
    "no terms in English": lambda: changed(search, "TRANSLATED", 0.0),
    "headings count as text": lambda: changed(store, "HEADING_WEIGHT", 1.0),
    "headings not searched": lambda: changed(store, "HEADING_WEIGHT", 0.0),
    "no question adapter": lambda: changed(search.KnowledgeBase, "_adapter", None),
    "no long forms": lambda: changed(words, "_LONG_FORMS", {}),
}


def row(questions: list[Question]) -> str:
    result = evaluate(search.open_kb(), questions)
    by = result.by_language
    hits = " ".join(f"{by[lang].hit_5:>8.3f}" for lang in ("en", "zh") if lang in by)
    whole = result.overall
    return f"{whole.hit_1:>8.3f} {whole.hit_5:>8.3f} {whole.mrr:>8.3f} {hits}"


def main(paths: list[Path]) -> None:
    for path in paths:
        questions = [question for question in read_questions(path) if question.gold]
        print(f"{path.name}: {len(questions)} questions with an answer")
        print(f"{'':26}{'hit@1':>8} {'hit@5':>8} {'MRR':>8} {'en':>8} {'zh':>8}")
        for name, change in PARTS.items():
            with change():
                print(f"{name:26}{row(questions)}", flush=True)


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]])
