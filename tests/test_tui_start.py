"""`tutor start` as a command: what it imports, and where it refuses."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from textual.content import Content

from tutor.tui.linebreak import divide_line, install

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


def test_chinese_lines_break_between_characters_but_not_before_a_stop() -> None:
    text = "学完这一小时，你能默写出 LoRA 的更新公式。"
    lines = Content(text).divide(divide_line(text, 14))
    assert "".join(line.plain for line in lines) == text
    assert all(line.rstrip().cell_length <= 14 for line in lines)
    assert not any(line.plain[0] in "，。" for line in lines)
    # Without a break between characters the first line would end after "出 ".
    assert len(lines) == 4


@pytest.mark.parametrize("width", [1, 2, 3, 7])
def test_no_width_loses_text(width: int) -> None:
    text = "（“参数高效微调”——parameter-efficient）  还有……"
    offsets = divide_line(text, width)
    assert offsets == sorted(set(offsets))
    assert "".join(line.plain for line in Content(text).divide(offsets)) == text


def test_english_lines_break_as_before() -> None:
    from rich._wrap import divide_line as original

    text = "Low-rank adaptation freezes the base and trains two small matrices beside it."
    for width in range(1, 40):
        assert divide_line(text, width) == original(text, width)
    install()
