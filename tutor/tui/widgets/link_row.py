"""A row that leads somewhere: a resource, a lesson, a cited passage. Focus it, then Enter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from textual.binding import Binding
from textual.content import Content
from textual.events import Click
from textual.message import Message
from textual.widgets import Static


class LinkRow(Static, can_focus=True):
    """Posts `LinkRow.Opened(target)` when it is clicked or Enter is pressed on it."""

    BINDINGS: ClassVar = [
        Binding("enter", "open", "Open", show=False),
        Binding("down", "app.focus_next", "Next", show=False),
        Binding("up", "app.focus_previous", "Previous", show=False),
    ]

    class Opened(Message):
        """A row was opened."""

        def __init__(self, target: Any) -> None:
            self.target = target
            super().__init__()

    def __init__(self, target: Any, content: Callable[[], Content]) -> None:
        """content: makes the row's text, so that it can be made again in the other language."""
        super().__init__(content())
        self.target = target
        self._make = content

    def retell(self) -> None:
        self.update(self._make())

    def on_click(self, event: Click) -> None:
        event.stop()
        self.action_open()

    def action_open(self) -> None:
        self.post_message(self.Opened(self.target))
