"""How good retrieval is, on questions whose answers' places are known."""

from __future__ import annotations

import statistics
import time
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

import msgspec

from tutor.base.errors import TutorError
from tutor.base.i18n import say

DEEP = 50

Q = TypeVar("Q")


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


class Hit(Protocol):
    """What a system found: a piece of a document, and the other documents that say the same."""

    @property
    def doc(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def also(self) -> tuple[str, ...]: ...


class System(Protocol):
    """Something that finds passages: a knowledge base, or what it is compared with (kb/peers)."""

    def search(self, query: str, k: int) -> Sequence[Hit]:
        """Return up to k pieces of at most 1,000 characters, best first."""


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

    def figures(self) -> dict[str, float]:
        """Return the figures under the names that the field gives them."""
        return {
            "n": self.questions,
            "hit@1": self.hit_1,
            "hit@5": self.hit_5,
            "hit@50": self.hit_50,
            "doc@5": self.document_5,
            "mrr": self.mrr,
        }


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

    def figures(self) -> dict[str, Any]:
        """Return all of it but the number of questions, ready for JSON."""
        groups = {"all": self.overall, **self.by_language}
        return {
            "by": {name: score.figures() for name, score in groups.items()},
            "by_kind": {name: score.figures() for name, score in self.by_kind.items()},
            "latency_ms": {"p50": self.p50_ms, "p95": self.p95_ms},
            "missed": self.missed,
        }


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
    return read_lines(path, Question)


def read_lines(path: Path, kind: type[Q]) -> list[Q]:
    """Read a question set as questions of some kind; raises as `read_questions`."""
    questions = []
    # Bytes, in which splitlines knows line ends alone: a question may hold U+2028.
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        if not line.strip():
            continue
        try:
            questions.append(msgspec.json.decode(line, type=kind))
        except msgspec.DecodeError as error:
            raise TutorError(
                say(f"{path}, line {number}: {error}", f"{path} 第 {number} 行：{error}")
            ) from error
    return questions


def evaluate(system: System, questions: list[Question]) -> Evaluation:
    """Ask every answerable question and score what comes back.

    Raises TutorError where none of the questions has an answer.
    """
    answerable = [question for question in questions if question.gold]
    if not answerable:
        raise TutorError(
            say(
                "No question has an answer to find: fill in `gold`.",
                "没有可评测的问题：请填写 `gold`。",
            )
        )
    for question in {question.lang: question for question in answerable}.values():
        system.search(question.question, k=5)  # what is loaded once is no part of a search
    outcomes = [_ask(system, question) for question in answerable]
    times = sorted(outcome.milliseconds for outcome in outcomes)
    return Evaluation(
        overall=_score(outcomes),
        by_language=_by(outcomes, "lang"),
        by_kind=_by(outcomes, "kind"),
        p50_ms=round(statistics.median(times), 1),
        p95_ms=round(times[int(0.95 * (len(times) - 1))], 1),
        missed=[o.question.id for o in outcomes if not 1 <= o.rank <= 5],
    )


def compare(
    ours: System, peers: Mapping[str, System], questions: list[Question]
) -> dict[str, Evaluation]:
    """Evaluate the knowledge base, under the name "tutor", and then its peers."""
    return {name: evaluate(system, questions) for name, system in {"tutor": ours, **peers}.items()}


def answers(hit: Hit, question: Question) -> bool:
    """Whether a piece comes from a right document and holds its quotation; letters, digits and
    Chinese characters alone are compared."""
    text = _bare(hit.text)
    return any(
        gold.doc in (hit.doc, *hit.also) and _bare(gold.quote) in text for gold in question.gold
    )


def _ask(system: System, question: Question) -> Outcome:
    start = time.perf_counter()
    system.search(question.question, k=5)
    milliseconds = 1000 * (time.perf_counter() - start)
    found = system.search(question.question, k=DEEP)
    rank = next((n for n, hit in enumerate(found, 1) if answers(hit, question)), 0)
    right = {gold.doc for gold in question.gold}
    document_rank = next((n for n, hit in enumerate(found, 1) if right & {hit.doc, *hit.also}), 0)
    return Outcome(question, rank, document_rank, milliseconds)


def _by(outcomes: list[Outcome], attribute: str) -> dict[str, Score]:
    values = sorted({getattr(outcome.question, attribute) for outcome in outcomes} - {""})
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
