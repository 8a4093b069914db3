"""The long part of an exercise: the learner's script, run as a whole, once for each source.

A run's folder is `runs/<first 12 digits of the source's sha256>` in the workspace. It holds what
the script leaves (adapter, checkpoints), `events.jsonl`, which the script appends to, and
`run.json`, which is written last: a folder without it was interrupted, and the script is started
in it again.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import shutil
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec
from filelock import FileLock, Timeout

from exercises import protocol, sandbox, tiers, workspace
from exercises.report import Ending
from exercises.spec import Exercise, Job, Tier
from tutor.base import home
from tutor.base.errors import TutorError
from tutor.base.i18n import say
from tutor.base.settings import Settings
from tutor.base.writing import write

RECORD = "run.json"
EVENTS = "events.jsonl"
CHECKPOINTS = "checkpoints"
KEY_DIGITS = 12
EVENTS_MB = 16
"""No more than this is read of a run's events: a script may write without end."""


@dataclass(frozen=True)
class Step:
    """The script is this far. loss: None before the first; tokens_per_s: None where unknown.
    rss_mb: resident memory of the script and its children, as the runner sees it."""

    step: int
    steps: int
    loss: float | None = None
    tokens_per_s: float | None = None
    rss_mb: float = 0


@dataclass(frozen=True)
class Line:
    """A line that the script printed."""

    text: str


@dataclass(frozen=True)
class Waiting:
    """Another job is running; this one starts when it is over."""

    text: str


@dataclass(frozen=True)
class Started:
    """The script starts. resumed: where an earlier attempt at this source has left something."""

    run_dir: str
    resumed: bool


Event = Step | Line | Waiting | Started
OnEvent = Callable[[Event], None]


class _Running(msgspec.Struct, frozen=True):
    """The run that is going on, for as long as the lock is held. mark: `sandbox.run`'s."""

    run_dir: str
    mark: str


@dataclass(frozen=True)
class JobResult:
    """How a run ended: run.json as data."""

    exercise: str
    source_sha256: str
    ending: Ending
    """"finished": it exited with status 0 and left every artefact."""
    message: str
    """Why it did not finish."""
    seconds: float
    """Together with those of an attempt that the learner interrupted or the limit ended."""
    peak_rss_mb: float
    run_dir: str
    artefacts: tuple[str, ...] = ()
    """Those of the exercise's artefacts that are there."""
    figures: dict[str, float] = field(default_factory=dict)
    """Last step, steps, loss and tokens_per_s that the script reported."""
    output: str = ""
    cached: bool = False
    """It was run before, and was not run again."""
    stopped_early: bool = False
    """The learner asked it to end with what it had learned."""

    @property
    def finished(self) -> bool:
        return self.ending == "finished"


def source_sha256(submission: Path) -> str:
    return hashlib.sha256(submission.read_bytes()).hexdigest()


def run_dir_of(runs: Path, submission: Path, tier: Tier | None = None) -> Path:
    """Return the folder for the runs of this very source, on this base."""
    return runs / "-".join([source_sha256(submission)[:KEY_DIGITS], *([tier.name] if tier else [])])


def folder_for(
    exercise: Exercise, submission: Path, settings: Settings, runs: Path | None = None
) -> Path:
    """Return the folder for the runs of this very source by this learner.

    runs: the folder that holds them; default: the exercise's in the workspace.
    """
    runs = runs or workspace.runs_of(exercise, settings)
    return run_dir_of(runs, submission, tiers.chosen(exercise, settings))


def last_result(run_dir: Path) -> JobResult | None:
    """Return what run.json says, or None where there is none that can be read."""
    try:
        return msgspec.json.decode((run_dir / RECORD).read_bytes(), type=JobResult)
    except (OSError, msgspec.DecodeError):
        return None


def finished_run(run_dir: Path, submission: Path, job: Job) -> JobResult | None:
    """Return the result of a finished run of this source whose artefacts are still there."""
    result = last_result(run_dir)
    if result is None or not result.finished:
        return None
    there = all((run_dir / name).exists() for name in job.artefacts)
    same = result.source_sha256 == source_sha256(submission)
    return replace(result, run_dir=str(run_dir)) if there and same else None


def stop_early(run_dir: Path) -> str:
    """Ask the run in this folder to end after the step that it is at, and to keep what it learned;
    return what to tell the learner.

    Raises TutorError where no run is going on there.
    """
    turn = _lock()
    try:
        turn.acquire(timeout=0)
    except Timeout:
        if (running := _running()) and running.run_dir == str(run_dir):
            (run_dir / protocol.STOP).touch()
            return say(
                "Asked to end after this step (a loop of your own must ask lab.stop_asked() itself).",
                "已请求在当前这一步之后结束（自己写的训练循环需自行调用 lab.stop_asked()）。",
            )
    else:
        turn.release()
    raise TutorError(
        say("No run of this file is going on.", "这个文件没有正在进行的运行。"),
        say("Begin one: tutor run EXERCISE", "开始运行：tutor run 练习名"),
    )


