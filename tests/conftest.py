"""Fixtures: an isolated home, the real assets, the real documents, no network but loopback."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs
import pytest

from tutor.base.i18n import use_language

if TYPE_CHECKING:
    from webserver import Server

ROOT = Path(__file__).parent.parent
REAL_HOME = Path(os.environ.get("TUTOR_HOME") or platformdirs.user_data_dir("tutor", False))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty TUTOR_HOME in which the machine's assets are linked, and a workspace beside it."""
    path = tmp_path / "home"
    path.mkdir()
    if (REAL_HOME / "assets").is_dir():
        (path / "assets").symlink_to(REAL_HOME / "assets", target_is_directory=True)
    for name in [name for name in os.environ if name.startswith("TUTOR_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TUTOR_HOME", str(path))
    monkeypatch.setenv("TUTOR_WORKSPACE", str(tmp_path / "workspace"))
    monkeypatch.setenv("TUTOR_LANGUAGE", "en")
    monkeypatch.setenv("TUTOR_PROFILE", "tiny")
    return path


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real documents beside the project; tests that need it are skipped without."""
    path = ROOT.parent / "shared"
    if not (path / "corpus").is_dir():
        pytest.skip("no ../shared: the real documents are not on this machine")
    return path


@pytest.fixture
def smollm2() -> Path:
    """The 135M model's file."""
    return _asset("smollm2-135m")


@pytest.fixture
def minilm() -> Path:
    """The encoder's folder."""
    return _asset("minilm")


def _asset(name: str) -> Path:
    from tutor.base import assets
    from tutor.base.errors import MissingError

    try:
        return assets.path(name)
    except MissingError as error:
        pytest.fail(f"{error.message} {error.hint}")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A web server on this machine; a test decides its answers."""
    from webserver import serving

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving() as server:
        yield server


@pytest.fixture
def deck(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A small quiz (tests/quiz_cards.py) in place of the real one; the units' folder."""
    from quiz_cards import put_in_place

    yield from put_in_place(tmp_path, monkeypatch)


@pytest.fixture(autouse=True)
def _english(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every test begins and ends in English: the language belongs to the process, and a command
    that a test runs in it sets it from its own settings."""
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    use_language("auto")
    yield
    use_language("auto")


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Refuse every connection that leaves the machine: the tutor works without a network."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: object) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            host = address[0]  # type: ignore[index]
            if host not in ("127.0.0.1", "::1", "localhost"):
                raise OSError(f"a test reached for the network: {address}")
        return connect(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", guarded)
    yield
