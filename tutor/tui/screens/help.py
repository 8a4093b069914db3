"""All keys, page by page."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from tutor.base.i18n import say
from tutor.tui.keys import ALL, Key


class HelpScreen(ModalScreen[None]):
    """Shows every table of tutor.tui.keys."""

    BINDINGS: ClassVar = [
        Binding("escape,q,enter,f1,question_mark", "dismiss", "Close", show=False)
    ]

    def compose(self) -> ComposeResult:
        with Vertical(classes="window"):
            yield Static(classes="window-title")
            with VerticalScroll(classes="window-text"):
                yield Static(id="keys")
            yield Static(classes="window-source")

    def on_mount(self) -> None:
        self.query_one(VerticalScroll).focus()
        self.retell()

    def retell(self) -> None:
        title = Content.styled(say("Keys", "按键"), "bold $primary")
        self.query_one(".window-title", Static).update(title)
        self.query_one("#keys", Static).update(Content("\n").join(_lines()))
        foot = say(
            "Esc closes.  Tab and the arrow keys move, the mouse works everywhere.",
            "Esc 关闭。Tab 和方向键移动，所有位置都可用鼠标。",
        )
        self.query_one(".window-source", Static).update(Content.styled(foot, "$foreground 60%"))


def _lines() -> list[Content]:
    lines = []
    for title, keys in ALL:
        lines.append(Content.styled(str(title), "bold"))
        lines += [_line(key) for key in keys]
        lines.append(Content(""))
    return lines[:-1]


def _line(key: Key) -> Content:
    return Content.assemble("  ", (f"{key.cap:<7}", "$primary"), str(key.help or key.label))
