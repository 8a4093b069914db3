"""Run a command under limits, and end its whole process tree, whatever it does.

This keeps accidents in: endless loops, runaway memory, children left behind. It is no jail
against an attacker: the command runs as the learner, with the learner's rights.
"""

from __future__ import annotations

import os
import queue
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from exercises.report import Ending
from exercises.spec import ROOT, Limits
from tutor.base.assets import OFFLINE

MARK = "TUTOR_SANDBOX"
"""The variable whose value finds a process of ours after its parents are gone."""
POLL_S = 0.05
TAIL_BYTES = 16_384
LINE_BYTES = 8_192

# Run between fork and the command, in an interpreter of its own (10 ms): setting limits in
# Popen's preexec_fn may deadlock where the tutor has threads, and the TUI has.
_LAUNCHER = """
import os, sys
try:
    import resource
    limit = int(sys.argv[1])
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
except (ImportError, OSError, ValueError):
    pass
if sys.platform == "linux":
    import ctypes
    try:
        ctypes.CDLL(None).prctl(1, 9)  # PR_SET_PDEATHSIG: end with the tutor
    except (OSError, AttributeError):
        pass
os.execv(sys.argv[2], sys.argv[2:])
"""

# Not for a submission: what changes how Python or pytest start, and the learner's key.
_DROPPED = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONINSPECT", "TUTOR_API_KEY")
_FIXED = {
    "PYTHONUTF8": "1",
    "PYTHONUNBUFFERED": "1",
    "PYTHONFAULTHANDLER": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "WANDB_MODE": "offline",
    "MPLBACKEND": "Agg",
    # What libraries say to each other's authors hides what the learner's own script prints.
    "PYTHONWARNINGS": "ignore::FutureWarning,ignore::DeprecationWarning,"
    "ignore::UserWarning:torch.utils.data.dataloader",
    # Threads that spin while they wait cost a training on a busy machine six sevenths of its speed.
    "OMP_WAIT_POLICY": "PASSIVE",
}


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    ending: Ending
    """"finished" where it exited by itself, with whatever status; "crashed" by a signal."""
    returncode: int | None
    seconds: float
    peak_rss_mb: float
    """The most resident memory that the whole tree was seen to hold."""
    output: str
    """The end of stdout and stderr together, at most 16 KB."""
    limits: Limits
    """Those that it ran under."""


def environment(extra: Mapping[str, str], offline: bool = True) -> dict[str, str]:
    """Return the environment for a learner's process: this one's, less what changes Python's
    and pytest's start, with the network switched off for the libraries that look for it."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in _DROPPED and not name.startswith("PYTEST_")
    }
    threads = str(cores())
    kept |= {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads, **_FIXED}
    if offline:
        kept |= OFFLINE
    if (ROOT.parent / "pyproject.toml").exists():
        kept["PYTHONPATH"] = str(ROOT.parent)  # a checkout that may not be installed
    return kept | dict(extra)


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def private_folder() -> Iterator[Path]:
    """A temporary folder that goes away even where a submission spoiled its permissions."""
    folder = tempfile.TemporaryDirectory(prefix="tutor-", ignore_cleanup_errors=True)
    try:
        yield Path(folder.name).resolve()
    finally:
        folder.cleanup()


def run(
    command: Sequence[str],
    *,
    limits: Limits,
    cwd: Path,
    env: Mapping[str, str],
    on_line: Callable[[str], None] | None = None,
    on_poll: Callable[[float], None] | None = None,
    cancel: threading.Event | None = None,
    mark: str = "",
) -> Ended:
    """Run the command until it ends or passes a limit; nothing of it is left when this returns.

    command: its first word is the path of a program. Its stdin is empty.
    on_line, on_poll: called on this thread, with each line of output, and about 20 times a second
    with the resident memory of the whole tree in MB.
    cancel: set from another thread to end it ("interrupted"). KeyboardInterrupt ends it too and
    is raised again, as is whatever a callback raises.
    mark: what `end_left` finds the processes by, where this process is killed before it ends them.
    """
    watch = _Watch(limits, cancel or threading.Event())
    tree = _Tree(mark or secrets.token_hex(8))
    process = _start(command, limits, cwd, {**env, MARK: tree.mark})
    tree.root = psutil.Process(process.pid)
    tree.known[process.pid] = tree.root
    reader = _Reader(process, limits.output_kb * 1024)
    try:
        ending = None
        while process.poll() is None and ending is None:
            began = time.monotonic()
            tree.look()
            ending = watch.verdict(tree, reader)
            reader.deliver(on_line)
            if on_poll:
                on_poll(watch.rss / 2**20)
            # On a machine with thousands of processes looking takes long: stay below 10 %.
            _wait(process, max(POLL_S, 10 * (time.monotonic() - began)))
    finally:
        tree.end(process)
        reader.close()
    reader.deliver(on_line, rest=True)
    if on_poll:
        on_poll(watch.rss / 2**20)
    code = process.returncode
    # The last lines may arrive between the last look and the exit.
    ending = ending or ("too_much_output" if reader.over else None)
    return Ended(
        ending or ("crashed" if code is not None and code < 0 else "finished"),
        code,
        watch.elapsed(),
        watch.peak / 2**20,
        reader.text(),
        limits,
    )


def end_left(mark: str) -> None:
    """End what a killed `run` has left. Linux does so itself, but for a command's own children."""
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.environ().get(MARK) == mark:
                process.kill()
                process.wait(5)


