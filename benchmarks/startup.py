"""How long a cold start takes: python benchmarks/startup.py

Each line is a fresh process, the interpreter's start included; the median of several rounds, in
which the candidates take turns (a busy machine then slows all of them alike). "First paint" is
when the bytes of the ten units' list arrive at the terminal, a real one (a pty of 120 x 36).
"""

from __future__ import annotations

import argparse
import os
import pty
import select
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from fcntl import ioctl

BARE = """
from textual.app import App
from textual.widgets import Static
class Bare(App):
    def compose(self):
        yield Static("ready-to-study")
Bare().run()
"""
LIMIT_S = 60


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    candidates = {
        "python -c pass": (["-c", "pass"], ""),
        "bare Textual app, first paint": (["-c", BARE], "ready-to-study"),
        "tutor --help": (["-m", "tutor", "--help"], ""),
        "tutor plan": (["-m", "tutor", "plan"], ""),
        "tutor start, first paint": (["-m", "tutor", "start"], last_unit()),
    }
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    with tempfile.TemporaryDirectory() as home:
        os.environ |= {"TUTOR_HOME": home, "TUTOR_LANGUAGE": "en", "TERM": "xterm-256color"}
        for number in range(rounds + 1):
            for name, (arguments, sign) in candidates.items():
                spent = paint(arguments, sign) if sign else whole(arguments)
                if number:  # the first round fills the caches of files and bytecode
                    seconds[name].append(spent)
    report(seconds)


def last_unit() -> str:
    """Text that is on the screen when the plan is."""
    import curriculum

    return curriculum.units()[-1].title.en[:12]


def whole(arguments: list[str]) -> float:
    """Seconds until the process has ended."""
    began = time.perf_counter()
    ended = subprocess.run([sys.executable, *arguments], capture_output=True, check=False)
    spent = time.perf_counter() - began
    if ended.returncode:
        sys.exit(f"{arguments}: {ended.stderr.decode()}")
    return spent


def paint(arguments: list[str], sign: str) -> float:
    """Seconds until the text has been written to the terminal."""
    began = time.perf_counter()
    child, terminal = pty.fork()
    if child == 0:
        os.execv(sys.executable, [sys.executable, *arguments])
    ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 36, 120, 0, 0))
    try:
        read_until(terminal, sign.encode(), began)
        return time.perf_counter() - began
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(terminal)


def read_until(terminal: int, sign: bytes, began: float) -> None:
    written = b""
    while sign not in written:
        if not select.select([terminal], [], [], LIMIT_S - (time.perf_counter() - began))[0]:
            sys.exit(f"not painted after {LIMIT_S} s: {written[-400:]!r}")
        written += os.read(terminal, 65536)


def report(seconds: dict[str, list[float]]) -> None:
    bare = statistics.median(seconds["bare Textual app, first paint"])
    print(f"{'':32} median s   min s   x bare app")
    for name, values in seconds.items():
        median = statistics.median(values)
        print(f"{name:32} {median:8.2f} {min(values):7.2f} {median / bare:12.2f}")


if __name__ == "__main__":
    main()
