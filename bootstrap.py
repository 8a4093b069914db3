#!/usr/bin/env python3
"""Set up everything on a fresh machine, then start or test. Standard library only.

    python bootstrap.py start     set up what is missing, then open the tutor
    python bootstrap.py test      set up what is missing, then run all checks and tests
    python bootstrap.py dev-check set up what is missing, then prove every exercise, trainings too

Every step leaves what it finished: interrupted anywhere, the next call goes on from there.
TUTOR_TORCH_INDEX: a package index to take PyTorch from, for example PyTorch's CPU-only one on
Linux without a GPU, which saves gigabytes.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
import venv
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036 - the user may call it with any Python
    sys.exit("tutor needs Python 3.11 or newer. / tutor 需要 Python 3.11 或更高版本。")

import tomllib

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")
STAMP = VENV / "tutor-setup.json"
LOG = VENV / "llama-build.log"
WHEELS = VENV / "wheels"
LLAMA = "llama-cpp-python"

# GCC 12 drops part of AMX's tile configuration as dead stores, and the first decode dies with
# SIGSEGV (llama.cpp#26954, #20824): these switches keep the stores. If a build still crashes,
# the next set leaves AMX out, and the last builds for any 64-bit x86 processor.
X86_FLAGS = (
    {"CXXFLAGS": "-fno-tree-dse -fno-dse"},
    {"CXXFLAGS": "-mno-amx-tile -mno-amx-int8 -mno-amx-bf16"},
    {"CMAKE_ARGS": "-DGGML_NATIVE=OFF"},
)
CMAKE_ARGS = "-DLLAMA_BUILD_TOOLS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_TESTS=OFF"
OFFLINE_QUESTION = "What does the r argument of LoraConfig control?"


def main() -> int:
    goal = sys.argv[1] if len(sys.argv) > 1 else "start"
    if goal not in ("start", "test", "dev-check"):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        if goal == "test":
            set_up(dev=True)
            return test()
        set_up(dev=False)
        return start() if goal == "start" else dev_check()
    except subprocess.CalledProcessError as error:
        command = " ".join(map(str, error.cmd))
        print(f"\nThis step failed (exit status {error.returncode}): {command}", file=sys.stderr)
        print(
            "Correct what it says above and run the same command again: it goes on from here.",
            file=sys.stderr,
        )
        return 3
    except KeyboardInterrupt:
        print("\nInterrupted; the next run goes on from here.", file=sys.stderr)
        return 130


def set_up(dev: bool) -> None:
    """Install, build, fetch and index what is not there yet."""
    wanted = {"python": platform.python_version(), "dependencies": _hash("pyproject.toml")}
    done = _read_stamp()
    if {name: done.get(name) for name in wanted} != wanted:
        done = {}
    goal = "test" if dev else "start"
    if done.get(goal):
        return
    if not done.get("installed") or (dev and not done.get("dev")):
        if not runs("-m", "pip", "--version"):  # interrupted, or the system's Python is another now
            with step("Python environment"):
                venv.create(VENV, with_pip=True, clear=True)
        install(dev)
        done |= wanted | {"installed": True, "dev": dev or done.get("dev", False)}
        _write_stamp(done)
    else:
        download(dev)
    probe()
    if not dev:
        with step("First knowledge base"):
            tutor("setup")
    _write_stamp(done | {goal: True})


def install(dev: bool) -> None:
    """Install the packages and fetch the models while llama.cpp compiles beside them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = list(project["dependencies"])
    llama = next(d for d in wanted if d.startswith(LLAMA))
    if dev:
        for extra in ("dev", "eval", "qdrant"):
            wanted += project["optional-dependencies"][extra]
    building = None
    if not llama_installed(llama):
        wanted.remove(llama)
        building = build_llama(flag_sets()[0], llama)
    try:
        with step("Packages"):
            install_torch([d for d in wanted if d.startswith("torch==")])
            pip("install", "--quiet", *wanted)
            pip("install", "--quiet", "--no-deps", "--no-build-isolation", "--editable", str(ROOT))
        download(dev)
        if building:
            with step(f"llama.cpp (compiling for this processor; log: {LOG})"):
                finish_llama(building, llama)
    finally:
        if building and building.poll() is None:
            end(building)  # interrupted, or another step failed


def download(dev: bool) -> None:
    """Fetch models and data: those of the learner's profile, or what tests and exercises use."""
    with step("Models"):
        if dev:
            tutor("model", "pull", "smollm2-135m", "minilm", "vader-snippets")
        else:
            tutor("setup", "--download-only")


def install_torch(requirements: list[str]) -> None:
    index = os.environ.get("TUTOR_TORCH_INDEX")
    # The build back end of the editable install is needed without isolation, hence setuptools.
    pip("install", "--quiet", "setuptools>=77", "wheel")
    pip("install", "--quiet", *requirements, *(["--index-url", index] if index else []))


def flag_sets() -> tuple[dict[str, str], ...]:
    x86 = platform.machine().lower() in ("x86_64", "amd64")
    return X86_FLAGS if x86 and platform.system() == "Linux" else ({},)


