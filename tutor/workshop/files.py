"""The workshop's files: their folders, their lock, and errors that say why one was not written."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from filelock import FileLock

from tutor.base import assets, writing
from tutor.base.errors import MissingError, TutorError
from tutor.base.i18n import say
from tutor.base.trouble import FULL, disk_full

BLOCK = 1 << 20
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@contextmanager
def written(target: Path) -> Iterator[Path]:
    """Give the file to write, as `tutor.base.writing.written` does.

    Raises MissingError where the disk is full.
    """
    with disk_errors(target), writing.written(target) as part:
        yield part


@contextmanager
def disk_errors(target: Path) -> Iterator[None]:
    """Turn a full or forbidden disk into an error that says so."""
    try:
        yield
    except OSError as error:
        # numpy says how much it wrote of what it had to, without the system's number.
        if error.errno in FULL or "requested and" in str(error):
            raise disk_full(target) from error
        raise MissingError(
            say(f"Cannot write {target}: {error}", f"无法写入 {target}：{error}"),
            say("Correct the permissions, or set TUTOR_HOME.", "请修正权限，或设置 TUTOR_HOME。"),
        ) from error


def write_json(target: Path, value: Any) -> None:
    write_text(target, msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")


def write_text(target: Path, text: str) -> None:
    with written(target) as part:
        part.write_text(text, "utf-8")


def sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def models_lock() -> Iterator[None]:
    """Hold the lock that exports and quantizations take turns by, and throw away what one that was
    killed has left."""
    folder = assets.models_dir()
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        for left in folder.glob("*.part/"):
            shutil.rmtree(left, ignore_errors=True)
        for left in folder.glob("*/model-*.part"):
            left.unlink(missing_ok=True)
        yield


def folder_of(name: str) -> Path:
    """Return the folder of a model's name.

    Raises TutorError where the name could be no folder, or would leave the models' own.
    """
    if not _NAME.fullmatch(name) or name.endswith(".part"):
        raise TutorError(
            say(f"{name!r} is no name for a model.", f"{name!r} 不能用作模型名。"),
            say(
                "Letters, digits, dots, hyphens and underscores, 64 at most.",
                "只能用字母、数字、点、连字符和下划线，最多 64 个字符。",
            ),
        )
    return assets.models_dir() / name


def room(folder: Path) -> int:
    """Return the free bytes of the folder's disk."""
    return shutil.disk_usage(folder).free


def why_unwritten(
    target: Path, part: Path, room_before: int, source_bytes: int, error: TutorError
) -> TutorError:
    """Return the error to raise for a file that llama.cpp did not write whole: a full disk where
    there was less room than its source takes, or where one more byte cannot be written."""
    if room_before < source_bytes and room(target.parent) < source_bytes // 8:
        return disk_full(target)
    try:
        with part.open("ab") as out:
            out.write(bytes(BLOCK))
            out.flush()
            os.fsync(out.fileno())
    except OSError as why:
        return disk_full(target) if why.errno in FULL else error
    return error
