"""`tutor eval` as a person meets it: figures on stdout, rows in a file, progress on stderr."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from scripted import ScriptedServer

from kb.store import open_store
from kb.sync import add
from tutor.base import i18n
from tutor.base.errors import Exit
from tutor.cli import main

STEP = '{"action": "answer"}'
SAID = "Double quantization saves about 0.37 bits per parameter [1]."
QUESTIONS = (
    {
        "id": "dq",
        "lang": "en",
        "week": 5,
        "kind": "fact",
        "question": "how many bits does double quantization save?",
        "gold": [
            {"doc": "mine/docs/qlora.md", "quote": "saves on average about 0.37 bits per parameter"}
        ],
        "facts": [["0.37"]],
    },
    {
        "id": "bananas",
        "lang": "zh",
        "week": 5,
        "kind": "unanswerable",
        "question": "GPT-7 的论文用了多少根香蕉？",
        "gold": [],
        "facts": [],
    },
)


class Result(NamedTuple):
    """How a command ended."""

    returncode: Any
    stdout: str
    stderr: str


@pytest.fixture
def questions(home: Path, minilm: Path) -> Path:
    """A question set, and the knowledge base that answers the first of it."""
    folder = home / "docs"
    folder.mkdir()
    text = "Double quantization saves on average about 0.37 bits per parameter."
    (folder / "qlora.md").write_text(f"# QLoRA\n\n{text}\n", "utf-8")
    add(open_store(), folder)
    file = home / "questions.jsonl"
    file.write_text("".join(json.dumps(q, ensure_ascii=False) + "\n" for q in QUESTIONS), "utf-8")
    return file


@pytest.fixture
def evaluate(home: Path, monkeypatch: pytest.MonkeyPatch, capsys):  # type: ignore[no-untyped-def]
    """Run `tutor eval` in this process: a fresh one would import LlamaIndex each time."""

    def run(file: Path, *options: str, url: str = "", **environment: str) -> Result:
        monkeypatch.setattr(sys, "argv", ["tutor", "eval", str(file), *options])
        monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # main sets its own
        monkeypatch.setattr(i18n, "_current", None)  # and the language
        environment = {"TUTOR_BASE_URL": url, "TUTOR_MODEL": "scripted"} | environment
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit) as ended:
            main()
        return Result(ended.value.code, *capsys.readouterr())

    return run


def test_json_has_every_figure_and_every_row(questions, evaluate) -> None:
    with ScriptedServer(SAID, [STEP]) as server:
        result = evaluate(
            questions, "--against", "plain", "--against", "stock", "--json", url=server.url
        )
    assert result.returncode == Exit.OK, result.stderr
    found = json.loads(result.stdout)
    assert found["n"] == 2 and found["right"] == 1.0 and found["told_uncovered"] == 1.0
    assert found["wrongly_refused"] == 0.0 and found["citation_precision"] == 1.0
    assert found["invalid_steps"] == 0 and found["foreign_citations"] == 0
    for times in (found["first_token_s"], found["total_s"]):
        assert set(times) == {"p50", "p95"} and 0 < times["p50"] <= times["p95"]
    assert list(found["systems"]) == ["tutor", "plain", "stock"]
    assert found["systems"]["tutor"]["right"] == found["right"]
    assert found["systems"]["plain"]["told_uncovered"] == 0.0  # it says the same to everything
    assert found["systems"]["stock"]["invalid_steps"] == 2
    assert set(found["systems"]["plain"]["by"]) == {"lang", "week", "kind"}
    assert found["model"] == "scripted"
    rows = found["questions"]
    assert [(row["id"], row["system"]) for row in rows] == [
        (question["id"], system) for question in QUESTIONS for system in ("tutor", "plain", "stock")
    ]
    assert rows[0]["answer"].startswith("Double quantization")
    assert "6/6" in result.stderr


def test_a_run_goes_on_where_it_was_cut_off(questions, home, evaluate) -> None:
    out = home / "rows.jsonl"
    with ScriptedServer(SAID, [STEP]) as server:
        first = evaluate(questions, "--limit", "1", "--out", str(out), "--json", url=server.url)
        assert json.loads(first.stdout)["n"] == 1
        whole = evaluate(questions, "--resume", "--out", str(out), "--json", url=server.url)
        assert json.loads(whole.stdout)["n"] == 2
        assert "1/2" not in whole.stderr and "2/2" in whole.stderr
        assert len(out.read_text("utf-8").splitlines()) == 2
        # Without --resume it starts anew, and keeps what was there.
        again = evaluate(questions, "--limit", "1", "--out", str(out), "--json", url=server.url)
    assert json.loads(again.stdout)["n"] == 1
    assert len(out.with_name("rows.jsonl.old").read_text("utf-8").splitlines()) == 2


def test_the_table_and_the_misses_in_both_languages(questions, evaluate) -> None:
    with ScriptedServer("It saves 0.52 bits [1].") as server:
        english = evaluate(questions, "--against", "plain", "--verbose", url=server.url)
        chinese = evaluate(
            questions, "--limit", "1", url=server.url, TUTOR_LANGUAGE="zh", TUTOR_MODEL="m"
        )
    assert english.returncode == chinese.returncode == Exit.OK
    for said in ("tutor", "plain", "told uncovered", "citation precision", "week 5", "language zh"):
        assert said in english.stdout
    assert "plain  dq: how many bits" in english.stdout and "lacks: 0.37" in english.stdout
    assert "引用准确率" in chinese.stdout and "1 题" in chinese.stdout


@pytest.mark.parametrize(
    ("content", "options", "code", "said"),
    [
        ('{"id": 3}', (), Exit.USAGE, "line 1"),
        ("", (), Exit.USAGE, "no question"),
        ("", ("--against", "gpt5"), Exit.USAGE, "plain"),
        ("", ("--limit", "0"), Exit.USAGE, "limit"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(home, evaluate, content, options, code, said) -> None:
    file = home / "questions.jsonl"
    file.write_text(content, "utf-8")
    result = evaluate(file, *options)
    assert result.returncode == code and said in result.stderr
    assert "Traceback" not in result.stderr and result.stdout == ""


def test_without_a_knowledge_base_it_says_how_to_get_one(home, evaluate) -> None:
    file = home / "questions.jsonl"
    file.write_text(json.dumps(QUESTIONS[0]), "utf-8")
    result = evaluate(file)
    assert result.returncode == Exit.MISSING and "tutor setup" in result.stderr
