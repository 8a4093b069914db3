"""The sandbox itself, without pytest in it."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from exercises import sandbox
from exercises.spec import Limits


def run(tmp_path: Path, program: str, **more: object) -> sandbox.Ended:
    return sandbox.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=sandbox.environment({}),
        **{"limits": Limits(seconds=20), **more},  # type: ignore[arg-type]
    )


def test_an_exit_status_is_kept(tmp_path: Path) -> None:
    ended = run(tmp_path, "import sys, time; print('here'); time.sleep(0.3); sys.exit(7)")
    assert (ended.ending, ended.returncode, ended.output) == ("finished", 7, "here\n")
    assert ended.seconds < 10
    assert 1 < ended.peak_rss_mb < 200


def test_stdin_is_empty(tmp_path: Path) -> None:
    assert "EOFError" in run(tmp_path, "input()").output


def test_lines_arrive_while_it_runs(tmp_path: Path) -> None:
    arrived: dict[str, float] = {}
    program = "import time; print('one'); time.sleep(1); print('two', end='')"
    ended = run(tmp_path, program, on_line=lambda text: arrived.setdefault(text, time.monotonic()))
    assert list(arrived) == ["one", "two"]
    assert arrived["two"] - arrived["one"] > 0.5
    assert ended.output == "one\ntwo"


def test_a_progress_bar_is_one_line(tmp_path: Path) -> None:
    lines: list[str] = []
    program = (
        "import sys\nfor n in range(101): sys.stdout.write(f'\\r{n}% ' + '#' * n)\n"
        "print('\\r\\nnext')"
    )
    run(tmp_path, program, on_line=lines.append)
    assert lines == ["100% " + "#" * 100, "next"]


def test_cancelling_ends_it_with_its_children(tmp_path: Path) -> None:
    cancel = threading.Event()
    children: list[int] = []
    program = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(99)'])\n"
        "print(child.pid)\nchild.wait()\n"
    )

    def note(text: str) -> None:
        children.append(int(text))
        cancel.set()

    ended = run(tmp_path, program, on_line=note, cancel=cancel)
    assert ended.ending == "interrupted"
    assert len(children) == 1
    assert not psutil.pid_exists(children[0]) or _is_zombie(children[0])


def test_an_error_in_a_callback_ends_the_command(tmp_path: Path) -> None:
    pids: list[int] = []

    def fail(text: str) -> None:
        pids.append(int(text))
        raise KeyboardInterrupt

    program = "import os, time; print(os.getpid()); time.sleep(99)"
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, program, on_line=fail)
    assert not psutil.pid_exists(pids[0])


def test_the_network_of_libraries_is_off_unless_asked_for() -> None:
    assert sandbox.environment({})["HF_HUB_OFFLINE"] == "1"
    assert sandbox.environment({}, offline=False).get("HF_HUB_OFFLINE") != "1"


def test_the_learners_key_is_not_handed_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUTOR_API_KEY", "of the learner")
    assert "TUTOR_API_KEY" not in sandbox.environment({})


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_it_ends_with_the_tutor(tmp_path: Path) -> None:
    """A tutor that is killed leaves no training behind."""
    import subprocess

    program = (
        "import sys; from pathlib import Path; from exercises import sandbox; "
        "from exercises.spec import Limits; sandbox.run([sys.executable, '-c', "
        "'import os, time; print(os.getpid()); time.sleep(99)'], limits=Limits(), cwd=Path('.'), "
        "env=sandbox.environment({}), on_line=lambda text: print(text, flush=True))"
    )
    outer = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=tmp_path
    )
    assert outer.stdout
    pid = int(outer.stdout.readline())
    outer.kill()
    outer.wait()
    deadline = time.monotonic() + 5
    while psutil.pid_exists(pid) and not _is_zombie(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not psutil.pid_exists(pid) or _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
