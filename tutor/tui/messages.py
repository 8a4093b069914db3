"""What pages tell the study screen, which alone holds the record."""

from __future__ import annotations

from typing import Any

from textual.message import Message


class Noted(Message):
    """Something for the record: kind is "lesson", "open", "run" or "hint"."""

    def __init__(self, kind: str, subject: str) -> None:
        self.kind, self.subject = kind, subject
        super().__init__()


class Changed(Message):
    """The agent or the quiz wrote to the record: it is to be read again."""


class Checked(Message):
    """A grader's report, to be recorded."""

    def __init__(self, report: Any) -> None:
        self.report = report
        super().__init__()
