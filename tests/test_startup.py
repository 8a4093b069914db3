"""Start-up cost as a property: what a command imports before it has to."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {
    "torch",
    "transformers",
    "sentence_transformers",
    "llama_index",
    "llama_cpp",
    "datasets",
    "peft",
    "trl",
    "jieba",
    "griffe",
    "numpy",
    "pandas",
    "fastapi",
    "fsrs",
}


def imported(code: str) -> set[str]:
    """Return the top-level modules that a fresh interpreter holds after running the code."""
    script = f"{code}\nimport sys; print(' '.join({{m.partition('.')[0] for m in sys.modules}}))"
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(result.stdout.splitlines()[-1].split())


def test_help_imports_next_to_nothing(home) -> None:
    code = "import sys; from tutor.cli import cli; cli(['--help'], standalone_mode=False)"
    found = imported(code)
    assert not found & (HEAVY | {"textual", "rich", "sqlite_utils", "httpx", "pydantic"})


@pytest.mark.parametrize(
    "command",
    [["plan"], ["progress"], ["model", "list"], ["lesson", "week5", "--raw"], ["quiz", "--due"]],
)
def test_reading_commands_import_nothing_heavy(home, command) -> None:
    found = imported(f"from tutor.cli import cli; cli({command!r}, standalone_mode=False)")
    assert not found & (HEAVY | {"textual"})


@pytest.mark.parametrize(
    ("module", "spared"),
    [
        ("kb", {"torch", "transformers", "sentence_transformers", "jieba", "griffe", "numpy"}),
        ("tutor.agent", {"torch", "transformers", "llama_index", "llama_cpp"}),
        ("tutor.engine", {"torch", "llama_cpp", "fastapi", "httpx"}),
        ("exercises.grade", {"torch", "transformers", "pytest", "jupytext"}),
    ],
)
def test_a_package_costs_little_until_it_is_used(module, spared) -> None:
    assert not imported(f"import {module}") & spared
