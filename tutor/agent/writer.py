"""The answer as it streams: the model's marks taken out, each sentence checked, true marks put in."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tutor.agent import quotes
from tutor.agent.events import Citation, Observation, Token
from tutor.agent.evidence import Evidence
from tutor.agent.support import find_support, take_marks
from tutor.agent.terms import words

UNSUPPORTED = "[?]"
MOST_SENTENCES = 4
MOST_WORDS = 60
"""A small model that has answered goes on with whatever stands in the passages."""

_MARKS = r"(?:\s*\[[A-Za-z]*\s?[\d,，、\s]+\])*"
_SENTENCE_END = re.compile(
    rf"(?<!\bal)(?<!\be\.g)(?<!\bi\.e)(?<!\bvs)(?<!\bFig)(?<!\bSec)[.!?]{_MARKS}(?=\s+[^\s\[a-z])"
    rf"|[。！？；]{_MARKS}(?=\s*[^\s\[])"
    r"|\n+"
)
_OPEN_MARK = re.compile(r"\s*(\[[A-Za-z]*\s?[\d,，、\s]*)?$")
"""The end of an unfinished sentence that may yet turn out to be a mark."""

_QUOTED = {"en": ("In the source's words: “", "”"), "zh": ("原文：“", "”")}
QUOTATION = re.compile(r"(?:In the source's words: |原文：)“.*”", re.DOTALL)
"""The source's own words in an answer's text."""
_STOPS = re.compile(r"([.。])(?:\s*[.。])+$")
"""What is left of a sentence's end when the mark between two full stops is taken out."""

_FULL_WIDTH = ("。", "！", "？", "；", "）", "”")

_REFUSALS = (
    "NOT COVERED",
    "The passages do not",
    "The passage does not",
    "The provided passages do not",
    "The given passages do not",
    "资料中没有",
    "资料里没有",
    "资料没有",
    "资料中未",
    "资料并未",
)


class AnswerWriter:
    """Turns the model's pieces into Token and Citation events.

    Words are shown as they come; a sentence's mark is shown when the sentence has ended and its
    support is known. Passages are numbered in the order of their first citation.
    """

    def __init__(self, found: Evidence) -> None:
        self.found = found
        self.text = ""
        """What has been shown."""
        self.refused = False
        """Whether the model said that the passages do not hold the answer."""
        self.sentences: list[str] = []
        self.unsupported: list[str] = []
        self._sentence = ""
        self._shown = 0
        self._repeats = False
        self._numbers: dict[int, int] = {}
        self._quoted = False

    @property
    def citations(self) -> tuple[Citation, ...]:
        return tuple(
            Citation(number, self.found.passages[i]) for i, number in self._numbers.items()
        )

    @property
    def holds(self) -> bool:
        """Whether the sources carry the answer: its first sentence, which gives it, is supported."""
        return bool(self._numbers and self.sentences) and self.sentences[0] not in self.unsupported

    @property
    def carried(self) -> bool:
        """Whether the sources carry it, the quotation included."""
        return self.holds or self._quoted

    @property
    def complete(self) -> bool:
        """Whether nothing that the model may still write will be shown."""
        long = sum(map(quotes.length, self.sentences)) >= MOST_WORDS
        return self.refused or self._repeats or long or len(self.sentences) >= MOST_SENTENCES

    def feed(self, piece: str) -> Iterator[Token | Citation | Observation]:
        """Take the model's next piece; yield what may be shown now, and what was looked up for it."""
        if self.complete:
            return
        self._sentence += piece
        while not self.complete and (end := _SENTENCE_END.search(self._sentence)):
            ended, self._sentence = self._sentence[: end.end()], self._sentence[end.end() :]
            yield from self._end(ended)
        if self.complete:
            return
        if not _may_refuse(self._sentence):
            part = take_marks(_OPEN_MARK.sub("", self._sentence))[0]
            if not self._may_repeat(part):
                yield from self._show(part)
        elif _refuses(self._sentence) and not self.text:
            self.refused = True

    def close(self) -> Iterator[Token | Citation | Observation]:
        """Yield what is left when the model has ended; nothing where it was cut off while it said
        something again."""
        again = self.sentences and self._may_repeat(take_marks(self._sentence)[0])
        if self._sentence.strip() and not self.complete and not again:
            yield from self._end(self._sentence)
        self._sentence = ""

    def quote(self, quote: quotes.Quote) -> Iterator[Token | Citation | Observation]:
        """Let the source say it in its own words, below what the model wrote."""
        self._quoted = True
        lead = "\n\n" if self.text.strip() else ""
        before, after = _QUOTED[self.found.lang]
        yield self._token(f"{lead}{before}{quote.text}{after}")
        yield from self._cite(quote.passage, "" if self.found.lang == "zh" else " ")

    def _may_repeat(self, part: str) -> bool:
        """Tell whether a sentence is, so far, the beginning of one that adds nothing."""
        return any(said.startswith(part.strip()) for said in self._stale())

    def _stale(self) -> list[str]:
        """What an answer that is over goes on with: what it said, and the passages' headings."""
        places = [place for p in self.found.passages for place in (p.title, p.heading) if place]
        return [*self.sentences, *places]

    def _end(self, sentence: str) -> Iterator[Token | Citation | Observation]:
        if _refuses(sentence):
            # After an answer, "not covered" is a small model's habit; without one, its verdict.
            self.refused = self.refused or not self.text
            return
        clean, named = take_marks(sentence)
        line_end = "\n" if sentence.endswith("\n") else ""
        clean = _STOPS.sub(r"\1", clean.rstrip())
        self._repeats = clean.strip() in self._stale()
        if self._repeats:
            return
        yield from self._show(clean)
        self._shown = 0
        if words(clean):
            self.sentences.append(clean.strip())
            yield from self._mark(clean, [n - 1 for n in named])
        if line_end and self.text:
            yield self._token(line_end)

    def _mark(self, sentence: str, named: list[int]) -> Iterator[Token | Citation | Observation]:
        space = "" if sentence.endswith(_FULL_WIDTH) else " "
        support = find_support(sentence, self.found.passages, named, self.found.question)
        if support is None:
            self.unsupported.append(sentence.strip())
            yield self._token(f"{space}{UNSUPPORTED}")
            return
        index = support.passage
        # What a tool found (its id is negative) has no paper that said it first.
        if self.found.passages[index].id >= 0 and self.found.passages[index].source != "papers":
            known = len(self.found.passages)
            paper = self.found.paper_for(sentence)
            if new := self.found.passages[known:]:
                yield Observation(tuple(new))
            index = index if paper is None else paper
        yield from self._cite(index, space)

    def _cite(self, index: int, space: str) -> Iterator[Token | Citation | Observation]:
        new = index not in self._numbers
        number = self._numbers.setdefault(index, len(self._numbers) + 1)
        yield self._token(f"{space}[{number}]")
        if new:
            yield Citation(number, self.found.passages[index])

    def _show(self, clean: str) -> Iterator[Token]:
        """Show what is new of the sentence at hand, given without its marks."""
        if len(clean) > self._shown:
            new = clean[self._shown :]
            self._shown = len(clean)
            yield self._token(new if self.text else new.lstrip())

    def _token(self, text: str) -> Token:
        self.text += text
        return Token(text)


def _refuses(sentence: str) -> bool:
    return sentence.lstrip().startswith(_REFUSALS)


def _may_refuse(sentence: str) -> bool:
    """Tell whether a sentence is, or may still become, the words for "not covered"."""
    start = sentence.lstrip()
    return _refuses(sentence) or any(refusal.startswith(start) for refusal in _REFUSALS)
