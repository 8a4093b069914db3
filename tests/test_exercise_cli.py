"""The exercise commands as a shell sees them: exit status, stdout, stderr, the record."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tiny_exercise

from exercises import spec
from tutor.cli import main
from tutor.progress import open_progress


@pytest.fixture
def root(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two exercises in place of the project's own: unit0/add and unit0/train."""
    root = tmp_path / "exercises"
    tiny_exercise.make(root)
    other = tmp_path / "other"
    tiny_exercise.make(other, job=True)
    (other / "unit0" / "add").rename(root / "unit0" / "train")
    monkeypatch.setattr(spec, "ROOT", root)
    spec.all_exercises.cache_clear()
    yield root
    spec.all_exercises.cache_clear()


def tutor(*words: str, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", ["tutor", *words])
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0)


@pytest.fixture
def call(root: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    return lambda *words: tutor(*words, monkeypatch=monkeypatch)


def workspace_file(tmp_path: Path, name: str = "add") -> Path:
    return tmp_path / "workspace" / "unit0" / name / f"{name}.py"


def test_open_check_pass(call, tmp_path, capsys) -> None:  # type: ignore[no-untyped-def]
    assert call("open", "unit0/add") == 0
    file = workspace_file(tmp_path)
    assert capsys.readouterr().out.strip() == str(file)
    assert call("check", "unit0/add") == 1
    out = capsys.readouterr().out
    assert "✗ It adds" in out
    assert "NotImplementedError (line 2 of your file)" in out
    assert "→ Look at +." in out
    file.write_text(tiny_exercise.SOLUTION)
    assert call("check", "unit0/add") == 0
    assert "3 of 3 points" in capsys.readouterr().out
    progress, _ = open_progress()
    standing = progress.standing("unit0/add")
    assert (standing.best_points, standing.passed, standing.checks) == (3, True, 2)


def test_check_as_json(call, capsys) -> None:  # type: ignore[no-untyped-def]
    assert call("check", "unit0/add", "--json") == 1
    out, err = capsys.readouterr()
    data = json.loads(out)
    assert data["passed"] is False
    (report,) = data["reports"]
    assert (report["exercise"], report["points"], report["max_points"]) == ("unit0/add", 0, 3)
    assert report["results"][0]["message"] == "NotImplementedError (line 2 of your file)"
    assert "never opened" in err


def test_check_of_a_unit(call, tmp_path, capsys) -> None:  # type: ignore[no-untyped-def]
    file = workspace_file(tmp_path)
    tiny_exercise.write(file.parent, {"add.py": tiny_exercise.SOLUTION})
    assert call("check", "unit0", "--json") == 1
    reports = json.loads(capsys.readouterr().out)["reports"]
    assert [(r["exercise"], r["passed"]) for r in reports] == [
        ("unit0/add", True),
        ("unit0/train", False),
    ]


def test_check_of_a_file_elsewhere(call, tmp_path) -> None:  # type: ignore[no-untyped-def]
    tiny_exercise.write(tmp_path, {"mine.py": tiny_exercise.SOLUTION})
    assert call("check", "unit0/add", "--file", str(tmp_path / "mine.py")) == 0


def test_a_time_limit_has_its_own_status(call, root, tmp_path, capsys) -> None:  # type: ignore[no-untyped-def]
    toml = root / "unit0" / "add" / "exercise.toml"
    toml.write_text(toml.read_text() + "\n[check]\nseconds = 1\n")
    tiny_exercise.write(workspace_file(tmp_path).parent, {"add.py": "while True: pass\n"})
    assert call("check", "unit0/add") == 4
    assert "1 s, the time limit" in capsys.readouterr().out


def test_what_is_missing_has_its_own_status(call, root, home, monkeypatch, capsys) -> None:  # type: ignore[no-untyped-def]
    toml = root / "unit0" / "add" / "exercise.toml"
    toml.write_text('needs = ["minilm"]\n' + toml.read_text())
    (home / "assets").unlink(missing_ok=True)
    assert call("check", "unit0/add") == 3
    assert "tutor model pull minilm" in capsys.readouterr().out
    progress, _ = open_progress()
    assert progress.standing("unit0/add").checks == 0


def test_an_exercise_that_there_is_not(call, capsys) -> None:  # type: ignore[no-untyped-def]
    assert call("check", "unit0/ad") == 2
    assert "unit0/add" in capsys.readouterr().err


def test_hints_come_one_by_one(call, capsys) -> None:  # type: ignore[no-untyped-def]
    texts = []
    for _ in range(4):
        assert call("hint", "unit0/add") == 0
        texts.append(capsys.readouterr().out.strip())
    assert texts == ["Numbers have signs.", "Which operator adds?", "a + b", "a + b"]
    progress, _ = open_progress()
    assert progress.hints_taken("unit0/add") == 3


def test_run(call, tmp_path, capsys) -> None:  # type: ignore[no-untyped-def]
    file = workspace_file(tmp_path, "train")
    tiny_exercise.write(file.parent, {"train.py": tiny_exercise.JOB_SOLUTION})
    assert call("run", "unit0/train", "--json") == 0
    out, err = capsys.readouterr()
    result = json.loads(out)
    assert result["ending"] == "finished"
    assert Path(result["run_dir"]).parent == file.parent / "runs"
    assert "trained" in err
    assert call("check", "unit0/train") == 0


def test_a_file_that_trains_nothing_runs_as_with_python(call, tmp_path, capfd) -> None:  # type: ignore[no-untyped-def]
    file = workspace_file(tmp_path)
    tiny_exercise.write(file.parent, {"add.py": "print(21 * 2)\n"})
    assert call("run", "unit0/add") == 0
    assert capfd.readouterr().out == "42\n"
    assert call("run", "unit0/add", "--json") == 0
    out, err = capfd.readouterr()
    assert json.loads(out)["ending"] == "finished" and "42" in err
    tiny_exercise.write(file.parent, {"add.py": "1 / 0\n"})
    assert call("run", "unit0/add") == 1
    assert "ZeroDivisionError" in capfd.readouterr().err


def test_a_run_that_fails(call, tmp_path, capsys) -> None:  # type: ignore[no-untyped-def]
    file = workspace_file(tmp_path, "train")
    tiny_exercise.write(file.parent, {"train.py": "1 / 0\n"})
    assert call("run", "unit0/train") == 1
    assert "ZeroDivisionError: division by zero (line 1 of your file)" in capsys.readouterr().out


def test_watching_checks_again_when_the_file_changes(root: Path, tmp_path: Path) -> None:
    file = workspace_file(tmp_path)
    tiny_exercise.write(file.parent, {"add.py": "def add(a, b):\n    return 0\n"})
    program = (
        "import sys; from pathlib import Path; from exercises import spec; "
        f"spec.ROOT = Path({str(root)!r}); from tutor.cli import main; "
        "sys.argv = ['tutor', 'check', 'unit0/add', '--watch']; main()"
    )
    watching = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=os.environ.copy(),
    )  # fmt: skip
    try:
        assert watching.stderr
        assert any("Waiting for a change" in line for line in watching.stderr)
        time.sleep(0.05)
        file.write_text(tiny_exercise.SOLUTION)
        assert watching.wait(30) == 0
    finally:
        watching.kill()


