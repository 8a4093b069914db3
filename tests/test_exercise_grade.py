"""The grader against submissions that misbehave: a Report each time, and nothing left over."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import psutil
import pytest
import tiny_exercise

from exercises.grade import grade
from exercises.report import Report
from exercises.spec import Limits
from tutor.base import settings

SLEEP = "import time; time.sleep(120)"
ENOUGH_TO_START = 10
"""Seconds: Python and pytest take one of them, several on a machine with other things to do."""


@pytest.fixture(autouse=True)
def nothing_left(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No process of this test's submissions is alive when it ends."""
    mark = os.urandom(8).hex()
    monkeypatch.setenv("MARK_OF_TEST", mark)
    yield
    left = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get("MARK_OF_TEST") == mark:
                left.append(process.cmdline())
        except psutil.Error:
            continue
    assert not left


def check(tmp_path: Path, source: str | bytes, **limits: float) -> Report:
    exercise = tiny_exercise.make(tmp_path, limits=Limits(**{"seconds": 20, **limits}))  # type: ignore[arg-type]
    file = tmp_path / "mine" / "add.py"
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(source if isinstance(source, bytes) else source.encode())
    return grade(exercise, file, settings=settings.load())


def message_of(report: Report, criterion: str) -> str:
    (result,) = (r for r in report.results if r.criterion == criterion)
    assert result.outcome != "passed"
    return result.message


def test_a_right_submission_passes_with_its_figures(tmp_path: Path) -> None:
    report = check(tmp_path, tiny_exercise.SOLUTION)
    assert report.passed
    assert report.ending == "finished"
    assert (report.points, report.max_points) == (3, 3)
    assert report.results[0].figures == {"three": 3.0}


def test_a_wrong_one_gets_the_criterions_own_message_and_hint(tmp_path: Path) -> None:
    report = check(tmp_path, "def add(a, b):\n    return a + abs(b)\n")
    assert [r.outcome for r in report.results] == ["passed", "failed"]
    assert report.results[1].message == "add(1, -2) must be -1."
    assert report.results[1].hint == "Look at abs()."


