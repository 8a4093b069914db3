"""How good the answers are: the same questions to the tutor and to what it is compared with, on
the same engine, in the same run.

The systems take turns at every question. Engine, index and libraries are warm before the first
one, as at the second question of a session; each system asks in a conversation of its own.
How an answer is scored stands in `tutor.agent.scoring`.
"""

from __future__ import annotations

import asyncio
import math
import statistics
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from kb import KnowledgeBase
from kb.evaluate import answers as holds_quote
from tutor import engine
from tutor.agent import scoring
from tutor.agent.peers import Plain, RankFusion, Reply, Stock, System, Tutor
from tutor.agent.recording import prompt_tokens, record
from tutor.agent.scoring import Question
from tutor.base.errors import TutorError
from tutor.base.i18n import say
from tutor.base.settings import Settings

Key = tuple[str, str, str, str]
"""System, id and words of the question, model."""


@dataclass(frozen=True)
class Row:
    """One question, as one system answered it: a line of the rows file.

    right: for an unanswerable question, that it was told so. refused: the answer says that the
    sources lack it. missing: the lists of facts that the prose lacks. cited: the documents that the marks name. found_gold: a passage with a
    gold quote was retrieved. prompt_tokens: of each call of the model, in order; empty where the
    server does not tell. pieces: of text that the model wrote, about its output tokens.
    error: why there is no answer; then nothing else counts.
    """

    system: str
    model: str
    id: str
    lang: str
    week: int | None
    kind: str
    question: str
    answerable: bool
    answer: str = ""
    right: bool = False
    right_in_own_words: bool = False
    refused: bool = False
    marks: int = 0
    right_marks: int = 0
    strict_marks: int = 0
    foreign: int = 0
    invalid_steps: int = 0
    missing: tuple[tuple[str, ...], ...] = ()
    cited: tuple[str, ...] = ()
    found_gold: bool = False
    calls: int = 0
    pieces: int = 0
    prompt_tokens: tuple[int, ...] = ()
    first_token_s: float = 0.0
    total_s: float = 0.0
    error: str = ""

    @property
    def key(self) -> Key:
        """What the row is about; a later row about the same takes its place."""
        return self.system, self.id, self.question, self.model


@dataclass(frozen=True)
class Spread:
    """Median and 95th percentile (nearest rank); None where there is nothing to measure."""

    p50: float | None
    p95: float | None


@dataclass(frozen=True)
class Summary:
    """What a system's answers add up to; shares are None where there is nothing to share.

    right: share of the answerable questions answered right. told_uncovered: share of the others
    that were told so. wrongly_refused: share of the answerable ones that were told so too.
    right_in_own_words: right without the source's words with which the tutor's answers end.
    citation_precision: share of the citation marks that are right; with _strict, only a gold quote
    or all facts of the question count. invalid_steps, foreign_citations: how many.
    first_token_s, total_s: over the answers. prompt_tokens: over the calls of the model.
    errors: answers that never came; they count as wrong.
    """

    n: int
    right: float | None
    right_in_own_words: float | None
    told_uncovered: float | None
    wrongly_refused: float | None
    citation_precision: float | None
    citation_precision_strict: float | None
    citations: int
    invalid_steps: int
    foreign_citations: int
    first_token_s: Spread
    total_s: Spread
    prompt_tokens: Spread
    calls: int
    errors: int


@dataclass(frozen=True)
class Report:
    """A system's figures over all questions and by language, week and kind."""

    overall: Summary
    by: dict[str, dict[str, Summary]] = field(default_factory=dict)


def build(names: Iterable[str], kb: KnowledgeBase, settings: Settings) -> list[System]:
    """Return the tutor and the systems of these names."""
    systems: list[System] = [Tutor(kb, settings)]
    for name in dict.fromkeys(names):
        if name == "plain":
            systems.append(Plain(settings, RankFusion(kb)))
        elif name == "stock":
            systems.append(Stock(kb, settings))
        else:
            raise TutorError(say(f"Unknown system: {name}", f"未知的对比系统：{name}"))
    return systems


async def warm_up(kb: KnowledgeBase, settings: Settings) -> engine.Endpoint:
    """Load what the first question would else wait for; return the engine that will answer.

    Raises MissingError where the model is not there, EngineError where it does not start.
    """
    endpoint = await engine.ready(settings)
    await asyncio.to_thread(kb.search, "warm-up")
    async with engine.ChatClient(endpoint) as client:
        await client.complete([{"role": "user", "content": "Hello"}], max_tokens=1)
    return endpoint


async def run(
    questions: Sequence[Question],
    systems: Sequence[System],
    endpoint: engine.Endpoint,
    rows_file: Path,
    done: Collection[Key] = (),
) -> AsyncIterator[Row]:
    """Ask every question of every system; write each row to the file as it comes, and yield it.

    done: what an earlier run answered, which is not asked again. Errors of single questions are
    written down; the run goes on.
    """
    async with engine.ChatClient(endpoint) as client:
        for question in questions:
            for system in systems:
                if (system.name, question.id, question.question, endpoint.model) in done:
                    continue
                row = await _ask(question, system, client)
                with rows_file.open("ab") as file:
                    file.write(msgspec.json.encode(row) + b"\n")
                yield row


