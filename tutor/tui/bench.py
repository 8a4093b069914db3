"""What an exercise's page asks of the layers below: open, run, check, in threads of their own.

Long work hands its events to a queue, which the page empties a few times a second: a script that
prints a thousand lines a second then costs the screen ten updates, not a thousand.
"""

from __future__ import annotations

import os
import shlex
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from exercises.spec import Exercise
from tutor.base.errors import TutorError
from tutor.base.i18n import say
from tutor.base.settings import Settings
from tutor.base.threads import in_thread
from tutor.tui.config import current


@dataclass
class Work:
    """A run or a check under way."""

    kind: str
    """"run" or "check"."""
    events: SimpleQueue[Any] = field(default_factory=SimpleQueue)
    cancel: threading.Event = field(default_factory=threading.Event)

    def drain(self) -> list[Any]:
        """Take what has come since the last time."""
        taken: list[Any] = []
        while True:
            try:
                taken.append(self.events.get_nowait())
            except Empty:
                return taken


def opened(exercise: Exercise) -> Path:
    """Put the exercise into the workspace if it is not there; return the learner's file."""
    from exercises.workspace import open_exercise

    return open_exercise(exercise, current())


def editor() -> list[str]:
    """Return the words of the learner's editor command; none where no editor is set.

    Raises TutorError where the command cannot be read.
    """
    posix = os.name == "posix"  # elsewhere a backslash is part of a path
    for name in ("VISUAL", "EDITOR"):
        command = os.environ.get(name, "")
        try:
            words = shlex.split(command, posix=posix)
        except ValueError as error:
            raise TutorError(
                say(f"{name} is {command!r}: {error}.", f"{name} 的值是 {command!r}：{error}。"),
                say(f"Correct {name}; like this: {name}=vim", f"请修正 {name}，例如：{name}=vim"),
            ) from error
        if words:
            return words if posix else [word.strip('"') for word in words]
    return []


def start(work: Work, exercise: Exercise, done: Callable[[Future[Any]], None]) -> None:
    """Run or check in a daemon thread; `done` is called there with the future of a JobResult or
    a Report."""
    do = _run if work.kind == "run" else _check
    future = in_thread(lambda: do(work, exercise), f"{work.kind} {exercise.id}")
    future.add_done_callback(done)


def _check(work: Work, exercise: Exercise) -> Any:
    from exercises import grade

    now = current()
    return grade.grade(
        exercise, _submission(exercise, now), work.events.put, now, cancel=work.cancel
    )


def _run(work: Work, exercise: Exercise) -> Any:
    from exercises import jobs

    now = current()
    submission, run_dir = _place(exercise, now)
    return jobs.run_job(
        exercise, submission, run_dir, work.events.put, settings=now, cancel=work.cancel
    )


def finish(exercise: Exercise) -> str:
    """Ask the training that is going on to end early; return what to say. Raises TutorError where
    there is none."""
    from exercises import jobs

    return jobs.stop_early(_place(exercise, current())[1])


def _place(exercise: Exercise, now: Settings) -> tuple[Path, Path]:
    """Return the learner's file, and the folder of its runs."""
    from exercises import jobs

    submission = _submission(exercise, now)
    return submission, jobs.folder_for(exercise, submission, now)


def _submission(exercise: Exercise, now: Settings) -> Path:
    from exercises.workspace import submission

    found = submission(exercise, now)
    if found.origin == "starter":
        raise TutorError(
            say("You have not opened this exercise yet.", "你还没有打开这个练习。"),
            say("Press o to put it into your workspace.", "按 o 把它放入你的工作目录。"),
        )
    return found.path
