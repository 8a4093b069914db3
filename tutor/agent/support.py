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
"""The same where the languages differ and the Chinese one is read through the glossary."""

_MARK = re.compile(r"\s*\[(?:[A-Za-z]{1,8}\s?)?(\d{1,2}(?:\s*[,，、]\s*\d{1,2})*)\]")


@dataclass(frozen=True)
class Support:
    """The passage (index into those given) that supports a sentence best, and how far (0 to 1)."""

    passage: int
    share: float


def find_support(
    sentence: str, passages: Sequence[Passage], preferred: Iterable[int] = (), question: str = ""
) -> Support | None:
    """Return the passage that supports the sentence, or None.

    Every number and name of the sentence must occur in the passage, and enough of its words;
    names that the question brought need not.
    preferred: indices that the model marked; they win over equals.
    """
    marked = set(preferred)
    best: Support | None = None
    for index, passage in enumerate(passages):
        share, threshold = _share(sentence, passage, question)
        if share < threshold:
            continue
        # A mark is evidence too, but it only decides between passages that both hold up.
        weight = share + (0.15 if index in marked else 0.0)
        if best is None or weight > best.share:
            best = Support(index, weight)
    return best and Support(best.passage, min(best.share, 1.0))


def take_marks(sentence: str) -> tuple[str, list[int]]:
    """Remove the citation marks of a sentence; return it and the numbers that they named."""
    named = [int(n) for group in _MARK.findall(sentence) for n in re.findall(r"\d+", group)]
    return _MARK.sub("", sentence), named


def _share(sentence: str, passage: Passage, question: str) -> tuple[float, float]:
    """Return the share of the sentence that the passage holds, and the threshold for it."""
    evidence = f"{passage.title}\n{passage.heading}\n{passage.text}"
    if not (_numbers_hold(sentence, evidence) and _names_hold(sentence, evidence + question)):
        return 0.0, SUPPORTED
    said, held, threshold = sentence, evidence, SUPPORTED
    if detect(sentence) != passage.lang:
        threshold = SUPPORTED_ACROSS
        said, held = (
            (glossary.gist(said), held) if passage.lang == "en" else (said, glossary.gist(held))
        )
    wanted = words(said)
    return (len(wanted & words(held)) / len(wanted) if wanted else 0.0), threshold


def _names_hold(sentence: str, evidence: str) -> bool:
    lowered = evidence.lower()
    return all(name.lower() in lowered for name in names(sentence))


def _numbers_hold(sentence: str, evidence: str) -> bool:
    """Tell whether each number occurs in the evidence, not only within a longer one; a decimal may
    be cut off (0.37 for 0.373)."""
    held = numbers(evidence)
    flat = evidence.replace(",", "")
    return all(
        re.search(rf"(?<![\d.]){re.escape(n)}(?!\d|\.\d)", flat)
        or ("." in n and any(h.startswith(n) for h in held))
        for n in numbers(sentence)
    )
