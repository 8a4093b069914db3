"""An engine that recites: what criteria of week 6 put where a model belongs (see engine.py)."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

from exercises.week6.engine import Messages

PIECES = ("The", " keeper", " counts", " every", " ship", " 🗼", " and", " writes", " it", " down.")
TEXT = "".join(PIECES)
HOLD_S = 8


class Scripted:
    """Yields the pieces, with NAME replaced by the first word of the question.

    It has one state for all its answers, which a new answer overwrites, as it does a KV cache:
    two at the same time come out spoiled.
    """

    name = "lighthouse-135m"

    def __init__(
        self, pieces: tuple[str, ...] = PIECES, pause_s: float = 0, context: int = 256
    ) -> None:
        self.pieces, self.pause_s, self.context = pieces, pause_s, context
        self.heard: list[tuple[Messages, float, int]] = []
        """messages, temperature and max_tokens of each answer that was begun"""
        self.made = 0
        """pieces so far, of all answers"""
        self.answer: Iterator[str] = iter(())
        self.hold_at: int | None = None
        """before this piece an answer waits for `release`, at most HOLD_S; so that a criterion
        can look at the middle of an answer on however slow a machine"""
        self.release = threading.Event()

    def count(self, messages: Messages) -> int:
        """Five for a message, and one for each word."""
        return sum(len(m["content"].split()) + 5 for m in messages)

    def stream(self, messages: Messages, temperature: float, max_tokens: int) -> Iterator[str]:
        """Yield the pieces, at most max_tokens of them, with a pause before each."""
        self.heard.append(([dict(m) for m in messages], temperature, max_tokens))
        name = messages[-1]["content"].split()[0]
        self.answer = iter([piece.replace("NAME", name) for piece in self.pieces])
        for number in range(max_tokens):
            time.sleep(self.pause_s)
            if number == self.hold_at:
                self.release.wait(HOLD_S)
            if (piece := next(self.answer, None)) is None:
                return
            self.made += 1
            yield piece
