"""Conversations with the tutor: every question is kept when it is asked, its answer when it comes."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlite_utils import Database

_COLUMNS = (
    "id, session_id, at, question, standalone, answer, citations, covered, own_view, exercise, "
    "model, seconds"
)


def m002_sessions(db: Database) -> None:
    """sessions and their turns; the questions that the log of events held become a session."""
    db.table("sessions").create({"id": int, "at": float}, pk="id")
    db.table("turns").create(
        {
            "id": int,
            "session_id": int,
            "at": float,
            "question": str,
            "standalone": str,
            "answer": str,
            "citations": str,
            "covered": int,
            "own_view": int,
            "exercise": str,
            "model": str,
            "seconds": float,
        },
        pk="id",
        foreign_keys=[("session_id", "sessions", "id")],
        not_null={"question", "standalone", "citations", "covered", "own_view", "exercise"},
        defaults={"citations": "[]", "covered": 0, "own_view": 0, "exercise": ""},
    )
    db.table("turns").create_index(["session_id"])
    if first := db.execute("SELECT min(at) FROM events WHERE kind = 'question'").fetchone()[0]:
        session = db.table("sessions").insert({"at": first}).last_pk
        db.execute(
            "INSERT INTO turns (session_id, at, question, standalone, answer, covered, model) "
            "SELECT ?, at, subject, subject, json_extract(detail, '$.answer'), "
            "coalesce(json_extract(detail, '$.covered'), 0), json_extract(detail, '$.model') "
            "FROM events WHERE kind = 'question' ORDER BY id",
            [session],
        )
        db.execute("DELETE FROM events WHERE kind = 'question'")


@dataclass(frozen=True)
class Turn:
    """A question and what came of it."""

    id: int
    session: int
    at: float
    question: str
    """In the learner's words."""
    standalone: str
    """As it was understood: the same, or with what a follow-up leaves out."""
    answer: str | None
    """None where the question was stopped, or failed, before there was an answer."""
    citations: tuple[dict[str, Any], ...] = ()
    """What was cited then, as plain data: the index may have changed since."""
    covered: bool = False
    own_view: bool = False
    exercise: str = ""
    """The exercise whose hint the answer was."""
    model: str = ""
    seconds: float = 0.0


class Sessions:
    """The conversations in an open record."""

    def __init__(self, db: Database) -> None:
        self.db = db

    def begin(self, session: int | None, question: str, standalone: str) -> Turn:
        """Keep a question in a session (None: a new one), unanswered as yet."""
        now = time.time()
        with self.db.atomic():
            if session is None:
                session = int(self.db.table("sessions").insert({"at": now}).last_pk or 0)
            row = {"session_id": session, "at": now, "question": question, "standalone": standalone}
            pk = self.db.table("turns").insert(row).last_pk
        return Turn(int(pk or 0), session, now, question, standalone, None)

    def finish(
        self,
        turn: int,
        answer: str,
        *,
        citations: str = "[]",
        covered: bool = False,
        own_view: bool = False,
        exercise: str = "",
        model: str = "",
        seconds: float = 0.0,
    ) -> None:
        """Keep a question's answer. citations: a JSON list."""
        with self.db.atomic():
            self.db.table("turns").update(
                turn,
                {
                    "answer": answer,
                    "citations": citations,
                    "covered": int(covered),
                    "own_view": int(own_view),
                    "exercise": exercise,
                    "model": model,
                    "seconds": seconds,
                },
            )

    def latest(self) -> int | None:
        """Return the session in which a question was asked last."""
        row = self.db.execute("SELECT session_id FROM turns ORDER BY at DESC, id DESC").fetchone()
        return row[0] if row else None

    def turns(self, session: int) -> list[Turn]:
        """Return a session's turns, oldest first; empty where there is no such session."""
        return self._read("WHERE session_id = ? ORDER BY id", [session])

    def last(self, session: int) -> Turn | None:
        found = self._read("WHERE session_id = ? ORDER BY id DESC LIMIT 1", [session])
        return found[0] if found else None

    def find(self, words: str = "", session: int | None = None, limit: int = 50) -> list[Turn]:
        """Return the turns, of one session or of all, whose question or answer holds all the
        words, newest first.

        Parts of words count, and so Chinese needs no cutting; a scan of 10,000 turns takes some 50 ms.
        """
        wanted: list[Any] = [*words.lower().split()]
        where = ["instr(lower(question || char(10) || coalesce(answer, '')), ?)"] * len(wanted)
        if session is not None:
            where.append("session_id = ?")
            wanted.append(session)
        condition = f"WHERE {' AND '.join(where)} " if where else ""
        return self._read(f"{condition}ORDER BY at DESC, id DESC LIMIT ?", [*wanted, limit])

    def _read(self, clause: str, values: list[Any]) -> list[Turn]:
        rows = self.db.execute(f"SELECT {_COLUMNS} FROM turns {clause}", values)
        return [_turn(row) for row in rows]


def _turn(row: tuple[Any, ...]) -> Turn:
    id_, session, at, question, standalone, answer, citations, covered, own, exercise, model, s = (
        row
    )
    return Turn(
        id_,
        session,
        at,
        question,
        standalone,
        answer,
        tuple(json.loads(citations)),
        bool(covered),
        bool(own),
        exercise,
        model or "",
        s or 0.0,
    )