def run_job(
    exercise: Exercise,
    submission: Path,
    run_dir: Path,
    on_event: OnEvent | None = None,
    *,
    again: bool = False,
    settings: Settings | None = None,
    cancel: threading.Event | None = None,
) -> JobResult:
    """Run the script, unless a run of the same source is finished; go on where one was
    interrupted. One job at a time on this machine: time limits are wall clock.

    again: throw the earlier run away first. settings: the learner's. Of several processes (`gpus`)
    the first's folder is the run's, the others have theirs in `ranks/`.
    Raises MissingError where the run's folder cannot be written; nothing for what a script does.
    """
    job = exercise.spec.job
    assert job is not None, f"{exercise.id} has no job"
    emit = on_event or _ignore
    if not again and (done := finished_run(run_dir, submission, job)):
        return replace(done, cached=True)
    with Turn(emit, cancel) as mine:
        if not mine:
            return _not_started(exercise, submission, run_dir)
        if again:
            shutil.rmtree(run_dir, ignore_errors=True)
        elif done := finished_run(run_dir, submission, job):
            return replace(done, cached=True)  # the other one was this one
        return _run(exercise, job, submission, run_dir, emit, settings or Settings(), cancel)


def _run(
    exercise: Exercise,
    job: Job,
    submission: Path,
    run_dir: Path,
    emit: OnEvent,
    settings: Settings,
    cancel: threading.Event | None,
) -> JobResult:
    if orphan := _running():  # its tutor was killed; it may be writing still
        sandbox.end_left(orphan.mark)
    before = last_result(run_dir)
    earlier = before.seconds if before and before.ending in ("interrupted", "timed_out") else 0
    _make(run_dir)
    for left in (RECORD, protocol.STOP):
        (run_dir / left).unlink(missing_ok=True)
    events = _Events(run_dir / EVENTS, emit)
    running = _Running(str(run_dir), secrets.token_hex(8))
    write(_running_file(), msgspec.json.encode(running))
    try:
        emit(Started(str(run_dir), resumed=any(run_dir.iterdir())))
        ended = sandbox.run(
            _command(submission, settings.gpus),
            limits=tiers.widened(job.limits, exercise, settings),
            cwd=run_dir,
            env=tiers.environment(exercise, settings, {protocol.RUN_DIR: str(run_dir)}),
            on_line=lambda text: emit(Line(text)),
            on_poll=events.follow,
            cancel=cancel,
            mark=running.mark,
        )
    finally:
        _running_file().unlink(missing_ok=True)
    there = tuple(name for name in job.artefacts if (run_dir / name).exists())
    ending, message = _ending(ended, job, there, submission)
    result = JobResult(
        exercise.id, source_sha256(submission), ending, message,
        round(ended.seconds + earlier, 2), round(ended.peak_rss_mb, 1),
        str(run_dir), there, events.figures, ended.output,
        stopped_early=ending == "finished" and (run_dir / protocol.STOP).exists(),
    )  # fmt: skip
    if result.finished and CHECKPOINTS not in job.artefacts:
        shutil.rmtree(run_dir / CHECKPOINTS, ignore_errors=True)  # they were for going on
    write(run_dir / RECORD, msgspec.json.format(msgspec.json.encode(result)))
    return result


def _command(submission: Path, gpus: int) -> list[str]:
    # -P: what lies beside the script must not stand in for a library, and is not in its hash.
    if gpus == 1:
        return [sys.executable, "-P", str(submission)]
    launch = ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", str(gpus)]
    fixed = ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
    return [sys.executable, "-P", *launch, *fixed, str(submission)]


def _ending(
    ended: sandbox.Ended, job: Job, there: tuple[str, ...], submission: Path
) -> tuple[Ending, str]:
    if ended.ending != "finished":
        return ended.ending, why(ended)
    if ended.returncode:
        return "crashed", error_line(ended.output, submission) or why(ended)
    if missing := [name for name in job.artefacts if name not in there]:
        names = ", ".join(missing)
        return "crashed", say(
            f"the script ended without leaving {names} in lab.run_dir()",
            f"脚本结束了，但没有在 lab.run_dir() 中留下 {names}",
        )
    return "finished", ""


