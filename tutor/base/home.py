"""Where things lie. Everything but the learner's own files is under TUTOR_HOME."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from tutor.base.errors import MissingError
from tutor.base.i18n import say


def home() -> Path:
    """Return TUTOR_HOME, made if it is not there.

    Raises MissingError where it cannot be written.
    """
    path = Path(os.environ.get("TUTOR_HOME") or platformdirs.user_data_dir("tutor", False))
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(path) from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise _unwritable(path)
    return path


def settings_file() -> Path:
    return home() / "settings.toml"


def progress_file() -> Path:
    return home() / "progress.db"


def kb_file() -> Path:
    return home() / "kb.db"


def assets_dir() -> Path:
    return home() / "assets"


def engine_file() -> Path:
    """The record of the engine process: its id, port and key."""
    return home() / "engine.json"


def logs_dir() -> Path:
    path = home() / "logs"
    path.mkdir(exist_ok=True)
    return path


def _unwritable(path: Path) -> MissingError:
    return MissingError(
        say(f"Cannot write to {path}.", f"无法写入 {path}。"),
        say(
            "Set TUTOR_HOME to a folder of yours, or correct its permissions.",
            "请把 TUTOR_HOME 设为一个你有写权限的目录，或修正该目录的权限。",
        ),
    )
