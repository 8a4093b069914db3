"""After set-up nothing needs a network: every process of ours runs with all but loopback refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tutor import engine
from tutor.base import home as home_

GUARD = """
import socket
_connect = socket.socket.connect
_lookup = socket.getaddrinfo
LOCAL = ("127.0.0.1", "::1", "localhost", None, "")

def connect(self, address):
    if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in LOCAL:
        raise OSError(f"blocked: {address}")
    return _connect(self, address)

def lookup(host, *rest, **named):
    if host not in LOCAL:
        raise socket.gaierror(f"blocked: {host}")
    return _lookup(host, *rest, **named)

socket.socket.connect = connect
socket.getaddrinfo = lookup
"""

NOTE = """# Zebra adapters

A zebra adapter keeps the base frozen and trains 4,242 stripes per layer.
"""


@pytest.fixture
def blocked(home: Path, tmp_path: Path) -> dict[str, str]:
    """An environment whose Python processes, children included, reach loopback only."""
    (tmp_path / "guard").mkdir()
    (tmp_path / "guard/sitecustomize.py").write_text(GUARD)
    yield os.environ | {"PYTHONPATH": str(tmp_path / "guard")}
    engine.stop()


def tutor(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tutor", *arguments],
        capture_output=True,
        text=True,
        env=environment,
        stdin=subprocess.DEVNULL,
        timeout=240,
    )


def test_the_guard_guards(blocked) -> None:
    code = "import urllib.request as u; u.urlopen('http://192.0.2.1', timeout=2)"
    result = subprocess.run(
        [sys.executable, "-c", code], env=blocked, capture_output=True, text=True
    )
    assert "blocked" in result.stderr


@pytest.mark.slow
def test_search_ask_and_check_without_a_network(blocked, smollm2, minilm, tmp_path) -> None:
    note = tmp_path / "zebra.md"
    note.write_text(NOTE)
    added = tutor(blocked, "kb", "add", str(note))
    assert added.returncode == 0, added.stderr
    found = json.loads(tutor(blocked, "kb", "search", "zebra stripes", "--json").stdout)
    assert "4,242" in found[0]["text"]
    asked = tutor(blocked, "ask", "how many stripes does a zebra adapter train?", "--json")
    assert asked.returncode == 0, asked.stderr
    answer = json.loads(asked.stdout)
    # The 135M may or may not phrase it; what it says is checked, and the passage is shown.
    shown = [c["passage"] for c in answer["citations"]] + answer["nearest"]
    assert any("4,242" in passage["text"] for passage in shown)
    assert home_.engine_file().exists()
    checked = tutor(blocked, "check", "week5/lora_from_scratch", "--json")
    assert checked.returncode == 1, checked.stderr
    assert "blocked" not in asked.stderr + checked.stderr
