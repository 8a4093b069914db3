"""The bar of keys at the bottom: as many as fit, the most useful ones first; each can be clicked."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from textual.content import Content
from textual.events import Resize
from textual.style import Style
from textual.widgets import Static

from tutor.tui.keys import Key


class KeyBar(Static):
    """Shows keys; drops from the end what does not fit."""

    def __init__(self) -> None:
        super().__init__(id="key-bar")
        self._keys: Sequence[Key] = ()

    def show(self, keys: Sequence[Key]) -> None:
        self._keys = keys
        self.retell()

    def retell(self) -> None:
        width, parts = max(self.size.width, 10), []
        for key in self._keys:
            width -= cell_len(f"{key.cap} {key.label}") + 3
            if width < -2:
                break
            parts.append(_drawn(key))
        self.update(Content("   ").join(parts))

    def on_resize(self, _: Resize) -> None:
        self.retell()


def _drawn(key: Key) -> Content:
    text = Content.assemble((key.cap, "bold $foreground"), " ", (str(key.label), "$foreground 70%"))
    if not key.action:
        return text
    action = key.action if "." in key.action else f"screen.press('{key.action}')"
    return text.stylize(Style.from_meta({"@click": action}))
