"""Whether an answer is right, honest and truly cited: decided by what stands in it, alike for
every system.

right: every list of `facts` has a member in the answer's own prose (case does not matter), and
  the answer does not say that the sources lack it. An unanswerable question is answered right
  when it is told so.
told so (refused): the prose says that the sources do not cover the question, and nothing is cited.
own prose: without marks and quoted lines (those that begin with ">"), the first 150 words or 300
  Chinese characters of it; in mixed text two characters count as one word. The quotation with which
  the tutor's answers end is part of the answer and of its length; `right_in_own_words` leaves it out.
a right citation: a mark whose passage holds a gold quote, or the facts that the mark's sentence
  states; where that sentence states none of them, all the question's facts. A mark under an
  unanswerable question is never right.
a foreign citation: a mark that stands for no passage that was retrieved for this question.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kb import Passage
from kb.evaluate import Question as PlacedQuestion
from kb.evaluate import answers as holds_quote
from kb.evaluate import read_lines
from tutor.agent.writer import QUOTATION

BUDGET = 300
"""The length of the prose that counts, in Chinese characters; a word costs two of them."""

_MARK = re.compile(r"(?<![A-Za-z_])\[(\d{1,3}(?:\s*[,，、]\s*\d{1,3})*)\]")
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]+`", re.DOTALL)
_UNSURE = re.compile(r"\s*\[\?\]")
_QUOTED_LINE = re.compile(r"^\s*>.*$", re.MULTILINE)
_HAN = "\u3400-\u9fff"
_UNIT = re.compile(rf"[{_HAN}]|[^\W{_HAN}][^\s{_HAN}]*")
_SENTENCE = re.compile(r"(?<=[.!?])\s+|(?<=[。！？；])|\n+")

_SOURCE = (
    r"(?:sources?|passages?|documents?|contexts?|text|materials?|excerpts?|articles?|papers?|"
    r"information|knowledge base|observations?|tools?)"
)
_REFUSAL = re.compile(
    r"\bnot covered\b"
    rf"|\b{_SOURCE}\b[^.!?\n]{{0,30}}\b(?:do|does|did)(?:n['’]t| not)\b[^.!?\n]{{0,20}}\b"
    r"(?:cover|mention|contain|say|state|specify|provide|include|address|answer|discuss|give|"
    r"hold|describe|explain)"
    r"|(?:\bnot|n['’]t|\bnever) (?:\w+ )?(?:mentioned|specified|stated|provided|covered|given|"
    rf"discussed|available|found|included|addressed)\b[^.!?\n]{{0,30}}\b{_SOURCE}\b"
    rf"|\b(?:nothing|none|nowhere)\b[^.!?\n]{{0,12}}\b(?:in|of) the (?:\w+ )?{_SOURCE}\b"
    r"|\bno (?:\w+ )?(?:information|mention|passages?|details?) "
    r"(?:about|on|regarding|of|available|provided|given|that|in the)\b"
    r"|\b(?:I|we)(?: am|['’]m| are)? (?:cannot|can['’]t|can not|could not|couldn['’]t|unable to|"
    r"not able to) (?:find|answer|determine|provide)|\bcannot be (?:determined|answered)\b"
    r"|\bI (?:do not|don['’]t) (?:know|have)\b"
    r"|(?:资料|知识库|文档|文献|上下文|段落|原文|文中|来源)[^。！？\n]{0,12}"
    r"(?:没有|未|不包含|不涉及|无法|缺乏)"
    r"|(?:没有|未)(?:提供|提到|提及|涵盖|覆盖|说明|给出|包含|找到)"
    r"[^。！？\n]{0,12}(?:资料|信息|内容|答案|问题)"
    r"|(?:没有|缺乏)(?:任何)?(?:相关|足够|具体|关于|有关)[^。！？\n]{0,12}(?:资料|信息|内容)"
    r"|无法(?:回答|确定|找到|得知)|我不知道",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Question(PlacedQuestion):
    """A question with its gold places and the facts of a right answer.

    facts: of each inner list one member must stand in the answer.
    """

    facts: tuple[tuple[str, ...], ...] = ()

    @property
    def answerable(self) -> bool:
        return bool(self.gold)


@dataclass(frozen=True)
class Score:
    """How one answer did. marks, right_marks, strict_marks, foreign: numbers of citation marks;
    strict_marks: whose passage holds a gold quote or all facts of the question.
    missing: the lists of facts of which nothing stands in the prose."""

    right: bool
    right_in_own_words: bool
    refused: bool
    marks: int
    right_marks: int
    strict_marks: int
    foreign: int
    missing: tuple[tuple[str, ...], ...]


def read_questions(path: Path) -> list[Question]:
    """Read a question set in JSON lines.

    Raises TutorError naming the line that is not a question.
    """
    return read_lines(path, Question)


def sample(questions: Sequence[Question], count: int, seed: int = 0) -> list[Question]:
    """Return `count` of the questions, each language and kind by its share, in their order."""
    if count >= len(questions):
        return list(questions)
    rng = random.Random(seed)
    strata = sorted(questions, key=lambda q: (q.lang, q.kind, rng.random()))
    # Every so-manieth of the sorted ones: no stratum can be over its share by a whole question.
    step = len(strata) / count
    start = rng.random() * step
    chosen = {strata[int(start + number * step)].id for number in range(count)}
    return [question for question in questions if question.id in chosen]


def score(
    question: Question, text: str, cited: Mapping[int, Passage], retrieved: Iterable[Passage]
) -> Score:
    """Score an answer; cited: mark number: passage; retrieved: what the system's searches gave."""
    own = prose(text)
    unquoted = prose(QUOTATION.sub("", text))
    missing = tuple(fact for fact in question.facts if not _holds(own, fact))
    known = {(passage.id, passage.doc) for passage in retrieved}
    marked = marks(text)
    meant = [(sentence, cited.get(number)) for sentence, number in marked]
    true = [(s, p) for s, p in meant if p is not None and (p.id, p.doc) in known]
    refused = says_uncovered(own) and not marked
    right = refused != question.answerable and not (question.answerable and missing)
    return Score(
        right=right,
        right_in_own_words=right and all(_holds(unquoted, fact) for fact in question.facts),
        refused=refused,
        marks=len(marked),
        right_marks=sum(supports(p, question, sentence) for sentence, p in true),
        strict_marks=sum(supports(p, question) for _, p in true),
        foreign=len(marked) - len(true),
        missing=missing,
    )


