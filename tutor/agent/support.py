"""Which passage supports a sentence: decided by what both say, never by the model's own mark."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kb import Passage, glossary
from tutor.agent.terms import names, numbers, words
from tutor.base.i18n import detect

SUPPORTED = 0.5
"""Share of a sentence's content words that its passage must hold."""
SUPPORTED_ACROSS = 0.3
"""The same where the languages differ and words are compared through the glossary."""

_MARK = re.compile(r"\s*\[(\d{1,2}(?:\s*[,，、]\s*\d{1,2})*)\]")
_SENTENCE_END = re.compile(r"(?<=[。！？；])|(?<=[.!?])(?=\s+[^a-z\s])|\n+")


@dataclass(frozen=True)
class Support:
    """The passage (index into those given) that supports a sentence best, and how far (0 to 1)."""

    passage: int
    share: float


def find_support(
    sentence: str, passages: Sequence[Passage], preferred: Iterable[int] = ()
) -> Support | None:
    """Return the passage that supports the sentence, or None.

    Every number of the sentence must occur in the passage, and enough of its words.
    preferred: indices that the model marked; they win over equals.
    """
    marked = set(preferred)
    best: Support | None = None
    for index, passage in enumerate(passages):
        share, threshold = _share(sentence, passage)
        if share < threshold:
            continue
        # A mark is evidence too, but it only decides between passages that both hold up.
        weight = share + (0.15 if index in marked else 0.0)
        if best is None or weight > best.share:
            best = Support(index, weight)
    return best and Support(best.passage, min(best.share, 1.0))


def split_sentences(text: str) -> list[str]:
    """Split prose of either language into sentences; the pieces joined give the text back."""
    pieces: list[str] = []
    start = 0
    for match in _SENTENCE_END.finditer(text):
        if match.end() > start:
            pieces.append(text[start : match.end()])
            start = match.end()
    return [*pieces, text[start:]] if start < len(text) else pieces


def take_marks(sentence: str) -> tuple[str, list[int]]:
    """Remove the citation marks of a sentence; return it and the numbers that they named."""
    named = [int(n) for group in _MARK.findall(sentence) for n in re.findall(r"\d+", group)]
    return _MARK.sub("", sentence), named


def _share(sentence: str, passage: Passage) -> tuple[float, float]:
    """Return the share of the sentence that the passage holds, and the threshold for it."""
    evidence = f"{passage.title}\n{passage.heading}\n{passage.text}"
    if not _numbers_hold(sentence, evidence):
        return 0.0, SUPPORTED
    if detect(sentence) == detect(passage.text):
        said = words(sentence)
        return (len(said & words(evidence)) / len(said) if said else 0.0), SUPPORTED
    return _share_across(sentence, evidence), SUPPORTED_ACROSS


def _share_across(sentence: str, evidence: str) -> float:
    """Compare a sentence with a passage of the other language by names and glossary terms."""
    lowered = evidence.lower()
    terms = [{name.lower()} for name in names(sentence)]
    terms += [set(map(str.lower, found)) for found in glossary.translations(sentence)]
    if not terms:
        return 0.0
    return sum(any(word in lowered for word in term) for term in terms) / len(terms)


def _numbers_hold(sentence: str, evidence: str) -> bool:
    """Tell whether each number occurs in the evidence; a rounded one counts (0.37 for 0.373)."""
    held = numbers(evidence)
    flat = evidence.replace(",", "")
    return all(n in flat or any(h.startswith(n) for h in held) for n in numbers(sentence))
