"""One question: run the agent away from the screen and hand each event over."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from contextlib import aclosing
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from tutor.base.trouble import as_tutor_error
from tutor.tui.config import current


@dataclass(frozen=True)
class Problem:
    """What went wrong and what to do, to be shown as a line."""

    message: str
    hint: str


@dataclass
class Library:
    """The knowledge base and the record, opened once, in the thread that uses them."""

    _kb: Any = field(default=None)
    _record: Any = field(default=None)

    def kb(self) -> Any:
        if self._kb is None:
            self._kb = import_module("kb").open_kb()
        return self._kb

    def record(self) -> Any:
        if self._record is None:
            self._record, _ = import_module("tutor.progress").open_progress()
        return self._record


@dataclass
class Talk:
    """The conversation on the screen: its session's number, None before its first question."""

    session: int | None = None


async def relay(
    question: str,
    library: Library,
    talk: Talk,
    hand_over: Callable[[Any], object],
    own: bool = False,
) -> None:
    """Ask the next question of a conversation and hand over the agent's events. Cancelled, it
    closes the agent's generator, which stops the engine's generation.

    own: the model's own view is wanted.
    """
    session = import_module("tutor.agent").Session(library.record(), talk.session)
    answering = session.ask(question, library.kb, settings=current(), own=own)
    try:
        async with aclosing(answering) as events:
            async for event in events:
                talk.session = session.id
                hand_over(event)
    finally:
        talk.session = session.id


def problem_of(future: Future[Any]) -> Problem | None:
    """Return what ended the work, or None where it finished or was cancelled.

    A defect is written to the log, and its name shown.
    """
    try:
        error = future.exception()
    except CancelledError:
        return None
    return None if error is None else problem(error)


def problem(error: BaseException) -> Problem:
    """Put an error into two lines."""
    shown = as_tutor_error(error)
    return Problem(shown.message, shown.hint)
