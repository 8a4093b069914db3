"""Any error as the one that reaches a user: the machine's troubles in words, the rest as defects."""

from __future__ import annotations

import errno
import traceback
from pathlib import Path

from tutor.base import home
from tutor.base.errors import Exit, MissingError, TutorError
from tutor.base.i18n import say

FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)


def as_tutor_error(error: BaseException) -> TutorError:
    """Return the error to show: itself, a disk's or a database's trouble, or else a defect, whose
    traceback is appended to the log."""
    if isinstance(error, TutorError):
        return error
    return _of_the_disk(error) or _of_a_database(error) or _defect(error)


def disk_full(target: Path | str = "") -> MissingError:
    """target: what was not written; empty where that is not known."""
    what = say(
        f" {target} was not written; what was there is as it was.",
        f"{target} 没有写成，原有的内容没有改动。",
    )
    return MissingError(
        say("The disk is full.", "磁盘已满。") + (what if target else ""),
        say(
            "Free some space, or set TUTOR_HOME to another disk.",
            "请清理磁盘，或把 TUTOR_HOME 指到别的磁盘。",
        ),
    )


def _of_the_disk(error: BaseException) -> TutorError | None:
    if not isinstance(error, OSError):
        return None
    if error.errno in FULL:
        return disk_full(error.filename or "")
    return _forbidden(error) if error.errno in FORBIDDEN else None


def _of_a_database(error: BaseException) -> TutorError | None:
    import sqlite3

    if not isinstance(error, sqlite3.OperationalError):
        return None
    # The low byte is the kind; the rest says where in SQLite it arose.
    kind = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if kind == sqlite3.SQLITE_FULL:
        return disk_full()
    if kind == sqlite3.SQLITE_IOERR:
        return MissingError(
            say(f"The disk is full, or fails: {error}", f"磁盘已满或出现故障：{error}"),
            disk_full().hint,
        )
    if kind in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return _forbidden(error)
    if kind in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return TutorError(
            say("Another tutor is writing just now.", "另一个 tutor 正在写入数据。"),
            say("Try again when it has finished.", "请等它结束后再试。"),
            Exit.TIMED_OUT,
        )
    return None


def _forbidden(error: Exception) -> MissingError:
    return MissingError(
        say(f"Cannot read or write: {error}", f"无法读写：{error}"),
        say("Correct the permissions, or set TUTOR_HOME.", "请修正权限，或设置 TUTOR_HOME。"),
    )


def _defect(error: BaseException) -> TutorError:
    named = f"{type(error).__name__}: {error}"
    log = _logged(error)
    return TutorError(
        say(f"A defect in tutor itself: {named}", f"程序内部错误：{named}"),
        say(f"The details are in {log}; please report it.", f"详情见 {log}，欢迎反馈。")
        if log
        else "",
        Exit.DEFECT,
    )


def _logged(error: BaseException) -> Path | None:
    """Append a traceback to the log; None where the log cannot be written."""
    try:
        path = home.logs_dir() / "tutor.log"
        with path.open("a", encoding="utf-8") as log:
            log.writelines(traceback.format_exception(error))
    except (TutorError, OSError):
        return None
    return path