def _start(
    command: Sequence[str], limits: Limits, cwd: Path, env: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    flags = 0
    if os.name == "posix":
        launcher = [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(limits.file_mb * 2**20)]
        command = [*launcher, *command]
    else:
        flags = subprocess.CREATE_NEW_PROCESS_GROUP  # type: ignore[attr-defined]
    return subprocess.Popen(
        list(command),
        cwd=cwd,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        bufsize=0,
        start_new_session=True,
        creationflags=flags,
    )


def _wait(process: subprocess.Popen[bytes], seconds: float) -> None:
    with suppress(subprocess.TimeoutExpired):
        process.wait(seconds)


class _Watch:
    """Decides whether a limit is passed."""

    def __init__(self, limits: Limits, cancel: threading.Event) -> None:
        self.limits = limits
        self.cancel = cancel
        self.began = time.monotonic()
        self.rss = self.peak = 0

    def elapsed(self) -> float:
        return time.monotonic() - self.began

    def verdict(self, tree: _Tree, reader: _Reader) -> Ending | None:
        self.rss, count = tree.measure()
        self.peak = max(self.peak, self.rss)
        if self.cancel.is_set():
            return "interrupted"
        if count > self.limits.processes:
            return "too_many_processes"
        if self.rss > self.limits.memory_mb * 2**20:
            return "out_of_memory"
        if reader.over:
            return "too_much_output"
        return "timed_out" if self.elapsed() > self.limits.seconds else None


class _Tree:
    """The command's processes: found by their parent, their process group or the mark in their
    environment, so that a child that left its session and outlived its parent is found too."""

    def __init__(self, mark: str) -> None:
        self.mark = mark
        self.root: psutil.Process | None = None
        self.known: dict[int, psutil.Process] = {}
        self.before = self.seen = set(psutil.pids())

    def look(self) -> None:
        """Take note of the processes that are new since the last look."""
        now = set(psutil.pids())
        for pid in sorted(now - self.seen):
            with suppress(psutil.Error, OSError):
                process = psutil.Process(pid)
                if pid not in self.known and self._ours(process):
                    self.known[pid] = process
        self.seen = now

    def _ours(self, process: psutil.Process) -> bool:
        if process.ppid() in self.known:
            return True
        assert self.root is not None
        if os.name == "posix" and os.getpgid(process.pid) == self.root.pid:
            return True
        return process.environ().get(MARK) == self.mark

    def measure(self) -> tuple[int, int]:
        """Return resident bytes and number of the live processes."""
        total = count = 0
        for pid, process in list(self.known.items()):
            try:
                total += process.memory_info().rss
                count += process.status() != psutil.STATUS_ZOMBIE
            except psutil.NoSuchProcess:
                del self.known[pid]
            except psutil.Error:
                count += 1
        return total, count

    def end(self, process: subprocess.Popen[bytes]) -> None:
        """Kill everything, and again while new ones appear."""
        for _ in range(100):
            # Also those passed over: in the middle of its exec a process shows no environment.
            self.seen = self.before
            if os.name == "posix":
                # In one step for the group: nothing in it can fork past this.
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
            self.look()
            alive = [p for p in self.known.values() if _alive(p)]
            for each in alive:
                with suppress(psutil.Error):
                    each.kill()
            _wait(process, 0.02)
            if not alive and process.poll() is not None:
                return


def _alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _shown(line: bytes) -> bytes:
    return line.rstrip(b"\r").rpartition(b"\r")[2]


class _Reader:
    """Reads the output on a thread of its own, so that a full pipe never blocks the command, and
    keeps only its end."""

    def __init__(self, process: subprocess.Popen[bytes], limit: int) -> None:
        assert process.stdout is not None
        self.stream = process.stdout
        self.limit = limit
        self.total = 0
        self.over = False
        self.tail: deque[bytes] = deque()
        self.kept = 0
        self.lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self.partial = b""
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self) -> None:
        with suppress(OSError, ValueError):
            while chunk := os.read(self.stream.fileno(), 65_536):
                self.total += len(chunk)
                self._keep(chunk)
                if self.total > self.limit:
                    self.over = True  # keep draining; the watch ends the command
                else:
                    self.lines.put(chunk)

    def _keep(self, chunk: bytes) -> None:
        self.tail.append(chunk)
        self.kept += len(chunk)
        while self.kept - len(self.tail[0]) >= TAIL_BYTES:
            self.kept -= len(self.tail.popleft())

    def deliver(self, on_line: Callable[[str], None] | None, rest: bool = False) -> None:
        """Hand the complete lines to the callback: what a terminal would still show of them, so
        that a progress bar is one line and not a hundred."""
        data = self.partial
        while not self.lines.empty():
            data += self.lines.get_nowait()
        *lines, self.partial = data.split(b"\n")
        lines = [_shown(line) for line in lines]
        self.partial = _shown(self.partial) if len(self.partial) > LINE_BYTES else self.partial
        if rest or len(self.partial) > LINE_BYTES:
            lines, self.partial = [*lines, _shown(self.partial)], b""
        if on_line:
            for line in lines:
                if text := line[:LINE_BYTES].decode("utf-8", "replace").rstrip():
                    on_line(text)

    def close(self) -> None:
        """Read what is left in the pipe, then close it."""
        self.thread.join(2)
        if not self.thread.is_alive():
            self.stream.close()

    def text(self) -> str:
        return b"".join(self.tail)[-TAIL_BYTES:].decode("utf-8", "replace")
