"""The learner's record: one SQLite file that graders write and faces read.

Mastery comes from evidence rows alone; no model writes here.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tutor.base import home
from tutor.base.db import open_db
from tutor.progress.preferences import Preferences, m004_preferences
from tutor.progress.reviews import Reviews, m003_quiz
from tutor.progress.sessions import Sessions, m002_sessions
from tutor.progress.testout import TestOuts

if TYPE_CHECKING:
    from sqlite_utils import Database


def m001_evidence_and_log(db: Database) -> None:
    """evidence: one row a criterion of each check. events: lessons read, hints taken, files opened."""
    db.table("checks").create(
        {
            "id": int,
            "at": float,
            "exercise": str,
            "passed": int,
            "points": int,
            "max_points": int,
            "ending": str,
            "seconds": float,
            "source_sha256": str,
            "report": str,
        },
        pk="id",
    )
    db.table("evidence").create(
        {
            "id": int,
            "check_id": int,
            "exercise": str,
            "criterion": str,
            "passed": int,
            "points": int,
            "figures": str,
        },
        pk="id",
        foreign_keys=[("check_id", "checks", "id")],
    )
    db.table("events").create(
        {"id": int, "at": float, "kind": str, "subject": str, "detail": str}, pk="id"
    )
    for table, column in (("checks", "exercise"), ("evidence", "exercise"), ("events", "kind")):
        db.table(table).create_index([column])


MIGRATIONS = (m001_evidence_and_log, m002_sessions, m003_quiz, m004_preferences)


@dataclass(frozen=True)
class Standing:
    """Where the learner stands in one exercise."""

    exercise: str
    best_points: int
    max_points: int
    passed: bool
    checks: int
    hints: int


class Progress:
    """The record, open. Use `open_progress` to get one."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.sessions = Sessions(db)
        self.reviews = Reviews(db)
        self.test_outs = TestOuts(db)
        self.preferences = Preferences(db)

    def record_check(self, report: Any, at: float | None = None) -> None:
        """Keep a grader's report (exercises.report.Report) and one evidence row a criterion."""
        import msgspec

        with self.db.atomic():
            row = self.db.table("checks").insert(
                {
                    "at": at or time.time(),
                    "exercise": report.exercise,
                    "passed": int(report.passed),
                    "points": report.points,
                    "max_points": report.max_points,
                    "ending": report.ending,
                    "seconds": report.seconds,
                    "source_sha256": report.source_sha256,
                    "report": msgspec.json.encode(report).decode(),
                }
            )
            self.db.table("evidence").insert_all(
                {
                    "check_id": row.last_pk,
                    "exercise": report.exercise,
                    "criterion": result.criterion,
                    "passed": int(result.outcome == "passed"),
                    "points": result.points,
                    "figures": json.dumps(result.figures),
                }
                for result in report.results
            )

    def log(self, kind: str, subject: str, **detail: Any) -> None:
        """Keep an event: kind is "lesson", "open", "run" or "hint"."""
        with self.db.atomic():
            self.db.table("events").insert(
                {
                    "at": time.time(),
                    "kind": kind,
                    "subject": subject,
                    "detail": json.dumps(detail, ensure_ascii=False),
                }
            )

    def standing(self, exercise: str) -> Standing:
        """Return the learner's best result in an exercise; zeros where it was never checked."""
        best, most, passed, checks = self.db.execute(
            "SELECT coalesce(max(points), 0), coalesce(max(max_points), 0), "
            "coalesce(max(passed), 0), count(*) FROM checks WHERE exercise = ?",
            [exercise],
        ).fetchone()
        return Standing(exercise, best, most, bool(passed), checks, self.hints_taken(exercise))

    def hints_taken(self, exercise: str) -> int:
        return self.db.table("events").count_where("kind = 'hint' AND subject = ?", [exercise])

    def lessons_read(self) -> set[str]:
        return {
            subject
            for (subject,) in self.db.execute(
                "SELECT DISTINCT subject FROM events WHERE kind = 'lesson'"
            )
        }

    def last_exercise(self) -> str:
        """Return the exercise that was opened, run, hinted at or checked last; "" for none."""
        row = self.db.execute(
            "SELECT subject FROM (SELECT at, subject FROM events WHERE kind IN "
            "('open', 'run', 'hint') UNION ALL SELECT at, exercise FROM checks) "
            "ORDER BY at DESC LIMIT 1"
        ).fetchone()
        return row[0] if row else ""

    def last_report(self, exercise: str) -> dict[str, Any] | None:
        """Return the last report of an exercise as plain data, or None."""
        row = self.db.execute(
            "SELECT report FROM checks WHERE exercise = ? ORDER BY id DESC LIMIT 1", [exercise]
        ).fetchone()
        return json.loads(row[0]) if row else None

    def recent(self, limit: int = 10) -> list[dict[str, Any]]:
        """Return the latest checks, newest first."""
        return list(
            self.db.query(
                "SELECT at, exercise, passed, points, max_points, ending FROM checks "
                "ORDER BY id DESC LIMIT ?",
                [limit],
            )
        )

    def close(self) -> None:
        self.db.close()


def open_progress(path: Path | None = None) -> tuple[Progress, Path | None]:
    """Open the record. A corrupt file is moved aside and a new one started; the second value
    is then where the old one lies, for the face to say so."""
    path = path or home.progress_file()
    if progress := _opened(path):
        return progress, None
    from filelock import FileLock

    with FileLock(path.with_suffix(".lock")):
        if progress := _opened(path):  # another process has moved the corrupt one aside
            return progress, None
        kept = _move_aside(path)
        return Progress(open_db(path, MIGRATIONS)), kept


def _opened(path: Path) -> Progress | None:
    """Open the record; None where the file is corrupt."""
    try:
        db = open_db(path, MIGRATIONS)
        try:
            whole = db.execute("PRAGMA quick_check").fetchone()[0] == "ok"
        except sqlite3.Error:
            db.close()
            raise
    except sqlite3.OperationalError:
        raise  # locked or unwritable: not corrupt, nothing to move
    except sqlite3.DatabaseError:
        return None
    if whole:
        return Progress(db)
    db.close()
    return None


def _move_aside(path: Path) -> Path:
    """Give the record another name, with what SQLite keeps beside it: -wal may hold the newest
    commits."""
    kept = path.with_name(f"{path.stem}.corrupt-{time.strftime('%Y%m%d-%H%M%S')}{path.suffix}")
    for suffix in ("-wal", "-shm", ""):  # the file last, so that no new one meets an old -wal
        with contextlib.suppress(FileNotFoundError):
            Path(f"{path}{suffix}").replace(f"{kept}{suffix}")
    return kept