def test_dev_check_proves_an_exercise(call, root, capsys) -> None:  # type: ignore[no-untyped-def]
    folder = root / "unit0" / "add"
    starter = (
        "# %% [markdown]\n# {}\n\n# %%\ndef add(a, b):\n    raise NotImplementedError(f'{}')\n"
    )
    english = starter.format("# Add", "{a} and {b}")
    chinese = starter.format("# 相加", "求 {a} 与 {b} 的和")
    wrong = "# caught by: negative\ndef add(a, b):\n    return a + abs(b)\n"
    variant = "# with sum\ndef add(*both):\n    return sum(both)\n"
    tiny_exercise.write(
        folder,
        {
            "starter.en.py": english,
            "starter.zh.py": chinese,
            "wrong/absolute.py": wrong,
            "variants/summed.py": variant,
        },
    )
    assert call("dev", "check", "unit0/add") == 0, capsys.readouterr().err
    printed = capsys.readouterr()
    assert "wrong/absolute.py" in printed.err
    (row,) = [line for line in printed.out.splitlines() if "unit0/add" in line]
    assert row.split()[:5] == ["✓", "unit0/add", "2", "1/1", "1/1"]
    assert "1 exercises, 2 criteria: 1 of 1 wrong submissions caught" in printed.out


def test_dev_check_says_what_is_wrong(call, root, capsys) -> None:  # type: ignore[no-untyped-def]
    wrong = "# caught by: adds\ndef add(a, b):\n    return a + abs(b)\n"
    contents = {
        "wrong/absolute.py": wrong,
        "variants/absolute.py": wrong,
        "notes.txt": "stray",
        "starter.en.py": tiny_exercise.SOLUTION,
        "hints.toml": '[[hints]]\nen = "Add."\nzh = "Add."\n',
    }
    tiny_exercise.write(root / "unit0" / "add", contents)
    assert call("dev", "check", "unit0/add", "--json") == 1
    (summary,) = json.loads(capsys.readouterr().out)
    findings = {f["what"]: f["problem"] for f in summary["findings"]}
    assert findings["files"] == "stray: notes.txt"
    assert findings["languages"] == "hint 1: no Chinese"
    assert findings["starters"].startswith("starter.zh.py is other code: ")
    assert findings["hints"].startswith("1 hints")
    assert findings["starter"] == "the starter already passes adds, negative"
    assert findings["solution"] == ""
    assert "adds did not catch it" in findings["wrong/absolute.py"]
    assert findings["variants/absolute.py"].endswith("negative: add(1, -2) must be -1.")
    counts = {name: summary[name] for name in ("wrong", "caught", "variants", "passed")}
    assert counts == {"wrong": 1, "caught": 0, "variants": 1, "passed": 0}
    assert summary["problems"] == 7


