"""The learner's record, read and written in a thread of its own.

One thread for all of it: a write that waits for another process's lock (30 s at most) must not
stop the screen, and one SQLite connection must not serve two threads at once.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from tutor.tui.marks import Snapshot

if TYPE_CHECKING:
    from curriculum.quiz import Card
    from exercises.report import Report
    from tutor.base.i18n import Language
    from tutor.progress import Progress
    from tutor.progress.preferences import Choice, Pair, Tally
    from tutor.progress.reviews import Asked, Rating
    from tutor.progress.sessions import Turn

T = TypeVar("T")


class Record:
    """Progress for the screen. Every method may raise sqlite3.Error or TutorError."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "record")
        self._progress: Progress | None = None

    async def open(self) -> Path | None:
        """Open the record; return where a corrupt one was moved, if it was."""
        return await self._do(self._open)

    async def snapshot(self) -> Snapshot:
        return await self._do(lambda: Snapshot.read(self._opened()))

    async def log(self, kind: str, subject: str, **detail: Any) -> None:
        await self._do(lambda: self._opened().log(kind, subject, **detail))

    async def keep(self, report: Report) -> None:
        """Record a check, once."""
        await self._do(lambda: self._opened().record_check(report))

    async def hints_taken(self, exercise: str) -> int:
        return await self._do(lambda: self._opened().hints_taken(exercise))

    async def quiz(self, unit: str, week: int, at: float) -> list[Asked]:
        """Return the cards to ask now, of a unit or ("") of all."""
        return await self._do(lambda: self._opened().reviews.queue(unit, week, at))

    async def review(
        self, card: Card, rating: Rating, at: float, answer: str, seconds: float
    ) -> float:
        """Keep an answer; return when its card is due again."""
        return await self._do(
            lambda: self._opened().reviews.review(card, rating, at, answer=answer, seconds=seconds)
        )

    async def to_judge(self, language: Language) -> tuple[Pair | str, Tally]:
        """Return the pair or the prompt to judge next, and the judgements so far."""
        return await self._do(lambda: self._to_judge(language))

    async def judge(self, pair: Pair, choice: Choice) -> Tally:
        """Keep a judgement; return all so far."""
        return await self._do(lambda: self._judge(pair, choice))

    async def find_turns(self, words: str) -> list[Turn]:
        """Return the past questions that hold the words, the latest first."""
        return await self._do(lambda: self._opened().sessions.find(words))

    async def turns(self, session: int) -> list[Turn]:
        return await self._do(lambda: self._opened().sessions.turns(session))

    def _to_judge(self, language: Language) -> tuple[Pair | str, Tally]:
        preferences = self._opened().preferences
        return preferences.following(language, random.Random()), preferences.tally()

    def _judge(self, pair: Pair, choice: Choice) -> Tally:
        preferences = self._opened().preferences
        preferences.keep(pair, choice)
        return preferences.tally()

    def _opened(self) -> Progress:
        if self._progress is None:
            self._open()
        assert self._progress is not None
        return self._progress

    def _open(self) -> Path | None:
        from tutor.progress import open_progress

        self._progress, kept = open_progress()
        return kept

    async def _do(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
