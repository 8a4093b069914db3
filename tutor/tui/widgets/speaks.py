"""What every widget with words of its own can do."""

from __future__ import annotations

from collections.abc import Awaitable
from inspect import isawaitable
from typing import Protocol, runtime_checkable

from textual.screen import Screen


@runtime_checkable
class Speaks(Protocol):
    """A widget that can say itself again in the language that is now set."""

    def retell(self) -> Awaitable[None] | None: ...


async def retell_all(screen: Screen) -> None:
    """Put a whole screen into the current language."""
    for widget in (screen, *screen.walk_children()):
        if isinstance(widget, Speaks) and isawaitable(told := widget.retell()):
            await told