def prose(text: str) -> str:
    """Return the part of an answer that counts: its own words, as many as may count."""
    own = _QUOTED_LINE.sub("", _UNSURE.sub("", _MARK.sub("", text)))
    spent = 0
    for unit in _UNIT.finditer(own):
        spent += 1 if re.match(f"[{_HAN}]", unit[0]) else 2
        if spent > BUDGET:
            return own[: unit.start()]
    return own


def says_uncovered(own: str) -> bool:
    """Tell whether prose says, in whichever of the usual words, that the sources lack it."""
    return bool(_REFUSAL.search(own))


def marks(text: str) -> list[tuple[str, int]]:
    """Return each citation mark's number with the sentence that it stands in or behind.

    An index in code, like `x[0]`, is no mark.
    """
    found: list[tuple[str, int]] = []
    begin, sentence = 0, ""
    for mark in _MARK.finditer(_CODE.sub(lambda code: " " * len(code[0]), text)):
        # What the mark of the sentence before left behind is no sentence: "[1].", "[1][2]".
        before = text[begin : mark.start()].strip(" \n.。,，;；")
        sentence = _SENTENCE.split(before)[-1] if before else sentence
        found += [(sentence, int(number)) for number in re.findall(r"\d+", mark[1])]
        begin = mark.end()
    return found


def supports(passage: Passage, question: Question, sentence: str = "") -> bool:
    """Tell whether a passage holds a gold quote, or the facts that the sentence states, or all
    facts where it states none."""
    if holds_quote(passage, question):
        return True
    held = f"{passage.heading}\n{passage.text}"
    wanted = [fact for fact in question.facts if _holds(sentence, fact)] or question.facts
    return bool(wanted) and all(_holds(held, fact) for fact in wanted)


def _holds(text: str, alternatives: Sequence[str]) -> bool:
    lowered = text.lower()
    return any(alternative.lower() in lowered for alternative in alternatives)
