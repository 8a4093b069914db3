"""The source's own words beside the model's: the run of sentences that answers best.

A small model leaves out figures and conditions that stand in the passage before it. So an answer
ends with a quotation, chosen by what it shares with the question; nothing in it is the model's.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kb import Passage, glossary
from kb.words import is_chinese, without_links
from tutor.agent.evidence import Evidence
from tutor.agent.terms import words

MOST_WORDS = 100
"""Of a quotation. On 46 development questions an answer with a run of 100 words held all facts 34
times, with 70 words 32 times, without one 22 times."""
RANK = 0.15
"""What each place further down in the search costs a passage, the question's words together being 1:
the search saw whole passages and their headings, a sentence by itself says less."""

REPEATED = 0.8
"""Share of a quotation's words in the answer from which on it would only be said twice."""

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[^a-z\s])|(?<=[。！？；])|\n+(?=[-*|#\d])|\n\n+")
_BULLET = re.compile(r"^(?:[-*+>]\s+|#+\s+|\[![A-Z]+\]\s*)+")
_FRAME = re.compile(r"^`{3}\w*$|^[|:\s-]+$")
"""The line above or below a code block, and the one below a table's head."""
_FENCE = re.compile(r"`{3}\w*")
_CODE_BLOCK = re.compile(r"`{3}\w*\n.*\n\s*`{3}", re.DOTALL)
_REFERENCE = re.compile(r"\s*(?<![A-Za-z_])\[\d{1,3}(?:\s*[,–-]\s*\d{1,3})*\]")
_WORD = re.compile(r"[\u3400-\u9fff]|[A-Za-z0-9][\w'.%-]*")


@dataclass(frozen=True)
class Quote:
    """A run of sentences of one passage (its index in the evidence)."""

    passage: int
    text: str


@dataclass(frozen=True)
class _Sentence:
    text: str
    words: frozenset[str]
    length: float
    likeness: float


def pick(found: Evidence, said: str, room: float = MOST_WORDS) -> Quote | None:
    """Return the best run of at most `room` words, or one sentence where that is longer but not
    twice as long; None where nothing shares a word with the question, or where the answer so far
    (`said`) says as much already."""
    passages = [_sentences(passage, found) for passage in found.passages]
    asked = _meant(found.question, found.lang == "zh")
    share = _shares(asked, passages)
    best, chosen = 0.0, None
    for index, sentences in enumerate(passages):
        if _foreign(found.passages[index], found):
            continue
        for run in _runs(sentences, room):
            covered = sum(share[w] for w in frozenset().union(*(s.words for s in run)) & asked)
            if not covered:
                continue
            length = min(room, sum(s.length for s in run)) / room
            weight = covered + max(s.likeness for s in run) - RANK * index + 0.2 * length
            if weight > best:
                best, chosen = weight, Quote(index, " ".join(s.text for s in run))
    return None if chosen is None or _repeats(chosen.text, said) else chosen


def _foreign(passage: Passage, found: Evidence) -> bool:
    """Tell whether it is a Chinese passage below an English answer that has English ones too. The
    other way round it is quoted: most of what is written on the subject is in English."""
    return found.lang == "en" != passage.lang and any(p.lang == "en" for p in found.passages)


def _repeats(quote: str, said: str) -> bool:
    wanted = words(quote)
    return len(wanted & words(said)) >= REPEATED * len(wanted)


def length(text: str) -> float:
    """Return how many words a text has; two Chinese characters count as one."""
    return sum(0.5 if is_chinese(word) else 1.0 for word in _WORD.findall(text))


def _sentences(passage: Passage, found: Evidence) -> list[_Sentence]:
    pieces = (_BULLET.sub("", piece.strip()) for piece in _SENTENCE_END.split(passage.text))
    # A paper's own "[13]" would pass for a mark of ours; an index, x[0], does not.
    bare = (_REFERENCE.sub("", without_links(p)) for p in pieces if not _FRAME.match(p))
    texts = [text for text in map(_tidy, bare) if len(text) > 11]
    likeness = found.kb.likeness(found.question, texts)
    across = found.lang == "zh" or passage.lang == "zh"
    return [
        _Sentence(text, _meant(text, across), length(text), likeness[at])
        for at, text in enumerate(texts)
    ]


def _tidy(piece: str) -> str:
    """Return a piece as one line; a whole code block keeps its own, half of one loses its fence."""
    if _CODE_BLOCK.fullmatch(piece.strip()):
        return f"\n{piece.strip()}\n"
    return " ".join(_FENCE.sub("", piece).split())


def _meant(text: str, across: bool) -> frozenset[str]:
    """The content words; where languages may differ, also the English names of Chinese terms."""
    return frozenset(words(text) | words(glossary.gist(text)) if across else words(text))


def _shares(asked: frozenset[str], passages: Sequence[Sequence[_Sentence]]) -> dict[str, float]:
    """What each of the question's words counts: the more, the fewer sentences have it; 1 in all."""
    found = [sentence.words for sentences in passages for sentence in sentences]
    held = Counter(word for sentence in found for word in sentence & asked)
    idf = {word: math.log(1 + len(found) / (0.5 + held[word])) for word in asked}
    total = sum(idf.values()) or 1.0
    return {word: weight / total for word, weight in idf.items()}


def _runs(sentences: Sequence[_Sentence], room: float) -> Iterator[Sequence[_Sentence]]:
    for start, first in enumerate(sentences):
        size = first.length
        if size > 2 * room:
            continue
        end = start + 1
        yield sentences[start:end]
        while end < len(sentences) and size + sentences[end].length <= room:
            size += sentences[end].length
            end += 1
            yield sentences[start:end]