def why(ended: sandbox.Ended) -> str:
    """Say in the learner's language why a process did not finish by itself."""
    code, limits = ended.returncode, ended.limits
    return {
        "finished": say(f"it exited with status {code}", f"它以状态码 {code} 退出"),
        "timed_out": say(
            f"it was ended after {limits.seconds:g} s, the time limit",
            f"运行达到 {limits.seconds:g} 秒的时间上限，已被结束",
        ),
        "out_of_memory": say(
            f"it was ended at {ended.peak_rss_mb:.0f} MB of memory; the limit is "
            f"{limits.memory_mb} MB",
            f"内存用到 {ended.peak_rss_mb:.0f} MB（上限 {limits.memory_mb} MB），已被结束",
        ),
        "too_much_output": say(
            f"it was ended because it printed more than {limits.output_kb} KB",
            f"输出超过 {limits.output_kb} KB，已被结束",
        ),
        "too_many_processes": say(
            f"it was ended because it started more than {limits.processes} processes",
            f"启动的进程超过 {limits.processes} 个，已被结束",
        ),
        "interrupted": say("it was interrupted", "运行被中断"),
        "crashed": say(
            f"the process was killed by signal {-(code or 0)}",
            f"进程被信号 {-(code or 0)} 终止",
        ),
        "missing": say("something that it needs is not there", "缺少所需的内容"),
    }[ended.ending]


def error_line(output: str, submission: Path) -> str:
    """Return the last traceback's exception with the line of the learner's file, or ""."""
    _, _, trace = output.rpartition("Traceback (most recent call last):")
    source = trace or output  # a SyntaxError has no traceback
    numbers = re.findall(rf'File "{re.escape(str(submission))}", line (\d+)', source)
    errors = re.findall(r"^([A-Za-z_][\w.]*)(: .*)?$", source, re.MULTILINE)
    if not numbers or not errors:
        return ""
    # The exception is the first line after the traceback's that is not indented.
    name, text = errors[0]
    where = say(f"line {numbers[-1]} of your file", f"你的文件第 {numbers[-1]} 行")
    return f"{name.rpartition('.')[2]}{text} ({where})"


class _Events:
    """Follows the file that the script appends its steps to."""

    def __init__(self, path: Path, emit: OnEvent) -> None:
        self.path = path
        self.emit = emit
        self.figures: dict[str, float] = {}
        self.offset = path.stat().st_size if path.exists() else 0
        self.end = self.offset + EVENTS_MB * 2**20

    def follow(self, rss_mb: float) -> None:
        try:
            with self.path.open("rb") as file:
                file.seek(self.offset)
                data = file.read(max(0, min(2**20, self.end - self.offset)))
        except OSError:
            return  # the script has reported nothing yet, or took its folder away
        whole = data[: data.rfind(b"\n") + 1]
        self.offset += len(whole)
        for line in whole.splitlines():
            self._one(line, rss_mb)

    def _one(self, line: bytes, rss_mb: float) -> None:
        try:
            step = msgspec.json.decode(line, type=Step)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return  # a script may write what it likes there
        values = {"step": step.step, "steps": step.steps, "loss": step.loss,
                  "tokens_per_s": step.tokens_per_s}  # fmt: skip
        self.figures |= {name: float(v) for name, v in values.items() if v is not None}
        self.emit(replace(step, rss_mb=round(rss_mb, 1)))


class Turn:
    """The lock that jobs take turns by. Gives False where the wait was cancelled."""

    def __init__(
        self, emit: Callable[[Waiting], None], cancel: threading.Event | None = None
    ) -> None:
        self.lock = _lock()
        self.emit = emit
        self.cancel = cancel or threading.Event()

    def __enter__(self) -> bool:
        said = False
        while not self.cancel.is_set():
            try:
                self.lock.acquire(timeout=0 if not said else 0.5)
                return True
            except Timeout:
                if not said:
                    text = say(
                        "another run is going on; waiting for it", "另一个任务正在运行，等待中"
                    )
                    self.emit(Waiting(text))
                said = True
        return False

    def __exit__(self, *_: object) -> None:
        self.lock.release()


def _lock() -> FileLock:
    return FileLock(home.home() / "job.lock")


def _running_file() -> Path:
    return home.home() / "job.json"


def _running() -> _Running | None:
    try:
        return msgspec.json.decode(_running_file().read_bytes(), type=_Running)
    except (OSError, msgspec.DecodeError):
        return None


def _not_started(exercise: Exercise, submission: Path, run_dir: Path) -> JobResult:
    message = say("it was interrupted before it started", "在开始之前就被中断")
    return JobResult(
        exercise.id, source_sha256(submission), "interrupted", message, 0, 0, str(run_dir)
    )


def _make(run_dir: Path) -> None:
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
        if not os.access(run_dir, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(run_dir))
    except OSError as error:
        raise workspace.unwritable(run_dir, error) from error


def _ignore(_: Event) -> None:
    pass
