"""Several submissions graded by one process that forks for each: for `tutor dev check --fast`.

Importing torch and transformers takes most of a check's time; here it is done once. Each
submission still has a process of its own, in a folder of its own, with the exercise's time limit;
the limits on memory and processes are those of the sandbox around them all. What is left without
an outcome (another one used up the memory, say) is for `grade.grade` to look at alone.

The child, `python -m exercises.together PLAN`, reads its plan as JSON.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from exercises import sandbox, tiers
from exercises.report import Ending
from exercises.spec import Exercise, Limits
from tutor.base.settings import Settings
from tutor.base.writing import write

HEAVY = {
    "bitsandbytes", "datasets", "faiss", "gguf", "langchain_core", "llama_index", "numpy", "pandas",
    "peft", "sentence_transformers", "sklearn", "torch", "transformers", "trl",
}  # fmt: skip
"""Imported before the fork where the exercise names them. None of them starts a thread by it."""
BEHIND_LAB = ("AutoModel", "AutoModelForCausalLM", "AutoTokenizer")
"""Of transformers, what `exercises.lab` loads models with."""
POLL_S = 0.02


class One(msgspec.Struct, frozen=True):
    """A submission's part: how pytest is called, and where."""

    arguments: list[str]
    variables: dict[str, str]
    cwd: str


class Plan(msgspec.Struct, frozen=True):
    """names: (module, attribute or "") to import first. seconds: of each submission."""

    names: list[tuple[str, str]]
    seconds: float
    ones: list[One]


def run(
    exercise: Exercise, ones: Sequence[One], settings: Settings, cancel: threading.Event | None
) -> list[sandbox.Ended | None]:
    """Run them one after another; return how each ended, None for those that were not reached."""
    limits = tiers.widened(exercise.spec.check, exercise, settings)
    plan = Plan(heavy_names(exercise.folder), limits.seconds, list(ones))
    together = replace(
        limits, seconds=limits.seconds * (len(ones) + 1), output_kb=limits.output_kb * len(ones)
    )
    with tempfile.TemporaryDirectory(prefix="tutor-") as folder:
        path = Path(folder) / "plan.json"
        path.write_bytes(msgspec.json.encode(plan))
        sandbox.run(
            [sys.executable, "-P", "-m", "exercises.together", str(path)],
            limits=together,
            cwd=Path(folder),
            env=tiers.environment(exercise, settings, {}),
            cancel=cancel,
        )
        done = [path.with_name(str(number)) for number in range(len(ones))]
        return [
            msgspec.json.decode(file.read_bytes(), type=sandbox.Ended) if file.exists() else None
            for file in done
        ]


def heavy_names(folder: Path) -> list[tuple[str, str]]:
    """Return what the exercise's solution and criteria import of the heavy libraries. With the
    names: transformers loads the modules behind them only when they are asked for."""
    found: dict[tuple[str, str], None] = {}
    for file in ("solution.py", "test_criteria.py"):
        source = (folder / file).read_text("utf-8")
        found |= dict.fromkeys(_imports(ast.parse(source)))
        if "lab.load_" in source:
            found |= dict.fromkeys(("transformers", name) for name in BEHIND_LAB)
    return [name for name in found if name[0].partition(".")[0] in HEAVY]


def _imports(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((node.module, alias.name) for alias in node.names)


def main(path: str) -> None:
    """Import what is heavy, then fork for one submission after the other."""
    plan = msgspec.json.decode(Path(path).read_bytes(), type=Plan)
    import pytest

    for module, name in plan.names:
        with contextlib.suppress(ImportError, AttributeError):  # then it is the submission's error
            getattr(importlib.import_module(module), name or "__name__")
    for number, one in enumerate(plan.ones):
        began = time.monotonic()
        if not (child := os.fork()):
            os.chdir(one.cwd)
            os.environ.update(one.variables)
            os._exit(pytest.main(one.arguments))
        ending, code = _wait(child, plan.seconds)
        seconds = time.monotonic() - began
        ended = sandbox.Ended(ending, code, seconds, 0, "", Limits(plan.seconds))
        write(Path(path).with_name(str(number)), msgspec.json.encode(ended))


def _wait(child: int, seconds: float) -> tuple[Ending, int]:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            code = os.waitstatus_to_exitcode(status)
            return ("crashed" if code < 0 else "finished"), code
        time.sleep(POLL_S)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "timed_out", -signal.SIGKILL


if __name__ == "__main__":
    main(sys.argv[1])