def test_a_starter_in_chinese_says_all_of_it_in_chinese(call, root, capsys) -> None:  # type: ignore[no-untyped-def]
    starter = '# %% [markdown]\n# {}\n\n# %%\ndef add(a, b):\n    """{}"""\n    raise NotImplementedError("{}")\n'
    contents = {
        "starter.en.py": starter.format("Add", "a + b", "add: a + b"),
        "starter.zh.py": starter.format("相加", "a + b", "add: a + b"),
    }
    tiny_exercise.write(root / "unit0" / "add", contents)
    call("dev", "check", "unit0/add", "--json")
    (summary,) = json.loads(capsys.readouterr().out)
    (found,) = [f["problem"] for f in summary["findings"] if f["what"] == "starters"]
    assert (
        found == "starter.zh.py, no Chinese: 'a + b'; starter.zh.py, no Chinese: \"'add: a + b'\""
    )


def test_dev_check_fast_leaves_training_out(call, root, capsys) -> None:  # type: ignore[no-untyped-def]
    wrong = "# caught by: negative\n# fast\ndef add(a, b):\n    return a + abs(b)\n"
    tiny_exercise.write(root / "unit0" / "train", {"wrong/absolute.py": wrong})
    call("dev", "check", "unit0/train", "--fast", "--json")
    (summary,) = json.loads(capsys.readouterr().out)
    findings = {f["what"]: f for f in summary["findings"]}
    assert findings["solution"]["skipped"]
    assert not findings["wrong/absolute.py"]["skipped"]
    assert findings["wrong/absolute.py"]["problem"] == ""
    assert (summary["skipped"], summary["run_seconds"]) == (1, 0)


def test_dev_check_tells_a_run_from_its_check(call, root, capsys) -> None:  # type: ignore[no-untyped-def]
    waits = tiny_exercise.JOB_SOLUTION + "    import time\n    time.sleep(3)\n"
    tiny_exercise.write(root / "unit0" / "train", {"solution.py": waits})
    for _ in range(2):
        call("dev", "check", "unit0/train", "--json")
        (summary,) = json.loads(capsys.readouterr().out)
        assert summary["run_seconds"] > 3
        assert 0 < summary["check_seconds"] < summary["run_seconds"] + 3
        assert summary["slowest_seconds"] >= summary["check_seconds"]


def test_dev_check_repeats_and_sees_what_changes(call, root, capsys) -> None:  # type: ignore[no-untyped-def]
    changing = (
        "import pathlib\nseen = pathlib.Path(__file__).with_suffix('.seen')\n"
        "first = not seen.exists()\nseen.touch()\n"
        "def add(a, b):\n    return a + (b if first else abs(b))\n"
    )
    wrong = "# caught by: negative\ndef add(a, b):\n    return a + abs(b)\n"
    (root / "unit0" / "add" / "solution.py").write_text(changing)
    tiny_exercise.write(root / "unit0" / "add", {"wrong/absolute.py": wrong})
    call("dev", "check", "unit0/add", "--repeat", "2", "--json")
    (summary,) = json.loads(capsys.readouterr().out)
    findings = {f["what"]: f["problem"] for f in summary["findings"]}
    assert findings["solution"].startswith("not the same twice: ")
    assert findings["wrong/absolute.py"] == ""
