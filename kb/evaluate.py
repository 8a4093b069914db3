"""How good retrieval is, on questions whose answers' places are known."""

from __future__ import annotations

import statistics
import time
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from kb.model import Passage
from kb.search import KnowledgeBase
from tutor.base.errors import TutorError
from tutor.base.i18n import say

DEEP = 50


@dataclass(frozen=True)
class Gold:
    """A place that holds the answer: a document and words of it, verbatim."""

    doc: str
    quote: str


@dataclass(frozen=True)
class Question:
    """A question with every place that answers it; none where the sources do not."""

    id: str
    lang: str
    question: str
    gold: tuple[Gold, ...] = ()
    kind: str = ""
    week: int | None = None


@dataclass(frozen=True)
class Score:
    """hit_n: share of questions with an answer among the first n passages; document_5: with the
    right document among the first five; mrr: mean of 1 / rank of the first answer, to rank 50."""

    questions: int
    hit_1: float
    hit_5: float
    hit_50: float
    document_5: float
    mrr: float


@dataclass(frozen=True)
class Evaluation:
    """Scores over all, by language and by kind; milliseconds of one search for five passages."""

    overall: Score
    by_language: dict[str, Score]
    by_kind: dict[str, Score]
    p50_ms: float
    p95_ms: float
    missed: list[str] = field(default_factory=list)
    """Ids of the questions without an answer among the first five."""


@dataclass(frozen=True)
class Outcome:
    """rank: of the first passage that answers, 0 where there is none; document_rank likewise."""

    question: Question
    rank: int
    document_rank: int
    milliseconds: float


def read_questions(path: Path) -> list[Question]:
    """Read a question set in JSON lines.

    Raises TutorError naming the line that is not a question.
    """
    questions = []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            questions.append(msgspec.json.decode(line, type=Question))
        except msgspec.DecodeError as error:
            raise TutorError(
                say(f"{path}, line {number}: {error}", f"{path} 第 {number} 行：{error}")
            ) from error
    return questions


def evaluate(kb: KnowledgeBase, questions: list[Question]) -> Evaluation:
    """Ask every answerable question and score what comes back.

    Raises TutorError where none of the questions has an answer.
    """
    outcomes = [_ask(kb, question) for question in questions if question.gold]
    if not outcomes:
        raise TutorError(say("No question has an answer to find.", "没有可评测的问题。"))
    times = sorted(outcome.milliseconds for outcome in outcomes)
    return Evaluation(
        overall=_score(outcomes),
        by_language=_by(outcomes, "lang"),
        by_kind=_by(outcomes, "kind"),
        p50_ms=round(statistics.median(times), 1),
        p95_ms=round(times[int(0.95 * (len(times) - 1))], 1),
        missed=[o.question.id for o in outcomes if not 1 <= o.rank <= 5],
    )


def answers(passage: Passage, question: Question) -> bool:
    """Whether the passage comes from a right document and holds its quotation; letters, digits
    and Chinese characters alone are compared."""
    text = _bare(passage.text)
    return any(gold.doc == passage.doc and _bare(gold.quote) in text for gold in question.gold)


def _ask(kb: KnowledgeBase, question: Question) -> Outcome:
    start = time.perf_counter()
    kb.search(question.question, k=5)
    milliseconds = 1000 * (time.perf_counter() - start)
    found = kb.search(question.question, k=DEEP)
    rank = next((n for n, p in enumerate(found, 1) if answers(p, question)), 0)
    right = {gold.doc for gold in question.gold}
    document_rank = next((n for n, p in enumerate(found, 1) if p.doc in right), 0)
    return Outcome(question, rank, document_rank, milliseconds)


def _by(outcomes: list[Outcome], attribute: str) -> dict[str, Score]:
    values = sorted({getattr(outcome.question, attribute) for outcome in outcomes})
    return {
        value: _score([o for o in outcomes if getattr(o.question, attribute) == value])
        for value in values
    }


def _score(outcomes: list[Outcome]) -> Score:
    def share(most: int, attribute: str = "rank") -> float:
        hits = sum(1 <= getattr(outcome, attribute) <= most for outcome in outcomes)
        return round(hits / len(outcomes), 3)

    reciprocal = (1 / outcome.rank if outcome.rank else 0.0 for outcome in outcomes)
    return Score(
        len(outcomes), share(1), share(5), share(DEEP), share(5, "document_rank"),
        round(sum(reciprocal) / len(outcomes), 3),
    )  # fmt: skip


def _bare(text: str) -> str:
    normal = unicodedata.normalize("NFKC", text).lower()
    return "".join(c for c in normal if c.isalnum())