def test_the_messages_are_in_the_learners_language(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUTOR_LANGUAGE", "zh")
    report = check(tmp_path, "def add(a, b):\n    return 0\n")
    assert report.results[0].title == "能相加"
    assert report.results[0].message == "add(1, 2) 应为 3。"


def test_syntax_error(tmp_path: Path) -> None:
    report = check(tmp_path, "x = 1\ndef add(a, b)\n    return a\n")
    for criterion in ("adds", "negative"):
        message = message_of(report, criterion)
        assert "SyntaxError" in message
        assert "line 2 of your file" in message


def test_an_exception_names_the_line_of_the_learners_file(tmp_path: Path) -> None:
    report = check(
        tmp_path, "def add(a, b):\n    return helper(a)\n\ndef helper(a):\n    return a / 0\n"
    )
    assert message_of(report, "adds") == (
        "ZeroDivisionError: division by zero (line 5 of your file)"
    )


def test_a_missing_function_is_said_so(tmp_path: Path) -> None:
    report = check(tmp_path, "def ad(a, b):\n    return a + b\n")
    assert message_of(report, "adds") == "Your file does not define `add`."


def test_an_assertion_of_the_learners_own_is_no_message_of_ours(tmp_path: Path) -> None:
    report = check(tmp_path, "def add(a, b):\n    assert b > 0, 'positive'\n    return a + b\n")
    assert message_of(report, "negative") == "AssertionError: positive (line 2 of your file)"


def test_an_exception_that_cannot_be_shown(tmp_path: Path) -> None:
    source = "class Odd(Exception):\n    def __str__(self):\n        raise ValueError\n"
    report = check(tmp_path, source + "def add(a, b):\n    raise Odd\n")
    assert message_of(report, "adds") == "Odd (line 5 of your file)"


def test_a_text_that_no_terminal_can_show(tmp_path: Path) -> None:
    report = check(tmp_path, "def add(a, b):\n    raise ValueError('x\\udcff')\n")
    assert message_of(report, "adds") == "ValueError: x? (line 2 of your file)"
    assert msgspec.json.encode(report)


@pytest.mark.parametrize(
    "raised",
    ["pytest.fail('too small')", "torch_like.assert_close()", "assert 1 == 2, 'too small'"],
)
def test_however_a_criterion_fails_its_message_stands_alone(tmp_path: Path, raised: str) -> None:
    library = tmp_path / "library" / "torch_like.py"
    tiny_exercise.write(
        library.parent,
        {library.name: "def assert_close():\n    raise AssertionError('too small')\n"},
    )
    tests = f"import sys, pytest\nsys.path.append({str(library.parent)!r})\nimport torch_like\n"
    tests += f"def test_adds(submission):\n    {raised}\n"
    exercise = tiny_exercise.make(tmp_path, test_criteria__py=tests)
    report = grade(exercise, exercise.folder / "solution.py", settings=settings.load())
    assert message_of(report, "adds") == "too small"
    assert "no working test_negative" in message_of(report, "negative")


GATED = """
from exercises.foundations.gate import Gate

quick = Gate()


@quick
def test_adds(submission):
    assert submission.add(1, 2) == 3, "adds says so"


def test_negative(submission, request):
    quick.require(request)
    assert submission.add(1, -2) == -1, "negative says so"
"""


@pytest.mark.parametrize(
    ("body", "only", "outcomes", "said"),
    [
        ("a + b", "", ["passed", "passed"], ""),
        ("a + b", "negative", ["not_run", "passed"], ""),
        ("b", "", ["failed", "failed"], "decided once these hold: adds"),
        ("b", "negative", ["not_run", "failed"], "negative says so"),
    ],
)
def test_a_criterion_that_trains_waits_for_the_quick_ones_of_this_check(
    tmp_path: Path, body: str, only: str, outcomes: list[str], said: str
) -> None:
    exercise = tiny_exercise.make(tmp_path, test_criteria__py=GATED)
    file = tmp_path / "add.py"
    file.write_text(f"def add(a, b):\n    return {body}\n")
    report = grade(exercise, file, settings=settings.load(), only=only)
    assert [r.outcome for r in report.results] == outcomes
    assert said in report.results[1].message


def test_endless_loop_keeps_what_was_decided_before_it(tmp_path: Path) -> None:
    source = "def add(a, b):\n    while b < 0:\n        pass\n    return a + b\n"
    report = check(tmp_path, source, seconds=ENOUGH_TO_START)
    assert report.ending == "timed_out"
    assert report.results[0].outcome == "passed"
    assert f"{ENOUGH_TO_START} s, the time limit" in message_of(report, "negative")


def test_endless_loop_at_import(tmp_path: Path) -> None:
    report = check(tmp_path, "while True:\n    pass\n", seconds=ENOUGH_TO_START)
    assert report.ending == "timed_out"
    assert "While this was checked" in message_of(report, "adds")
    assert "Not checked" in message_of(report, "negative")


def test_many_children(tmp_path: Path) -> None:
    source = f"""
import subprocess, sys
def add(a, b):
    children = [subprocess.Popen([sys.executable, "-S", "-c", {SLEEP!r}]) for _ in range(100)]
    return children[-1].wait()
"""
    report = check(tmp_path, source, processes=10)
    assert report.ending == "too_many_processes"
    assert "10 processes" in message_of(report, "adds")


def test_memory(tmp_path: Path) -> None:
    source = "def add(a, b):\n    return len(bytearray(8 << 30))\n"
    report = check(tmp_path, source, memory_mb=512)
    assert report.ending == "out_of_memory"
    assert "512 MB" in message_of(report, "adds")


def test_memory_is_that_of_the_whole_tree(tmp_path: Path) -> None:
    child = "import time; x = bytearray(b'1') * (200 << 20); time.sleep(120)"
    source = f"""
import subprocess, sys
def add(a, b):
    for child in [subprocess.Popen([sys.executable, "-c", {child!r}]) for _ in range(4)]:
        child.wait()
"""
    assert check(tmp_path, source, memory_mb=512).ending == "out_of_memory"


def test_endless_output(tmp_path: Path) -> None:
    report = check(tmp_path, "def add(a, b):\n    while True:\n        print('again')\n")
    assert report.ending == "too_much_output"
    assert "256 KB" in message_of(report, "adds")
    assert len(report.output) <= 16_384
    assert "again" in report.output


def test_a_file_without_end(tmp_path: Path) -> None:
    source = """
def add(a, b):
    with open("big", "wb") as file:
        while True:
            file.write(bytes(1 << 20))
"""
    report = check(tmp_path, source, file_mb=8)
    assert "File too large" in message_of(report, "adds")


def test_sys_exit_at_import(tmp_path: Path) -> None:
    report = check(tmp_path, "import sys\nsys.exit(0)\n")
    assert not report.passed
    assert "ended the program" in message_of(report, "adds")
    assert "line 2 of your file" in message_of(report, "negative")


@pytest.mark.parametrize("call", ["sys.exit(0)", "quit()", "raise KeyboardInterrupt"])
def test_ending_the_program_in_a_function_fails_that_criterion_alone(
    tmp_path: Path, call: str
) -> None:
    source = f"import sys\ndef add(a, b):\n    if b > 0: {call}\n    return a + b\n"
    report = check(tmp_path, source)
    assert [r.outcome for r in report.results] == ["failed", "passed"]
    assert "line 3 of your file" in message_of(report, "adds")


def test_os_exit_in_a_function(tmp_path: Path) -> None:
    source = "import os\ndef add(a, b):\n    if b < 0: os._exit(0)\n    return a + b\n"
    report = check(tmp_path, source)
    assert report.ending == "crashed"
    assert report.results[0].outcome == "passed"
    assert "ended the process itself" in message_of(report, "negative")


def test_a_crash_of_the_interpreter(tmp_path: Path) -> None:
    source = "import ctypes\ndef add(a, b):\n    return ctypes.string_at(0)\n"
    report = check(tmp_path, source)
    assert report.ending == "crashed"
    assert "signal 11" in message_of(report, "adds")
    assert "Segmentation fault" in report.output


def test_what_lies_beside_the_submission_is_not_picked_up(tmp_path: Path) -> None:
    intruder = "import os\nos._exit(0)\n"
    names = ("conftest.py", "test_criteria.py", "test_mine.py", "pytest.py", "json.py")
    tiny_exercise.write(tmp_path / "mine", dict.fromkeys(names, intruder))
    (tmp_path / "mine" / "pytest.ini").write_text("[pytest]\naddopts = --collect-only\n")
    assert check(tmp_path, tiny_exercise.SOLUTION).passed
    assert not check(tmp_path, "def add(a, b):\n    return 0\n").passed


def test_pytests_own_variables_are_not_picked_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", "--collect-only")
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    assert check(tmp_path, tiny_exercise.SOLUTION).passed


def test_a_child_that_left_its_session_is_ended(tmp_path: Path) -> None:
    source = f"""
import subprocess, sys
def add(a, b):
    subprocess.Popen([sys.executable, "-c", {SLEEP!r}], start_new_session=True)
    return a + b
"""
    assert check(tmp_path, source).passed  # and nothing_left holds


def test_a_grandchild_whose_parents_are_gone_is_ended(tmp_path: Path) -> None:
    source = f"""
import os, subprocess, sys
def add(a, b):
    if os.fork() == 0:
        os.setsid()
        subprocess.Popen([sys.executable, "-c", {SLEEP!r}], start_new_session=True)
        os._exit(0)
    return a + b
"""
    assert check(tmp_path, source).passed


def test_a_forked_child_that_comes_back_decides_nothing(tmp_path: Path) -> None:
    source = """
import os
def add(a, b):
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return 0
    return a + b
"""
    report = check(tmp_path, source)
    assert [r.outcome for r in report.results] == ["failed", "failed"]


def test_a_thread_left_running_does_not_hold_the_report_up(tmp_path: Path) -> None:
    source = "import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()\n"
    report = check(tmp_path, source + tiny_exercise.SOLUTION)
    assert report.passed
    assert report.seconds < 30


def test_output_that_is_no_utf8(tmp_path: Path) -> None:
    source = "import os\nos.write(1, b'\\xff\\xfe caf\\xe9\\n')\ndef add(a, b):\n    return 0\n"
    report = check(tmp_path, source)
    assert " caf\ufffd" in report.output
    assert message_of(report, "adds") == "add(1, 2) must be 3."


def test_source_that_is_no_utf8(tmp_path: Path) -> None:
    assert "SyntaxError" in message_of(check(tmp_path, b"name = 'caf\xe9'\n"), "adds")


@pytest.mark.parametrize(
    "line",
    [
        "shutil.rmtree(os.getcwd())",
        "shutil.rmtree(os.path.dirname(os.getcwd()))",
        "sys.stdout.close()",
        "os.close(1); os.close(2)",
        "sys.stdout = sys.stderr = None",
        "os.environ.clear()",
        "os.chdir('/')",
        "sys.modules.pop('json'); json.dumps = None",
        "sys.setrecursionlimit(60)",
    ],
)
def test_a_spoiled_process_still_decides_each_criterion(tmp_path: Path, line: str) -> None:
    source = f"import json, os, shutil, sys\n{line}\ndef add(a, b):\n    return a + abs(b)\n"
    report = check(tmp_path, source)
    assert [r.outcome for r in report.results] == ["passed", "failed"]


@pytest.mark.parametrize(
    "patch",
    [
        "_pytest.runner.CallInfo.from_call = None",
        "_pytest.runner.check_interactive_exception = lambda *_: False",
        "pytest.raises = pytest.fail = lambda *a, **k: None",
        "_pytest.python.Function.runtest = lambda self: None",
        "builtins.AssertionError = type('Quiet', (Exception,), {})",
    ],
)
def test_a_submission_that_changes_pytest_passes_nothing(tmp_path: Path, patch: str) -> None:
    source = "import builtins, pytest, _pytest.runner, _pytest.python\n"
    report = check(tmp_path, f"{source}{patch}\ndef add(a, b):\n    return 0\n")
    assert not any(r.outcome == "passed" for r in report.results)
    assert all(r.message for r in report.results)


def test_a_submission_that_is_not_there(tmp_path: Path, home: Path) -> None:
    report = grade(tiny_exercise.make(tmp_path), tmp_path / "no.py", settings=settings.load())
    assert report.ending == "missing"
    assert "no.py" in report.message
    assert [r.outcome for r in report.results] == ["not_run", "not_run"]


def test_assets_that_are_not_there_are_named_with_their_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("TUTOR_HOME", str(tmp_path / "empty"))
    exercise = tiny_exercise.make(tmp_path)
    exercise = replace(exercise, spec=replace(exercise.spec, needs=("minilm",)))
    report = grade(exercise, exercise.folder / "solution.py", settings=settings.load())
    assert report.ending == "missing"
    assert "tutor model pull minilm" in report.message


def test_a_broken_criteria_file_is_reported_not_raised(tmp_path: Path) -> None:
    exercise = tiny_exercise.make(tmp_path, test_criteria__py="import nothing_like_this\n")
    report = grade(exercise, exercise.folder / "solution.py", settings=settings.load())
    assert [r.outcome for r in report.results] == ["not_run", "not_run"]
    assert "nothing_like_this" in report.output
