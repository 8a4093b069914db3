"""`tutor start` as a command: what it imports, and where it refuses."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = (
    "torch", "transformers", "llama_index", "sentence_transformers", "numpy", "jieba", "httpx",
    "sqlite_utils", "markdown_it", "pandas",
)  # fmt: skip


def test_the_first_frame_needs_nothing_heavy() -> None:
    code = "import sys, tutor.tui.app; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "textual" in loaded
    assert not set(HEAVY) & set(loaded)


def _start(**environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tutor", "start"], capture_output=True, text=True, timeout=60,
        stdin=subprocess.DEVNULL, env={**os.environ, **environment},
    )  # fmt: skip


def test_without_a_terminal_it_says_so(home: Path) -> None:
    ended = _start()
    assert ended.returncode == 2
    assert "needs a terminal" in ended.stderr and "tutor ask" in ended.stderr
    assert ended.stdout == "" and "Traceback" not in ended.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no TERM")
@pytest.mark.parametrize("term", ["dumb", ""])
def test_a_terminal_that_cannot_draw_is_refused(
    home: Path, monkeypatch: pytest.MonkeyPatch, term: str
) -> None:
    from tutor.base.errors import TutorError
    from tutor.cli import start

    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", term)
    with pytest.raises(TutorError, match="TERM"):
        start.require_terminal()
