"""The command line as a person meets it: words, exit codes, JSON, no traceback."""

from __future__ import annotations

import hashlib
import json
import os
import pydoc
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console
from scripted import ScriptedServer

from kb import store
from tutor.base import assets
from tutor.base import home as home_
from tutor.base.errors import Exit, MissingError
from tutor.cli import model, setup, study


def tutor(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tutor", *arguments],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        timeout=120,
    )


def test_plan_lists_ten_units_in_both_languages(home) -> None:
    english, chinese = tutor("plan"), tutor("plan", TUTOR_LANGUAGE="zh")
    assert english.returncode == chinese.returncode == Exit.OK
    for out in (english.stdout, chinese.stdout):
        assert all(unit in out for unit in ("foundations", "week1", "week8", "deployment"))
    assert "单元" in chinese.stdout and "单元" not in english.stdout
    assert len(json.loads(tutor("plan", "--json").stdout)) == 10


def test_a_lesson_is_read_and_remembered(home) -> None:
    assert "LoRA" in tutor("lesson", "week5", "--raw").stdout
    assert json.loads(tutor("progress", "--json").stdout)["lessons"] == ["week5"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["plna"], Exit.USAGE, "plan"),
        (["lesson", "weak5"], Exit.USAGE, "week5"),
        (["check", "week5/lorra"], Exit.USAGE, "week5/lora"),
        (["check", "week99"], Exit.USAGE, "week"),
        (["ask"], Exit.USAGE, "QUESTION"),
        (["ask", "what is LoRA?"], Exit.MISSING, "tutor setup"),
        (["ask", "--session", "99", "why?"], Exit.USAGE, "tutor ask --history"),
        (["ask", "--explain-like", "cat", "why?"], Exit.USAGE, "beginner"),
        (["kb", "search", "LoRA"], Exit.MISSING, "tutor setup"),
        (["model", "use", "gpt5"], Exit.USAGE, "smollm2-135m"),
        (["model", "pull", "minilmm"], Exit.USAGE, "minilm"),
        (["start"], Exit.USAGE, "terminal"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(home, arguments, code, said) -> None:
    result = tutor(*arguments)
    assert result.returncode == code
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def test_a_conversation_is_kept_continued_and_found(home) -> None:
    with ScriptedServer("It is a fashion, so they say.", []) as server:
        here = {"TUTOR_BASE_URL": server.url, "TUTOR_LANGUAGE": "en"}
        first = tutor("ask", "--own-view", "What is use_rslora?", **here)
        second = tutor("ask", "-c", "--own-view", "--trace", "and its default?", **here)
        other = tutor("ask", "--own-view", "--json", "什么是双重量化？", **here)
    assert first.stdout == "The model's own view, no source: It is a fashion, so they say.\n"
    assert "and its default? (about: use_rslora)" in second.stderr
    assert "use_rslora" in server.requests[1]["messages"][-1]["content"]
    answer = json.loads(other.stdout)
    assert answer["own_view"] and answer["session"] == 2 and answer["citations"] == []
    assert "没有出处" in answer["text"]

    def found(*words: str) -> list[str]:
        turns = json.loads(tutor("ask", "--history", "--json", *words).stdout)
        return [turn["question"] for turn in turns]

    assert found() == ["什么是双重量化？", "and its default?", "What is use_rslora?"]
    assert found("量化") == ["什么是双重量化？"]
    assert found("fashion", "RSLORA") == ["What is use_rslora?"]
    assert found("--session", "1") == ["and its default?", "What is use_rslora?"]
    shown = tutor("ask", "--history", "rslora")
    assert "   1  " in shown.stdout and "tutor ask --session N" in shown.stderr
    assert tutor("ask", "--history", "nowhere").stdout == ""


def test_an_exercise_gets_a_hint_before_any_solution(home) -> None:
    result = tutor("ask", "how do I solve week5/lora?")
    assert result.returncode == Exit.OK and "1/4" in result.stdout
    following = tutor("ask", "--continue", "下一条提示")
    assert "2/4" in following.stdout and "提示" in following.stdout
    assert "2 hints" in tutor("progress").stdout


def test_a_question_without_an_answer_is_kept(home) -> None:
    assert tutor("ask", "what is LoRA?").returncode == Exit.MISSING
    assert "(unanswered)" in tutor("ask", "--history").stdout


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_unwritable_home_is_said(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    result = tutor("plan", TUTOR_HOME=str(tmp_path))
    assert result.returncode == Exit.MISSING
    assert "TUTOR_HOME" in result.stderr


def test_bad_settings_end_with_the_line(home) -> None:
    (home / "settings.toml").write_text("langauge = 'zh'\n")
    result = tutor("plan")
    assert result.returncode == Exit.USAGE
    assert "langauge" in result.stderr and "language" in result.stderr


def test_a_corrupt_record_is_kept_and_said(home) -> None:
    (home / "progress.db").write_bytes(b"this is no database" * 500)
    result = tutor("progress")
    assert result.returncode == Exit.OK
    assert "corrupt" in result.stderr
    (kept,) = home.glob("progress.corrupt-*.db")
    assert kept.read_bytes() == b"this is no database" * 500


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk always full")
def test_a_full_disk_is_said_and_is_no_defect(home) -> None:
    with open("/dev/full", "w") as full:
        result = subprocess.run(
            [sys.executable, "-m", "tutor", "plan"], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert result.returncode == Exit.MISSING
    assert result.stderr.startswith("tutor: The disk is full.")


def test_a_defect_has_a_status_of_its_own_and_names_the_log(home) -> None:
    code = "import tutor.cli as c; c.cli = lambda **_: {}['oops']; c.main()"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == Exit.DEFECT != Exit.NOT_PASSED
    assert "oops" in result.stderr and str(home / "logs" / "tutor.log") in result.stderr
    assert "Traceback" not in result.stderr


def test_a_file_gets_utf8_whatever_the_machines_encoding_is(home) -> None:
    result = tutor("plan", TUTOR_LANGUAGE="zh", PYTHONIOENCODING="cp1252")
    assert result.returncode == Exit.OK
    assert "○" in result.stdout and "单元" in result.stdout


def test_a_lessons_styles_reach_the_pager_as_styles(home, monkeypatch) -> None:
    environments: list[str | None] = []
    monkeypatch.setattr(Console, "is_terminal", True)
    monkeypatch.setattr(pydoc, "pager", lambda _: environments.append(os.environ.get("LESS")))
    for own in (None, "-S"):
        result = CliRunner(env={"LESS": own}).invoke(study.lesson, ["week1"])
        assert result.exception is None or result.exit_code == Exit.OK
    assert environments == ["-FRX", "-S"]


def test_a_reader_that_leaves_early_is_no_error(home) -> None:
    result = subprocess.run(
        f"{sys.executable} -m tutor lesson week5 --raw | head -1",
        shell=True,
        capture_output=True,
        text=True,
    )
    assert result.stdout.startswith("#")
    assert "Traceback" not in result.stderr and "Broken" not in result.stderr


def test_doctor_names_what_is_missing_and_the_command(home) -> None:
    (home / "assets").unlink()
    result = tutor("doctor", "--json")
    assert result.returncode == Exit.MISSING
    findings = {f["name"]: f for f in json.loads(result.stdout)}
    assert findings["smollm2-135m"]["command"] == "tutor model pull smollm2-135m"
    assert "98 MB" in findings["smollm2-135m"]["detail"]
    assert findings["knowledge base"]["command"] == "tutor setup"


def test_doctor_finds_a_knowledge_base_that_cannot_be_used(home, monkeypatch) -> None:
    home_.kb_file().write_bytes(b"this is no database" * 500)
    assert "damaged" in setup._kb_finding().detail
    home_.kb_file().unlink()
    monkeypatch.setattr(store.Store, "empty", lambda _: False)
    with store.open_store().db.conn as connection:
        connection.execute("INSERT INTO meta VALUES ('signature', 'of old')")
    stale = setup._kb_finding()
    assert not stale.ok and stale.command == "tutor kb sync --rebuild"


def test_pulling_again_keeps_what_is_whole(home, monkeypatch) -> None:
    whole, damaged = (
        assets.AssetFile(name, 4, hashlib.sha256(b"good").hexdigest()) for name in ("a", "b")
    )
    thing = assets.Asset(
        "thing", "A thing", "dataset", "MIT", "", 1, ("tiny",), (), (whole, damaged)
    )
    monkeypatch.setattr(assets, "catalogue", lambda: {"thing": thing})
    monkeypatch.setattr(assets.Asset, "folder", home / "thing")
    (home / "thing").mkdir()
    (home / "thing" / "a").write_bytes(b"good")
    (home / "thing" / "b").write_bytes(b"evil")
    result = CliRunner().invoke(model.pull, ["thing", "--again"], standalone_mode=False)
    assert isinstance(result.exception, MissingError), "there is no source to fetch it from"
    assert (home / "thing" / "a").read_bytes() == b"good"
    assert not (home / "thing" / "b").exists()
    assert "1 of 2 files whole, kept" in result.stderr


def test_model_use_refuses_what_is_not_a_chat_model(home) -> None:
    assert tutor("model", "use", "minilm").returncode == Exit.USAGE
    assert tutor("model", "use", "smollm2-135m").returncode == Exit.OK
    rows = json.loads(tutor("model", "list", "--json").stdout)
    assert [row["name"] for row in rows if row["in_use"]] == ["smollm2-135m"]