def read_rows(path: Path) -> list[Row]:
    """Return the rows of an earlier run, the last one of each question and system; a line that an
    interruption cut off is removed. Raises TutorError where the file holds something else."""
    written = path.read_bytes() if path.exists() else b""
    whole = written[: written.rfind(b"\n") + 1]
    if whole != written:
        path.write_bytes(whole)
    rows: dict[Key, Row] = {}
    for number, line in enumerate(whole.splitlines(), 1):
        try:
            row = msgspec.json.decode(line, type=Row)
        except msgspec.DecodeError as error:
            raise TutorError(
                say(f"{path}, line {number}: {error}", f"{path} 第 {number} 行：{error}"),
                say("Give another file with --out.", "请用 --out 指定另一个文件。"),
            ) from error
        rows[row.key] = row
    return list(rows.values())


def report(rows: Iterable[Row]) -> dict[str, Report]:
    """Return each system's figures, in the order of the rows."""
    rows = list(rows)
    systems = dict.fromkeys(row.system for row in rows)
    return {name: _report([row for row in rows if row.system == name]) for name in systems}


def as_json(rows: Sequence[Row], model: str) -> dict[str, Any]:
    """Return the run as one JSON object: the tutor's figures, every system's, every row."""
    reports = report(rows)
    systems = {
        name: msgspec.to_builtins(r.overall) | {"by": msgspec.to_builtins(r.by)}
        for name, r in reports.items()
    }
    return {
        **systems.get("tutor", {}),
        "model": model,
        "systems": systems,
        "questions": msgspec.to_builtins(rows),
    }


async def _ask(question: Question, system: System, client: engine.ChatClient) -> Row:
    """Ask one system one question; what keeps it from answering is written down."""
    row = Row(
        system.name,
        client.endpoint.model,
        question.id,
        question.lang,
        question.week,
        question.kind,
        question.question,
        question.answerable,
    )
    with record() as exchanges:
        try:
            reply = await system.answer(question.question)
        except TutorError as error:
            row = replace(row, error=error.message)
        else:
            row = _scored(row, question, reply)
    tokens = [await prompt_tokens(client, exchange.messages) for exchange in exchanges]
    return replace(
        row,
        invalid_steps=sum(not system.valid(exchange) for exchange in exchanges),
        calls=len(exchanges),
        pieces=sum(exchange.pieces for exchange in exchanges),
        prompt_tokens=tuple(count for count in tokens if count is not None),
    )


def _scored(row: Row, question: Question, reply: Reply) -> Row:
    score = scoring.score(question, reply.text, reply.cited, reply.retrieved)
    marked = (reply.cited.get(number) for _, number in scoring.marks(reply.text))
    return replace(
        row,
        answer=reply.text,
        cited=tuple(dict.fromkeys(passage.doc for passage in marked if passage)),
        found_gold=any(holds_quote(passage, question) for passage in reply.retrieved),
        first_token_s=round(reply.first_token_s, 3),
        total_s=round(reply.total_s, 3),
        **asdict(score),
    )


def _report(rows: list[Row]) -> Report:
    by = {name: _by(rows, name) for name in ("lang", "week", "kind")}
    return Report(_summary(rows), by)


def _by(rows: list[Row], attribute: str) -> dict[str, Summary]:
    values = sorted({str(getattr(row, attribute)) for row in rows})
    return {
        value: _summary([row for row in rows if str(getattr(row, attribute)) == value])
        for value in values
    }


def _summary(rows: list[Row]) -> Summary:
    answerable = [row for row in rows if row.answerable]
    given = [row for row in rows if not row.error]
    marks = sum(row.marks for row in rows)
    return Summary(
        n=len(rows),
        right=_share(sum(row.right for row in answerable), len(answerable)),
        right_in_own_words=_share(
            sum(row.right_in_own_words for row in answerable), len(answerable)
        ),
        told_uncovered=_share(
            sum(row.right for row in rows if not row.answerable), len(rows) - len(answerable)
        ),
        wrongly_refused=_share(sum(row.refused for row in answerable), len(answerable)),
        citation_precision=_share(sum(row.right_marks for row in rows), marks),
        citation_precision_strict=_share(sum(row.strict_marks for row in rows), marks),
        citations=marks,
        invalid_steps=sum(row.invalid_steps for row in rows),
        foreign_citations=sum(row.foreign for row in rows),
        first_token_s=_spread([row.first_token_s for row in given]),
        total_s=_spread([row.total_s for row in given]),
        prompt_tokens=_spread([count for row in rows for count in row.prompt_tokens]),
        calls=sum(row.calls for row in rows),
        errors=len(rows) - len(given),
    )


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 3) if whole else None


def _spread(values: Sequence[float]) -> Spread:
    if not values:
        return Spread(None, None)
    ordered = sorted(values)
    high = ordered[math.ceil(0.95 * len(ordered)) - 1]
    return Spread(round(statistics.median(ordered), 2), round(high, 2))
