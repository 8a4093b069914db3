"""The set-up script: it needs nothing but Python, does nothing twice, and says what it cannot."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import psutil
import pytest

SCRIPT = Path(__file__).parent.parent / "bootstrap.py"


@pytest.fixture
def bootstrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module whose environment folder is empty and whose commands are recorded."""
    spec = importlib.util.spec_from_file_location("bootstrap", SCRIPT)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "STAMP", tmp_path / "stamp.json")
    module.calls = []  # type: ignore[attr-defined]
    for name in ("install", "download", "probe", "tutor"):
        monkeypatch.setattr(
            module, name, lambda *arguments, name=name, **_: module.calls.append(name)
        )
    monkeypatch.setattr(module.venv, "create", lambda *_, **__: module.calls.append("venv"))
    return module


def test_a_second_start_does_nothing(bootstrap) -> None:
    bootstrap.set_up(dev=False)
    assert bootstrap.calls[-3:] == ["install", "probe", "tutor"]
    bootstrap.calls.clear()
    bootstrap.set_up(dev=False)
    assert bootstrap.calls == []


def test_an_interrupted_set_up_goes_on_after_what_is_done(bootstrap, monkeypatch) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    probe = bootstrap.probe
    monkeypatch.setattr(bootstrap, "probe", interrupted)
    with pytest.raises(KeyboardInterrupt):
        bootstrap.set_up(dev=False)
    monkeypatch.setattr(bootstrap, "probe", probe)
    bootstrap.calls.clear()
    bootstrap.set_up(dev=False)
    assert bootstrap.calls == ["download", "probe", "tutor"]


def test_new_dependencies_are_installed(bootstrap, monkeypatch) -> None:
    bootstrap.set_up(dev=False)
    monkeypatch.setattr(bootstrap, "_hash", lambda _: "another")
    bootstrap.calls.clear()
    bootstrap.set_up(dev=False)
    assert "install" in bootstrap.calls


def test_tests_after_start_install_what_only_they_need(bootstrap) -> None:
    bootstrap.set_up(dev=False)
    bootstrap.calls.clear()
    bootstrap.set_up(dev=True)
    assert "install" in bootstrap.calls


def test_an_environment_that_was_broken_off_is_made_anew(bootstrap, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(bootstrap, "PYTHON", _program(tmp_path, "exit 1"))  # it has no pip
    bootstrap.set_up(dev=False)
    assert bootstrap.calls == ["venv", "install", "probe", "tutor"]
    monkeypatch.setattr(bootstrap, "PYTHON", _program(tmp_path, "exit 0"))
    monkeypatch.setattr(bootstrap, "_hash", lambda _: "another")
    bootstrap.calls.clear()
    bootstrap.set_up(dev=False)
    assert bootstrap.calls == ["install", "probe", "tutor"]


def test_llama_counts_as_installed_in_the_pinned_version_only(bootstrap, monkeypatch) -> None:
    monkeypatch.setattr(bootstrap, "PYTHON", Path(sys.executable))
    version = importlib.metadata.version("llama-cpp-python")
    assert bootstrap.llama_installed(f"llama-cpp-python[server]=={version}")
    assert not bootstrap.llama_installed("llama-cpp-python[server]==0.0.1")


def test_a_build_is_ended_with_its_compilers(bootstrap, monkeypatch, tmp_path) -> None:
    pid = tmp_path / "pid"
    compiling = _program(tmp_path, f"sleep 60 & echo $! > {pid}.part; mv {pid}.part {pid}; wait")
    for name, value in {"PYTHON": compiling, "WHEELS": tmp_path / "wheels",
                        "LOG": tmp_path / "log"}.items():  # fmt: skip
        monkeypatch.setattr(bootstrap, name, value)
    building = bootstrap.build_llama({}, "llama-cpp-python")
    while not pid.exists():
        time.sleep(0.01)
    compiler = psutil.Process(int(pid.read_text()))
    bootstrap.end(building)
    psutil.wait_procs([compiler], timeout=10)
    assert not compiler.is_running() or compiler.status() == psutil.STATUS_ZOMBIE


def _program(folder: Path, commands: str) -> Path:
    path = folder / "program"
    path.write_text(f"#!/bin/sh\n{commands}\n")
    path.chmod(0o755)
    return path


@pytest.mark.skipif(platform.system() != "Linux", reason="the switches are for GCC on Linux")
def test_every_rebuild_is_safer_than_the_last(bootstrap) -> None:
    first, *safer = bootstrap.flag_sets()
    assert "-fno-tree-dse" in first["CXXFLAGS"]
    assert "-mno-amx-tile" in safer[0]["CXXFLAGS"]
    assert "GGML_NATIVE=OFF" in safer[-1]["CMAKE_ARGS"]


def test_a_wrong_word_prints_how_to_use_it() -> None:
    result = subprocess.run([sys.executable, "-S", SCRIPT, "fly"], capture_output=True, text=True)
    assert result.returncode == 2
    assert "bootstrap.py start" in result.stderr


def test_the_exercises_are_proven_after_the_fast_tests(bootstrap, monkeypatch) -> None:
    ran: list[list[str]] = []

    def call(command: list[str], **_: object) -> int:
        ran.append(command[2:])
        return 1 if "slow" in command else 0

    monkeypatch.setattr(bootstrap.subprocess, "call", call)
    assert bootstrap.test() == 1
    *_, exercises, slow_tests = ran
    assert exercises == ["tutor", "dev", "check", "--fast"]
    assert slow_tests[:4] == ["pytest", "-q", "-m", "slow"]


def test_dev_check_needs_no_test_tools_and_gives_its_status(bootstrap, monkeypatch) -> None:
    commands = []

    def tutor(*command: str, accept: tuple[int, ...] = (0,)) -> int:
        commands.append(command)
        assert 1 in accept
        return 1 if command[0] == "dev" else 0

    monkeypatch.setattr(bootstrap.sys, "argv", ["bootstrap.py", "dev-check"])
    bootstrap.set_up(dev=False)
    bootstrap.calls.clear()
    monkeypatch.setattr(bootstrap, "tutor", tutor)
    assert bootstrap.main() == 1
    assert bootstrap.calls == []
    assert commands == [("dev", "check", "--repeat", "3")]