def build_llama(flags: dict[str, str], requirement: str, fresh: bool = False) -> subprocess.Popen:
    """Start compiling the wheel in the background."""
    shutil.rmtree(WHEELS, ignore_errors=True)
    WHEELS.mkdir(parents=True)
    environment = os.environ | flags
    environment["CMAKE_ARGS"] = f"{CMAKE_ARGS} {flags.get('CMAKE_ARGS', '')}".strip()
    command = [PYTHON, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", WHEELS]
    command += ["--no-cache-dir"] if fresh else []
    with LOG.open("wb") as log:
        return subprocess.Popen(
            [*command, requirement],
            env=environment,
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )


def end(building: subprocess.Popen) -> None:
    """End pip with the compilers that it started."""
    if os.name == "posix":
        os.killpg(building.pid, signal.SIGTERM)
    else:
        building.terminate()
    building.wait()


def finish_llama(building: subprocess.Popen, requirement: str) -> None:
    if building.wait():
        print(LOG.read_text("utf-8", "replace")[-3000:], file=sys.stderr)
        print(
            "llama.cpp did not compile: a C++ compiler and CMake are needed "
            "(Debian: apt install build-essential cmake).",
            file=sys.stderr,
        )
        raise subprocess.CalledProcessError(building.returncode, building.args)
    wheel = next(WHEELS.glob("*.whl"))
    pip("install", "--quiet", "--force-reinstall", "--no-deps", str(wheel))
    pip("install", "--quiet", requirement)


def probe() -> None:
    """Prove that the build decodes; rebuild with safer switches until one does."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    requirement = next(d for d in project["dependencies"] if d.startswith(LLAMA))
    for flags in (None, *flag_sets()[1:]):
        if flags is not None:
            with step(f"llama.cpp again, with {flags}"):
                finish_llama(build_llama(flags, requirement, fresh=True), requirement)
        with step("Probe: llama.cpp decodes"):
            if subprocess.call([PYTHON, "-m", "tutor", "doctor", "--probe"]) == 0:
                return
    print(
        "No build of llama.cpp runs on this processor. You can still use another server: "
        "set base_url in settings.toml (Ollama, LM Studio, llama-server).",
        file=sys.stderr,
    )
    raise subprocess.CalledProcessError(1, ["probe"])


def start() -> int:
    """Open the TUI; without a terminal do the same main job and print it."""
    if sys.stdin.isatty() and sys.stdout.isatty():
        return subprocess.call([BIN / "tutor", "start"])
    with step("Work"):
        for arguments in (["plan"], ["ask", OFFLINE_QUESTION]):
            print(f"\n$ tutor {' '.join(arguments)}", flush=True)
            tutor(*arguments)
        print("\n$ tutor check week5/lora_from_scratch", flush=True)
        status = tutor("check", "week5/lora_from_scratch", accept=(0, 1))
    if status:
        print("\nNot passed yet, as it should be: nobody has done the exercise on this machine.")
    return 0


def test() -> int:
    """Run the linters, the type checker and all tests; stop at the first that fails."""
    for name, command in (
        ("ruff", ["-m", "ruff", "check", "."]),
        ("format", ["-m", "ruff", "format", "--check", "."]),
        ("mypy", ["-m", "mypy"]),
        ("layers", ["-c", "from importlinter.cli import lint_imports_command as c; c()"]),
        ("tests", ["-m", "pytest", "-q", "-n", "2", "--dist", "loadfile"]),
        ("exercises", ["-m", "tutor", "dev", "check", "--fast"]),
        ("slow tests", ["-m", "pytest", "-q", "-m", "slow", "--durations=9"]),
    ):
        with step(name):
            if status := subprocess.call([PYTHON, *command], cwd=ROOT):
                return status
    return 0


def dev_check() -> int:
    """Prove every exercise: run the solutions, and grade each three times for the same report."""
    with step("Exercises"):
        return tutor("dev", "check", "--repeat", "3", accept=(0, 1))


def tutor(*arguments: str, accept: tuple[int, ...] = (0,)) -> int:
    command = [PYTHON, "-m", "tutor", *arguments]
    status = subprocess.call(command, cwd=ROOT)
    if status not in accept:
        raise subprocess.CalledProcessError(status, command)
    return status


def pip(*arguments: str) -> None:
    subprocess.check_call(
        [PYTHON, "-m", "pip", "--disable-pip-version-check", *arguments], cwd=ROOT
    )


def llama_installed(requirement: str) -> bool:
    """Return whether it is there in the version that is pinned."""
    version = requirement.partition("==")[2]
    code = f"import importlib.metadata as m; assert m.version({LLAMA!r}) == {version!r}"
    return runs("-c", code)


def runs(*arguments: str) -> bool:
    """Return whether the environment's Python is there and does this."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return PYTHON.exists() and not subprocess.call([PYTHON, *arguments], **quiet)


class step:
    """Print what is being done and how long it took."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> None:
        self.began = time.monotonic()
        print(f"== {self.name}", file=sys.stderr, flush=True)

    def __exit__(self, *_: object) -> None:
        took = time.monotonic() - self.began
        print(f"== {self.name}: {took:.0f} s", file=sys.stderr, flush=True)


def _hash(name: str) -> str:
    return hashlib.sha256((ROOT / name).read_bytes()).hexdigest()


def _read_stamp() -> dict:
    try:
        return json.loads(STAMP.read_text("utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return {}


def _write_stamp(done: dict) -> None:
    part = STAMP.with_suffix(".part")
    part.write_text(json.dumps(done), "utf-8")
    part.replace(STAMP)


if __name__ == "__main__":
    sys.exit(main())
