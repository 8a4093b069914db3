"""Write docs/tour-week1.zh.md from the real thing: python docs/make_tour.py

Week 1 as a learner plays it, in Chinese, in a terminal of 80 x 24 (tmux): lesson, open, run, a
check that fails, a hint, a check that passes, quiz, progress. Needs tmux and the models
(`tutor setup`); takes some minutes, in a home of its own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tutor.base import home

ROOT = Path(__file__).parent.parent
OUT = ROOT / "docs" / "tour-week1.zh.md"
COLUMNS, ROWS = 80, 24
SESSION = "tutor-tour"
LIMIT_S = 600
PROMPT = "❯ "
EXERCISE = "week1/masking"

INTRO = f"""# 第 1 周走一遍

由 `python docs/make_tour.py` 从真实终端（{COLUMNS}×{ROWS}，tmux）录下，一字未改（只把临时目录写作 `~`）。
练习是 `{EXERCISE}`：先交一份没写完的，看提示，再交写完的。
"""


@dataclass(frozen=True)
class Step:
    """What to tell the reader, the keys to press, and what the screen shows when it is done."""

    said: str
    keys: tuple[str, ...]
    until: str
    shown: bool = True


STEPS = (
    Step(
        "打开界面：这么窄的终端里先看到计划，选中单元再看它的内容。", ("tutor start", "Enter"), "F1"
    ),
    Step("退出界面；下面各步在界面里也能做。", ("q",), PROMPT, shown=False),
    Step("第 1 周的课文（开头）。", ("tutor lesson week1 | head -18", "Enter"), PROMPT),
    Step("把练习放进工作目录。", (f"tutor open {EXERCISE}", "Enter"), PROMPT),
    Step("运行自己的文件：还没有写。", (f"tutor run {EXERCISE}", "Enter"), PROMPT),
    Step("批改：每一项都说清楚还缺什么。", (f"tutor check {EXERCISE}", "Enter"), PROMPT),
    Step("要一条提示。", (f"tutor hint {EXERCISE}", "Enter"), PROMPT),
    Step("写完之后再批改。", (f"tutor check {EXERCISE}", "Enter"), PROMPT),
    Step("测验的第一张卡片。", ("tutor quiz week1", "Enter"), " > "),
    Step("先随手答一个：会告诉你对错和原因，然后是下一张。", ("1", "Enter"), " > "),
    Step("随时可以停下。", ("q", "Enter"), PROMPT, shown=False),
    Step("学习记录。", ("tutor progress", "Enter"), PROMPT),
)
WRITTEN = "写完之后"
"""The step before which the learner's file is finished."""


def main() -> None:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        learner = Path(folder)
        (learner / "data").mkdir()
        for name in ("assets", "kb.db"):
            (learner / "data" / name).symlink_to(home.home() / name)
        begin(learner)
        try:
            pages = [INTRO, *(page for step in STEPS if (page := play(step, learner)))]
        finally:
            tmux("kill-session", "-t", SESSION)
    OUT.write_text("\n".join(pages), "utf-8")


def begin(learner: Path) -> None:
    """Open a shell of the learner's in a terminal of its own."""
    settings = {"HOME": str(learner), "TUTOR_HOME": str(learner / "data"), "PS1": PROMPT,
                "TUTOR_LANGUAGE": "zh", "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                "TUTOR_WORKSPACE": str(learner / "tutor-workspace")}  # fmt: skip
    # Not tmux's -e: a shell that it starts for the command may set PATH anew.
    given = ["env", *(f"{name}={value}" for name, value in settings.items())]
    size = ["-x", str(COLUMNS), "-y", str(ROWS)]
    tmux("new-session", "-d", "-s", SESSION, *size, *given, "bash", "--norc", "--noprofile")
    screen_with(PROMPT)


def play(step: Step, learner: Path) -> str:
    """Press the step's keys; return its part of the page, or "" where it is not shown."""
    if step.said.startswith(WRITTEN):
        unit, name = EXERCISE.split("/")
        file = learner / "tutor-workspace" / unit / name / f"{name}.py"
        shutil.copyfile(ROOT / "exercises" / unit / name / "solution.py", file)
    if at_prompt(tmux("capture-pane", "-p", "-t", SESSION)):
        tmux("send-keys", "-t", SESSION, "C-l")
        time.sleep(0.5)
    for key in step.keys:
        tmux("send-keys", "-t", SESSION, key)
    screen = screen_with(step.until).replace(str(learner), "~")
    return f"## {step.said}\n\n```text\n{screen}\n```\n" if step.shown else ""


def screen_with(text: str) -> str:
    """Return the screen once its last line holds the text (the prompt: nothing else), and it has
    come to rest."""
    time.sleep(1)
    last = ""
    for _ in range(LIMIT_S):
        screen = tmux("capture-pane", "-p", "-t", SESSION).rstrip()
        there = at_prompt(screen) if text == PROMPT else text in f"{last_line(screen)} "
        if there and screen == last:
            return "\n".join(line.rstrip() for line in screen.splitlines())
        last = screen
        time.sleep(1)
    raise TimeoutError(f"the screen never showed {text!r}:\n{last}")


def at_prompt(screen: str) -> bool:
    return last_line(screen) == PROMPT.strip()


def last_line(screen: str) -> str:
    return (screen.strip().splitlines() or [""])[-1].strip()


def tmux(*arguments: str) -> str:
    done = subprocess.run(["tmux", *arguments], check=True, capture_output=True, text=True)
    return done.stdout


if __name__ == "__main__":
    main()
