"""The grader's half inside pytest: fixtures for criteria, and each outcome written when it falls.

Loaded with `-p exercises.pytest_plugin` in the sandbox. Imports nothing heavy: its start is part
of every check. A submission runs in this process, so nothing here relies on pytest's reports or
on sys.stdout, which it may have replaced; what was written before it dies stays written.
"""

from __future__ import annotations

import importlib.util
import json
import math
import os
import sys
import traceback
from collections.abc import Callable, Generator
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from exercises import protocol
from exercises.gap import call
from tutor.base.i18n import say, use_language

MESSAGE_LINES = 8
MESSAGE_CHARACTERS = 1_000


class NotRunError(Exception):
    """A criterion that could not be decided, and why."""


class SubmissionFile:
    """The learner's file: imported once, its failure remembered for every criterion."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.module: ModuleType | None = None
        self.error: str | None = None

    def load(self) -> ModuleType:
        """Return the module.

        Raises NotRunError where the file cannot be imported.
        """
        if self.module is None and self.error is None:
            try:
                self.module = self._import()
            except BaseException as error:  # noqa: BLE001 - sys.exit() and Ctrl-C of a submission
                self.error = explain(error, self.path)
        if self.module is None:
            reason = self.error or ""
            raise NotRunError(
                say(
                    f"Your file could not be imported: {reason}",
                    f"无法导入你的文件：{reason}",
                )
            )
        return self.module

    def _import(self) -> ModuleType:
        name = "submission"
        spec = importlib.util.spec_from_file_location(name, self.path)
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # dataclasses and pickle look a class's module up by name
        spec.loader.exec_module(module)
        return module


class Recorder:
    """pytest's hooks: hold the results file open and write to it as things happen."""

    def __init__(self, submission: SubmissionFile, results: Path, folder: Path) -> None:
        self.submission = submission
        self.folder = folder
        self.figures: dict[str, float] = {}
        self._fd = os.open(results, os.O_WRONLY | os.O_APPEND)
        # Bound now: a submission may replace the names later.
        self._write, self._dumps, self._exit = os.write, json.dumps, os._exit
        self._pid = os.getpid()

    def write(self, **event: Any) -> None:
        if os.getpid() != self._pid:
            return  # a child that a submission forked goes on through pytest as well
        line = self._dumps(event, default=str) + "\n"
        self._write(self._fd, line.encode("utf-8", "replace"))

    def outcome(self, item: Any, outcome: str, message: str = "") -> None:
        self.write(
            event="outcome",
            criterion=criterion_of(item),
            outcome=outcome,
            message=message,
            figures=numbers(self.figures),
        )

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: Any) -> None:
        self.write(event="start", criterion=criterion_of(item))
        self.figures = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem: Any) -> bool:
        """Call the criterion here, so that its outcome does not pass through what a submission
        may have changed in pytest."""
        names = pyfuncitem._fixtureinfo.argnames
        arguments = {name: pyfuncitem.funcargs[name] for name in names}
        try:
            self.submission.load()
            pyfuncitem.obj(**arguments)
        except BaseException as error:  # noqa: BLE001 - sys.exit() in a submission fails a test
            self.failed(pyfuncitem, error)
        else:
            self.outcome(pyfuncitem, "passed")
        return True

    def failed(self, item: Any, error: BaseException) -> None:
        outcome = "not_run" if isinstance(error, NotRunError) else "failed"
        self.outcome(item, outcome, explain(error, self.submission.path, self.folder))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_makereport(self, item: Any, call: Any) -> None:
        """A fixture that failed: the criterion itself was never called."""
        if call.when != "call" and call.excinfo is not None:
            self.failed(item, call.excinfo.value)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self) -> Generator[None, object, object]:
        """All criteria were reached. (Where the current folder is gone, pytest's own end of a
        session fails before its hook.)"""
        done = yield
        self.write(event="end")
        return done

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self) -> None:
        """Leave at once: a thread that a submission left running would hold the exit up until
        the time limit, and what it registered with atexit is no concern of the criteria."""
        with suppress(OSError, ValueError):  # it may have closed it
            sys.stdout.flush()
        self._exit(0)

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:  # test_criteria.py itself does not import: an author's mistake
            os.write(2, f"{report.longrepr}\n".encode("utf-8", "replace"))


_recorder: Recorder | None = None


@pytest.hookimpl(trylast=True)  # the terminal reporter is registered in this hook too
def pytest_configure(config: pytest.Config) -> None:
    """Start recording. Nothing happens in a pytest that the grader did not start."""
    global _recorder
    results = os.environ.pop(protocol.RESULTS, "")
    if not results:
        return
    use_language(os.environ.get(protocol.LANGUAGE, "auto"))
    folder = Path(config.args[0].partition("::")[0]).parent
    submission = SubmissionFile(Path(os.environ[protocol.SUBMISSION]))
    _recorder = Recorder(submission, Path(results), folder)
    config.pluginmanager.register(_recorder, "tutor-recorder")
    # What pytest prints goes nowhere, and a closed stdout must not end the session.
    config.pluginmanager.unregister(name="terminalreporter")


