"""`tutor kb eval`: scores, latency, and what is printed of them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from click.testing import CliRunner

from kb import sync
from kb.evaluate import Gold, Question, answers, compare, evaluate, read_questions
from kb.store import open_store
from tutor.base.errors import TutorError
from tutor.cli.kb import kb as command

PAGES = {
    "lora.md": "# LoRA\n\nLow-rank adaptation trains two small matrices beside a frozen weight.\n",
    "beam.md": "# Beam search\n\nIt keeps the most likely hypotheses at each time step.\n",
    "liang.md": "# 量化\n\n量化把权重从浮点数换成低精度整数，从而节省显存。\n",
}
QUESTIONS = [
    {"id": "a", "lang": "en", "kind": "fact", "question": "what matrices does LoRA train?",
     "gold": [{"doc": "docs/lora.md", "quote": "Trains two *small* matrices"}]},
    {"id": "b", "lang": "zh", "kind": "concept", "question": "量化有什么好处",
     "gold": [{"doc": "docs/liang.md", "quote": "从而节省显存"}]},
    {"id": "c", "lang": "en", "kind": "fact", "question": "hypotheses of beam search",
     "gold": [{"doc": "docs/lora.md", "quote": "is in no document"}]},
    {"id": "d", "lang": "en", "kind": "unanswerable", "question": "who won?", "gold": []},
]  # fmt: skip


@dataclass(frozen=True)
class Piece:
    doc: str
    text: str
    also: tuple[str, ...] = ()


@dataclass
class Listed:
    """A system that finds the same pieces for every question, and remembers what it was asked."""

    pieces: list[Piece]
    asked: list[tuple[str, int]] = field(default_factory=list)

    def search(self, query: str, k: int) -> list[Piece]:
        self.asked.append((query, k))
        return self.pieces[:k]


def asked(id_: str, doc: str, quote: str, lang: str = "en", kind: str = "fact") -> Question:
    return Question(id_, lang, f"question {id_}", (Gold(doc, quote),), kind)


def test_ranks_become_figures_by_language_and_kind() -> None:
    system = Listed([Piece(f"doc{number}", f"text number {number}.") for number in range(60)])
    result = evaluate(
        system,
        [
            asked("first", "doc0", "number 0"),
            asked("fourth", "doc3", "number 3", "zh"),
            asked("sixth", "doc5", "number 5", kind="howto"),
            asked("too deep", "doc55", "number 55", kind="howto"),
        ],
    )
    figures = result.figures()
    assert figures["by"]["all"] == {
        "n": 4, "hit@1": 0.25, "hit@5": 0.5, "hit@50": 0.75, "doc@5": 0.5,
        "mrr": round((1 + 1 / 4 + 1 / 6) / 4, 3),
    }  # fmt: skip
    assert set(figures["by"]) == {"all", "en", "zh"}
    assert figures["by"]["zh"]["hit@5"] == 1 and figures["by"]["zh"]["hit@1"] == 0
    assert figures["by_kind"]["howto"]["hit@50"] == 0.5
    assert result.missed == ["sixth", "too deep"]
    assert 0 <= figures["latency_ms"]["p50"] <= figures["latency_ms"]["p95"]


def test_every_language_is_warmed_up_before_the_clock_starts() -> None:
    system = Listed([Piece("doc", "text")])
    evaluate(system, [asked("a", "doc", "text"), asked("b", "doc", "text", "zh")])
    assert [k for _, k in system.asked] == [5, 5, 5, 50, 5, 50]


def test_a_quotation_is_compared_by_its_letters_and_in_copies_too() -> None:
    question = asked("a", "there/x.md", "Trains **two** small—matrices")
    assert answers(Piece("there/x.md", "it TRAINS two small matrices"), question)
    assert answers(Piece("here/x.md", "trains two small matrices", ("there/x.md",)), question)
    assert not answers(Piece("here/x.md", "trains two small matrices"), question)
    assert not answers(Piece("there/x.md", "trains three small matrices"), question)


def test_systems_are_measured_side_by_side() -> None:
    good, bad = Listed([Piece("doc", "text")]), Listed([])
    results = compare(good, {"other": bad}, [asked("a", "doc", "text")])
    assert list(results) == ["tutor", "other"]
    assert results["tutor"].overall.hit_5 == 1 and results["other"].overall.hit_5 == 0


def test_a_question_set_without_an_answer_or_with_a_mistake(tmp_path) -> None:
    with pytest.raises(TutorError, match="No question"):
        evaluate(Listed([]), [Question("c", "en", "?")])
    path = tmp_path / "q.jsonl"
    path.write_text('{"id": "a", "lang": "en", "question": "?"}\n\n{"id": 3}')
    with pytest.raises(TutorError, match="line 3"):
        read_questions(path)


def test_a_question_may_hold_a_line_separator(tmp_path) -> None:
    path = tmp_path / "q.jsonl"
    path.write_text('{"id": "a", "lang": "en", "question": "one\u2028two\u0085?"}\n', "utf-8")
    (question,) = read_questions(path)
    assert question.question == "one\u2028two\u0085?"


@pytest.fixture
def questions(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A question set, over an index of words alone."""
    monkeypatch.setattr("kb.encoder.present", lambda: False)
    folder = tmp_path / "mirror" / "docs"
    folder.mkdir(parents=True)
    (folder / "SOURCE.json").write_text(json.dumps({"repo": "a/b", "commit": "c"}))
    for name, text in PAGES.items():
        (folder / name).write_text(text)
    sync.sync_mirror(open_store(), tmp_path / "mirror")
    path = tmp_path / "questions.jsonl"
    path.write_text("\n".join(json.dumps(question) for question in QUESTIONS))
    return path


def test_the_command_prints_one_object(questions) -> None:
    result = CliRunner().invoke(command, ["eval", str(questions), "--json"])
    printed = json.loads(result.stdout)
    assert printed["n"] == 3 and printed["missed"] == ["c"] and printed["systems"] == {}
    assert printed["by"]["all"]["hit@1"] == pytest.approx(0.667)
    assert printed["by"]["zh"] == {
        "n": 1, "hit@1": 1.0, "hit@5": 1.0, "hit@50": 1.0, "doc@5": 1.0, "mrr": 1.0,
    }  # fmt: skip
    assert set(printed["latency_ms"]) == {"p50", "p95"}


def test_the_command_prints_a_row_for_each_system(questions) -> None:
    result = CliRunner().invoke(command, ["eval", str(questions), "--against", "bm25s", "--json"])
    bm25s = json.loads(result.stdout)["systems"]["bm25s"]
    assert bm25s["by"]["en"]["n"] == 2 and bm25s["latency_ms"]["p50"] > 0
    table = CliRunner().invoke(command, ["eval", str(questions), "--against", "bm25s"]).stdout
    rows = [line.split() for line in table.splitlines()]
    assert rows[0][:4] == ["system", "n", "hit@1", "hit@5"]
    assert rows[1][:3] == ["all", "tutor", "3"] and rows[2][:2] == ["bm25s", "3"]
    assert ["zh", "tutor", "1", "1.000"] in [row[:4] for row in rows]
