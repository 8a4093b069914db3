"""Write a tour from the real thing: python docs/make_tour.py week1.zh|week5.en|week8.en

A week as a learner plays it, in a terminal (tmux) and a home of its own, and without a network
where the system lets it be taken away (`unshare -n`, as root on Linux). What the learner writes is
an exercise's solution. Needs tmux and what `tutor setup` fetches; weeks 5 and 8 train for real and
take half an hour.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tutor.base import home

ROOT = Path(__file__).parent.parent
SESSION = "tutor-tour"
LIMIT_S = 3600
PROMPT = "❯ "
AT_PROMPT = r"(^|\n)❯\Z"
IN_TUI = r"F1 "
IDLE = r"(?s)\A(?!.*● (Running|Checking)).*p Plan"
CARD = r"> \Z|>\Z"


@dataclass(frozen=True)
class Step:
    """What to tell the reader, the keys to press, and a pattern for the screen when it is done.

    finish: the exercise whose file is finished before. moving: the screen need not come to rest.
    """

    said: str
    keys: tuple[str, ...]
    until: str = AT_PROMPT
    shown: bool = True
    finish: str = ""
    moving: bool = False


@dataclass(frozen=True)
class Tour:
    title: str
    lang: str
    columns: int
    rows: int
    intro: str
    steps: tuple[Step, ...]


def command(said: str, line: str, until: str = AT_PROMPT, finish: str = "") -> Step:
    return Step(said, (line, "Enter"), until, finish=finish)


def exercise(name: str, job: bool) -> tuple[Step, ...]:
    """An exercise as it goes: an untouched file, a hint, the finished file."""
    run = command("Written: now it trains", f"tutor run {name}", finish=name)
    return (
        command(f"{name}: into the workspace", f"tutor open {name}"),
        command("Untouched: what is missing", f"tutor check {name}"),
        command("The first hint", f"tutor hint {name}"),
        *([run] if job else []),
        command("Written, and checked", f"tutor check {name}", finish=name),
    )


def in_tui(name: str, moment: str) -> tuple[Step, ...]:
    """A training run and graded in the TUI, reached through the command palette.

    moment: a pattern for the step at which it is shown.
    """
    return (
        command(f"{name}, this time in the TUI", "tutor start", until=IN_TUI, finish=name),
        Step("The command palette finds it", ("C-p", name), name),
        Step("The exercise's page", ("Enter",), r"r Run"),
        Step("Run (r): the loss as it falls", ("r",), moment, moving=True),
        Step("Until it has ended", (), IDLE),
        Step("Check (c): graded", ("c",), IDLE),
        Step("Leave", ("q",), AT_PROMPT, shown=False),
    )


def around(week: str, question: str, *inside: Step) -> tuple[Step, ...]:
    """A week in English: what comes before and after its exercises."""
    return (
        command("No network: the loopback interface is all there is", "ip -brief address"),
        command("The week's lesson (its beginning)", f"tutor lesson {week} | head -30"),
        *inside,
        command("A question about the week, answered offline", f"tutor ask '{question}'"),
        command("The quiz: its first card", f"tutor quiz {week}", until=CARD),
        Step("Any answer: right or wrong, why, and the next card", ("1", "Enter"), CARD),
        Step("Enough for today", ("q", "Enter"), shown=False),
        command("Where the learner stands", "tutor progress"),
        command("The same in the TUI", "tutor start", until=IN_TUI),
        Step("Leave", ("q",), shown=False),
    )


PREFERENCES = (
    command("Preferences of one's own: two answers of the local model", "tutor prefer",
            until="Which answer is better"),
    Step("The first is better: kept, and on to the next", ("1",),
         r"(?s)1 pair .*Which answer is better"),
    Step("A tie", ("t",), r"(?s)1 tie .*Which answer is better", shown=False),
    Step("Leave", ("q",), shown=False),
    command("The same for trl's DPOTrainer",
            "tutor prefer --export pairs.jsonl; python -m json.tool --json-lines pairs.jsonl"),
)  # fmt: skip
RECORDED = (
    "Recorded from a real terminal ({columns}×{rows}, tmux) by `python docs/make_tour.py {name}`, "
    "word for word (only folders of that machine are written as `~`){offline}. What the learner hands in "
    "is each exercise's own solution."
)
TOURS = {
    "week1.zh": Tour(
        "第 1 周走一遍", "zh", 80, 24,
        "由 `python docs/make_tour.py {name}` 从真实终端（{columns}×{rows}，tmux）录下，一字未改"
        "（只把那台机器上的目录写作 `~`）。\n练习是 `week1/masking`：先交一份没写完的，看提示，再交写完的。",
        (
            command("打开界面：这么窄的终端里先看到计划，选中单元再看它的内容。", "tutor start",
                    until=IN_TUI),
            Step("退出界面；下面各步在界面里也能做。", ("q",), shown=False),
            command("第 1 周的课文（开头）。", "tutor lesson week1 | head -18"),
            command("把练习放进工作目录。", "tutor open week1/masking"),
            command("一个字没写就运行：它会停在第一处空白。", "tutor run week1/masking"),
            command("没写就批改：每一项各自说明缺什么。", "tutor check week1/masking"),
            command("要第一条提示。", "tutor hint week1/masking"),
            command("写完之后再批改。", "tutor check week1/masking", finish="week1/masking"),
            command("测验的第一张卡片。", "tutor quiz week1", until=CARD),
            Step("先随手答一个：会告诉你对错和原因，然后是下一张。", ("1", "Enter"), CARD),
            Step("随时可以停下。", ("q", "Enter"), shown=False),
            command("学习记录。", "tutor progress"),
        ),
    ),
    "week5.en": Tour(
        "Week 5, played through", "en", 100, 40, RECORDED,
        around(
            "week5", "What does lora_alpha do?",
            *exercise("week5/lora_from_scratch", False),
            *exercise("week5/nf4", False),
            command("week5/lora: into the workspace", "tutor open week5/lora"),
            *in_tui("week5/lora", r" 1[0-3]/16 "),
            *exercise("week5/qlora", True),
            *exercise("week5/adapters", True),
        ),
    ),
    "week8.en": Tour(
        "Week 8, played through", "en", 100, 40, RECORDED,
        around(
            "week8", "What is the implicit reward in DPO?",
            *exercise("week8/sft", True),
            *exercise("week8/dpo_loss", False),
            command("week8/dpo: into the workspace", "tutor open week8/dpo"),
            *in_tui("week8/dpo", r" [5-9]/"),
            *PREFERENCES,
            *exercise("week8/preferences", False),
            *exercise("week8/reward_model", True),
        ),
    ),
}  # fmt: skip


def main(name: str) -> None:
    tour = TOURS[name]
    offline = ", in a network namespace without a network" if can_unshare() else ""
    intro = tour.intro.format(name=name, columns=tour.columns, rows=tour.rows, offline=offline)
    pages = [f"# {tour.title}\n\n{intro}\n"]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        learner = Path(folder)
        (learner / "data").mkdir()
        (learner / "data" / "assets").symlink_to(home.home() / "assets")
        shutil.copyfile(home.home() / "kb.db", learner / "data" / "kb.db")
        begin(tour, learner)
        try:
            pages += [page for step in tour.steps if (page := play(step, learner))]
        finally:
            tmux("kill-session", "-t", SESSION)
    (ROOT / "docs" / f"tour-{name}.md").write_text("\n".join(pages), "utf-8")


def begin(tour: Tour, learner: Path) -> None:
    """Open a shell of the learner's in a terminal of its own."""
    settings = {"HOME": str(learner), "TUTOR_HOME": str(learner / "data"), "PS1": PROMPT,
                "TUTOR_LANGUAGE": tour.lang,
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                "TUTOR_WORKSPACE": str(learner / "tutor-workspace")}  # fmt: skip
    # Not tmux's -e: a shell that it starts for the command may set PATH anew.
    given = ["env", *(f"{name}={value}" for name, value in settings.items())]
    shell = shlex.join([*given, "bash", "--norc", "--noprofile"])
    if can_unshare():
        inside = f"ip link set lo up; exec {shell}"
        shell = shlex.join(["unshare", "-n", "bash", "-c", inside])
    size = ["-x", str(tour.columns), "-y", str(tour.rows)]
    tmux("new-session", "-d", "-s", SESSION, "-c", str(learner), *size, shell)
    screen_with(re.compile(AT_PROMPT), moving=False)