@pytest.fixture
def submission() -> ModuleType:
    """The learner's file as a module; what stands under `if __name__ == "__main__":` did not
    run."""
    return _now().submission.load()


@pytest.fixture
def criterion(request: pytest.FixtureRequest) -> str:
    """The id of the criterion that is being decided."""
    return criterion_of(request.node)


@pytest.fixture
def run(criterion: str, submission: ModuleType) -> Callable[..., Any]:
    """run(name, …): call a function of the learner's; a gap fails with a message of this
    criterion's own."""

    def run(name: str, *arguments: Any, **named: Any) -> Any:
        return call(criterion, getattr(submission, name), *arguments, **named)

    return run


@pytest.fixture
def source() -> str:
    """The text of the learner's file."""
    return _now().submission.path.read_text("utf-8", "replace")


@pytest.fixture
def figures() -> dict[str, float]:
    """Numbers that the criterion measured; they go into its Result, also where it fails."""
    return _now().figures


@pytest.fixture
def run_dir(criterion: str) -> Path:
    """The folder that the finished run of this very source left."""
    if path := os.environ.get(protocol.RUN_DIR):
        return Path(path)
    reason = os.environ.get(protocol.RUN_MISSING) or say(
        "there is no finished run of this file yet: `tutor run`",
        "这份文件还没有完成过一次运行：请执行 `tutor run`",
    )
    raise NotRunError(
        say(
            f"Without a finished run, {criterion} cannot be decided: {reason}",
            f"没有完成的运行，无法判定 {criterion}：{reason}",
        )
    )


def _now() -> Recorder:
    if _recorder is None:
        raise NotRunError("exercises.pytest_plugin: not started by exercises.grade")
    return _recorder


def criterion_of(item: Any) -> str:
    return item.originalname.removeprefix("test_")


def numbers(figures: dict[str, Any]) -> dict[str, float]:
    """Return the figures that are numbers JSON can carry."""
    kept = {}
    for name, value in figures.items():
        with suppress(TypeError, ValueError):  # what a test put there may be anything
            if math.isfinite(number := float(value)):
                kept[encodable(str(name))] = number
    return kept


def encodable(text: str) -> str:
    """Return the text without lone surrogates, which no UTF-8 and no terminal can carry."""
    return text.encode("utf-8", "replace").decode("utf-8")


def explain(error: BaseException, file: Path, folder: Path | None = None) -> str:
    """Say what went wrong in one to a few lines, with the line of the learner's file.

    A criterion's own assertion speaks for itself. folder: the exercise's, where those stand.
    """
    text = _text(error)
    frames = traceback.extract_tb(error.__traceback__)
    if isinstance(error, NotRunError) or (_is_assertion(error) and _in_test(frames, file, folder)):
        return text or _failed_line(frames)
    if isinstance(error, AttributeError) and getattr(error.obj, "__name__", "") == "submission":
        return say(
            f"Your file does not define `{error.name}`.", f"你的文件没有定义 `{error.name}`。"
        )
    if isinstance(error, SystemExit):
        text = say("your file ended the program", "你的文件结束了整个程序") + f" ({error.code})"
    line = _line(error, frames, file)
    where = say(f" (line {line} of your file)", f"（你的文件第 {line} 行）") if line else ""
    name = type(error).__name__
    return f"{name}: {text}{where}" if text else f"{name}{where}"


def _text(error: BaseException) -> str:
    try:
        if isinstance(error, SyntaxError):
            text = error.msg or ""
        else:
            text = str(getattr(error, "msg", None) or error)
    except Exception:  # noqa: BLE001 - an exception class of the learner's may fail in __str__
        return ""
    lines = text.strip().splitlines()[:MESSAGE_LINES]
    return encodable("\n".join(lines)[:MESSAGE_CHARACTERS])


def _in_test(frames: traceback.StackSummary, file: Path, folder: Path | None) -> bool:
    """Whether the criterion raised it (perhaps through a library's assertion), and not the
    learner's code."""
    for frame in reversed(frames):
        path = Path(frame.filename)
        if path == file:
            return False
        if folder and path.is_relative_to(folder):
            return True
    return False


def _is_assertion(error: BaseException) -> bool:
    return isinstance(error, AssertionError | pytest.fail.Exception | pytest.skip.Exception)


def _failed_line(frames: traceback.StackSummary) -> str:
    return (frames[-1].line or "") if frames else ""


def _line(error: BaseException, frames: traceback.StackSummary, file: Path) -> int | None:
    if isinstance(error, SyntaxError) and error.filename == str(file):
        return error.lineno
    lines = [frame.lineno for frame in frames if frame.filename == str(file)]
    return lines[-1] if lines else None