def can_unshare() -> bool:
    """Return whether a process may be started without a network."""
    tried = subprocess.run(["unshare", "-n", "true"], capture_output=True, check=False)
    return tried.returncode == 0


def play(step: Step, learner: Path) -> str:
    """Press the step's keys; return its part of the page, or "" where it is not shown."""
    if step.finish:
        unit, name = step.finish.split("/")
        file = learner / "tutor-workspace" / unit / name / f"{name}.py"
        shutil.copyfile(ROOT / "exercises" / unit / name / "solution.py", file)
    if re.search(AT_PROMPT, screen()):
        tmux("send-keys", "-t", SESSION, "C-l")
        time.sleep(0.5)
    for key in step.keys:
        tmux("send-keys", "-t", SESSION, key)
        time.sleep(0.3)
    shot = (
        screen_with(re.compile(step.until), step.moving)
        .replace(str(learner), "~")
        .replace(str(ROOT), "~/tutor")
    )
    print(f"{time.strftime('%H:%M:%S')} {step.said}", flush=True)
    return f"## {step.said}\n\n```text\n{shot}\n```\n" if step.shown else ""


def screen_with(pattern: re.Pattern[str], moving: bool) -> str:
    """Return the screen once it shows the pattern, and, unless it moves, has come to rest."""
    time.sleep(1)
    last = ""
    for _ in range(LIMIT_S):
        now = screen()
        if pattern.search(now) and (moving or now == last):
            return now
        last = now
        time.sleep(1)
    raise TimeoutError(f"the screen never showed {pattern.pattern!r}:\n{last}")


def screen() -> str:
    shot = tmux("capture-pane", "-p", "-t", SESSION).rstrip()
    return "\n".join(line.rstrip() for line in shot.splitlines())


def tmux(*arguments: str) -> str:
    done = subprocess.run(["tmux", *arguments], check=True, capture_output=True, text=True)
    return done.stdout


if __name__ == "__main__":
    main(sys.argv[1])
